//! Attempts with keys that do not exist, by the address that they come from.
//!
//! Such a key is looked for in the store, which is what whoever tries many of them costs. An address
//! with too many attempts is not looked after there any more; keys that are in memory go on.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use keyway_core::clock::Timestamp;
use keyway_core::error::{Error, ErrorKind};
use keyway_core::network::customer;
use quick_cache::sync::Cache;

use super::error::ApiError;

/// Addresses that are remembered.
const ADDRESSES_MAX: usize = 16_384;
const MINUTE_SECONDS: i64 = 60;
const MICROS_PER_SECOND: u64 = 1_000_000;

pub(super) struct Strangers {
    per_minute: u32,
    seen: Cache<IpAddr, Arc<Mutex<Tally>>>,
}

/// The attempts of a minute.
#[derive(Debug)]
struct Tally {
    began: Timestamp,
    attempts: u32,
}

impl Strangers {
    pub(super) fn new(per_minute: u32) -> Self {
        Self { per_minute, seen: Cache::new(ADDRESSES_MAX) }
    }

    /// Whether a key from `address` may be looked for at `now`.
    ///
    /// # Errors
    /// 429 with `Retry-After`.
    pub(super) fn check(&self, address: IpAddr, now: Timestamp) -> Result<(), ApiError> {
        let Some(tally) = self.seen.get(&customer(address)) else { return Ok(()) };
        let tally = tally.lock().unwrap_or_else(PoisonError::into_inner);
        let over = tally.began.plus_seconds(MINUTE_SECONDS);
        if tally.attempts < self.per_minute || over <= now {
            return Ok(());
        }
        let micros = u64::try_from(over.as_micros() - now.as_micros()).unwrap_or_default();
        let seconds = u32::try_from(micros.div_ceil(MICROS_PER_SECOND)).unwrap_or(u32::MAX);
        let message = "Too many attempts with keys that do not exist came from your address";
        Err(ApiError::from(Error::new(ErrorKind::RateLimited, message)).with_retry_after(seconds))
    }

    /// Notes that `address` presented a key that does not exist.
    pub(super) fn note(&self, address: IpAddr, now: Timestamp) {
        let customer = customer(address);
        let fresh = || Ok::<_, std::convert::Infallible>(Arc::new(Mutex::new(Tally::new(now))));
        let Ok(tally) = self.seen.get_or_insert_with(&customer, fresh);
        let mut tally = tally.lock().unwrap_or_else(PoisonError::into_inner);
        if tally.began.plus_seconds(MINUTE_SECONDS) <= now {
            *tally = Tally::new(now);
        }
        tally.attempts = tally.attempts.saturating_add(1);
    }
}

impl Tally {
    const fn new(began: Timestamp) -> Self {
        Self { began, attempts: 0 }
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

    #[test]
    fn an_address_with_too_many_attempts_waits_for_the_next_minute() {
        let strangers = Strangers::new(2);
        let (one, other) = (IpAddr::from([192, 0, 2, 1]), IpAddr::from([192, 0, 2, 2]));
        let now = Timestamp::from_micros(5_500_000);
        for _ in 0..2 {
            strangers.check(one, now).expect("few attempts");
            strangers.note(one, now);
        }
        let later = now.plus_seconds(20);
        let refused = strangers.check(one, later).expect_err("too many attempts");
        assert_eq!(refused.status(), http::StatusCode::TOO_MANY_REQUESTS);
        strangers.check(other, later).expect("another address");
        strangers.check(one, now.plus_seconds(60)).expect("a minute later");
        strangers.note(one, now.plus_seconds(60));
        strangers.check(one, now.plus_seconds(61)).expect("counted anew");
    }

    #[test]
    fn addresses_are_forgotten_rather_than_kept_without_end() {
        let strangers = Strangers::new(1);
        for number in 0..50_000_u32 {
            strangers.note(std::net::Ipv4Addr::from_bits(number).into(), Timestamp::default());
        }
        assert!(strangers.seen.len() <= ADDRESSES_MAX, "{}", strangers.seen.len());
    }
}
