//! The store: each verb handed to the writer or to a reader.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use async_trait::async_trait;
use keyway_core::clock::Timestamp;
use keyway_core::content::Content;
use keyway_core::credential::envelope::{KekVersion, WrappedKey};
use keyway_core::credential::{CredentialPatch, CredentialRecord, NewCredential};
use keyway_core::id::{
    AccountId, CredentialId, CreditId, Epoch, GenerationId, KeyHash, KeyId, Timeline, WorkspaceId,
};
use keyway_core::key::{KeyKind, KeyPatch, KeyRecord, SecretRecord, Terms};
use keyway_core::ledger::{
    AccountState, AnswerMark, GenerationRecord, LeaseCall, Leased, Settlement,
};
use keyway_core::money::Nanos;
use keyway_core::store::{
    AccountRecord, Balance, CredentialWritten, Joined, KekRecord, KeyCreated, KeyCreation,
    KeyDeleted, KeyPage, KeyQuery, KeyWithSecrets, NodeEnd, Poll, Settled, Store, StoreError,
    Testified, Testimony, UsageDay, Writing,
};
use rusqlite::Connection;

use crate::checkpoint::Checkpoints;
use crate::health::Health;
use crate::open::{self, OpenError, Opened, SqliteOptions};
use crate::readers::Readers;
use crate::writer::Writer;
use crate::{
    accounts, contents, credentials, credits, integrity, keys, leases, ledger, nodes, prune, rows,
};

/// An open installation. Close it with [`SqliteStore::close`]; one that is dropped instead is checked
/// at the next start.
#[derive(Debug)]
pub struct SqliteStore {
    writer: Writer,
    readers: Readers,
    default_workspace: WorkspaceId,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl SqliteStore {
    /// Opens the installation in a directory, or makes one there.
    pub fn open(options: &SqliteOptions) -> Result<Self, OpenError> {
        let Opened { lock, connection, database, default_workspace, was_clean } =
            open::open(options)?;
        let readers = Readers::open(&database)?;
        let (path, durability) = (database.clone(), options.durability);
        let mover = open::open_writer(&path, durability)?;
        let checkpoints = Checkpoints::start(mover).map_err(OpenError::Thread)?;
        let reopen = Box::new(move || open::open_writer(&path, durability));
        let health = Arc::new(Health::default());
        let started = Writer::start(connection, checkpoints, reopen, lock, health);
        let (writer, thread) = started.map_err(OpenError::Thread)?;
        if !was_clean {
            integrity::check_in_background(&database);
        }
        Ok(Self { writer, readers, default_workspace, thread: Mutex::new(Some(thread)) })
    }

    /// Writes what is queued, closes the files and gives the directory back. Every later call is
    /// answered that the store is unavailable.
    pub async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if thread.is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the store's writer panicked");
        }
    }

    /// Writes for a run of a node, unless it was ended.
    async fn fenced<T, F>(&self, epoch: Epoch, work: F) -> Result<T, StoreError>
    where
        F: FnOnce(&Connection) -> Result<T, rusqlite::Error> + Send + 'static,
        T: Send + 'static,
    {
        let written = self.writer.write(move |db| {
            if nodes::is_live(db, epoch)? { work(db).map(Some) } else { Ok(None) }
        });
        written.await?.ok_or(StoreError::Fenced)
    }

    /// Transactions committed since it was opened; calls that wait share one.
    pub fn commits(&self) -> u64 {
        self.writer.commits()
    }
}

#[async_trait]
impl Store for SqliteStore {
    fn is_shared(&self) -> bool {
        false
    }

    fn writing(&self) -> Option<&dyn Writing> {
        Some(&self.writer)
    }

    fn default_workspace(&self) -> WorkspaceId {
        self.default_workspace
    }

    async fn key_bootstrap(
        &self,
        creation: KeyCreation,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        self.writer.write(move |db| keys::create::bootstrap(db, &creation, now)).await
    }

    async fn key_create(
        &self,
        creation: KeyCreation,
        now: Timestamp,
    ) -> Result<KeyCreated, StoreError> {
        self.writer.write(move |db| keys::create::create(db, &creation, now)).await
    }

    async fn key_get(
        &self,
        kind: KeyKind,
        hash: KeyHash,
        now: Timestamp,
    ) -> Result<Option<KeyRecord>, StoreError> {
        self.readers.read(move |db| keys::find::find(db, kind, hash, now)).await
    }

    async fn key_list(&self, query: KeyQuery, now: Timestamp) -> Result<KeyPage, StoreError> {
        self.readers.read(move |db| keys::list::list(db, &query, now)).await
    }

    async fn key_update(
        &self,
        hash: KeyHash,
        patch: KeyPatch,
        now: Timestamp,
    ) -> Result<Option<KeyRecord>, StoreError> {
        self.writer.write(move |db| keys::update::update(db, hash, &patch, now)).await
    }

    async fn key_rotate(
        &self,
        hash: KeyHash,
        secret: SecretRecord,
        grace_until: Timestamp,
        now: Timestamp,
    ) -> Result<Option<KeyRecord>, StoreError> {
        self.writer.write(move |db| keys::rotate::rotate(db, hash, &secret, grace_until, now)).await
    }

    async fn key_delete(
        &self,
        kind: KeyKind,
        hash: KeyHash,
        now: Timestamp,
    ) -> Result<KeyDeleted, StoreError> {
        self.writer.write(move |db| keys::delete::delete(db, kind, hash, now)).await
    }

    async fn secret_find(
        &self,
        hash: KeyHash,
        now: Timestamp,
    ) -> Result<Option<KeyWithSecrets>, StoreError> {
        self.readers.read(move |db| keys::secrets::find(db, hash, now)).await
    }

    async fn secrets_brought(&self) -> Result<Vec<SecretRecord>, StoreError> {
        self.readers.read(keys::secrets::brought).await
    }

    async fn budget_set(&self, terms: Terms, now: Timestamp) -> Result<bool, StoreError> {
        self.writer.write(move |db| accounts::set_budget(db, terms, now)).await
    }

    async fn credits_add(
        &self,
        id: CreditId,
        amount: Nanos,
        now: Timestamp,
    ) -> Result<Nanos, StoreError> {
        self.writer.write(move |db| credits::add(db, id, amount, now)).await
    }

    async fn credits_total(&self) -> Result<Option<Nanos>, StoreError> {
        self.readers.read(credits::total).await
    }

    async fn account_get(
        &self,
        account: AccountId,
        now: Timestamp,
    ) -> Result<Option<AccountRecord>, StoreError> {
        self.readers.read(move |db| accounts::get(db, account, now)).await
    }

    async fn activity(
        &self,
        account: AccountId,
        from: Timestamp,
        until: Timestamp,
    ) -> Result<Vec<UsageDay>, StoreError> {
        self.readers.read(move |db| accounts::activity(db, account, from, until)).await
    }

    async fn balance(&self, account: AccountId) -> Result<Balance, StoreError> {
        let (balance, _) = self.readers.read(move |db| rows::newest_windows(db, account)).await?;
        Ok(balance)
    }

    async fn mark(&self, mark: AnswerMark) -> Result<(), StoreError> {
        self.writer.mark(mark).await
    }

    async fn settle(&self, settlement: Settlement) -> Result<Settled, StoreError> {
        self.writer.settle(settlement).await
    }

    async fn lease(&self, call: LeaseCall, now: Timestamp) -> Result<Leased, StoreError> {
        self.fenced(call.epoch, move |db| leases::lease(db, &call, now)).await
    }

    async fn timeline(&self, _now: Timestamp) -> Result<Timeline, StoreError> {
        Ok(Timeline::default())
    }

    async fn testify(
        &self,
        _testimony: &Testimony,
        _now: Timestamp,
    ) -> Result<Testified, StoreError> {
        Err(StoreError::Broken("a store with one history has lost nothing".to_owned()))
    }

    async fn node_join(&self, name: &str, now: Timestamp) -> Result<Joined, StoreError> {
        let name = name.to_owned();
        self.writer.write(move |db| nodes::join(db, &name, now)).await
    }

    async fn node_beat(
        &self,
        epoch: Epoch,
        applied: i64,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.fenced(epoch, move |db| nodes::beat(db, epoch, applied, now)).await
    }

    async fn node_poll(
        &self,
        epoch: Epoch,
        since: i64,
        now: Timestamp,
    ) -> Result<Poll, StoreError> {
        let poll = self.readers.read(move |db| nodes::poll(db, epoch, since, now)).await?;
        poll.ok_or(StoreError::Fenced)
    }

    async fn node_end(
        &self,
        epoch: Epoch,
        end: NodeEnd,
        now: Timestamp,
    ) -> Result<Option<u64>, StoreError> {
        self.writer.write(move |db| nodes::end(db, epoch, end, now)).await
    }

    async fn account_states(
        &self,
        accounts: &[AccountId],
    ) -> Result<Vec<(AccountId, AccountState)>, StoreError> {
        let accounts = accounts.to_vec();
        self.readers.read(move |db| accounts::states(db, &accounts)).await
    }

    async fn prune(&self, epoch: Epoch, now: Timestamp) -> Result<u64, StoreError> {
        self.fenced(epoch, move |db| prune::prune(db, epoch, now)).await
    }

    async fn generation(&self, id: GenerationId) -> Result<Option<GenerationRecord>, StoreError> {
        self.readers.read(move |db| ledger::find(db, id)).await
    }

    async fn kek_list(&self) -> Result<Vec<KekRecord>, StoreError> {
        self.readers.read(credentials::kek::list).await
    }

    async fn kek_add(
        &self,
        fingerprint: [u8; 32],
        after: Option<KekVersion>,
        now: Timestamp,
    ) -> Result<Option<KekRecord>, StoreError> {
        self.writer.write(move |db| credentials::kek::add(db, fingerprint, after, now)).await
    }

    async fn kek_retire(&self, version: KekVersion) -> Result<bool, StoreError> {
        self.writer.write(move |db| credentials::kek::retire(db, version)).await
    }

    async fn credential_create(
        &self,
        new: NewCredential,
        now: Timestamp,
    ) -> Result<CredentialWritten, StoreError> {
        self.writer.write(move |db| credentials::create(db, new, now)).await
    }

    async fn credential_list(&self) -> Result<Vec<CredentialRecord>, StoreError> {
        self.readers.read(credentials::list).await
    }

    async fn credential_update(
        &self,
        id: CredentialId,
        patch: CredentialPatch,
        now: Timestamp,
    ) -> Result<CredentialWritten, StoreError> {
        self.writer.write(move |db| credentials::update(db, id, patch, now)).await
    }

    async fn credential_delete(
        &self,
        id: CredentialId,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        self.writer.write(move |db| credentials::delete(db, id, now)).await
    }

    async fn credential_rewrap(
        &self,
        id: CredentialId,
        from: KekVersion,
        wrapped: WrappedKey,
    ) -> Result<bool, StoreError> {
        self.writer.write(move |db| credentials::rewrap(db, id, from, &wrapped)).await
    }

    async fn content_keep(&self, contents: Vec<Content>) -> Result<(), StoreError> {
        self.writer.write(move |db| contents::keep(db, &contents)).await
    }

    async fn content_get(&self, id: GenerationId) -> Result<Option<Content>, StoreError> {
        self.readers.read(move |db| contents::get(db, id)).await
    }

    async fn content_forget(&self, key: KeyId) -> Result<u64, StoreError> {
        self.writer.write(move |db| contents::forget(db, key)).await
    }

    async fn content_prune(&self, until: Timestamp) -> Result<u64, StoreError> {
        self.writer.write(move |db| contents::prune(db, until)).await
    }

    async fn probe(&self) -> Result<(), StoreError> {
        let write = |db: &Connection| {
            db.execute("UPDATE installation SET probes = probes + 1", []).map(drop)
        };
        self.writer.write(write).await
    }
}
