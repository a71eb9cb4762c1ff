//! The descriptors of an embedded agent, for a forked child that cannot let it go in order.

use std::os::fd::{AsRawFd, RawFd};

use super::Embedded;
use super::embedded::Phase;

impl Embedded {
    /// Every descriptor that lasts longer than a turn, and those of the control socket's clients.
    ///
    /// Reads numbers and follows nothing that a turn moves: so a forked child may ask it of an agent that another thread
    /// was turning, to close them; [`Embedded::forsake`] wants one that is whole.
    #[must_use]
    pub fn descriptors(&self) -> Vec<RawFd> {
        let mut all = vec![self.outer.0.as_raw_fd(), self.shared.bell.as_raw_fd()];
        match &self.phase {
            Phase::Own(own) => all.extend(own.descriptors()),
            Phase::Connected(connected) => all.extend(connected.descriptors()),
            Phase::Before(_) | Phase::Over => {}
        }
        all
    }
}
