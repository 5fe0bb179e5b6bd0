//! An installation of an older version is brought up to date, whichever version it was.

use std::fs;
use std::path::Path;

use keyway_core::store::contract::upgrade::{check, fill};
use keyway_store_postgres::PostgresStore;
use keyway_testkit::Postgres;
use tokio_postgres::{Client, NoTls};

use crate::support::options;

/// As they were released, in their order.
fn migrations() -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations");
    let files = fs::read_dir(folder).expect("the migrations").flatten();
    let mut paths: Vec<_> = files.map(|file| file.path()).collect();
    paths.sort();
    paths.iter().map(|path| fs::read_to_string(path).expect("text")).collect()
}

async fn connect(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.expect("a connection");
    #[expect(clippy::disallowed_methods, reason = "ends with the test's runtime")]
    tokio::spawn(connection);
    client
}

/// In use since the first version, and brought up to `version` since.
async fn make_old(client: &Client, migrations: &[String], version: usize) {
    let literal = |digits: &str| format!("'\\x{digits}'::BYTEA");
    client.batch_execute(&migrations[0]).await.expect("the first version");
    let rows = fill(include_str!("version_1.sql"), literal);
    client.batch_execute(&rows).await.expect("its rows");
    for migration in &migrations[1..version] {
        client.batch_execute(migration).await.expect("a later version");
    }
    let known = "CREATE TABLE schema_version (
                   one BIGINT PRIMARY KEY CHECK (one = 1), version BIGINT NOT NULL);";
    let known = format!("{known} INSERT INTO schema_version VALUES (1, {version});");
    client.batch_execute(&known).await.expect("writable");
}

/// Everything that the schema says.
async fn dump(client: &Client) -> Vec<String> {
    let sql = "
        SELECT concat_ws(' ', table_name, column_name, data_type, is_nullable, column_default,
                         collation_name)
            FROM information_schema.columns WHERE table_schema = 'public'
        UNION ALL SELECT concat_ws(' ', conrelid::regclass, conname, pg_get_constraintdef(oid))
            FROM pg_constraint WHERE connamespace = 'public'::regnamespace
        UNION ALL SELECT indexdef FROM pg_indexes WHERE schemaname = 'public'
        UNION ALL SELECT concat_ws(' ', relkind, relname, reloptions)
            FROM pg_class WHERE relnamespace = 'public'::regnamespace
        UNION ALL SELECT concat('version ', version) FROM schema_version
        ORDER BY 1";
    client.query(sql, &[]).await.expect("readable").iter().map(|row| row.get(0)).collect()
}

#[tokio::test]
async fn an_upgrade_of_any_version_is_a_fresh_installation_with_what_was_there() {
    let server = Postgres::start(&[]);
    let fresh = server.database("fresh");
    PostgresStore::open(&options(&fresh)).await.expect("a store").close();
    let fresh = dump(&connect(&fresh).await).await;
    let migrations = migrations();
    assert!(fresh.contains(&format!("version {}", migrations.len())), "each has its number");
    for version in 1..=migrations.len() {
        let url = server.database(&format!("version_{version}"));
        let client = connect(&url).await;
        make_old(&client, &migrations, version).await;
        let store = PostgresStore::open(&options(&url)).await.expect("it is brought up to date");
        check(&store).await;
        store.close();
        assert_eq!(dump(&client).await, fresh, "from version {version}");
    }
}
