//! What a plugin says of itself, as constants.

use core::ffi::CStr;

use crate::OptionSpec;
use crate::abi::{self, slnd_perms};

/// What a plugin is.  `..About::new(id, version, description)` fills in what need not be said.
#[derive(Clone, Copy, Debug)]
pub struct About {
    /// `[a-z0-9][a-z0-9._-]{0,62}`; checked when the plugin is compiled.
    pub id: &'static CStr,
    /// For people.
    pub name: &'static CStr,
    /// One line, e.g. from [`version!`](crate::version).
    pub version: &'static CStr,
    /// One sentence: what it does.
    pub description: &'static CStr,
    /// Who makes it.
    pub vendor: Option<&'static CStr>,
    /// Where to read more.
    pub url: Option<&'static CStr>,
    /// Permissions without which it is refused.
    pub wants: Permissions,
    /// Permissions that it uses if they are granted.
    pub wants_if_granted: Permissions,
    /// Which events it wants.  One that decides on [`Kinds::DUPLICATE`] wants [`Kinds::STATE`], too: without it nobody asks
    /// once the conflict is resolved, and its last verdict stays in force.
    pub events: Kinds,
    /// How many events may wait; 0 leaves it to the host.
    pub queue_hint: u32,
    /// How many events it takes at once at most; 0 leaves it to the host.
    pub batch_max: u32,
    /// Its options.
    pub options: &'static [OptionSpec],
}

impl About {
    /// Only a name: no permissions, no events, no options.
    #[must_use]
    pub const fn new(id: &'static CStr, version: &'static CStr, description: &'static CStr) -> About {
        About {
            id,
            name: id,
            version,
            description,
            vendor: None,
            url: None,
            wants: Permissions::NONE,
            wants_if_granted: Permissions::NONE,
            events: Kinds::NONE,
            queue_hint: 0,
            batch_max: 0,
            options: &[],
        }
    }
}

/// The version of the crate that stands where this is written, for [`About::version`].
#[macro_export]
macro_rules! version {
    () => {
        match ::core::ffi::CStr::from_bytes_with_nul(
            ::core::concat!(::core::env!("CARGO_PKG_VERSION"), "\0").as_bytes(),
        ) {
            Ok(version) => version,
            Err(_) => ::core::panic!("CARGO_PKG_VERSION has a NUL"),
        }
    };
}

/// A set of permissions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Permissions(pub slnd_perms);

impl Permissions {
    /// None.
    pub const NONE: Permissions = Permissions(0);
    /// Its verdicts count.
    pub const VERDICT: Permissions = Permissions(abi::SLND_PERM_VERDICT);
    /// May ask for an announcement or a probe now.
    pub const ANNOUNCE: Permissions = Permissions(abi::SLND_PERM_ANNOUNCE);
    /// May read the holder table.
    pub const HOLDERS: Permissions = Permissions(abi::SLND_PERM_HOLDERS);
    /// Sees raw datagrams.
    pub const RAW: Permissions = Permissions(abi::SLND_PERM_RAW);
    /// May publish a subtree of the directory.
    pub const DIRECTORY: Permissions = Permissions(abi::SLND_PERM_DIRECTORY);

    /// Both.
    #[must_use]
    pub const fn and(self, other: Permissions) -> Permissions {
        Permissions(self.0 | other.0)
    }

    /// Whether all of `other` are in it.
    #[must_use]
    pub const fn contains(self, other: Permissions) -> bool {
        self.0 & other.0 == other.0
    }
}

/// A set of kinds of events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kinds(pub u64);

impl Kinds {
    /// None.
    pub const NONE: Kinds = Kinds(0);
    /// [`Event::Announcement`](crate::Event::Announcement).
    pub const ANNOUNCEMENT: Kinds = Kinds(abi::slnd_ev_bit(abi::SLND_EV_ANNOUNCEMENT));
    /// [`Event::Duplicate`](crate::Event::Duplicate).
    pub const DUPLICATE: Kinds = Kinds(abi::slnd_ev_bit(abi::SLND_EV_DUPLICATE));
    /// [`Event::Resolved`](crate::Event::Resolved).
    pub const RESOLVED: Kinds = Kinds(abi::slnd_ev_bit(abi::SLND_EV_RESOLVED));
    /// [`Event::State`](crate::Event::State).
    pub const STATE: Kinds = Kinds(abi::slnd_ev_bit(abi::SLND_EV_STATE));
    /// [`Event::Query`](crate::Event::Query).
    pub const QUERY: Kinds = Kinds(abi::slnd_ev_bit(abi::SLND_EV_QUERY));
    /// [`Event::Tick`](crate::Event::Tick).
    pub const TICK: Kinds = Kinds(abi::slnd_ev_bit(abi::SLND_EV_TICK));

    /// Both.
    #[must_use]
    pub const fn and(self, other: Kinds) -> Kinds {
        Kinds(self.0 | other.0)
    }
}
