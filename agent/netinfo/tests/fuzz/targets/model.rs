//! What the server ought to answer, by the plainest means: the tree itself, searched from end to end.

use std::collections::BTreeMap;

use netinfo::procedure as is;
use netinfo::tree::{Directory, Property, Snapshot};
use netinfo::xdr::Id;

use super::input::Input;

/// Names and values of these trees: few, so that they meet, and some that pad or are long.
pub const TEXTS: [&[u8]; 10] =
    [b"name", b"uid", b"", b"a", b"ab", b"abc", b"alice", b"serves", b"x/local", &[b'l'; 700]];

/// A tree of the input's making.
pub fn tree(input: &mut Input<'_>, depth: usize) -> Directory {
    let text = |input: &mut Input<'_>| input.one_of(&TEXTS).to_vec();
    let mut directory = Directory::default();
    for _ in 0..input.below(4) {
        let name = text(input);
        let values = (0..input.below(4)).map(|_| text(input)).collect();
        directory.properties.push(Property { name, values });
    }
    if depth > 0 {
        directory.children = (0..input.below(4)).map(|_| tree(input, depth - 1)).collect();
    }
    directory
}

/// A read as these sequences make it.
#[derive(Clone, Copy, Debug)]
pub struct Question<'q> {
    pub procedure: u32,
    pub id: Id,
    pub key: &'q [u8],
    pub value: &'q [u8],
    pub place: u32,
    pub nth: u32,
}

/// Every directory by its object, with its parent's and its children's.
pub struct Model<'t> {
    rows: BTreeMap<u32, (&'t Directory, u32, Vec<u32>)>,
    instances: BTreeMap<u32, u32>,
}

/// Big-endian words and padded strings, written once more.
#[derive(Default)]
struct Bytes(Vec<u8>);

impl Bytes {
    fn word(&mut self, word: u32) {
        self.0.extend(word.to_be_bytes());
    }

    fn count(&mut self, n: usize) {
        self.word(n.try_into().unwrap());
    }

    fn text(&mut self, text: &[u8]) {
        self.count(text.len());
        self.0.extend(text);
        while !self.0.len().is_multiple_of(4) {
            self.0.push(0);
        }
    }

    fn names<'n>(&mut self, names: impl IntoIterator<Item = &'n Vec<u8>>) {
        let names: Vec<_> = names.into_iter().collect();
        self.count(names.len());
        names.into_iter().for_each(|name| self.text(name));
    }

    fn properties(&mut self, directory: &Directory) {
        self.count(directory.properties.len());
        for property in &directory.properties {
            self.text(&property.name);
            self.names(&property.values);
        }
    }

    fn objects(&mut self, objects: &[u32]) {
        self.count(objects.len());
        objects.iter().for_each(|&object| self.word(object));
    }
}

fn first<'d>(directory: &'d Directory, key: &[u8]) -> Option<&'d Vec<Vec<u8>>> {
    directory.properties.iter().find(|p| p.name == key).map(|p| &p.values)
}

impl<'t> Model<'t> {
    /// Ids are the snapshot's; what stands under them is the tree's.
    pub fn new(tree: &'t Directory, snapshot: &Snapshot) -> Model<'t> {
        let mut model = Model { rows: BTreeMap::new(), instances: BTreeMap::new() };
        model.place(tree, snapshot, 0, 0);
        assert_eq!(model.rows.len(), snapshot.len(), "every object is one directory");
        assert_eq!(model.rows.keys().next_back(), Some(&snapshot.highest_id()));
        let sum = |sum: u32, (object, instance): (&u32, &u32)| {
            sum.wrapping_add(object.wrapping_add(1).wrapping_mul(*instance))
        };
        assert_eq!(model.instances.iter().fold(0, sum), snapshot.checksum());
        model
    }

    fn place(&mut self, tree: &'t Directory, snapshot: &Snapshot, object: u32, parent: u32) {
        let children = snapshot.children(object).expect("an object of the tree").to_vec();
        assert_eq!(children.len(), tree.children.len());
        for (child, directory) in children.iter().zip(&tree.children) {
            self.place(directory, snapshot, *child, object);
        }
        self.instances.insert(object, snapshot.id(object).expect("an id").instance);
        assert!(self.rows.insert(object, (tree, parent, children)).is_none(), "{object} stands twice");
    }

    /// Objects by the names on the way to them, of directories whose name no sister has.
    pub fn paths(&self) -> BTreeMap<Vec<Vec<u8>>, u32> {
        let mut paths = BTreeMap::new();
        self.add_paths(0, &mut Vec::new(), &mut paths);
        paths
    }

    fn add_paths(&self, object: u32, at: &mut Vec<Vec<u8>>, paths: &mut BTreeMap<Vec<Vec<u8>>, u32>) {
        paths.insert(at.clone(), object);
        let (directory, _, children) = &self.rows[&object];
        for (child, below) in directory.children.iter().zip(children) {
            let sisters = directory.children.iter().filter(|other| other.name() == child.name()).count();
            if let (Some(name), 1) = (child.name(), sisters) {
                at.push(name.to_vec());
                self.add_paths(*below, at, paths);
                at.pop();
            }
        }
    }

    /// The results' bytes, if this model knows the procedure.
    pub fn answer(&self, question: &Question<'_>) -> Option<Vec<u8>> {
        let mut out = Bytes::default();
        match self.results(question, &mut out) {
            Ok(()) => {}
            Err(Some(status)) => {
                out = Bytes::default();
                out.word(status);
            }
            Err(None) => return None,
        }
        Some(out.0)
    }

    /// Writes status 0 and what follows it.
    ///
    /// # Errors
    /// With the status that is the answer, or `None` for a procedure that is not modelled.
    fn results(&self, question: &Question<'_>, out: &mut Bytes) -> Result<(), Option<u32>> {
        const NO_DIRECTORY: Option<u32> = Some(5);
        let object = question.id.object;
        if question.procedure == is::ROOT {
            [0, 0, self.instances[&0]].into_iter().for_each(|word| out.word(word));
            return Ok(());
        }
        let known = [is::PARENT, is::READ, is::CHILDREN, is::LOOKUP, is::LIST, is::READPROP, is::LISTPROPS];
        let also = [is::READNAME, is::LISTALL, is::LOOKUPREAD];
        if !known.contains(&question.procedure) && !also.contains(&question.procedure) {
            return Err(None);
        }
        let (directory, parent, children) = self.rows.get(&object).ok_or(NO_DIRECTORY)?;
        let id =
            |out: &mut Bytes| [object, self.instances[&object]].into_iter().for_each(|word| out.word(word));
        out.word(0);
        match question.procedure {
            is::PARENT => out.word(*parent),
            is::CHILDREN => out.objects(children),
            is::LISTPROPS => out.names(directory.properties.iter().map(|p| &p.name)),
            is::READPROP => out.names(&nth(&directory.properties, question.place).ok_or(Some(6))?.values),
            is::LOOKUP => out.objects(&self.found(question, NO_DIRECTORY)?),
            is::LIST => {
                out.count(children.len());
                for (child, below) in directory.children.iter().zip(children) {
                    let values = first(child, question.key).filter(|values| !values.is_empty());
                    out.word(*below);
                    out.word(values.is_some().into());
                    values.into_iter().for_each(|values| out.names(values));
                }
            }
            _ => id(out),
        }
        match question.procedure {
            is::READ => out.properties(directory),
            is::LOOKUPREAD => out.properties(self.rows[&self.found(question, NO_DIRECTORY)?[0]].0),
            is::READNAME => {
                let property = nth(&directory.properties, question.place).ok_or(Some(6))?;
                out.text(nth(&property.values, question.nth).ok_or(Some(7))?);
            }
            is::LISTALL => {
                out.count(children.len());
                directory.children.iter().for_each(|child| out.properties(child));
            }
            _ => id(out),
        }
        Ok(())
    }

    /// The children that a look-up finds.
    fn found(&self, question: &Question<'_>, nothing: Option<u32>) -> Result<Vec<u32>, Option<u32>> {
        let (directory, _, children) = &self.rows[&question.id.object];
        let has = |child: &Directory| {
            first(child, question.key).is_some_and(|values| values.iter().any(|v| v == question.value))
        };
        let found: Vec<u32> = directory
            .children
            .iter()
            .zip(children)
            .filter(|(child, _)| has(child))
            .map(|(_, &n)| n)
            .collect();
        if found.is_empty() { Err(nothing) } else { Ok(found) }
    }
}

fn nth<T>(list: &[T], place: u32) -> Option<&T> {
    list.get(usize::try_from(place).ok()?)
}
