//! What a list of keys shows, and in what order.

use crate::budget::WindowKind;
use crate::clock::Timestamp;
use crate::key::KeyRecord;
use crate::store::{KeyQuery, KeySort};

pub(super) fn is_listed(key: &KeyRecord, query: &KeyQuery, now: Timestamp) -> bool {
    let contains = |needle: &String| {
        let needle = needle.to_ascii_lowercase();
        let texts = [key.name.as_str(), &key.label];
        texts.iter().any(|text| text.to_ascii_lowercase().contains(&needle))
    };
    (query.include_disabled || !key.disabled)
        && (query.include_expired || !key.is_expired(now))
        && query.contains.as_ref().is_none_or(contains)
}

pub(super) fn order(sort: KeySort, one: &KeyRecord, other: &KeyRecord) -> std::cmp::Ordering {
    let name = |key: &KeyRecord| key.name.as_str().to_owned();
    let spent = |key: &KeyRecord| key.spend.windows[WindowKind::Total.index()].spent;
    let by = match sort {
        KeySort::Newest => std::cmp::Ordering::Equal,
        KeySort::Oldest => one.id.cmp(&other.id),
        KeySort::Name => name(one).cmp(&name(other)),
        KeySort::NameDescending => name(other).cmp(&name(one)),
        KeySort::UsageDescending => spent(other).cmp(&spent(one)),
    };
    by.then(other.id.cmp(&one.id))
}
