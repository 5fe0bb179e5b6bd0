//! A file of 32 secret bytes: 64 hex digits, for this user only.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use thiserror::Error;
use zeroize::Zeroizing;

use crate::entropy::random;

/// The file is 64 hex digits; anything much longer is another file.
const FILE_BYTES_MAX: u64 = 1_024;

/// What a file's mode says of everybody but its owner.
const OTHERS: u32 = 0o077;

/// What such a file holds. Wiped when dropped.
pub(crate) type SecretBytes = Zeroizing<[u8; 32]>;

/// Why such a file cannot be had.
#[derive(Debug, Error)]
pub enum SecretFileError {
    #[error("cannot read {0}: {1}")]
    Read(PathBuf, #[source] io::Error),
    #[error("cannot write {0}: {1}")]
    Write(PathBuf, #[source] io::Error),
    #[error("{0} must be 64 hex digits, optionally with a line end")]
    Form(PathBuf),
}

pub(crate) fn read(path: &Path) -> Result<SecretBytes, SecretFileError> {
    let failed = |error| SecretFileError::Read(path.to_owned(), error);
    let mut text = Zeroizing::new(String::new());
    let file = File::open(path).map_err(failed)?;
    if is_open_to_others(&file.metadata().map_err(failed)?) {
        tracing::warn!(file = %path.display(), "others may read a secret; chmod 600 keeps it from them");
    }
    file.take(FILE_BYTES_MAX).read_to_string(&mut text).map_err(failed)?;
    decode(text.trim()).ok_or_else(|| SecretFileError::Form(path.to_owned()))
}

fn is_open_to_others(file: &Metadata) -> bool {
    file.permissions().mode() & OTHERS != 0
}

/// Makes the file with random bytes, mode 0600; reads it where somebody else was quicker.
pub(crate) fn create(path: &Path) -> Result<SecretBytes, SecretFileError> {
    let secret = Zeroizing::new(random::<32>());
    let mut text = Zeroizing::new(String::with_capacity(2 * secret.len()));
    for byte in secret.iter() {
        write!(text, "{byte:02x}").expect("a string takes all text");
    }
    // Written beside its place and put there whole: a disk that fills up, or an end in the middle,
    // leaves no half of a secret for later starts to trip over.
    let partial = path.with_extension(format!("{}.partial", std::process::id()));
    let placed = place(&partial, path, &text);
    let _ = std::fs::remove_file(&partial);
    match placed {
        Ok(()) => Ok(secret),
        // Another first start was quicker, and may have swept ours away; its secret is the installation's.
        Err(_) if path.exists() => read(path),
        Err(error) => Err(SecretFileError::Write(path.to_owned(), error)),
    }
}

/// Removes what was killed while it made secrets in `directory` left there: copies of them, maybe. For who
/// holds the directory.
pub(crate) fn sweep(directory: &Path) {
    let entries = std::fs::read_dir(here(directory)).into_iter().flatten().flatten();
    for partial in entries.filter(|entry| is_partial(&entry.file_name())) {
        if let Err(error) = std::fs::remove_file(partial.path()) {
            let file = partial.path();
            tracing::warn!(file = %file.display(), %error, "part of a secret lies there, and stays");
        }
    }
}

/// Whether `create` calls a file so while it is made.
fn is_partial(name: &OsStr) -> bool {
    let made = name.to_str().and_then(|name| name.strip_suffix(".partial")?.rsplit_once('.'));
    made.is_some_and(|(_, pid)| pid.parse::<u32>().is_ok())
}

/// Puts `text` at `path`, whole and durable, unless something is there.
fn place(partial: &Path, path: &Path, text: &str) -> io::Result<()> {
    let mut options = OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(partial)?;
    writeln!(file, "{text}")?;
    file.sync_all()?;
    std::fs::hard_link(partial, path)?;
    sync_directory(path.parent().unwrap_or(Path::new("")))
}

/// Puts the file `from` in the place of `to`, whatever is there, durably.
pub(crate) fn replace(from: &Path, to: &Path) -> Result<(), SecretFileError> {
    let failed = |error| SecretFileError::Write(to.to_owned(), error);
    std::fs::rename(from, to).map_err(failed)?;
    sync_directory(to.parent().unwrap_or(Path::new(""))).map_err(failed)
}

/// The parent of a path of one part is named by nothing.
pub(crate) fn here(directory: &Path) -> &Path {
    if directory.as_os_str().is_empty() { Path::new(".") } else { directory }
}

pub(crate) fn sync_directory(directory: &Path) -> io::Result<()> {
    File::open(here(directory))?.sync_all()
}

/// What 64 hex digits stand for.
pub(crate) fn decode(text: &str) -> Option<SecretBytes> {
    let digits = text.as_bytes();
    if digits.len() != 64 {
        return None;
    }
    let mut secret = Zeroizing::new([0; 32]);
    for (byte, pair) in secret.iter_mut().zip(digits.chunks_exact(2)) {
        let pair = std::str::from_utf8(pair).ok()?;
        *byte = u8::from_str_radix(pair, 16).ok()?;
    }
    Some(secret)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_cannot_be_written_leaves_nothing() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("secret.key");
        // Stands where the file would be written, as a disk without room does.
        let partial = path.with_extension(format!("{}.partial", std::process::id()));
        std::fs::create_dir(&partial).expect("made");
        let refused = create(&path);
        assert!(matches!(refused, Err(SecretFileError::Write(..))), "{refused:?}");
        assert!(!path.exists());
        std::fs::remove_dir(&partial).expect("removed");
        assert!(create(&path).is_ok());
        let files = std::fs::read_dir(directory.path()).expect("a directory").count();
        assert_eq!(files, 1, "the secret and nothing else");
    }

    #[test]
    fn what_was_killed_in_the_middle_leaves_nothing_behind_the_next_start() {
        let directory = tempfile::tempdir().expect("a directory");
        let file = |name: &str| directory.path().join(name);
        for name in ["kek.7.partial", "secret.key", "models.jsonl.partial", "7.partial.toml"] {
            std::fs::write(file(name), "x").expect("written");
        }
        sweep(directory.path());
        assert!(!file("kek.7.partial").exists());
        assert_eq!(std::fs::read_dir(directory.path()).expect("a directory").count(), 3);
    }

    #[test]
    fn a_file_that_others_may_read_is_noticed() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("secret.key");
        create(&path).expect("made");
        let is_open = || is_open_to_others(&std::fs::metadata(&path).expect("it is there"));
        assert!(!is_open());
        for mode in [0o640, 0o604] {
            let mode = std::fs::Permissions::from_mode(mode);
            std::fs::set_permissions(&path, mode).expect("changed");
            assert!(is_open());
            assert!(read(&path).is_ok(), "it is warned of, not refused");
        }
    }

    #[test]
    fn the_quicker_of_two_makes_the_file() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("secret.key");
        let (first, second) = (create(&path).expect("made"), create(&path).expect("read"));
        assert_eq!(first, second);
    }
}
