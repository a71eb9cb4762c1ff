//! The default policy plugin.
