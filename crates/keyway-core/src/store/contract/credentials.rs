//! Credentials of providers, and what their data keys are wrapped under.

use super::fixture::{EPOCH, create, inference, management, now, secret};
use crate::credential::envelope::{KekVersion, Sealed, WRAPPED_BYTES, WrappedKey};
use crate::credential::{
    AllowedKey, CREDENTIALS_MAX, Conduct, CredentialPatch, CredentialRecord, NewCredential,
};
use crate::id::{AccountId, CredentialId, KeyHash};
use crate::key::KeyKind;
use crate::store::{CredentialWritten, KekRecord, Store};

const FIRST: KekVersion = KekVersion(1);
const SECOND: KekVersion = KekVersion(2);

fn id(byte: u8) -> CredentialId {
    CredentialId::from_bytes([byte; 16])
}

pub(super) fn sealed(version: KekVersion, byte: u8) -> Sealed {
    let wrapped = WrappedKey { version, text: [byte; WRAPPED_BYTES] };
    Sealed { wrapped, material: vec![byte; 90] }
}

/// The `number`th credential, behind all others of OpenAI.
pub(super) fn openai(store: &dyn Store, number: u8) -> NewCredential {
    NewCredential {
        id: id(number),
        workspace: store.default_workspace(),
        provider: "openai".to_owned(),
        name: None,
        conduct: Conduct::default(),
        is_last: true,
        allowed_keys: None,
        label: "sk-...AbCd".to_owned(),
        sealed: sealed(FIRST, number),
    }
}

async fn kek(store: &dyn Store) {
    let first = KekRecord { version: FIRST, fingerprint: [1; 32] };
    assert_eq!(store.kek_add([1; 32], None, now()).await, Ok(Some(first)));
}

async fn made(store: &dyn Store, new: NewCredential) -> CredentialRecord {
    match store.credential_create(new, now()).await {
        Ok(CredentialWritten::Written(record)) => record,
        other => panic!("the credential is not made: {other:?}"),
    }
}

async fn changed(store: &dyn Store, number: u8, patch: CredentialPatch) -> CredentialRecord {
    match store.credential_update(id(number), patch, now()).await {
        Ok(CredentialWritten::Written(record)) => record,
        other => panic!("the credential is not changed: {other:?}"),
    }
}

async fn all(store: &dyn Store) -> Vec<CredentialRecord> {
    store.credential_list().await.expect("readable")
}

pub(super) async fn a_credential_is_listed_as_it_was_made(store: &dyn Store) {
    kek(store).await;
    let key = create(store, inference(store, "used")).await;
    let list = |text: &str| Some(vec![text.to_owned(), "é/b".to_owned()]);
    let conduct = Conduct {
        disabled: true,
        is_fallback: true,
        is_required: true,
        is_byok_only: true,
        allowed_models: list("a/one"),
        allowed_users: Some(Vec::new()),
        sort_order: -7,
    };
    let new = NewCredential {
        name: Some("of production".to_owned()),
        conduct: conduct.clone(),
        is_last: false,
        allowed_keys: Some(vec![key.hash, key.hash]),
        ..openai(store, 1)
    };
    let record = made(store, new).await;
    assert_eq!(record.conduct, conduct);
    assert_eq!(record.allowed_keys, Some(vec![AllowedKey { id: key.id, hash: key.hash }]));
    assert_eq!((&record.sealed, record.created_at), (&sealed(FIRST, 1), now()));
    assert_eq!(all(store).await, vec![record]);
}

pub(super) async fn credentials_stand_in_the_order_in_which_they_are_tried(store: &dyn Store) {
    kek(store).await;
    made(store, openai(store, 1)).await;
    made(store, NewCredential { provider: "anthropic".to_owned(), ..openai(store, 2) }).await;
    assert_eq!(made(store, openai(store, 3)).await.conduct.sort_order, 1, "behind the first");
    let first = Conduct { sort_order: -1, ..Conduct::default() };
    made(store, NewCredential { conduct: first, is_last: false, ..openai(store, 4) }).await;
    let order = |records: Vec<CredentialRecord>| records.iter().map(|it| it.id).collect::<Vec<_>>();
    assert_eq!(order(all(store).await), [2, 4, 1, 3].map(id));
    let last = CredentialPatch { sort_order: Some(9), ..CredentialPatch::default() };
    changed(store, 4, last).await;
    assert_eq!(order(all(store).await), [2, 1, 3, 4].map(id));
}

pub(super) async fn a_patch_of_a_credential_changes_what_it_names(store: &dyn Store) {
    kek(store).await;
    let key = create(store, inference(store, "used")).await;
    let before = made(store, openai(store, 1)).await;
    assert_eq!(changed(store, 1, CredentialPatch::default()).await, before);
    let patch = CredentialPatch {
        name: Some(Some("named".to_owned())),
        disabled: Some(true),
        is_required: Some(true),
        allowed_models: Some(Some(vec!["a/one".to_owned()])),
        allowed_keys: Some(Some(vec![key.hash])),
        material: Some(("new...".to_owned(), sealed(FIRST, 9))),
        ..CredentialPatch::default()
    };
    let after = changed(store, 1, patch).await;
    assert_eq!(after.name.as_deref(), Some("named"));
    assert!(after.conduct.disabled && after.conduct.is_required && !after.conduct.is_fallback);
    assert_eq!((after.label.as_str(), &after.sealed), ("new...", &sealed(FIRST, 9)));
    assert_eq!(all(store).await, vec![after]);
    let clear = CredentialPatch {
        name: Some(None),
        allowed_models: Some(None),
        allowed_keys: Some(None),
        ..CredentialPatch::default()
    };
    let cleared = changed(store, 1, clear).await;
    assert_eq!((cleared.name, cleared.allowed_keys), (None, None));
    assert_eq!(cleared.conduct.allowed_models, None);
    let nobodys = store.credential_update(id(9), CredentialPatch::default(), now()).await;
    assert_eq!(nobodys, Ok(CredentialWritten::NotFound));
}

pub(super) async fn a_credential_is_reserved_for_inference_keys_that_there_are(store: &dyn Store) {
    kek(store).await;
    let key = create(store, inference(store, "used")).await;
    let manager = create(store, management(store, "manages")).await;
    let refused = |hash| Ok(CredentialWritten::NoSuchKey(hash));
    for hash in [manager.hash, KeyHash::of("nobody")] {
        let keys = Some(vec![key.hash, hash]);
        let new = NewCredential { allowed_keys: keys.clone(), ..openai(store, 1) };
        assert_eq!(store.credential_create(new, now()).await, refused(hash));
    }
    let new = NewCredential { allowed_keys: Some(vec![key.hash]), ..openai(store, 1) };
    made(store, new).await;
    store.key_rotate(key.hash, secret("rotated"), now(), now()).await.expect("writable");
    let now_known = AllowedKey { id: key.id, hash: secret("rotated").hash };
    assert_eq!(all(store).await[0].allowed_keys, Some(vec![now_known]), "it is the same key");
    let deleted = store.key_delete(KeyKind::Inference, now_known.hash, now()).await;
    deleted.expect("writable");
    assert_eq!(all(store).await[0].allowed_keys, Some(vec![now_known]), "for nobody, not for all");
    let keys = CredentialPatch {
        allowed_keys: Some(Some(vec![now_known.hash])),
        ..CredentialPatch::default()
    };
    assert_eq!(store.credential_update(id(1), keys, now()).await, refused(now_known.hash));
}

pub(super) async fn a_deleted_credential_is_gone(store: &dyn Store) {
    kek(store).await;
    made(store, openai(store, 1)).await;
    made(store, openai(store, 2)).await;
    assert_eq!(store.credential_delete(id(1), now()).await, Ok(true));
    assert_eq!(store.credential_delete(id(1), now()).await, Ok(false));
    assert_eq!(all(store).await.len(), 1);
}

pub(super) async fn a_change_to_a_credential_is_told(store: &dyn Store) {
    kek(store).await;
    let before = store.node_poll(EPOCH, 0, now()).await.expect("readable").head;
    made(store, openai(store, 1)).await;
    changed(store, 1, CredentialPatch::default()).await;
    store.credential_delete(id(1), now()).await.expect("writable");
    let nothing = store.credential_delete(id(1), now()).await.expect("writable");
    assert!(!nothing, "and is no change");
    let poll = store.node_poll(EPOCH, before, now()).await.expect("readable");
    let told: Vec<_> = poll.changes.iter().map(|it| (it.seq, it.account, it.key)).collect();
    let workspace = AccountId::WORKSPACE;
    assert_eq!(told, [1, 2, 3].map(|nth| (before + nth, workspace, None)));
    assert!(poll.changes.iter().all(|change| change.state.open));
}

pub(super) async fn there_is_a_most_of_credentials(store: &dyn Store) {
    kek(store).await;
    let new = |number: usize| {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&(number as u64).to_be_bytes());
        NewCredential { id: CredentialId::from_bytes(bytes), ..openai(store, 1) }
    };
    for number in 0..CREDENTIALS_MAX {
        made(store, new(number)).await;
    }
    let refused = store.credential_create(new(CREDENTIALS_MAX), now()).await;
    assert_eq!(refused, Ok(CredentialWritten::TooMany));
}

pub(super) async fn a_kek_is_added_behind_the_newest(store: &dyn Store) {
    assert_eq!(store.kek_list().await, Ok(vec![]));
    kek(store).await;
    kek(store).await;
    let first = KekRecord { version: FIRST, fingerprint: [1; 32] };
    let second = KekRecord { version: SECOND, fingerprint: [2; 32] };
    assert_eq!(store.kek_list().await, Ok(vec![first]));
    assert_eq!(store.kek_add([9; 32], None, now()).await, Ok(None), "another was quicker");
    assert_eq!(store.kek_add([9; 32], Some(SECOND), now()).await, Ok(None));
    assert_eq!(store.kek_add([2; 32], Some(FIRST), now()).await, Ok(Some(second)));
    assert_eq!(store.kek_add([2; 32], Some(FIRST), now()).await, Ok(Some(second)), "repeated");
    assert_eq!(store.kek_list().await, Ok(vec![first, second]));
}

pub(super) async fn a_kek_goes_when_nothing_is_under_it(store: &dyn Store) {
    kek(store).await;
    made(store, openai(store, 1)).await;
    assert_eq!(store.kek_retire(FIRST).await, Ok(false), "it is the newest");
    store.kek_add([2; 32], Some(FIRST), now()).await.expect("writable");
    assert_eq!(store.kek_retire(FIRST).await, Ok(false), "a data key is under it");
    let under = |version, byte| WrappedKey { version, text: [byte; WRAPPED_BYTES] };
    let rewrap = async |from, wrapped| store.credential_rewrap(id(1), from, wrapped).await;
    assert_eq!(rewrap(SECOND, under(SECOND, 2)).await, Ok(false), "it is under another");
    assert_eq!(rewrap(FIRST, under(FIRST, 2)).await, Ok(false), "only to the newest");
    assert_eq!(rewrap(FIRST, under(SECOND, 2)).await, Ok(true));
    let after = all(store).await.remove(0).sealed;
    assert_eq!(after, Sealed { wrapped: under(SECOND, 2), ..sealed(FIRST, 1) });
    assert_eq!(store.kek_retire(FIRST).await, Ok(true));
    assert_eq!(store.kek_retire(FIRST).await, Ok(true), "it is gone");
    assert_eq!(store.kek_list().await.expect("readable").len(), 1);
    let old = store.credential_create(openai(store, 2), now()).await;
    assert_eq!(old, Ok(CredentialWritten::OtherKek), "sealed by a node that missed it");
    let patch = CredentialPatch {
        material: Some((String::new(), sealed(FIRST, 2))),
        ..CredentialPatch::default()
    };
    let old = store.credential_update(id(1), patch, now()).await;
    assert_eq!(old, Ok(CredentialWritten::OtherKek));
}
