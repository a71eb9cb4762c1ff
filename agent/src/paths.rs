//! Where things lie on this host: the system's places and an ordinary user's.
//!
//! Owns the two profiles and what the environment says of them.  It reads no configuration and creates
//! nothing.

use std::path::{Path, PathBuf};

/// The port of the original, IANA's `asia` in name, Mac OS X Server's serialnumberd in fact.
pub const PORT: u16 = 626;
/// The port of an agent without privileges.
pub const UNPRIVILEGED_PORT: u16 = 62626;
/// The port of the directory; the port registry calls it `tenfold`.
pub const DIRECTORY_PORT: u16 = 658;
/// The port of the directory of an agent without privileges.
pub const UNPRIVILEGED_DIRECTORY_PORT: u16 = 62658;
/// Where NetInfo's clients look for the tag `local`, without asking anybody.
pub const LOCAL_DIRECTORY_PORT: u16 = 1033;
/// The system's state directory; systemd's `StateDirectory=serialnumberd`.
pub const STATE_DIR: &str = "/var/lib/serialnumberd";
/// The system's control socket; systemd's `RuntimeDirectory=serialnumberd`.
pub const CONTROL: &str = "/run/serialnumberd/control.sock";
/// Where the system's packages put plugins.
pub const PLUGIN_DIR: &str = "/usr/lib/serialnumberd/plugins";

/// Whose places and port are the defaults.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Profile {
    /// A service of the system: port 626, `/var/lib`, `/run`.
    #[default]
    System,
    /// An ordinary user's process: port 62626, `$XDG_STATE_HOME`, `$XDG_RUNTIME_DIR`.
    Unprivileged,
}

/// The environment variables that say where an ordinary user's files belong.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Environment {
    /// `$XDG_STATE_HOME`, if set to an absolute path.
    pub state_home: Option<PathBuf>,
    /// `$XDG_RUNTIME_DIR`, if set to an absolute path.
    pub runtime_dir: Option<PathBuf>,
    /// `$HOME`, if set to an absolute path.
    pub home: Option<PathBuf>,
}

impl Environment {
    /// Reads them from this process.
    #[must_use]
    pub fn of_this_process() -> Environment {
        // The XDG base directory specification: a relative path is invalid and is to be ignored.
        let absolute = |name| std::env::var_os(name).map(PathBuf::from).filter(|p| p.is_absolute());
        Environment {
            state_home: absolute("XDG_STATE_HOME"),
            runtime_dir: absolute("XDG_RUNTIME_DIR"),
            home: absolute("HOME"),
        }
    }

    /// The state directory of a profile.
    ///
    /// # Errors
    /// A sentence, if the environment names neither a state directory nor a home.
    pub fn state_dir(&self, profile: Profile) -> Result<PathBuf, String> {
        if profile == Profile::System {
            return Ok(PathBuf::from(STATE_DIR));
        }
        match (&self.state_home, &self.home) {
            (Some(state), _) => Ok(state.join("serialnumberd")),
            (None, Some(home)) => Ok(home.join(".local/state/serialnumberd")),
            (None, None) => Err("there is no place for the state: neither XDG_STATE_HOME nor HOME is set; \
                                 set one of them to an absolute path, or set `state_dir` in [agent]"
                .to_owned()),
        }
    }

    /// The control socket of a profile.
    ///
    /// # Errors
    /// A sentence, if an ordinary user has no runtime directory.
    pub fn control(&self, profile: Profile) -> Result<PathBuf, String> {
        match (profile, &self.runtime_dir) {
            (Profile::System, _) => Ok(PathBuf::from(CONTROL)),
            (Profile::Unprivileged, Some(dir)) => Ok(unprivileged_control(dir)),
            (Profile::Unprivileged, None) => {
                Err("there is no place for the control socket: XDG_RUNTIME_DIR is not set; set it to a \
                     directory of your own (loginctl enable-linger makes one), or set `control` in [agent]"
                    .to_owned())
            }
        }
    }

    /// Where a client looks for an agent, best first.
    #[must_use]
    pub fn control_candidates(&self) -> Vec<PathBuf> {
        let own = self.runtime_dir.as_deref().map(unprivileged_control);
        std::iter::once(PathBuf::from(CONTROL)).chain(own).collect()
    }
}

/// Where plugins that are named without a folder are searched, first to last: the command line's directories,
/// the configuration's, the program's own folder, and the one that an installation under a prefix has.
#[must_use]
pub fn plugin_directories(command_line: &[PathBuf], configured: Option<&Path>) -> Vec<PathBuf> {
    let program = std::env::current_exe().ok();
    let folder = program.as_deref().and_then(Path::parent);
    let prefix = folder.and_then(Path::parent).map(|prefix| prefix.join("lib/serialnumberd/plugins"));
    let mut all: Vec<PathBuf> = command_line.to_vec();
    all.extend([configured, folder, prefix.as_deref()].into_iter().flatten().map(Path::to_owned));
    let mut seen = std::collections::BTreeSet::new();
    all.retain(|dir| seen.insert(dir.clone()));
    all
}

fn unprivileged_control(runtime_dir: &Path) -> PathBuf {
    runtime_dir.join("serialnumberd/control.sock")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(state: Option<&str>, runtime: Option<&str>, home: Option<&str>) -> Environment {
        Environment {
            state_home: state.map(PathBuf::from),
            runtime_dir: runtime.map(PathBuf::from),
            home: home.map(PathBuf::from),
        }
    }

    #[test]
    fn an_ordinary_user_has_own_places() {
        let e = environment(Some("/s"), Some("/r"), Some("/h"));
        assert_eq!(e.state_dir(Profile::Unprivileged), Ok(PathBuf::from("/s/serialnumberd")));
        assert_eq!(e.control(Profile::Unprivileged), Ok(PathBuf::from("/r/serialnumberd/control.sock")));
        let e = environment(None, None, Some("/h"));
        assert_eq!(e.state_dir(Profile::Unprivileged), Ok(PathBuf::from("/h/.local/state/serialnumberd")));
    }

    #[test]
    fn a_missing_place_says_what_to_set() {
        let e = Environment::default();
        assert!(e.state_dir(Profile::Unprivileged).unwrap_err().contains("XDG_STATE_HOME"));
        assert!(e.control(Profile::Unprivileged).unwrap_err().contains("XDG_RUNTIME_DIR"));
        assert_eq!(e.state_dir(Profile::System), Ok(PathBuf::from(STATE_DIR)));
    }

    #[test]
    fn plugins_are_searched_in_order_and_each_place_once() {
        let dirs = plugin_directories(&["/a".into(), "/b".into()], Some(Path::new("/a")));
        assert_eq!(dirs[..2], [PathBuf::from("/a"), PathBuf::from("/b")]);
        assert_eq!(dirs[2], std::env::current_exe().unwrap().parent().unwrap());
        assert!(dirs[3].ends_with("lib/serialnumberd/plugins"));
        assert_eq!(dirs.len(), 4);
    }

    #[test]
    fn clients_look_in_run_first() {
        let all = environment(None, Some("/r"), None).control_candidates();
        assert_eq!(all, [PathBuf::from(CONTROL), PathBuf::from("/r/serialnumberd/control.sock")]);
    }
}
