//! Random sequences of calls, made of a store and of the model: every answer has to be the same.

mod credentials;
mod generate;

use std::fmt::Debug;
use std::sync::Arc;

use self::credentials::CredentialCall;
pub use self::generate::operations;
use super::fixture::{EPOCH, begin, everything, inference, secret};
use crate::budget::{WindowKind, Windows};
use crate::clock::Timestamp;
use crate::content::Content;
use crate::id::{AccountId, CreditId, Epoch, GenerationId, KeyHash, KeyId};
use crate::key::{KeyKind, KeyName, KeyPatch, OnLimit, Terms};
use crate::ledger::{
    AnswerMark, ApiType, Course, Draw, Ending, LeaseCall, Metered, Origin, Settlement, Slice,
};
use crate::money::Nanos;
use crate::pricing::Usage;
use crate::rate::RateLimits;
use crate::store::model::MemoryStore;
use crate::store::{Idempotency, KeyCreation, KeyQuery, KeySort, PageStart, Store, StoreError};

/// Few of everything, so that calls meet.
const SECRETS: u8 = 7;
const REQUESTS: u8 = 6;
const KEYS: i64 = 4;
/// Half a minute before a Monday that begins a month.
const BEGIN: Timestamp = Timestamp::from_micros(1_780_271_970_000_000);

/// One call, at a moment that is `step` seconds after the one before it.
#[derive(Clone, Debug)]
pub struct Operation {
    step: i64,
    verb: Verb,
}

#[derive(Clone, Debug)]
enum Verb {
    Bootstrap { secret: u8 },
    Create(Create),
    Get { kind: KeyKind, secret: u8 },
    Update { secret: u8, patch: KeyPatch },
    Rotate { secret: u8, new: u8, grace: i64 },
    Delete { kind: KeyKind, secret: u8 },
    Find { secret: u8 },
    List(List),
    Mark { request: u8, extended: bool, authorised: Nanos },
    Settle { request: u8, extended: bool, charge: Nanos, byok: Nanos, drawn: Option<Nanos> },
    Lease { account: i64, day: bool, seq: i64, give_back: Nanos, want: Nanos, ahead: Nanos },
    Poll { since: i64 },
    Budget(Terms),
    Credits { id: u8, amount: Nanos },
    Join,
    Beat { applied: i64 },
    Prune,
    States,
    Credential(CredentialCall),
    Keep { requests: Vec<u8> },
    Forget { key: i64 },
    PruneContents { days: i64 },
}

#[derive(Clone, Debug)]
struct Create {
    kind: KeyKind,
    secret: u8,
    minted: bool,
    name: KeyName,
    terms: Terms,
    rates: RateLimits,
    on_limit: OnLimit,
    log_content: bool,
    lives: Option<i64>,
    idempotency: Option<(i64, u8)>,
}

#[derive(Clone, Debug)]
struct List {
    kind: KeyKind,
    include_disabled: bool,
    include_expired: bool,
    contains: Option<String>,
    sort: KeySort,
    start: Start,
    limit: u32,
}

#[derive(Clone, Copy, Debug)]
enum Start {
    Offset(u64),
    After(u8),
}

/// Asks `store`, which is new, and a model the same things; panics where they disagree.
pub async fn compare(store: &dyn Store, operations: &[Operation]) {
    let model = MemoryStore::new(store.default_workspace());
    let mut now = BEGIN;
    begin(store).await;
    begin(&model).await;
    let mut epoch = EPOCH;
    for (number, Operation { step, verb }) in operations.iter().enumerate() {
        now = now.plus_seconds(*step);
        if let Verb::Join = verb {
            let joined =
                [store.node_join("contract", now).await, model.node_join("contract", now).await];
            assert_eq!(joined[0], joined[1], "call {number}, {verb:?} at {now}");
            epoch = joined[0].as_ref().map_or(epoch, |joined| joined.epoch);
            continue;
        }
        let answers = (ask(store, verb, epoch, now).await, ask(&model, verb, epoch, now).await);
        assert_eq!(answers.0, answers.1, "call {number}, {verb:?} at {now}");
    }
    for (seen, expected) in look(store, now).await.iter().zip(look(&model, now).await) {
        assert_eq!(*seen, expected, "in the end, at {now}");
    }
}

/// The answer to one call, in words. How a store says that it is broken is its own affair.
async fn ask(store: &dyn Store, verb: &Verb, epoch: Epoch, now: Timestamp) -> String {
    match verb.clone() {
        Verb::Bootstrap { secret } => {
            let mut creation = inference(store, &text(secret));
            creation.key.kind = KeyKind::Management;
            told(store.key_bootstrap(creation, now).await)
        }
        Verb::Create(create) => told(store.key_create(create.creation(store, now), now).await),
        Verb::Get { kind, secret } => told(store.key_get(kind, hash(secret), now).await),
        Verb::Update { secret, patch } => told(store.key_update(hash(secret), patch, now).await),
        Verb::Rotate { secret: old, new, grace } => {
            let until = now.plus_seconds(grace);
            told(store.key_rotate(hash(old), secret(&text(new)), until, now).await)
        }
        Verb::Delete { kind, secret } => told(store.key_delete(kind, hash(secret), now).await),
        Verb::Find { secret } => {
            let mut found = store.secret_find(hash(secret), now).await;
            if let Ok(Some(credential)) = &mut found {
                credential.secrets.sort_by_key(|secret| secret.hash);
            }
            told(found)
        }
        Verb::List(list) => told(store.key_list(list.query(store), now).await),
        Verb::Mark { request, extended, authorised } => {
            let request = metered(request, epoch, extended);
            told(store.mark(AnswerMark { request, authorised }).await)
        }
        Verb::Settle { request, extended, charge, byok, drawn } => {
            let request = metered(request, epoch, extended);
            let slice = |account| Slice {
                account,
                kind: WindowKind::Total,
                starts_at: request.windows.start_of(WindowKind::Total),
            };
            let draw = |amount| Draw { slice: slice(request.accounts[0]), amount };
            let draws = drawn.map(draw).into_iter().collect();
            told(
                store.settle(Settlement { draws, ..settlement(&request, charge, byok, now) }).await,
            )
        }
        Verb::Lease { account, day, seq, give_back, want, ahead } => {
            let kind = if day { WindowKind::Day } else { WindowKind::Total };
            let call = LeaseCall {
                epoch,
                slice: Slice { account: AccountId(account), kind, starts_at: kind.starts_at(now) },
                seq,
                give_back,
                least: want,
                want,
                ahead,
                share: 2,
            };
            told(store.lease(call, now).await)
        }
        Verb::Budget(terms) => told(store.budget_set(terms, now).await),
        Verb::Credits { id, amount } => {
            told(store.credits_add(CreditId([id; 16]), amount, now).await)
        }
        Verb::Poll { since } => told(store.node_poll(epoch, since, now).await),
        Verb::Beat { applied } => told(store.node_beat(epoch, applied, now).await),
        Verb::Prune => told(store.prune(epoch, now).await),
        Verb::States => {
            let accounts: Vec<_> = (0..=KEYS).map(AccountId).collect();
            let mut states = store.account_states(&accounts).await;
            if let Ok(states) = &mut states {
                states.sort_by_key(|(account, _)| *account);
            }
            told(states)
        }
        Verb::Credential(call) => credentials::ask(store, call, now).await,
        Verb::Keep { requests } => {
            let contents = requests.into_iter().map(|number| content(number, epoch)).collect();
            told(store.content_keep(contents).await)
        }
        Verb::Forget { key } => told(store.content_forget(KeyId(key)).await),
        Verb::PruneContents { days } => {
            let until = BEGIN.plus_seconds(days * 86_400);
            told(store.content_prune(until).await)
        }
        Verb::Join => unreachable!("`compare` does it, to learn of the new run"),
    }
}

/// Everything that a store tells without being changed.
async fn look(store: &dyn Store, now: Timestamp) -> Vec<String> {
    let mut told_all = vec![
        told(store.secrets_brought().await),
        told(store.kek_list().await),
        told(store.credential_list().await),
        told(store.credits_total().await),
    ];
    for account in (0..=KEYS).map(AccountId) {
        told_all.push(told(store.balance(account).await));
        told_all.push(told(store.account_get(account, now).await));
        let (from, until) = (BEGIN, BEGIN.plus_seconds(2 * 86_400));
        told_all.push(told(store.activity(account, from, until).await));
    }
    for request in 0..REQUESTS {
        let id = metered(request, EPOCH, false).id;
        told_all.push(told(store.generation(id).await));
        told_all.push(told(store.content_get(id).await));
    }
    for kind in [KeyKind::Inference, KeyKind::Management] {
        for sort in KeySort::ALL {
            let query = KeyQuery { kind, sort, ..everything(store) };
            told_all.push(told(store.key_list(query, now).await));
        }
    }
    told_all
}

fn told<T: Debug>(answer: Result<T, StoreError>) -> String {
    match answer {
        Ok(answer) => format!("{answer:?}"),
        Err(StoreError::Broken(_)) => "broken".to_owned(),
        Err(error) => format!("{error:?}"),
    }
}

fn text(secret: u8) -> String {
    format!("secret number {secret}")
}

fn hash(number: u8) -> KeyHash {
    secret(&text(number)).hash
}

impl Create {
    fn creation(self, store: &dyn Store, now: Timestamp) -> KeyCreation {
        let mut creation = inference(store, &text(self.secret));
        creation.secret.minted = self.minted;
        creation.key.kind = self.kind;
        creation.key.name = self.name;
        creation.key.terms = self.terms;
        creation.key.rates = self.rates;
        creation.key.on_limit = self.on_limit;
        creation.key.log_content = self.log_content;
        creation.key.expires_at = self.lives.map(|seconds| now.plus_seconds(seconds));
        creation.idempotency = self.idempotency.map(|(actor, body)| Idempotency {
            actor: KeyId(actor),
            key: [0; 32],
            body: [body; 32],
            salt: [self.secret; 16],
            answer: text(self.secret),
        });
        creation
    }
}

impl List {
    fn query(self, store: &dyn Store) -> KeyQuery {
        KeyQuery {
            kind: self.kind,
            include_disabled: self.include_disabled,
            include_expired: self.include_expired,
            contains: self.contains,
            sort: self.sort,
            start: match self.start {
                Start::Offset(rows) => PageStart::Offset(rows),
                Start::After(secret) => PageStart::After(hash(secret)),
            },
            limit: self.limit,
            ..everything(store)
        }
    }
}

/// What was said in a request; whether that is known does not matter.
fn content(number: u8, epoch: Epoch) -> Content {
    let request = metered(number, epoch, false);
    Content { generation: request.id, key: request.key, sealed: vec![number; 3] }
}

/// The same request whenever it is named. Some are admitted before midnight and some after it.
fn metered(number: u8, epoch: Epoch, extended: bool) -> Arc<Metered> {
    let admitted_at = BEGIN.plus_seconds(i64::from(number) * 36_000);
    let key = i64::from(number) % KEYS + 1;
    // The first key's account is on everybody's path, and that of the installation on some.
    let mut accounts = if key == 1 { vec![1] } else { vec![key, 1] };
    if number.is_multiple_of(3) {
        accounts.insert(0, 0);
    }
    Arc::new(Metered {
        id: GenerationId::new(admitted_at, [number; 10]),
        epoch,
        key: KeyId(key),
        accounts: accounts.into_iter().map(AccountId).collect(),
        windows: Windows::at(admitted_at),
        reserved: Nanos::new(if extended { 3_000 } else { 2_500 }),
        model: if extended { "keyway/other" } else { "keyway/echo" }.to_owned(),
        provider: if extended { "other" } else { "echo" }.to_owned(),
        is_byok: extended,
        streamed: number.is_multiple_of(2),
        admitted_at,
        origin: Arc::new(Origin {
            api_type: ApiType::ALL.get(usize::from(number)).copied(),
            external_user: (number % 2 == 1).then(|| text(number)),
            media_prompt: number.checked_sub(2).map(u64::from),
            ..Origin::default()
        }),
    })
}

fn settlement(
    request: &Arc<Metered>,
    charge: Nanos,
    byok: Nanos,
    settled_at: Timestamp,
) -> Settlement {
    let number = request.id.as_bytes()[15];
    Settlement {
        request: Arc::clone(request),
        charge,
        draws: Vec::new(),
        byok,
        overrun: Nanos::ZERO,
        absorbed: charge,
        usage: Usage {
            cached_tokens: u64::from(number) / 2,
            reasoning_tokens: u64::from(number % 9),
            image_output_tokens: u64::from(number % 4),
            ..Usage::of(u64::from(number), 9)
        },
        ending: Ending::ALL[usize::from(number) % Ending::ALL.len()],
        estimated: number.is_multiple_of(3),
        settled_at,
        course: Arc::new(Course {
            endpoint: (number % 2 == 1).then(|| text(number)),
            first_ms: number.checked_sub(1).map(u64::from),
            cache_discount: number.is_multiple_of(2).then_some(charge),
            ..Course::default()
        }),
    }
}
