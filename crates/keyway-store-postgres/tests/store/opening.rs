//! What is opened, and what is refused.

use keyway_store_postgres::{OpenError, PostgresOptions, PostgresStore};
use keyway_testkit::Postgres;

use crate::support::options;

#[tokio::test]
async fn nodes_that_start_together_migrate_once() {
    let server = Postgres::start(&[]);
    let options = options(&server.database("together"));
    let opening = (0..4).map(|_| PostgresStore::open(&options));
    let mut opened = Vec::new();
    for store in futures(opening).await {
        opened.push(store.expect("each opens"));
    }
    for store in opened {
        store.close();
    }
}

async fn futures<F: Future>(all: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut pending: Vec<_> = all.map(Box::pin).collect();
    let mut done: Vec<Option<F::Output>> = pending.iter().map(|_| None).collect();
    std::future::poll_fn(|context| {
        for (future, done) in pending.iter_mut().zip(&mut done) {
            if done.is_none()
                && let std::task::Poll::Ready(output) = future.as_mut().poll(context)
            {
                *done = Some(output);
            }
        }
        if done.iter().all(Option::is_some) {
            std::task::Poll::Ready(())
        } else {
            std::task::Poll::Pending
        }
    })
    .await;
    done.into_iter().flatten().collect()
}

#[tokio::test]
async fn what_must_not_be_opened_is_refused() {
    let server = Postgres::start(&[]);
    let own = options(&server.database("own"));
    PostgresStore::open(&own).await.expect("a store").close();
    let other = PostgresOptions { fingerprint: [2; 32], ..own.clone() };
    assert!(matches!(PostgresStore::open(&other).await, Err(OpenError::OtherSecret)));

    let (client, connection) =
        tokio_postgres::connect(&own.url, tokio_postgres::NoTls).await.expect("a connection");
    #[expect(clippy::disallowed_methods, reason = "ends with the test's runtime")]
    tokio::spawn(connection);
    client.execute("UPDATE schema_version SET version = 99", &[]).await.expect("written");
    let newer = PostgresStore::open(&own).await;
    assert!(matches!(newer, Err(OpenError::NewerSchema { found: 99, .. })), "{newer:?}");
    let nowhere = PostgresOptions { url: "mysql://nowhere".to_owned(), ..own };
    assert!(matches!(PostgresStore::open(&nowhere).await, Err(OpenError::Url(_))));
}

#[tokio::test]
async fn a_database_that_does_not_flush_is_refused() {
    let server = Postgres::start(&["fsync=off"]);
    let opened = PostgresStore::open(&options(&server.database("careless"))).await;
    assert!(matches!(opened, Err(OpenError::NoFsync)), "{opened:?}");
}
