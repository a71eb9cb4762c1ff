//! The trait that a plugin implements, and the macro that exports it.

use crate::{About, Error, Events, Host, Options};

/// A plugin; its value is one instance.
///
/// Every call is made on the instance's own thread, never two at once.  A panic in any of them is caught, logged and
/// reported to the host, which counts it; the instance goes on with whatever state the panic left.
pub trait Plugin: Sized + 'static {
    /// What it is, what it wants, which options it has.
    const ABOUT: About;

    /// Makes an instance.  `instance` is its name in the configuration.  No thread may be started yet.
    ///
    /// # Errors
    /// If it cannot serve; the sentence goes to people.
    fn create(host: Host, instance: &str) -> Result<Self, Error>;

    /// Takes the options: once before `start`, and again with `reload` when the configuration was read anew.
    ///
    /// # Errors
    /// If they do not fit together.  A reload is a transaction: on an error the old ones must still be in force.
    fn configure(&mut self, options: &Options<'_>, reload: bool) -> Result<(), Error> {
        let _ = (options, reload);
        Ok(())
    }

    /// Begins the work: threads may be started from here on.
    ///
    /// # Errors
    /// If it cannot serve.
    fn start(&mut self) -> Result<(), Error> {
        Ok(())
    }

    /// Takes events, and answers those that ask for a verdict.
    ///
    /// # Errors
    /// If something failed that people should know of; the answers of the whole batch are then void.
    fn on_events(&mut self, events: Events<'_>) -> Result<(), Error>;

    /// Its status as one JSON object.
    fn status(&self) -> String {
        "{}".to_owned()
    }

    /// Writes out what it holds back, until `deadline_ns` on the host's clock: before `stop`.
    ///
    /// # Errors
    /// If it could not.
    fn flush(&mut self, deadline_ns: u64) -> Result<(), Error> {
        let _ = deadline_ns;
        Ok(())
    }

    /// Ends the work: joins all threads it started.  Afterwards every [`HostHandle`](crate::HostHandle) is inert.
    fn stop(&mut self) {}
}

/// Exports a [`Plugin`]: once in a crate of type `cdylib`.
///
/// It writes the manifest note and the one symbol that a host looks for.  Around every slot stands a barrier that
/// catches panics; where panics abort instead there is nothing to catch, so such a build is refused.
#[macro_export]
macro_rules! export_plugin {
    ($plugin:ty) => {
        #[cfg(panic = "abort")]
        ::core::compile_error!(
            "a plugin needs panic = \"unwind\": with \"abort\" its first panic takes the whole agent down"
        );

        const _: () = {
            const ABOUT: $crate::About = <$plugin as $crate::Plugin>::ABOUT;

            #[used]
            #[unsafe(link_section = ".note.serialnumberd")]
            static NOTE: $crate::private::Note<{ $crate::private::note_length(&ABOUT) }> =
                $crate::private::note(&ABOUT);

            static DESCRIPTOR: $crate::abi::slnd_plugin = $crate::private::descriptor::<$plugin>();

            #[unsafe(no_mangle)]
            extern "C" fn serialnumberd_plugin_v1() -> *const $crate::abi::slnd_plugin {
                &raw const DESCRIPTOR
            }
        };
    };
}
