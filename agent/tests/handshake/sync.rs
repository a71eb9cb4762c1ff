//! The model checker's atomics and threads in the place of the standard library's, as far as the agent's two files use
//! them.  They can be weakened: what the models do not notice then, they do not prove.

use std::cell::Cell;

pub use loom::thread;

/// What every operation is robbed of.
#[derive(Clone, Copy)]
pub enum Weakening {
    Release,
    Acquire,
}

thread_local! {
    // The model checker runs all threads of a model on the thread that called it.
    static ROBBED_OF: Cell<Option<Weakening>> = const { Cell::new(None) };
}

pub fn with(weakening: Weakening, model: fn()) {
    ROBBED_OF.set(Some(weakening));
    model();
}

pub mod atomic {
    pub use loom::sync::atomic::Ordering;

    use super::{ROBBED_OF, Weakening};

    fn weaker(asked: Ordering) -> Ordering {
        match (ROBBED_OF.get(), asked) {
            (Some(Weakening::Release), Ordering::AcqRel) => Ordering::Acquire,
            (Some(Weakening::Acquire), Ordering::AcqRel) => Ordering::Release,
            (Some(Weakening::Release), Ordering::Release) | (Some(Weakening::Acquire), Ordering::Acquire) => {
                Ordering::Relaxed
            }
            (_, asked) => asked,
        }
    }

    macro_rules! weakened {
        ($name:ident$(<$of:ident>)?, $value:ty) => {
            #[derive(Debug)]
            pub struct $name$(<$of>)?(loom::sync::atomic::$name$(<$of>)?);

            #[allow(dead_code, reason = "each file calls only some of them")]
            impl$(<$of>)? $name$(<$of>)? {
                pub fn new(value: $value) -> Self {
                    Self(loom::sync::atomic::$name::new(value))
                }

                pub fn load(&self, ordering: Ordering) -> $value {
                    self.0.load(weaker(ordering))
                }

                pub fn store(&self, value: $value, ordering: Ordering) {
                    self.0.store(value, weaker(ordering));
                }

                pub fn swap(&self, value: $value, ordering: Ordering) -> $value {
                    self.0.swap(value, weaker(ordering))
                }
            }
        };
    }

    weakened!(AtomicBool, bool);
    weakened!(AtomicU8, u8);
    weakened!(AtomicU64, u64);
    weakened!(AtomicPtr<T>, *mut T);
}
