//! R8: nobody is refused for money while what is settled, what is held and what is asked for fit under
//! the limit, wherever in the cluster the budget lies.
//!
//! `KEYWAY_TORTURE_MIXED` is how many requests spend each half of the limit.

use std::time::Duration;

use keyway_core::money::Nanos;
use keyway_testkit::{Ask, Attempt, Books, Outcome, Pace, Random, Retry, Told, check};
use serde_json::Value;

use crate::field::{Field, Key};
use crate::setting;

const NANOS_PER_TOKEN: i64 = 10_007;
const CONCURRENCY: usize = 48;
const TOKENS_MOST: u64 = 60;
/// What a request costs on average.
const TOKENS_MEAN: u64 = TOKENS_MOST.midpoint(1);
/// A budget that comes free on one node may take so long to reach who waits on another.
const WAY: Duration = Duration::from_secs(1);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r8_nobody_is_refused_what_is_left_somewhere() {
    let requests = setting("KEYWAY_TORTURE_MIXED", 2_000);
    let (first_most, each) = (Duration::from_millis(30), Duration::from_millis(1));
    let field =
        Field::new(Pace { first_most, each, ..Pace::default() }, NANOS_PER_TOKEN, false).await;
    let tokens = i64::try_from(2 * requests * TOKENS_MEAN).expect("a few tokens");
    let key = field.key(Some(Nanos::new(tokens * NANOS_PER_TOKEN))).await;
    let mut told = spend(&field, &key, 0, requests).await;
    let refused_early = refusals(&told).count();
    // More than the other half costs, so that the end of the limit is reached.
    told.extend(spend(&field, &key, requests, requests + requests / 2).await);
    let books = field.books(&key).await;
    let verdict = check(&field.upstream.log(), &told, &books, field.nanos_per_token);
    let false_ones: Vec<String> =
        refusals(&told).filter_map(|refused| falsely(&told, &books, refused)).collect();
    println!(
        "R8: {refused_early} refused up to the half of the limit, {} later, {} falsely; {verdict}",
        refusals(&told).count() - refused_early,
        false_ones.len()
    );
    verdict.assert_clean();
    assert_eq!(refused_early, 0, "{told}");
    assert!(refusals(&told).count() > 0, "the limit was reached: {told}");
    assert!(false_ones.is_empty(), "{false_ones:#?}");
}

/// Requests of all kinds, over all nodes.
async fn spend(field: &Field, key: &Key, from: u64, requests: u64) -> Told {
    // A machine that is too slow for its load may say so; whoever asks again gets an answer.
    let pause = Duration::from_millis(100);
    let retry = Retry { pause, until: Duration::MAX, for_money: false };
    let crowd = field.crowd(key).numbered_from(from).requests(requests, CONCURRENCY);
    crowd.retrying(retry).asking(8, ask).run().await
}

fn ask(random: &mut Random, _: u64) -> Ask {
    let tokens = random.between(1, TOKENS_MOST);
    let tokens_max = tokens * random.between(1, 4);
    let streamed = random.once_in(2);
    let abort_after = random.once_in(8).then(|| random.between(1, tokens));
    Ask { tokens, tokens_max, streamed, abort_after }
}

fn refusals(told: &Told) -> impl Iterator<Item = &Attempt> {
    told.attempts.iter().filter(|attempt| attempt.outcome.is_for_money())
}

/// What is wrong with a refusal; `None` where nothing is.
fn falsely(told: &Told, books: &Books, refused: &Attempt) -> Option<String> {
    let limit = books.limit.expect("a limit");
    let bound = bound(refused);
    let most = taken_at_most(told, refused);
    if most.saturating_add(bound) <= limit {
        return Some(format!(
            "at most ${most} were taken, ${bound} would have fitted: {refused:?}"
        ));
    }
    let Outcome::Refused { said, .. } = &refused.outcome else { return None };
    let said: Value = serde_json::from_str(said).expect("JSON");
    let figure = |name: &str| {
        let figure = said["error"]["metadata"][name].to_string();
        Nanos::parse_limit(&figure).expect("an amount")
    };
    let (spent, held) = (figure("spent"), figure("held"));
    let explains = spent.saturating_add(held).saturating_add(bound) > limit
        && spent.saturating_add(held) <= limit
        && spent <= books.charged();
    let names = (figure("limit"), figure("requested")) == (limit, bound);
    (!explains || !names).then(|| format!("the figures do not explain it: {refused:?}"))
}

/// The most that was settled and held together at a moment at which the refusal was decided, as its
/// clients know it: what had ended by then cost what it cost, what had not held its bound.
fn taken_at_most(told: &Told, refused: &Attempt) -> Nanos {
    let from = refused.began.max(refused.ended - WAY);
    let others = told.attempts.iter().filter(|other| other.began < refused.ended);
    others.fold(Nanos::ZERO, |sum, other| {
        sum.saturating_add(match other.outcome {
            Outcome::Refused { .. } => Nanos::ZERO,
            Outcome::Complete { cost, .. } if other.ended < from => cost,
            // It was left, and goes on to its end behind its client's back.
            _ => bound(other),
        })
    })
}

fn bound(attempt: &Attempt) -> Nanos {
    Nanos::new(i64::try_from(attempt.ask.tokens_max).expect("a few tokens") * NANOS_PER_TOKEN)
}
