//! The strictest policy there could be, where the agent's plugins are: it stops the licensed software as soon as a
//! duplicate is confirmed, on every host and whatever the order of holders.  What it does not stop no policy stops.

use serialnumberd_core::Stage;

/// The verdict of the strictest policy.
#[derive(Clone, Debug, Default)]
pub(crate) struct Plugin {
    denies: bool,
}

impl Plugin {
    /// A `duplicate` event came.  Says whether that makes it stop the software.
    pub(crate) fn duplicate(&mut self, stage: Stage) -> bool {
        let stops = stage == Stage::Duplicate && !self.denies;
        self.denies |= stage == Stage::Duplicate;
        stops
    }

    /// A `resolved` event came, or a state without a conflict.
    pub(crate) fn resolved(&mut self) {
        self.denies = false;
    }
}
