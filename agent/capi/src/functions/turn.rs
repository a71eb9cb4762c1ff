//! The three loops, and the end.

use std::ffi::c_int;
use std::ptr;

use serialnumberd_plugin::abi::*;

use crate::argument::usable;
use crate::barrier::{caught, guard};
use crate::instance::{self, enter, look, slnd_agent};
use crate::turn::{self, A_TURN};

/// \[any\] The one descriptor to wait on, for reading: if it is readable, slnd_agent_dispatch has something to do. It
/// never changes, and is closed by slnd_agent_free only. A negative answer is a slnd_status.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn slnd_agent_fd(agent: *const slnd_agent) -> c_int {
    // SAFETY: the caller's agent.
    let fd = || Ok(unsafe { enter(agent) }?.fd);
    caught(fd).unwrap_or_else(|refusal| refusal.status)
}

/// \[one\] How long to wait for the descriptor at most, in nanoseconds: -1 for as long as it takes, 0 not at all, which
/// is so whenever slnd_agent_dispatch stopped at its bound. Less than -1 is a slnd_status.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn slnd_agent_timeout_ns(agent: *const slnd_agent) -> i64 {
    let timeout = || {
        // SAFETY: the caller's agent.
        let agent = unsafe { enter(agent) }?;
        let _seat = agent.sit()?;
        let timeout = agent.core.with(|inside| Ok(inside.embedded.timeout()))?;
        Ok(timeout.map_or(-1, |left| i64::try_from(left.as_nanos()).unwrap_or(i64::MAX)))
    };
    caught(timeout).unwrap_or_else(|refusal| refusal.status.min(SLND_E_NOMEM).into())
}

/// \[one\] Does what is due and calls the callbacks, without ever waiting: takes in about `max_events` datagrams and
/// hands out at most as many events; 0 is a bound of the library's. `*done` becomes how many were handed out, if it
/// is not NULL. SLND_E_CLOSED says that a stop was asked for, or that a callback freed the agent.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn slnd_agent_dispatch(
    agent: *mut slnd_agent,
    max_events: u32,
    done: *mut u32,
) -> slnd_status {
    let dispatch = || {
        if !done.is_null() {
            usable(done, "done")?;
        }
        let max = if max_events == 0 { A_TURN } else { usize::try_from(max_events).unwrap_or(A_TURN) };
        let mut delivered = 0;
        // SAFETY: the caller's agent.
        let result = unsafe { enter(agent) }.and_then(|call| turn::dispatch(&call, max, &mut delivered));
        if !done.is_null() {
            // SAFETY: the caller's place for a number.
            unsafe { done.write(delivered) };
        }
        result
    };
    // SAFETY: NULL.
    unsafe { guard(ptr::null_mut(), dispatch) }
}

/// \[one\] Runs the loop on this thread until slnd_agent_stop, which is success. Callbacks are called here.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn slnd_agent_run(agent: *mut slnd_agent, error: *mut slnd_error) -> slnd_status {
    // SAFETY: the caller's agent.
    let run = || turn::run(&unsafe { enter(agent) }?);
    // SAFETY: the caller's struct.
    unsafe { guard(error, run) }
}

/// \[one\] Runs the loop on a thread of the library's until slnd_agent_stop. Callbacks are called there; it takes no
/// signals. If the loop fails, slnd_agent_check answers why.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn slnd_agent_spawn(agent: *mut slnd_agent, error: *mut slnd_error) -> slnd_status {
    // SAFETY: the caller's agent.
    let spawn = || turn::spawn(&unsafe { enter(agent) }?);
    // SAFETY: the caller's struct.
    unsafe { guard(error, spawn) }
}

/// \[signal\] Asks the loop to end: run returns, the thread of spawn ends, dispatch answers SLND_E_CLOSED. The goodbye
/// is slnd_agent_free's. Leaves errno alone.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn slnd_agent_stop(agent: *mut slnd_agent) -> slnd_status {
    // SAFETY: the C library's, of this thread.
    let errno = unsafe { libc::__errno_location() };
    // SAFETY: as above.
    let before = unsafe { *errno };
    let stop = || {
        // Without counting itself in: a thread's first look at its own count may allocate.
        // SAFETY: the caller's agent.
        unsafe { look(agent) }?.handle.stop();
        Ok(())
    };
    // SAFETY: NULL.
    let status = unsafe { guard(ptr::null_mut(), stop) };
    // SAFETY: as above.
    unsafe { *errno = before };
    status
}

/// Says goodbye, stops the plugins, ends the thread of spawn and frees the agent; NULL is allowed. No other thread may
/// be inside a call or begin one. Inside a callback, of whichever agent, it takes effect when the calls around it end,
/// and dispatch answers SLND_E_CLOSED; callbacks may run until then, so what their `user` points to must stay. In a
/// forked child it closes the child's copies of the descriptors, and leaks the memory.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn slnd_agent_free(agent: *mut slnd_agent) {
    // SAFETY: the caller's agent.
    let free = || unsafe { instance::free(agent) };
    // There is no status to tell: NULL is allowed, and a panic has left a message.
    drop(caught(free));
}
