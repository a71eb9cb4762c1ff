//! The socket's file: made under a temporary name, shown by a rename once it answers, removed at the
//! end if it is still this agent's.

use std::fs::{self, DirBuilder, Permissions};
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt as _, FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process;

use nix::unistd::{Gid, Uid, chown};

use super::access::Door;

/// Owner and group may connect; who of them is served is [`super::Access`]'s matter.
const MODE: u32 = 0o660;
/// Everybody may connect, and is served or told why not.
const OPEN_MODE: u32 = 0o666;
/// `sun_path` of sys/un.h has 108 bytes, the last of them NUL.
const LONGEST_PATH: usize = 107;
/// Temporary names that are tried: several agents of one process may be in one directory.
const TEMPORARY_NAMES: u32 = 64;

/// A listening socket's file.
#[derive(Debug)]
pub(super) struct SocketFile {
    path: PathBuf,
    temporary: Option<PathBuf>,
    identity: (u64, u64),
    is_removed: bool,
}

impl SocketFile {
    /// Listens under a temporary name beside `path`.  A missing directory is made: 0755 by root, since the
    /// system's clients must get there, else 0700.
    ///
    /// # Errors
    /// A sentence, if an agent answers at `path` already or the socket cannot be made there.
    pub(super) fn listen(path: &Path, door: Door) -> Result<(UnixListener, SocketFile), String> {
        let shown = path.display();
        let fail = |e: &dyn std::fmt::Display| format!("cannot make the control socket {shown}: {e}");
        let length = path.as_os_str().len();
        if length > LONGEST_PATH {
            return Err(fail(&format!(
                "its path has {length} bytes and a Unix socket's at most {LONGEST_PATH}; set a shorter `control`"
            )));
        }
        make_directory(path)?;
        refuse_occupied(path)?;
        let (listener, temporary) = bind_temporary(path).map_err(|e| fail(&e))?;
        let prepared = prepare(&temporary, door).and_then(|identity| {
            listener.set_nonblocking(true)?;
            Ok(identity)
        });
        match prepared {
            Ok(identity) => {
                let (path, temporary) = (path.to_owned(), Some(temporary));
                Ok((listener, SocketFile { path, temporary, identity, is_removed: false }))
            }
            Err(e) => {
                let _ = fs::remove_file(&temporary);
                Err(fail(&e))
            }
        }
    }

    /// Shows the socket under its own name.  A stale file of a dead agent is replaced.
    ///
    /// # Errors
    /// A sentence, if an agent answers there by now or the rename fails.
    pub(super) fn publish(&mut self) -> Result<(), String> {
        let Some(temporary) = self.temporary.take() else { return Ok(()) };
        let published = refuse_occupied(&self.path).and_then(|()| {
            fs::rename(&temporary, &self.path)
                .map_err(|e| format!("cannot make the control socket {}: {e}", self.path.display()))
        });
        if published.is_err() {
            self.temporary = Some(temporary);
        }
        published
    }

    /// Lets others through than before.
    ///
    /// # Errors
    /// A sentence, if the file cannot be given its mode or its group, or is not this agent's any more.
    pub(super) fn set_door(&self, door: Door) -> Result<(), String> {
        let (path, shown) = (self.place(), self.path.display());
        if !self.is_mine() {
            return Err(format!("the control socket {shown} was removed or replaced: restart the agent"));
        }
        give_to_group(path, door)?;
        set_mode(path, door).map_err(|e| format!("cannot set the mode of the control socket {shown}: {e}"))
    }

    /// Removes it, if it is still this agent's.
    pub(super) fn remove(&mut self) {
        if std::mem::replace(&mut self.is_removed, true) {
            return;
        }
        let path = self.place();
        if self.is_mine()
            && let Err(e) = fs::remove_file(path)
        {
            log::warn!("cannot remove the control socket {}: {e}", path.display());
        }
    }

    /// Leaves the file to somebody else, who has the same socket.
    pub(super) fn disown(&mut self) {
        self.is_removed = true;
    }

    fn place(&self) -> &Path {
        self.temporary.as_ref().unwrap_or(&self.path)
    }

    fn is_mine(&self) -> bool {
        fs::symlink_metadata(self.place()).is_ok_and(|m| (m.dev(), m.ino()) == self.identity)
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        self.remove();
    }
}

fn make_directory(path: &Path) -> Result<(), String> {
    let Some(directory) = path.parent().filter(|d| !d.as_os_str().is_empty()) else { return Ok(()) };
    if directory.is_dir() {
        return Ok(());
    }
    let mode = if Uid::effective().is_root() { 0o755 } else { 0o700 };
    DirBuilder::new()
        .recursive(true)
        .mode(mode)
        .create(directory)
        .and_then(|()| fs::set_permissions(directory, Permissions::from_mode(mode)))
        .map_err(|e| {
            format!(
                "cannot make the directory {} of the control socket: {e}; make it, or set another `control`",
                directory.display()
            )
        })
}

/// Refuses a living agent's socket and anything that is no socket.
fn refuse_occupied(path: &Path) -> Result<(), String> {
    let shown = path.display();
    match fs::symlink_metadata(path) {
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(format!("cannot look at the control socket {shown}: {e}")),
        Ok(meta) if !meta.file_type().is_socket() => {
            return Err(format!("{shown} is no socket: remove it, or set another `control`"));
        }
        Ok(_) => {}
    }
    // Not blocking: an agent whose queue of connections is full lives too.
    match mio::net::UnixStream::connect(path) {
        Err(e) if matches!(e.kind(), ErrorKind::ConnectionRefused | ErrorKind::NotFound) => Ok(()),
        Err(e) if e.kind() != ErrorKind::WouldBlock => {
            Err(format!("cannot tell whether an agent answers at {shown}: {e}"))
        }
        Ok(_) | Err(_) => {
            Err(format!("an agent answers at {shown} already; stop it, or set another `control`"))
        }
    }
}

fn bind_temporary(path: &Path) -> std::io::Result<(UnixListener, PathBuf)> {
    let mut taken = std::io::Error::from(ErrorKind::AddrInUse);
    for n in 0..TEMPORARY_NAMES {
        // Short, so that it fits wherever the real name fits.
        let temporary = path.with_file_name(format!(".{:x}.{n:x}", process::id()));
        match UnixListener::bind(&temporary) {
            Ok(listener) => return Ok((listener, temporary)),
            Err(e) if e.kind() == ErrorKind::AddrInUse => taken = e,
            Err(e) => return Err(e),
        }
    }
    Err(taken)
}

/// Gives the file its mode and group; answers device and inode, which a rename keeps.
fn prepare(temporary: &Path, door: Door) -> std::io::Result<(u64, u64)> {
    set_mode(temporary, door)?;
    if let Err(sentence) = give_to_group(temporary, door) {
        log::warn!("{sentence}");
    }
    let meta = fs::symlink_metadata(temporary)?;
    Ok((meta.dev(), meta.ino()))
}

fn set_mode(path: &Path, door: Door) -> std::io::Result<()> {
    let mode = if door == Door::Everybody { OPEN_MODE } else { MODE };
    fs::set_permissions(path, Permissions::from_mode(mode))
}

/// The group matters where only one is let through; else it is the agent's own, whatever it was before.
fn give_to_group(path: &Path, door: Door) -> Result<(), String> {
    let group = match door {
        Door::Group(gid) => Gid::from_raw(gid),
        Door::Own | Door::Everybody => Gid::effective(),
    };
    chown(path, None, Some(group)).map_err(|e| {
        format!(
            "cannot give the control socket to group {group}: {e}; its members get through only if the agent's \
             user is one of them (SupplementaryGroups= in its unit)"
        )
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use super::*;

    fn listen(path: &Path) -> (UnixListener, SocketFile) {
        SocketFile::listen(path, Door::Own).unwrap()
    }

    #[test]
    fn it_appears_by_rename_and_goes_with_its_agent() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("new/control.sock");
        let (_listener, mut file) = listen(&path);
        assert!(!path.exists());
        file.publish().unwrap();
        let meta = fs::metadata(&path).unwrap();
        assert_eq!(meta.permissions().mode() & 0o777, 0o660);
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
        UnixStream::connect(&path).unwrap();
        drop(file);
        assert!(!path.exists());
    }

    #[test]
    fn its_mode_follows_who_is_let_through() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("control.sock");
        let (_listener, mut file) = SocketFile::listen(&path, Door::Everybody).unwrap();
        file.publish().unwrap();
        let mode = || fs::metadata(&path).unwrap().mode() & 0o7777;
        assert_eq!(mode(), 0o666);
        for (door, expected) in
            [(Door::Own, 0o660), (Door::Everybody, 0o666), (Door::Group(Gid::effective().as_raw()), 0o660)]
        {
            assert_eq!(file.set_door(door), Ok(()));
            assert_eq!(mode(), expected, "{door:?}");
        }
        fs::remove_file(&path).unwrap();
        fs::write(&path, "another's").unwrap();
        let before = mode();
        assert!(file.set_door(Door::Everybody).unwrap_err().contains("removed or replaced"));
        assert_eq!(mode(), before);
    }

    #[test]
    fn an_unpublished_one_leaves_nothing_behind() {
        let dir = tempfile::tempdir().unwrap();
        drop(listen(&dir.path().join("control.sock")));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_living_agent_is_not_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("control.sock");
        let (_l1, mut first) = listen(&path);
        let (_l2, mut second) = listen(&path);
        first.publish().unwrap();
        assert!(second.publish().unwrap_err().contains("an agent answers at"));
        assert!(SocketFile::listen(&path, Door::Own).unwrap_err().contains("an agent answers at"));
        drop(second);
        UnixStream::connect(&path).unwrap();
    }

    #[test]
    fn a_dead_agents_socket_is_replaced_and_not_removed_by_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("control.sock");
        let (dead_listener, mut dead) = listen(&path);
        dead.publish().unwrap();
        drop(dead_listener);
        let (_listener, mut file) = listen(&path);
        file.publish().unwrap();
        drop(dead);
        UnixStream::connect(&path).unwrap();
    }

    #[test]
    fn what_is_in_the_way_gets_a_sentence() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("control.sock");
        fs::write(&path, "precious").unwrap();
        assert!(SocketFile::listen(&path, Door::Own).unwrap_err().contains("is no socket"));
        assert_eq!(fs::read(&path).unwrap(), b"precious");
        let below = SocketFile::listen(&path.join("x/control.sock"), Door::Own).unwrap_err();
        assert!(below.contains("cannot make the directory"), "{below}");
        let long = dir.path().join("x".repeat(108));
        assert!(SocketFile::listen(&long, Door::Own).unwrap_err().contains("set a shorter `control`"));
    }
}
