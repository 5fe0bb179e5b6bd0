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
use keyway_core::store::{KeyWithSecrets, Store, StoreError};
use quick_cache::sync::Cache;

use crate::running::{Place, Running};

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
    /// Disabled or deleted while a request was on its way.
    Closed,
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
    running: Arc<Running>,
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
            running: Arc::default(),
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
        SecretRecord::minted(secret, &self.secret)
    }

    /// Whose key `presented` is at `now`, as far as memory tells; `None` where only the store knows.
    pub fn recall(
        &self,
        presented: &str,
        now: Timestamp,
    ) -> Option<Result<Arc<KeyRecord>, AuthError>> {
        let tag = self.secret.tag(presented);
        let entry = self.ids.get(&tag).and_then(|id| self.entries.get(&id))?;
        Some(check(&entry, tag, now))
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

    /// Forgets a key that is disabled or deleted, and cuts what runs on it.
    pub fn revoke(&self, id: KeyId) {
        // In this order: a request that comes too late to be cut finds the key forgotten.
        self.forget(id);
        self.running.close(id);
    }

    /// Counts a request among those that run on a key, until what this answers is dropped. Whether the
    /// key is valid is looked at after it.
    pub fn enter(&self, id: KeyId) -> Place {
        self.running.enter(id)
    }

    /// Forgets everything, because changes may have been missed.
    pub fn forget_all(&self) {
        let mut changes = self.changes.lock().unwrap_or_else(PoisonError::into_inner);
        *changes += 1;
        self.entries.clear();
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

    /// The key as it is `now`, for a request that was authenticated before. Which of its secrets that
    /// was is not asked again: a request that runs outlives the secret that began it. Most keys do not
    /// expire, and every request asks several times: so the time is asked for only where it counts.
    pub async fn renew(
        &self,
        key: &KeyRecord,
        now: impl Fn() -> Timestamp,
    ) -> Result<Arc<KeyRecord>, AuthError> {
        let entry = match self.entries.get(&key.id) {
            Some(entry) => entry,
            None => self.read(key.hash, now()).await?,
        };
        usable(&entry.key, now)
    }

    async fn read(&self, hash: KeyHash, now: Timestamp) -> Result<Arc<Entry>, AuthError> {
        for _ in 0..LOOKUPS_MAX {
            let changes = *self.changes.lock().unwrap_or_else(PoisonError::into_inner);
            let found = self.store.secret_find(hash, now).await.map_err(AuthError::Store)?;
            let credential = found.ok_or(AuthError::Unknown)?;
            if let Some(entry) = self.remember(credential, changes) {
                return Ok(entry);
            }
        }
        let detail = "keys changed faster than one could be read";
        Err(AuthError::Store(StoreError::Unavailable(detail.to_owned())))
    }

    /// Keeps what was read, unless a key changed since `changes` was: then it may be stale.
    fn remember(&self, credential: KeyWithSecrets, changes: u64) -> Option<Arc<Entry>> {
        let KeyWithSecrets { key, secrets } = credential;
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
    usable(&entry.key, || now)
}

fn usable(key: &Arc<KeyRecord>, now: impl Fn() -> Timestamp) -> Result<Arc<KeyRecord>, AuthError> {
    if key.disabled {
        return Err(AuthError::Disabled);
    }
    if key.expires_at.is_some() && key.is_expired(now()) {
        return Err(AuthError::Expired);
    }
    Ok(Arc::clone(key))
}

#[cfg(test)]
mod tests {
    use keyway_core::id::WorkspaceId;
    use keyway_core::key::{KeyKind, KeyName, KeyPatch, NewKey, OnLimit, Terms};
    use keyway_core::rate::RateLimits;
    use keyway_core::secret::KEY_ENTROPY_BYTES;
    use keyway_core::store::KeyCreation;
    use keyway_core::store::model::MemoryStore;

    use super::*;

    const NOW: Timestamp = Timestamp::from_micros(1_000_000);

    async fn keyring() -> (Keyring, Arc<MemoryStore>) {
        let store = Arc::new(MemoryStore::new(WorkspaceId::from_random([1; 16])));
        let secret = InstallationSecret::new(&[7; 32]);
        let shared: Arc<dyn Store> = Arc::clone(&store) as Arc<dyn Store>;
        let keyring = Keyring::new(shared, secret, KeyPrefix::default()).await.expect("a keyring");
        (keyring, store)
    }

    async fn create(keyring: &Keyring, store: &MemoryStore, byte: u8) -> KeySecret {
        let secret = KeySecret::mint(keyring.prefix(), &[byte; KEY_ENTROPY_BYTES]);
        let key = NewKey {
            kind: KeyKind::Inference,
            name: KeyName::new("a").expect("a name"),
            workspace: store.default_workspace(),
            terms: Terms::default(),
            rates: RateLimits::default(),
            on_limit: OnLimit::default(),
            log_content: false,
            expires_at: Some(NOW.plus_seconds(60)),
            creator_user_id: None,
            external_user: None,
        };
        let creation = KeyCreation { key, secret: keyring.record(&secret), idempotency: None };
        store.key_create(creation, NOW).await.expect("created");
        secret
    }

    #[tokio::test]
    async fn a_known_key_is_not_asked_for_again() {
        let (keyring, store) = keyring().await;
        let secret = create(&keyring, &store, 1).await;
        let first = keyring.authenticate(secret.expose(), NOW).await.expect("valid");
        let patch = KeyPatch { disabled: Some(true), ..KeyPatch::default() };
        store.key_update(secret.hash(), patch, NOW).await.expect("updated");
        let cached = keyring.authenticate(secret.expose(), NOW).await.expect("still in memory");
        assert!(Arc::ptr_eq(&first, &cached));

        keyring.forget(first.id);
        let anew = keyring.authenticate(secret.expose(), NOW).await;
        assert!(matches!(anew, Err(AuthError::Disabled)), "{anew:?}");
    }

    #[tokio::test]
    async fn a_look_up_that_began_before_a_change_is_not_kept() {
        let (keyring, store) = keyring().await;
        let secret = create(&keyring, &store, 1).await;
        let read_before = store.secret_find(secret.hash(), NOW).await.expect("read");
        let read_before = read_before.expect("a key");
        let id = read_before.key.id;
        let changes = *keyring.changes.lock().expect("not poisoned");
        keyring.forget(id);
        assert!(keyring.remember(read_before, changes).is_none());
        assert!(keyring.entries.get(&id).is_none());
    }

    #[tokio::test]
    async fn a_cached_key_expires_by_itself() {
        let (keyring, store) = keyring().await;
        let secret = create(&keyring, &store, 1).await;
        keyring.authenticate(secret.expose(), NOW).await.expect("valid");
        let later = keyring.authenticate(secret.expose(), NOW.plus_seconds(60)).await;
        assert!(matches!(later, Err(AuthError::Expired)), "{later:?}");
    }

    #[tokio::test]
    async fn a_tag_that_does_not_belong_to_the_hash_opens_nothing() {
        let (keyring, store) = keyring().await;
        // Somebody who writes the store, but does not have the installation's secret.
        let forged = KeySecret::mint(keyring.prefix(), &[2; KEY_ENTROPY_BYTES]);
        let mut record = keyring.record(&forged);
        record.tag = Tag::from_bytes([0; 32]);
        let key = NewKey {
            kind: KeyKind::Management,
            name: KeyName::new("forged").expect("a name"),
            workspace: store.default_workspace(),
            terms: Terms::default(),
            rates: RateLimits::default(),
            on_limit: OnLimit::default(),
            log_content: false,
            expires_at: None,
            creator_user_id: None,
            external_user: None,
        };
        let creation = KeyCreation { key, secret: record, idempotency: None };
        store.key_create(creation, NOW).await.expect("created");
        let refused = keyring.authenticate(forged.expose(), NOW).await;
        assert!(matches!(refused, Err(AuthError::Unknown)), "{refused:?}");
    }
}
