//! The tree: [`Directory`] to build, print and compare one, [`Snapshot`] to serve it.

mod build;
mod snapshot;
#[cfg(test)]
mod tests;

use std::fmt;

use crate::limits::{DEPTH_MAX, DIRECTORIES_MAX, NAME_MAX, NAMES_MAX, PROPERTIES_MAX};

pub use snapshot::{PropertyView, Snapshot};

/// The property by which a directory is known.
pub const NAME: &str = "name";

/// A property: a name and its values, in order.  Names and values are bytes without NUL.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Property {
    /// Its name; at most 65535 bytes.
    pub name: Vec<u8>,
    /// Its values; at most 65535, each of at most 65535 bytes.
    pub values: Vec<Vec<u8>>,
}

/// A directory, and all below it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Directory {
    /// Its properties, in order.
    pub properties: Vec<Property>,
    /// The directories in it, in order.
    pub children: Vec<Directory>,
}

impl Directory {
    /// A directory with one property, `name`.
    #[must_use]
    pub fn named(name: &str) -> Directory {
        Directory::default().with(NAME, [name])
    }

    /// With one property more.
    #[must_use]
    pub fn with<V: AsRef<[u8]>>(mut self, name: &str, values: impl IntoIterator<Item = V>) -> Directory {
        let values = values.into_iter().map(|value| value.as_ref().to_vec()).collect();
        self.properties.push(Property { name: name.as_bytes().to_vec(), values });
        self
    }

    /// With one directory more in it.
    #[must_use]
    pub fn child(mut self, child: Directory) -> Directory {
        self.children.push(child);
        self
    }

    /// The first value of the first property `name`, if there is one.
    #[must_use]
    pub fn name(&self) -> Option<&[u8]> {
        self.values(NAME)?.first().map(Vec::as_slice)
    }

    /// The values of the first property of that name.
    #[must_use]
    pub fn values(&self, name: &str) -> Option<&[Vec<u8>]> {
        self.properties.iter().find(|p| p.name == name.as_bytes()).map(|p| p.values.as_slice())
    }

    /// Whether the protocol can carry it.
    ///
    /// # Errors
    /// What is too much, or not allowed.
    pub fn check(&self) -> Result<(), TreeError> {
        let mut count = 0;
        self.check_below(0, &mut count)
    }

    fn check_below(&self, depth: usize, count: &mut usize) -> Result<(), TreeError> {
        *count += 1;
        if *count > DIRECTORIES_MAX {
            return Err(TreeError::TooManyDirectories);
        }
        if depth > DEPTH_MAX {
            return Err(TreeError::TooDeep);
        }
        if self.properties.len() > PROPERTIES_MAX
            || self.properties.iter().any(|p| p.values.len() > NAMES_MAX)
        {
            return Err(TreeError::TooManyValues);
        }
        for property in &self.properties {
            for text in std::iter::once(&property.name).chain(&property.values) {
                if text.len() > NAME_MAX {
                    return Err(TreeError::TextTooLong);
                }
                if text.contains(&0) {
                    return Err(TreeError::Nul);
                }
            }
        }
        self.children.iter().try_for_each(|child| child.check_below(depth + 1, count))
    }
}

/// Why a tree cannot be served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TreeError {
    /// There are more directories than a list of ids holds.
    TooManyDirectories,
    /// It has more levels than [`DEPTH_MAX`].
    TooDeep,
    /// A directory has too many properties, or a property too many values.
    TooManyValues,
    /// A name or value is too long.
    TextTooLong,
    /// A name or value has a NUL, where clients written in C would end it.
    Nul,
}

impl fmt::Display for TreeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TreeError::TooManyDirectories => write!(f, "a tree has at most {DIRECTORIES_MAX} directories"),
            TreeError::TooDeep => write!(f, "a tree has at most {DEPTH_MAX} levels"),
            TreeError::TooManyValues => {
                write!(
                    f,
                    "a directory has at most {PROPERTIES_MAX} properties with at most {NAMES_MAX} values each"
                )
            }
            TreeError::TextTooLong => write!(f, "a name or value has at most {NAME_MAX} bytes"),
            TreeError::Nul => f.write_str("a name or value has no NUL"),
        }
    }
}

impl std::error::Error for TreeError {}
