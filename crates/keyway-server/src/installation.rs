//! The installation's secret: 32 bytes that lie outside of the store.

use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use keyway_core::secret::InstallationSecret;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::entropy::random;

/// Names a file with the secret, instead of the one in the data directory.
pub const SECRET_FILE_VARIABLE: &str = "KEYWAY_SECRET_FILE";
const SECRET_FILE: &str = "secret.key";
const DATABASE_FILE: &str = "keyway.db";
/// The file is 64 hex digits; anything much longer is another file.
const FILE_BYTES_MAX: u64 = 1_024;

/// Why the secret cannot be had.
#[derive(Debug, Error)]
pub enum InstallationError {
    #[error("cannot create the data directory {0}: {1}")]
    Directory(PathBuf, #[source] io::Error),
    #[error("cannot read the installation secret {0}: {1}")]
    Read(PathBuf, #[source] io::Error),
    #[error("cannot write the installation secret {0}: {1}")]
    Write(PathBuf, #[source] io::Error),
    #[error("the installation secret {0} must be 64 hex digits, optionally with a line end")]
    Form(PathBuf),
    #[error(
        "{0} is missing, but the store beside it was made with one: restore the file from your \
         backup, or name it in KEYWAY_SECRET_FILE"
    )]
    Lost(PathBuf),
}

/// Makes the data directory where there is none, for this user only. Until a store is in it, its place
/// in the directory above is made durable too: a loss of power could take all away with the name.
pub fn create_data_directory(data_dir: &Path) -> Result<(), InstallationError> {
    let failed = |error| InstallationError::Directory(data_dir.to_owned(), error);
    if data_dir.join(DATABASE_FILE).exists() {
        return Ok(());
    }
    let was_there = data_dir.exists();
    let above = || data_dir.ancestors().skip(1);
    let new = above().take_while(|directory| !here(directory).exists()).count();
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(data_dir).map_err(failed)?;
    let synced = above().take(new + 1).try_for_each(sync_directory);
    // One that somebody else made may lie where this user may not even look.
    if was_there { Ok(()) } else { synced.map_err(failed) }
}

/// The parent of a path of one part is named by nothing.
fn here(directory: &Path) -> &Path {
    if directory.as_os_str().is_empty() { Path::new(".") } else { directory }
}

fn sync_directory(directory: &Path) -> io::Result<()> {
    File::open(here(directory))?.sync_all()
}

/// Reads the secret from `named` (the value of [`SECRET_FILE_VARIABLE`]) or from the data directory,
/// where the first start makes it with mode 0600.
pub fn load_or_create_secret(
    data_dir: &Path,
    named: Option<&Path>,
) -> Result<InstallationSecret, InstallationError> {
    if let Some(path) = named {
        return read(path);
    }
    let path = data_dir.join(SECRET_FILE);
    match path.try_exists() {
        Ok(true) => read(&path),
        Ok(false) if data_dir.join(DATABASE_FILE).exists() => Err(InstallationError::Lost(path)),
        Ok(false) => create(&path),
        Err(error) => Err(InstallationError::Read(path, error)),
    }
}

fn read(path: &Path) -> Result<InstallationSecret, InstallationError> {
    let failed = |error| InstallationError::Read(path.to_owned(), error);
    let mut text = Zeroizing::new(String::new());
    let file = File::open(path).map_err(failed)?;
    file.take(FILE_BYTES_MAX).read_to_string(&mut text).map_err(failed)?;
    decode(text.trim()).ok_or_else(|| InstallationError::Form(path.to_owned()))
}

fn create(path: &Path) -> Result<InstallationSecret, InstallationError> {
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
        Ok(()) => Ok(InstallationSecret::new(&secret)),
        // Another first start was quicker; its secret is the installation's.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => read(path),
        Err(error) => Err(InstallationError::Write(path.to_owned(), error)),
    }
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

fn decode(text: &str) -> Option<InstallationSecret> {
    let digits = text.as_bytes();
    if digits.len() != 64 {
        return None;
    }
    let mut secret = Zeroizing::new([0; 32]);
    for (byte, pair) in secret.iter_mut().zip(digits.chunks_exact(2)) {
        let pair = std::str::from_utf8(pair).ok()?;
        *byte = u8::from_str_radix(pair, 16).ok()?;
    }
    Some(InstallationSecret::new(&secret))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn the_first_start_makes_a_secret_that_the_next_one_reads() {
        let directory = tempfile::tempdir().expect("a directory");
        let made = load_or_create_secret(directory.path(), None).expect("made");
        let read = load_or_create_secret(directory.path(), None).expect("read");
        assert_eq!(made.fingerprint(), read.fingerprint());
        let file_mode =
            directory.path().join(SECRET_FILE).metadata().expect("it is there").permissions();
        assert_eq!(file_mode.mode() & 0o777, 0o600);
    }

    #[test]
    fn a_secret_that_cannot_be_written_leaves_nothing() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join(SECRET_FILE);
        // Stands where the file would be written, as a disk without room does.
        let partial = path.with_extension(format!("{}.partial", std::process::id()));
        std::fs::create_dir(&partial).expect("made");
        let refused = load_or_create_secret(directory.path(), None);
        assert!(matches!(refused, Err(InstallationError::Write(..))), "{refused:?}");
        assert!(!path.exists());
        std::fs::remove_dir(&partial).expect("removed");
        assert!(load_or_create_secret(directory.path(), None).is_ok());
        let files = std::fs::read_dir(directory.path()).expect("a directory").count();
        assert_eq!(files, 1, "the secret and nothing else");
    }

    #[test]
    fn the_quicker_of_two_first_starts_makes_the_secret() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join(SECRET_FILE);
        let first = create(&path).expect("made");
        let second = create(&path).expect("read");
        assert_eq!(first.fingerprint(), second.fingerprint());
    }

    #[test]
    fn a_store_without_its_secret_is_not_given_another() {
        let directory = tempfile::tempdir().expect("a directory");
        std::fs::write(directory.path().join(DATABASE_FILE), b"").expect("written");
        let refused = load_or_create_secret(directory.path(), None);
        assert!(matches!(refused, Err(InstallationError::Lost(_))), "{refused:?}");
    }

    #[test]
    fn a_named_file_has_to_hold_a_secret() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("named");
        std::fs::write(&path, "ab".repeat(31)).expect("written");
        let refused = load_or_create_secret(directory.path(), Some(&path));
        assert!(matches!(refused, Err(InstallationError::Form(_))), "{refused:?}");
        std::fs::write(&path, "AB".repeat(32) + "\n").expect("written");
        assert!(load_or_create_secret(directory.path(), Some(&path)).is_ok());
    }
}
