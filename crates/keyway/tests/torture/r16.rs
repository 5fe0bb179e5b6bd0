//! R16: the database is killed under load, and comes back: refusals within a second, service within
//! five, no charge lost.

use std::time::Duration;

use keyway_core::money::Nanos;
use keyway_testkit::{Ask, Attempt, Outcome, Pace, Random, Retry, Told, check};
use tokio::time::{Instant, sleep};

use crate::field::Field;

const NANOS_PER_TOKEN: i64 = 10_007;
const LIMIT: Nanos = Nanos::new(1_000_000_000_000);
const TIMES: usize = 3;
const LOAD: Duration = Duration::from_secs(2);
/// Longer than what was in flight when it went waits for it.
const AWAY: Duration = Duration::from_secs(8);
/// Within this a node refuses, counted from the loss of its database; and it does so in no more.
const REFUSES_WITHIN: Duration = Duration::from_secs(1);
const SERVES_WITHIN: Duration = Duration::from_secs(5);
/// Scheduling on a busy machine.
const SLACK: Duration = Duration::from_millis(300);

/// The database was away from one moment to the other.
struct Outage {
    from: Instant,
    to: Instant,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r16_the_database_goes_and_comes_back() {
    let (first_most, each) = (Duration::from_millis(20), Duration::from_millis(1));
    let pace = Pace { first_most, each, ..Pace::default() };
    let mut field = Field::new(pace, NANOS_PER_TOKEN, false).await;
    let key = field.key(Some(LIMIT)).await;
    let retry = Retry { pause: Duration::from_millis(50), until: Duration::MAX, for_money: false };
    let crowd = field.crowd(&key).requests(u64::MAX, 48).retrying(retry).asking(16, ask);
    let postgres = &mut field.postgres;
    let outages = async {
        let mut outages = Vec::new();
        for _ in 0..TIMES {
            sleep(LOAD).await;
            tokio::task::block_in_place(|| postgres.kill());
            let from = Instant::now();
            sleep(AWAY).await;
            tokio::task::block_in_place(|| postgres.start_again());
            outages.push(Outage { from, to: Instant::now() });
            sleep(SERVES_WITHIN).await;
        }
        crowd.stop();
        outages
    };
    let (told, outages) = tokio::join!(crowd.run(), outages);
    let figures: Vec<Figures> = outages.iter().map(|outage| figures(&told, outage)).collect();
    for (number, figures) in figures.iter().enumerate() {
        println!("R16, outage {number}: {figures:?}");
    }
    let books = field.books(&key).await;
    let verdict = check(&field.upstream.log(), &told, &books, field.nanos_per_token);
    println!("R16: {verdict}");
    verdict.assert_clean();
    for figures in figures {
        assert_eq!(figures.served, 0, "nothing is admitted without a database: {figures:?}");
        assert!(figures.refused > 0 && figures.otherwise == 0, "{figures:?}");
        assert!(figures.slow <= REFUSES_WITHIN + SLACK, "{figures:?}");
        assert!(figures.slowest <= 3 * REFUSES_WITHIN, "{figures:?}");
        assert!(figures.serves_after.iter().all(|it| *it <= SERVES_WITHIN), "{figures:?}");
    }
}

fn ask(random: &mut Random, _: u64) -> Ask {
    let tokens = random.between(1, 60);
    Ask { tokens, tokens_max: tokens, streamed: random.once_in(2), abort_after: None }
}

#[derive(Debug)]
struct Figures {
    /// Requests that came more than a second into the outage, and time enough before its end: let in,
    /// refused, or neither.
    served: usize,
    refused: usize,
    otherwise: usize,
    /// All but one in a hundred of them took no longer.
    slow: Duration,
    slowest: Duration,
    /// The first whole answer of each node to a request that came after the return.
    serves_after: Vec<Duration>,
}

fn figures(told: &Told, outage: &Outage) -> Figures {
    let in_it = |attempt: &&Attempt| {
        let enough = REFUSES_WITHIN + SLACK;
        attempt.began > outage.from + REFUSES_WITHIN && attempt.began + enough < outage.to
    };
    let within: Vec<&Attempt> = told.attempts.iter().filter(in_it).collect();
    let is_refusal =
        |attempt: &Attempt| matches!(attempt.outcome, Outcome::Refused { status: 503, .. });
    let refused: Vec<_> = within.iter().filter(|attempt| is_refusal(attempt)).collect();
    let mut durations: Vec<_> =
        within.iter().map(|attempt| attempt.ended - attempt.began).collect();
    durations.sort();
    let served = within.iter().filter(|attempt| attempt.outcome.is_admitted()).count();
    let serves_after = |node: usize| {
        let whole = told.attempts.iter().filter(|attempt| {
            attempt.node == node
                && attempt.began > outage.to
                && matches!(attempt.outcome, Outcome::Complete { .. })
        });
        whole.map(|attempt| attempt.ended - outage.to).min().unwrap_or(Duration::MAX)
    };
    Figures {
        served,
        refused: refused.len(),
        otherwise: within.len() - served - refused.len(),
        slow: durations.get(durations.len() * 99 / 100).copied().unwrap_or_default(),
        slowest: durations.last().copied().unwrap_or_default(),
        serves_after: (0..3).map(serves_after).collect(),
    }
}
