//! Connections that are encrypted, and servers that are not who they should be.

use keyway_core::store::Store;
use keyway_store_postgres::{OpenError, PostgresStore};
use keyway_testkit::Postgres;

use crate::support::options;

/// Opens `database` as `sslmode` and the rest say, by the name that the certificate is for.
async fn open(database: &str, host: &str, parameters: &str) -> Result<PostgresStore, OpenError> {
    let url = database.replace("127.0.0.1", host);
    PostgresStore::open(&options(&format!("{url}{parameters}"))).await
}

async fn refusal(database: &str, host: &str, parameters: &str) -> String {
    match open(database, host, parameters).await {
        Ok(_) => panic!("{host} with {parameters} is opened"),
        Err(error) => error.to_string(),
    }
}

/// Whether every connection of stores to the server is encrypted.
async fn is_encrypted(database: &str) -> bool {
    let url = format!("{database}?sslmode=disable");
    let (client, connection) =
        tokio_postgres::connect(&url, tokio_postgres::NoTls).await.expect("a connection");
    #[expect(clippy::disallowed_methods, reason = "ends with the test's runtime")]
    tokio::spawn(connection);
    let sql = "SELECT bool_and(s.ssl) FROM pg_stat_activity AS a JOIN pg_stat_ssl AS s USING (pid)
               WHERE a.application_name = 'keyway'";
    client.query_one(sql, &[]).await.expect("it answers").get(0)
}

#[tokio::test]
async fn what_is_checked_is_what_the_url_asks_for() {
    let server = Postgres::start_encrypted("localhost");
    let database = server.database("encrypted");
    let authority = format!("sslrootcert={}", server.authority().display());
    for (host, parameters, encrypted) in [
        ("localhost", format!("?sslmode=verify-full&{authority}"), true),
        ("localhost", format!("?{authority}"), true),
        ("127.0.0.1", format!("?sslmode=verify-ca&{authority}"), true),
        ("127.0.0.1", format!("?sslmode=require&{authority}"), true),
        ("127.0.0.1", "?sslmode=require".to_owned(), true),
        ("127.0.0.1", String::new(), true),
        ("127.0.0.1", "?sslmode=disable".to_owned(), false),
    ] {
        let store = open(&database, host, &parameters).await;
        let store = store.unwrap_or_else(|error| panic!("{host}{parameters}: {error}"));
        store.probe().await.expect("it can be written");
        assert_eq!(is_encrypted(&database).await, encrypted, "{host}{parameters}");
        store.close();
    }
}

#[tokio::test]
async fn a_server_that_is_not_who_it_should_be_is_refused_with_what_to_do() {
    let server = Postgres::start_encrypted("localhost");
    let database = server.database("encrypted");
    let other = Postgres::start_encrypted("localhost");
    let [own, others] =
        [&server, &other].map(|server| format!("sslrootcert={}", server.authority().display()));
    for (host, parameters, says) in [
        ("127.0.0.1", format!("?sslmode=verify-full&{own}"), "sslmode=verify-ca"),
        ("localhost", format!("?sslmode=verify-full&{others}"), "no trusted authority"),
        ("localhost", format!("?sslmode=verify-ca&{others}"), "sslrootcert="),
        ("localhost", format!("?sslmode=require&{others}"), "sslrootcert="),
        ("localhost", "?sslmode=verify-full".to_owned(), "sslrootcert="),
        ("localhost", "?sslrootcert=/nowhere/ca.crt".to_owned(), "/nowhere/ca.crt"),
        ("localhost", "?sslrootcert=/dev/null".to_owned(), "no certificate"),
    ] {
        let refusal = refusal(&database, host, &parameters).await;
        assert!(refusal.contains(says), "{host}{parameters}: {refusal}");
    }
}

#[tokio::test]
async fn a_server_that_does_not_encrypt_is_refused_where_that_is_asked_for() {
    let server = Postgres::start(&[]);
    let database = server.database("plain");
    for parameters in ["?sslmode=require", "?sslmode=verify-full"] {
        let refusal = refusal(&database, "127.0.0.1", parameters).await;
        assert!(refusal.contains("switch `ssl` on"), "{parameters}: {refusal}");
    }
    open(&database, "127.0.0.1", "?sslmode=prefer").await.expect("it is").close();
}
