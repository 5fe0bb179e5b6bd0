//! The hot path, counted: what a request asks of the store, and when.
//!
//! The gateway runs in this process, on each of the real stores, with somebody between them who counts
//! the calls and can hold them up.

#![expect(clippy::print_stdout, reason = "figures are told")]

mod counter;
mod place;

use std::collections::BTreeMap;

use keyway_testkit::{Ask, Outcome, eventually};

use self::place::Place;

/// Requests that settle at the same time.
const AT_A_TIME: u64 = 200;
const REQUESTS: u64 = 1_000;
/// What is held up together is written by few commits: a batch and what came before it was full.
const COMMITS_MAX: u64 = AT_A_TIME / 20;

/// Provisions the lease with far more than the requests that follow need.
const WARMING: Ask = Ask { tokens_max: 100_000, ..Ask::plain(1) };

fn calls<const N: usize>(calls: [(&'static str, u64); N]) -> BTreeMap<&'static str, u64> {
    BTreeMap::from(calls)
}

/// The provider is asked, and answers, while the store answers nobody. What the gateway called by then
/// is what waits for it: the charge of a whole answer, the mark of a stream.
async fn the_store_is_not_asked_before_the_provider(place: Place) {
    for _ in 0..3 {
        place.ask(1, 1, WARMING).await;
    }
    for (streamed, waits) in [(false, "settle"), (true, "mark")] {
        let before = place.upstream.count();
        place.counter.shut();
        let (told, ()) = tokio::join!(place.ask(1, 1, Ask { streamed, ..Ask::plain(3) }), async {
            let seen = eventually("the provider is asked and has answered", || async {
                let waits = place.counter.calls().contains_key(waits);
                (place.upstream.count() > before && waits).then(|| place.counter.calls())
            });
            assert_eq!(seen.await, calls([(waits, 1)]), "before the provider was asked, or beside");
            place.counter.open();
        });
        assert!(matches!(told.attempts[0].outcome, Outcome::Complete { .. }), "{told:?}");
        let all =
            if streamed { calls([("mark", 1), ("settle", 1)]) } else { calls([("settle", 1)]) };
        assert_eq!(place.counter.calls(), all, "streamed: {streamed}");
    }
    place.close().await;
}

/// Charges that wait at the same time are written together.
async fn charges_share_commits(place: Place) {
    place.ask(1, 1, WARMING).await;
    place.counter.shut();
    let commits = place.commits();
    let (_, ()) = tokio::join!(place.ask(AT_A_TIME, AT_A_TIME, Ask::plain(3)), async {
        let all =
            || async { (place.counter.calls() == calls([("settle", AT_A_TIME)])).then_some(()) };
        eventually("all are answered, and wait for their charges", all).await;
        place.counter.open();
    });
    let together = place.commits() - commits;
    let commits = place.commits();
    place.ask(REQUESTS, 64, Ask::plain(3)).await;
    let freely = place.commits() - commits;
    println!(
        "{}: {AT_A_TIME} charges that were held up in {together} commits; {REQUESTS} of 64 clients in \
         {freely}, with everything else that was written",
        place.name
    );
    assert!(together <= COMMITS_MAX, "{together} commits");
    assert!(freely < REQUESTS, "{freely} commits");
    place.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_is_not_asked_before_the_provider() {
    the_store_is_not_asked_before_the_provider(Place::on_sqlite().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgresql_is_not_asked_before_the_provider() {
    the_store_is_not_asked_before_the_provider(Place::on_postgres().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn charges_share_commits_on_sqlite() {
    charges_share_commits(Place::on_sqlite().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn charges_share_commits_on_postgresql() {
    charges_share_commits(Place::on_postgres().await).await;
}
