//! R10: revocation is a barrier: once the call is answered, or the key's time is over, no node lets the
//! key in any more.
//!
//! `KEYWAY_TORTURE_REVOCATIONS` is how many, `KEYWAY_TORTURE_THINKING` how many milliseconds a client
//! waits between two requests: 0 asks for more than a small machine can do.

use std::time::Duration;

use futures_util::stream::{self, StreamExt};
use keyway_core::clock::Timestamp;
use keyway_core::money::Nanos;
use keyway_testkit::{Ask, Crowd, Pace, Random};
use serde_json::json;
use tokio::time::{Instant, sleep, sleep_until};

use crate::field::{Field, Key};
use crate::revocation::{CALLED, Revoked, in_use_on_every_node, judge, revoke};
use crate::{moment, setting};

const NANOS_PER_TOKEN: i64 = 10_007;
const LIMIT: Nanos = Nanos::new(1_000_000_000_000);
/// Keys that are in use, and revoked, at a time.
const AT_ONCE: usize = 6;
const CLIENTS_OF_A_KEY: usize = 4;
/// One in so many keys is not revoked, but expires.
const EXPIRING: u64 = 5;
const LIFETIME: Duration = Duration::from_millis(1_500);
/// How long a key is tried after it was revoked.
const AFTERWARDS: Duration = Duration::from_millis(400);
const MEDIAN_MAX: Duration = Duration::from_millis(300);
const SLOW_MAX: Duration = Duration::from_millis(1_100);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r10_whoever_is_revoked_is_let_in_nowhere() {
    let count = setting("KEYWAY_TORTURE_REVOCATIONS", 1_000);
    let first_most = Duration::from_millis(10);
    let field = Field::new(Pace { first_most, ..Pace::default() }, NANOS_PER_TOKEN, false).await;
    let rounds = stream::iter(0..count).map(|number| round(&field, number));
    let revoked: Vec<Revoked> = rounds.buffer_unordered(AT_ONCE).collect().await;
    judge("R10", &revoked, MEDIAN_MAX, SLOW_MAX);
}

async fn round(field: &Field, number: u64) -> Revoked {
    let mut random = Random::new(10).fork(number);
    if random.once_in(EXPIRING) {
        return expire(field, number).await;
    }
    let what = CALLED[random.index(CALLED.len())];
    let key = field.key(Some(LIMIT)).await;
    let crowd = crowd(field, &key, number);
    let manager = field.cluster.manager(random.index(field.cluster.count()));
    let revoking = async {
        in_use_on_every_node(field, &key).await;
        let revoked = revoke(&manager, &key, what).await;
        sleep(AFTERWARDS).await;
        crowd.stop();
        revoked
    };
    let (told, call) = tokio::join!(crowd.run(), revoking);
    Revoked::called(what, call, told)
}

async fn expire(field: &Field, number: u64) -> Revoked {
    let lifetime = i64::try_from(LIFETIME.as_micros()).expect("a moment");
    let expires_at = Timestamp::from_micros(moment::now().as_micros() + lifetime);
    let key = field.key_with(Some(LIMIT), json!({"expires_at": expires_at.to_string()})).await;
    let left = expires_at.as_micros() - moment::now().as_micros();
    let expires = Instant::now() + Duration::from_micros(u64::try_from(left).unwrap_or(0));
    let crowd = crowd(field, &key, number);
    let waiting = async {
        sleep_until(expires + AFTERWARDS).await;
        crowd.stop();
    };
    let (told, ()) = tokio::join!(crowd.run(), waiting);
    Revoked::expired(expires, told)
}

fn crowd(field: &Field, key: &Key, number: u64) -> Crowd {
    field
        .crowd(key)
        .numbered_from(number << 32)
        .requests(u64::MAX, CLIENTS_OF_A_KEY)
        .thinking(Duration::from_millis(setting("KEYWAY_TORTURE_THINKING", 40)))
        .asking(number, |_, _| Ask::plain(1))
}
