//! Writes of a run, its beats, and its end, all at once.

use keyway_core::store::contract::fixture::{self, EPOCH};
use keyway_core::store::{NodeEnd, Settled, Store, StoreError};
use keyway_store_postgres::PostgresStore;
use keyway_testkit::{Mode, Postgres, Proxy, eventually};
use tokio_postgres::Client;

use crate::support::{connect, options};

/// In the middle of a write a beat goes through, and an end waits.
#[tokio::test]
async fn a_write_holds_up_the_end_of_its_run_and_no_beat() {
    let server = Postgres::start(&[]);
    let url = server.database("fence");
    let store = PostgresStore::open(&options(&url)).await.expect("a store");
    fixture::begin(&store).await;
    let key = fixture::create(&store, fixture::inference(&store, "used")).await;
    let [before, during] = [1, 2].map(|number| fixture::metered(number, &key, fixture::now()));
    store.settle(fixture::charged(&before, 40)).await.expect("writable");
    let mut other = connect(&url).await;
    let holding = other.transaction().await.expect("a transaction");
    holding.execute("SELECT 1 FROM account_window FOR UPDATE", &[]).await.expect("locked");

    let looking = connect(&url).await;
    let settling = store.settle(fixture::charged(&during, 2));
    let ending = async {
        stuck(&looking, 1).await;
        store.node_beat(EPOCH, 0, fixture::now()).await.expect("it waits for nothing");
        let ending = store.node_end(EPOCH, NodeEnd::Left, fixture::now());
        let letting_go = async {
            stuck(&looking, 2).await;
            holding.commit().await.expect("let go");
        };
        tokio::join!(ending, letting_go).0
    };
    let (settled, ended) = tokio::join!(settling, ending);
    assert_eq!((settled, ended), (Ok(Settled::Applied), Ok(Some(0))));
    store.close();
}

/// A node falls silent in the middle of a write: its run can be ended all the same, and keeps nothing.
#[tokio::test]
async fn what_a_silent_node_locked_is_free_again() {
    let server = Postgres::start(&[]);
    let url = server.database("silent");
    let address = url.split(['@', '/']).nth(3).expect("an address");
    let network = Proxy::start(address.parse().expect("an address")).await;
    let through = url.replace(address, &network.address().to_string());
    let silent = PostgresStore::open(&options(&through)).await.expect("a store");
    let store = PostgresStore::open(&options(&url)).await.expect("a store");
    fixture::begin(&store).await;
    let key = fixture::create(&store, fixture::inference(&store, "used")).await;
    let [before, during] = [1, 2].map(|number| fixture::metered(number, &key, fixture::now()));
    store.settle(fixture::charged(&before, 40)).await.expect("writable");
    let (mut other, looking) = (connect(&url).await, connect(&url).await);
    let holding = other.transaction().await.expect("a transaction");
    holding.execute("SELECT 1 FROM account_window FOR UPDATE", &[]).await.expect("locked");

    let settling = silent.settle(fixture::charged(&during, 2));
    let ending = async {
        stuck(&looking, 1).await;
        network.set(Mode::Stall);
        holding.commit().await.expect("let go");
        let ended = store.node_end(EPOCH, NodeEnd::Left, fixture::now()).await;
        network.set(Mode::Pass);
        ended
    };
    let (settled, ended) = tokio::join!(settling, ending);
    assert_eq!((settled, ended), (Err(StoreError::Fenced), Ok(Some(0))));
    silent.close();
    store.close();
}

/// Waits until so many sessions wait for a lock.
async fn stuck(looking: &Client, count: i64) {
    let sql = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'";
    eventually("sessions wait for a lock", || async {
        let waiting: i64 = looking.query_one(sql, &[]).await.expect("an answer").get(0);
        (waiting == count).then_some(())
    })
    .await;
}
