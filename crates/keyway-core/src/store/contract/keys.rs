//! The life of a key.

use super::fixture::{
    charged, create, everything, get, inference, list, management, metered, now, secret,
};
use crate::budget::ResetInterval;
use crate::key::{KeyKind, KeyName, KeyPatch, KeyRecord, KeySpend, OnLimit, SecretRecord, Terms};
use crate::money::Nanos;
use crate::rate::{Figure, RateLimits, RateLimitsPatch};
use crate::store::{KeyCreated, KeyDeleted, Store, StoreError};

pub(super) async fn a_new_key_is_answered_found_and_listed_alike(store: &dyn Store) {
    let mut creation = inference(store, "Käse & \"Co\"");
    creation.key.terms = Terms {
        limit: Some(Nanos::new(12_345)),
        reset: Some(ResetInterval::Weekly),
        include_byok_in_limit: true,
    };
    creation.key.rates = RateLimits {
        requests_per_minute: Figure::new(1),
        tokens_per_minute: Figure::new(i64::from(Figure::MAX)),
        max_concurrent_requests: Figure::new(3),
    };
    creation.key.on_limit = OnLimit::Clamp;
    creation.key.log_content = true;
    creation.key.expires_at = Some(now().plus_seconds(60));
    creation.key.creator_user_id = Some("user_1".to_owned());
    creation.key.external_user = Some("customer".to_owned());
    let key = create(store, creation.clone()).await;
    let expected = KeyRecord {
        id: key.id,
        account: key.account,
        kind: KeyKind::Inference,
        workspace: store.default_workspace(),
        hash: creation.secret.hash,
        label: creation.secret.label.clone(),
        name: creation.key.name,
        disabled: false,
        terms: creation.key.terms,
        rates: creation.key.rates,
        on_limit: creation.key.on_limit,
        log_content: true,
        creator_user_id: creation.key.creator_user_id,
        external_user: creation.key.external_user,
        created_at: now(),
        updated_at: None,
        expires_at: creation.key.expires_at,
        spend: KeySpend::default(),
    };
    assert_eq!(key, expected);
    assert_eq!(get(store, key.hash, now()).await.as_ref(), Some(&expected));
    assert_eq!(list(store, everything(store), now()).await, vec![expected.clone()]);
    let credential = store.secret_find(key.hash, now()).await.expect("readable");
    let credential = credential.expect("it was made");
    assert_eq!((credential.key, credential.secrets), (expected, vec![creation.secret]));
}

pub(super) async fn a_key_is_found_by_its_kind_only(store: &dyn Store) {
    let key = create(store, inference(store, "infers")).await;
    let manager = create(store, management(store, "manages")).await;
    for (kind, hash, found) in [
        (KeyKind::Inference, key.hash, true),
        (KeyKind::Management, key.hash, false),
        (KeyKind::Management, manager.hash, true),
        (KeyKind::Inference, manager.hash, false),
        (KeyKind::Inference, secret("nobody's").hash, false),
    ] {
        let answer = store.key_get(kind, hash, now()).await.expect("readable");
        assert_eq!(answer.is_some(), found, "{kind:?} {hash}");
    }
    let patch = KeyPatch { disabled: Some(true), ..KeyPatch::default() };
    assert_eq!(store.key_update(manager.hash, patch, now()).await, Ok(None));
    let rotated = store.key_rotate(manager.hash, secret("new"), now(), now()).await;
    assert_eq!(rotated, Ok(None));
    let deleted = store.key_delete(KeyKind::Inference, manager.hash, now()).await;
    assert_eq!(deleted, Ok(KeyDeleted::NotFound));
}

pub(super) async fn a_hash_belongs_to_one_key(store: &dyn Store) {
    let key = create(store, inference(store, "first")).await;
    let mut second = inference(store, "second");
    second.secret = secret("first");
    for _ in 0..2 {
        let refused = store.key_create(second.clone(), now()).await;
        assert!(matches!(refused, Err(StoreError::Broken(_))), "{refused:?}");
        store.key_delete(KeyKind::Inference, key.hash, now()).await.expect("writable");
    }
    assert_eq!(list(store, everything(store), now()).await, vec![]);
}

/// What a patch is expected to do to a key.
type Change = fn(&mut KeyRecord);

pub(super) async fn a_key_is_not_born_expired(store: &dyn Store) {
    let mut creation = inference(store, "late");
    creation.key.expires_at = Some(now().plus_seconds(-1));
    let refused = store.key_create(creation, now()).await;
    assert_eq!(refused, Ok(KeyCreated::AlreadyExpired));
    assert_eq!(list(store, everything(store), now()).await, []);
}

pub(super) async fn a_patch_changes_what_it_names(store: &dyn Store) {
    let mut creation = inference(store, "patched");
    creation.key.terms.limit = Some(Nanos::new(5));
    creation.key.terms.reset = Some(ResetInterval::Daily);
    let mut expected = create(store, creation).await;
    let nothing = KeyPatch::default();
    let renamed = KeyName::new("renamed").expect("a good name");
    let steps: [(KeyPatch, Change); 16] = [
        (nothing.clone(), |_| {}),
        (KeyPatch { disabled: Some(true), ..nothing.clone() }, |key| key.disabled = true),
        (KeyPatch { limit: Some(None), ..nothing.clone() }, |key| key.terms.limit = None),
        (KeyPatch { reset: Some(None), ..nothing.clone() }, |key| key.terms.reset = None),
        (KeyPatch { limit: Some(Some(Nanos::ZERO)), ..nothing.clone() }, |key| {
            key.terms.limit = Some(Nanos::ZERO);
        }),
        (KeyPatch { reset: Some(Some(ResetInterval::Monthly)), ..nothing.clone() }, |key| {
            key.terms.reset = Some(ResetInterval::Monthly);
        }),
        (KeyPatch { include_byok_in_limit: Some(true), ..nothing.clone() }, |key| {
            key.terms.include_byok_in_limit = true;
        }),
        (KeyPatch { name: Some(renamed), ..nothing.clone() }, |key| {
            key.name = KeyName::new("renamed").expect("a good name");
        }),
        (KeyPatch { on_limit: Some(OnLimit::Clamp), ..nothing.clone() }, |key| {
            key.on_limit = OnLimit::Clamp;
        }),
        (KeyPatch { on_limit: Some(OnLimit::Refuse), ..nothing.clone() }, |key| {
            key.on_limit = OnLimit::Refuse;
        }),
        (KeyPatch { log_content: Some(true), ..nothing.clone() }, |key| {
            key.log_content = true;
        }),
        (KeyPatch { log_content: Some(false), ..nothing.clone() }, |key| {
            key.log_content = false;
        }),
        (of_rates(|rates| rates.requests_per_minute = Some(Figure::new(1))), |key| {
            key.rates.requests_per_minute = Figure::new(1);
        }),
        (of_rates(|rates| rates.tokens_per_minute = Some(Figure::new(2))), |key| {
            key.rates.tokens_per_minute = Figure::new(2);
        }),
        (of_rates(|rates| rates.max_concurrent_requests = Some(Figure::new(3))), |key| {
            key.rates.max_concurrent_requests = Figure::new(3);
        }),
        (of_rates(|rates| rates.tokens_per_minute = Some(None)), |key| {
            key.rates.tokens_per_minute = None;
        }),
    ];
    let mut moment = now();
    for (patch, change) in steps {
        moment = moment.plus_seconds(1);
        change(&mut expected);
        expected.updated_at = Some(moment);
        let answered = store.key_update(expected.hash, patch.clone(), moment).await;
        assert_eq!(answered, Ok(Some(expected.clone())), "{patch:?}");
        assert_eq!(get(store, expected.hash, moment).await.as_ref(), Some(&expected));
    }
    assert_eq!(store.key_update(secret("nobody's").hash, nothing, moment).await, Ok(None));
}

fn of_rates(change: impl FnOnce(&mut RateLimitsPatch)) -> KeyPatch {
    let mut patch = KeyPatch::default();
    change(&mut patch.rates);
    patch
}

pub(super) async fn an_expired_or_disabled_key_is_found(store: &dyn Store) {
    let mut creation = inference(store, "short-lived");
    creation.key.expires_at = Some(now());
    let key = create(store, creation).await;
    let patch = KeyPatch { disabled: Some(true), ..KeyPatch::default() };
    store.key_update(key.hash, patch, now()).await.expect("writable").expect("it is there");
    let later = now().plus_seconds(1_000_000);
    assert!(get(store, key.hash, later).await.is_some());
    assert!(store.secret_find(key.hash, later).await.expect("readable").is_some());
    let deleted = store.key_delete(KeyKind::Inference, key.hash, later).await;
    assert_eq!(deleted, Ok(KeyDeleted::Deleted(key.id, key.account)));
}

pub(super) async fn a_deleted_key_is_gone_with_its_charges_kept(store: &dyn Store) {
    let key = create(store, inference(store, "deleted")).await;
    let request = metered(1, &key, now());
    store.settle(charged(&request, 40)).await.expect("writable");
    let balance = store.balance(key.account).await.expect("readable");
    let deleted = store.key_delete(KeyKind::Inference, key.hash, now()).await;
    assert_eq!(deleted, Ok(KeyDeleted::Deleted(key.id, key.account)));
    assert_eq!(get(store, key.hash, now()).await, None);
    assert_eq!(store.secret_find(key.hash, now()).await, Ok(None));
    assert_eq!(list(store, everything(store), now()).await, vec![]);
    assert_eq!(store.key_update(key.hash, KeyPatch::default(), now()).await, Ok(None));
    assert_eq!(store.key_rotate(key.hash, secret("new"), now(), now()).await, Ok(None));
    let again = store.key_delete(KeyKind::Inference, key.hash, now()).await;
    assert_eq!(again, Ok(KeyDeleted::NotFound));
    assert_eq!(store.balance(key.account).await, Ok(balance));
    assert!(store.generation(request.id).await.expect("readable").is_some());
    // A request that was in flight is charged all the same.
    store.settle(charged(&metered(2, &key, now()), 2)).await.expect("writable");
    assert_eq!(store.balance(key.account).await.expect("readable")[0].spend.spent, Nanos::new(42));
}

pub(super) async fn the_last_key_that_can_manage_stays(store: &dyn Store) {
    let delete = async |hash| store.key_delete(KeyKind::Management, hash, now()).await;
    let mut expired = management(store, "expired");
    expired.key.expires_at = Some(now());
    let expired = create(store, expired).await;
    let one = create(store, management(store, "one")).await;
    create(store, inference(store, "manages nothing")).await;
    assert_eq!(delete(one.hash).await, Ok(KeyDeleted::LastManagementKey));
    let other = create(store, management(store, "other")).await;
    assert_eq!(delete(one.hash).await, Ok(KeyDeleted::Deleted(one.id, one.account)));
    assert_eq!(delete(one.hash).await, Ok(KeyDeleted::NotFound));
    assert_eq!(delete(other.hash).await, Ok(KeyDeleted::LastManagementKey));
    // One that could not manage anyway is no loss.
    assert_eq!(delete(expired.hash).await, Ok(KeyDeleted::Deleted(expired.id, expired.account)));
}

pub(super) async fn the_first_management_key_is_made_once(store: &dyn Store) {
    create(store, inference(store, "no management key")).await;
    let bootstrap = async |name| store.key_bootstrap(management(store, name), now()).await;
    assert_eq!(bootstrap("first").await, Ok(true));
    assert_eq!(bootstrap("second").await, Ok(false));
    let other = create(store, management(store, "other")).await;
    for name in ["first", "other"] {
        let hash = secret(name).hash;
        store.key_delete(KeyKind::Management, hash, now()).await.expect("writable");
    }
    assert_eq!(bootstrap("third").await, Ok(false));
    let found = store.key_get(KeyKind::Management, secret("third").hash, now()).await;
    assert_eq!(found, Ok(None));
    assert!(store.secret_find(other.hash, now()).await.expect("readable").is_some());
}

pub(super) async fn secrets_that_were_brought_are_told(store: &dyn Store) {
    let bring = |name: &str| {
        let mut creation = management(store, name);
        creation.secret.minted = false;
        creation
    };
    let mut brought: Vec<SecretRecord> = Vec::new();
    for name in ["one", "two", "three"] {
        brought.push(bring(name).secret);
        create(store, bring(name)).await;
    }
    create(store, management(store, "minted")).await;
    brought.sort_by_key(|secret| secret.hash);
    assert_eq!(store.secrets_brought().await, Ok(brought.clone()));
    let gone = brought.remove(1);
    store.key_delete(KeyKind::Management, gone.hash, now()).await.expect("writable");
    assert_eq!(store.secrets_brought().await, Ok(brought));
}
