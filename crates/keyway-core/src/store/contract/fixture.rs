//! What the behaviours are written with.

use std::sync::Arc;

use crate::budget::Windows;
use crate::clock::Timestamp;
use crate::id::{Epoch, GenerationId, KeyHash};
use crate::key::{KeyKind, KeyName, KeyRecord, NewKey, OnLimit, SecretRecord, Terms};
use crate::ledger::{AnswerMark, ApiType, Course, Ending, Metered, Origin, Settlement, Tried};
use crate::money::Nanos;
use crate::pricing::Usage;
use crate::rate::RateLimits;
use crate::secret::{KeySecret, Tag};
use crate::store::{KeyCreated, KeyCreation, KeyPage, KeyQuery, KeySort, PageStart, Store};

/// The run of the node that the behaviours are written for.
pub const EPOCH: Epoch = Epoch(1);

/// Joins as the node that the behaviours are written for; the store is new.
pub async fn begin(store: &dyn Store) {
    let joined = store.node_join("contract", now()).await.expect("the store can be written");
    assert_eq!(joined.epoch, EPOCH, "the first run of a new store");
}

/// A Wednesday in the middle of a month.
pub fn now() -> Timestamp {
    at("2026-07-15T12:00:00Z")
}

pub fn at(text: &str) -> Timestamp {
    Timestamp::parse_utc(text).expect(text)
}

/// The secret that the string `text` is.
pub fn secret(text: &str) -> SecretRecord {
    let presented = KeySecret::from_presented(text);
    SecretRecord {
        hash: presented.hash(),
        tag: Tag::from_bytes(*KeyHash::of(presented.hash().to_string().as_str()).as_bytes()),
        label: presented.label(),
        minted: true,
        valid_until: None,
    }
}

/// An inference key called `name`, without a limit, whose secret is `name` too.
pub fn inference(store: &dyn Store, name: &str) -> KeyCreation {
    let key = NewKey {
        kind: KeyKind::Inference,
        name: KeyName::new(name).expect("a good name"),
        workspace: store.default_workspace(),
        terms: Terms::default(),
        rates: RateLimits::default(),
        on_limit: OnLimit::default(),
        log_content: false,
        expires_at: None,
        creator_user_id: None,
        external_user: None,
    };
    KeyCreation { key, secret: secret(name), idempotency: None }
}

pub fn management(store: &dyn Store, name: &str) -> KeyCreation {
    let mut creation = inference(store, name);
    creation.key.kind = KeyKind::Management;
    creation
}

/// Makes a key that is not there yet.
pub async fn create(store: &dyn Store, creation: KeyCreation) -> KeyRecord {
    match store.key_create(creation, now()).await {
        Ok(KeyCreated::Created(key)) => key,
        other => panic!("the key is not made: {other:?}"),
    }
}

pub async fn get(store: &dyn Store, hash: KeyHash, now: Timestamp) -> Option<KeyRecord> {
    store.key_get(KeyKind::Inference, hash, now).await.expect("the store can be read")
}

/// All inference keys of the default workspace, newest first.
pub fn everything(store: &dyn Store) -> KeyQuery {
    KeyQuery {
        kind: KeyKind::Inference,
        workspace: store.default_workspace(),
        include_disabled: true,
        include_expired: true,
        contains: None,
        sort: KeySort::Newest,
        start: PageStart::Offset(0),
        limit: 100,
    }
}

pub async fn list(store: &dyn Store, query: KeyQuery, now: Timestamp) -> Vec<KeyRecord> {
    match store.key_list(query, now).await {
        Ok(KeyPage::Keys(keys)) => keys,
        other => panic!("no page: {other:?}"),
    }
}

pub async fn names(store: &dyn Store, query: KeyQuery) -> Vec<String> {
    let keys = list(store, query, now()).await;
    keys.iter().map(|key| key.name.as_str().to_owned()).collect()
}

/// The `number`th request, on `key`.
pub fn metered(number: u8, key: &KeyRecord, admitted_at: Timestamp) -> Arc<Metered> {
    Arc::new(Metered {
        id: GenerationId::new(admitted_at, [number; 10]),
        epoch: EPOCH,
        key: key.id,
        accounts: vec![key.account],
        windows: Windows::at(admitted_at),
        reserved: Nanos::new(1_000_000),
        model: "keyway/echo".to_owned(),
        provider: "echo".to_owned(),
        is_byok: true,
        streamed: true,
        admitted_at,
        origin: Arc::new(origin()),
    })
}

pub fn marked(request: &Arc<Metered>, authorised: i64) -> AnswerMark {
    AnswerMark { request: Arc::clone(request), authorised: Nanos::new(authorised) }
}

/// A second after its admission it is charged.
pub fn charged(request: &Arc<Metered>, charge: i64) -> Settlement {
    Settlement {
        request: Arc::clone(request),
        charge: Nanos::new(charge),
        draws: Vec::new(),
        byok: Nanos::new(3),
        overrun: Nanos::new(2),
        absorbed: Nanos::new(1),
        usage: Usage {
            cached_tokens: 2,
            reasoning_tokens: 3,
            image_output_tokens: 4,
            ..Usage::of(5, 7)
        },
        ending: Ending::Completed,
        estimated: false,
        settled_at: request.admitted_at.plus_seconds(1),
        course: Arc::new(course()),
    }
}

/// With everything said.
fn origin() -> Origin {
    let said = |text: &str| Some(text.to_owned());
    Origin {
        catalogue_version: Some("2026-07-15".into()),
        api_type: Some(ApiType::Completions),
        http_referer: said("https://app.example/"),
        user_agent: said("client/1"),
        external_user: said("their user"),
        session_id: said("their session"),
        media_prompt: Some(1),
        audio_prompt: Some(0),
    }
}

/// With everything known.
fn course() -> Course {
    let said = |text: &str| Some(text.to_owned());
    let tried = Tried {
        provider: "other".to_owned(),
        model: "other/model".to_owned(),
        endpoint: "other/eu".to_owned(),
        status: Some(429),
        is_byok: false,
        ms: 120,
    };
    Course {
        endpoint: said("echo"),
        upstream_id: said("chatcmpl-1"),
        finish_reason: said("length"),
        native_finish_reason: said("max_tokens"),
        service_tier: said("priority"),
        first_ms: Some(250),
        generation_ms: Some(1_000),
        media_completion: Some(2),
        cache_discount: Some(Nanos::new(-5)),
        tried: vec![Tried { status: None, is_byok: true, ..tried.clone() }, tried],
    }
}
