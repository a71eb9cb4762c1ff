//! What this process has: threads, descriptors, memory, files.  Of itself only, from /proc and the allocator.
#![allow(unsafe_code, reason = "asks the allocator for its figures")]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Its threads.
pub(super) fn threads() -> usize {
    fs::read_dir("/proc/self/task").map_or(0, Iterator::count)
}

/// Its descriptors, and what each is open on; without the one that reads them.
pub(super) fn descriptors() -> BTreeMap<i32, PathBuf> {
    let entries = fs::read_dir("/proc/self/fd").into_iter().flatten().flatten();
    let all = entries.filter_map(|entry| {
        let number = entry.file_name().to_str()?.parse().ok()?;
        Some((number, fs::read_link(entry.path()).ok()?))
    });
    all.filter(|(_, on)| !(on.starts_with("/proc") && on.ends_with("fd"))).collect()
}

/// The processes that it started and that are not yet waited for.
pub(super) fn children() -> Vec<i32> {
    let tasks = fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let lists = tasks.filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
    lists
        .flat_map(|list| list.split_whitespace().filter_map(|n| n.parse().ok()).collect::<Vec<_>>())
        .collect()
}

/// Bytes of the heap that are in use, over all arenas and with blocks of their own.
pub(super) fn heap() -> usize {
    // SAFETY: asks for figures, under the allocator's own locks.
    let figures = unsafe { libc::mallinfo2() };
    figures.uordblks.saturating_add(figures.hblkhd)
}

/// A figure of /proc/self/status in bytes, such as `RssAnon`; 0 if there is none.
pub(super) fn figure(name: &str) -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<usize>().ok());
    kib.unwrap_or(0).saturating_mul(1024)
}

/// One entry of a tree: its kind and size, and when it was changed, in nanoseconds.
pub(super) type Entry = (u32, u64, i64, i64);

/// All that lies below a folder, but not below `except`.
pub(super) fn tree(folder: &Path, except: &Path) -> BTreeMap<PathBuf, Entry> {
    let mut all = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            let Ok(meta) = fs::symlink_metadata(&path) else { continue };
            if path == except {
                continue;
            }
            if meta.is_dir() {
                folders.push(path.clone());
            }
            // A folder's times change with the files in it, which are listed themselves.
            let stamp =
                if meta.is_dir() { (0, 0, 0) } else { (meta.size(), meta.mtime(), meta.mtime_nsec()) };
            all.insert(path, (meta.mode(), stamp.0, stamp.1, stamp.2));
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_had_is_counted() {
        let before = (heap(), descriptors().len());
        let (more, file) = (vec![1_u8; 100_000], fs::File::open("/dev/null").expect("opened"));
        assert!(heap() >= before.0 + 90_000);
        assert!(descriptors().values().any(|on| on == Path::new("/dev/null")));
        drop((more, file));
        assert!(threads() >= 1 && figure("VmHWM") > 100_000 && figure("Nothing") == 0);
    }

    #[test]
    fn a_tree_is_compared_without_what_is_the_plugins_own() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        fs::create_dir_all(dir.path().join("own/deep")).expect("made");
        fs::write(dir.path().join("file"), "x").expect("written");
        let look = || tree(dir.path(), &dir.path().join("own"));
        let before = look();
        assert_eq!(before.len(), 1);
        fs::write(dir.path().join("own/deep/file"), "x").expect("written");
        assert_eq!(look(), before);
        fs::write(dir.path().join("file"), "xy").expect("written");
        assert_ne!(look(), before);
    }
}
