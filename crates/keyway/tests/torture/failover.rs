//! The database fails over to a standby that missed its last moment: the nodes put it back.

use std::time::Duration;

use keyway_core::money::Nanos;
use keyway_testkit::{Ask, Pace, Random, Retry, check};
use tokio::time::{Instant, sleep};

use crate::books;
use crate::field::{Field, Key};

const NANOS_PER_TOKEN: i64 = 10_007;
/// Reached while the test runs, so that a charge that is lost would be spent again.
const LIMIT: Nanos = Nanos::new(300_000_000);
const LOAD: Duration = Duration::from_secs(3);
/// What the standby misses.
const MISSED: Duration = Duration::from_millis(500);
/// Nodes come back, nothing is leased for two seconds, and then what is left is spent.
const AFTER: Duration = Duration::from_secs(15);
const UNLIMITED_FROM: u64 = 1_000_000_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g13_what_a_fail_over_loses_is_put_back() {
    let (first_most, each) = (Duration::from_millis(20), Duration::from_millis(2));
    let pace = Pace { first_most, each, ..Pace::default() };
    let (mut field, standby) = Field::with_standby(pace, NANOS_PER_TOKEN).await;
    let (limited, unlimited) = (field.key(Some(LIMIT)).await, field.key(None).await);
    let retry = Retry { pause: Duration::from_millis(50), until: Duration::MAX, for_money: true };
    let crowd =
        |key: &Key, seed| field.crowd(key).requests(u64::MAX, 24).retrying(retry).asking(seed, ask);
    let (crowd, freely) = (crowd(&limited, 1), crowd(&unlimited, 2).numbered_from(UNLIMITED_FROM));
    let primary_url = field.store_url.clone();
    let standby_url = standby.url("torture");
    let postgres = &mut field.postgres;
    let fail_over = async {
        sleep(LOAD).await;
        tokio::task::block_in_place(|| standby.stop_following());
        sleep(MISSED).await;
        let before = settled(&primary_url).await;
        tokio::task::block_in_place(|| postgres.kill());
        let gone = Instant::now();
        tokio::task::block_in_place(|| standby.promote());
        let has = settled(&standby_url).await;
        println!("G13: of {before} charges the standby had {has}, {:?} after", gone.elapsed());
        sleep(AFTER).await;
        crowd.stop();
        freely.stop();
        before - has
    };
    let (told, told_freely, missed) = tokio::join!(crowd.run(), freely.run(), fail_over);
    assert!(missed > 0, "the standby missed nothing: there is nothing to see");
    field.store_url = standby_url;
    for (name, key, told) in [("limited", limited, told), ("unlimited", unlimited, told_freely)] {
        let books = field.books(&key).await;
        let mut dispatched = field.upstream.log();
        let is_unlimited = key.limit.is_none();
        dispatched.retain(|it| (it.ticket.number >= UNLIMITED_FROM) == is_unlimited);
        let verdict = check(&dispatched, &told, &books, field.nanos_per_token);
        println!("G13 {name}: {verdict}");
        verdict.assert_clean();
        assert_eq!(field.usages(&key).await, [books.charged(); 3]);
    }
}

fn ask(random: &mut Random, _: u64) -> Ask {
    let tokens = random.between(1, 60);
    Ask { tokens, tokens_max: tokens, streamed: random.once_in(2), abort_after: None }
}

async fn settled(url: &str) -> i64 {
    let sql = "SELECT count(*) FROM generation WHERE charge_nanos IS NOT NULL";
    books::connect(url).await.query_one(sql, &[]).await.expect("a count").get(0)
}
