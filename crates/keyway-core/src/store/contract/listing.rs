//! Which keys a list shows, in what order, and from where on.

use super::fixture::{
    charged, create, everything, inference, list, management, metered, names, now, secret,
};
use crate::clock::Timestamp;
use crate::id::WorkspaceId;
use crate::key::{KeyKind, KeyPatch};
use crate::store::{KeyPage, KeyQuery, KeySort, PageStart, Store};

/// Six keys; some have the same name, some have spent the same.
async fn six(store: &dyn Store) {
    for (number, name, spent) in
        [(1, "b", 5), (2, "a", 0), (3, "b", 9), (4, "B", 5), (5, "ä", 0), (6, "a", 5)]
    {
        let mut creation = inference(store, name);
        creation.secret = secret(&format!("secret {number}"));
        let key = create(store, creation).await;
        if spent > 0 {
            store.settle(charged(&metered(number, &key, now()), spent)).await.expect("writable");
        }
    }
}

/// The numbers of the keys on one page.
async fn numbers(store: &dyn Store, query: KeyQuery) -> Vec<u8> {
    let keys = list(store, query, now()).await;
    let number = |hash| (1..=6).find(|n| secret(&format!("secret {n}")).hash == hash);
    keys.iter().map(|key| number(key.hash).expect("one of the six")).collect()
}

pub(super) async fn each_order_is_total(store: &dyn Store) {
    six(store).await;
    for (sort, expected) in [
        (KeySort::Newest, [6, 5, 4, 3, 2, 1]),
        (KeySort::Oldest, [1, 2, 3, 4, 5, 6]),
        (KeySort::Name, [4, 6, 2, 3, 1, 5]),
        (KeySort::NameDescending, [5, 3, 1, 6, 2, 4]),
        (KeySort::UsageDescending, [3, 6, 4, 1, 5, 2]),
    ] {
        let query = KeyQuery { sort, ..everything(store) };
        assert_eq!(numbers(store, query).await, expected, "{sort:?}");
    }
}

pub(super) async fn pages_by_offset_and_by_cursor_hold_the_same(store: &dyn Store) {
    six(store).await;
    for sort in KeySort::ALL {
        let whole = list(store, KeyQuery { sort, ..everything(store) }, now()).await;
        for limit in 1..=7_u32 {
            for behind in 0..=whole.len() {
                let expected: Vec<_> =
                    whole.iter().skip(behind).take(limit as usize).cloned().collect();
                let mut starts = vec![PageStart::Offset(behind as u64)];
                starts.extend((behind > 0).then(|| PageStart::After(whole[behind - 1].hash)));
                for start in starts {
                    let query = KeyQuery { sort, start, limit, ..everything(store) };
                    let page = list(store, query, now()).await;
                    assert_eq!(page, expected, "{sort:?} {start:?} {limit}");
                }
            }
        }
        for offset in [7, u64::MAX] {
            let start = PageStart::Offset(offset);
            assert_eq!(list(store, KeyQuery { start, ..everything(store) }, now()).await, vec![]);
        }
    }
}

pub(super) async fn filters_hide_what_they_name(store: &dyn Store) {
    for name in ["plain", "disabled", "expired", "both"] {
        let mut creation = inference(store, name);
        if matches!(name, "expired" | "both") {
            creation.key.expires_at = Some(now());
        }
        let key = create(store, creation).await;
        if matches!(name, "disabled" | "both") {
            let patch = KeyPatch { disabled: Some(true), ..KeyPatch::default() };
            store.key_update(key.hash, patch, now()).await.expect("writable");
        }
    }
    let table: [(bool, bool, &[&str]); 4] = [
        (false, false, &["plain"]),
        (true, false, &["disabled", "plain"]),
        (false, true, &["expired", "plain"]),
        (true, true, &["both", "expired", "disabled", "plain"]),
    ];
    for (include_disabled, include_expired, expected) in table {
        let query = KeyQuery { include_disabled, include_expired, ..everything(store) };
        assert_eq!(names(store, query.clone()).await, expected);
        // What is hidden does not count as skipped.
        let second = KeyQuery { start: PageStart::Offset(1), ..query };
        assert_eq!(names(store, second).await, expected[1..]);
    }
}

pub(super) async fn a_key_is_expired_from_its_moment_on(store: &dyn Store) {
    let mut creation = inference(store, "expires");
    creation.key.expires_at = Some(now());
    create(store, creation).await;
    let live = KeyQuery { include_expired: false, ..everything(store) };
    let before = Timestamp::from_micros(now().as_micros() - 1);
    assert_eq!(list(store, live.clone(), before).await.len(), 1);
    assert_eq!(list(store, live, now()).await, vec![]);
}

pub(super) async fn a_workspace_and_a_kind_are_lists_of_their_own(store: &dyn Store) {
    let other = WorkspaceId::from_random([9; 16]);
    let mut elsewhere = inference(store, "elsewhere");
    elsewhere.key.workspace = other;
    create(store, elsewhere).await;
    create(store, inference(store, "here")).await;
    create(store, management(store, "manages")).await;
    assert_eq!(names(store, everything(store)).await, ["here"]);
    let query = KeyQuery { workspace: other, ..everything(store) };
    assert_eq!(names(store, query).await, ["elsewhere"]);
    let query = KeyQuery { kind: KeyKind::Management, ..everything(store) };
    assert_eq!(names(store, query).await, ["manages"]);
    let query = KeyQuery { workspace: WorkspaceId::from_random([8; 16]), ..everything(store) };
    assert_eq!(names(store, query).await, [""; 0]);
}

pub(super) async fn a_search_takes_every_character_as_it_is(store: &dyn Store) {
    let all = ["100% off", "snake_case", r"back\slash", "it's", "Straße", "STRASSE", "a*b?[c]"];
    for name in all {
        let mut creation = inference(store, name);
        creation.secret.label = format!("sk-or-v1-{}...XyZ", name.len());
        create(store, creation).await;
    }
    let newest_first: Vec<&str> = all.iter().rev().copied().collect();
    let table: [(&str, &[&str]); 14] = [
        ("%", &["100% off"]),
        ("_", &["snake_case"]),
        (r"\", &[r"back\slash"]),
        ("'", &["it's"]),
        ("*", &["a*b?[c]"]),
        ("[c]", &["a*b?[c]"]),
        ("stra", &["STRASSE", "Straße"]),
        ("STRASS", &["STRASSE"]),
        ("ß", &["Straße"]),
        ("ẞ", &[]),
        ("OFF", &["100% off"]),
        ("v1-10...xyz", &[r"back\slash", "snake_case"]),
        ("nowhere", &[]),
        ("", &newest_first),
    ];
    for (text, expected) in table {
        let query = KeyQuery { contains: Some(text.to_owned()), ..everything(store) };
        assert_eq!(names(store, query).await, expected, "{text:?}");
    }
}

pub(super) async fn a_cursor_keeps_its_place_when_its_key_is_gone(store: &dyn Store) {
    six(store).await;
    let cursor = secret("secret 4").hash;
    let grace = now().plus_seconds(60);
    store.key_rotate(cursor, secret("new"), grace, now()).await.expect("writable");
    for (sort, expected) in [
        (KeySort::Newest, vec![3, 2, 1]),
        (KeySort::Oldest, vec![5, 6]),
        (KeySort::Name, vec![6, 2, 3, 1, 5]),
        (KeySort::NameDescending, vec![]),
        (KeySort::UsageDescending, vec![1, 5, 2]),
    ] {
        let start = PageStart::After(cursor);
        let query = KeyQuery { sort, start, ..everything(store) };
        assert_eq!(numbers(store, query).await, expected, "{sort:?}");
    }
    store.key_delete(KeyKind::Inference, cursor, now()).await.expect("writable");
    for hash in [cursor, secret("new").hash] {
        let query = KeyQuery { start: PageStart::After(hash), ..everything(store) };
        assert_eq!(numbers(store, query).await, [3, 2, 1]);
    }
}

pub(super) async fn a_cursor_of_another_list_is_unknown(store: &dyn Store) {
    create(store, inference(store, "here")).await;
    let manager = create(store, management(store, "manages")).await;
    let mut elsewhere = inference(store, "elsewhere");
    elsewhere.key.workspace = WorkspaceId::from_random([9; 16]);
    let elsewhere = create(store, elsewhere).await;
    for hash in [secret("nobody's").hash, manager.hash, elsewhere.hash] {
        let query = KeyQuery { start: PageStart::After(hash), ..everything(store) };
        assert_eq!(store.key_list(query, now()).await, Ok(KeyPage::UnknownCursor));
    }
}
