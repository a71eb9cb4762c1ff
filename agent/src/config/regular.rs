//! Opens what must be a regular file.  What is read from it, and who may read it, is its callers' matter.

use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

/// Opens a regular file for reading; `None` if it is anything else.
///
/// Never blocks: opening a FIFO would wait for somebody who writes to it, and a reload is read in the loop.
///
/// # Errors
/// What the kernel says.
pub(crate) fn open(path: &Path) -> io::Result<Option<(File, Metadata)>> {
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path)?;
    let meta = file.metadata()?;
    Ok(meta.is_file().then_some((file, meta)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_regular_file_is_opened_and_nothing_is_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        std::fs::write(&file, "text").unwrap();
        let (_, meta) = open(&file).unwrap().unwrap();
        assert_eq!(meta.len(), 4);
        let fifo = dir.path().join("fifo");
        nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRUSR | nix::sys::stat::Mode::S_IWUSR).unwrap();
        for other in [&fifo, dir.path(), Path::new("/dev/null")] {
            assert!(open(other).unwrap().is_none(), "{}", other.display());
        }
        assert!(open(&dir.path().join("missing")).is_err());
    }
}
