//! Finding a directory by its path, and reading a whole tree.

use std::collections::HashSet;

use super::{Answer, Channel, Client, Failure};
use crate::limits::{DEPTH_MAX, DIRECTORIES_MAX};
use crate::path::Path;
use crate::tree::Directory;

impl<C: Channel> Client<C> {
    /// The directory at `path`; else how many components of it there are.
    ///
    /// # Errors
    /// [`Failure`].
    pub fn find(&mut self, path: &Path) -> Answer<Result<u32, usize>, C> {
        let mut object = self.root()?.object;
        for (depth, component) in path.0.iter().enumerate() {
            match self.lookup(object, &component.key, &component.value)?.first() {
                Some(&child) => object = child,
                None => return Ok(Err(depth)),
            }
        }
        Ok(Ok(object))
    }

    /// A directory and all below it.
    ///
    /// # Errors
    /// [`Failure`]; also if the server tells a tree that is none: a directory in two places, or without end.
    pub fn tree(&mut self, object: u32) -> Answer<Directory, C> {
        self.below(object, 0, &mut HashSet::new())
    }

    fn below(&mut self, object: u32, depth: usize, seen: &mut HashSet<u32>) -> Answer<Directory, C> {
        if !seen.insert(object) {
            return Err(Failure::Senseless("a directory is in two places"));
        }
        if depth > DEPTH_MAX || seen.len() > DIRECTORIES_MAX {
            return Err(Failure::Senseless("the tree has no end"));
        }
        let properties = self.read(object)?;
        let children = self.children(object)?;
        let children = children.into_iter().map(|child| self.below(child, depth + 1, seen));
        Ok(Directory { properties, children: children.collect::<Result<_, _>>()? })
    }
}
