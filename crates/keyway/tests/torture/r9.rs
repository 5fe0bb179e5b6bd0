//! R9: a node that falls silent in the middle of everything holds up nobody: neither by what it has
//! locked in the database nor, for long, by what it has leased.

use std::time::Duration;

use keyway_core::money::Nanos;
use keyway_testkit::{Ask, Attempt, Crowd, Mode, Outcome, Pace, Random, Retry, Told, check};
use tokio::time::{Instant, sleep};

use crate::field::Field;

const NANOS_PER_TOKEN: i64 = 10_007;
const LIMIT: Nanos = Nanos::new(1_000_000_000_000);
const LOAD: Duration = Duration::from_secs(1);
const SILENCE: Duration = Duration::from_secs(9);
/// The longest that the other nodes may be without an answer. A node is dead after six seconds.
const GAP_MAX: Duration = Duration::from_secs(3);
const SILENT: usize = 0;
/// Requests of the silent node's clients have numbers from here on.
const OF_SILENT_FROM: u64 = 1_000_000_000;

#[derive(Clone, Copy, Debug)]
enum Silence {
    Paused,
    BlackHole,
    Stall,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r9_a_silent_node_holds_up_nobody() {
    let (first_most, each) = (Duration::from_millis(20), Duration::from_millis(1));
    let pace = Pace { first_most, each, ..Pace::default() };
    let field = Field::new(pace, NANOS_PER_TOKEN, true).await;
    let key = field.key(Some(LIMIT)).await;
    let pause = Duration::from_millis(50);
    let retry = Retry { pause, until: Duration::MAX, for_money: false };
    // Those of the silent node are apart: whoever waits for a node that is paused asks no other.
    let crowd = |urls: &[String], from: u64, concurrency: usize| {
        let crowd = Crowd::new(urls, &key.string).numbered_from(from);
        crowd.requests(u64::MAX, concurrency).retrying(retry).asking(9, ask)
    };
    let urls = field.cluster.urls();
    let of_others = crowd(&urls[SILENT + 1..], 0, 64);
    let of_silent = crowd(&urls[..=SILENT], OF_SILENT_FROM, 32);
    let silences = async {
        let mut silences = Vec::new();
        for silence in [Silence::Paused, Silence::BlackHole, Silence::Stall] {
            sleep(LOAD).await;
            let from = Instant::now();
            fall_silent(&field, silence).await;
            sleep(SILENCE / 2).await;
            println!("R9, {silence:?}: the database waits:\n{}", waiting(&field.store_url).await);
            sleep(SILENCE / 2).await;
            silences.push((silence, from, Instant::now()));
            field.cluster.heal().await;
        }
        sleep(LOAD).await;
        of_others.stop();
        of_silent.stop();
        silences
    };
    let (mut told, told_silent, silences) =
        tokio::join!(of_others.run(), of_silent.run(), silences);
    let gaps: Vec<Duration> = silences.iter().map(|(_, from, to)| gap(&told, *from, *to)).collect();
    told.extend(told_silent);
    for ((silence, ..), gap) in silences.iter().zip(&gaps) {
        println!("R9, {silence:?}: the others answered nothing for {gap:?} at most");
    }
    let books = field.books(&key).await;
    let verdict = check(&field.upstream.log(), &told, &books, field.nanos_per_token);
    println!("R9: {verdict}");
    for status in [402, 403] {
        println!("  {status}: {:?}", told.said(status));
    }
    verdict.assert_clean();
    assert!(gaps.iter().all(|gap| *gap <= GAP_MAX), "{gaps:?}");
}

fn ask(random: &mut Random, _: u64) -> Ask {
    let tokens = random.between(1, 60);
    Ask { tokens, tokens_max: tokens, streamed: random.once_in(2), abort_after: None }
}

async fn fall_silent(field: &Field, silence: Silence) {
    match silence {
        Silence::Paused => field.cluster.pause(SILENT).await,
        Silence::BlackHole => field.cluster.partition(SILENT, Mode::BlackHole),
        Silence::Stall => field.cluster.partition(SILENT, Mode::Stall),
    }
}

/// What sessions of the database are doing in the middle of a transaction, for whoever looks for a cause.
async fn waiting(url: &str) -> String {
    const SESSIONS: &str = "
        SELECT format('  %s x %s, waits for %s: %s', count(*), state, coalesce(wait_event, '-'),
            left(regexp_replace(query, '\\s+', ' ', 'g'), 110))
        FROM pg_stat_activity WHERE application_name = 'keyway' AND xact_start IS NOT NULL
        GROUP BY state, wait_event, left(regexp_replace(query, '\\s+', ' ', 'g'), 110)";
    let rows = crate::books::connect(url).await.query(SESSIONS, &[]).await.expect("the sessions");
    let lines: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    lines.join("\n")
}

/// The longest time without a whole answer.
fn gap(told: &Told, from: Instant, to: Instant) -> Duration {
    let is_whole = |attempt: &&Attempt| matches!(attempt.outcome, Outcome::Complete { .. });
    let whole = told.attempts.iter().filter(is_whole);
    let mut moments: Vec<Instant> = whole.map(|attempt| attempt.ended).collect();
    moments.retain(|moment| (from..to).contains(moment));
    moments.extend([from, to]);
    moments.sort();
    moments.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or_default()
}
