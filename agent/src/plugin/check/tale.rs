//! What plugins are told in a trial: owned data, one value an event, and the story that the trials tell.
//!
//! Knows nothing of memory: [`super::forge`] lays a tale out.  The numbers are the ABI's, so that a tale can hold ones
//! that nobody knows.

use std::net::SocketAddr;

use serialnumberd_plugin::abi::*;

/// Nanoseconds of a second.
pub(super) const S: u64 = 1_000_000_000;
/// When every trial begins on the host's clock: a host that has been up for a day.
pub(super) const BEGIN_NS: u64 = 86_400 * S;
/// What the wall clock says then: 2026-12-01, as Unix nanoseconds.
const WALL_NS: u64 = 1_796_083_200 * S;
/// How long a verdict is awaited, as the agent does.
const AWAITED_NS: u64 = S / 20;

/// The claim that the host holds in every trial, and its product.
pub(super) const CLAIM: [u8; 16] = [7; 16];
pub(super) const PRODUCT: &str = "xsvr";

/// A row of the holders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) key: u8,
    pub(super) boot: u64,
    pub(super) flags: u32,
    pub(super) from: Option<SocketAddr>,
    pub(super) interval_s: u32,
    pub(super) since_ms: u64,
    pub(super) heard_ns: u64,
    pub(super) host: String,
    pub(super) group: String,
    pub(super) ifname: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Body {
    Announcement {
        holder: Row,
        raw: Vec<u8>,
    },
    Duplicate {
        conflict: u64,
        stage: u32,
        class: u32,
        seats: u32,
        coverage: u32,
        holders: Vec<Row>,
    },
    Resolved {
        conflict: u64,
        cause: u32,
    },
    State {
        old: u32,
        new: u32,
        coverage: u32,
        verdict: u32,
        reason: String,
    },
    Query {
        from: SocketAddr,
        text: Vec<u8>,
    },
    Tick {
        timer: u64,
        overruns: u64,
    },
    Lost {
        first: u64,
        last: u64,
        by_kind: [u64; 8],
    },
    /// A kind of a later minor, with so many bytes after the head.
    Unknown {
        kind: slnd_kind,
        bytes: usize,
    },
}

impl Body {
    pub(super) fn kind(&self) -> slnd_kind {
        match self {
            Body::Announcement { .. } => SLND_EV_ANNOUNCEMENT,
            Body::Duplicate { .. } => SLND_EV_DUPLICATE,
            Body::Resolved { .. } => SLND_EV_RESOLVED,
            Body::State { .. } => SLND_EV_STATE,
            Body::Query { .. } => SLND_EV_QUERY,
            Body::Tick { .. } => SLND_EV_TICK,
            Body::Lost { .. } => SLND_EV_LOST,
            Body::Unknown { kind, .. } => *kind,
        }
    }
}

/// One event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Tale {
    pub(super) seq: u64,
    pub(super) mono_ns: u64,
    pub(super) flags: u16,
    pub(super) product: String,
    pub(super) claim: [u8; 16],
    pub(super) body: Body,
}

impl Tale {
    pub(super) fn new(seq: u64, mono_ns: u64, body: Body) -> Tale {
        Tale { seq, mono_ns, flags: 0, product: PRODUCT.to_owned(), claim: CLAIM, body }
    }

    pub(super) fn real_ns(&self) -> u64 {
        WALL_NS.wrapping_add(self.mono_ns.wrapping_sub(BEGIN_NS))
    }

    /// Until when a verdict is awaited; 0 if none is.
    pub(super) fn deadline_ns(&self) -> u64 {
        if self.asks() { self.mono_ns.saturating_add(AWAITED_NS) } else { 0 }
    }

    pub(super) fn asks(&self) -> bool {
        self.flags & SLND_EVF_DECIDE != 0
    }

    /// Whether a plugin with this mask gets it.  Kinds that nobody knows are given to everybody: whoever asks for all
    /// kinds would get them, and R6 has everybody skip them.
    pub(super) fn reaches(&self, mask: u64) -> bool {
        let kind = self.body.kind();
        let is_known = (SLND_EV_ANNOUNCEMENT..=SLND_EV_LOST).contains(&kind);
        !is_known || kind == SLND_EV_LOST || mask & slnd_ev_bit(kind) != 0
    }
}

/// This host among the holders, or one from elsewhere.
pub(super) fn row(key: u8, name: &str, from: Option<&str>) -> Row {
    let own = SLND_HOLDER_SELF | SLND_HOLDER_VERIFIED | SLND_HOLDER_PROVED;
    let other = SLND_HOLDER_VERIFIED | SLND_HOLDER_PROVED | SLND_HOLDER_OVER;
    Row {
        key,
        boot: 0x0102_0304_0506_0708,
        flags: if from.is_none() { own } else { other },
        from: from.and_then(|text| text.parse().ok()),
        interval_s: 300,
        since_ms: WALL_NS / 1_000_000 + u64::from(key),
        heard_ns: BEGIN_NS,
        host: name.to_owned(),
        group: String::new(),
        ifname: if from.is_none() { String::new() } else { "eth0".to_owned() },
    }
}

/// The holders of a conflict: this host and two others, one of them on IPv6.
pub(super) fn holders() -> Vec<Row> {
    vec![
        row(1, "venus", None),
        row(2, "mars", Some("192.0.2.9:626")),
        Row { group: "night".to_owned(), ..row(3, "größe", Some("[fe80::9%2]:626")) },
    ]
}

/// A conflict of this host as it goes: from the start to its end, one event of every kind among it.
pub(super) fn story(begin_ns: u64) -> Vec<Tale> {
    let duplicate = |stage| Body::Duplicate {
        conflict: 1,
        stage,
        class: SLND_CLASS_COPY,
        seats: 1,
        coverage: SLND_COVERAGE_GOOD,
        holders: holders(),
    };
    let state = |old, new, verdict| Body::State {
        old,
        new,
        coverage: SLND_COVERAGE_GOOD,
        verdict,
        reason: "said by the host".to_owned(),
    };
    let other = holders().remove(1);
    let bodies = [
        state(SLND_STATE_PROBING, SLND_STATE_CLEAR, SLND_VERDICT_ALLOW),
        Body::Announcement { holder: row(1, "venus", None), raw: Vec::new() },
        Body::Announcement { holder: other, raw: vec![0x53; 320] },
        Body::Tick { timer: SLND_TIMER_BEAT, overruns: 0 },
        duplicate(SLND_STAGE_CONFLICT),
        state(SLND_STATE_CLEAR, SLND_STATE_CONFLICT, SLND_VERDICT_WARN),
        duplicate(SLND_STAGE_DUPLICATE),
        state(SLND_STATE_CONFLICT, SLND_STATE_DUPLICATE, SLND_VERDICT_WARN),
        Body::Query {
            from: SocketAddr::from(([192, 0, 2, 8], 40_000)),
            text: b"SNQUERY: 192.0.2.8:1:xsvr".to_vec(),
        },
        Body::Lost { first: 100, last: 109, by_kind: [0, 9, 0, 0, 0, 0, 1, 0] },
        Body::Resolved { conflict: 1, cause: SLND_CAUSE_GOODBYE },
        state(SLND_STATE_DUPLICATE, SLND_STATE_CLEAR, SLND_VERDICT_ALLOW),
        Body::Tick { timer: SLND_TIMER_BEAT, overruns: 0 },
    ];
    let mut seq = 0;
    bodies
        .into_iter()
        .map(|body| {
            seq += 1;
            let flags = match body {
                Body::State { .. } | Body::Duplicate { .. } => SLND_EVF_DECIDE,
                _ => 0,
            };
            Tale { flags, ..Tale::new(seq, begin_ns + seq * S, body) }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_story_has_every_kind_once_at_least() {
        let story = story(BEGIN_NS);
        for kind in SLND_EV_ANNOUNCEMENT..=SLND_EV_LOST {
            assert!(story.iter().any(|tale| tale.body.kind() == kind), "{kind}");
        }
        assert!(story.windows(2).all(|two| two[0].seq < two[1].seq && two[0].mono_ns < two[1].mono_ns));
        assert!(story[0].deadline_ns() > story[0].mono_ns && story[1].deadline_ns() == 0);
        let none = story.iter().filter(|tale| tale.reaches(0)).count();
        assert_eq!(none, 1, "the loss alone");
    }
}
