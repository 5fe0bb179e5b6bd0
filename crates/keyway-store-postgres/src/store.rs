//! The store: each verb in a transaction of its own, but for the ledger's, which share some.

use async_trait::async_trait;
use deadpool_postgres::Pool;
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
use tokio::task::AbortHandle;

use crate::clock::StoreTime;
use crate::error::Failure;
use crate::history::{self, History};
use crate::open::{self, OpenError, Opened, PostgresOptions};
use crate::transact::{change, transact};
use crate::writer::Writer;
use crate::{
    accounts, contents, credentials, credits, keys, leases, ledger, nodes, prune, spend, testimony,
};

/// An open installation, which other nodes may have open too.
#[derive(Debug)]
pub struct PostgresStore {
    pool: Pool,
    watch: Pool,
    writer: Writer,
    writing: AbortHandle,
    default_workspace: WorkspaceId,
    time: StoreTime,
    history: History,
}

impl PostgresStore {
    /// Connects, and brings the schema up to date; makes the installation where there is none.
    pub async fn open(options: &PostgresOptions) -> Result<Self, OpenError> {
        let Opened { pool, watch, ledger, default_workspace, history } =
            open::open(options).await?;
        let (writer, writing) = Writer::start(ledger, history).map_err(OpenError::Thread)?;
        Ok(Self { pool, watch, writer, writing, default_workspace, time: options.time, history })
    }

    /// Ends all connections. Every later call is answered that the store is unavailable.
    pub fn close(&self) {
        self.writing.abort();
        self.pool.close();
        self.watch.close();
    }

    /// Transactions of the ledger that were committed since it was opened; calls that wait share one.
    pub fn commits(&self) -> u64 {
        self.writer.commits()
    }
}

#[async_trait]
impl Store for PostgresStore {
    fn is_shared(&self) -> bool {
        true
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
        change!(self, now, |tx, again| keys::create::bootstrap(tx, &creation, now, again))
    }

    async fn key_create(
        &self,
        creation: KeyCreation,
        now: Timestamp,
    ) -> Result<KeyCreated, StoreError> {
        change!(self, now, |tx, again| keys::create::create(tx, &creation, now, again))
    }

    async fn key_get(
        &self,
        kind: KeyKind,
        hash: KeyHash,
        now: Timestamp,
    ) -> Result<Option<KeyRecord>, StoreError> {
        transact!(self.pool, |tx, _again| keys::find::find(tx, kind, hash, now))
    }

    async fn key_list(&self, query: KeyQuery, now: Timestamp) -> Result<KeyPage, StoreError> {
        transact!(self.pool, |tx, _again| keys::list::list(tx, &query, now))
    }

    async fn key_update(
        &self,
        hash: KeyHash,
        patch: KeyPatch,
        now: Timestamp,
    ) -> Result<Option<KeyRecord>, StoreError> {
        change!(self, now, |tx, _again| keys::update::update(tx, hash, &patch, now))
    }

    async fn key_rotate(
        &self,
        hash: KeyHash,
        secret: SecretRecord,
        grace_until: Timestamp,
        now: Timestamp,
    ) -> Result<Option<KeyRecord>, StoreError> {
        change!(self, now, |tx, again| keys::rotate::rotate(
            tx,
            hash,
            &secret,
            grace_until,
            now,
            again
        ))
    }

    async fn key_delete(
        &self,
        kind: KeyKind,
        hash: KeyHash,
        now: Timestamp,
    ) -> Result<KeyDeleted, StoreError> {
        change!(self, now, |tx, again| keys::delete::delete(tx, kind, hash, now, again))
    }

    async fn secret_find(
        &self,
        hash: KeyHash,
        now: Timestamp,
    ) -> Result<Option<KeyWithSecrets>, StoreError> {
        transact!(self.pool, |tx, _again| keys::secrets::find(tx, hash, now))
    }

    async fn secrets_brought(&self) -> Result<Vec<SecretRecord>, StoreError> {
        transact!(self.pool, |tx, _again| keys::secrets::brought(tx))
    }

    async fn budget_set(&self, terms: Terms, now: Timestamp) -> Result<bool, StoreError> {
        change!(self, now, |tx, again| accounts::set_budget(tx, terms, again, now))
    }

    async fn credits_add(
        &self,
        id: CreditId,
        amount: Nanos,
        now: Timestamp,
    ) -> Result<Nanos, StoreError> {
        change!(self, now, |tx, _again| credits::add(tx, id, amount, now))
    }

    async fn credits_total(&self) -> Result<Option<Nanos>, StoreError> {
        transact!(self.pool, |tx, _again| credits::total(tx))
    }

    async fn account_get(
        &self,
        account: AccountId,
        now: Timestamp,
    ) -> Result<Option<AccountRecord>, StoreError> {
        transact!(self.pool, |tx, _again| accounts::get(tx, account, now))
    }

    async fn activity(
        &self,
        account: AccountId,
        from: Timestamp,
        until: Timestamp,
    ) -> Result<Vec<UsageDay>, StoreError> {
        transact!(self.pool, |tx, _again| accounts::activity(tx, account, from, until))
    }

    async fn balance(&self, account: AccountId) -> Result<Balance, StoreError> {
        transact!(self.pool, |tx, _again| spend::balance(tx, account))
    }

    async fn mark(&self, mark: AnswerMark) -> Result<(), StoreError> {
        self.writer.mark(mark).await
    }

    async fn settle(&self, settlement: Settlement) -> Result<Settled, StoreError> {
        self.writer.settle(settlement).await
    }

    async fn lease(&self, call: LeaseCall, now: Timestamp) -> Result<Leased, StoreError> {
        transact!(self.pool, |tx, _again| async {
            let timeline = nodes::fence(tx, self.history, call.epoch).await?;
            let now = self.time.now(tx, now).await?;
            if timeline != Timeline::default() {
                history::check_returned(tx, now).await?;
            }
            leases::lease(tx, &call, now).await
        })
    }

    async fn timeline(&self, now: Timestamp) -> Result<Timeline, StoreError> {
        transact!(self.watch, |tx, _again| async {
            self.history.notice(tx, self.time.now(tx, now).await?).await
        })
    }

    async fn testify(
        &self,
        testimony: &Testimony,
        now: Timestamp,
    ) -> Result<Testified, StoreError> {
        transact!(self.pool, |tx, _again| async {
            let now = self.time.now(tx, now).await?;
            let timeline = self.history.notice(tx, now).await?;
            testimony::testify(tx, timeline, testimony, now).await
        })
    }

    async fn node_join(&self, name: &str, now: Timestamp) -> Result<Joined, StoreError> {
        transact!(self.watch, |tx, _again| async {
            nodes::join(tx, self.history, name, self.time.now(tx, now).await?).await
        })
    }

    async fn node_beat(
        &self,
        epoch: Epoch,
        applied: i64,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        transact!(self.watch, |tx, _again| async {
            nodes::beat(tx, self.history, epoch, applied, self.time.now(tx, now).await?).await
        })
    }

    async fn node_poll(
        &self,
        epoch: Epoch,
        since: i64,
        now: Timestamp,
    ) -> Result<Poll, StoreError> {
        transact!(self.watch, |tx, _again| async {
            nodes::poll(tx, self.history, epoch, since, self.time.now(tx, now).await?).await
        })
    }

    async fn node_end(
        &self,
        epoch: Epoch,
        end: NodeEnd,
        now: Timestamp,
    ) -> Result<Option<u64>, StoreError> {
        transact!(self.watch, |tx, _again| async {
            nodes::end(tx, self.history, epoch, end, self.time.now(tx, now).await?).await
        })
    }

    async fn account_states(
        &self,
        accounts: &[AccountId],
    ) -> Result<Vec<(AccountId, AccountState)>, StoreError> {
        transact!(self.pool, |tx, _again| accounts::states(tx, accounts))
    }

    async fn prune(&self, epoch: Epoch, now: Timestamp) -> Result<u64, StoreError> {
        transact!(self.pool, |tx, _again| async {
            nodes::fence(tx, self.history, epoch).await?;
            prune::prune(tx, epoch, self.time.now(tx, now).await?).await
        })
    }

    async fn generation(&self, id: GenerationId) -> Result<Option<GenerationRecord>, StoreError> {
        transact!(self.pool, |tx, _again| ledger::find(tx, id))
    }

    async fn kek_list(&self) -> Result<Vec<KekRecord>, StoreError> {
        transact!(self.pool, |tx, _again| credentials::kek::list(tx))
    }

    async fn kek_add(
        &self,
        fingerprint: [u8; 32],
        after: Option<KekVersion>,
        now: Timestamp,
    ) -> Result<Option<KekRecord>, StoreError> {
        change!(self, now, |tx, _again| credentials::kek::add(tx, fingerprint, after, now))
    }

    async fn kek_retire(&self, version: KekVersion) -> Result<bool, StoreError> {
        transact!(self.pool, |tx, _again| credentials::kek::retire(tx, version))
    }

    async fn credential_create(
        &self,
        new: NewCredential,
        now: Timestamp,
    ) -> Result<CredentialWritten, StoreError> {
        change!(self, now, |tx, again| credentials::create(tx, new.clone(), now, again))
    }

    async fn credential_list(&self) -> Result<Vec<CredentialRecord>, StoreError> {
        transact!(self.pool, |tx, _again| credentials::list(tx))
    }

    async fn credential_update(
        &self,
        id: CredentialId,
        patch: CredentialPatch,
        now: Timestamp,
    ) -> Result<CredentialWritten, StoreError> {
        change!(self, now, |tx, _again| credentials::update(tx, id, patch.clone(), now))
    }

    async fn credential_delete(
        &self,
        id: CredentialId,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        change!(self, now, |tx, again| credentials::delete(tx, id, now, again))
    }

    async fn credential_rewrap(
        &self,
        id: CredentialId,
        from: KekVersion,
        wrapped: WrappedKey,
    ) -> Result<bool, StoreError> {
        transact!(self.pool, |tx, again| credentials::rewrap(tx, id, from, &wrapped, again))
    }

    async fn content_keep(&self, contents: Vec<Content>) -> Result<(), StoreError> {
        transact!(self.pool, |tx, _again| contents::keep(tx, &contents))
    }

    async fn content_get(&self, id: GenerationId) -> Result<Option<Content>, StoreError> {
        transact!(self.pool, |tx, _again| contents::get(tx, id))
    }

    async fn content_forget(&self, key: KeyId) -> Result<u64, StoreError> {
        transact!(self.pool, |tx, _again| contents::forget(tx, key))
    }

    async fn content_prune(&self, until: Timestamp) -> Result<u64, StoreError> {
        transact!(self.pool, |tx, _again| contents::prune(tx, until))
    }

    async fn probe(&self) -> Result<(), StoreError> {
        transact!(self.pool, |tx, _again| async {
            let sql = "INSERT INTO probe VALUES (1, 1)
                       ON CONFLICT (one) DO UPDATE SET probes = probe.probes + 1";
            tx.execute(sql, &[]).await?;
            Ok::<_, Failure>(())
        })
    }
}
