//! What follows from another history of the database.

use keyway_core::store::contract::{failovers, fixture};
use keyway_store_postgres::PostgresStore;

use crate::support::{connect, new_database, options};

macro_rules! behaviours {
    ($($behaviour:ident)*) => {$(
        #[tokio::test]
        async fn $behaviour() {
            let url = new_database();
            let store = PostgresStore::open(&options(&url)).await.expect("a store");
            fixture::begin(&store).await;
            // As if a standby had been promoted.
            let fail_over = async || {
                let sql = "UPDATE installation SET history = 'another'";
                connect(&url).await.execute(sql, &[]).await.expect("written");
            };
            failovers::$behaviour(&store, fail_over).await;
            store.close();
        }
    )*};
}

keyway_core::failover_behaviours! { [behaviours] }
