//! Finds a plugin's file and opens it under the file rules.
//!
//! Whoever can write the file can run code as the agent: so it must be a regular file, owned by root or
//! by the agent's user and writable by nobody else, and what was checked is what is loaded (one descriptor).

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::error::{PluginError, Rule};

/// Resolves a plugin as the configuration names it: a bare name is searched in `dirs`, in their order;
/// anything with a `/` is taken as it is.
///
/// # Errors
/// If no directory has it; the message lists them all.
pub fn find(path: &Path, dirs: &[PathBuf]) -> Result<PathBuf, PluginError> {
    if path.as_os_str().as_encoded_bytes().contains(&b'/') {
        return Ok(path.to_owned());
    }
    if path.as_os_str().is_empty() {
        return Err(PluginError::new("\"\"", Rule::Search, "its path is empty: name the file"));
    }
    // A link that leads nowhere is found here, and then refused for being a link.
    if let Some(found) = dirs.iter().map(|dir| dir.join(path)).find(|file| file.symlink_metadata().is_ok()) {
        return Ok(found);
    }
    let searched: Vec<String> = dirs.iter().map(|dir| dir.display().to_string()).collect();
    let what = if searched.is_empty() {
        "there is no plugin directory to search: write its absolute path, or set plugin_dir".to_owned()
    } else {
        format!(
            "it is in none of {}: install it there, write its absolute path, or set plugin_dir",
            searched.join(", ")
        )
    };
    Err(PluginError::file(path, Rule::Search, what))
}

/// Opens the file, and refuses it unless the file rules hold for what was opened.
pub(super) fn open(path: &Path) -> Result<File, PluginError> {
    let refuse = |what: String| PluginError::file(path, Rule::File, what);
    // Not blocking: a FIFO in its place must not stop the agent before it is refused.
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
        .open(path)
        .map_err(|error| refuse(cannot_open(path, &error)))?;
    let meta = file.metadata().map_err(|error| refuse(format!("it cannot be examined: {error}")))?;
    if !meta.is_file() {
        return Err(refuse("it is no regular file: name the file itself".to_owned()));
    }
    let user = nix::unistd::geteuid().as_raw();
    if meta.uid() != 0 && meta.uid() != user {
        return Err(refuse(format!(
            "it belongs to user {}, neither root nor the agent's user ({user}): chown it",
            meta.uid()
        )));
    }
    if meta.mode() & 0o022 != 0 {
        return Err(refuse(format!(
            "its group or others may write it (mode {:04o}): chmod go-w {}",
            meta.mode() & 0o7777,
            path.display()
        )));
    }
    Ok(file)
}

fn cannot_open(path: &Path, error: &io::Error) -> String {
    // ELOOP is also a circle of links further up; then the sentence below is still the remedy.
    if error.raw_os_error() == Some(libc::ELOOP) || path.is_symlink() {
        return "it is a symbolic link: name the file itself".to_owned();
    }
    format!("it cannot be opened: {error}")
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn refused(path: &Path, part: &str) {
        let error = open(path).expect_err(part);
        assert_eq!(error.rule(), Rule::File, "{error}");
        assert!(error.to_string().contains(part), "{error}");
    }

    #[test]
    fn opens_only_files_that_nobody_else_can_write() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let file = dir.path().join("p.so");
        refused(&file, "cannot be opened");
        std::fs::write(&file, "").expect("written");
        for (mode, ok) in [(0o644, true), (0o755, true), (0o664, false), (0o646, false), (0o4755, true)] {
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).expect("mode set");
            assert_eq!(open(&file).is_ok(), ok, "{mode:o}");
        }
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o775)).expect("mode set");
        refused(&file, "(mode 0775): chmod go-w ");
        let link = dir.path().join("link.so");
        symlink(&file, &link).expect("linked");
        refused(&link, "symbolic link");
        refused(dir.path(), "no regular file");
        let fifo = dir.path().join("fifo");
        nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::from_bits_truncate(0o600)).expect("made");
        refused(&fifo, "no regular file");
    }

    #[test]
    fn a_bare_name_is_searched_in_order() {
        let (first, second) = (tempfile::tempdir().expect("dir"), tempfile::tempdir().expect("dir"));
        let dirs = [first.path().to_owned(), second.path().to_owned()];
        std::fs::write(second.path().join("p.so"), "").expect("written");
        assert_eq!(find(Path::new("p.so"), &dirs), Ok(second.path().join("p.so")));
        std::fs::write(first.path().join("p.so"), "").expect("written");
        assert_eq!(find(Path::new("p.so"), &dirs), Ok(first.path().join("p.so")));
        assert_eq!(find(Path::new("./q.so"), &dirs), Ok(PathBuf::from("./q.so")));
        let miss = find(Path::new("q.so"), &dirs).expect_err("not there").to_string();
        assert!(dirs.iter().all(|dir| miss.contains(&dir.display().to_string())), "{miss}");
        assert!(
            find(Path::new("q.so"), &[]).expect_err("nowhere").to_string().contains("no plugin directory")
        );
    }
}
