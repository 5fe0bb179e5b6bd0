//! R2: random costs while nodes are killed, paused and cut off from the database; and, with R16, while
//! the database itself is killed besides.
//!
//! `KEYWAY_TORTURE_SECONDS` is how long, `KEYWAY_TORTURE_SEED` the seed.

use std::time::Duration;

use keyway_core::money::Nanos;
use keyway_testkit::{Ask, Chaos, Pace, Postgres, Random, Retry, Told, check};
use tokio::time::sleep;

use crate::field::{Field, Key};
use crate::setting;

const SECONDS: u64 = 60;
/// How often the database is killed in the second form, and for how long it is away.
const OUTAGES: u32 = 3;
const AWAY: Duration = Duration::from_secs(3);

/// Not a round number, so that a wrong sum is not right by chance.
const NANOS_PER_TOKEN: i64 = 10_007;
/// What the limited key may spend for each second of the test, so that its limit is reached.
const NANOS_PER_SECOND: i64 = 2_000_000;
const CONCURRENCY: usize = 64;
/// Requests of the unlimited key have numbers from here on.
const UNLIMITED_FROM: u64 = 1_000_000_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r2_nothing_is_lost_or_made_up_while_everything_fails() {
    torture("R2", 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r2_nothing_is_lost_while_the_database_is_killed_too() {
    torture("R2 with R16", OUTAGES).await;
}

/// The same in both forms, but for how often the database is killed.
async fn torture(name: &str, outages: u32) {
    let seconds = setting("KEYWAY_TORTURE_SECONDS", SECONDS);
    let seed = setting("KEYWAY_TORTURE_SEED", 0x5eed);
    let length = Duration::from_secs(seconds);
    let (first_most, each) = (Duration::from_millis(50), Duration::from_millis(4));
    let pace = Pace { first_most, each, seed, ..Pace::default() };
    let mut field = Field::new(pace, NANOS_PER_TOKEN, true).await;
    let limit = Nanos::new(i64::try_from(seconds).expect("seconds") * NANOS_PER_SECOND);
    let (limited, unlimited) = (field.key(Some(limit)).await, field.key(None).await);
    let retry = Retry { pause: Duration::from_millis(50), until: length, for_money: true };
    let crowd =
        |key: &Key| field.crowd(key).length(length, CONCURRENCY).retrying(retry).asking(seed, ask);
    let (crowd, freely) = (crowd(&limited), crowd(&unlimited).numbered_from(UNLIMITED_FROM));
    let chaos = Chaos::new(seed, length);
    let killing = kill(&mut field.postgres, length, outages);
    let (told, told_freely, events, ()) =
        tokio::join!(crowd.run(), freely.run(), chaos.run(&field.cluster), killing);
    for event in &events {
        println!("  {event}");
    }
    judge(&field, name, &limited, &told).await;
    judge(&field, name, &unlimited, &told_freely).await;
}

/// Kills the database so many times, evenly spread over `length`.
async fn kill(postgres: &mut Postgres, length: Duration, times: u32) {
    let pause = (length / (times + 1)).saturating_sub(AWAY);
    for _ in 0..times {
        sleep(pause).await;
        tokio::task::block_in_place(|| postgres.kill());
        sleep(AWAY).await;
        tokio::task::block_in_place(|| postgres.start_again());
    }
}

fn ask(random: &mut Random, _: u64) -> Ask {
    let tokens = random.between(1, 60);
    let tokens_max = tokens * random.between(1, 3);
    let streamed = random.once_in(2);
    let abort_after = random.once_in(8).then(|| random.between(1, tokens));
    Ask { tokens, tokens_max, streamed, abort_after }
}

async fn judge(field: &Field, name: &str, key: &Key, told: &Told) {
    let books = field.books(key).await;
    let mut dispatched = field.upstream.log();
    let is_unlimited = key.limit.is_none();
    dispatched.retain(|it| (it.ticket.number >= UNLIMITED_FROM) == is_unlimited);
    let verdict = check(&dispatched, told, &books, field.nanos_per_token);
    let kind = if is_unlimited { "unlimited" } else { "limited" };
    println!("{name}, {kind}: {verdict}");
    verdict.assert_clean();
    assert_eq!(field.usages(key).await, [books.charged(); 3]);
}
