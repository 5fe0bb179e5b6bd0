//! R14: what answers say they cost adds up to what the key has used, to the nano-dollar.
//!
//! Prices have fifteen decimals, so that every cost is rounded. Some requests go through the real binary,
//! and their costs are read out of their answers. Many more are metered in this process: a reservation,
//! a cost and a charge each, on the embedded store without flushes; the client, the provider and HTTP are
//! left out.
//!
//! `KEYWAY_TORTURE_REQUESTS` is how many are metered, a million by default; a fiftieth of as many go over
//! HTTP.

use std::path::Path;
use std::sync::Arc;

use keyway_core::clock::Clock;
use keyway_core::id::{AccountId, GenerationId, WorkspaceId};
use keyway_core::key::{KeyKind, KeyName, KeyRecord, NewKey, SecretRecord, Terms};
use keyway_core::ledger::{Ending, Metered, Outcome as Answered};
use keyway_core::money::{Nanos, Rate};
use keyway_core::pricing::{Pricing, Usage};
use keyway_core::secret::{InstallationSecret, KEY_ENTROPY_BYTES, KeyPrefix, KeySecret};
use keyway_core::store::{KeyCreated, KeyCreation, Store};
use keyway_server::app::App;
use keyway_server::clock::SystemClock;
use keyway_server::config::Config;
use keyway_server::relay::meter::Late;
use keyway_store_sqlite::{Durability, Holder, SqliteOptions, SqliteStore};
use keyway_testkit::{Ask, Cluster, Crowd, Pace, Plan, Random, Upstream};
use tokio::task::JoinSet;

use crate::books::{self, Source};
use crate::field::{alone, key, usage};
use crate::setting;

const LIMIT: Nanos = Nanos::new(1_000_000_000_000_000);
const PROMPT: &str = "0.000000123456789";
const COMPLETION: &str = "0.000000987654321";
const REQUESTS: u64 = 1_000_000;
const AT_A_TIME: u64 = 100;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r14_what_answers_cost_adds_up() {
    let _alone = alone().await;
    let requests = setting("KEYWAY_TORTURE_REQUESTS", REQUESTS) / 50;
    let upstream = Upstream::start(Pace::default());
    let config = upstream.config(1).replace(
        "pricing = { prompt = \"0\", completion = \"0.000000001\" }",
        &format!("pricing = {{ prompt = \"{PROMPT}\", completion = \"{COMPLETION}\" }}"),
    );
    assert!(config.contains(COMPLETION), "{config}");
    let plan = Plan {
        binary: env!("CARGO_BIN_EXE_keyway"),
        nodes: 1,
        config: &config,
        store_url: None,
        proxied: false,
        clocks: &[],
    };
    let cluster = Cluster::start(&plan).await;
    let key = key(&cluster, Some(LIMIT)).await;
    let crowd = Crowd::new(&cluster.urls(), &key.string).requests(requests, 64);
    let asking = |random: &mut Random, _| Ask {
        streamed: random.once_in(2),
        ..Ask::plain(random.between(1, 40))
    };
    let told = crowd.asking(setting("KEYWAY_TORTURE_SEED", 0x5eed), asking).run().await;
    let said = usage(&cluster, 0, &key.hash).await;
    cluster.terminate(0).await;
    let source = Source::Sqlite(cluster.data_dir(0).await);
    let books = books::read(&source, &key.hash, key.limit).await;
    println!(
        "R14, {requests} answers in {:.1?}: cost {}, usage {said}",
        told.began.elapsed(),
        told.cost()
    );
    assert_eq!(told.complete() as u64, requests, "{told}");
    assert_eq!(told.cost(), said);
    assert_eq!(books.charged(), said);
    assert_eq!(books.spent, said);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r14_what_is_charged_adds_up() {
    let _alone = alone().await;
    let requests = setting("KEYWAY_TORTURE_REQUESTS", REQUESTS);
    let directory = tempfile::tempdir().expect("a directory");
    let (app, key) = app_on(directory.path()).await;
    let began = tokio::time::Instant::now();
    let mut metering = JoinSet::new();
    for task in 0..AT_A_TIME {
        let (app, key) = (Arc::clone(&app), Arc::clone(&key));
        metering.spawn(meter(app, key, task, requests / AT_A_TIME));
    }
    let costs = metering.join_all().await.into_iter().fold(Nanos::ZERO, Nanos::saturating_add);
    let found = app.store.key_get(KeyKind::Inference, key.hash, app.clock.now()).await;
    let found = found.expect("readable").expect("the key");
    let [all_time, ..] = found.spend.windows.map(|window| window.spent);
    println!("R14, {requests} charges in {:.1?}: cost {costs}, usage {all_time}", began.elapsed());
    assert_eq!(costs, all_time);
    app.leave().await;
}

/// Meters `requests`, and answers what they say that they cost.
async fn meter(app: Arc<App>, key: Arc<KeyRecord>, task: u64, requests: u64) -> Nanos {
    let rate = |text| Rate::parse(text).expect("a rate");
    let pricing = Pricing::per_token(rate(PROMPT), rate(COMPLETION));
    let mut random = Random::new(setting("KEYWAY_TORTURE_SEED", 0x5eed)).fork(task);
    let mut costs = Nanos::ZERO;
    for number in 0..requests {
        let mut bits = [0; 10];
        bits[..8].copy_from_slice(&(task << 48 | number).to_be_bytes());
        let id = GenerationId::new(app.clock.now(), bits);
        let usage = Usage::of(random.between(1, 5_000), random.between(0, 2_000));
        let most = Usage { completion_tokens: 2_000, ..usage };
        let reserved = pricing.bound(most);
        let windows = app.meter.reserve(id, &app.keyring, &key, reserved).await;
        let request = Arc::new(Metered {
            id,
            epoch: app.meter.epoch(),
            key: key.id,
            accounts: vec![AccountId::INSTALLATION, key.account],
            windows: windows.expect("there is plenty"),
            reserved,
            model: "r14/model".to_owned(),
            provider: "r14".to_owned(),
            is_byok: false,
            streamed: false,
            admitted_at: app.clock.now(),
            origin: Arc::default(),
        });
        let outcome = Answered {
            usage,
            cost: pricing.cost(usage, request.admitted_at).total,
            byok: Nanos::ZERO,
            free: false,
            ending: Ending::Completed,
            estimated: false,
            course: Arc::default(),
        };
        let settled = app.meter.settle(&request, &outcome, Late::Waive).await;
        costs = costs.saturating_add(settled.expect("it is charged").charge);
    }
    costs
}

/// A gateway without a socket on a store without flushes, and a key that it knows.
async fn app_on(directory: &Path) -> (Arc<App>, Arc<KeyRecord>) {
    let options = SqliteOptions {
        directory: directory.to_owned(),
        holder: Holder::Gateway,
        durability: Durability::Process,
        fingerprint: [1; 32],
        new_workspace: WorkspaceId::from_random([7; 16]),
        now: SystemClock.now(),
    };
    let store: Arc<dyn Store> = Arc::new(SqliteStore::open(&options).expect("a store"));
    let installation = InstallationSecret::new(&[7; 32]);
    let secret = KeySecret::mint(&KeyPrefix::default(), &[3; KEY_ENTROPY_BYTES]);
    let name = KeyName::new("r14").expect("a name");
    let terms = Terms { limit: Some(LIMIT), ..Terms::default() };
    let kind = KeyKind::Inference;
    let key = NewKey { kind, terms, ..NewKey::management(name, store.default_workspace()) };
    let record = SecretRecord::minted(&secret, &installation);
    let creation = KeyCreation { key, secret: record, idempotency: None };
    let made = store.key_create(creation, SystemClock.now()).await.expect("writable");
    assert!(matches!(made, KeyCreated::Created(_)), "{made:?}");
    let (url, name) = ("http://gateway".to_owned(), "one".to_owned());
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let app = App::start(&Config::default(), store, installation.into(), clock, url, name).await;
    let app = app.expect("it starts");
    let key = app.keyring.authenticate(secret.expose(), app.clock.now()).await.expect("a key");
    (app, key)
}
