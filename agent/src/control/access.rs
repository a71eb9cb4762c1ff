//! Who may use the control socket: root, the agent's own user, and who the configuration names.
//!
//! The kernel's word on the connected process is the gate; the mode of the socket's file only keeps out whom it
//! can tell apart, which is one group.

use std::os::fd::AsFd;

use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};
use nix::unistd::Uid;

use crate::socket::peer_groups;

/// Users and groups that may use the control socket.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Access {
    uids: Vec<u32>,
    gids: Vec<u32>,
    door: Door,
}

/// Who can open the socket's file at all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Door {
    /// The agent's own user and group.
    #[default]
    Own,
    /// The agent's own user and this group.
    Group(u32),
    /// Everybody: a file has one group, so it cannot let in several, nor a user.
    Everybody,
}

impl Access {
    /// Root, this process's user, and whoever `control_uids` and `control_gids` name.
    #[must_use]
    pub fn new(uids: &[u32], gids: &[u32]) -> Access {
        let always = [0, Uid::effective().as_raw()];
        let door = match (uids, gids) {
            ([], []) => Door::Own,
            ([], [gid]) => Door::Group(*gid),
            _ => Door::Everybody,
        };
        Access { uids: [&always, uids].concat(), gids: gids.to_vec(), door }
    }

    /// Not even root, so that a refusal can be tested by root.
    #[cfg(test)]
    pub(super) fn of_nobody() -> Access {
        Access::default()
    }

    /// What the socket's file must let through.
    pub(super) fn door(&self) -> Door {
        self.door
    }

    /// Asks the kernel who is on the other end of a connection.  Answers its process, if that can be seen from here.
    ///
    /// # Errors
    /// A sentence for whoever may not.
    pub(super) fn check(&self, stream: &impl AsFd) -> Result<Option<u32>, String> {
        let peer = getsockopt(stream, PeerCredentials)
            .map_err(|e| format!("the kernel does not say who you are: {e}"))?;
        let uid = peer.uid();
        let groups = || {
            peer_groups(stream.as_fd())
                .map_err(|e| format!("the kernel does not say what groups user {uid} is in: {e}"))
        };
        if self.allows(uid, peer.gid(), groups)? {
            // 0 is a process of a container that this one cannot see into.
            return Ok(u32::try_from(peer.pid()).ok().filter(|pid| *pid > 0));
        }
        Err(format!(
            "user {uid} may not use this agent; add {uid} to `control_uids` or one of its groups to `control_gids`"
        ))
    }

    /// `further_groups` is asked last, and only where a group is named.
    fn allows(
        &self,
        uid: u32,
        gid: u32,
        further_groups: impl FnOnce() -> Result<Vec<u32>, String>,
    ) -> Result<bool, String> {
        if self.uids.contains(&uid) || self.gids.contains(&gid) {
            return Ok(true);
        }
        Ok(!self.gids.is_empty() && further_groups()?.iter().any(|g| self.gids.contains(g)))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use nix::unistd::getgroups;

    use super::*;

    fn of(uids: &[u32], gids: &[u32]) -> Access {
        Access { uids: uids.to_vec(), gids: gids.to_vec(), door: Door::Own }
    }

    #[test]
    fn root_the_own_user_and_the_named_ones() {
        let access = of(&[0, 100, 200], &[300]);
        let none = || Ok(Vec::new());
        assert_eq!(access.allows(0, 9, none), Ok(true));
        assert_eq!(access.allows(100, 9, none), Ok(true));
        assert_eq!(access.allows(200, 9, none), Ok(true));
        assert_eq!(access.allows(9, 300, none), Ok(true));
        assert_eq!(access.allows(9, 9, || Ok(vec![8, 300])), Ok(true));
        assert_eq!(access.allows(300, 200, || Ok(vec![100, 200])), Ok(false));
        assert!(access.allows(9, 9, || Err("unknown".to_owned())).is_err());
    }

    #[test]
    fn the_groups_are_not_asked_for_without_a_named_one() {
        let access = of(&[0, 100], &[]);
        assert_eq!(access.allows(9, 9, || panic!("asked")), Ok(false));
    }

    #[test]
    fn the_file_lets_everybody_through_only_where_one_group_is_not_enough() {
        for (uids, gids, door) in [
            (&[][..], &[][..], Door::Own),
            (&[], &[7], Door::Group(7)),
            (&[], &[7, 8], Door::Everybody),
            (&[5], &[], Door::Everybody),
            (&[5], &[7], Door::Everybody),
        ] {
            assert_eq!(Access::new(uids, gids).door(), door, "{uids:?} {gids:?}");
        }
    }

    #[test]
    fn this_process_may_and_its_groups_are_the_kernels() {
        let (a, _b) = std::os::unix::net::UnixStream::pair().unwrap();
        assert_eq!(Access::new(&[], &[]).check(&a), Ok(Some(std::process::id())));
        let told: BTreeSet<u32> = peer_groups(a.as_fd()).unwrap().into_iter().collect();
        let own: BTreeSet<u32> = getgroups().unwrap().into_iter().map(nix::unistd::Gid::as_raw).collect();
        assert_eq!(told, own);
    }
}
