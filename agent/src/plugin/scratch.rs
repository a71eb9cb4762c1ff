//! A folder for one command, made by nobody else and removed when the command is over.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use crate::clock;

pub(super) struct Scratch(PathBuf);

impl Scratch {
    /// Below `$TMPDIR`, for a purpose that its name tells.  What lies in a folder that others can write to may be a trap:
    /// so the name must be new.
    ///
    /// # Errors
    /// A sentence.
    pub(super) fn new(purpose: &str) -> Result<Scratch, String> {
        let base = std::env::temp_dir();
        let name = format!("serialnumberd-{purpose}-{}-{}", std::process::id(), clock::boottime_ns());
        let make = || {
            let path = base.join(name);
            DirBuilder::new().mode(0o700).create(&path)?;
            // Paths in it are compared with what the kernel says of them.
            path.canonicalize()
        };
        let made: io::Result<PathBuf> = make();
        made.map(Scratch).map_err(|e| {
            format!("no folder can be made in {}: {e}; set TMPDIR to one of your own", base.display())
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(e) = fs::remove_dir_all(&self.0) {
            log::warn!("{} cannot be removed: {e}", self.0.display());
        }
    }
}
