//! The functions of the header, in its order.  Each reads its arguments, and leaves the rest to safe code.
//!
//! Their comments are the header's and the manual page's.  Thread tags: \[any\], \[one\] and \[signal\] are explained
//! at the top of the header.

mod claim;
mod configure;
mod turn;
mod version;

#[cfg(test)]
pub(crate) use {claim::*, configure::*, turn::*};
