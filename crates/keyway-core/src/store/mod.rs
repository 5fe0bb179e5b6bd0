//! The contract of a store: verbs of the domain, not tables.
//!
//! One call is one transaction: what it decides and what it writes are one. `now` is an argument.
//! Every call may be repeated when its answer was lost. An answer of `Ok` is durable as configured.

#[cfg(any(test, feature = "testing"))]
pub mod contract;
#[cfg(any(test, feature = "testing"))]
pub mod model;
pub mod transfer;
#[cfg(any(test, feature = "testing"))]
pub mod watched;

mod accounts;
mod commits;
mod credentials;
mod error;
mod listing;
mod runs;

use async_trait::async_trait;

pub use accounts::{AccountRecord, Balance, UsageDay, WindowBalance};
pub use commits::{Commits, Observer, Writing};
pub use credentials::{CredentialWritten, KekRecord};
pub use error::StoreError;
pub use listing::{KeyPage, KeyQuery, KeySort, PageStart};
pub use runs::{Change, Joined, NodeEnd, Poll, Testified, Testimony};

use crate::clock::Timestamp;
use crate::content::Content;
use crate::credential::envelope::{KekVersion, WrappedKey};
use crate::credential::{CredentialPatch, CredentialRecord, NewCredential};
use crate::id::{
    AccountId, CredentialId, CreditId, Epoch, GenerationId, KeyHash, KeyId, Timeline, WorkspaceId,
};
use crate::key::{KeyKind, KeyPatch, KeyRecord, NewKey, SecretRecord, Terms};
use crate::ledger::{AccountState, AnswerMark, GenerationRecord, LeaseCall, Leased, Settlement};
use crate::money::Nanos;
use crate::secret::SALT_BYTES;

/// How long an `Idempotency-Key` is remembered.
pub const IDEMPOTENCY_SECONDS: i64 = 24 * 60 * 60;
/// A node that was not heard of for so long may be ended by others.
pub const SILENCE_SECONDS: i64 = 6;
/// After a fail-over nothing is leased for so long: a node that the store lost may come back.
pub const RETURN_SECONDS: i64 = 2;

/// How long changes and ended runs are kept at least.
pub const KEPT_SECONDS: i64 = 24 * 60 * 60;
/// Rows of one sort that one call of [`Store::prune`] takes away at most.
pub const PRUNED_MAX: i64 = 500;

#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// Whether other nodes may work on it at the same time.
    fn is_shared(&self) -> bool;

    /// What can be seen of how it writes; `None` where nothing can.
    fn writing(&self) -> Option<&dyn Writing> {
        None
    }

    /// The workspace of keys that name none. Made with the installation, never changed.
    fn default_workspace(&self) -> WorkspaceId;

    /// Makes a management key if the installation never had one. Answers whether it did.
    async fn key_bootstrap(
        &self,
        creation: KeyCreation,
        now: Timestamp,
    ) -> Result<bool, StoreError>;

    /// Makes a key with its account. With an [`Idempotency`] the same creation happens once.
    async fn key_create(
        &self,
        creation: KeyCreation,
        now: Timestamp,
    ) -> Result<KeyCreated, StoreError>;

    /// The key of `kind` that `hash` belongs to: its newest hash or one in its grace period.
    /// Disabled and expired keys are found, deleted ones are not.
    async fn key_get(
        &self,
        kind: KeyKind,
        hash: KeyHash,
        now: Timestamp,
    ) -> Result<Option<KeyRecord>, StoreError>;

    async fn key_list(&self, query: KeyQuery, now: Timestamp) -> Result<KeyPage, StoreError>;

    /// Applies `patch` to the inference key and sets `updated_at`; `None` where there is none.
    async fn key_update(
        &self,
        hash: KeyHash,
        patch: KeyPatch,
        now: Timestamp,
    ) -> Result<Option<KeyRecord>, StoreError>;

    /// Gives the inference key a new secret and sets `updated_at`; the live ones stay valid until
    /// `grace_until` at most.
    async fn key_rotate(
        &self,
        hash: KeyHash,
        secret: SecretRecord,
        grace_until: Timestamp,
        now: Timestamp,
    ) -> Result<Option<KeyRecord>, StoreError>;

    /// Ends a key and all its hashes. Its charges stay.
    async fn key_delete(
        &self,
        kind: KeyKind,
        hash: KeyHash,
        now: Timestamp,
    ) -> Result<KeyDeleted, StoreError>;

    /// What authentication needs to know of the key that `hash` is or was a secret of, with all its
    /// secrets, live or not, in any order; `None` when there is none or it was deleted.
    async fn secret_find(
        &self,
        hash: KeyHash,
        now: Timestamp,
    ) -> Result<Option<KeyWithSecrets>, StoreError>;

    /// The secrets that Keyway did not make, of keys that are not deleted, by hash. They are few.
    async fn secrets_brought(&self) -> Result<Vec<SecretRecord>, StoreError>;

    /// Sets the budget of the whole installation: a change like one to a key. Answers whether it was
    /// another.
    async fn budget_set(&self, terms: Terms, now: Timestamp) -> Result<bool, StoreError>;

    /// Adds to the installation's credits, once for an `id`, and answers all that there are: what was
    /// spent before the first, and what was added since. From then on they are the limit of its
    /// budget, wherever [`Store::budget_set`] sets none: a change like any other to it.
    async fn credits_add(
        &self,
        id: CreditId,
        amount: Nanos,
        now: Timestamp,
    ) -> Result<Nanos, StoreError>;

    /// All credits that there are; `None` where none were ever added.
    async fn credits_total(&self) -> Result<Option<Nanos>, StoreError>;

    /// What an account is, and what it has spent in the windows that are open at `now`.
    async fn account_get(
        &self,
        account: AccountId,
        now: Timestamp,
    ) -> Result<Option<AccountRecord>, StoreError>;

    /// What an account used, by day, model and provider, in this order: of requests that were
    /// admitted from the day of `from` on, and before that of `until`.
    async fn activity(
        &self,
        account: AccountId,
        from: Timestamp,
        until: Timestamp,
    ) -> Result<Vec<UsageDay>, StoreError>;

    /// The newest window of each kind that `account` has a charge in.
    async fn balance(&self, account: AccountId) -> Result<Balance, StoreError>;

    /// Marks a request as being answered, up to `authorised`. A later mark may only raise it, and
    /// what the request holds (`reserved`).
    /// A mark of a request that is settled changes nothing. Only of a run that was not ended.
    async fn mark(&self, mark: AnswerMark) -> Result<(), StoreError>;

    /// Writes a charge, once: into the request's row, into the windows of its admission, and out of
    /// the leases of its node. Only of a run that was not ended.
    async fn settle(&self, settlement: Settlement) -> Result<Settled, StoreError>;

    /// Gives back, asks for budget, or both, as [`LeaseCall::grant`] decides. Grants of one account
    /// are made one after the other. Where too little is free, other nodes' leases are recalled.
    async fn lease(&self, call: LeaseCall, now: Timestamp) -> Result<Leased, StoreError>;

    /// The history that the store is on. Runs that joined in an earlier one write nothing any more. A
    /// store that cannot fail over has one.
    async fn timeline(&self, now: Timestamp) -> Result<Timeline, StoreError>;

    /// Writes again what a fail-over may have lost, where it is not there. Not tied to a run: what is
    /// testified was written before, and happened.
    async fn testify(&self, testimony: &Testimony, now: Timestamp)
    -> Result<Testified, StoreError>;

    /// Begins a new run of the node `name`, and ends its earlier ones as [`Store::node_end`] does.
    async fn node_join(&self, name: &str, now: Timestamp) -> Result<Joined, StoreError>;

    /// Says that the node lives, and that every change up to `applied` is in force on it.
    async fn node_beat(&self, epoch: Epoch, applied: i64, now: Timestamp)
    -> Result<(), StoreError>;

    /// What a node has to know of the others. Reads only.
    async fn node_poll(&self, epoch: Epoch, since: i64, now: Timestamp)
    -> Result<Poll, StoreError>;

    /// Ends a run: what it marked and did not settle is charged as authorised, as `estimated`, and
    /// its leases are free again. Answers how many requests were charged; `None` where the run had
    /// ended before, or was heard of meanwhile.
    async fn node_end(
        &self,
        epoch: Epoch,
        end: NodeEnd,
        now: Timestamp,
    ) -> Result<Option<u64>, StoreError>;

    /// What the accounts are now, in any order; of those that there are.
    async fn account_states(
        &self,
        accounts: &[AccountId],
    ) -> Result<Vec<(AccountId, AccountState)>, StoreError>;

    /// Takes away what nobody needs any more, up to [`PRUNED_MAX`] rows of each sort: changes that
    /// every live node has applied and runs that were ended, both older than [`KEPT_SECONDS`];
    /// leases of this run with nothing in them; creations that outlived [`IDEMPOTENCY_SECONDS`].
    /// What was charged stays. Answers how many rows went. Only of a run that was not ended.
    ///
    /// A lease's row knows its last call, so that a repeated one happens once. When it goes the run
    /// keeps the highest number that went: no call up to it finds an empty place to be granted anew.
    async fn prune(&self, epoch: Epoch, now: Timestamp) -> Result<u64, StoreError>;

    async fn generation(&self, id: GenerationId) -> Result<Option<GenerationRecord>, StoreError>;

    /// The key-encryption keys that there are data keys under, oldest first: one, or two while one
    /// takes the place of the other.
    async fn kek_list(&self) -> Result<Vec<KekRecord>, StoreError>;

    /// Adds a key-encryption key behind the newest, whose version is `after`, or as the first where
    /// that is `None`. Answers the record, or `None` where another was added meanwhile.
    async fn kek_add(
        &self,
        fingerprint: [u8; 32],
        after: Option<KekVersion>,
        now: Timestamp,
    ) -> Result<Option<KekRecord>, StoreError>;

    /// Takes away a key-encryption key that is not the newest. Answers whether it is gone: it stays
    /// while there are data keys under it.
    async fn kek_retire(&self, version: KekVersion) -> Result<bool, StoreError>;

    /// Keeps a credential: a change to [`AccountId::WORKSPACE`], as all that follow are.
    async fn credential_create(
        &self,
        new: NewCredential,
        now: Timestamp,
    ) -> Result<CredentialWritten, StoreError>;

    /// All credentials, by provider, in the order in which they are tried.
    async fn credential_list(&self) -> Result<Vec<CredentialRecord>, StoreError>;

    async fn credential_update(
        &self,
        id: CredentialId,
        patch: CredentialPatch,
        now: Timestamp,
    ) -> Result<CredentialWritten, StoreError>;

    /// Wipes the credential's material and takes it away. Answers whether it was there.
    async fn credential_delete(&self, id: CredentialId, now: Timestamp)
    -> Result<bool, StoreError>;

    /// Puts a data key that was wrapped anew in the place of the one under `from`. Answers whether
    /// that was there. What the credential is does not change by it.
    async fn credential_rewrap(
        &self,
        id: CredentialId,
        from: KekVersion,
        wrapped: WrappedKey,
    ) -> Result<bool, StoreError>;

    /// Keeps what was said in requests, each once, of keys that are not deleted.
    async fn content_keep(&self, contents: Vec<Content>) -> Result<(), StoreError>;

    /// What was said in a request; `None` where it is not kept, or its key was deleted.
    async fn content_get(&self, id: GenerationId) -> Result<Option<Content>, StoreError>;

    /// Takes away what was said with a key: of [`PRUNED_MAX`] requests at most, the oldest first. Answers
    /// of how many.
    async fn content_forget(&self, key: KeyId) -> Result<u64, StoreError>;

    /// The same of requests that were admitted before `until`.
    async fn content_prune(&self, until: Timestamp) -> Result<u64, StoreError>;

    /// Whether the store can be written now: writes something that changes nothing.
    async fn probe(&self) -> Result<(), StoreError>;
}

/// A key to be made, with its first secret.
#[derive(Clone, Debug)]
pub struct KeyCreation {
    pub key: NewKey,
    pub secret: SecretRecord,
    pub idempotency: Option<Idempotency>,
}

/// What ties repeated creations together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Idempotency {
    /// The management key that asks; others' `Idempotency-Key`s are theirs.
    pub actor: KeyId,
    /// SHA-256 of the `Idempotency-Key`.
    pub key: [u8; 32],
    /// SHA-256 of the request's body.
    pub body: [u8; 32],
    /// What the key string is derived from, with the installation's secret.
    pub salt: [u8; SALT_BYTES],
    /// The answer as it is given now, without the key string.
    pub answer: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "it is the usual answer, and moved once")]
pub enum KeyCreated {
    Created(KeyRecord),
    /// The same creation was answered within the last 24 h, like this.
    Replayed {
        salt: [u8; SALT_BYTES],
        answer: String,
    },
    /// The `Idempotency-Key` was used with another body.
    BodyDiffers,
    /// The key that this creation made was deleted since.
    KeyDeleted,
    /// It would be born expired. A replay is answered before this is looked at.
    AlreadyExpired,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyDeleted {
    Deleted(KeyId, AccountId),
    NotFound,
    /// No other management key is left that is neither disabled nor expired: nobody could manage.
    LastManagementKey,
}

/// What authentication needs to know of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyWithSecrets {
    pub key: KeyRecord,
    pub secrets: Vec<SecretRecord>,
}

/// What became of a settlement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settled {
    Applied,
    /// It had been written before, with the same charge.
    Repeated,
    /// The request was settled with another charge, which stands.
    Differs,
}
