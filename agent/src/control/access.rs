//! Who may use the control socket: root, the agent's own user, and who the configuration names.

use std::ffi::CString;
use std::os::fd::AsFd;

use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};
use nix::unistd::{Gid, Uid, User, getgrouplist};

/// Users and groups that may use the control socket.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Access {
    uids: Vec<u32>,
    gids: Vec<u32>,
}

impl Access {
    /// Root, this process's user, and whoever `control_uids` and `control_gids` name.
    #[must_use]
    pub fn new(uids: &[u32], gids: &[u32]) -> Access {
        let always = [0, Uid::effective().as_raw()];
        Access { uids: [&always, uids].concat(), gids: gids.to_vec() }
    }

    /// Not even root, so that a refusal can be tested by root.
    #[cfg(test)]
    pub(super) fn of_nobody() -> Access {
        Access { uids: Vec::new(), gids: Vec::new() }
    }

    /// The group that the socket file is given, so that its members can open it at all.
    pub(super) fn socket_group(&self) -> Option<u32> {
        self.gids.first().copied()
    }

    /// Asks the kernel who is on the other end of a connection.
    ///
    /// # Errors
    /// A sentence for whoever may not.
    pub(super) fn check(&self, stream: &impl AsFd) -> Result<(), String> {
        let peer = getsockopt(stream, PeerCredentials)
            .map_err(|e| format!("the kernel does not say who you are: {e}"))?;
        if self.allows(peer.uid(), peer.gid(), || groups_of(peer.uid())) {
            return Ok(());
        }
        let uid = peer.uid();
        Err(format!(
            "user {uid} may not use this agent; add {uid} to `control_uids` or one of its groups to `control_gids`"
        ))
    }

    /// `further_groups` is asked last: it may have to look into a directory service.
    fn allows(&self, uid: u32, gid: u32, further_groups: impl FnOnce() -> Vec<u32>) -> bool {
        self.uids.contains(&uid)
            || self.gids.contains(&gid)
            || (!self.gids.is_empty() && further_groups().iter().any(|g| self.gids.contains(g)))
    }
}

/// All groups of an account; the kernel tells only the first of a connected process.
fn groups_of(uid: u32) -> Vec<u32> {
    let Ok(Some(user)) = User::from_uid(Uid::from_raw(uid)) else { return Vec::new() };
    let Ok(name) = CString::new(user.name) else { return Vec::new() };
    let groups = getgrouplist(&name, user.gid).unwrap_or_default();
    groups.into_iter().map(Gid::as_raw).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_the_own_user_and_the_named_ones() {
        let access = Access { uids: vec![0, 100, 200], gids: vec![300] };
        let none = Vec::new;
        assert!(access.allows(0, 9, none));
        assert!(access.allows(100, 9, none));
        assert!(access.allows(200, 9, none));
        assert!(access.allows(9, 300, none));
        assert!(access.allows(9, 9, || vec![8, 300]));
        assert!(!access.allows(300, 200, || vec![100, 200]));
    }

    #[test]
    fn no_directory_is_asked_without_a_named_group() {
        let access = Access { uids: vec![0, 100], gids: Vec::new() };
        assert!(!access.allows(9, 9, || panic!("asked")));
    }

    #[test]
    fn this_process_may_and_the_groups_of_root_are_found() {
        let (a, _b) = std::os::unix::net::UnixStream::pair().unwrap();
        assert_eq!(Access::new(&[], &[]).check(&a), Ok(()));
        assert!(groups_of(0).contains(&0));
    }
}
