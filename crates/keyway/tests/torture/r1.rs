//! R1: ten thousand requests at once, one key of a dollar, three nodes: not a nano-dollar too much,
//! and not a request too few.

use std::time::Duration;

use keyway_core::money::Nanos;
use keyway_testkit::{Ask, Pace, Retry, check};

use crate::field::Field;

const REQUESTS: usize = 10_000;
const DOLLAR: Nanos = Nanos::new(1_000_000_000);
/// 37 tokens at this are $0.00037.
const NANOS_PER_TOKEN: i64 = 10_000;
const TOKENS: u64 = 37;
const COST: i64 = 370_000;

fn pace() -> Pace {
    Pace { first_most: Duration::from_millis(20), tokens_a_piece: 8, ..Pace::default() }
}

fn ask(tokens_max: u64) -> impl Fn(&mut keyway_testkit::Random, u64) -> Ask {
    move |_, number| {
        let streamed = number.is_multiple_of(2);
        Ask { tokens: TOKENS, tokens_max, streamed, abort_after: None }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r1_a_dollar_is_spent_to_the_last_request_that_fits() {
    let field = Field::new(pace(), NANOS_PER_TOKEN, false).await;
    let key = field.key(Some(DOLLAR)).await;
    // A machine that is too slow for its load may say so; whoever asks again gets an answer.
    let pause = Duration::from_millis(200);
    let retry = Retry { pause, until: Duration::from_secs(30), for_money: false };
    let crowd = field.crowd(&key).requests(REQUESTS as u64, REQUESTS).retrying(retry);
    let told = crowd.asking(1, ask(TOKENS)).run().await;
    let took = told.began.elapsed();
    let books = field.books(&key).await;
    let verdict = check(&field.upstream.log(), &told, &books, field.nanos_per_token);
    println!("R1 in {took:.1?}: {verdict}");
    for (said, times) in told.said(503) {
        println!("  {times} times: {said}");
    }
    verdict.assert_clean();
    let refused = told.last().values().filter(|last| last.outcome.is_for_money()).count();
    assert_eq!((told.complete(), refused), (2_702, REQUESTS - 2_702), "{told}");
    assert_eq!(books.charged(), Nanos::new(999_740_000));
    assert_eq!(field.usages(&key).await, [books.charged(); 3]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r1b_what_is_held_tenfold_is_spent_as_far_as_it_can_be() {
    let field = Field::new(pace(), NANOS_PER_TOKEN, false).await;
    let key = field.key(Some(DOLLAR)).await;
    let retry =
        Retry { pause: Duration::from_millis(250), until: Duration::from_secs(5), for_money: true };
    let crowd = field.crowd(&key).requests(REQUESTS as u64, REQUESTS).retrying(retry);
    let told = crowd.asking(1, ask(10 * TOKENS)).run().await;
    let took = told.began.elapsed();
    let books = field.books(&key).await;
    let verdict = check(&field.upstream.log(), &told, &books, field.nanos_per_token);
    println!("R1b in {took:.1?}: {verdict}");
    verdict.assert_clean();
    // The last one needs all of its hold to be left.
    let expected = (DOLLAR.get() - 10 * COST) / COST + 1;
    assert_eq!((told.complete(), expected), (2_693, 2_693), "{told}");
    assert_eq!(books.charged(), Nanos::new(expected * COST));
}
