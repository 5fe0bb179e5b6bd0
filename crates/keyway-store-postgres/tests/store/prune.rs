//! How much one call takes away.

use keyway_core::store::contract::fixture::{EPOCH, begin, create, inference, now};
use keyway_core::store::{PRUNED_MAX, Store};
use keyway_store_postgres::PostgresStore;
use keyway_testkit::Postgres;

use crate::support::options;

/// Two calls' worth and one more, of changes and of ended runs, all older than anything.
const ROWS: &str = "
    INSERT INTO change_log (seq, account_id, changed_at)
        SELECT n, 1, 0 FROM generate_series(1, 1001) AS n;
    INSERT INTO node (epoch, name, live, heard_at, applied)
        SELECT n, 'ended', FALSE, 0, 0 FROM generate_series(2, 1002) AS n;
    UPDATE installation SET changes = 1001, epochs = 1002;";

#[tokio::test]
async fn a_call_takes_away_so_much_and_no_more() {
    let server = Postgres::start(&[]);
    let url = server.database("prune");
    let store = PostgresStore::open(&options(&url)).await.expect("a store");
    begin(&store).await;
    create(&store, inference(&store, "changed")).await;
    let (client, connection) =
        tokio_postgres::connect(&url, tokio_postgres::NoTls).await.expect("a connection");
    #[expect(clippy::disallowed_methods, reason = "ends with the test's runtime")]
    tokio::spawn(connection);
    client.batch_execute(ROWS).await.expect("writable");
    store.node_beat(EPOCH, 1_001, now()).await.expect("writable");
    let batch = 2 * u64::try_from(PRUNED_MAX).expect("small");
    for expected in [batch, batch, 2, 0] {
        assert_eq!(store.prune(EPOCH, now()).await, Ok(expected));
    }
    let poll = store.node_poll(EPOCH, 1_001, now()).await.expect("readable");
    assert_eq!((poll.head, poll.forgotten, poll.nodes), (1_001, false, 1));
    let next = store.node_join("next", now()).await.expect("writable").epoch;
    assert_eq!(next.0, 1_003, "numbers of runs that are gone are not used again");
    store.close();
}
