//! What the recorder logs.

use std::path::{Path, PathBuf};

/// Of a file, as its file system numbers it. Used again when the file is gone.
pub(super) type FileNumber = u64;

/// What stands before a record's path and data.
const HEAD_BYTES: usize = 25;

/// One thing that was done to the recorded directory, or said by whom it was done for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    Create {
        path: PathBuf,
        file: FileNumber,
    },
    Write {
        file: FileNumber,
        offset: u64,
        data: Vec<u8>,
    },
    Resize {
        file: FileNumber,
        size: u64,
    },
    /// Of a file or, by its path, of a directory.
    Sync {
        path: PathBuf,
        file: FileNumber,
    },
    Link {
        from: PathBuf,
        to: PathBuf,
    },
    Rename {
        from: PathBuf,
        to: PathBuf,
    },
    Unlink {
        path: PathBuf,
    },
    MakeDirectory {
        path: PathBuf,
    },
    /// What somebody was told by now.
    Note(String),
}

impl Event {
    /// A note as the recorder would write it.
    pub(super) fn note(text: &str) -> Vec<u8> {
        let length = u32::try_from(text.len()).expect("a short note");
        let mut record = vec![b'A'];
        record.extend([0; 20]);
        record.extend(length.to_ne_bytes());
        record.extend(text.as_bytes());
        record
    }

    /// All events of a log. What a kill left unfinished at its end is left out.
    pub(super) fn all(mut log: &[u8]) -> Vec<Self> {
        let mut events = Vec::new();
        while let Some((event, rest)) = Self::first(log) {
            events.push(event);
            log = rest;
        }
        events
    }

    fn first(log: &[u8]) -> Option<(Self, &[u8])> {
        let (head, rest) = log.split_at_checked(HEAD_BYTES)?;
        let eight = |at: usize| head[at..at + 8].try_into().map_or(0, u64::from_ne_bytes);
        let four = |at: usize| head[at..at + 4].try_into().map_or(0, u32::from_ne_bytes) as usize;
        let (file, number) = (eight(1), eight(9));
        let (path, rest) = rest.split_at_checked(four(17))?;
        let (data, rest) = rest.split_at_checked(four(21))?;
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("text");
        let path = PathBuf::from(text(path));
        let event = match head[0] {
            b'C' => Self::Create { path, file },
            b'W' => Self::Write { file, offset: number, data: data.to_vec() },
            b'S' => Self::Resize { file, size: number },
            b'Y' => Self::Sync { path, file },
            b'L' => Self::Link { from: path, to: text(data).into() },
            b'R' => Self::Rename { from: path, to: text(data).into() },
            b'U' => Self::Unlink { path },
            b'M' => Self::MakeDirectory { path },
            b'A' => Self::Note(text(data)),
            other => panic!("the recorder wrote no such record: {other}"),
        };
        Some((event, rest))
    }

    /// Whether it syncs a file whose name ends like this.
    pub fn syncs(&self, ending: &str) -> bool {
        matches!(self, Self::Sync { path, .. } if ends_with(path, ending))
    }
}

pub(super) fn ends_with(path: &Path, ending: &str) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().ends_with(ending))
}
