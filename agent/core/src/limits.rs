//! Every bound of the protocol, with its reason.  Part of the protocol unless said otherwise.

use core::time::Duration;

/// Bytes of every protocol datagram: one size, never fragmented, no answer larger than its question.
pub const DATAGRAM_BYTES: usize = 320;

/// Steady interval of announcements, that of the original serialnumberd.
pub const INTERVAL: Duration = Duration::from_secs(300);
/// What a receiver believes of a stated interval, in seconds: a liar cannot live for ever or be forgotten at once.
pub const INTERVAL_S: core::ops::RangeInclusive<u16> = 1..=3600;
/// A holder is gone after this many of its intervals ...
pub const LIFETIME_INTERVALS: u32 = 3;
/// ... plus a tenth, as RFC 5798 s6.1 counts its master-down interval: three losses and skew.
pub const LIFETIME_SLACK_PERCENT: u32 = 10;
/// Every step of the announcement schedule varies by this much either way, so that hosts powered on together drift apart.
pub const JITTER_PERCENT: u64 = 10;

/// The first datagram waits a uniform time up to this (RFC 6762 s8.1).
pub const START_DELAY: Duration = Duration::from_millis(250);
/// Probes of the start-up burst, and announcements of a later one (RFC 6762 s8.1).
pub const BURST: u8 = 3;
/// Between the datagrams of a burst (RFC 6762 s8.1).
pub const BURST_GAP: Duration = Duration::from_millis(250);
/// After the last probe the claim is held.
pub const PROBE_WAIT: Duration = Duration::from_millis(500);
/// What plugins and operators ask to be announced is announced at most this often.
pub const ASKED_SPACING: Duration = Duration::from_secs(1);
/// A burst within this time of another is deferred.
pub const BURST_SPACING: Duration = Duration::from_secs(10);
/// When the first announcements come after the claim is held, in seconds: loss comes in bursts.
pub const EARLY_ANNOUNCEMENTS_S: [u64; 5] = [2, 5, 30, 60, 120];
/// A clean stop says GOODBYE this often: one may be lost.
pub const GOODBYES: u8 = 2;

/// From conflict to duplicate, at the least.
pub const CONFIRM_AFTER: Duration = Duration::from_secs(90);
/// Between rounds while duplicate.
pub const DUPLICATE_ROUND_EVERY: Duration = Duration::from_secs(60);
/// When those still missing are asked again after a round's opening broadcast.
pub const ROUND_STEPS: [Duration; 10] = [
    Duration::from_millis(200),
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(3),
    Duration::from_secs(4),
    Duration::from_secs(5),
    Duration::from_secs(6),
    Duration::from_secs(7),
    Duration::from_secs(8),
    Duration::from_secs(9),
];
/// The step (index into [`ROUND_STEPS`]) that also goes by broadcast: the holder's address may have changed.
pub const ROUND_BROADCAST_STEP: usize = 8;
/// A round stays open at least this long unless all have answered.
pub const ROUND_OPEN: Duration = Duration::from_secs(10);
/// With many seats a round stays open one second for each so many of them: asking is limited to 20 a second.
pub const ROUND_SEATS_PER_S: u32 = 5;
/// Hearing one instance begins at most one round in this time.
pub const ROUND_PER_INSTANCE: Duration = Duration::from_secs(60);
/// After this many conflicts ... (RFC 5227 s1.1, MAX_CONFLICTS)
pub const MAX_CONFLICTS: u32 = 10;
/// ... at most one round begun by hearing in this time (RFC 5227 s1.1, RATE_LIMIT_INTERVAL).
pub const ROUND_RATE_LIMIT: Duration = Duration::from_secs(60);
/// So many entries into conflict ... (RFC 7432 s7.7: N moves, here entries)
pub const FLAPS: usize = 5;
/// ... within this time are a duplicate (RFC 7432 s7.7: M seconds, default 180).
pub const FLAP_WINDOW: Duration = Duration::from_secs(180);

/// Broadcast questions are answered with probability min(1, this / holders).
pub const ANSWERERS: u32 = 16;
/// Answers and questions to one instance: bucket size, refilled at one a second.
pub const INSTANCE_BUDGET: u32 = 4;
/// Answers and questions to all: bucket size and refill a second.
pub const TOTAL_BUDGET: u32 = 20;
/// Of [`TOTAL_BUDGET`], kept for replies to valid ANSWERs: they finish what is begun.
pub const RESERVED_BUDGET: u32 = TOTAL_BUDGET / 4;

/// Of [`INSTANCE_BUDGET`], kept for answers: what is asked with the last token of both sides stays unanswered.
pub const RESERVED_INSTANCE_BUDGET: u32 = INSTANCE_BUDGET / 4;

/// Answers that wait for the budget: no more could be paid for while their questions are live.
pub const OWED: usize = 200;

/// Datagrams of mine that an ANSWER may name: not older than this ...
pub const LIVE_FOR: Duration = Duration::from_secs(10);
/// ... and not more than this many.
pub const LIVE: usize = 1024;
/// Tags of my newest datagrams, to recognize echoes.
pub const SENT_LOG: usize = 4096;
/// Boot ids of this process that are remembered to recognize echoes: one is taken in 10 s at most, so
/// this covers the ten minutes that a box may hold back a datagram.
pub const PAST_BOOTS: usize = 64;
/// A new boot id because of a live clone is taken at most once in this time.
pub const BOOT_SPACING: Duration = Duration::from_secs(10);

/// The loop was late by more than this: it doubts itself.
pub const STALL: Duration = Duration::from_secs(5);
/// While questions are open the loop beats at least this often, so that a stall is noticed.
pub const HEARTBEAT: Duration = Duration::from_secs(1);
/// `CLOCK_BOOTTIME` ran ahead of `CLOCK_MONOTONIC` by more than this: the machine slept.
pub const SLEPT: Duration = Duration::from_secs(1);
/// The wall clock stepped by more than this against `CLOCK_BOOTTIME`, in ms.
pub const CLOCK_STEP_MS: u64 = 30_000;

/// Holders remembered for a claim ...
pub const HOLDERS: usize = 1024;
/// ... or this many for each seat, if that is more.
pub const HOLDERS_PER_SEAT: usize = 2;
/// The newest datagram of a holder, heard again within this time, took a second way through the same LAN.
pub const SECOND_PATH: Duration = Duration::from_secs(1);
/// Installations remembered for coverage and inventory.
pub const PEERS: usize = 4096;
/// Peers that vanished, remembered an interface: two are enough to tell that hearing was lost.
pub const VANISHED: usize = 8;
/// Sources whose signature rate is remembered.
pub const RATE_SOURCES: usize = 1024;
/// Signature checks a second in all: 40 to 55 us each, so 5 % of one core.
pub const VERIFY_TOTAL: u32 = 1000;
/// Of these, kept for ANSWERs to live datagrams of mine.
pub const VERIFY_RESERVED: u32 = VERIFY_TOTAL / 4;
/// Signature checks a second for one source: bucket size and refill.
pub const VERIFY_SOURCE: u32 = 100;
/// A foreign claim's signature is checked for coverage only, at most so often an interface.
pub const SAMPLE_EVERY: Duration = Duration::from_secs(1);
/// Pairs of question and answer that are kept as evidence, half of them for each round: enough for a site license of
/// 500 seats, and up to 549.
pub const EVIDENCE_PAIRS: usize = 1100;
/// Pairs kept of one round beyond those that exceeding its seats takes: more would prove nothing more.
pub const EVIDENCE_PAIRS_PER_ROUND: usize = 16;
/// Events waiting to be fetched; the agent fetches them every turn, and one datagram makes at most a few.
pub const EVENTS: usize = 4096;
/// Local claims: a host has a handful of licenses.
pub const CLAIMS: usize = 64;

/// `since` before 2026-01-01T00:00:00Z means unknown: this protocol is younger, so the clock was wrong.
pub const SINCE_MIN_MS: u64 = 1_767_225_600_000;

/// Longest classic text that is looked at.
pub const CLASSIC_BYTES: usize = 512;
/// `query` events a second: a scanner repeats itself within 0.1 s.
pub const QUERY_EVENT_EVERY: Duration = Duration::from_secs(1);
/// Classic answers to one source: bucket size ...
pub const CLASSIC_SOURCE: u32 = 4;
/// ... of which one is refilled in this many seconds.
pub const CLASSIC_REFILL_S: u32 = 5;
/// Classic answers a second in all.
pub const CLASSIC_TOTAL: u32 = 10;
/// Characters of the host name in a classic answer: the one answer larger than its question stays some six times it.
pub const CLASSIC_HOST: usize = 15;

const _: () = assert!(LIVE <= SENT_LOG, "every live datagram must be recognizable as mine");
const _: () = assert!(FLAP_WINDOW.as_secs() > CONFIRM_AFTER.as_secs(), "flapping is slower than confirming");
const _: () = assert!(
    ROUND_OPEN.as_secs() <= LIVE_FOR.as_secs(),
    "an answer to a round's first question must still be live"
);
const _: () = assert!(
    ROUND_STEPS[ROUND_STEPS.len() - 1].as_secs() < ROUND_OPEN.as_secs(),
    "the last question needs time to be answered"
);
const _: () = assert!(ROUND_OPEN.as_secs() < DUPLICATE_ROUND_EVERY.as_secs(), "one round at a time");
const _: () = assert!(RESERVED_BUDGET < TOTAL_BUDGET && VERIFY_RESERVED < VERIFY_TOTAL);
const _: () = assert!(OWED as u64 == TOTAL_BUDGET as u64 * LIVE_FOR.as_secs());
const _: () = assert!(HEARTBEAT.as_secs() < STALL.as_secs());
