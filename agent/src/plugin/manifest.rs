//! The manifest: what is known of a plugin from its file, before any of its code runs.
//!
//! Owns the text in the note; [`super::elf`] finds the note.  Never loads anything.

use std::fs::File;
use std::path::{Path, PathBuf};

use serialnumberd_plugin::abi::{
    SLND_ABI_MAJOR, SLND_MANIFEST_MAX, SLND_NOTE_NAME, SLND_NOTE_TYPE, SLND_SECTION, slnd_is_id,
};

use super::elf::{self, NoteError, ReadAt};
use super::error::{PluginError, Rule};
use super::file;
use super::permission::Permissions;

/// What a plugin's file says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// The file.
    pub path: PathBuf,
    /// ABI major and minor it was built with.
    pub abi: (u16, u16),
    /// Its id: `[a-z0-9][a-z0-9._-]{0,62}`.
    pub id: String,
    /// Its version.
    pub version: String,
    /// The permissions without which it is refused.
    pub wants: Permissions,
}

/// Reads the manifest of a file that passes the file rules; runs no code of it.
///
/// # Errors
/// If the file is not acceptable, has no manifest, or was built for another major of the ABI.
pub fn manifest(path: &Path) -> Result<Manifest, PluginError> {
    read(path, &file::open(path)?)
}

pub(super) fn read(path: &Path, file: &File) -> Result<Manifest, PluginError> {
    from_note(path, file)
}

fn from_note(path: &Path, bytes: &impl ReadAt) -> Result<Manifest, PluginError> {
    let refuse = |what: String| PluginError::file(path, Rule::Manifest, what);
    let note = elf::note(bytes, SLND_NOTE_NAME, SLND_NOTE_TYPE).map_err(|error| refuse(why(&error)))?;
    if note.len() > SLND_MANIFEST_MAX {
        return Err(refuse(format!("its manifest is longer than {SLND_MANIFEST_MAX} bytes")));
    }
    let text = note.split(|&b| b == 0).next().unwrap_or_default();
    let text = std::str::from_utf8(text).map_err(|_| refuse("its manifest is no UTF-8 text".to_owned()))?;
    let manifest = parse(path, text).map_err(refuse)?;
    if manifest.abi.0 != SLND_ABI_MAJOR {
        let what = format!(
            "it was built for major {} of the plugin ABI, this agent speaks major {SLND_ABI_MAJOR}: \
             install the plugin that fits this agent",
            manifest.abi.0
        );
        return Err(PluginError::file(path, Rule::Abi, what));
    }
    Ok(manifest)
}

fn why(error: &NoteError) -> String {
    match error {
        NoteError::Io(kind) => format!("it cannot be read: {kind}"),
        NoteError::NotShared => "it is no ELF shared library for 64-bit machines like this one".to_owned(),
        NoteError::Machine(number) => {
            format!("it is for another processor (ELF machine {number}): build it for this one")
        }
        NoteError::Damaged(what) => format!("it is damaged: {what}"),
        NoteError::Missing => {
            format!(
                "it has no manifest ({SLND_SECTION}): is it a plugin? C plugins get one from SLND_PLUGIN_DEFINE"
            )
        }
        NoteError::Twice => "it has two manifests: link one plugin into one file".to_owned(),
    }
}

/// Lines `key=value`; unknown keys are ignored, since the format only grows.
fn parse(path: &Path, text: &str) -> Result<Manifest, String> {
    let [mut abi, mut id, mut version, mut wants] = [None; 4];
    for line in text.lines() {
        let (key, value) = line
            .split_once('=')
            .ok_or_else(|| format!("its manifest has the line \"{}\" without '='", line.escape_debug()))?;
        let place = match key {
            "abi" => &mut abi,
            "id" => &mut id,
            "version" => &mut version,
            "wants" => &mut wants,
            _ => continue,
        };
        if place.replace(value).is_some() {
            return Err(format!("its manifest says \"{key}\" twice"));
        }
    }
    let must = |key: &str, value: Option<&'_ str>| {
        value.map(str::to_owned).ok_or_else(|| format!("its manifest does not say \"{key}\""))
    };
    let (abi, id, version) = (must("abi", abi)?, must("id", id)?, must("version", version)?);
    if !slnd_is_id(id.as_bytes()) {
        return Err(format!(
            "its id \"{}\" is none: [a-z0-9][a-z0-9._-]*, at most 63 characters",
            id.escape_debug()
        ));
    }
    let wants = wants.unwrap_or_default().split(',').filter(|name| !name.is_empty());
    Ok(Manifest {
        path: path.to_owned(),
        abi: parse_abi(&abi)
            .ok_or_else(|| format!("its manifest states the ABI \"{}\", no a.b", abi.escape_debug()))?,
        id,
        version: printable(&version),
        wants: Permissions::from_names(wants)?,
    })
}

/// A version as people are shown it: without control characters.
pub(super) fn printable(version: &str) -> String {
    version.chars().filter(|c| !c.is_control()).collect()
}

fn parse_abi(text: &str) -> Option<(u16, u16)> {
    let (major, minor) = text.split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::plugin::elf::tests::{object, with_manifest};

    fn read(text: &str) -> Result<Manifest, PluginError> {
        from_note(Path::new("/p.so"), &with_manifest(text.as_bytes()))
    }

    #[test]
    fn reads_what_a_plugin_says() {
        let manifest =
            read("abi=1.7\nid=policy\nversion=0.1.0\nwants=verdict,raw\nfuture=x\n\0").expect("good");
        assert_eq!(
            (manifest.abi, manifest.id.as_str(), manifest.version.as_str()),
            ((1, 7), "policy", "0.1.0")
        );
        assert_eq!(manifest.wants.to_string(), "\"verdict\", \"raw\"");
        let nothing = read("abi=1.0\nid=a\nversion=1\nwants=\n\0").expect("wants nothing");
        assert_eq!(nothing.wants, Permissions::NONE);
    }

    #[test]
    fn names_what_is_wrong() {
        for (text, rule, part) in [
            ("abi=2.0\nid=a\nversion=1\n\0", Rule::Abi, "major 2"),
            ("id=a\nversion=1\n\0", Rule::Manifest, "does not say \"abi\""),
            ("abi=1\nid=a\nversion=1\n\0", Rule::Manifest, "no a.b"),
            ("abi=1.0\nid=../x\nversion=1\n\0", Rule::Manifest, "its id \"../x\" is none"),
            ("abi=1.0\nid=a\nid=b\nversion=1\n\0", Rule::Manifest, "\"id\" twice"),
            ("abi=1.0\nid=a\nversion=1\nwants=rwa\n\0", Rule::Manifest, "did you mean \"raw\"?"),
            ("nonsense\0", Rule::Manifest, "without '='"),
        ] {
            let error = read(text).expect_err(text);
            assert_eq!(error.rule(), rule, "{error}");
            assert!(error.to_string().contains(part), "{error}");
        }
        let none = from_note(Path::new("/p.so"), &object(&[])).expect_err("no note");
        assert!(none.to_string().starts_with("plugin /p.so: it has no manifest"), "{none}");
    }

    proptest! {
        #[test]
        fn survives_any_text(text in prop::collection::vec(any::<u8>(), 0..200)) {
            let _outcome = from_note(Path::new("/p.so"), &with_manifest(&text));
        }
    }
}
