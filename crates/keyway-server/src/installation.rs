//! The installation's secret: 32 bytes that lie outside of the store.

use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use keyway_core::secret::InstallationSecret;
use thiserror::Error;

use crate::secret_file::{self, SecretFileError, sync_directory};

/// Names a file with the secret, instead of the one in the data directory.
pub const SECRET_FILE_VARIABLE: &str = "KEYWAY_SECRET_FILE";
const SECRET_FILE: &str = "secret.key";
const DATABASE_FILE: &str = "keyway.db";

/// Why the secret cannot be had.
#[derive(Debug, Error)]
pub enum InstallationError {
    #[error("cannot create the data directory {0}: {1}")]
    Directory(PathBuf, #[source] io::Error),
    #[error("the installation secret: {0}")]
    File(#[from] SecretFileError),
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
    let new = above().take_while(|directory| !secret_file::here(directory).exists()).count();
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(data_dir).map_err(failed)?;
    let synced = above().take(new + 1).try_for_each(sync_directory);
    // One that somebody else made may lie where this user may not even look.
    if was_there { Ok(()) } else { synced.map_err(failed) }
}

/// Reads the secret from `named` (the value of [`SECRET_FILE_VARIABLE`]) or from the data directory,
/// where the first start makes it with mode 0600.
pub fn load_or_create_secret(
    data_dir: &Path,
    named: Option<&Path>,
) -> Result<InstallationSecret, InstallationError> {
    let beside = data_dir.join(SECRET_FILE);
    let path = named.unwrap_or(&beside);
    let bytes = match path.try_exists() {
        Ok(false) if named.is_none() && data_dir.join(DATABASE_FILE).exists() => {
            return Err(InstallationError::Lost(beside));
        }
        Ok(false) if named.is_none() => secret_file::create(path)?,
        _ => secret_file::read(path)?,
    };
    Ok(InstallationSecret::new(&bytes))
}

/// Removes what earlier starts that were killed left of secrets in the making. For who holds the directory.
pub fn sweep(data_dir: &Path) {
    secret_file::sweep(data_dir);
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
        assert!(
            matches!(refused, Err(InstallationError::File(SecretFileError::Form(_)))),
            "{refused:?}"
        );
        std::fs::write(&path, "AB".repeat(32) + "\n").expect("written");
        assert!(load_or_create_secret(directory.path(), Some(&path)).is_ok());
    }
}
