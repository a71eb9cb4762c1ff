//! The plugin ABI, major 1: the `#[repr(C)]` types from which `include/serialnumberd/types.h` is generated.
//!
//! Owns every type, slot and number that crosses between agent and plugin, and nothing else: no code
//! that calls through them (the host does that, and the SDK beside this module).  The types carry their
//! C names, so that one name is searched for in both languages and the generated header needs no renaming.
//!
//! The rules; each of them is a test:
//!
//! | | rule |
//! |---|---|
//! | R1 | A released name never changes type, meaning, number, ownership or thread tag. |
//! | R2 | A struct marked GROWS starts with `struct_size` (events: in their head) and only gains fields at the end; a field is read only if the size covers it ([`slnd_has!`](crate::slnd_has)). It has no tail padding. A struct marked FROZEN never changes. |
//! | R3 | Arrays of GROWS structs carry a stride; event batches are arrays of pointers. |
//! | R4 | No slot of `slnd_host` that its size covers is NULL. In `slnd_plugin` only slots marked REQUIRED must be set. |
//! | R5 | No memory crosses: who allocates frees. Pointers in events live until the callback returns. |
//! | R6 | Enumerations are integers with named constants; 0 is "unknown", and a receiver ignores values it does not know. |
//! | R7 | Every call into one instance is made on that instance's own thread, never two at once: \[worker\]. \[any\] is any thread, from `create` until `stop` returns. |
//! | R8 | Nothing unwinds across: no Rust panic, no C++ exception, no longjmp. |
//! | R9 | A plugin is never unmapped. `stop` joins every thread the plugin started. |
#![allow(non_camel_case_types, reason = "the C names are the names; cbindgen copies them as they are")]

mod constants;
mod events;
mod host;
mod layout;
mod manifest;
mod plugin;
mod values;

pub use constants::*;
pub use events::*;
pub use host::*;
pub use layout::*;
pub use manifest::*;
pub use plugin::*;
pub use values::*;
