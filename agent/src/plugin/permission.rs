//! What a plugin may do: wanted in its descriptor, granted in the configuration.

use std::fmt;

use serialnumberd_plugin::abi::{SLND_PERM_NAMES, slnd_perms};

use crate::nearest::hint;

/// A set of permissions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Permissions(pub slnd_perms);

impl Permissions {
    /// None at all.
    pub const NONE: Permissions = Permissions(0);

    /// Reads the names of a configuration or a manifest.
    ///
    /// # Errors
    /// What is wrong with the first unknown name, with the nearest known one.
    pub fn from_names<'a>(names: impl IntoIterator<Item = &'a str>) -> Result<Permissions, String> {
        names.into_iter().try_fold(Permissions::NONE, |all, name| {
            match SLND_PERM_NAMES.iter().find(|(known, _)| *known == name) {
                Some((_, bit)) => Ok(Permissions(all.0 | bit)),
                None => Err(format!(
                    "there is no permission \"{}\": {}",
                    name.escape_debug(),
                    hint(name, SLND_PERM_NAMES.iter().map(|(known, _)| *known))
                )),
            }
        })
    }

    /// The names of those that have one.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        SLND_PERM_NAMES.iter().filter(move |(_, bit)| self.0 & bit != 0).map(|(name, _)| *name)
    }

    /// Whether all of `other` are in here.
    #[must_use]
    pub fn covers(self, other: Permissions) -> bool {
        other.0 & !self.0 == 0
    }

    /// Those in `self` that are not in `other`.
    #[must_use]
    pub fn without(self, other: Permissions) -> Permissions {
        Permissions(self.0 & !other.0)
    }
}

impl fmt::Display for Permissions {
    /// As the configuration writes it: `"verdict", "raw"`; a bit without a name as a number.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unnamed = SLND_PERM_NAMES.iter().fold(self.0, |rest, (_, bit)| rest & !bit);
        let mut words: Vec<String> = self.names().map(|name| format!("\"{name}\"")).collect();
        if unnamed != 0 {
            words.push(format!("{unnamed:#x}"));
        }
        f.write_str(&words.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use serialnumberd_plugin::abi::{SLND_PERM_RAW, SLND_PERM_VERDICT};

    use super::*;

    #[test]
    fn names_go_both_ways() {
        let all = Permissions::from_names(["raw", "verdict"]).expect("known names");
        assert_eq!(all, Permissions(SLND_PERM_RAW | SLND_PERM_VERDICT));
        assert_eq!(all.to_string(), "\"verdict\", \"raw\"");
        assert!(all.covers(Permissions(SLND_PERM_RAW)));
        assert_eq!(all.without(Permissions(SLND_PERM_RAW)), Permissions(SLND_PERM_VERDICT));
        let wrong = Permissions::from_names(["verdikt"]).expect_err("a typo");
        assert!(wrong.contains("did you mean \"verdict\"?"), "{wrong}");
        assert_eq!(Permissions(1 << 40).to_string(), "0x10000000000");
    }
}
