//! The numbers of the embedding interface that the plugin ABI does not have, as `preamble.h` states them.
//!
//! cbindgen would write them as bare `int` literals; a test compares both sides through [`CONSTANTS`].

macro_rules! constants {
    ($($(#[$doc:meta])* $name:ident = $value:expr;)*) => {
        $($(#[$doc])* pub(crate) const $name: u32 = $value;)*

        /// Name and value of every number above: what the header is compared with.
        #[allow(dead_code, reason = "for the tests, which include this file")]
        pub(crate) const CONSTANTS: &[(&str, u32)] = &[$((stringify!($name), $name),)*];
    };
}

constants! {
    /// Bind nothing: the sockets are adopted.
    SLND_CONFIG_NO_BIND = 1;
    /// Never dlopen.
    SLND_CONFIG_NO_PLUGINS = 2;
    /// Connect if an agent answers, else own.
    SLND_MODE_AUTO = 1;
    /// A client of this host's agent.
    SLND_MODE_CONNECT = 2;
    /// The whole agent.
    SLND_MODE_OWN = 3;
}
