//! What an installation that was made by the first version has to be after it was brought up to date.
//!
//! Each store keeps that version's rows as SQL, with names in braces where values of these tests
//! belong: see [`fill`].

use std::fmt::Write as _;

use super::fixture::{self, inference, metered, now, secret};
use crate::budget::{ResetInterval, WindowKind, Windows};
use crate::clock::Timestamp;
use crate::id::{AccountId, GenerationId, KeyId};
use crate::key::{KeyKind, Terms};
use crate::ledger::Ending;
use crate::money::Nanos;
use crate::store::{Idempotency, KeyCreated, Store};

/// Of the installation's secret.
pub const FINGERPRINT: [u8; 32] = [1; 32];
const IDEMPOTENCY: ([u8; 32], [u8; 32], [u8; 16]) = ([2; 32], [3; 32], [4; 16]);

/// The SQL of rows with its values filled in; `literal` writes the hex digits of some bytes as the
/// store does.
///
/// Two keys, `boss` and `used`. The second, which may spend 5,000 a day, was charged 400 for one
/// request; another is marked up to 70 and cut by a crash. The creation of `used` is remembered.
pub fn fill(sql: &str, literal: impl Fn(&str) -> String) -> String {
    let bytes = |bytes: &[u8]| {
        let mut digits = String::new();
        for byte in bytes {
            write!(digits, "{byte:02x}").expect("memory");
        }
        literal(&digits)
    };
    let (key, body, salt) = IDEMPOTENCY;
    let [boss, used] = ["boss", "used"].map(secret);
    let windows = Windows::at(now());
    let start = |kind| windows.start_of(kind).as_micros().to_string();
    let values = [
        ("fingerprint", bytes(&FINGERPRINT)),
        ("workspace", bytes(&[7; 16])),
        ("boss_hash", bytes(boss.hash.as_bytes())),
        ("boss_tag", bytes(boss.tag.as_bytes())),
        ("boss_label", format!("'{}'", boss.label)),
        ("used_hash", bytes(used.hash.as_bytes())),
        ("used_tag", bytes(used.tag.as_bytes())),
        ("used_label", format!("'{}'", used.label)),
        ("creation_key", bytes(&key)),
        ("creation_body", bytes(&body)),
        ("creation_salt", bytes(&salt)),
        ("settled", bytes(request(1).as_bytes())),
        ("cut", bytes(request(2).as_bytes())),
        ("accounts", bytes(&2_i64.to_be_bytes())),
        ("now", now().as_micros().to_string()),
        ("day", start(WindowKind::Day)),
        ("week", start(WindowKind::Week)),
        ("month", start(WindowKind::Month)),
    ];
    let filled = values
        .into_iter()
        .fold(sql.to_owned(), |sql, (name, value)| sql.replace(&format!("{{{name}}}"), &value));
    assert!(!filled.contains('{'), "a name without a value: {filled}");
    filled
}

fn request(number: u8) -> GenerationId {
    GenerationId::new(now(), [number; 10])
}

/// Looks for everything, and goes on with it. The store was opened on the rows of [`fill`].
pub async fn check(store: &dyn Store) {
    let joined = store.node_join("contract", now()).await.expect("writable");
    assert_eq!(joined.recovered, 1, "what the crash cut is charged");
    let key = fixture::get(store, secret("used").hash, now()).await.expect("it is there");
    assert_eq!((key.id, key.account, key.name.as_str()), (KeyId(2), AccountId(2), "used"));
    let (limit, reset) = (Some(Nanos::new(5_000)), Some(ResetInterval::Daily));
    assert_eq!(key.terms, Terms { limit, reset, include_byok_in_limit: true });
    let spent = key.spend.windows.map(|window| (window.spent.get(), window.byok.get()));
    assert_eq!(spent, [(470, 3); 4]);
    check_requests(store).await;
    check_all_of_it(store).await;

    let found = store.secret_find(secret("used").hash, now()).await.expect("readable");
    assert_eq!(found.expect("it is there").secrets, [secret("used")]);
    let boss = store.key_get(KeyKind::Management, secret("boss").hash, now()).await;
    assert!(boss.expect("readable").is_some());
    let (key_of_creation, body, salt) = IDEMPOTENCY;
    let mut again = inference(store, "again");
    let (actor, answer) = (KeyId(1), "as it was".to_owned());
    again.idempotency =
        Some(Idempotency { actor, key: key_of_creation, body, salt: [9; 16], answer });
    let replayed = store.key_create(again, now()).await.expect("writable");
    assert_eq!(replayed, KeyCreated::Replayed { salt, answer: "as it was".to_owned() });

    let new = fixture::create(store, inference(store, "new")).await;
    assert_eq!(new.id, KeyId(3), "numbers go on");
    let mut late = metered(3, &key, now());
    std::sync::Arc::make_mut(&mut late).epoch = joined.epoch;
    store.settle(fixture::charged(&late, 30)).await.expect("writable");
    let key = fixture::get(store, key.hash, now()).await.expect("it is there");
    assert_eq!(key.spend.windows[0].spent.get(), 500);
}

async fn check_requests(store: &dyn Store) {
    let found = async |number| store.generation(request(number)).await.expect("readable");
    let settled = found(1).await.expect("it is there");
    assert_eq!((settled.request.model.as_str(), settled.authorised.get()), ("keyway/echo", 90));
    let settlement = settled.settlement.expect("it is settled");
    let tokens = (settlement.usage.prompt_tokens, settlement.usage.completion_tokens);
    assert_eq!((settlement.charge.get(), tokens), (400, (5, 7)));
    let cut = found(2).await.expect("it is there").settlement.expect("it is settled by now");
    assert_eq!((cut.charge.get(), cut.ending, cut.estimated), (70, Ending::Crashed, true));
}

/// What all keys spent together is as much as if it had been counted from the beginning.
async fn check_all_of_it(store: &dyn Store) {
    for account in [AccountId::INSTALLATION, AccountId(2)] {
        let known = store.account_get(account, now()).await.expect("readable");
        let spent = known.expect("it is there").spend.windows.map(|window| window.spent.get());
        assert_eq!(spent, [470; 4], "{account:?}");
        let (from, until) = (Timestamp::default(), now().plus_seconds(86_400));
        let days = store.activity(account, from, until).await.expect("readable");
        let used: i64 = days.iter().map(|day| day.spend.spent.get()).sum();
        let requests: u64 = days.iter().map(|day| day.requests).sum();
        assert_eq!((used, requests), (470, 2), "{account:?}");
    }
}
