//! Writing a file so that neither a full disk nor a power cut leaves half of it, or loses the one before.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

/// Writes `bytes` to `new`, brings them to the disk and puts them in the place of `path`, which is in the same folder.
/// What is half written is removed.
///
/// `new` is the caller's to choose: in a folder that others can write to it must be a name that nobody has, and then
/// `exclusive` sees to it that nobody has.
///
/// # Errors
/// What the kernel says; `path` is then as it was.
pub(crate) fn replace(path: &Path, new: &Path, bytes: &[u8], exclusive: bool) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).mode(0o600);
    if exclusive {
        options.create_new(true);
    } else {
        options.create(true).truncate(true);
    }
    let mut file = options.open(new)?;
    let written = (|| {
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(new, path)?;
        // The new name, too, is to outlast a power cut: a key that is lost is another installation.
        path.parent().map_or(Ok(()), sync_folder)
    })();
    if written.is_err() {
        // What is half written is of no use; that it cannot be removed either changes nothing.
        let _ = fs::remove_file(new);
    }
    written
}

fn sync_folder(folder: &Path) -> io::Result<()> {
    // A file that is named without a folder is in the one where the program runs.
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    File::open(folder)?.sync_all()
}
