//! A store in memory, simple enough to be right at sight; what the real ones are compared with.

mod contents;
mod credentials;
mod credits;
#[cfg(test)]
mod inspect;
mod listing;
mod nodes;
mod prune;
mod state;
mod testimony;

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use self::listing::{is_listed, order};
use self::state::{Key, State};
use super::{
    AccountRecord, Balance, CredentialWritten, Joined, KekRecord, KeyCreated, KeyCreation,
    KeyDeleted, KeyPage, KeyQuery, KeyWithSecrets, NodeEnd, PageStart, Poll, Settled, Store,
    StoreError, Testified, Testimony, UsageDay,
};
use crate::budget::WindowKind;
use crate::clock::Timestamp;
use crate::content::Content;
use crate::credential::envelope::{KekVersion, WrappedKey};
use crate::credential::{CredentialPatch, CredentialRecord, NewCredential};
use crate::id::{
    AccountId, CredentialId, CreditId, Epoch, GenerationId, KeyHash, KeyId, Timeline, WorkspaceId,
};
use crate::key::{KeyKind, KeyPatch, KeyRecord, SecretRecord, Terms};
use crate::ledger::{
    AccountState, AnswerMark, GenerationRecord, LeaseCall, Leased, Metered, Settlement,
};
use crate::money::Nanos;

/// Keeps everything in plain collections behind one lock and looks through them from end to end.
#[derive(Debug)]
pub struct MemoryStore {
    default_workspace: WorkspaceId,
    state: Mutex<State>,
    /// Counts fail-overs, and is not part of what they lose.
    history: AtomicI64,
}

/// The state of a moment, for [`MemoryStore::fail_over`].
#[derive(Debug)]
pub struct Standby(State);

impl MemoryStore {
    pub fn new(default_workspace: WorkspaceId) -> Self {
        Self { default_workspace, state: Mutex::default(), history: AtomicI64::new(0) }
    }

    /// A standby that has all of this moment and nothing after it.
    pub fn standby(&self) -> Standby {
        Standby(self.state().clone())
    }

    /// Goes on from what the standby has.
    pub fn fail_over(&self, standby: Standby) {
        *self.state() = standby.0;
        self.history.fetch_add(1, Ordering::Relaxed);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.history_now = self.history.load(Ordering::Relaxed);
        state
    }
}

#[async_trait]
impl Store for MemoryStore {
    fn is_shared(&self) -> bool {
        true
    }

    fn default_workspace(&self) -> WorkspaceId {
        self.default_workspace
    }

    async fn key_bootstrap(
        &self,
        creation: KeyCreation,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let mut state = self.state();
        if state.keys.iter().any(|key| key.record.kind == KeyKind::Management) {
            return Ok(false);
        }
        state.add_key(&creation.key, creation.secret, now)?;
        Ok(true)
    }

    async fn key_create(
        &self,
        creation: KeyCreation,
        now: Timestamp,
    ) -> Result<KeyCreated, StoreError> {
        let mut state = self.state();
        let born_expired = creation.key.is_past(now);
        let Some(request) = creation.idempotency else {
            if born_expired {
                return Ok(KeyCreated::AlreadyExpired);
            }
            return state.add_key(&creation.key, creation.secret, now).map(KeyCreated::Created);
        };
        if let Some(answered) = state.answered(&request, now) {
            state.forget(now);
            return Ok(answered);
        }
        if born_expired {
            state.forget(now);
            return Ok(KeyCreated::AlreadyExpired);
        }
        let record = state.add_key(&creation.key, creation.secret, now)?;
        state.forget(now);
        state.remember(request, record.id, now);
        Ok(KeyCreated::Created(record))
    }

    async fn key_get(
        &self,
        kind: KeyKind,
        hash: KeyHash,
        now: Timestamp,
    ) -> Result<Option<KeyRecord>, StoreError> {
        let state = self.state();
        Ok(state.live(kind, hash, now).map(|at| state.shown(&state.keys[at], now)))
    }

    async fn key_list(&self, query: KeyQuery, now: Timestamp) -> Result<KeyPage, StoreError> {
        let state = self.state();
        let mut keys: Vec<(KeyRecord, bool)> = state
            .keys
            .iter()
            .filter(|key| key.record.kind == query.kind && key.record.workspace == query.workspace)
            .map(|key| (state.shown(key, now), !key.deleted && is_listed(&key.record, &query, now)))
            .collect();
        keys.sort_by(|(one, _), (other, _)| order(query.sort, one, other));
        // The cursor's key has its place in the order even where the list does not show it.
        let (behind, skipped) = match query.start {
            PageStart::Offset(rows) => (0, usize::try_from(rows).unwrap_or(usize::MAX)),
            PageStart::After(hash) => {
                let cursor = state.keys.iter().find(|key| key.has(hash)).map(|key| key.record.id);
                match keys.iter().position(|(key, _)| Some(key.id) == cursor) {
                    Some(position) => (position + 1, 0),
                    None => return Ok(KeyPage::UnknownCursor),
                }
            }
        };
        let listed = keys.into_iter().skip(behind).filter(|(_, listed)| *listed);
        let page = listed.skip(skipped).take(query.limit as usize);
        Ok(KeyPage::Keys(page.map(|(key, _)| key).collect()))
    }

    async fn key_update(
        &self,
        hash: KeyHash,
        patch: KeyPatch,
        now: Timestamp,
    ) -> Result<Option<KeyRecord>, StoreError> {
        let mut state = self.state();
        let Some(at) = state.live(KeyKind::Inference, hash, now) else { return Ok(None) };
        let record = &mut state.keys[at].record;
        record.name = patch.name.unwrap_or(record.name.clone());
        record.disabled = patch.disabled.unwrap_or(record.disabled);
        record.terms.limit = patch.limit.unwrap_or(record.terms.limit);
        record.terms.reset = patch.reset.unwrap_or(record.terms.reset);
        record.terms.include_byok_in_limit =
            patch.include_byok_in_limit.unwrap_or(record.terms.include_byok_in_limit);
        record.rates = patch.rates.apply(record.rates);
        record.on_limit = patch.on_limit.unwrap_or(record.on_limit);
        record.log_content = patch.log_content.unwrap_or(record.log_content);
        record.updated_at = Some(now);
        state.key_changed(at, now);
        Ok(Some(state.shown(&state.keys[at], now)))
    }

    async fn key_rotate(
        &self,
        hash: KeyHash,
        secret: SecretRecord,
        grace_until: Timestamp,
        now: Timestamp,
    ) -> Result<Option<KeyRecord>, StoreError> {
        let mut state = self.state();
        let Some(at) = state.live(KeyKind::Inference, hash, now) else { return Ok(None) };
        state.check_free(secret.hash)?;
        let key = &mut state.keys[at];
        for old in &mut key.secrets {
            old.valid_until = Some(old.valid_until.map_or(grace_until, |at| at.min(grace_until)));
        }
        key.record.hash = secret.hash;
        key.record.label.clone_from(&secret.label);
        key.record.updated_at = Some(now);
        key.secrets.insert(0, secret);
        state.key_changed(at, now);
        Ok(Some(state.shown(&state.keys[at], now)))
    }

    async fn key_delete(
        &self,
        kind: KeyKind,
        hash: KeyHash,
        now: Timestamp,
    ) -> Result<KeyDeleted, StoreError> {
        let mut state = self.state();
        let Some(at) = state.live(kind, hash, now) else { return Ok(KeyDeleted::NotFound) };
        let manages = |(other, key): (usize, &Key)| {
            let usable = !key.deleted && !key.record.disabled && !key.record.is_expired(now);
            other != at && usable && key.record.kind == KeyKind::Management
        };
        if kind == KeyKind::Management && !state.keys.iter().enumerate().any(manages) {
            return Ok(KeyDeleted::LastManagementKey);
        }
        let key = &mut state.keys[at];
        key.deleted = true;
        let deleted = KeyDeleted::Deleted(key.record.id, key.record.account);
        state.key_changed(at, now);
        Ok(deleted)
    }

    async fn secret_find(
        &self,
        hash: KeyHash,
        now: Timestamp,
    ) -> Result<Option<KeyWithSecrets>, StoreError> {
        let state = self.state();
        let key = state.keys.iter().find(|key| key.has(hash) && !key.deleted);
        Ok(key
            .map(|key| KeyWithSecrets { key: state.shown(key, now), secrets: key.secrets.clone() }))
    }

    async fn secrets_brought(&self) -> Result<Vec<SecretRecord>, StoreError> {
        let state = self.state();
        let secrets = state.keys.iter().filter(|key| !key.deleted).flat_map(|key| &key.secrets);
        let mut brought: Vec<_> = secrets.filter(|secret| !secret.minted).cloned().collect();
        brought.sort_by_key(|secret| secret.hash);
        Ok(brought)
    }

    async fn budget_set(&self, terms: Terms, now: Timestamp) -> Result<bool, StoreError> {
        Ok(self.state().set_budget(terms, now))
    }

    async fn credits_add(
        &self,
        id: CreditId,
        amount: Nanos,
        now: Timestamp,
    ) -> Result<Nanos, StoreError> {
        Ok(self.state().add_credits(id, amount, now))
    }

    async fn credits_total(&self) -> Result<Option<Nanos>, StoreError> {
        Ok(self.state().credits_total())
    }

    async fn account_get(
        &self,
        account: AccountId,
        now: Timestamp,
    ) -> Result<Option<AccountRecord>, StoreError> {
        let state = self.state();
        let is = state.state_of(account);
        Ok(is.map(|is| AccountRecord { state: is, spend: state.spend_of(account, now) }))
    }

    async fn activity(
        &self,
        account: AccountId,
        from: Timestamp,
        until: Timestamp,
    ) -> Result<Vec<UsageDay>, StoreError> {
        let day = |moment| WindowKind::Day.starts_at(moment);
        Ok(self.state().activity(account, day(from)..day(until)))
    }

    async fn balance(&self, account: AccountId) -> Result<Balance, StoreError> {
        Ok(self.state().balance(account))
    }

    async fn mark(&self, mark: AnswerMark) -> Result<(), StoreError> {
        let mut state = self.state();
        state.check_live(mark.request.epoch)?;
        state.check_key(&mark.request)?;
        check_bound(mark.authorised, &mark.request)?;
        let generation = state.generation(&mark.request);
        if generation.settlement.is_none() {
            generation.authorised = generation.authorised.max(mark.authorised);
            generation.request.reserved = generation.request.reserved.max(mark.request.reserved);
        }
        Ok(())
    }

    async fn settle(&self, mut settlement: Settlement) -> Result<Settled, StoreError> {
        let mut state = self.state();
        let request = Arc::clone(&settlement.request);
        state.check_live(request.epoch)?;
        state.check_key(&request)?;
        state.check_accounts(&request)?;
        let known = state.generations.get(&request.id);
        if let Some(written) = known.and_then(|known| known.settlement.as_ref()) {
            let same = written.charge == settlement.charge && written.byok == settlement.byok;
            return Ok(if same { Settled::Repeated } else { Settled::Differs });
        }
        let raised = known.map(|known| &known.request).filter(|it| it.reserved > request.reserved);
        check_bound(settlement.charge, raised.unwrap_or(&request))?;
        // It is the lease that keeps what was drawn.
        state.draw(request.epoch, &std::mem::take(&mut settlement.draws))?;
        state.book(settlement);
        Ok(Settled::Applied)
    }

    async fn lease(&self, call: LeaseCall, now: Timestamp) -> Result<Leased, StoreError> {
        let mut state = self.state();
        state.check_live(call.epoch)?;
        state.check_returned(now)?;
        state.lease(&call, now)
    }

    async fn timeline(&self, now: Timestamp) -> Result<Timeline, StoreError> {
        Ok(self.state().timeline(now))
    }

    async fn testify(
        &self,
        testimony: &Testimony,
        now: Timestamp,
    ) -> Result<Testified, StoreError> {
        Ok(self.state().testify(testimony, now))
    }

    async fn node_join(&self, name: &str, now: Timestamp) -> Result<Joined, StoreError> {
        Ok(self.state().join(name, now))
    }

    async fn node_beat(
        &self,
        epoch: Epoch,
        applied: i64,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut state = self.state();
        state.check_live(epoch)?;
        state.beat(epoch, applied, now);
        Ok(())
    }

    async fn node_poll(
        &self,
        epoch: Epoch,
        since: i64,
        now: Timestamp,
    ) -> Result<Poll, StoreError> {
        let state = self.state();
        state.check_live(epoch)?;
        Ok(state.poll(epoch, since, now))
    }

    async fn node_end(
        &self,
        epoch: Epoch,
        end: NodeEnd,
        now: Timestamp,
    ) -> Result<Option<u64>, StoreError> {
        let mut state = self.state();
        Ok(state.may_end(epoch, end, now)?.then(|| state.end(epoch, now)))
    }

    async fn account_states(
        &self,
        accounts: &[AccountId],
    ) -> Result<Vec<(AccountId, AccountState)>, StoreError> {
        Ok(self.state().states(accounts))
    }

    async fn prune(&self, epoch: Epoch, now: Timestamp) -> Result<u64, StoreError> {
        let mut state = self.state();
        state.check_live(epoch)?;
        Ok(state.prune(epoch, now))
    }

    async fn generation(&self, id: GenerationId) -> Result<Option<GenerationRecord>, StoreError> {
        Ok(self.state().generations.get(&id).cloned())
    }

    async fn kek_list(&self) -> Result<Vec<KekRecord>, StoreError> {
        Ok(self.state().keks.clone())
    }

    async fn kek_add(
        &self,
        fingerprint: [u8; 32],
        after: Option<KekVersion>,
        _now: Timestamp,
    ) -> Result<Option<KekRecord>, StoreError> {
        Ok(self.state().add_kek(fingerprint, after))
    }

    async fn kek_retire(&self, version: KekVersion) -> Result<bool, StoreError> {
        Ok(self.state().retire_kek(version))
    }

    async fn credential_create(
        &self,
        new: NewCredential,
        now: Timestamp,
    ) -> Result<CredentialWritten, StoreError> {
        self.state().add_credential(new, now)
    }

    async fn credential_list(&self) -> Result<Vec<CredentialRecord>, StoreError> {
        Ok(self.state().list_credentials())
    }

    async fn credential_update(
        &self,
        id: CredentialId,
        patch: CredentialPatch,
        now: Timestamp,
    ) -> Result<CredentialWritten, StoreError> {
        Ok(self.state().change_credential(id, patch, now))
    }

    async fn credential_delete(
        &self,
        id: CredentialId,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        Ok(self.state().remove_credential(id, now))
    }

    async fn credential_rewrap(
        &self,
        id: CredentialId,
        from: KekVersion,
        wrapped: WrappedKey,
    ) -> Result<bool, StoreError> {
        Ok(self.state().rewrap(id, from, wrapped))
    }

    async fn content_keep(&self, contents: Vec<Content>) -> Result<(), StoreError> {
        self.state().keep_contents(contents);
        Ok(())
    }

    async fn content_get(&self, id: GenerationId) -> Result<Option<Content>, StoreError> {
        Ok(self.state().content(id))
    }

    async fn content_forget(&self, key: KeyId) -> Result<u64, StoreError> {
        Ok(self.state().drop_contents(|content| content.key == key))
    }

    async fn content_prune(&self, until: Timestamp) -> Result<u64, StoreError> {
        let first = GenerationId::first_at(until);
        Ok(self.state().drop_contents(|content| content.generation < first))
    }

    async fn probe(&self) -> Result<(), StoreError> {
        Ok(())
    }
}

/// No mark and no charge is above what the request holds.
fn check_bound(amount: Nanos, request: &Metered) -> Result<(), StoreError> {
    if amount > request.reserved {
        return Err(StoreError::Broken(format!("{} is above its reservation", request.id)));
    }
    Ok(())
}
