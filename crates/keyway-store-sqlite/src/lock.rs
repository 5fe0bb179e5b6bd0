//! One process a directory.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use keyway_core::clock::Timestamp;
use rustix::fs::{FlockOperation, flock};

const LOCK_FILE: &str = "keyway.lock";
/// What the file says is short; more than this is something else.
const HOLDER_BYTES_MAX: u64 = 256;

/// What the process that opens a directory is: a gateway listens to signals, and a command would die of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holder {
    Gateway,
    Command,
}

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

impl Holder {
    /// What the file says before the number of the process.
    const fn words(self) -> &'static str {
        match self {
            Self::Gateway => "keyway gateway process ",
            Self::Command => "keyway command process ",
        }
    }
}

impl DirectoryLock {
    /// Locks `directory` for this process. The lock is what counts; the file says who has it.
    pub(crate) fn take(
        directory: &Path,
        holder: Holder,
        now: Timestamp,
    ) -> Result<Self, LockError> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let mut file = options.open(directory.join(LOCK_FILE)).map_err(LockError::Io)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => return Err(LockError::Held(said(&mut file))),
            Err(error) => return Err(LockError::Io(error.into())),
        }
        let pid = std::process::id();
        let written = file
            .set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| writeln!(file, "{}{pid} since {now}", holder.words()));
        written.map_err(LockError::Io)?;
        Ok(Self { _file: file })
    }
}

/// The gateway that holds `directory`, where one does and this system says so (Linux). What the file says is
/// believed of a process only that has the file open: numbers are given out again, and mean other processes
/// in other containers.
pub fn gateway_process(directory: &Path) -> Option<u32> {
    let path = directory.join(LOCK_FILE);
    let said = said(&mut File::open(&path).ok()?);
    let pid = said.strip_prefix(Holder::Gateway.words())?.split(' ').next()?.parse().ok()?;
    let lock = path.metadata().ok()?;
    let is_lock = |file: &Path| {
        file.metadata().is_ok_and(|it| (it.dev(), it.ino()) == (lock.dev(), lock.ino()))
    };
    let mut open = std::fs::read_dir(format!("/proc/{pid}/fd")).ok()?;
    open.any(|file| file.is_ok_and(|file| is_lock(&file.path()))).then_some(pid)
}

/// Who has it, in the file's words.
fn said(file: &mut File) -> String {
    let mut text = String::new();
    let read = file.take(HOLDER_BYTES_MAX).read_to_string(&mut text);
    match (read, text.trim()) {
        (Ok(_), holder) if !holder.is_empty() => holder.to_owned(),
        _ => "another process".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gateway_is_named_while_it_holds_the_directory() {
        let directory = tempfile::tempdir().expect("a directory");
        let take = |holder| DirectoryLock::take(directory.path(), holder, Timestamp::default());
        assert_eq!(gateway_process(directory.path()), None);
        let lock = take(Holder::Gateway).expect("taken");
        assert_eq!(gateway_process(directory.path()), Some(std::process::id()));
        drop(lock);
        // The file still says so, but this process does not have it open.
        assert_eq!(gateway_process(directory.path()), None);
        let _lock = take(Holder::Command).expect("taken");
        assert_eq!(gateway_process(directory.path()), None, "what listens to no signal");
    }
}
