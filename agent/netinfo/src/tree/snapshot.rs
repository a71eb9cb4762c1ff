//! A tree as it is served: immutable, found by id in one step and by key and value in some twenty comparisons.
//!
//! All texts stand once, in order, in one buffer; a text's place in that order is its symbol.  Rows of the index are
//! (parent, key, value, place among the parent's children), sorted.

use std::ops::Range;

use super::{Directory, Property};
use crate::xdr::{Id, Writer};

/// A text's place among all texts, which are in order.
pub(super) type Symbol = u32;

/// A directory.
#[derive(Clone, Debug)]
pub(super) struct Record {
    pub(super) instance: u32,
    /// The root's is the root.
    pub(super) parent: u32,
    /// In [`Snapshot::properties`].
    pub(super) properties: Range<u32>,
    /// In [`Snapshot::children`].
    pub(super) children: Range<u32>,
}

/// A property's name and where its values stand.
#[derive(Clone, Debug)]
pub(super) struct PropertyRow {
    pub(super) name: Symbol,
    /// In [`Snapshot::values`].
    pub(super) values: Range<u32>,
}

/// By which property value a child is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct IndexRow {
    pub(super) parent: u32,
    pub(super) key: Symbol,
    pub(super) value: Symbol,
    /// Among the parent's children.
    pub(super) place: u32,
}

/// A tree that never changes; its successor is another one, see [`Snapshot::succeed`].
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// By object; `None` for an object that is gone.
    pub(super) records: Vec<Option<Record>>,
    pub(super) properties: Vec<PropertyRow>,
    pub(super) values: Vec<Symbol>,
    pub(super) children: Vec<u32>,
    pub(super) texts: Vec<u8>,
    /// Where each text ends.
    pub(super) ends: Vec<usize>,
    pub(super) index: Vec<IndexRow>,
    /// Objects that are gone, the longest gone first.
    pub(super) retired: Vec<u32>,
    pub(super) checksum: u32,
    pub(super) count: usize,
    /// The object that was written last.
    pub(super) last_written: u32,
}

fn at<T>(list: &[T], range: &Range<u32>) -> Range<usize> {
    let place = |n: u32| usize::try_from(n).unwrap_or(usize::MAX).min(list.len());
    place(range.start)..place(range.end)
}

/// A property of a [`Snapshot`].
#[derive(Clone, Copy, Debug)]
pub struct PropertyView<'s> {
    snapshot: &'s Snapshot,
    row: &'s PropertyRow,
}

impl<'s> PropertyView<'s> {
    /// Its name.
    #[must_use]
    pub fn name(self) -> &'s [u8] {
        self.snapshot.text(self.row.name)
    }

    /// Its values.
    pub fn values(self) -> impl ExactSizeIterator<Item = &'s [u8]> + Clone {
        let values = &self.snapshot.values[at(&self.snapshot.values, &self.row.values)];
        values.iter().map(move |&value| self.snapshot.text(value))
    }

    /// Writes name and values.
    pub fn write(self, out: &mut Writer) {
        out.opaque(self.name());
        out.names(self.values());
    }
}

impl Snapshot {
    /// How many directories there are, the root included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.count
    }

    /// Never: there is always a root.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The sum over all directories of (object + 1) * instance, modulo 2^32, as the original has it.
    #[must_use]
    pub fn checksum(&self) -> u32 {
        self.checksum
    }

    /// The directory that was written last; if several were at once, the last of them in the tree's order.
    #[must_use]
    pub fn last_written(&self) -> Option<Id> {
        self.id(self.last_written)
    }

    /// The highest object that there is.
    #[must_use]
    pub fn highest_id(&self) -> u32 {
        let highest = self.records.iter().rposition(Option::is_some).unwrap_or(0);
        u32::try_from(highest).unwrap_or(u32::MAX)
    }

    pub(super) fn record(&self, object: u32) -> Option<&Record> {
        self.records.get(usize::try_from(object).ok()?)?.as_ref()
    }

    pub(super) fn text(&self, symbol: Symbol) -> &[u8] {
        let place = usize::try_from(symbol).unwrap_or(usize::MAX);
        let start = place.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.texts[start..self.ends[place]]
    }

    fn symbol(&self, text: &[u8]) -> Option<Symbol> {
        let (mut low, mut high) = (0, self.ends.len());
        while low < high {
            let middle = low + (high - low) / 2;
            let symbol = Symbol::try_from(middle).ok()?;
            match self.text(symbol).cmp(text) {
                std::cmp::Ordering::Equal => return Some(symbol),
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
            }
        }
        None
    }

    /// The id of a directory with its current instance; `None` if there is none.
    #[must_use]
    pub fn id(&self, object: u32) -> Option<Id> {
        self.record(object).map(|record| Id { object, instance: record.instance })
    }

    /// The parent of a directory; the root's is the root.
    #[must_use]
    pub fn parent(&self, object: u32) -> Option<u32> {
        self.record(object).map(|record| record.parent)
    }

    /// The directories in a directory, in order; `None` if there is no such directory.
    #[must_use]
    pub fn children(&self, object: u32) -> Option<&[u32]> {
        self.record(object).map(|record| &self.children[at(&self.children, &record.children)])
    }

    /// The properties of a directory, in order; none if there is no such directory.
    pub fn properties(&self, object: u32) -> impl ExactSizeIterator<Item = PropertyView<'_>> + Clone {
        let rows =
            self.record(object).map_or(&[][..], |r| &self.properties[at(&self.properties, &r.properties)]);
        rows.iter().map(move |row| PropertyView { snapshot: self, row })
    }

    /// The first property of that name.
    #[must_use]
    pub fn property(&self, object: u32, name: &[u8]) -> Option<PropertyView<'_>> {
        self.properties(object).find(|property| property.name() == name)
    }

    /// The children of `parent` whose first property `key` has the value `value`, in order.
    pub fn lookup(&self, parent: u32, key: &[u8], value: &[u8]) -> impl ExactSizeIterator<Item = u32> + '_ {
        let rows = match (self.symbol(key), self.symbol(value)) {
            (Some(key), Some(value)) => {
                let wanted = (parent, key, value);
                let of = |row: &IndexRow| (row.parent, row.key, row.value);
                let start = self.index.partition_point(|row| of(row) < wanted);
                let found = self.index[start..].partition_point(|row| of(row) == wanted);
                &self.index[start..start + found]
            }
            // A text that stands nowhere is found nowhere.
            _ => &[],
        };
        let children = self.children(parent).unwrap_or_default();
        rows.iter().map(|row| children[usize::try_from(row.place).unwrap_or(usize::MAX)])
    }

    /// The whole tree, to be printed or compared.
    #[must_use]
    pub fn directory(&self) -> Directory {
        self.directory_of(0)
    }

    fn directory_of(&self, object: u32) -> Directory {
        let properties = self
            .properties(object)
            .map(|p| Property { name: p.name().to_vec(), values: p.values().map(<[u8]>::to_vec).collect() })
            .collect();
        let children = self.children(object).unwrap_or_default();
        Directory { properties, children: children.iter().map(|&child| self.directory_of(child)).collect() }
    }
}
