//! A store that somebody watches: told of every call before it is made, and able to hold it up.

use std::sync::Arc;

use async_trait::async_trait;

use super::{
    AccountRecord, Balance, CredentialWritten, Joined, KekRecord, KeyCreated, KeyCreation,
    KeyDeleted, KeyPage, KeyQuery, KeyWithSecrets, NodeEnd, Poll, Settled, Store, StoreError,
    Testified, Testimony, UsageDay,
};
use crate::clock::Timestamp;
use crate::content::Content;
use crate::credential::envelope::{KekVersion, WrappedKey};
use crate::credential::{CredentialPatch, CredentialRecord, NewCredential};
use crate::id::{
    AccountId, CredentialId, CreditId, Epoch, GenerationId, KeyHash, KeyId, Timeline, WorkspaceId,
};
use crate::key::{KeyKind, KeyPatch, KeyRecord, SecretRecord, Terms};
use crate::ledger::{AccountState, AnswerMark, GenerationRecord, LeaseCall, Leased, Settlement};
use crate::money::Nanos;

/// Who watches.
#[async_trait]
pub trait Watch: Send + Sync + 'static {
    /// The call `verb`, named as in [`Store`], is about to be made; it is when this returns.
    async fn before(&self, verb: &'static str);

    /// Whether the store refuses to write this, which it would take else.
    fn refuses(&self, _settlement: &Settlement) -> Option<StoreError> {
        None
    }

    /// Whether the store goes away before it says that it wrote this.
    fn loses(&self, _settlement: &Settlement) -> bool {
        false
    }
}

/// Passes every call on, after [`Watch::before`].
pub struct Watched<W> {
    pub watch: W,
    inner: Arc<dyn Store>,
}

impl<W> Watched<W> {
    pub fn new(inner: Arc<dyn Store>, watch: W) -> Self {
        Self { watch, inner }
    }
}

impl<W> std::fmt::Debug for Watched<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watched").finish_non_exhaustive()
    }
}

#[async_trait]
impl<W: Watch> Store for Watched<W> {
    async fn mark(&self, mark: AnswerMark) -> Result<(), StoreError> {
        self.watch.before("mark").await;
        self.inner.mark(mark).await
    }

    async fn settle(&self, settlement: Settlement) -> Result<Settled, StoreError> {
        self.watch.before("settle").await;
        if let Some(error) = self.watch.refuses(&settlement) {
            return Err(error);
        }
        let loses = self.watch.loses(&settlement);
        let settled = self.inner.settle(settlement).await;
        if loses { Err(StoreError::Unavailable("it went away".to_owned())) } else { settled }
    }

    fn default_workspace(&self) -> WorkspaceId {
        self.inner.default_workspace()
    }

    async fn key_bootstrap(&self, new: KeyCreation, now: Timestamp) -> Result<bool, StoreError> {
        self.watch.before("key_bootstrap").await;
        self.inner.key_bootstrap(new, now).await
    }

    async fn key_create(&self, new: KeyCreation, now: Timestamp) -> Result<KeyCreated, StoreError> {
        self.watch.before("key_create").await;
        self.inner.key_create(new, now).await
    }

    async fn key_get(
        &self,
        kind: KeyKind,
        hash: KeyHash,
        now: Timestamp,
    ) -> Result<Option<KeyRecord>, StoreError> {
        self.watch.before("key_get").await;
        self.inner.key_get(kind, hash, now).await
    }

    async fn key_list(&self, query: KeyQuery, now: Timestamp) -> Result<KeyPage, StoreError> {
        self.watch.before("key_list").await;
        self.inner.key_list(query, now).await
    }

    async fn key_update(
        &self,
        hash: KeyHash,
        patch: KeyPatch,
        now: Timestamp,
    ) -> Result<Option<KeyRecord>, StoreError> {
        self.watch.before("key_update").await;
        self.inner.key_update(hash, patch, now).await
    }

    async fn key_rotate(
        &self,
        hash: KeyHash,
        secret: SecretRecord,
        grace_until: Timestamp,
        now: Timestamp,
    ) -> Result<Option<KeyRecord>, StoreError> {
        self.watch.before("key_rotate").await;
        self.inner.key_rotate(hash, secret, grace_until, now).await
    }

    async fn key_delete(
        &self,
        kind: KeyKind,
        hash: KeyHash,
        now: Timestamp,
    ) -> Result<KeyDeleted, StoreError> {
        self.watch.before("key_delete").await;
        self.inner.key_delete(kind, hash, now).await
    }

    async fn secret_find(
        &self,
        hash: KeyHash,
        now: Timestamp,
    ) -> Result<Option<KeyWithSecrets>, StoreError> {
        self.watch.before("secret_find").await;
        self.inner.secret_find(hash, now).await
    }

    async fn secrets_brought(&self) -> Result<Vec<SecretRecord>, StoreError> {
        self.watch.before("secrets_brought").await;
        self.inner.secrets_brought().await
    }

    async fn budget_set(&self, terms: Terms, now: Timestamp) -> Result<bool, StoreError> {
        self.watch.before("budget_set").await;
        self.inner.budget_set(terms, now).await
    }

    async fn credits_add(
        &self,
        id: CreditId,
        amount: Nanos,
        now: Timestamp,
    ) -> Result<Nanos, StoreError> {
        self.watch.before("credits_add").await;
        self.inner.credits_add(id, amount, now).await
    }

    async fn credits_total(&self) -> Result<Option<Nanos>, StoreError> {
        self.watch.before("credits_total").await;
        self.inner.credits_total().await
    }

    async fn account_get(
        &self,
        account: AccountId,
        now: Timestamp,
    ) -> Result<Option<AccountRecord>, StoreError> {
        self.watch.before("account_get").await;
        self.inner.account_get(account, now).await
    }

    async fn activity(
        &self,
        account: AccountId,
        from: Timestamp,
        until: Timestamp,
    ) -> Result<Vec<UsageDay>, StoreError> {
        self.watch.before("activity").await;
        self.inner.activity(account, from, until).await
    }

    async fn account_states(
        &self,
        accounts: &[AccountId],
    ) -> Result<Vec<(AccountId, AccountState)>, StoreError> {
        self.watch.before("account_states").await;
        self.inner.account_states(accounts).await
    }

    async fn prune(&self, epoch: Epoch, now: Timestamp) -> Result<u64, StoreError> {
        self.watch.before("prune").await;
        self.inner.prune(epoch, now).await
    }

    async fn balance(&self, account: AccountId) -> Result<Balance, StoreError> {
        self.watch.before("balance").await;
        self.inner.balance(account).await
    }

    fn is_shared(&self) -> bool {
        self.inner.is_shared()
    }

    async fn lease(&self, call: LeaseCall, now: Timestamp) -> Result<Leased, StoreError> {
        self.watch.before("lease").await;
        self.inner.lease(call, now).await
    }

    async fn timeline(&self, now: Timestamp) -> Result<Timeline, StoreError> {
        self.watch.before("timeline").await;
        self.inner.timeline(now).await
    }

    async fn testify(
        &self,
        testimony: &Testimony,
        now: Timestamp,
    ) -> Result<Testified, StoreError> {
        self.watch.before("testify").await;
        self.inner.testify(testimony, now).await
    }

    async fn node_join(&self, name: &str, now: Timestamp) -> Result<Joined, StoreError> {
        self.watch.before("node_join").await;
        self.inner.node_join(name, now).await
    }

    async fn node_beat(
        &self,
        epoch: Epoch,
        applied: i64,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.watch.before("node_beat").await;
        self.inner.node_beat(epoch, applied, now).await
    }

    async fn node_poll(
        &self,
        epoch: Epoch,
        since: i64,
        now: Timestamp,
    ) -> Result<Poll, StoreError> {
        self.watch.before("node_poll").await;
        self.inner.node_poll(epoch, since, now).await
    }

    async fn node_end(
        &self,
        epoch: Epoch,
        end: NodeEnd,
        now: Timestamp,
    ) -> Result<Option<u64>, StoreError> {
        self.watch.before("node_end").await;
        self.inner.node_end(epoch, end, now).await
    }

    async fn generation(&self, id: GenerationId) -> Result<Option<GenerationRecord>, StoreError> {
        self.watch.before("generation").await;
        self.inner.generation(id).await
    }

    async fn kek_list(&self) -> Result<Vec<KekRecord>, StoreError> {
        self.watch.before("kek_list").await;
        self.inner.kek_list().await
    }

    async fn kek_add(
        &self,
        fingerprint: [u8; 32],
        after: Option<KekVersion>,
        now: Timestamp,
    ) -> Result<Option<KekRecord>, StoreError> {
        self.watch.before("kek_add").await;
        self.inner.kek_add(fingerprint, after, now).await
    }

    async fn kek_retire(&self, version: KekVersion) -> Result<bool, StoreError> {
        self.watch.before("kek_retire").await;
        self.inner.kek_retire(version).await
    }

    async fn credential_create(
        &self,
        new: NewCredential,
        now: Timestamp,
    ) -> Result<CredentialWritten, StoreError> {
        self.watch.before("credential_create").await;
        self.inner.credential_create(new, now).await
    }

    async fn credential_list(&self) -> Result<Vec<CredentialRecord>, StoreError> {
        self.watch.before("credential_list").await;
        self.inner.credential_list().await
    }

    async fn credential_update(
        &self,
        id: CredentialId,
        patch: CredentialPatch,
        now: Timestamp,
    ) -> Result<CredentialWritten, StoreError> {
        self.watch.before("credential_update").await;
        self.inner.credential_update(id, patch, now).await
    }

    async fn credential_delete(
        &self,
        id: CredentialId,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        self.watch.before("credential_delete").await;
        self.inner.credential_delete(id, now).await
    }

    async fn credential_rewrap(
        &self,
        id: CredentialId,
        from: KekVersion,
        wrapped: WrappedKey,
    ) -> Result<bool, StoreError> {
        self.watch.before("credential_rewrap").await;
        self.inner.credential_rewrap(id, from, wrapped).await
    }

    async fn content_keep(&self, contents: Vec<Content>) -> Result<(), StoreError> {
        self.watch.before("content_keep").await;
        self.inner.content_keep(contents).await
    }

    async fn content_get(&self, id: GenerationId) -> Result<Option<Content>, StoreError> {
        self.watch.before("content_get").await;
        self.inner.content_get(id).await
    }

    async fn content_forget(&self, key: KeyId) -> Result<u64, StoreError> {
        self.watch.before("content_forget").await;
        self.inner.content_forget(key).await
    }

    async fn content_prune(&self, until: Timestamp) -> Result<u64, StoreError> {
        self.watch.before("content_prune").await;
        self.inner.content_prune(until).await
    }

    async fn probe(&self) -> Result<(), StoreError> {
        self.watch.before("probe").await;
        self.inner.probe().await
    }
}
