//! The committed C headers: what they say is what Rust says, in every language that they promise, and what they said
//! in every release.

mod compilers;
mod consumers;
mod generate;
mod man;
mod pages;
mod parse;
mod released;
mod roff;
mod table;

use std::path::{Path, PathBuf};

fn package() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A header as it is committed.
fn header(name: &str) -> String {
    let path = include_directory().join("serialnumberd").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn include_directory() -> PathBuf {
    package().join("../include")
}

/// Whether what is committed is to be written anew.
fn bless() -> bool {
    std::env::var_os("BLESS").is_some()
}
