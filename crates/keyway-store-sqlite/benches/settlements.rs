//! What it costs to write a request that is answered at once: the row of its charge, and the sums of its key
//! and of the installation, below a limit.
//!
//! `cargo bench -p keyway-store-sqlite --bench settlements -- 8` writes 20,000, eight at a time, and tells
//! how long one took. Below `valgrind --tool=callgrind` it tells how many instructions that were, which
//! other work on the machine does not touch.

#![expect(clippy::print_stdout, reason = "figures are told")]

use std::sync::Arc;

use keyway_core::budget::WindowKind;
use keyway_core::clock::Timestamp;
use keyway_core::id::{AccountId, GenerationId, WorkspaceId};
use keyway_core::key::{KeyRecord, Terms};
use keyway_core::ledger::{Course, Draw, LeaseCall, Metered, Origin, Settlement, Slice};
use keyway_core::money::Nanos;
use keyway_core::store::contract::fixture;
use keyway_core::store::{Settled, Store};
use keyway_store_sqlite::{Durability, Holder, SqliteOptions, SqliteStore};
use tokio::task::JoinSet;
use tokio::time::Instant;

const REQUESTS: u64 = 20_000;
const CHARGE: Nanos = Nanos::new(1_000);
const LIMIT: Nanos = Nanos::new(1_000_000_000_000);

fn main() {
    let at_a_time = std::env::args().find_map(|word| word.parse().ok()).unwrap_or(1);
    let directory = tempfile::tempdir().expect("a directory");
    let options = SqliteOptions {
        directory: directory.path().to_owned(),
        holder: Holder::Gateway,
        durability: Durability::Process,
        fingerprint: [1; 32],
        new_workspace: WorkspaceId::from_random([7; 16]),
        now: Timestamp::default(),
    };
    let store = Arc::new(SqliteStore::open(&options).expect("a store"));
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(async {
        let key = begin(&store).await;
        let (begun, commits) = (Instant::now(), store.commits());
        for first in (0..REQUESTS).step_by(usize::try_from(at_a_time).expect("few")) {
            settle(&store, &key, first..first + at_a_time).await;
        }
        let (took, commits) = (begun.elapsed(), store.commits() - commits);
        println!("{:?} a request, {commits} commits", took / u32::try_from(REQUESTS).expect("few"));
        store.close().await;
    });
}

/// A key with a limit, all of which is leased.
async fn begin(store: &Arc<SqliteStore>) -> KeyRecord {
    fixture::begin(&**store).await;
    let mut creation = fixture::inference(&**store, "key");
    creation.key.terms = Terms { limit: Some(LIMIT), ..Terms::default() };
    let key = fixture::create(&**store, creation).await;
    let call = LeaseCall {
        epoch: fixture::EPOCH,
        slice: slice(&key),
        seq: 1,
        give_back: Nanos::ZERO,
        least: LIMIT,
        want: LIMIT,
        ahead: Nanos::ZERO,
        share: 1,
    };
    let leased = store.lease(call, fixture::now()).await.expect("writable");
    assert_eq!(leased.granted, LIMIT);
    key
}

fn slice(key: &KeyRecord) -> Slice {
    Slice { account: key.account, kind: WindowKind::Total, starts_at: Timestamp::default() }
}

async fn settle(store: &Arc<SqliteStore>, key: &KeyRecord, numbers: std::ops::Range<u64>) {
    let mut settling = JoinSet::new();
    for number in numbers {
        let (store, settlement) = (Arc::clone(store), settlement(number, key));
        settling.spawn(async move { store.settle(settlement).await });
    }
    for settled in settling.join_all().await {
        assert_eq!(settled, Ok(Settled::Applied));
    }
}

/// As a client leaves it that says little, of a provider that says what is usual.
fn settlement(number: u64, key: &KeyRecord) -> Settlement {
    let mut request = Metered::clone(&fixture::metered(0, key, fixture::now()));
    let mut random = [0; 10];
    random[2..].copy_from_slice(&number.to_be_bytes());
    request.id = GenerationId::new(request.admitted_at, random);
    request.accounts.insert(0, AccountId::INSTALLATION);
    request.streamed = false;
    request.is_byok = false;
    let Origin { catalogue_version, api_type, .. } = request.origin.as_ref().clone();
    request.origin = Arc::new(Origin { catalogue_version, api_type, ..Origin::default() });
    let settlement = fixture::charged(&Arc::new(request), CHARGE.get());
    let course =
        Course { tried: Vec::new(), service_tier: None, ..settlement.course.as_ref().clone() };
    Settlement {
        byok: Nanos::ZERO,
        draws: vec![Draw { slice: slice(key), amount: CHARGE }],
        course: Arc::new(course),
        ..settlement
    }
}
