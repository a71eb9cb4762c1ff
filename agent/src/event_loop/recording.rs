//! What the loop gives to a recording: every record as it is published, and the names of the interfaces in it.

use std::path::Path;

use super::Agent;
use crate::recording::{Header, HeldClaim, Recorder};
use crate::status::rfc3339;

impl Agent {
    /// Records what is published from here on, in a file and its older part: see [`crate::recording`].
    ///
    /// # Errors
    /// A sentence, if the file cannot be begun.
    pub fn record_to(&mut self, path: &Path) -> Result<(), String> {
        let claims = self
            .held
            .iter()
            .map(|(claim, held)| HeldClaim { product: held.product.to_string(), claim: claim.to_string() });
        let header = Header::new(rfc3339(self.now.wall_ms), self.now.boot.0, claims.collect());
        self.recorder = Some(Recorder::start(path, header)?);
        self.name_interfaces();
        log::info!("recording to {}", path.display());
        Ok(())
    }

    /// Tells the recording how interfaces are called now.
    pub(super) fn name_interfaces(&mut self) {
        if let Some(recorder) = &mut self.recorder {
            recorder
                .learn(self.links.iter().map(|l| (l.interface.index, l.interface.name.clone())).collect());
        }
    }
}
