//! A plugin's own directory: `plugins/ID` below the agent's state directory, mode 0700.

use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};

use super::error::{PluginError, Rule};
use super::process::Account;

/// Makes the directory if it is missing, and closes it to others if it is open to them.  It belongs to `user` if the
/// plugin runs as one, else to the agent's.
pub(super) fn prepare(base: &Path, id: &str, user: Option<&Account>) -> Result<PathBuf, PluginError> {
    let all = base.join("plugins");
    let dir = all.join(id);
    let refuse = |what: String| PluginError::new(id, Rule::StateDir, what);
    let failed = |error: io::Error| refuse(format!("{} cannot be made: {error}", dir.display()));
    DirBuilder::new().recursive(true).mode(0o700).create(&dir).map_err(failed)?;
    // The ABI promises an absolute path, whatever the working directory becomes.
    let dir = std::path::absolute(&dir).map_err(failed)?;
    let meta = fs::symlink_metadata(&dir).map_err(failed)?;
    let agent = nix::unistd::geteuid().as_raw();
    let owner = user.map_or(agent, |user| user.uid);
    if !meta.is_dir() || (meta.uid() != agent && meta.uid() != owner) {
        let what = format!("{} must be a directory of the agent's user ({agent}): chown it", dir.display());
        return Err(refuse(what));
    }
    if meta.mode() & 0o777 != 0o700 {
        fs::set_permissions(&dir, Permissions::from_mode(0o700)).map_err(failed)?;
    }
    if let Some(user) = user {
        // Nobody may list the others' names, but that user must get through to its own.
        let open = fs::metadata(&all).map_err(failed)?.mode() & 0o777 | 0o011;
        fs::set_permissions(&all, Permissions::from_mode(open)).map_err(failed)?;
        chown(&dir, Some(user.uid), Some(user.gid)).map_err(failed)?;
    }
    Ok(dir)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_directory_is_private() {
        let base = tempfile::tempdir().expect("a temporary directory");
        let dir = prepare(base.path(), "p", None).expect("made");
        assert_eq!(dir, base.path().join("plugins/p"));
        let mode = |dir: &Path| fs::metadata(dir).expect("there").mode() & 0o777;
        assert_eq!(mode(&dir), 0o700);
        fs::set_permissions(&dir, Permissions::from_mode(0o755)).expect("opened");
        assert_eq!((prepare(base.path(), "p", None), mode(&dir)), (Ok(dir.clone()), 0o755 & 0o700));
        fs::write(base.path().join("file"), "").expect("written");
        let error = prepare(&base.path().join("file"), "p", None).expect_err("no directory");
        assert_eq!(error.rule(), Rule::StateDir);
        std::os::unix::fs::symlink("/", base.path().join("plugins/l")).expect("linked");
        assert!(
            prepare(base.path(), "l", None).expect_err("a link").to_string().contains("must be a directory")
        );
    }
}
