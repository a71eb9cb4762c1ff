//! What must hold however the threads interleave.
//!
//! What one side wrote before it spoke is a relaxed atomic or a bare cell here: only the handshake under test may make
//! it visible.

use std::sync::Arc;

use loom::cell::UnsafeCell;
use loom::sync::atomic::{AtomicBool, Ordering::Relaxed};
use loom::thread;

use super::handshake::{Doorbell, End, Ending};
use super::mailbox::Mailbox;

/// What the threads of a model share.  Never dropped: a destructor that uses an atomic while the checker's own
/// failure unwinds would abort the whole test.
fn shared<T>(value: T) -> &'static T {
    Box::leak(Box::new(value))
}

/// Tries every interleaving of the loop and of the threads that it spawns.  It has a thread of its own: unpark, in the
/// checker, would also wake the first thread out of its wait for the others.
fn check(event_loop: fn()) {
    loom::model(move || thread::spawn(event_loop).join().unwrap());
}

/// Two plugins tell the loop something: it sleeps only when it has heard all that was said.
pub fn doorbell() {
    check(|| {
        let loop_thread = thread::current();
        let bell = shared(Doorbell::new(Arc::new(move || loop_thread.unpark())));
        let messages = shared([AtomicBool::new(false), AtomicBool::new(false)]);
        for message in messages {
            thread::spawn(move || {
                message.store(true, Relaxed);
                bell.ring();
            });
        }
        // As PluginHost::poll_action looks for messages: again if the bell rang meanwhile.
        let all_heard = || messages.iter().all(|message| message.load(Relaxed));
        while !(all_heard() || bell.answer() && all_heard()) {
            thread::park();
        }
    });
}

/// A worker that ends by itself while the loop asks it to: the loop learns of it.
pub fn ending() {
    check(|| {
        let ending = shared(Ending::new());
        thread::spawn(|| ending.end(End::Quarantined));
        ending.ask(1);
        // As PluginHost::stop waits.
        while ending.ended().is_none() {
            thread::park();
        }
    });
}

/// A worker that was asked knows what the loop did before, and who sees that it ended knows what the worker did.
pub fn last_words() {
    check(|| {
        let ending = shared(Ending::new());
        let (published, last_words) = (shared(AtomicBool::new(false)), shared(AtomicBool::new(false)));
        thread::spawn(|| {
            let asked = ending.asked_by_ns().is_some();
            assert!(!asked || published.load(Relaxed), "the last events are not there");
            last_words.store(true, Relaxed);
            ending.end(End::Stopped);
        });
        published.store(true, Relaxed);
        ending.ask(1);
        assert!(ending.ended().is_none() || last_words.load(Relaxed), "the last words are not there");
    });
}

/// A value that says who else still has one.
struct Value(UnsafeCell<u32>, #[expect(dead_code, reason = "counted, not read")] Arc<()>);

impl Value {
    #[allow(unsafe_code, reason = "the checker's cell has no other way in")]
    fn number(&self) -> u32 {
        // SAFETY: it is written only while it is made; if not, the checker says so instead of reading.
        self.0.with(|number| unsafe { *number })
    }
}

/// Values come out whole, in order and at most once; the newest is never lost, and the others are freed.
pub fn mailbox() {
    check(|| {
        let alive = Arc::new(());
        let value = |number| Value(UnsafeCell::new(number), Arc::clone(&alive));
        drop(Mailbox::holding(value(0)));
        let mailbox = shared(Mailbox::holding(value(0)));
        let counted = Arc::clone(&alive);
        let writer = thread::spawn(move || {
            for number in [1, 2] {
                mailbox.put(Value(UnsafeCell::new(number), Arc::clone(&counted)));
            }
        });
        let number = |value: Value| value.number();
        let mut seen: Vec<u32> = (0..2).filter_map(|_| mailbox.take().map(number)).collect();
        writer.join().unwrap();
        seen.extend(mailbox.take().map(number));
        assert!(seen.is_sorted_by(|a, b| a < b) && seen.last() == Some(&2), "{seen:?}");
        assert_eq!(Arc::strong_count(&alive), 1, "what was replaced or never taken is freed");
    });
}
