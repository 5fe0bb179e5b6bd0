//! New secrets for a key.

use super::fixture::{charged, create, everything, get, inference, list, metered, now, secret};
use crate::clock::Timestamp;
use crate::id::KeyHash;
use crate::key::{KeyKind, KeyRecord};
use crate::store::{KeyDeleted, Store, StoreError};

async fn rotate(
    store: &dyn Store,
    hash: KeyHash,
    new: &str,
    grace_until: Timestamp,
) -> Option<KeyRecord> {
    store.key_rotate(hash, secret(new), grace_until, now()).await.expect("writable")
}

/// Whether each of these secrets finds the key at `moment`.
async fn live<const N: usize>(store: &dyn Store, of: [&str; N], moment: Timestamp) -> [bool; N] {
    let mut live = [false; N];
    for (live, text) in live.iter_mut().zip(of) {
        *live = get(store, secret(text).hash, moment).await.is_some();
    }
    live
}

pub(super) async fn both_secrets_work_until_the_grace_ends(store: &dyn Store) {
    let mut creation = inference(store, "old");
    creation.key.expires_at = Some(now().plus_seconds(900));
    let old = create(store, creation).await;
    store.settle(charged(&metered(1, &old, now()), 10)).await.expect("writable");
    let end = now().plus_seconds(60);
    let mut expected = get(store, old.hash, now()).await.expect("it is there");
    expected.hash = secret("new").hash;
    expected.label = secret("new").label;
    expected.updated_at = Some(now());
    assert_eq!(rotate(store, old.hash, "new", end).await.as_ref(), Some(&expected));
    let before = Timestamp::from_micros(end.as_micros() - 1);
    for hash in [old.hash, expected.hash] {
        assert_eq!(get(store, hash, before).await.as_ref(), Some(&expected));
    }
    assert_eq!(live(store, ["old", "new"], end).await, [false, true]);
    // Authentication has to tell a secret that ended from one that nobody knows.
    let credential = store.secret_find(old.hash, end).await.expect("readable");
    let mut secrets = credential.expect("the key is there").secrets;
    secrets.sort_by_key(|secret| secret.hash);
    let mut both = vec![secret("old"), secret("new")];
    both[0].valid_until = Some(end);
    both.sort_by_key(|secret| secret.hash);
    assert_eq!(secrets, both);
}

pub(super) async fn no_grace_ends_the_old_secret_at_once(store: &dyn Store) {
    let old = create(store, inference(store, "old")).await;
    assert!(rotate(store, old.hash, "new", now()).await.is_some());
    assert_eq!(live(store, ["old", "new"], now()).await, [false, true]);
    assert_eq!(rotate(store, old.hash, "newer", now()).await, None);
}

pub(super) async fn a_later_rotation_shortens_a_grace_and_never_extends_it(store: &dyn Store) {
    let key = create(store, inference(store, "first")).await;
    let after = |seconds| now().plus_seconds(seconds);
    rotate(store, key.hash, "second", after(60)).await.expect("it is there");
    // The old secret may still name the key.
    rotate(store, key.hash, "third", after(600)).await.expect("it is there");
    let all = ["first", "second", "third"];
    assert_eq!(live(store, all, after(59)).await, [true, true, true]);
    assert_eq!(live(store, all, after(60)).await, [false, true, true]);
    rotate(store, secret("third").hash, "fourth", after(30)).await.expect("it is there");
    let all = ["first", "second", "third", "fourth"];
    assert_eq!(live(store, all, after(29)).await, [true; 4]);
    assert_eq!(live(store, all, after(30)).await, [false, false, false, true]);
}

pub(super) async fn a_rotated_key_is_one_key(store: &dyn Store) {
    let key = create(store, inference(store, "first")).await;
    let grace = now().plus_seconds(600);
    rotate(store, key.hash, "second", grace).await.expect("it is there");
    let newest = rotate(store, key.hash, "third", grace).await.expect("it is there");
    assert_eq!((newest.id, newest.account), (key.id, key.account));
    assert_eq!(list(store, everything(store), now()).await, vec![newest]);
    let deleted = store.key_delete(KeyKind::Inference, secret("second").hash, now()).await;
    assert_eq!(deleted, Ok(KeyDeleted::Deleted(key.id, key.account)));
    assert_eq!(live(store, ["first", "second", "third"], now()).await, [false; 3]);
}

pub(super) async fn a_secret_that_was_used_before_is_refused(store: &dyn Store) {
    let one = create(store, inference(store, "one")).await;
    create(store, inference(store, "other")).await;
    let before = get(store, one.hash, now()).await;
    for taken in ["one", "other"] {
        let refused = store.key_rotate(one.hash, secret(taken), now(), now()).await;
        assert!(matches!(refused, Err(StoreError::Broken(_))), "{refused:?}");
    }
    // Nothing of it is left: the old secret has no end.
    assert_eq!(get(store, one.hash, now().plus_seconds(1)).await, before);
}
