//! What can happen in a scenario, as values.

use std::net::IpAddr;
use std::time::Duration;

use serialnumberd_core::Mono;

/// Place of a host in [`super::Scenario::hosts`].
pub(crate) type HostId = usize;
/// Place of a segment in [`super::Scenario::segments`].
pub(crate) type SegmentId = usize;

/// One thing that happens at one moment.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    /// When.
    pub at: Mono,
    /// What.
    pub deed: Deed,
}

/// Which datagrams a rule of the network is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sort {
    All,
    Broadcast,
    Unicast,
    Ipv4,
    Ipv6,
}

/// How datagrams are lost.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Loss {
    /// Each by itself, with this probability.
    Even(f64),
    /// In bursts, as Gilbert and Elliott model it: in a bad spell nothing gets through.
    Bursts {
        /// Of all datagrams.
        share: f64,
        /// Datagrams in a row, on average.
        length: f64,
    },
}

/// What a stranger without a license does.
#[derive(Clone, Debug)]
pub(crate) enum Mischief {
    /// Sends again, a second apart, all that this host said.
    Replay(HostId),
    /// Sends so many datagrams a second for so long, with this host's claim and changing contents.
    Flood { of: HostId, each_second: u32, during: Duration },
    /// Sends a GOODBYE in this host's name.
    Goodbye(HostId),
    /// Sends what no decoder wants: cut, grown, flipped.
    Malformed(HostId),
    /// Sends this host's announcements from an address of its own.
    Spoof(HostId),
}

/// What happens to a machine or its process.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Power {
    Start,
    Stop,
    Kill,
    /// A clean stop, and a start so much later with a new boot clock.
    Reboot(Duration),
    /// Killed and started again, so often, so far apart.
    Restarts(u32, Duration),
    Freeze(Duration),
    /// Every turn comes so late, for so long.
    Starve(Duration, Duration),
    Suspend,
    Resume,
    /// The virtual machine stands still, its clocks included, as at a live migration.
    Stun(Duration),
}

/// What happens to a disk, or to a machine's whole state.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Disk {
    Lose,
    Save,
    Restore,
    CopyOf(HostId),
    Snapshot,
    /// It goes on from a host's newest snapshot; with an entropy pool of its own or the same one.
    GoOnFrom {
        of: HostId,
        fresh: bool,
    },
}

/// What happens to a wall clock.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Clock {
    /// So many milliseconds forward, or back.
    Step(i64),
    Stop,
    Unset,
    SetRight,
}

/// What happens to cards and addresses.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Link {
    Renumber,
    NewPrefix,
    /// This host takes the address, and it gets another.
    PassAddressTo(HostId),
    AddAddress(IpAddr),
    DropAddress(IpAddr),
    Move(SegmentId),
    AddCard(SegmentId),
    DropCard,
    SwapCard,
    Lose,
    Back,
    Mute,
    Unmute,
}

/// What happens to the network.
#[derive(Clone, Debug)]
pub(crate) enum Net {
    Lose(Loss, Sort),
    /// Nothing is lost any more by any rule.
    Heal,
    /// The first hosts no longer hear the second ones.
    Deafen(Vec<HostId>, Vec<HostId>),
    Split(Vec<HostId>, Vec<HostId>),
    Delay(Duration, Duration),
    Twice(f64),
    /// A box sends every broadcast again to everybody, so much later, so many times.
    Reflect(Duration, u32),
    StopReflecting,
    Relay(SegmentId, SegmentId),
}

/// What happens to a license.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Paper {
    Release,
    Standby(bool),
    Seats(u16),
}

/// What happens, and to whom: most things happen to several as well as to one.
#[derive(Clone, Debug)]
pub(crate) enum Deed {
    Power(Vec<HostId>, Power),
    Disk(Vec<HostId>, Disk),
    Clock(Vec<HostId>, Clock),
    Link(Vec<HostId>, Link),
    Paper(Vec<HostId>, Paper),
    Net(Net),
    Mischief(Mischief),
}
