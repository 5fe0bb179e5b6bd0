//! Attempts with keys that do not exist, by the address that they come from.
//!
//! Such a key is looked for in the store, which is what whoever tries many of them costs. What comes from
//! an address with too many attempts is looked for one after the other, and few wait for that: others
//! who come from there, behind the same proxy, still find their keys, and keys in memory go on as ever.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use keyway_core::clock::Timestamp;
use keyway_core::error::{Error, ErrorKind};
use keyway_core::network::customer;
use quick_cache::sync::Cache;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::error::ApiError;

/// Addresses that are remembered.
const ADDRESSES_MAX: usize = 16_384;
/// Who may wait at an address with too many attempts, and for how long.
const WAITING_MAX: usize = 32;
const WAIT_MAX: Duration = Duration::from_secs(1);
const MINUTE_SECONDS: i64 = 60;
const MICROS_PER_SECOND: u64 = 1_000_000;

pub(super) struct Strangers {
    per_minute: u32,
    seen: Cache<IpAddr, Arc<Address>>,
}

#[derive(Debug)]
struct Address {
    tally: Mutex<Tally>,
    looking: Semaphore,
    waiting: Semaphore,
}

/// The attempts of a minute.
#[derive(Debug)]
struct Tally {
    began: Timestamp,
    attempts: u32,
}

/// One key of an address may be looked for.
#[derive(Debug)]
pub(super) struct Look {
    address: IpAddr,
    /// Its turn, where there were too many attempts.
    turn: Option<Turn>,
}

#[derive(Debug)]
struct Turn {
    known: Arc<Address>,
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.known.looking.add_permits(1);
    }
}

impl Strangers {
    pub(super) fn new(per_minute: u32) -> Self {
        Self { per_minute, seen: Cache::new(ADDRESSES_MAX) }
    }

    /// Waits until a key from `address` may be looked for.
    ///
    /// # Errors
    /// 429 with `Retry-After`, where too many others wait, or did not get their turn.
    pub(super) async fn look(&self, address: IpAddr, now: Timestamp) -> Result<Look, ApiError> {
        let address = customer(address);
        let Some(known) = self.seen.get(&address) else { return Ok(Look { address, turn: None }) };
        let Some(over) = known.until(self.per_minute, now) else {
            return Ok(Look { address, turn: None });
        };
        let refused = || refused(over, now);
        let place = known.waiting.try_acquire().map_err(|_| refused())?;
        let turn = timeout(WAIT_MAX, known.looking.acquire()).await;
        turn.ok().and_then(Result::ok).ok_or_else(refused)?.forget();
        drop(place);
        Ok(Look { address, turn: Some(Turn { known }) })
    }

    /// Notes that the key does not exist.
    ///
    /// # Errors
    /// 429 with `Retry-After`, where too many others did not either.
    pub(super) fn note(&self, look: &Look, now: Timestamp) -> Result<(), ApiError> {
        let fresh = || Ok::<_, std::convert::Infallible>(Arc::new(Address::new(now)));
        let Ok(known) = self.seen.get_or_insert_with(&look.address, fresh);
        let attempts = known.count(now);
        if attempts == self.per_minute {
            let address = look.address;
            tracing::warn!(%address, attempts, "many keys that do not exist come from one address: if \
                it is a proxy, name it in trusted_proxies");
        }
        match (&look.turn, known.until(self.per_minute, now)) {
            (Some(_), Some(over)) => Err(refused(over, now)),
            _ => Ok(()),
        }
    }
}

fn refused(over: Timestamp, now: Timestamp) -> ApiError {
    let micros = u64::try_from(over.as_micros() - now.as_micros()).unwrap_or_default();
    let seconds = u32::try_from(micros.div_ceil(MICROS_PER_SECOND)).unwrap_or(u32::MAX);
    let message = "Too many attempts with keys that do not exist came from your address";
    ApiError::from(Error::new(ErrorKind::RateLimited, message)).with_retry_after(seconds)
}

impl Address {
    fn new(now: Timestamp) -> Self {
        let tally = Mutex::new(Tally { began: now, attempts: 0 });
        Self { tally, looking: Semaphore::new(1), waiting: Semaphore::new(WAITING_MAX) }
    }

    /// When the attempts of this minute are forgotten, where there were as many as `most`.
    fn until(&self, most: u32, now: Timestamp) -> Option<Timestamp> {
        let tally = self.tally.lock().unwrap_or_else(PoisonError::into_inner);
        let over = tally.began.plus_seconds(MINUTE_SECONDS);
        (tally.attempts >= most && over > now).then_some(over)
    }

    /// Counts an attempt, and answers how many there were in this minute.
    fn count(&self, now: Timestamp) -> u32 {
        let mut tally = self.tally.lock().unwrap_or_else(PoisonError::into_inner);
        if tally.began.plus_seconds(MINUTE_SECONDS) <= now {
            *tally = Tally { began: now, attempts: 0 };
        }
        tally.attempts = tally.attempts.saturating_add(1);
        tally.attempts
    }
}

impl std::fmt::Debug for Strangers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Strangers").field("seen", &self.seen.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn guess(strangers: &Strangers, address: IpAddr, now: Timestamp) -> Result<(), ApiError> {
        let look = strangers.look(address, now).await.expect("few look");
        strangers.note(&look, now)
    }

    #[tokio::test]
    async fn an_address_with_too_many_attempts_waits_for_the_next_minute() {
        let strangers = Strangers::new(2);
        let (one, other) = (IpAddr::from([192, 0, 2, 1]), IpAddr::from([192, 0, 2, 2]));
        let now = Timestamp::from_micros(5_500_000);
        for _ in 0..2 {
            guess(&strangers, one, now).await.expect("few attempts");
        }
        let later = now.plus_seconds(20);
        let refused = guess(&strangers, one, later).await.expect_err("too many attempts");
        assert_eq!(refused.status(), http::StatusCode::TOO_MANY_REQUESTS);
        guess(&strangers, other, later).await.expect("another address");
        guess(&strangers, one, now.plus_seconds(60)).await.expect("a minute later");
        guess(&strangers, one, now.plus_seconds(61)).await.expect("counted anew");
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_comes_from_there_too_takes_turns_and_few_wait() {
        let strangers = Strangers::new(1);
        let (address, now) = (IpAddr::from([192, 0, 2, 1]), Timestamp::default());
        guess(&strangers, address, now).await.expect("one attempt");
        let first = strangers.look(address, now).await.expect("its turn");
        let waiting = (0..=WAITING_MAX).map(|_| strangers.look(address, now));
        let waited = futures_util::future::join_all(waiting).await;
        assert!(waited.iter().all(Result::is_err), "the first still looks");
        drop(first);
        assert!(strangers.look(address, now).await.is_ok());
        assert!(strangers.look(address, now).await.is_ok(), "turns are given back");
    }

    #[tokio::test]
    async fn addresses_are_forgotten_rather_than_kept_without_end() {
        let strangers = Strangers::new(1);
        for number in 0..50_000_u32 {
            let address = core::net::Ipv4Addr::from_bits(number).into();
            let noted = guess(&strangers, address, Timestamp::default()).await;
            noted.expect("one attempt");
        }
        assert!(strangers.seen.len() <= ADDRESSES_MAX, "{}", strangers.seen.len());
    }
}
