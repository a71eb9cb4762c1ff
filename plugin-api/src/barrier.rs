//! The barrier: no panic of a plugin passes it (R8).

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::Error;
use crate::abi::SLND_E_PANIC;

/// Runs the plugin's code; a panic becomes `SLND_E_PANIC` with its message.
pub(crate) fn guard<T>(what: &str, code: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
    catch_unwind(AssertUnwindSafe(code)).unwrap_or_else(|payload| {
        Err(Error::new(SLND_E_PANIC, format!("{what} panicked: {}", message(payload))))
    })
}

fn message(payload: Box<dyn Any + Send>) -> String {
    match payload.downcast::<String>() {
        Ok(text) => *text,
        Err(payload) => match payload.downcast_ref::<&'static str>() {
            Some(text) => (*text).to_owned(),
            None => {
                // Dropping a value of the plugin's could panic again, outside the barrier.
                std::mem::forget(payload);
                "with a value that is no text".to_owned()
            }
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Bomb;

    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("dropped outside the barrier");
        }
    }

    fn panicking(code: impl FnOnce()) -> Error {
        guard("a test", || {
            code();
            Ok(())
        })
        .unwrap_err()
    }

    #[test]
    fn a_panic_becomes_its_message() {
        let e = panicking(|| panic!("number {}", 7));
        assert_eq!((e.status(), e.to_string().as_str()), (SLND_E_PANIC, "a test panicked: number 7"));
        assert_eq!(panicking(|| panic!("fixed")).to_string(), "a test panicked: fixed");
    }

    #[test]
    fn a_payload_that_panics_when_dropped_stays_inside() {
        let e = panicking(|| std::panic::panic_any(Bomb));
        assert_eq!(e.to_string(), "a test panicked: with a value that is no text");
    }
}
