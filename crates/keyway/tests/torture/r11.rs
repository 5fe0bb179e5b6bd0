//! R11: a node that is cut off from the database, or paused, holds a revocation up for no longer than it
//! may serve from memory; and it serves nobody after that.
//!
//! `KEYWAY_TORTURE_CUT_OFF` is how many keys are revoked so.

use std::time::Duration;

use futures_util::future::join_all;
use keyway_core::money::Nanos;
use keyway_testkit::{Ask, Attempt, Crowd, Mode, Pace, Random, Told};
use tokio::time::{Instant, sleep, sleep_until};

use crate::field::{Field, Key};
use crate::revocation::{CALLED, Revoked, in_use_on_every_node, judge, revoke};
use crate::setting;

const NANOS_PER_TOKEN: i64 = 10_007;
const LIMIT: Nanos = Nanos::new(1_000_000_000_000);
/// Keys that are revoked while a node is cut off, all within this time.
const AT_ONCE: u64 = 6;
const SPREAD: Duration = Duration::from_millis(800);
const CLIENTS_OF_A_KEY: usize = 2;
const THINKING: Duration = Duration::from_millis(60);
const AFTERWARDS: Duration = Duration::from_millis(400);
/// How long a node serves from memory without the database.
const LEASE: Duration = Duration::from_secs(1);
/// How much longer it is watched at least.
const WATCHED: Duration = Duration::from_secs(1);
/// What is promised, and as long as the database keeps a silent node's transaction, which may hold the
/// key's row.
const SLOW_MAX: Duration = Duration::from_millis(1_200 + 300);

#[derive(Clone, Copy, Debug)]
enum Silence {
    Paused,
    Network(Mode),
}

const SILENCES: [Silence; 4] = [
    Silence::Paused,
    Silence::Network(Mode::Cut),
    Silence::Network(Mode::BlackHole),
    Silence::Network(Mode::Stall),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r11_who_is_cut_off_neither_serves_nor_holds_up() {
    let count = setting("KEYWAY_TORTURE_CUT_OFF", 120);
    let first_most = Duration::from_millis(10);
    let field = Field::new(Pace { first_most, ..Pace::default() }, NANOS_PER_TOKEN, true).await;
    let (mut revoked, mut served) = (Vec::new(), Vec::new());
    for number in 0..count.div_ceil(AT_ONCE) {
        let wave = wave(&field, number).await;
        revoked.extend(wave.revoked);
        served.extend(wave.served);
    }
    println!(
        "R11: {} requests were let in by a node that had been cut off for {LEASE:?}",
        served.len()
    );
    for (silence, late, attempt) in served.iter().take(5) {
        println!("  {silence:?}, {late:?} after the cut: {attempt:?}");
    }
    judge("R11", &revoked, SLOW_MAX, SLOW_MAX);
    assert!(served.is_empty());
}

struct Wave {
    revoked: Vec<Revoked>,
    /// Whom the node that was cut off let in after its lease.
    served: Vec<(Silence, Duration, Attempt)>,
}

async fn wave(field: &Field, number: u64) -> Wave {
    let mut random = Random::new(11).fork(number);
    let silent = random.index(field.cluster.count());
    let silence = SILENCES[random.index(SILENCES.len())];
    let keys = join_all((0..AT_ONCE).map(|_| field.key(Some(LIMIT)))).await;
    let other = field.key(Some(LIMIT)).await;
    let urls = field.cluster.urls();
    let crowd = |urls: &[String], key: &Key, index: u64| {
        Crowd::new(urls, &key.string)
            .numbered_from((number * (AT_ONCE + 1) + index) << 32)
            .requests(u64::MAX, CLIENTS_OF_A_KEY)
            .thinking(THINKING)
            .asking(number, |_, _| Ask::plain(1))
    };
    let crowds: Vec<Crowd> =
        keys.iter().zip(0..).map(|(key, index)| crowd(&urls, key, index)).collect();
    let bystanders = crowd(&urls[silent..=silent], &other, AT_ONCE);
    let script = async {
        join_all(keys.iter().chain([&other]).map(|key| in_use_on_every_node(field, key))).await;
        fall_silent(field, silent, silence).await;
        let from = Instant::now();
        let revoking = keys.iter().map(|key| {
            let what = CALLED[random.index(CALLED.len())];
            let node =
                (silent + 1 + random.index(field.cluster.count() - 1)) % field.cluster.count();
            let manager = field.cluster.manager(node);
            let pause = random.duration(Duration::ZERO, SPREAD);
            async move {
                sleep(pause).await;
                (what, revoke(&manager, key, what).await)
            }
        });
        let revoked = join_all(revoking).await;
        sleep(AFTERWARDS).await;
        sleep_until(from + LEASE + WATCHED).await;
        let to = Instant::now();
        field.cluster.heal().await;
        crowds.iter().chain([&bystanders]).for_each(Crowd::stop);
        (revoked, from, to)
    };
    let running = join_all(crowds.iter().map(Crowd::run));
    let (told, of_others, (revoked, from, to)) = tokio::join!(running, bystanders.run(), script);
    let revoked = revoked.into_iter().zip(told);
    let revoked = revoked.map(|((what, call), told)| {
        Revoked::called(what, call, told).during(format!("{silence:?}"))
    });
    Wave { revoked: revoked.collect(), served: served(silence, of_others, from, to) }
}

async fn fall_silent(field: &Field, node: usize, silence: Silence) {
    match silence {
        Silence::Paused => field.cluster.pause(node).await,
        Silence::Network(mode) => field.cluster.partition(node, mode),
    }
}

fn served(
    silence: Silence,
    told: Told,
    from: Instant,
    to: Instant,
) -> Vec<(Silence, Duration, Attempt)> {
    let attempts = told.attempts.into_iter();
    let late = attempts.filter(|attempt| {
        attempt.began > from + LEASE && attempt.ended < to && attempt.outcome.is_admitted()
    });
    late.map(|attempt| (silence, attempt.began - from, attempt)).collect()
}
