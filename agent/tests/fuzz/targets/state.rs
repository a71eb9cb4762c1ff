//! The files of the state directory: what an earlier run, or somebody's backup, left there.

use super::with_folder;
use serialnumberd::identity::StateDir;
use serialnumberd_core::ClaimId;
use std::fs;

pub fn state(bytes: &[u8]) {
    let (cut, rest) = bytes.split_first().unwrap_or((&0, &[]));
    let (key, memory) = rest.split_at(usize::from(*cut).min(rest.len()));
    with_folder(|folder| {
        let folder = folder.join("state");
        fs::create_dir_all(&folder).expect("a folder");
        fs::write(folder.join("memory.json"), memory).expect("the file can be written");
        fs::write(folder.join("installation.key"), key).expect("the file can be written");
        let Ok(first) = StateDir::open(&folder) else {
            let kept = fs::read(folder.join("memory.json")).expect("it is there");
            assert_eq!(kept, memory, "what cannot be read is never overwritten");
            return;
        };
        assert_eq!(first.seed().ok().map(|seed| seed.to_vec()), (key.len() == 32).then(|| key.to_vec()));
        let (runs, claim) = (first.runs(), ClaimId([7; 16]));
        assert!(runs > 0);
        let since_ms = first.since_ms(&claim);
        drop(first);
        let mut second = StateDir::open(&folder).expect("what it wrote it can read");
        assert!(second.runs() > runs || runs == u64::MAX);
        assert_eq!(second.since_ms(&claim), since_ms);
        second.remember_since(&claim, 1_800_000_000_000);
        assert!(!second.lacks([claim].iter()));
    });
}
