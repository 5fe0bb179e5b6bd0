//! R5: `kill -9` again and again, one node on SQLite, fifty requests in flight.
//!
//! `KEYWAY_TORTURE_CYCLES` is how often, `KEYWAY_TORTURE_SEED` the seed.

use std::time::Duration;

use keyway_core::money::Nanos;
use keyway_testkit::{Ask, Pace, Random, Retry, check};

use crate::books::{self, Source};
use crate::field::{Lonely, key, usage};
use crate::setting;

const NANOS_PER_TOKEN: i64 = 10_007;
const IN_FLIGHT: usize = 50;
const LIMIT: Nanos = Nanos::new(1_000_000_000_000);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r5_no_charge_is_lost_by_killing() {
    let cycles = setting("KEYWAY_TORTURE_CYCLES", 100);
    let mut random = Random::new(setting("KEYWAY_TORTURE_SEED", 0x5eed));
    let (first_most, each) = (Duration::from_millis(20), Duration::from_millis(1));
    let field = Lonely::new(Pace { first_most, each, ..Pace::default() }, NANOS_PER_TOKEN).await;
    let key = key(&field.cluster, Some(LIMIT)).await;
    let retry = Retry { pause: Duration::from_millis(10), until: Duration::MAX, for_money: false };
    let crowd = keyway_testkit::Crowd::new(&field.cluster.urls(), &key.string)
        .requests(u64::MAX, IN_FLIGHT)
        .retrying(retry)
        .asking(random.next(), ask);
    let killing = async {
        for _ in 0..cycles {
            // The moment of the kill is the test's input, not a wait for something.
            tokio::time::sleep(Duration::from_micros(random.between(5_000, 200_000))).await;
            field.cluster.kill(0).await;
            field.cluster.restart(0).await;
        }
        crowd.stop();
    };
    let (told, ()) = tokio::join!(crowd.run(), killing);
    let said = usage(&field.cluster, 0, &key.hash).await;
    field.cluster.terminate(0).await;
    let source = Source::Sqlite(field.cluster.data_dir(0).await);
    let books = books::read(&source, &key.hash, key.limit).await;
    let verdict = check(&field.upstream.log(), &told, &books, field.nanos_per_token);
    println!("R5, {cycles} kills in {:.1?}: {verdict}", told.began.elapsed());
    verdict.assert_clean();
    let heard = told.attempts.iter().filter(|attempt| attempt.generation.is_some()).count();
    let charged = books.rows.iter().filter(|row| row.charge_nanos > 0).count();
    let in_flight = usize::try_from(cycles).expect("cycles") * IN_FLIGHT;
    assert!(charged <= heard + in_flight, "beyond what was heard, only what was in flight");
    assert_eq!(said, books.charged());
}

fn ask(random: &mut Random, _: u64) -> Ask {
    let tokens = random.between(1, 60);
    let streamed = random.once_in(2);
    Ask { tokens, tokens_max: tokens * 2, streamed, abort_after: None }
}
