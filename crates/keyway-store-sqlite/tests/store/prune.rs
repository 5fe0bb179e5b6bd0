//! How much one call takes away.

use keyway_core::store::contract::fixture::{EPOCH, begin, create, inference, now};
use keyway_core::store::{PRUNED_MAX, Store};
use rusqlite::Connection;

use crate::support::TempStore;

/// Two calls' worth and one more, of changes and of ended runs, all older than anything.
const ROWS: &str = "
    WITH RECURSIVE number (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n <= 1000)
    INSERT INTO change_log (seq, account_id, changed_at) SELECT n, 1, 0 FROM number;
    UPDATE installation SET changes = 1001;
    WITH RECURSIVE number (n) AS (SELECT 2 UNION ALL SELECT n + 1 FROM number WHERE n <= 1001)
    INSERT INTO node (epoch, name, live, heard_at, applied) SELECT n, 'ended', 0, 0, 0 FROM number;";

#[tokio::test]
async fn a_call_takes_away_so_much_and_no_more() {
    let store = TempStore::new();
    begin(&*store).await;
    create(&*store, inference(&*store, "changed")).await;
    let database = Connection::open(store.directory().join("keyway.db")).expect("the database");
    database.execute_batch(ROWS).expect("writable");
    store.node_beat(EPOCH, 1_001, now()).await.expect("writable");
    let batch = 2 * u64::try_from(PRUNED_MAX).expect("small");
    for expected in [batch, batch, 2, 0] {
        assert_eq!(store.prune(EPOCH, now()).await, Ok(expected));
    }
    let poll = store.node_poll(EPOCH, 1_001, now()).await.expect("readable");
    assert_eq!((poll.head, poll.forgotten, poll.nodes), (1_001, false, 1));
    let next = store.node_join("next", now()).await.expect("writable").epoch;
    assert_eq!(next.0, 1_003, "numbers of runs that are gone are not used again");
    store.close().await;
}
