//! What I sent: tags to recognize my own echoes, and the live questions that an ANSWER may name.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, VecDeque};

use crate::limits::{LIVE, LIVE_FOR, SENT_LOG};
use crate::{BootId, ClaimId, Mono, Tag};

/// A datagram of mine.
#[derive(Clone, Debug)]
struct Sent {
    tag: Tag,
    boot: BootId,
    sequence: u64,
    at: Mono,
    claim: ClaimId,
    /// Kept only while it can be answered.
    bytes: Option<Box<[u8; 320]>>,
}

/// A datagram of mine that can still be answered.
#[derive(Clone, Debug)]
pub(crate) struct Question {
    /// Its place in the order of all that this process sent.
    pub ordinal: u64,
    /// When it was sent.
    pub at: Mono,
    /// The datagram.
    pub bytes: Box<[u8; 320]>,
}

/// The newest datagrams of this process, across its boot ids.
#[derive(Clone, Debug, Default)]
pub(crate) struct SentLog {
    sent: VecDeque<Sent>,
    /// Ordinal of `sent[0]`.
    first: u64,
    by_tag: BTreeMap<Tag, u64>,
    /// Questions below this ordinal hold no bytes any more.
    live_from: u64,
}

impl SentLog {
    /// The ordinal that the next datagram will have: a clock that neither jumps nor stands still.
    pub(crate) fn next_ordinal(&self) -> u64 {
        self.first + self.sent.len() as u64
    }

    /// Remembers a datagram of mine.
    pub(crate) fn push(
        &mut self,
        at: Mono,
        instance: (BootId, u64),
        claim: ClaimId,
        tag: Tag,
        bytes: Box<[u8; 320]>,
    ) {
        let (boot, sequence) = instance;
        self.by_tag.insert(tag, self.next_ordinal());
        self.sent.push_back(Sent { tag, boot, sequence, at, claim, bytes: Some(bytes) });
        if self.sent.len() > SENT_LOG
            && let Some(old) = self.sent.pop_front()
        {
            self.by_tag.remove(&old.tag);
            self.first += 1;
        }
        self.retire(at);
    }

    /// Drops the bytes of what can no longer be answered.
    fn retire(&mut self, now: Mono) {
        let newest = self.next_ordinal();
        self.live_from = self.live_from.max(self.first);
        while self.live_from < newest {
            let first = self.first;
            let Some(sent) = usize::try_from(self.live_from - first).ok().and_then(|i| self.sent.get_mut(i))
            else {
                return;
            };
            if now.since(sent.at) <= LIVE_FOR && newest - self.live_from <= LIVE as u64 {
                return;
            }
            sent.bytes = None;
            self.live_from += 1;
        }
    }

    /// Nothing sent so far can be answered any more: the loop itself was late.
    pub(crate) fn void(&mut self) {
        for sent in &mut self.sent {
            sent.bytes = None;
        }
        self.live_from = self.next_ordinal();
    }

    fn find(&self, tag: &Tag) -> Option<(u64, &Sent)> {
        let ordinal = *self.by_tag.get(tag)?;
        let index = usize::try_from(ordinal - self.first).ok()?;
        self.sent.get(index).map(|sent| (ordinal, sent))
    }

    /// Whether I sent the datagram of this tag.
    pub(crate) fn contains(&self, tag: &Tag) -> bool {
        self.by_tag.contains_key(tag)
    }

    /// The live question of `claim` with this tag, if there is one.
    pub(crate) fn live(&self, tag: &Tag, claim: &ClaimId, now: Mono) -> Option<Question> {
        let (ordinal, sent) = self.find(tag)?;
        let bytes = sent.bytes.as_ref()?;
        let fresh = now.since(sent.at) <= LIVE_FOR && sent.claim == *claim;
        fresh.then(|| Question { ordinal, at: sent.at, bytes: bytes.clone() })
    }

    /// The oldest sequence of `boot` that is still logged.
    pub(crate) fn oldest_sequence(&self, boot: BootId) -> Option<u64> {
        self.sent.iter().find(|sent| sent.boot == boot).map(|sent| sent.sequence)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::time::Duration;

    fn tag(n: u64) -> Tag {
        let mut t = Tag::default();
        t.0[..8].copy_from_slice(&n.to_be_bytes());
        t
    }

    fn log(n: u64, at: impl Fn(u64) -> Mono) -> SentLog {
        let mut log = SentLog::default();
        for i in 0..n {
            log.push(at(i), (BootId([1; 8]), i + 1), ClaimId([2; 16]), tag(i), Box::new([0; 320]));
        }
        log
    }

    #[test]
    fn a_question_is_live_for_ten_seconds_and_among_the_newest_1024() {
        let sent = Mono(1_000);
        let many = log(2000, |_| sent);
        let live = |n| many.live(&tag(n), &ClaimId([2; 16]), sent).is_some();
        assert!(live(1999) && live(2000 - 1024) && !live(2000 - 1025));
        assert!(many.live(&tag(1999), &ClaimId([3; 16]), sent).is_none(), "another claim");
        let late = sent.after(LIVE_FOR + Duration::from_millis(1));
        assert!(many.live(&tag(1999), &ClaimId([2; 16]), late).is_none());
        assert!(many.contains(&tag(0)) && many.contains(&tag(1999)));
    }

    #[test]
    fn the_log_is_bounded_and_knows_what_is_older_than_itself() {
        let log = log(5000, |i| Mono(i * 1_000_000_000));
        assert!(!log.contains(&tag(903)) && log.contains(&tag(904)));
        assert_eq!((log.sent.len(), log.by_tag.len()), (SENT_LOG, SENT_LOG));
        assert_eq!(log.oldest_sequence(BootId([1; 8])), Some(905));
        assert_eq!(log.next_ordinal(), 5000);
        let kept = log.sent.iter().filter(|s| s.bytes.is_some()).count();
        assert_eq!(kept, 11, "bytes are kept for ten seconds only");
    }

    #[test]
    fn voided_questions_are_never_live_again_but_still_mine() {
        let mut log = log(3, |_| Mono(5));
        log.void();
        assert!(
            (0..3).all(|n| log.live(&tag(n), &ClaimId([2; 16]), Mono(5)).is_none() && log.contains(&tag(n)))
        );
    }
}
