//! A database that goes away and comes back.

use std::time::Duration;

use keyway_core::store::contract::fixture;
use keyway_core::store::{Settled, Store, StoreError};
use keyway_store_postgres::PostgresStore;
use keyway_testkit::Postgres;
use tokio::time::Instant;

use crate::support::options;

/// How long a call may wait for a database that is gone.
const BOUND: Duration = Duration::from_secs(8);

#[tokio::test]
async fn calls_fail_in_time_and_succeed_again_by_themselves() {
    let mut server = Postgres::start(&[]);
    let store = PostgresStore::open(&options(&server.database("outage"))).await.expect("a store");
    fixture::begin(&store).await;
    let key = fixture::create(&store, fixture::inference(&store, "used")).await;
    let [before, during] = [1, 2].map(|number| fixture::metered(number, &key, fixture::now()));
    store.settle(fixture::charged(&before, 40)).await.expect("writable");

    server.kill();
    let begin = Instant::now();
    let refused = store.settle(fixture::charged(&during, 2)).await;
    assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
    let waited = begin.elapsed();
    assert!(waited < BOUND, "answered after {waited:?}");
    println!("a call on a database that is gone was answered after {waited:?}");

    server.start_again();
    assert_eq!(store.settle(fixture::charged(&during, 2)).await, Ok(Settled::Applied));
    assert_eq!(store.settle(fixture::charged(&before, 40)).await, Ok(Settled::Repeated));
    store.close();
}
