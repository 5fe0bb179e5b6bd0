//! Rate limits in force: what this node counts of each key, in memory.
//!
//! Nothing here waits, and no store is asked. A lock is held for one key's arithmetic.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use hashbrown::HashMap;
use keyway_core::id::KeyId;
use keyway_core::key::KeyRecord;
use keyway_core::rate::{Admitted, Counts, Figure, NodeShares, Place, RateLimits, Refused, Shares};
use keyway_core::store::{Poll, StoreError};
use tokio::time::Instant;

/// Keys are spread over so many locks.
const SHARDS: usize = 64;

/// Times are counted from when it was made, by a clock that nobody can set.
pub struct Rates {
    /// For keys that have no limits of their own.
    defaults: RateLimits,
    began: Instant,
    shares: RwLock<Shares>,
    /// Keys that were used within the last minute, or are now.
    keys: [Mutex<HashMap<KeyId, Counts>>; SHARDS],
}

/// A request that was admitted. Its end has to be told, at least once.
#[derive(Debug)]
pub struct Permit {
    key: KeyId,
    admitted: Admitted,
    ended: AtomicBool,
}

/// Why a request was not admitted.
#[derive(Debug)]
pub enum RateError {
    /// The key's limit is this figure.
    Refused(Refused, Figure),
    /// What of the key's limits is this node's is not known.
    Store(StoreError),
}

/// A key's limits, and what of them is this node's.
struct KeyShares {
    limits: RateLimits,
    shares: NodeShares,
}

impl KeyShares {
    fn ask(&self, counts: &mut Counts, tokens: u64, now: Duration) -> Result<Admitted, RateError> {
        counts.admit(&self.shares, tokens, now).map_err(|refused| {
            let detail = || format!("{} refused without a limit", refused.limit.as_str());
            let figure = self.limits.figure(refused.limit);
            figure.map_or_else(
                || RateError::Store(StoreError::Broken(detail())),
                |figure| RateError::Refused(refused, figure),
            )
        })
    }
}

impl Rates {
    /// `alone` says that no other node can have a part of any limit.
    pub fn new(defaults: RateLimits, alone: bool) -> Self {
        let mut shares = Shares::default();
        if alone {
            shares.learn(Place::ALONE, Duration::ZERO);
        }
        Self {
            defaults,
            began: Instant::now(),
            shares: RwLock::new(shares),
            keys: std::array::from_fn(|_| Mutex::default()),
        }
    }

    /// Counts a request of `key` that may use `tokens` at most.
    pub fn admit(&self, key: &KeyRecord, tokens: u64) -> Result<Permit, RateError> {
        self.admit_at(self.began.elapsed(), key, tokens)
    }

    /// Why a request of `key` that may use `tokens` at most would not be admitted now. Nothing is counted.
    pub fn refusal(&self, key: &KeyRecord, tokens: u64) -> Option<RateError> {
        let now = self.began.elapsed();
        let mut counts = self.shard(key.id).get(&key.id).cloned().unwrap_or_default();
        let asked = self.shares_of(key, now);
        asked.and_then(|shares| shares.ask(&mut counts, tokens, now)).err()
    }

    fn admit_at(&self, now: Duration, key: &KeyRecord, tokens: u64) -> Result<Permit, RateError> {
        let shares = self.shares_of(key, now)?;
        let admitted = shares.ask(self.shard(key.id).entry(key.id).or_default(), tokens, now)?;
        Ok(Permit { key: key.id, admitted, ended: AtomicBool::new(false) })
    }

    fn shares_of(&self, key: &KeyRecord, now: Duration) -> Result<KeyShares, RateError> {
        let limits = key.rates.or(self.defaults);
        let shares = self.shares.read().unwrap_or_else(PoisonError::into_inner);
        let unknown = || "how many nodes share the key's limits is not known yet".to_owned();
        let shares = shares.of(&limits, key.id, now);
        let shares = shares.ok_or_else(|| RateError::Store(StoreError::Unavailable(unknown())))?;
        Ok(KeyShares { limits, shares })
    }

    /// Ends a request that used so many tokens. What is said after the first time changes nothing.
    pub fn end(&self, permit: &Permit, used: u64) {
        if permit.ended.swap(true, Ordering::Relaxed) {
            return;
        }
        if let Some(counts) = self.shard(permit.key).get_mut(&permit.key) {
            counts.end(permit.admitted, used);
        }
    }

    /// Learns what the node learnt of the others.
    pub fn learn(&self, poll: &Poll) {
        let place = Place { nodes: poll.nodes, rank: poll.rank };
        let mut shares = self.shares.write().unwrap_or_else(PoisonError::into_inner);
        shares.learn(place, self.began.elapsed());
    }

    /// Forgets keys that are idle.
    pub fn tidy(&self) {
        self.tidy_at(self.began.elapsed());
    }

    fn tidy_at(&self, now: Duration) {
        for shard in &self.keys {
            let mut keys = shard.lock().unwrap_or_else(PoisonError::into_inner);
            keys.retain(|_, counts| !counts.is_idle(now));
            let most = keys.len() * 2;
            keys.shrink_to(most);
        }
    }

    fn shard(&self, key: KeyId) -> MutexGuard<'_, HashMap<KeyId, Counts>> {
        let shard = usize::try_from(key.0.unsigned_abs() % SHARDS as u64).unwrap_or_default();
        self.keys[shard].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Rates {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rates").field("defaults", &self.defaults).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use keyway_core::clock::Timestamp;
    use keyway_core::id::{AccountId, WorkspaceId};
    use keyway_core::key::{KeyName, NewKey, SecretRecord};
    use keyway_core::secret::{InstallationSecret, KeySecret};

    use super::*;

    const NOW: Duration = Duration::from_secs(1_000);

    fn key(number: i64, concurrent: i64) -> KeyRecord {
        let secret = KeySecret::from_presented("a key that the operator brought");
        let secret = SecretRecord::brought(&secret, &InstallationSecret::new(&[1; 32]));
        let workspace = WorkspaceId::from_random([1; 16]);
        let rates = RateLimits {
            max_concurrent_requests: Figure::new(concurrent),
            tokens_per_minute: Figure::new(100),
            ..RateLimits::default()
        };
        let key = NewKey {
            rates,
            ..NewKey::management(KeyName::new("limited").expect("a name"), workspace)
        };
        key.record(KeyId(number), AccountId(number), &secret, Timestamp::default())
    }

    fn known(rates: &Rates) -> usize {
        rates.keys.iter().map(|shard| shard.lock().expect("not poisoned").len()).sum()
    }

    #[test]
    fn a_request_ends_once() {
        let rates = Rates::new(RateLimits::default(), true);
        let key = key(7, 2);
        let first = rates.admit_at(NOW, &key, 40).expect("below");
        let second = rates.admit_at(NOW, &key, 60).expect("below");
        for used in [10, 99] {
            rates.end(&first, used);
        }
        let third = rates.admit_at(NOW, &key, 30).expect("what the first gave back");
        let refused = rates.admit_at(NOW, &key, 0);
        assert!(matches!(refused, Err(RateError::Refused(..))), "two are in flight: {refused:?}");
        for permit in [&second, &third] {
            rates.end(permit, 0);
        }
    }

    #[test]
    fn keys_that_are_idle_are_forgotten() {
        let rates = Rates::new(RateLimits::default(), true);
        let permits: Vec<Permit> = (0..100)
            .map(|number| rates.admit_at(NOW, &key(number, 1), 1).expect("below"))
            .collect();
        for permit in &permits[1..] {
            rates.end(permit, 1);
        }
        rates.tidy_at(NOW + Duration::from_secs(59));
        assert_eq!(known(&rates), 100);
        rates.tidy_at(NOW + Duration::from_secs(61));
        assert_eq!(known(&rates), 1, "the one that runs");
        rates.end(&permits[0], 1);
        rates.tidy_at(NOW + Duration::from_secs(61));
        assert_eq!(known(&rates), 0);
    }

    #[test]
    fn a_node_that_does_not_know_the_others_has_no_answer() {
        let rates = Rates::new(RateLimits::default(), false);
        let refused = rates.admit_at(NOW, &key(1, 1), 1);
        assert!(matches!(refused, Err(RateError::Store(_))), "{refused:?}");
    }
}
