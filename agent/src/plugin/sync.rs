//! The atomics and threads with which `handshake` and `mailbox` are made: the standard library's here, those of a
//! model checker in `agent/tests/handshake`.  Those two files must take them from nowhere else.

pub(super) use std::sync::atomic;
pub(super) use std::thread;
