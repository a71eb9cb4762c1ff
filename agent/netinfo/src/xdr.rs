//! XDR (RFC 4506) as far as the directory protocol uses it: 32-bit words, strings, lists.
//!
//! A length is believed only as far as there are bytes: nothing is allocated for what a message merely promises.

use std::fmt;

use crate::limits::{NAME_MAX, NAMES_MAX, PROPERTIES_MAX};
use crate::tree::Property;

/// A name or a value.
pub type Name = Vec<u8>;

/// A directory's id: which, and how often it was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Id {
    /// Which; the root is 0.
    pub object: u32,
    /// Rises with every write.
    pub instance: u32,
}

/// Why bytes are not what they should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Garbage {
    /// They end too early.
    Short,
    /// A string or list is longer than the protocol allows.
    TooLong,
}

impl fmt::Display for Garbage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Garbage::Short => "the message ends too early",
            Garbage::TooLong => "a string or list is longer than the protocol allows",
        })
    }
}

impl std::error::Error for Garbage {}

/// Reads a message from its beginning.  Bytes left over are allowed: original clients send some.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// Reads `bytes`.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader(bytes)
    }

    /// What is not read yet.
    #[must_use]
    pub fn rest(&self) -> &'a [u8] {
        self.0
    }

    /// A word (RFC 4506 section 4.2).
    ///
    /// # Errors
    /// If the bytes end.
    pub fn word(&mut self) -> Result<u32, Garbage> {
        let (word, rest) = self.0.split_first_chunk().ok_or(Garbage::Short)?;
        self.0 = rest;
        Ok(u32::from_be_bytes(*word))
    }

    /// A boolean (RFC 4506 section 4.4); as in the original, whatever is not 0 is true.
    ///
    /// # Errors
    /// If the bytes end.
    pub fn boolean(&mut self) -> Result<bool, Garbage> {
        Ok(self.word()? != 0)
    }

    /// A string or variable-length opaque (RFC 4506 sections 4.10, 4.11) of at most `most` bytes.  What the padding
    /// holds does not matter.
    ///
    /// # Errors
    /// If it is longer, or the bytes end.
    pub fn opaque(&mut self, most: usize) -> Result<&'a [u8], Garbage> {
        let length = self.length(most)?;
        let padded = length.next_multiple_of(4);
        if padded > self.0.len() {
            return Err(Garbage::Short);
        }
        let (bytes, rest) = self.0.split_at(padded);
        self.0 = rest;
        Ok(&bytes[..length])
    }

    /// How many elements follow.
    ///
    /// # Errors
    /// If there are more than `most`, or the bytes end.
    pub fn length(&mut self, most: usize) -> Result<usize, Garbage> {
        let length = usize::try_from(self.word()?).map_err(|_| Garbage::TooLong)?;
        if length > most { Err(Garbage::TooLong) } else { Ok(length) }
    }

    /// A list of at most `most` elements.
    ///
    /// # Errors
    /// If there are more, or one of them cannot be read.
    pub fn list<T>(
        &mut self,
        most: usize,
        mut element: impl FnMut(&mut Reader<'a>) -> Result<T, Garbage>,
    ) -> Result<Vec<T>, Garbage> {
        let length = self.length(most)?;
        // An element has a word at least: a promise of more than that is not believed.
        let mut list = Vec::with_capacity(length.min(self.0.len() / 4));
        for _ in 0..length {
            list.push(element(self)?);
        }
        Ok(list)
    }

    /// A name.
    ///
    /// # Errors
    /// As [`Reader::opaque`].
    pub fn name(&mut self) -> Result<&'a [u8], Garbage> {
        self.opaque(NAME_MAX)
    }

    /// A list of names.
    ///
    /// # Errors
    /// As [`Reader::list`].
    pub fn names(&mut self) -> Result<Vec<Name>, Garbage> {
        self.list(NAMES_MAX, |reader| reader.name().map(<[u8]>::to_vec))
    }

    /// A list of properties.
    ///
    /// # Errors
    /// As [`Reader::list`].
    pub fn properties(&mut self) -> Result<Vec<Property>, Garbage> {
        self.list(PROPERTIES_MAX, Reader::property)
    }

    /// A property.
    ///
    /// # Errors
    /// As [`Reader::list`].
    pub fn property(&mut self) -> Result<Property, Garbage> {
        Ok(Property { name: self.name()?.to_vec(), values: self.names()? })
    }

    /// An id.
    ///
    /// # Errors
    /// If the bytes end.
    pub fn id(&mut self) -> Result<Id, Garbage> {
        Ok(Id { object: self.word()?, instance: self.word()? })
    }
}

/// Writes a message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Writer(Vec<u8>);

impl Writer {
    /// An empty one.
    #[must_use]
    pub fn new() -> Writer {
        Writer::default()
    }

    /// What was written.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    /// How many bytes were written.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nothing was.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes back all but the first `len` bytes.
    pub(crate) fn truncate(&mut self, len: usize) {
        self.0.truncate(len);
    }

    /// A word.
    pub fn word(&mut self, word: u32) {
        self.0.extend_from_slice(&word.to_be_bytes());
    }

    /// How many elements follow.
    ///
    /// # Panics
    /// If there are more than a word can say: every list here is bounded far below.
    pub fn length(&mut self, length: usize) {
        self.word(u32::try_from(length).expect("every list is bounded"));
    }

    /// A string, padded with zeros to a whole word.
    ///
    /// # Panics
    /// As [`Writer::length`].
    pub fn opaque(&mut self, bytes: &[u8]) {
        self.length(bytes.len());
        self.0.extend_from_slice(bytes);
        self.0.resize(self.0.len().next_multiple_of(4), 0);
    }

    /// A list of names.
    ///
    /// # Panics
    /// As [`Writer::length`].
    pub fn names<'n>(&mut self, names: impl ExactSizeIterator<Item = &'n [u8]>) {
        self.length(names.len());
        names.for_each(|name| self.opaque(name));
    }

    /// A property.
    ///
    /// # Panics
    /// As [`Writer::length`].
    pub fn property(&mut self, property: &Property) {
        self.opaque(&property.name);
        self.names(property.values.iter().map(Vec::as_slice));
    }

    /// An id.
    pub fn id(&mut self, id: Id) {
        self.word(id.object);
        self.word(id.instance);
    }

    /// Bytes as they are: another message's, already whole words.
    pub fn raw(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let property = Property { name: b"name".to_vec(), values: vec![b"a".to_vec(), Vec::new()] };
        let mut writer = Writer::new();
        writer.word(7);
        writer.property(&property);
        writer.id(Id { object: 1, instance: 2 });
        let bytes = writer.into_bytes();
        assert_eq!(bytes.len() % 4, 0);
        let mut reader = Reader::new(&bytes);
        assert_eq!(reader.word(), Ok(7));
        assert_eq!(reader.property(), Ok(property));
        assert_eq!(reader.id(), Ok(Id { object: 1, instance: 2 }));
        assert_eq!(reader.word(), Err(Garbage::Short));
    }

    #[test]
    fn a_promise_of_more_than_there_is_allocates_nothing() {
        let mut promise = Reader::new(&[0, 0, 0xff, 0xff]);
        assert_eq!(promise.names(), Err(Garbage::Short));
        assert_eq!(Reader::new(&[0xff; 8]).names(), Err(Garbage::TooLong));
        assert_eq!(Reader::new(&[0, 0, 0, 5, 1, 2, 3, 4]).name(), Err(Garbage::Short));
        // The padding must be there, too.
        assert_eq!(Reader::new(&[0, 0, 0, 1, 1]).name(), Err(Garbage::Short));
    }
}
