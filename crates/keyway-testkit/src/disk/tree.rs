//! Directories, what they name, and what of that is on the disk.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use super::event::ends_with;
use super::file::File;
use super::{Event, FileNumber};
use crate::Random;

const GARBAGE_BYTES: usize = 32 * 1024;

/// An index of [`Disk::files`]. Unlike numbers of a file system it is never used again.
type FileIndex = usize;

#[derive(Clone, Copy, Debug)]
enum Entry {
    File(FileIndex),
    Directory,
}

/// What was done to a directory.
#[derive(Clone, Debug)]
enum Change {
    Add(String, Entry),
    Remove(String),
    Rename(String, String),
}

type Entries = BTreeMap<String, Entry>;

#[derive(Clone, Debug, Default)]
struct Directory {
    now: Entries,
    synced: Entries,
    since: Vec<Change>,
}

/// A directory and all under it, as its processes see it and as it lies on the disk.
#[derive(Clone, Debug)]
pub struct Disk {
    root: PathBuf,
    files: Vec<File>,
    numbers: HashMap<FileNumber, FileIndex>,
    directories: BTreeMap<PathBuf, Directory>,
    /// Names of files whose syncs do nothing.
    lies_about: Option<String>,
}

impl Disk {
    /// Everything that is under `root` now, all of it on the disk.
    pub fn of(root: &Path) -> Self {
        let root = root.canonicalize().expect("the directory");
        let mut disk = Self {
            root: root.clone(),
            files: Vec::new(),
            numbers: HashMap::new(),
            directories: BTreeMap::new(),
            lies_about: None,
        };
        disk.take_in(&root);
        disk
    }

    /// The same disk, where syncing files whose names end like this does nothing.
    #[must_use]
    pub fn lying_about(mut self, ending: &str) -> Self {
        self.lies_about = Some(ending.to_owned());
        self
    }

    fn take_in(&mut self, directory: &Path) {
        let mut entries = Entries::new();
        for entry in fs::read_dir(directory).expect("a directory") {
            let entry = entry.expect("an entry");
            let (path, status) = (entry.path(), entry.metadata().expect("its status"));
            let kind = if status.is_dir() {
                self.take_in(&path);
                Entry::Directory
            } else {
                self.add(status.ino(), File::synced(fs::read(&path).expect("a file")))
            };
            entries.insert(name(&path), kind);
        }
        let taken = Directory { now: entries.clone(), synced: entries, since: Vec::new() };
        self.directories.insert(directory.to_owned(), taken);
    }

    fn add(&mut self, number: FileNumber, file: File) -> Entry {
        self.numbers.insert(number, self.files.len());
        self.files.push(file);
        Entry::File(self.files.len() - 1)
    }

    /// Does what was done.
    ///
    /// # Panics
    /// Where it touches what the recorder did not tell of.
    pub fn apply(&mut self, event: &Event) {
        match event {
            Event::Create { path, file } => {
                let entry = self.add(*file, File::default());
                self.change(path, Change::Add(name(path), entry));
            }
            Event::Write { file, offset, data } => self.file(*file).write(*offset, data),
            Event::Resize { file, size } => {
                self.file(*file).resize(usize::try_from(*size).expect("a small file"));
            }
            Event::Sync { path, file } => self.sync(path, *file),
            Event::Link { from, to } => {
                let entry = self.parent(from).now[&name(from)];
                self.change(to, Change::Add(name(to), entry));
            }
            Event::Rename { from, to } => {
                assert_eq!(from.parent(), to.parent(), "nothing is moved elsewhere");
                self.change(from, Change::Rename(name(from), name(to)));
            }
            Event::Unlink { path } => self.change(path, Change::Remove(name(path))),
            Event::MakeDirectory { path } => {
                self.directories.insert(path.clone(), Directory::default());
                self.change(path, Change::Add(name(path), Entry::Directory));
            }
            Event::Note(_) => {}
        }
    }

    fn sync(&mut self, path: &Path, file: FileNumber) {
        if let Some(directory) = self.directories.get_mut(path) {
            directory.synced = directory.now.clone();
            directory.since.clear();
        } else if !self.lies_about.as_ref().is_some_and(|ending| ends_with(path, ending)) {
            self.file(file).sync();
        }
    }

    fn file(&mut self, number: FileNumber) -> &mut File {
        let index = self.numbers.get(&number).expect("a file that was told of");
        &mut self.files[*index]
    }

    fn parent(&mut self, path: &Path) -> &mut Directory {
        let parent = path.parent().expect("it is in a directory");
        self.directories.get_mut(parent).expect("a directory that was told of")
    }

    fn change(&mut self, path: &Path, change: Change) {
        let directory = self.parent(path);
        change.apply(&mut directory.now);
        directory.since.push(change);
    }

    /// Whether the file of this name, wherever it is, has been written to since its last sync.
    pub fn is_unsynced(&self, file_name: &str) -> bool {
        self.directories.values().any(|directory| match directory.now.get(file_name) {
            Some(Entry::File(index)) => !self.files[*index].is_synced(),
            _ => false,
        })
    }

    /// Lays out in `into`, an empty directory, what may be found after a power cut now.
    pub fn cut(&self, random: &mut Random, into: &Path) {
        self.lay_out(&self.root, random, into);
    }

    fn lay_out(&self, directory: &Path, random: &mut Random, into: &Path) {
        let Some(directory_now) = self.directories.get(directory) else { return };
        for (name, entry) in directory_now.cut(random) {
            let place = into.join(&name);
            match entry {
                Entry::Directory => {
                    fs::DirBuilder::new().mode(0o700).create(&place).expect("a directory");
                    self.lay_out(&directory.join(&name), random, &place);
                }
                Entry::File(index) => {
                    let found = if name.ends_with("-shm") {
                        garbage(random)
                    } else {
                        self.files[index].cut(random)
                    };
                    fs::write(&place, found).expect("a file");
                }
            }
        }
    }

    /// Compares with what is there, as its processes saw it last: nothing may have escaped the
    /// recorder.
    ///
    /// # Panics
    /// Where a file is another one. SQLite's `-shm` is memory, and left out.
    pub fn assert_is_there(&self) {
        let there = Self::of(&self.root);
        for (path, directory) in &self.directories {
            let other = there.directories.get(path).expect("the directory");
            let names = |directory: &Directory| directory.now.keys().cloned().collect::<Vec<_>>();
            assert_eq!(names(directory), names(other), "{}", path.display());
            for (name, entry) in &directory.now {
                if let (Entry::File(mine), Some(Entry::File(theirs))) = (entry, other.now.get(name))
                    && !name.ends_with("-shm")
                {
                    let same = self.files[*mine].now() == there.files[*theirs].now();
                    assert!(same, "the recorder missed something of {name}");
                }
            }
        }
    }
}

impl Directory {
    fn cut(&self, random: &mut Random) -> Entries {
        let mut found = self.synced.clone();
        let done = [0, 50, 100][random.index(3)];
        for change in &self.since {
            if random.below(100) < done {
                change.apply(&mut found);
            }
        }
        found
    }
}

impl Change {
    fn apply(&self, entries: &mut Entries) {
        match self {
            Self::Add(name, entry) => {
                entries.insert(name.clone(), *entry);
            }
            Self::Remove(name) => {
                entries.remove(name);
            }
            // Of a name that is not on the disk nothing can be said.
            Self::Rename(from, to) => {
                if let Some(entry) = entries.remove(from) {
                    entries.insert(to.clone(), entry);
                }
            }
        }
    }
}

fn name(path: &Path) -> String {
    path.file_name().and_then(|name| name.to_str()).expect("a name").to_owned()
}

fn garbage(random: &mut Random) -> Vec<u8> {
    (0..GARBAGE_BYTES / 8).flat_map(|_| random.next().to_ne_bytes()).collect()
}
