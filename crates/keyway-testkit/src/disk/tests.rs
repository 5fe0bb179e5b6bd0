use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use super::{Disk, Event};
use crate::Random;

const CUTS: u64 = 400;
const FILE: u64 = 7;

/// A disk whose directory is empty.
fn empty() -> (tempfile::TempDir, Disk) {
    let root = tempfile::tempdir().expect("a directory");
    let disk = Disk::of(root.path());
    (root, disk)
}

fn create(root: &Path, name: &str) -> [Event; 2] {
    let path = root.canonicalize().expect("the directory");
    let created = Event::Create { path: path.join(name), file: FILE };
    [created, Event::Sync { path, file: 1 }]
}

fn write(offset: u64, bytes: &[u8]) -> Event {
    Event::Write { file: FILE, offset, data: bytes.to_vec() }
}

fn sync(root: &Path, name: &str) -> Event {
    Event::Sync { path: root.canonicalize().expect("the directory").join(name), file: FILE }
}

/// All that may be found of `name` after a cut; `None` where there is no such file.
fn found(disk: &Disk, name: &str) -> BTreeSet<Option<Vec<u8>>> {
    let mut random = Random::new(1);
    let mut found = BTreeSet::new();
    for _ in 0..CUTS {
        let place = tempfile::tempdir().expect("a directory");
        disk.cut(&mut random, place.path());
        found.insert(fs::read(place.path().join(name)).ok());
    }
    found
}

#[test]
fn what_is_synced_is_found_and_nothing_else_is_sure() {
    let (root, mut disk) = empty();
    for event in create(root.path(), "a") {
        disk.apply(&event);
    }
    disk.apply(&write(0, &[1; 1_024]));
    assert!(disk.is_unsynced("a"));
    disk.apply(&sync(root.path(), "a"));
    assert!(!disk.is_unsynced("a"));
    assert_eq!(found(&disk, "a"), BTreeSet::from([Some(vec![1; 1_024])]));

    disk.apply(&write(0, &[2; 1_024]));
    let halves = |one, other| Some([[one; 512], [other; 512]].concat());
    let torn = [halves(1, 1), halves(1, 2), halves(2, 1), halves(2, 2)];
    assert_eq!(found(&disk, "a"), BTreeSet::from(torn));
}

#[test]
fn a_file_grows_and_shrinks_apart_from_what_is_in_it() {
    let (root, mut disk) = empty();
    for event in create(root.path(), "a") {
        disk.apply(&event);
    }
    disk.apply(&write(0, &[1; 512]));
    let found_sizes = found(&disk, "a");
    let zeros = Some(vec![0; 512]);
    assert_eq!(found_sizes, BTreeSet::from([Some(Vec::new()), zeros, Some(vec![1; 512])]));

    disk.apply(&sync(root.path(), "a"));
    disk.apply(&Event::Resize { file: FILE, size: 0 });
    disk.apply(&write(0, &[3; 2]));
    disk.apply(&sync(root.path(), "a"));
    assert_eq!(found(&disk, "a"), BTreeSet::from([Some(vec![3; 2])]));
}

#[test]
fn a_name_is_sure_when_its_directory_was_synced() {
    let (root, mut disk) = empty();
    let [created, synced] = create(root.path(), "a");
    disk.apply(&created);
    disk.apply(&write(0, b"x"));
    disk.apply(&sync(root.path(), "a"));
    let x = Some(b"x".to_vec());
    assert_eq!(found(&disk, "a"), BTreeSet::from([None, x.clone()]));
    disk.apply(&synced);
    assert_eq!(found(&disk, "a"), BTreeSet::from([x.clone()]));
    let path = root.path().canonicalize().expect("the directory");
    disk.apply(&Event::Rename { from: path.join("a"), to: path.join("b") });
    assert_eq!(found(&disk, "b"), BTreeSet::from([None, x]));
}

#[test]
fn a_disk_may_lie() {
    let (root, disk) = empty();
    let mut disk = disk.lying_about("-wal");
    for event in create(root.path(), "a-wal") {
        disk.apply(&event);
    }
    disk.apply(&write(0, b"x"));
    disk.apply(&sync(root.path(), "a-wal"));
    assert!(found(&disk, "a-wal").contains(&Some(Vec::new())));
}

#[test]
fn a_log_is_read_up_to_what_is_whole() {
    let mut log = Event::note("one");
    log.extend(Event::note("two"));
    let noted = |text: &str| Event::Note(text.to_owned());
    assert_eq!(Event::all(&log), [noted("one"), noted("two")]);
    log.pop();
    assert_eq!(Event::all(&log), [noted("one")]);
}
