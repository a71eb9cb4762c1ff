//! A plugin's file: what is known of it before any of its code runs.

use super::{is_sentence, with_folder};
use serialnumberd::plugin;
use std::fs;

/// The System V generic ABI's header of a shared object with one PT_NOTE segment behind it: what is hard to hit on.
fn object(note: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; 64 + 56];
    bytes[..7].copy_from_slice(b"\x7fELF\x02\x01\x01");
    bytes[16..18].copy_from_slice(&3_u16.to_le_bytes());
    bytes[18..20].copy_from_slice(&(if cfg!(target_arch = "aarch64") { 183_u16 } else { 62 }).to_le_bytes());
    bytes[32..40].copy_from_slice(&64_u64.to_le_bytes());
    bytes[54..56].copy_from_slice(&56_u16.to_le_bytes());
    bytes[56..58].copy_from_slice(&1_u16.to_le_bytes());
    bytes[64..68].copy_from_slice(&4_u32.to_le_bytes());
    bytes[72..80].copy_from_slice(&120_u64.to_le_bytes());
    bytes[96..104].copy_from_slice(&(note.len() as u64).to_le_bytes());
    bytes[112..120].copy_from_slice(&4_u64.to_le_bytes());
    bytes.extend_from_slice(note);
    bytes
}

/// A note of this agent's name and type.
fn note(text: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for word in [14, u32::try_from(text.len()).expect("an input is short"), 1] {
        bytes.extend_from_slice(&word.to_le_bytes());
    }
    bytes.extend_from_slice(b"serialnumberd\0\0\0");
    bytes.extend_from_slice(text);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

pub fn manifest(bytes: &[u8]) {
    let (kind, rest) = bytes.split_first().unwrap_or((&0, &[]));
    match kind {
        0 => file(&object(&note(rest))),
        1 => file(&object(rest)),
        _ => file(bytes),
    }
}

fn file(bytes: &[u8]) {
    with_folder(|folder| {
        let path = folder.join("plugin.so");
        fs::write(&path, bytes).expect("the file can be written");
        match plugin::manifest(&path) {
            Ok(manifest) => {
                assert!((1..=63).contains(&manifest.id.len()) && manifest.id.is_ascii(), "{:?}", manifest.id);
                assert!(!manifest.id.starts_with(['.', '-', '_']) && !manifest.id.contains('/'));
                assert!(!manifest.version.chars().any(char::is_control));
                assert_eq!(manifest.abi.0, 1);
                let _wants = manifest.wants.to_string();
            }
            Err(error) => assert!(is_sentence(&error.to_string()), "{error:?}"),
        }
    });
}
