//! What the model knows, and how it is looked up.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use crate::budget::WindowKind;
use crate::clock::Timestamp;
use crate::content::Content;
use crate::credential::CredentialRecord;
use crate::id::{AccountId, CreditId, Epoch, GenerationId, KeyHash, KeyId, Timeline};
use crate::key::{KeyKind, KeyRecord, KeySpend, NewKey, SecretRecord, Terms, WindowSpend};
use crate::ledger::{AccountState, GenerationRecord, Metered, Settlement, Slice};
use crate::money::Nanos;
use crate::pricing::Usage;
use crate::store::{
    Balance, IDEMPOTENCY_SECONDS, Idempotency, KekRecord, KeyCreated, StoreError, UsageDay,
    WindowBalance,
};

#[derive(Clone, Debug, Default)]
pub(super) struct State {
    /// In the order of their creation; deleted ones stay.
    pub(super) keys: Vec<Key>,
    pub(super) idempotency: BTreeMap<(KeyId, [u8; 32]), Remembered>,
    windows: BTreeMap<(AccountId, WindowKind, Timestamp), Window>,
    pub(super) generations: BTreeMap<GenerationId, GenerationRecord>,
    pub(super) nodes: BTreeMap<Epoch, Node>,
    pub(super) leases: BTreeMap<(Slice, Epoch), Lease>,
    /// The account that changed and when, by the number of the change.
    pub(super) changes: BTreeMap<i64, (AccountId, Timestamp)>,
    /// The last numbers that were given out, of what is not kept any more too.
    pub(super) numbers: Numbers,
    /// Fail-overs that this state knows of, and what they began.
    pub(super) history: i64,
    pub(super) timeline: Timeline,
    pub(super) timeline_at: Timestamp,
    /// Fail-overs that there were.
    pub(super) history_now: i64,
    /// The installation's.
    pub(super) budget: Terms,
    /// Oldest first.
    pub(super) keks: Vec<KekRecord>,
    /// In the order of their creation.
    pub(super) credentials: Vec<CredentialRecord>,
    pub(super) credits: BTreeMap<CreditId, Nanos>,
    pub(super) contents: BTreeMap<GenerationId, Content>,
}

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Numbers {
    pub(super) keys: i64,
    pub(super) changes: i64,
    pub(super) epochs: i64,
}

#[derive(Clone, Debug)]
pub(super) struct Key {
    /// Without its spend, which is worked out when it is shown.
    pub(super) record: KeyRecord,
    pub(super) deleted: bool,
    /// Newest first.
    pub(super) secrets: Vec<SecretRecord>,
}

impl Key {
    pub(super) fn has(&self, hash: KeyHash) -> bool {
        self.secrets.iter().any(|secret| secret.hash == hash)
    }
}

/// One run of a node.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) name: String,
    pub(super) live: bool,
    pub(super) heard_at: Timestamp,
    pub(super) applied: i64,
    /// No call up to this number is made anew where there is no lease.
    pub(super) lease_floor: i64,
    pub(super) timeline: Timeline,
}

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Lease {
    pub(super) outstanding: Nanos,
    /// Of the last call, and what it was granted.
    pub(super) seq: i64,
    pub(super) granted: Nanos,
    pub(super) recalled: bool,
}

#[derive(Clone, Debug)]
pub(super) struct Remembered {
    request: Idempotency,
    made: KeyId,
    at: Timestamp,
}

impl Remembered {
    fn is_outlived(&self, now: Timestamp) -> bool {
        now >= self.at.plus_seconds(IDEMPOTENCY_SECONDS)
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Window {
    spend: WindowSpend,
    last_at: Timestamp,
}

impl State {
    pub(super) fn add_key(
        &mut self,
        key: &NewKey,
        secret: SecretRecord,
        now: Timestamp,
    ) -> Result<KeyRecord, StoreError> {
        self.check_free(secret.hash)?;
        self.timeline(now);
        self.numbers.keys += 1;
        let number = self.numbers.keys;
        let record = key.record(KeyId(number), AccountId(number), &secret, now);
        self.keys.push(Key { record: record.clone(), deleted: false, secrets: vec![secret] });
        Ok(record)
    }

    /// A hash belongs to one key for ever.
    pub(super) fn check_free(&self, hash: KeyHash) -> Result<(), StoreError> {
        if self.keys.iter().any(|key| key.has(hash)) {
            return Err(StoreError::Broken(format!("{hash} is taken")));
        }
        Ok(())
    }

    /// Nothing is metered for nobody.
    pub(super) fn check_key(&self, request: &Metered) -> Result<(), StoreError> {
        if !self.keys.iter().any(|key| key.record.id == request.key) {
            return Err(StoreError::Broken(format!("{} is no key's", request.id)));
        }
        Ok(())
    }

    /// Nothing is charged to nobody.
    pub(super) fn check_accounts(&self, request: &Metered) -> Result<(), StoreError> {
        if !request.accounts.iter().all(|id| self.state_of(*id).is_some()) {
            return Err(StoreError::Broken(format!("{} is charged to nobody", request.id)));
        }
        Ok(())
    }

    /// Takes the next number for a change to the key at this place.
    pub(super) fn key_changed(&mut self, key: usize, now: Timestamp) {
        self.changed(self.keys[key].record.account, now);
    }

    pub(super) fn changed(&mut self, account: AccountId, now: Timestamp) {
        self.timeline(now);
        self.numbers.changes += 1;
        self.changes.insert(self.numbers.changes, (account, now));
    }

    /// Credits are the limit where the terms have none.
    pub(super) fn set_budget(&mut self, terms: Terms, now: Timestamp) -> bool {
        let terms = Terms { limit: terms.limit.or(self.credits_total()), ..terms };
        let is_new = self.budget != terms;
        if is_new {
            self.budget = terms;
            self.changed(AccountId::INSTALLATION, now);
        }
        is_new
    }

    /// The key that an account is the budget of.
    pub(super) fn key_of(&self, account: AccountId) -> Option<&Key> {
        self.keys.iter().find(|key| key.record.account == account)
    }

    pub(super) fn state_of(&self, account: AccountId) -> Option<AccountState> {
        if account == AccountId::INSTALLATION {
            return Some(AccountState { terms: self.budget, open: true });
        }
        if account == AccountId::WORKSPACE {
            return Some(AccountState { terms: Terms::default(), open: true });
        }
        let Key { record, deleted, .. } = self.key_of(account)?;
        Some(AccountState { terms: record.terms, open: !record.disabled && !deleted })
    }

    pub(super) fn spend(&self, slice: &Slice) -> WindowSpend {
        let window = self.windows.get(&(slice.account, slice.kind, slice.starts_at));
        window.map_or_else(WindowSpend::default, |window| window.spend)
    }

    pub(super) fn answered(&self, request: &Idempotency, now: Timestamp) -> Option<KeyCreated> {
        let known = self.idempotency.get(&(request.actor, request.key))?;
        if known.is_outlived(now) {
            return None;
        }
        let deleted = self.keys.iter().any(|key| key.record.id == known.made && key.deleted);
        Some(if known.request.body != request.body {
            KeyCreated::BodyDiffers
        } else if deleted {
            KeyCreated::KeyDeleted
        } else {
            KeyCreated::Replayed { salt: known.request.salt, answer: known.request.answer.clone() }
        })
    }

    pub(super) fn remember(&mut self, request: Idempotency, made: KeyId, now: Timestamp) {
        let answered = (request.actor, request.key);
        self.idempotency.insert(answered, Remembered { request, made, at: now });
    }

    /// What outlived its day is gone, even if the clock goes back.
    pub(super) fn forget(&mut self, now: Timestamp) {
        self.idempotency.retain(|_, known| !known.is_outlived(now));
    }

    pub(super) fn live(&self, kind: KeyKind, hash: KeyHash, now: Timestamp) -> Option<usize> {
        let live = |secret: &SecretRecord| secret.hash == hash && secret.is_live(now);
        self.keys
            .iter()
            .position(|key| key.record.kind == kind && !key.deleted && key.secrets.iter().any(live))
    }

    pub(super) fn shown(&self, key: &Key, now: Timestamp) -> KeyRecord {
        let spend = self.spend_of(key.record.account, now);
        KeyRecord { spend, ..key.record.clone() }
    }

    pub(super) fn spend_of(&self, account: AccountId, now: Timestamp) -> KeySpend {
        let balance = self.balance(account);
        let windows = WindowKind::ALL.map(|kind| {
            // A window never opens again: where the clock stepped back, a later one stays open.
            let newest = balance[kind.index()];
            if newest.starts_at >= kind.starts_at(now) {
                newest.spend
            } else {
                WindowSpend::default()
            }
        });
        let total = (account, WindowKind::Total, Timestamp::default());
        let last_used_at = self.windows.get(&total).map(|window| window.last_at);
        let mine = self.leases.iter().filter(|((slice, _), _)| slice.account == account);
        let leased =
            mine.fold(Nanos::ZERO, |sum, (_, lease)| sum.saturating_add(lease.outstanding));
        KeySpend { windows, leased, last_used_at }
    }

    /// Worked out from the requests, one by one.
    pub(super) fn activity(&self, account: AccountId, days: Range<Timestamp>) -> Vec<UsageDay> {
        let mut all = BTreeMap::<(Timestamp, String, String), UsageDay>::new();
        for record in self.generations.values() {
            let request = &record.request;
            let day = request.windows.start_of(WindowKind::Day);
            let Some(settlement) = &record.settlement else { continue };
            if !request.accounts.contains(&account) || !days.contains(&day) {
                continue;
            }
            let (model, provider) = (request.model.clone(), request.provider.clone());
            let known = all.entry((day, model.clone(), provider.clone()));
            let known = known.or_insert_with(|| UsageDay {
                day,
                model,
                provider,
                requests: 0,
                usage: Usage::default(),
                spend: WindowSpend::default(),
            });
            known.requests += 1;
            known.usage.prompt_tokens += settlement.usage.prompt_tokens;
            known.usage.completion_tokens += settlement.usage.completion_tokens;
            known.usage.cached_tokens += settlement.usage.cached_tokens;
            known.usage.reasoning_tokens += settlement.usage.reasoning_tokens;
            known.spend.spent = known.spend.spent.saturating_add(settlement.charge);
            known.spend.byok = known.spend.byok.saturating_add(settlement.byok);
        }
        all.into_values().collect()
    }

    pub(super) fn balance(&self, account: AccountId) -> Balance {
        WindowKind::ALL.map(|kind| {
            let bounds = |at: i64| (account, kind, Timestamp::from_micros(at));
            let mut windows = self.windows.range(bounds(i64::MIN)..=bounds(i64::MAX));
            windows.next_back().map_or_else(
                WindowBalance::default,
                |((_, _, starts_at), window)| WindowBalance {
                    starts_at: *starts_at,
                    spend: window.spend,
                },
            )
        })
    }

    pub(super) fn generation(&mut self, request: &Metered) -> &mut GenerationRecord {
        self.generations.entry(request.id).or_insert_with(|| GenerationRecord {
            request: request.clone(),
            authorised: Nanos::ZERO,
            settlement: None,
        })
    }

    /// Puts a charge in the place of another of the same request, which stays with the model and the
    /// provider that it is counted at.
    pub(super) fn correct(&mut self, written: &Settlement, mut charge: Settlement) {
        for account in &written.request.accounts {
            for kind in WindowKind::ALL {
                let starts_at = written.request.windows.start_of(kind);
                let window = self.windows.entry((*account, kind, starts_at)).or_default();
                window.spend.spent = window.spend.spent.saturating_sub(written.charge);
                window.spend.byok = window.spend.byok.saturating_sub(written.byok);
            }
        }
        let known = &self.generation(&charge.request).request;
        let (model, provider) = (known.model.clone(), known.provider.clone());
        charge.request = Arc::new(Metered { model, provider, ..charge.request.as_ref().clone() });
        self.book(charge);
    }

    pub(super) fn book(&mut self, mut settlement: Settlement) {
        for account in &settlement.request.accounts {
            for kind in WindowKind::ALL {
                let starts_at = settlement.request.windows.start_of(kind);
                let window = self.windows.entry((*account, kind, starts_at)).or_default();
                window.spend.spent = window.spend.spent.saturating_add(settlement.charge);
                window.spend.byok = window.spend.byok.saturating_add(settlement.byok);
                window.last_at = window.last_at.max(settlement.settled_at);
            }
        }
        let request = Arc::clone(&settlement.request);
        let generation = self.generation(&request);
        // Which endpoint answered is known for sure only now.
        generation.request.model.clone_from(&request.model);
        generation.request.provider.clone_from(&request.provider);
        generation.request.is_byok = request.is_byok;
        generation.request.reserved = generation.request.reserved.max(request.reserved);
        settlement.request = Arc::new(generation.request.clone());
        generation.settlement = Some(settlement);
    }
}
