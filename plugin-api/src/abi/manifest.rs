//! The manifest: what a host knows of a plugin from its file, before any of its code runs.
//!
//! An ELF note in the section `.note.serialnumberd` (SHT_NOTE, so strip and --gc-sections keep it), as the
//! generic ABI says: three 32-bit words in the file's byte order (namesz = 14, descsz, type = 1), the name
//! "serialnumberd" with its NUL padded to 16 bytes, then `descsz` bytes of text padded to a multiple of 4.
//! The text is lines `key=value` that end in a newline, then one NUL which `descsz` counts:
//!
//! ```text
//! abi=1.0
//! id=policy
//! version=0.1.0
//! wants=verdict
//! ```
//!
//! `wants` is a comma-separated list of permission names, without blanks, and may be empty.  A reader ignores keys
//! that it does not know, refuses a second manifest or a key that comes twice, and believes no length unchecked.

/// The section's name.
pub const SLND_SECTION: &str = ".note.serialnumberd";
/// The note's name, without its NUL.
pub const SLND_NOTE_NAME: &str = "serialnumberd";
/// The note's type: a manifest as described here.
pub const SLND_NOTE_TYPE: u32 = 1;
/// The longest text a reader need accept, NUL included: four short lines, and room for keys to come.
pub const SLND_MANIFEST_MAX: usize = 1024;
/// The one symbol that a plugin exports. The major is in the name: a host of another major finds nothing, and reads
/// no struct that it does not understand.
pub const SLND_PLUGIN_ENTRY: &core::ffi::CStr = c"serialnumberd_plugin_v1";
