//! One process a directory.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use keyway_core::clock::Timestamp;
use rustix::fs::{FlockOperation, flock};

const LOCK_FILE: &str = "keyway.lock";
/// What the file says is short; more than this is something else.
const HOLDER_BYTES_MAX: u64 = 256;

/// Held for as long as the value lives; the system takes it back when the process ends.
#[derive(Debug)]
pub(crate) struct DirectoryLock {
    _file: File,
}

/// Why the directory is not to be had.
#[derive(Debug)]
pub(crate) enum LockError {
    /// Who holds it, in words.
    Held(String),
    Io(io::Error),
}

impl DirectoryLock {
    /// Locks `directory` for this process. The lock is what counts; what the file says is for people.
    pub(crate) fn take(directory: &Path, now: Timestamp) -> Result<Self, LockError> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let mut file = options.open(directory.join(LOCK_FILE)).map_err(LockError::Io)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => return Err(LockError::Held(holder(&mut file))),
            Err(error) => return Err(LockError::Io(error.into())),
        }
        let pid = std::process::id();
        let written = file
            .set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| writeln!(file, "keyway process {pid} since {now}"));
        written.map_err(LockError::Io)?;
        Ok(Self { _file: file })
    }
}

fn holder(file: &mut File) -> String {
    let mut text = String::new();
    let read = file.take(HOLDER_BYTES_MAX).read_to_string(&mut text);
    match (read, text.trim()) {
        (Ok(_), holder) if !holder.is_empty() => holder.to_owned(),
        _ => "another process".to_owned(),
    }
}
