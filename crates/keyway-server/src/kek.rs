//! The key-encryption key: where it comes from, whether it is the store's, and how another takes its
//! place.

use std::path::{Path, PathBuf};

use keyway_core::clock::Timestamp;
use keyway_core::credential::CredentialRecord;
use keyway_core::credential::envelope::{KekVersion, KeyEncryptionKey, NotOpened};
use keyway_core::id::CredentialId;
use keyway_core::secret::{InstallationSecret, KeySecret};
use keyway_core::store::{KekRecord, Store, StoreError};
use thiserror::Error;

use crate::entropy::random;
use crate::secret_file::{self, SecretFileError};

/// Names a file with the key,
pub const KEK_FILE_VARIABLE: &str = "KEYWAY_KEK_FILE";
/// or holds it.
pub const KEK_VARIABLE: &str = "KEYWAY_KEK";
/// The key that is made in a data directory where neither is set.
const KEK_FILE: &str = "kek.key";
/// The one that is to take its place.
const NEXT_FILE: &str = "kek.key.next";
/// How often a rotation looks for credentials that came while it ran.
const ROUNDS_MAX: usize = 16;

/// Why the key cannot be had, or is not the one.
#[derive(Debug, Error)]
pub enum KekError {
    #[error("the key-encryption key: {0}")]
    File(#[from] SecretFileError),
    #[error("{KEK_VARIABLE} must be 64 hex digits, such as `openssl rand -hex 32` makes")]
    Form,
    #[error("set {KEK_FILE_VARIABLE} or {KEK_VARIABLE}, not both")]
    Both,
    #[error(
        "{0} is missing, but the store's credentials are sealed under one: restore the file from your \
         backup, or name it in {KEK_FILE_VARIABLE}"
    )]
    Lost(PathBuf),
    #[error(
        "the store's credentials are sealed under another key-encryption key: give this node the one \
         they were sealed under, in {KEK_FILE_VARIABLE} or {KEK_VARIABLE}"
    )]
    Other,
    #[error(
        "a new key-encryption key takes the place of the store's, and is not done: run `keyway \
         credentials rotate-kek` again, which goes on where it was"
    )]
    Rotating,
    #[error("the credential {0} cannot be opened: {1}")]
    Sealed(CredentialId, #[source] NotOpened),
    #[error(
        "the key-encryption key is not one that was made in a data directory: name the new one"
    )]
    Unnamed,
    #[error("credentials change faster than they can be wrapped; run it again")]
    Busy,
    #[error("{0}")]
    Store(#[from] StoreError),
}

/// The key with its number in the store.
#[derive(Clone, Debug)]
pub struct Kek {
    pub key: KeyEncryptionKey,
    pub version: KekVersion,
}

/// Where the key comes from.
#[derive(Debug)]
pub enum KekSource {
    /// A file that the operator keeps.
    File(PathBuf),
    /// The environment itself.
    Variable(KeySecret),
    /// `kek.key` in this data directory, made where the store has none yet.
    Beside(PathBuf),
    /// The installation's secret, of which it is derived.
    Derived(KeyEncryptionKey),
}

impl KekSource {
    /// As the environment says; else in `data_dir`, or where that is `None` out of `secret`.
    pub fn find(
        data_dir: Option<&Path>,
        secret: &InstallationSecret,
        env: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, KekError> {
        let set = |name| env(name).filter(|value| !value.is_empty());
        match (set(KEK_FILE_VARIABLE), set(KEK_VARIABLE)) {
            (Some(_), Some(_)) => Err(KekError::Both),
            (Some(path), None) => Ok(Self::File(path.into())),
            (None, Some(text)) => Ok(Self::Variable(KeySecret::from_presented(&text))),
            (None, None) => Ok(match data_dir {
                Some(data_dir) => Self::Beside(data_dir.to_owned()),
                None => Self::Derived(secret.key_encryption_key()),
            }),
        }
    }

    /// `None` where it is still to be made.
    fn read(&self) -> Result<Option<KeyEncryptionKey>, KekError> {
        let of_file = |path: &Path| {
            Ok::<_, KekError>(Some(KeyEncryptionKey::new(&*secret_file::read(path)?)))
        };
        match self {
            Self::File(path) => of_file(path),
            Self::Beside(directory) => {
                let path = directory.join(KEK_FILE);
                if path.exists() { of_file(&path) } else { Ok(None) }
            }
            Self::Variable(text) => {
                let bytes = secret_file::decode(text.expose().trim()).ok_or(KekError::Form)?;
                Ok(Some(KeyEncryptionKey::new(&bytes)))
            }
            Self::Derived(key) => Ok(Some(key.clone())),
        }
    }

    /// The key, which is the store's; made where that has none.
    pub async fn open(&self, store: &dyn Store, now: Timestamp) -> Result<Kek, KekError> {
        let known = store.kek_list().await?;
        if let Self::Beside(directory) = self {
            finish(directory, &known)?;
        }
        let key = match (self.read()?, self) {
            (Some(key), _) => key,
            (None, Self::Beside(directory)) if known.is_empty() => {
                KeyEncryptionKey::new(&*secret_file::create(&directory.join(KEK_FILE))?)
            }
            (None, Self::Beside(directory)) => {
                return Err(KekError::Lost(directory.join(KEK_FILE)));
            }
            (None, _) => return Err(KekError::Other),
        };
        let version = match known[..] {
            // Of nodes that start together one is first.
            [] => match store.kek_add(*key.fingerprint(), None, now).await? {
                Some(added) => added.version,
                None => return Err(KekError::Other),
            },
            [one] if one.fingerprint == *key.fingerprint() => one.version,
            [_] => return Err(KekError::Other),
            _ => return Err(KekError::Rotating),
        };
        Ok(Kek { key, version })
    }

    /// Puts another key in the place of this one, which is in `to`, or made where that is `None`.
    /// Answers how many credentials there are under it. `progress` is told of each, and of how many
    /// there are. What ended in the middle goes on.
    pub async fn rotate(
        &self,
        store: &dyn Store,
        to: Option<&Path>,
        now: Timestamp,
        progress: &mut (dyn FnMut(usize, usize) + Send),
    ) -> Result<usize, KekError> {
        let next = match (to, self) {
            (Some(path), _) => secret_file::read(path)?,
            (None, Self::Beside(directory)) => secret_file::create(&directory.join(NEXT_FILE))?,
            (None, _) => return Err(KekError::Unnamed),
        };
        let next = KeyEncryptionKey::new(&next);
        let count = rotate(store, self.read()?, &next, now, progress).await?;
        if let (None, Self::Beside(directory)) = (to, self) {
            finish(directory, &store.kek_list().await?)?;
        }
        Ok(count)
    }
}

/// Puts the next key's file in its place where the store has all credentials under it.
fn finish(directory: &Path, known: &[KekRecord]) -> Result<(), KekError> {
    let next = directory.join(NEXT_FILE);
    let [only] = known else { return Ok(()) };
    if !next.exists() {
        return Ok(());
    }
    let key = KeyEncryptionKey::new(&*secret_file::read(&next)?);
    if only.fingerprint == *key.fingerprint() {
        secret_file::replace(&next, &directory.join(KEK_FILE))?;
    }
    Ok(())
}

async fn rotate(
    store: &dyn Store,
    old: Option<KeyEncryptionKey>,
    next: &KeyEncryptionKey,
    now: Timestamp,
    progress: &mut (dyn FnMut(usize, usize) + Send),
) -> Result<usize, KekError> {
    let is = |record: &KekRecord, key: &KeyEncryptionKey| record.fingerprint == *key.fingerprint();
    let (from, to) = match (store.kek_list().await?[..].to_vec().as_slice(), old) {
        ([only], _) if is(only, next) => return Ok(store.credential_list().await?.len()),
        ([only], Some(old)) if is(only, &old) => {
            let added = store.kek_add(*next.fingerprint(), Some(only.version), now).await?;
            (Kek { key: old, version: only.version }, added.ok_or(KekError::Other)?)
        }
        ([first, second], Some(old)) if is(first, &old) && is(second, next) => {
            (Kek { key: old, version: first.version }, *second)
        }
        _ => return Err(KekError::Other),
    };
    for _ in 0..ROUNDS_MAX {
        let credentials = store.credential_list().await?;
        let under_old = |it: &&CredentialRecord| it.sealed.wrapped.version == from.version;
        let total = credentials.len();
        let done = total - credentials.iter().filter(under_old).count();
        for (number, credential) in credentials.iter().filter(under_old).enumerate() {
            rewrap(store, &from, next, to.version, credential).await?;
            progress(done + number + 1, total);
        }
        if store.kek_retire(from.version).await? {
            return Ok(total);
        }
    }
    Err(KekError::Busy)
}

/// One that was deleted or rewrapped meanwhile stays as it is.
async fn rewrap(
    store: &dyn Store,
    from: &Kek,
    next: &KeyEncryptionKey,
    version: KekVersion,
    credential: &CredentialRecord,
) -> Result<(), KekError> {
    let (id, wrapped) = (credential.id, &credential.sealed.wrapped);
    let wrapped = from.key.rewrap(next, version, id, wrapped, &random());
    let wrapped = wrapped.map_err(|error| KekError::Sealed(id, error))?;
    store.credential_rewrap(id, from.version, wrapped).await?;
    Ok(())
}
