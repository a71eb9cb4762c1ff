//! Replays a package's committed corpora, and says if one is missing.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// A fuzz target: its name and its body.
pub type Target = (&'static str, fn(&[u8]));

fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let mut paths: Vec<PathBuf> = entries.map(|e| e.expect("an entry").path()).collect();
    paths.sort();
    paths
}

fn names(paths: &[PathBuf]) -> BTreeSet<String> {
    paths.iter().map(|p| p.file_stem().expect("a name").to_string_lossy().into_owned()).collect()
}

/// Every target has a program and a corpus, and there are no others; all inputs of all corpora pass.
pub fn replay(fuzz: &Path, targets: &[Target]) {
    let known: BTreeSet<String> = targets.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(names(&entries(&fuzz.join("targets"))), known, "programs");
    assert_eq!(names(&entries(&fuzz.join("corpus"))), known, "corpora");
    for (name, body) in targets {
        let inputs = entries(&fuzz.join("corpus").join(name));
        assert!(!inputs.is_empty(), "{name} has no corpus");
        for input in inputs {
            // Shown if it fails: what has to be run again is a file.
            println!("{}", input.display());
            body(&fs::read(&input).expect("the input can be read"));
        }
    }
}
