//! What was said in requests.

use super::fixture::{create, inference, metered, now};
use crate::content::Content;
use crate::id::{GenerationId, KeyId};
use crate::key::{KeyKind, KeyRecord};
use crate::store::{PRUNED_MAX, Store};

/// Of the `number`th request of `key`, which is admitted so many seconds after now.
fn content(number: u8, key: &KeyRecord, seconds: i64) -> Content {
    let generation = metered(number, key, now().plus_seconds(seconds)).id;
    Content { generation, key: key.id, sealed: vec![number; 300] }
}

async fn kept(store: &dyn Store, content: &Content) -> Option<Content> {
    store.content_get(content.generation).await.expect("readable")
}

pub(super) async fn contents_are_kept_once(store: &dyn Store) {
    let key = create(store, inference(store, "said")).await;
    let [first, second] = [content(1, &key, 0), content(2, &key, 0)];
    assert_eq!(kept(store, &first).await, None);
    store.content_keep(vec![first.clone(), second.clone()]).await.expect("writable");
    let other = Content { sealed: vec![9], ..first.clone() };
    let third = content(3, &key, 0);
    store.content_keep(vec![other, third.clone()]).await.expect("writable");
    store.content_keep(Vec::new()).await.expect("writable");
    for content in [first, second, third] {
        assert_eq!(kept(store, &content).await.as_ref(), Some(&content));
    }
}

pub(super) async fn contents_of_a_deleted_key_are_not_told_nor_kept(store: &dyn Store) {
    let [key, other] = [
        create(store, inference(store, "said")).await,
        create(store, inference(store, "other")).await,
    ];
    let contents = [content(1, &key, 0), content(2, &key, 0), content(3, &other, 0)];
    store.content_keep(contents.to_vec()).await.expect("writable");
    store.key_delete(KeyKind::Inference, key.hash, now()).await.expect("writable");
    assert_eq!(kept(store, &contents[0]).await, None);
    assert_eq!(store.content_forget(key.id).await, Ok(2));
    assert_eq!(store.content_forget(key.id).await, Ok(0));
    // What is still on its way comes too late.
    let late = [content(4, &key, 0), content(5, &other, 0)];
    let nobodys = Content { key: KeyId(77), ..content(6, &other, 0) };
    let late_and_nobodys = [late.to_vec(), vec![nobodys]].concat();
    store.content_keep(late_and_nobodys).await.expect("writable");
    assert_eq!(store.content_forget(key.id).await, Ok(0));
    assert_eq!(store.content_forget(KeyId(77)).await, Ok(0));
    for content in [&contents[2], &late[1]] {
        assert_eq!(kept(store, content).await.as_ref(), Some(content));
    }
}

pub(super) async fn contents_are_kept_for_a_time(store: &dyn Store) {
    let key = create(store, inference(store, "said")).await;
    let [old, new] = [content(1, &key, -1), content(2, &key, 0)];
    store.content_keep(vec![old.clone(), new.clone()]).await.expect("writable");
    assert_eq!(store.content_prune(now()).await, Ok(1));
    assert_eq!(kept(store, &old).await, None);
    assert_eq!(kept(store, &new).await.as_ref(), Some(&new));
    assert_eq!(store.content_prune(now()).await, Ok(0));
}

pub(super) async fn contents_go_a_few_at_a_time(store: &dyn Store) {
    let key = create(store, inference(store, "said")).await;
    let most = u16::try_from(PRUNED_MAX).expect("few");
    let numbered = (0..=most).map(|number| {
        let mut random = [0; 10];
        random[8..].copy_from_slice(&number.to_be_bytes());
        Content { generation: GenerationId::new(now(), random), key: key.id, sealed: vec![1] }
    });
    let all: Vec<Content> = numbered.collect();
    store.content_keep(all.clone()).await.expect("writable");
    assert_eq!(store.content_forget(key.id).await, Ok(u64::from(most)));
    let last = all.last().expect("many");
    assert_eq!(kept(store, last).await.as_ref(), Some(last), "the oldest go first");
    assert_eq!(store.content_prune(now().plus_seconds(1)).await, Ok(1));
}
