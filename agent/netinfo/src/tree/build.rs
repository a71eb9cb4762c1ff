//! Makes snapshots: ids first, then rows, then the index.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::ops::Range;

use super::snapshot::{IndexRow, PropertyRow, Record, Snapshot, Symbol};
use super::{Directory, NAME, TreeError};
use crate::limits::RETIRED_MIN;

/// The instance of a directory that is new.  The original begins at 0, but a tree whose instances are all 0 has the
/// checksum 0, which says "everything" when it is asked for.
const FIRST_INSTANCE: u32 = 1;

/// By what a directory is the same one in two trees: its name, and how many before it in its parent have that name.
type Identity<'d> = (Option<&'d [u8]>, u32);

impl Snapshot {
    /// A tree that is served for the first time: objects count depth-first in order, and the root's is 0.
    ///
    /// # Errors
    /// If the protocol cannot carry it.
    pub fn new(root: &Directory) -> Result<Snapshot, TreeError> {
        Builder::new(root, None)
    }

    /// The tree that replaces this one.  A directory of the same name in the same place keeps its object, and its
    /// instance if nothing in it changed; objects that are gone are not used again soon.
    ///
    /// # Errors
    /// If the protocol cannot carry it.
    pub fn succeed(&self, root: &Directory) -> Result<Snapshot, TreeError> {
        Builder::new(root, Some(self))
    }

    fn first_name(&self, object: u32) -> Option<&[u8]> {
        self.property(object, NAME.as_bytes())?.values().next()
    }

    fn identities(&self, object: u32) -> BTreeMap<Identity<'_>, u32> {
        let children = self.children(object).unwrap_or_default();
        let names = children.iter().map(|&child| (self.first_name(child), child));
        numbered(names).collect()
    }
}

/// Adds to each name how many before it are equal.
fn numbered<'d, T>(
    names: impl Iterator<Item = (Option<&'d [u8]>, T)>,
) -> impl Iterator<Item = (Identity<'d>, T)> {
    let mut seen: HashMap<Option<&[u8]>, u32> = HashMap::new();
    names.map(move |(name, value)| {
        let before = seen.entry(name).or_default();
        *before += 1;
        ((name, *before), value)
    })
}

fn count(n: usize) -> u32 {
    u32::try_from(n).expect("a tree was checked against its limits")
}

struct Builder<'d> {
    old: Option<&'d Snapshot>,
    /// Object and directory, depth-first.
    placed: Vec<(u32, u32, &'d Directory)>,
    records: Vec<Option<Record>>,
    retired: VecDeque<u32>,
}

impl<'d> Builder<'d> {
    #[expect(clippy::new_ret_no_self, reason = "a builder is never seen")]
    fn new(root: &'d Directory, old: Option<&'d Snapshot>) -> Result<Snapshot, TreeError> {
        root.check()?;
        let mut builder = Builder {
            old,
            placed: Vec::new(),
            records: old.map_or_else(Vec::new, |old| vec![None; old.records.len()]),
            retired: old.map_or_else(VecDeque::new, |old| old.retired.iter().copied().collect()),
        };
        if builder.records.is_empty() {
            builder.records.push(None);
        }
        builder.place(root, 0, 0);
        builder.retire();
        Ok(builder.finish())
    }

    /// Gives `directory` its object, and all below it theirs.
    fn place(&mut self, directory: &'d Directory, object: u32, parent: u32) {
        self.placed.push((object, parent, directory));
        let mut known = self.old.map(|old| old.identities(object)).unwrap_or_default();
        let names = directory.children.iter().map(|child| (child.name(), child));
        for (identity, child) in numbered(names) {
            let kept = known.remove(&identity);
            let object_of_child = kept.unwrap_or_else(|| self.fresh());
            self.place(child, object_of_child, object);
        }
    }

    /// An object for a directory that is new.
    fn fresh(&mut self) -> u32 {
        if self.retired.len() > RETIRED_MIN
            && let Some(object) = self.retired.pop_front()
        {
            return object;
        }
        self.records.push(None);
        count(self.records.len() - 1)
    }

    /// Notes which objects are gone.
    fn retire(&mut self) {
        let Some(old) = self.old else { return };
        let mut stays = vec![false; self.records.len()];
        for (object, ..) in &self.placed {
            stays[index(*object)] = true;
        }
        let gone = old.records.iter().enumerate().filter(|(n, record)| record.is_some() && !stays[*n]);
        self.retired.extend(gone.map(|(n, _)| count(n)));
    }

    fn finish(self) -> Snapshot {
        let mut symbols = Symbols::default();
        let mut new = Snapshot {
            records: self.records,
            properties: Vec::new(),
            values: Vec::new(),
            children: Vec::new(),
            texts: Vec::new(),
            ends: Vec::new(),
            index: Vec::new(),
            retired: self.retired.into(),
            checksum: 0,
            count: self.placed.len(),
            last_written: self.placed.last().map_or(0, |(object, ..)| *object),
        };
        let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
        for &(object, parent, _) in self.placed.iter().skip(1) {
            children.entry(parent).or_default().push(object);
        }
        let order: Vec<u32> = self.placed.iter().map(|(object, ..)| *object).collect();
        for (object, parent, directory) in self.placed {
            let properties = new.add_properties(directory, &mut symbols);
            let children = push_all(&mut new.children, children.remove(&object).unwrap_or_default());
            new.records[index(object)] =
                Some(Record { instance: FIRST_INSTANCE, parent, properties, children });
        }
        new.settle(symbols);
        if let Some(old) = self.old {
            new.count_writes(old, &order);
        }
        new.sum_up();
        new.fill_index();
        new
    }
}

fn index(object: u32) -> usize {
    usize::try_from(object).expect("an object is an index")
}

fn push_all<T>(list: &mut Vec<T>, more: impl IntoIterator<Item = T>) -> Range<u32> {
    let start = count(list.len());
    list.extend(more);
    start..count(list.len())
}

/// All texts of a tree, each once, in the order in which they were met.
#[derive(Default)]
struct Symbols<'d> {
    places: HashMap<&'d [u8], Symbol>,
}

impl<'d> Symbols<'d> {
    fn meet(&mut self, text: &'d [u8]) -> Symbol {
        let next = count(self.places.len());
        *self.places.entry(text).or_insert(next)
    }
}

impl Snapshot {
    fn add_properties<'d>(&mut self, directory: &'d Directory, symbols: &mut Symbols<'d>) -> Range<u32> {
        let start = count(self.properties.len());
        for property in &directory.properties {
            let name = symbols.meet(&property.name);
            let values = push_all(&mut self.values, property.values.iter().map(|value| symbols.meet(value)));
            self.properties.push(PropertyRow { name, values });
        }
        start..count(self.properties.len())
    }

    /// Puts the texts in order, and the symbols with them.
    fn settle(&mut self, symbols: Symbols<'_>) {
        let mut texts: Vec<(&[u8], Symbol)> = symbols.places.into_iter().collect();
        texts.sort_unstable();
        let mut settled = vec![0; texts.len()];
        self.texts.reserve(texts.iter().map(|(text, _)| text.len()).sum());
        self.ends.reserve(texts.len());
        for (place, (text, met)) in texts.into_iter().enumerate() {
            self.texts.extend_from_slice(text);
            self.ends.push(self.texts.len());
            settled[index(met)] = count(place);
        }
        let all = self.properties.iter_mut().map(|property| &mut property.name).chain(&mut self.values);
        all.for_each(|symbol| *symbol = settled[index(*symbol)]);
    }

    /// What is as it was keeps its instance, what was written counts on; `order` is the tree's.
    fn count_writes(&mut self, old: &Snapshot, order: &[u32]) {
        self.last_written = old.last_written;
        for &object in order {
            let before = old.id(object).map(|id| id.instance);
            if before.is_some() && self.same(old, object) {
                self.set_instance(object, before.unwrap_or(FIRST_INSTANCE));
            } else {
                self.set_instance(object, before.map_or(FIRST_INSTANCE, |before| before.wrapping_add(1)));
                self.last_written = object;
            }
        }
    }

    fn set_instance(&mut self, object: u32, instance: u32) {
        if let Some(record) = &mut self.records[index(object)] {
            record.instance = instance;
        }
    }

    fn same(&self, old: &Snapshot, object: u32) -> bool {
        self.children(object) == old.children(object)
            && self.properties(object).len() == old.properties(object).len()
            && self
                .properties(object)
                .zip(old.properties(object))
                .all(|(new, old)| new.name() == old.name() && new.values().eq(old.values()))
    }

    fn sum_up(&mut self) {
        let terms = self.records.iter().enumerate().filter_map(|(object, record)| {
            Some(count(object).wrapping_add(1).wrapping_mul(record.as_ref()?.instance))
        });
        self.checksum = terms.fold(0, u32::wrapping_add);
    }

    fn fill_index(&mut self) {
        let mut rows = Vec::with_capacity(self.values.len());
        for (parent, record) in self.records.iter().enumerate().filter(|(_, record)| record.is_some()) {
            let _: &Option<Record> = record;
            let parent = count(parent);
            for (place, &child) in self.children(parent).unwrap_or_default().iter().enumerate() {
                self.index_child(parent, count(place), child, &mut rows);
            }
        }
        rows.sort_unstable();
        rows.dedup();
        self.index = rows;
    }

    /// Only the first property of a name counts, as in the original.
    fn index_child(&self, parent: u32, place: u32, child: u32, rows: &mut Vec<IndexRow>) {
        let Some(record) = self.record(child) else { return };
        let properties = &self.properties[index(record.properties.start)..index(record.properties.end)];
        for (n, property) in properties.iter().enumerate() {
            if properties[..n].iter().any(|earlier| earlier.name == property.name) {
                continue;
            }
            let values = &self.values[index(property.values.start)..index(property.values.end)];
            rows.extend(values.iter().map(|&value| IndexRow { parent, key: property.name, value, place }));
        }
    }
}
