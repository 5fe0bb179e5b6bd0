//! R12: streams whose clients leave at random points: charged at least what was delivered, and nothing
//! stays behind.
//!
//! `KEYWAY_TORTURE_ABORTS` is how many.

use std::collections::HashSet;
use std::time::Duration;

use keyway_core::money::Nanos;
use keyway_testkit::{Ask, Pace, Random, Retry, check};

use crate::field::Field;
use crate::setting;

const NANOS_PER_TOKEN: i64 = 10_007;
const LIMIT: Nanos = Nanos::new(1_000_000_000_000);
const CONCURRENCY: usize = 100;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r12_whoever_leaves_pays_for_what_came() {
    let aborts = setting("KEYWAY_TORTURE_ABORTS", 10_000);
    let each = Duration::from_millis(2);
    let field = Field::new(Pace { each, ..Pace::default() }, NANOS_PER_TOKEN, false).await;
    let key = field.key(Some(LIMIT)).await;
    // A machine that is too slow for its load may say so; whoever asks again gets an answer.
    let pause = Duration::from_millis(200);
    let retry = Retry { pause, until: Duration::MAX, for_money: false };
    let crowd = field.crowd(&key).requests(aborts, CONCURRENCY).retrying(retry);
    let told = crowd.asking(12, ask).run().await;
    let books = field.books(&key).await;
    let verdict = check(&field.upstream.log(), &told, &books, field.nanos_per_token);
    println!("R12: {verdict}");
    for (said, times) in told.said(503) {
        println!("  {times} times: {said}");
    }
    verdict.assert_clean();
    assert_eq!(told.partial() as u64, aborts, "all were left: {told}");
    let charged = books.rows.iter().filter(|row| row.charge_nanos > 0);
    let charged: HashSet<&String> = charged.map(|row| &row.generation).collect();
    let left = told.attempts.iter().filter_map(|attempt| attempt.generation.as_ref());
    assert!(left.clone().all(|id| charged.contains(id)), "none is free");
    assert_eq!(left.count() as u64, aborts, "each is in the books");
}

/// Leaves somewhere before the end, at the first token at the earliest.
fn ask(random: &mut Random, _: u64) -> Ask {
    let tokens = random.between(20, 120);
    let abort_after = Some(random.between(1, tokens - 10));
    Ask { tokens, tokens_max: tokens * 2, streamed: true, abort_after }
}
