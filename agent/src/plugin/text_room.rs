//! Room for the texts that one event points to, and the interface names among them.

use std::collections::BTreeMap;
use std::ffi::c_char;
use std::sync::Arc;

use serialnumberd_plugin::abi::slnd_str;

/// Texts, each with its NUL, that stay where they are until the next `reserve`.
#[derive(Debug, Default)]
pub(super) struct TextRoom(Vec<u8>);

impl TextRoom {
    /// Makes room for so many bytes in sum, NULs included; voids what was added before.
    pub(super) fn reserve(&mut self, bytes: usize) {
        self.0.clear();
        self.0.reserve_exact(bytes);
    }

    /// Adds a text.  It must have been reserved for: growing would move those that are pointed to.
    pub(super) fn add(&mut self, text: &str) -> slnd_str {
        let start = self.0.len();
        assert!(self.0.capacity() - start > text.len(), "room was reserved for each text and its NUL");
        self.0.extend_from_slice(text.as_bytes());
        self.0.push(0);
        slnd_str { ptr: self.0.as_ptr().wrapping_add(start).cast::<c_char>(), len: text.len() }
    }

    /// Forgets all, and gives the memory back if it is more than `keep`.
    pub(super) fn clear(&mut self, keep: usize) {
        self.0.clear();
        if self.0.capacity() > keep {
            self.0 = Vec::new();
        }
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// Names of interfaces by index, asked of the kernel once a batch: on a plugin's thread, never by the loop.
///
/// Where records come from elsewhere, out of a recording or into a sandbox, the kernel here is not asked: the names that
/// came with them hold, and no others.
#[derive(Debug, Default)]
pub(super) struct InterfaceNames {
    told: Option<Arc<Interfaces>>,
    asked: Vec<(u32, String)>,
}

/// Names of interfaces by index.
pub(super) type Interfaces = BTreeMap<u32, String>;

impl InterfaceNames {
    /// With names that were told, if any were.
    pub(super) fn told(told: Option<Arc<Interfaces>>) -> InterfaceNames {
        InterfaceNames { told, asked: Vec::new() }
    }

    pub(super) fn learn(&mut self, told: Option<Arc<Interfaces>>) {
        self.told = told;
    }

    pub(super) fn of(&mut self, index: u32) -> &str {
        if let Some(told) = &self.told {
            return told.get(&index).map_or("", String::as_str);
        }
        let known = self.asked.iter().position(|(known, _)| *known == index);
        let at = known.unwrap_or_else(|| {
            self.asked.push((index, name(index)));
            self.asked.len() - 1
        });
        &self.asked[at].1
    }

    /// Asks the kernel anew from here on.
    pub(super) fn forget(&mut self) {
        self.asked.clear();
    }
}

/// Empty if there is no such interface (any more); 0 is this agent itself.
fn name(index: u32) -> String {
    if index == 0 {
        return String::new();
    }
    nix::net::if_::if_indextoname(index).ok().and_then(|name| name.into_string().ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_stay_and_end_with_nul() {
        let mut room = TextRoom::default();
        room.reserve(9);
        let (a, b, c) = (room.add("abc"), room.add(""), room.add("xyz"));
        assert_eq!(room.as_bytes(), b"abc\0\0xyz\0");
        assert_eq!((a.len, b.len, c.len), (3, 0, 3));
        let start = room.as_bytes().as_ptr() as usize;
        assert_eq!((a.ptr as usize - start, b.ptr as usize - start, c.ptr as usize - start), (0, 4, 5));
        room.clear(4);
        assert_eq!(room.0.capacity(), 0);
    }

    #[test]
    fn interfaces_have_names() {
        let mut names = InterfaceNames::default();
        assert_eq!(names.of(1), "lo");
        assert_eq!(names.of(0), "");
        assert_eq!(names.of(u32::MAX), "");
        names.learn(Some(Arc::new(Interfaces::from([(7, "eth7".to_owned())]))));
        assert_eq!((names.of(7).to_owned(), names.of(1)), ("eth7".to_owned(), ""));
    }
}
