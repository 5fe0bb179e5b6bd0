//! Creations that happen once.

use super::fixture::{create, everything, inference, list, management, now, secret};
use crate::clock::Timestamp;
use crate::id::{KeyHash, KeyId};
use crate::key::KeyKind;
use crate::secret::SALT_BYTES;
use crate::store::{IDEMPOTENCY_SECONDS, Idempotency, KeyCreated, KeyCreation, Store, StoreError};

/// The creation of a key called `name` by `actor`, whose answer is its name.
fn creation(store: &dyn Store, actor: KeyId, name: &str) -> KeyCreation {
    let mut creation = inference(store, name);
    creation.idempotency = Some(Idempotency {
        actor,
        key: *KeyHash::of("the same").as_bytes(),
        body: *KeyHash::of("a body").as_bytes(),
        salt: [u8::try_from(name.len()).expect("a short name"); SALT_BYTES],
        answer: name.to_owned(),
    });
    creation
}

async fn is_made(store: &dyn Store, creation: KeyCreation, now: Timestamp) -> bool {
    matches!(store.key_create(creation, now).await, Ok(KeyCreated::Created(_)))
}

fn replayed(name: &str) -> KeyCreated {
    let salt = [u8::try_from(name.len()).expect("a short name"); SALT_BYTES];
    KeyCreated::Replayed { salt, answer: name.to_owned() }
}

async fn actor(store: &dyn Store) -> KeyId {
    create(store, management(store, "actor")).await.id
}

pub(super) async fn a_creation_is_replayed_for_a_day(store: &dyn Store) {
    let actor = actor(store).await;
    assert!(is_made(store, creation(store, actor, "first"), now()).await);
    let end = now().plus_seconds(IDEMPOTENCY_SECONDS);
    let last = Timestamp::from_micros(end.as_micros() - 1);
    for moment in [now(), last] {
        let again = store.key_create(creation(store, actor, "second"), moment).await;
        assert_eq!(again, Ok(replayed("first")));
    }
    assert_eq!(list(store, everything(store), now()).await.len(), 1);
    assert!(is_made(store, creation(store, actor, "the next day"), end).await);
    let again = store.key_create(creation(store, actor, "second"), end).await;
    assert_eq!(again, Ok(replayed("the next day")));
}

pub(super) async fn a_creation_is_replayed_when_its_key_has_expired(store: &dyn Store) {
    let actor = actor(store).await;
    let mut first = creation(store, actor, "first");
    first.key.expires_at = Some(now().plus_seconds(60));
    assert!(is_made(store, first.clone(), now()).await);
    let again = store.key_create(first, now().plus_seconds(61)).await;
    assert_eq!(again, Ok(replayed("first")));
}

pub(super) async fn another_body_is_told_apart(store: &dyn Store) {
    let actor = actor(store).await;
    assert!(is_made(store, creation(store, actor, "first"), now()).await);
    let mut other = creation(store, actor, "second");
    other.idempotency.as_mut().expect("it has one").body = *KeyHash::of("other").as_bytes();
    assert_eq!(store.key_create(other, now()).await, Ok(KeyCreated::BodyDiffers));
    assert_eq!(list(store, everything(store), now()).await.len(), 1);
}

pub(super) async fn a_deleted_keys_creation_is_not_replayed(store: &dyn Store) {
    let actor = actor(store).await;
    assert!(is_made(store, creation(store, actor, "first"), now()).await);
    let hash = secret("first").hash;
    store.key_delete(KeyKind::Inference, hash, now()).await.expect("writable");
    let again = store.key_create(creation(store, actor, "second"), now()).await;
    assert_eq!(again, Ok(KeyCreated::KeyDeleted));
    let mut other = creation(store, actor, "second");
    other.idempotency.as_mut().expect("it has one").body = *KeyHash::of("other").as_bytes();
    assert_eq!(store.key_create(other, now()).await, Ok(KeyCreated::BodyDiffers));
}

pub(super) async fn each_actor_has_its_own(store: &dyn Store) {
    let one = actor(store).await;
    let other = create(store, management(store, "another actor")).await.id;
    assert!(is_made(store, creation(store, one, "one's"), now()).await);
    assert!(is_made(store, creation(store, other, "the other's"), now()).await);
    let again = store.key_create(creation(store, one, "again"), now()).await;
    assert_eq!(again, Ok(replayed("one's")));
}

pub(super) async fn a_failed_creation_is_not_remembered(store: &dyn Store) {
    let actor = actor(store).await;
    let mut taken = creation(store, actor, "taken");
    taken.secret = secret("actor");
    let refused = store.key_create(taken, now()).await;
    assert!(matches!(refused, Err(StoreError::Broken(_))), "{refused:?}");
    assert!(is_made(store, creation(store, actor, "first"), now()).await);
}
