//! Whose log lines a thread writes.  `log` knows one logger a process, and a process may embed several agents: each
//! has a sink of its own, and a thread that works for an agent writes to that.
//!
//! A thread that an agent makes inherits the scope of the one that made it.

use std::cell::RefCell;
use std::fmt;
use std::sync::Arc;

use log::{LevelFilter, Log, Metadata, Record};

use super::{clean, spoken};

/// Where the log lines of one embedded agent go.
pub trait Sink: Send + Sync {
    /// Takes a line without line breaks or control characters.  Called on any thread of the agent; must not block.
    fn log(&self, level: log::Level, line: &str);

    /// What is written of the lines: these and the graver ones.
    fn level(&self) -> LevelFilter {
        LevelFilter::Info
    }
}

thread_local! {
    static PRESENT: RefCell<Scope> = const { RefCell::new(Scope(None)) };
}

/// The sink of the threads of one agent; none, and its lines are nobody's.
#[derive(Clone, Default)]
pub struct Scope(Option<Arc<dyn Sink>>);

impl fmt::Debug for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Scope").field(&self.0.is_some()).finish()
    }
}

impl Scope {
    /// The scope of an agent with this sink.  The first sink of a process makes lines go by scope at all, unless the
    /// program has a logger of its own: then that gets them.
    #[must_use]
    pub fn new(sink: Option<Arc<dyn Sink>>) -> Scope {
        if sink.is_some() && log::set_logger(&ByScope).is_ok() {
            log::set_max_level(LevelFilter::Debug);
        }
        Scope(sink)
    }

    /// The scope of this thread.
    #[must_use]
    pub fn present() -> Scope {
        PRESENT.try_with(|present| present.borrow().clone()).unwrap_or_default()
    }

    /// Does `work` in this scope.
    pub fn within<R>(&self, work: impl FnOnce() -> R) -> R {
        let _before = Restore(enter(self.clone()));
        work()
    }
}

fn enter(scope: Scope) -> Scope {
    // A thread that is ending has no scope any more.
    PRESENT.try_with(|present| present.replace(scope)).unwrap_or_default()
}

/// Goes back to the scope of before, also past a panic.
struct Restore(Scope);

impl Drop for Restore {
    fn drop(&mut self) {
        enter(std::mem::take(&mut self.0));
    }
}

struct ByScope;

impl Log for ByScope {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        Scope::present().0.is_some_and(|sink| metadata.level() <= sink.level())
    }

    fn log(&self, record: &Record<'_>) {
        // Not held while the sink is called: it may log, too.
        let Some(sink) = Scope::present().0.filter(|sink| record.level() <= sink.level()) else { return };
        for part in spoken(record.target(), &record.args().to_string()).split('\n') {
            sink.log(record.level(), &clean(part));
        }
    }

    fn flush(&self) {}
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[derive(Default)]
    struct Kept(Mutex<Vec<String>>);

    impl Sink for Kept {
        fn log(&self, level: log::Level, line: &str) {
            self.0.lock().expect("no panic").push(format!("{level} {line}"));
        }
    }

    #[test]
    fn each_thread_writes_to_its_agents_sink_and_its_children_do() {
        let sinks = [Arc::new(Kept::default()), Arc::new(Kept::default())];
        let scopes: Vec<Scope> =
            sinks.iter().map(|sink| Scope::new(Some(Arc::clone(sink) as Arc<dyn Sink>))).collect();
        let threads: Vec<_> = scopes
            .iter()
            .map(|scope| {
                scope.within(|| {
                    log::warn!("of the loop\nwith \x1b");
                    log::debug!("of no interest");
                    let inherited = Scope::present();
                    std::thread::spawn(move || {
                        inherited.within(|| log::info!(target: "policy", "of a plugin"));
                        log::error!("of nobody");
                    })
                })
            })
            .collect();
        threads.into_iter().for_each(|thread| thread.join().expect("no panic"));
        log::error!("of nobody");
        for sink in sinks {
            let expected = ["WARN of the loop", "WARN with \u{fffd}", "INFO plugin policy: of a plugin"];
            assert_eq!(*sink.0.lock().expect("no panic"), expected);
        }
    }

    #[test]
    fn a_panic_leaves_the_scope() {
        let scope = Scope::new(Some(Arc::new(Kept::default())));
        let work = std::panic::AssertUnwindSafe(|| scope.within(|| panic!("on purpose")));
        let panicked = std::panic::catch_unwind(work);
        assert!(panicked.is_err() && Scope::present().0.is_none());
    }
}
