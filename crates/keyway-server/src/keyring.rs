//! The keyring: who holds which key, from memory where it can.
//!
//! A known key is authenticated without asking the store. The cache is found by the keyed [`Tag`]
//! of the whole presented string, so that no two strings share an entry and timing tells nothing.
//! A change to a key takes its entry out before the call that made the change is answered, and a
//! look-up that began before the change cannot put the old state back.

use std::sync::{Arc, Mutex, PoisonError};

use keyway_core::clock::Timestamp;
use keyway_core::id::{KeyHash, KeyId};
use keyway_core::key::{KeyRecord, SecretRecord};
use keyway_core::secret::{InstallationSecret, KeyFormError, KeyPrefix, KeySecret, Tag};
use keyway_core::store::{Credential, Store, StoreError};
use quick_cache::sync::Cache;

/// Keys that stay in memory.
const KEYS_MAX: usize = 100_000;
/// How often a look-up starts anew because keys changed while it ran.
const LOOKUPS_MAX: usize = 16;

/// Why a presented key is not accepted.
#[derive(Debug)]
pub enum AuthError {
    /// Another length or alphabet than keys have.
    Malformed,
    /// The check digits do not match the rest.
    Mistyped,
    /// No such key, or one that was deleted or rotated away.
    Unknown,
    Disabled,
    Expired,
    Store(StoreError),
}

/// A key as it was when it was read, with all its secrets.
#[derive(Debug)]
struct Entry {
    key: Arc<KeyRecord>,
    secrets: Vec<SecretRecord>,
}

pub struct Keyring {
    store: Arc<dyn Store>,
    secret: InstallationSecret,
    prefix: KeyPrefix,
    /// Tags of secrets that Keyway did not make: they are matched before any check of form.
    brought: Vec<Tag>,
    ids: Cache<Tag, KeyId>,
    entries: Cache<KeyId, Arc<Entry>>,
    /// Counts changes; held while the cache is written, so that both move together.
    changes: Mutex<u64>,
}

impl Keyring {
    pub async fn new(
        store: Arc<dyn Store>,
        secret: InstallationSecret,
        prefix: KeyPrefix,
    ) -> Result<Self, StoreError> {
        let brought = store.secrets_brought().await?;
        Ok(Self {
            brought: brought.into_iter().map(|secret| secret.tag).collect(),
            store,
            secret,
            prefix,
            ids: Cache::new(KEYS_MAX),
            entries: Cache::new(KEYS_MAX),
            changes: Mutex::new(0),
        })
    }

    /// The prefix of keys that this installation makes.
    pub fn prefix(&self) -> &KeyPrefix {
        &self.prefix
    }

    pub fn secret(&self) -> &InstallationSecret {
        &self.secret
    }

    /// What the store keeps of a new secret.
    pub fn record(&self, secret: &KeySecret) -> SecretRecord {
        SecretRecord {
            hash: secret.hash(),
            tag: self.secret.tag(secret.expose()),
            label: secret.label(),
            minted: true,
            valid_until: None,
        }
    }

    /// Finds whose key `presented` is, valid at `now`.
    pub async fn authenticate(
        &self,
        presented: &str,
        now: Timestamp,
    ) -> Result<Arc<KeyRecord>, AuthError> {
        let tag = self.secret.tag(presented);
        let cached = self.ids.get(&tag).and_then(|id| self.entries.get(&id));
        let entry = match cached {
            Some(entry) => entry,
            None => self.look_up(presented, tag, now).await?,
        };
        check(&entry, tag, now)
    }

    /// Whether `key` is what the keyring would answer now, so that its terms are in force.
    pub fn is_current(&self, key: &Arc<KeyRecord>) -> bool {
        self.entries.get(&key.id).is_some_and(|entry| Arc::ptr_eq(&entry.key, key))
    }

    /// Forgets what is known of a key, because it changed.
    pub fn forget(&self, id: KeyId) {
        let mut changes = self.changes.lock().unwrap_or_else(PoisonError::into_inner);
        *changes += 1;
        self.entries.remove(&id);
    }

    async fn look_up(
        &self,
        presented: &str,
        tag: Tag,
        now: Timestamp,
    ) -> Result<Arc<Entry>, AuthError> {
        // All tags are compared, whichever matches: the time tells nothing.
        let brought = self.brought.iter().filter(|known| **known == tag).count();
        if brought == 0 {
            let form = KeySecret::from_presented(presented).check_form();
            form.map_err(|error| match error {
                KeyFormError::Shape => AuthError::Malformed,
                KeyFormError::Checksum => AuthError::Mistyped,
            })?;
        }
        let entry = self.read(KeyHash::of(presented), now).await?;
        // Found again by its tag only if that is one of the key's: what `check` looks at too.
        if entry.secrets.iter().any(|secret| secret.tag == tag) {
            self.ids.insert(tag, entry.key.id);
        }
        Ok(entry)
    }

    /// The key as it is now, for a request that was authenticated before it changed.
    pub async fn renew(
        &self,
        key: &KeyRecord,
        now: Timestamp,
    ) -> Result<Arc<KeyRecord>, AuthError> {
        let entry = self.read(key.hash, now).await?;
        usable(&entry.key, now)
    }

    async fn read(&self, hash: KeyHash, now: Timestamp) -> Result<Arc<Entry>, AuthError> {
        for _ in 0..LOOKUPS_MAX {
            let changes = *self.changes.lock().unwrap_or_else(PoisonError::into_inner);
            let found = self.store.credential_find(hash, now).await.map_err(AuthError::Store)?;
            let credential = found.ok_or(AuthError::Unknown)?;
            if let Some(entry) = self.remember(credential, changes) {
                return Ok(entry);
            }
        }
        let detail = "keys changed faster than one could be read";
        Err(AuthError::Store(StoreError::Unavailable(detail.to_owned())))
    }

    /// Keeps what was read, unless a key changed since `changes` was: then it may be stale.
    fn remember(&self, credential: Credential, changes: u64) -> Option<Arc<Entry>> {
        let Credential { key, secrets } = credential;
        let now = self.changes.lock().unwrap_or_else(PoisonError::into_inner);
        if *now != changes {
            return None;
        }
        // Two look-ups may have read the same state: all callers share the first entry.
        if let Some(known) = self.entries.get(&key.id) {
            return Some(known);
        }
        let entry = Arc::new(Entry { key: Arc::new(key), secrets });
        self.entries.insert(entry.key.id, Arc::clone(&entry));
        Some(entry)
    }
}

impl std::fmt::Debug for Keyring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keyring").field("entries", &self.entries.len()).finish_non_exhaustive()
    }
}

fn check(entry: &Entry, tag: Tag, now: Timestamp) -> Result<Arc<KeyRecord>, AuthError> {
    let secret = entry.secrets.iter().find(|secret| secret.tag == tag);
    if !secret.is_some_and(|secret| secret.is_live(now)) {
        return Err(AuthError::Unknown);
    }
    usable(&entry.key, now)
}

fn usable(key: &Arc<KeyRecord>, now: Timestamp) -> Result<Arc<KeyRecord>, AuthError> {
    if key.disabled {
        return Err(AuthError::Disabled);
    }
    if key.is_expired(now) {
        return Err(AuthError::Expired);
    }
    Ok(Arc::clone(key))
}
