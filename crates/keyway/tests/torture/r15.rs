//! R15: midnight comes under load, and the nodes' clocks are seconds and minutes off: no window is
//! overspent, and each charge is in the one that the store's clock says.
//!
//! The database runs with a clock by which it is shortly before midnight; nodes with others.

use std::collections::HashMap;
use std::time::Duration;

use keyway_core::clock::Timestamp;
use keyway_core::money::Nanos;
use keyway_testkit::{Ask, Attempt, Outcome, Pace, Random, Retry, Told, check};
use serde_json::json;
use tokio::time::{Instant, sleep_until};

use crate::books::{self, Source};
use crate::field::{Clocks, Field, Key};
use crate::moment;

const NANOS_PER_TOKEN: i64 = 10_007;
/// Reached within seconds, before and after; not within [`SLACK`], in which nobody is counted.
const LIMIT: Nanos = Nanos::new(80_000 * NANOS_PER_TOKEN);
const CONCURRENCY: usize = 48;
const DAY_SECONDS: i64 = 86_400;
/// From the start of the database to its midnight: everything has to be up by then.
const LEAD_SECONDS: i64 = 30;
const AFTER: Duration = Duration::from_secs(10);
/// By how much each node's clock is off the store's.
const OFF: [i64; 4] = [-5, 5, -300, 300];
/// How well a node knows the store's clock at least; far less than any is off.
const SLACK: Duration = Duration::from_secs(1);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r15_midnight_comes_once_for_all_clocks() {
    let (first_most, each) = (Duration::from_millis(30), Duration::from_millis(1));
    let pace = Pace { first_most, each, ..Pace::default() };
    let mut midnight = Instant::now();
    let clocks = || {
        midnight = Instant::now() + Duration::from_secs(LEAD_SECONDS.unsigned_abs());
        let today = moment::now().as_seconds().rem_euclid(DAY_SECONDS);
        let store = DAY_SECONDS - LEAD_SECONDS - today;
        Clocks { store, nodes: OFF.iter().map(|off| store + off).collect() }
    };
    let field = Field::with_clocks(pace, NANOS_PER_TOKEN, false, clocks).await;
    let key = field.key_with(Some(LIMIT), json!({"limit_reset": "daily"})).await;
    assert!(Instant::now() + SLACK < midnight, "too slow a machine: it is midnight already");
    let retry = Retry { pause: Duration::from_millis(100), until: Duration::MAX, for_money: true };
    let crowd = field.crowd(&key).requests(u64::MAX, CONCURRENCY).retrying(retry).asking(15, ask);
    let ending = async {
        sleep_until(midnight + AFTER).await;
        crowd.stop();
    };
    let (told, ()) = tokio::join!(crowd.run(), ending);
    let source = Source::Postgres(field.store_url.clone());
    let books = books::when_quiet(&source, &key.hash, None).await;
    let verdict = check(&field.upstream.log(), &told, &books, field.nanos_per_token);
    let days = days(&field, &key).await;
    let spent: Vec<String> = days.iter().map(|day| format!("${}", day.spent)).collect();
    let [before, after] = [false, true].map(|after| whole(&told, midnight, after));
    println!(
        "R15: of ${LIMIT} a day {spent:?} spent; whole answers of each node before {before:?}, \
         after {after:?}; {verdict}"
    );
    verdict.assert_clean();
    assert_eq!(days.len(), 2, "two windows");
    for day in &days {
        assert!(day.spent <= LIMIT && day.spent == day.charged(), "each charge is in one window");
    }
    assert!(before.iter().chain(&after).all(|answers| *answers > 0), "all nodes took part");
    let wrong: Vec<&Attempt> =
        told.attempts.iter().filter(|it| is_in_the_wrong_day(&days, it, midnight)).collect();
    assert!(wrong.is_empty(), "{} in the wrong window: {:?}", wrong.len(), wrong.first());
}

fn ask(random: &mut Random, _: u64) -> Ask {
    let tokens = random.between(1, 60);
    Ask {
        tokens,
        tokens_max: tokens * random.between(1, 2),
        streamed: random.once_in(2),
        abort_after: None,
    }
}

/// How many whole answers each node gave to requests that came well before midnight, or well after.
fn whole(told: &Told, midnight: Instant, after: bool) -> Vec<usize> {
    let mut counts = vec![0; OFF.len()];
    for attempt in &told.attempts {
        let whole = matches!(attempt.outcome, Outcome::Complete { .. });
        let counts_here = side(attempt, midnight) == Some(after);
        counts[attempt.node] += usize::from(whole && counts_here);
    }
    counts
}

/// Whether a request was admitted after midnight; `None` where it was too near to tell.
fn side(attempt: &Attempt, midnight: Instant) -> Option<bool> {
    if attempt.began > midnight + SLACK {
        return Some(true);
    }
    (attempt.ended + SLACK < midnight).then_some(false)
}

fn is_in_the_wrong_day(days: &[Day], attempt: &Attempt, midnight: Instant) -> bool {
    let (Some(after), Some(id)) = (side(attempt, midnight), &attempt.generation) else {
        return false;
    };
    let charged_in = |after: bool| days[usize::from(after)].charges.contains_key(id);
    charged_in(!after) && !charged_in(after)
}

/// One window, and the generations that are charged in it.
struct Day {
    spent: Nanos,
    charges: HashMap<String, Nanos>,
}

impl Day {
    fn charged(&self) -> Nanos {
        self.charges.values().fold(Nanos::ZERO, |sum, charge| sum.saturating_add(*charge))
    }
}

async fn days(field: &Field, key: &Key) -> Vec<Day> {
    const DAYS: &str = "
        SELECT starts_at, spent_nanos FROM account_window
        JOIN api_key ON api_key.account_id = account_window.account_id
        WHERE encode(api_key.hash, 'hex') = $1 AND account_window.kind = 1 ORDER BY starts_at";
    const CHARGES: &str = "
        SELECT generation.id, charge_nanos FROM generation
        JOIN api_key ON api_key.id = generation.key_id
        WHERE encode(api_key.hash, 'hex') = $1 AND window_day = $2";
    let client = books::connect(&field.store_url).await;
    let mut days = Vec::new();
    for row in client.query(DAYS, &[&key.hash]).await.expect("the windows") {
        let (starts_at, spent): (i64, i64) = (row.get(0), row.get(1));
        let at = Timestamp::from_micros(starts_at);
        assert_eq!(at.as_seconds().rem_euclid(DAY_SECONDS), 0, "{at} is midnight");
        let charges = client.query(CHARGES, &[&key.hash, &starts_at]).await.expect("the charges");
        let charges = charges.iter().map(|row| (books::id(row.get(0)), Nanos::new(row.get(1))));
        days.push(Day { spent: Nanos::new(spent), charges: charges.collect() });
    }
    days
}
