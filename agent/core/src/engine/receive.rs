//! From an arrived datagram to its one fate, cheap checks first: length, magic, kind, TTL, claim, MAC,
//! sequence, signature.  Whoever lacks the serial gets no further than the MAC.

use super::{Engine, context};
use crate::claim::{Context, Incoming};
use crate::crypto::{self, Crypto};
use crate::defenses::Defenses;
use crate::entropy::Entropy;
use crate::fate::Fate;
use crate::holders::Holder;
use crate::legacy::{Legacy, is_on_link};
use crate::limits::{CLASSIC_BYTES, SECOND_PATH};
use crate::sent::Question;
use crate::station::Mirror;
use crate::wire::classic::{Answer, Classic, Query};
use crate::wire::{Datagram, Header, Kind, WireError, verify_mac, verify_signature};
use crate::{Arrival, Event, GroupDigest, HolderView, Now, Payload, PeerRole, Tag, Transmit};
use alloc::boxed::Box;
use alloc::string::{String, ToString};
use core::net::IpAddr;

impl<C: Crypto, D: Defenses> Engine<C, D> {
    /// Takes in one datagram; says what became of it.
    pub fn handle_datagram(&mut self, now: Now, entropy: &mut dyn Entropy, arrival: &Arrival<'_>) -> Fate {
        let header = match Header::peek(arrival.bytes) {
            Ok(header) if !arrival.truncated => header,
            other => return self.not_a_datagram(now, arrival, other.err()),
        };
        let Some(interface) = self.admitted_by(arrival) else { return Fate::OffLink };
        let arrival = &Arrival { interface, ..*arrival };
        let Ok(place) = self.place(&header.claim) else {
            return self.foreign(now, arrival, &header);
        };
        let fate = self.own_claim(now, entropy, arrival, &header, place);
        if !matches!(fate, Fate::WrongMac | Fate::Replayed | Fate::RateLimited | Fate::Forged) {
            self.update_coverage(now);
            self.bound_events();
        }
        fate
    }

    fn not_a_datagram(&mut self, now: Now, arrival: &Arrival<'_>, error: Option<WireError>) -> Fate {
        if let Some(classic) = Classic::of(arrival.bytes) {
            return self.classic(now, arrival, classic);
        }
        match error {
            Some(WireError::Magic) => Fate::WrongMagic,
            Some(WireError::Kind) => Fate::WrongKind,
            Some(WireError::Text) => Fate::WrongText,
            Some(WireError::Length) | None => Fate::WrongLength,
        }
    }

    /// By which interface the datagram counts as heard: one that is used here, or 0 for a configured peer behind
    /// another, which the routing table reaches.  `None` is from elsewhere.
    fn admitted_by(&self, arrival: &Arrival<'_>) -> Option<u32> {
        let used = self.station.interfaces.iter().any(|i| i.index == arrival.interface);
        let link_local = match arrival.source.ip() {
            IpAddr::V4(_) => true,
            IpAddr::V6(ip) => ip.is_unicast_link_local(),
        };
        let on_link = (arrival.ttl == Some(255) && link_local) || !self.settings.on_link_only;
        let peer = self.settings.peers.iter().any(|p| p.ip() == arrival.source.ip());
        match used {
            true => (on_link || peer).then_some(arrival.interface),
            false => peer.then_some(0),
        }
    }

    /// A claim not held here: coverage is counted, and that is nearly all.
    fn foreign(&mut self, now: Now, arrival: &Arrival<'_>, header: &Header<'_>) -> Fate {
        let sample = self.ears.foreign(now.boot, arrival.interface);
        let who = header.installation();
        let leaving = header.is_goodbye() && self.ears.knows(arrival.interface, who);
        let wanted = self.settings.observe || self.settings.expect_peers > 0 || sample || leaving;
        if !wanted || who == self.station.installation() {
            return Fate::Foreign;
        }
        if !self.verify.take(now.boot, arrival.source.ip(), false) {
            return if self.settings.observe { Fate::RateLimited } else { Fate::Foreign };
        }
        if !verify_signature::<C>(header) {
            return Fate::ForeignForged;
        }
        let Ok(datagram) = Datagram::decode(header.bytes) else { return Fate::WrongText };
        if datagram.kind == Kind::Goodbye {
            self.ears.goodbye(&who);
            self.inventory.goodbye(datagram.claim, &datagram.instance);
        } else {
            self.ears.heard(now.boot, arrival.interface, who, datagram.interval_s);
        }
        if self.settings.observe && matches!(datagram.kind, Kind::Announce { .. }) {
            let holder = self.inventory.hear(
                now.boot,
                datagram.product,
                datagram.claim,
                unverified(now, arrival, &datagram),
            );
            self.events.push_back(Event::Announcement {
                product: datagram.product,
                claim: datagram.claim,
                holder,
                raw: Some(Box::new(*header.bytes)),
            });
        }
        self.update_coverage(now);
        self.bound_events();
        Fate::Inventory
    }

    fn own_claim(
        &mut self,
        now: Now,
        entropy: &mut dyn Entropy,
        arrival: &Arrival<'_>,
        header: &Header<'_>,
        place: usize,
    ) -> Fate {
        let claim = &self.claims[place];
        if !verify_mac::<C>(header, &claim.license.keys) {
            return Fate::WrongMac;
        }
        let datagram = match Datagram::decode(header.bytes) {
            Ok(d) if d.product == claim.license.product => d,
            _ => return Fate::WrongText,
        };
        let mine = datagram.instance.installation == self.station.installation();
        let question = self.question(now, &datagram);
        if !mine && question.is_none() && !claim.holders.is_new(&datagram.instance, datagram.sequence) {
            // The second way of what was heard just now: this interface hears, too.
            let just_now = |h: &Holder| {
                h.window.highest() == datagram.sequence && now.boot.since(h.last_heard) <= SECOND_PATH
            };
            // But the second copy of a goodbye takes nothing of it back.
            let second = claim.holders.find(&datagram.instance).is_some_and(just_now);
            if second && datagram.kind != Kind::Goodbye {
                let who = datagram.instance.installation;
                self.ears.heard(now.boot, arrival.interface, who, datagram.interval_s);
            }
            return Fate::Replayed;
        }
        let tag = crypto::tag::<C>(header.bytes);
        // Byte for byte what I signed: a storm of my own echoes needs no signature check.
        if mine && D::ECHO_LOG && self.station.log.contains(&tag) {
            return Fate::Echo;
        }
        if !self.verify.take(now.boot, arrival.source.ip(), question.is_some()) {
            return Fate::RateLimited;
        }
        if !verify_signature::<C>(header) {
            return Fate::Forged;
        }
        if mine {
            match self.mirror(now, entropy, &datagram, &tag, header) {
                Mirror::Echo => return Fate::Echo,
                Mirror::LiveClone => return Fate::CloneDeferred,
                Mirror::Other => {}
            }
        }
        if datagram.kind == Kind::Goodbye {
            self.ears.goodbye(&datagram.instance.installation);
        } else if !mine || question.is_some() {
            // What bears my key may be left over from an earlier run of mine, unless it answers me.
            self.ears.heard(now.boot, arrival.interface, datagram.instance.installation, datagram.interval_s);
        }
        let incoming = Incoming {
            datagram: &datagram,
            raw: header.bytes,
            tag,
            source: arrival.source,
            destination: arrival.destination,
            interface: arrival.interface,
            question,
        };
        let mut ctx = context!(self, now, entropy);
        self.claims[place].hear::<C, D>(&mut ctx, &incoming)
    }

    /// The live question that an ANSWER names.
    fn question(&self, now: Now, datagram: &Datagram) -> Option<Question> {
        let Kind::Answer { answers, .. } = datagram.kind else { return None };
        let log = &self.station.log;
        let live = log.live(&answers, &datagram.claim, now.boot);
        if D::LIVE_QUESTION {
            return live;
        }
        let newest = log.next_ordinal().checked_sub(1)?;
        live.or(Some(Question { ordinal: newest, at: now.boot, bytes: Box::new([0; 320]) }))
    }

    /// A validly signed datagram with my public key.  [`Mirror::LiveClone`] comes back only if I may not take a
    /// new boot id yet; else the datagram is by now that of another run.
    fn mirror(
        &mut self,
        now: Now,
        entropy: &mut dyn Entropy,
        d: &Datagram,
        tag: &Tag,
        header: &Header<'_>,
    ) -> Mirror {
        match self.station.recognize(d.instance.boot, d.sequence, tag) {
            Mirror::Echo if !D::ECHO_LOG => Mirror::Other,
            Mirror::LiveClone if !D::CLONE_CHECK => Mirror::Echo,
            Mirror::LiveClone if self.station.take_boot(now, entropy, header.bytes) => {
                self.burst(now, entropy, None);
                Mirror::Other
            }
            mirror => mirror,
        }
    }

    fn classic(&mut self, now: Now, arrival: &Arrival<'_>, classic: Classic) -> Fate {
        let interfaces = &self.station.interfaces;
        let peer = self.settings.peers.iter().any(|p| p.ip() == arrival.source.ip());
        if self.settings.legacy == Legacy::Off
            || arrival.truncated
            || !(peer || is_on_link(arrival, interfaces))
        {
            return Fate::ClassicIgnored;
        }
        let query = Query::decode(arrival.bytes);
        if classic == Classic::Query && query.is_none() {
            return Fate::ClassicIgnored;
        }
        if self.desk.may_tell(now.boot) {
            let len = arrival.bytes.len().min(CLASSIC_BYTES);
            self.events.push_back(Event::Query {
                from: arrival.source,
                product: query.map(|q| q.product),
                text: arrival.bytes[..len].to_vec(),
            });
            self.bound_events();
        }
        match query {
            None => Fate::ClassicResponse,
            Some(query) if self.answer_classic(now, arrival, &query) => Fate::ClassicAnswered,
            Some(_) => Fate::ClassicQuery,
        }
    }

    fn answer_classic(&mut self, now: Now, arrival: &Arrival<'_>, query: &Query<'_>) -> bool {
        let held = self.claims.iter().find(|c| c.license.product == query.product);
        let Some(claim) = held.filter(|_| self.settings.legacy == Legacy::Answer) else { return false };
        if !self.desk.may_answer(now.boot, arrival.source) {
            return false;
        }
        let answer = Answer {
            host: self.station.host.as_str(),
            claim: claim.license.keys.id(),
            product: query.product,
            installation: self.station.installation(),
            since_ms: claim.license.since_ms,
            token: query.token,
        };
        let payload = Payload::Classic(answer.encode::<C>(&claim.license.keys));
        let to = self.station.route(arrival.source, arrival.interface, Some(arrival.destination));
        self.station.transmits.push_back(Transmit { payload, to });
        true
    }
}

/// A foreign claim's announcer: its signature is right, but whether it knows a serial is not known.
fn unverified(now: Now, arrival: &Arrival<'_>, d: &Datagram) -> HolderView {
    HolderView {
        instance: d.instance,
        from: Some(arrival.source),
        interface: arrival.interface,
        host: d.host.as_str().to_string(),
        group: if d.group == GroupDigest::NONE { String::new() } else { d.group.to_string() },
        role: if d.standby { PeerRole::Standby } else { PeerRole::Active },
        interval_s: d.interval_s,
        seats: d.seats,
        runs: d.runs,
        since_ms: d.since_ms,
        first_heard: now.boot,
        last_heard: now.boot,
        last_proved: None,
        is_self: false,
        verified: false,
        proved: false,
        silent: false,
        over: false,
    }
}
