//! Who I am on the wire, and the one place where datagrams of mine are made.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};

use crate::bucket::{Bucket, Rate};
use crate::crypto::{self, Crypto};
use crate::entropy::Entropy;
use crate::keys::ClaimKeys;
use crate::limits::{
    BOOT_SPACING, INSTANCE_BUDGET, PAST_BOOTS, RESERVED_BUDGET, RESERVED_INSTANCE_BUDGET, TOTAL_BUDGET,
};
use crate::sent::SentLog;
use crate::wire::{Datagram, HostName, Kind, seal};
use crate::{
    BootId, Destination, GroupDigest, Installation, Instance, Interface, Mono, Nonce, Now, Payload, Product,
    Tag, Transmit,
};

/// Of the budget for one instance.
const INSTANCE_RATE: Rate = Rate { size: INSTANCE_BUDGET, refill: core::time::Duration::from_secs(1) };
/// Of the budget for all.
const TOTAL_RATE: Rate = Rate::per_second(TOTAL_BUDGET);

/// A license as this host holds it.
#[derive(Clone, Debug)]
pub struct License {
    /// What is licensed.
    pub product: Product,
    /// Derived from the serial.
    pub keys: ClaimKeys,
    /// How many instances may hold the claim at once; 0 is unlimited.
    pub seats: u16,
    /// The fail-over group's name, empty for none.
    pub group: String,
    /// This host waits to take over.
    pub standby: bool,
    /// How many STANDBY holders of a group take no seat.
    pub standbys: u16,
    /// Since when this installation holds the claim, Unix ms; 0 is unknown.
    pub since_ms: u64,
}

/// What a token is spent for: the less it helps by itself, the more it leaves to the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purse {
    /// Questions leave a token for an answer: two hosts that ask each other with their last tokens would both
    /// stay unanswered.
    Question,
    /// Answers to questions.
    Answer,
    /// Replies to valid ANSWERs: they finish what is begun.
    Reply,
}

impl Purse {
    /// What it leaves of the budget for one instance, and of that for all.
    fn leaves(self) -> (u32, u32) {
        match self {
            Purse::Question => (RESERVED_INSTANCE_BUDGET, RESERVED_BUDGET),
            Purse::Answer => (0, RESERVED_BUDGET),
            Purse::Reply => (0, 0),
        }
    }
}

/// Who I am on the wire.
#[derive(Clone)]
pub(crate) struct Station<C: Crypto> {
    signer: C::Signer,
    pub me: Instance,
    /// Earlier boot ids of this process with their last sequence, oldest first.
    past: VecDeque<(BootId, u64)>,
    sequence: u64,
    boot_taken: Option<Mono>,
    pub log: SentLog,
    pub transmits: VecDeque<Transmit>,
    pub host: HostName,
    pub runs: u64,
    pub interval_s: u16,
    pub interfaces: Vec<Interface>,
    budget: Bucket,
    pub sent: u64,
    /// When the loop last turned.
    pub beat: Mono,
}

impl<C: Crypto> Station<C> {
    pub(crate) fn new(
        seed: &[u8; 32],
        boot: BootId,
        runs: u64,
        host: HostName,
        interval_s: u16,
    ) -> Station<C> {
        let signer = C::signer(seed);
        let installation = C::installation(&signer);
        Station {
            signer,
            me: Instance { installation, boot },
            past: VecDeque::new(),
            sequence: 0,
            boot_taken: None,
            log: SentLog::default(),
            transmits: VecDeque::new(),
            host,
            runs,
            interval_s,
            interfaces: Vec::new(),
            budget: Bucket::FULL,
            sent: 0,
            beat: Mono::default(),
        }
    }

    pub(crate) fn installation(&self) -> Installation {
        self.me.installation
    }

    /// Makes a datagram and queues it; returns its ordinal.
    pub(crate) fn send(
        &mut self,
        now: Now,
        entropy: &mut dyn Entropy,
        license: &License,
        kind: Kind,
        to: Destination,
    ) -> u64 {
        self.sequence += 1;
        let datagram = Datagram {
            kind,
            standby: license.standby,
            interval_s: self.interval_s,
            claim: license.keys.id(),
            instance: self.me,
            sequence: self.sequence,
            sent_ms: now.wall_ms,
            since_ms: license.since_ms,
            nonce: self.nonce(entropy),
            seats: license.seats,
            version: 1,
            runs: self.runs & 0xff_ffff_ffff,
            product: license.product,
            host: self.host,
            group: license.keys.group::<C>(&license.group),
        };
        let bytes = Box::new(seal::<C>(&datagram, &self.signer, &license.keys));
        let ordinal = self.log.next_ordinal();
        let tag = crypto::tag::<C>(&bytes);
        self.log.push(now.boot, (self.me.boot, self.sequence), datagram.claim, tag, bytes.clone());
        self.transmits.push_back(Transmit { payload: Payload::Datagram(bytes), to });
        self.sent += 1;
        ordinal
    }

    /// From the operating system for every datagram, mixed with boot id and sequence: two resumed copies of one
    /// machine state with one entropy pool still differ as soon as one of them took a new boot id.
    fn nonce(&self, entropy: &mut dyn Entropy) -> Nonce {
        let mut random = [0; 16];
        entropy.fill(&mut random);
        Nonce(crypto::first(&C::hash(&[&random, &self.me.boot.0, &self.sequence.to_be_bytes()])))
    }

    /// Takes a token for one instance and one of all, or none.
    pub(crate) fn spend(&mut self, now: Mono, instance: &mut Bucket, purse: Purse) -> bool {
        let (of_instance, of_all) = purse.leaves();
        self.budget.ready_at(TOTAL_RATE, of_all) <= now
            && instance.take(now, INSTANCE_RATE, of_instance)
            && self.budget.take(now, TOTAL_RATE, of_all)
    }

    /// When [`Station::spend`] can succeed.
    pub(crate) fn can_spend_at(&self, instance: &Bucket, purse: Purse) -> Mono {
        let (of_instance, of_all) = purse.leaves();
        self.budget.ready_at(TOTAL_RATE, of_all).max(instance.ready_at(INSTANCE_RATE, of_instance))
    }

    /// Whether `address` is one of this host's.
    pub(crate) fn is_own(&self, address: IpAddr) -> bool {
        self.interfaces.iter().flat_map(|i| &i.addresses).any(|(own, _)| *own == address)
    }

    /// How to reach who was heard from `from` on `interface`, speaking to my address `asked` if it was one.
    ///
    /// Who shares an address with me is reached through the link's broadcast or group address: Linux drops
    /// IPv4 from an own address and loops unicast to it back.
    pub(crate) fn route(&self, from: SocketAddr, interface: u32, asked: Option<IpAddr>) -> Destination {
        if self.is_own(from.ip()) {
            return Destination::Link { interface, v6: from.is_ipv6() };
        }
        let source = asked.filter(|a| self.is_own(*a));
        Destination::Unicast { to: from, interface, source }
    }

    /// Takes a new boot id, unless one was taken within the last 10 s.
    pub(crate) fn take_boot(&mut self, now: Now, entropy: &mut dyn Entropy, because: &[u8]) -> bool {
        if self.boot_taken.is_some_and(|at| now.boot.since(at) < BOOT_SPACING) {
            return false;
        }
        let old = self.me.boot;
        let new = boot_id::<C>(now, entropy, &[&old.0, because]);
        if self.past.len() == PAST_BOOTS {
            self.past.pop_front();
        }
        self.past.push_back((old, self.sequence));
        self.me.boot = new;
        self.sequence = 0;
        self.boot_taken = Some(now.boot);
        true
    }

    /// What a datagram that carries my public key is.
    pub(crate) fn recognize(&self, boot: BootId, sequence: u64, tag: &Tag) -> Mirror {
        let current = boot == self.me.boot;
        let past = self.past.iter().find(|(b, _)| *b == boot).map(|(_, last)| *last);
        if !current && past.is_none() {
            return Mirror::Other;
        }
        let last = past.unwrap_or(self.sequence);
        let older_than_log =
            self.log.oldest_sequence(boot).map_or(sequence <= last, |oldest| sequence < oldest);
        match () {
            () if self.log.contains(tag) || older_than_log => Mirror::Echo,
            () if current => Mirror::LiveClone,
            () => Mirror::Other,
        }
    }
}

/// A new boot id.  Not of randomness alone: two copies of one machine state may draw the same, and one that is restored
/// after the other is gone would count the other's sequences anew.
pub(crate) fn boot_id<C: Crypto>(now: Now, entropy: &mut dyn Entropy, because: &[&[u8]]) -> BootId {
    let mut random = [0; 32];
    entropy.fill(&mut random);
    let clocks = [now.boot.0, now.awake.0, now.wall_ms].map(u64::to_be_bytes);
    let mut parts: Vec<&[u8]> = alloc::vec![&random, clocks.as_flattened()];
    parts.extend_from_slice(because);
    BootId(crypto::first(&C::hash(&parts)))
}

/// What a datagram that carries my public key is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mirror {
    /// I sent it: second NIC, bond, reflector.
    Echo,
    /// My current boot id, but I did not send it: a resumed snapshot speaks.
    LiveClone,
    /// Another run of this installation, or what somebody made of an earlier one: heard like any holder.
    Other,
}

/// `group` as people read it: our group's name if it is ours, else the digest.
pub(crate) fn group_text(group: GroupDigest, ours: GroupDigest, name: &str) -> String {
    match group {
        GroupDigest::NONE => String::new(),
        g if g == ours => String::from(name),
        g => alloc::format!("{g}"),
    }
}
