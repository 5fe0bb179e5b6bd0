//! R7: all of a limit can be spent: what others hold or lease never makes a request fail that fits.

use std::time::Duration;

use keyway_core::money::Nanos;
use keyway_testkit::{Ask, Pace, Retry, check};

use crate::field::Field;

const CENT: i64 = 10_000_000;
const LIMIT: Nanos = Nanos::new(1_000 * CENT);
const REQUESTS: u64 = 1_000;
const CONCURRENCY: usize = 60;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r7_a_thousand_cents_are_ten_dollars() {
    let first_most = Duration::from_millis(20);
    let field = Field::new(Pace { first_most, ..Pace::default() }, CENT, false).await;
    let key = field.key(Some(LIMIT)).await;
    // A machine that is too slow for its load may say so; whoever asks again gets an answer.
    let pause = Duration::from_millis(200);
    let retry = Retry { pause, until: Duration::MAX, for_money: false };
    let crowd = field.crowd(&key).requests(REQUESTS, CONCURRENCY).retrying(retry);
    let told = crowd.asking(1, |_, _| Ask::plain(1)).run().await;
    let took = told.began.elapsed();
    let books = field.books(&key).await;
    let verdict = check(&field.upstream.log(), &told, &books, field.nanos_per_token);
    println!("R7 in {took:.1?}: {verdict}");
    verdict.assert_clean();
    assert_eq!((told.refused(402), told.refused(403)), (0, 0), "none is refused: {told}");
    assert_eq!(told.complete(), 1_000, "{told}");
    assert_eq!(books.charged(), LIMIT);
}
