//! What one node counts of one key.

use std::time::Duration;

use super::RateLimit;
use super::shares::NodeShares;
use super::window::Window;

/// What counts against a key's limits on one node.
///
/// Times are of a clock that only goes forward; where it begins does not matter. A limit that is set
/// on a key that had none counts from then on.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    in_flight: u64,
    requests: Window,
    tokens: Window,
}

/// What has to be known when a request that was admitted ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Admitted {
    /// The second that its tokens count in, and how many; `None` where tokens are not limited.
    tokens: Option<(u64, u64)>,
}

/// Why a request was not admitted. It is not counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused {
    pub limit: RateLimit,
    /// What of the limit is this node's,
    pub share: u64,
    /// and what of that is left.
    pub left: u64,
    pub retry: Retry,
}

/// What helps a request that was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// To wait so long; it is enough if nobody else asks meanwhile.
    After(Duration),
    /// That another request of the key ends.
    WhenOneEnds,
    /// To ask for fewer tokens: as it is it will never be admitted here.
    Smaller,
    /// To ask another node: of so low a limit this one has no part.
    Elsewhere,
}

impl Counts {
    /// Counts a request that may use `tokens` at most, against all limits or none.
    pub fn admit(
        &mut self,
        shares: &NodeShares,
        tokens: u64,
        now: Duration,
    ) -> Result<Admitted, Refused> {
        if let Some(share) = shares.concurrent {
            self.check_in_flight(share)?;
        }
        if let Some(share) = shares.requests {
            check(&mut self.requests, RateLimit::Requests, share, 1, now)?;
        }
        if let Some(share) = shares.tokens {
            check(&mut self.tokens, RateLimit::Tokens, share, tokens, now)?;
        }
        self.in_flight += 1;
        if shares.requests.is_some() {
            self.requests.add(1, now);
        }
        let count = |_| (self.tokens.add(tokens, now), tokens);
        Ok(Admitted { tokens: shares.tokens.map(count) })
    }

    /// Ends a request, once, that used as many tokens.
    pub fn end(&mut self, admitted: Admitted, used: u64) {
        self.in_flight = self.in_flight.saturating_sub(1);
        if let Some((second, bound)) = admitted.tokens {
            self.tokens.correct(second, bound, used);
        }
    }

    /// Whether nothing would be lost by forgetting it.
    pub fn is_idle(&mut self, now: Duration) -> bool {
        self.in_flight == 0 && self.requests.is_empty(now) && self.tokens.is_empty(now)
    }

    fn check_in_flight(&self, share: u64) -> Result<(), Refused> {
        if self.in_flight < share {
            return Ok(());
        }
        let retry = if share == 0 { Retry::Elsewhere } else { Retry::WhenOneEnds };
        Err(Refused { limit: RateLimit::Concurrency, share, left: 0, retry })
    }
}

fn check(
    window: &mut Window,
    limit: RateLimit,
    share: u64,
    amount: u64,
    now: Duration,
) -> Result<(), Refused> {
    let left = share.saturating_sub(window.sum(now));
    if amount <= left {
        return Ok(());
    }
    let retry = match share {
        0 => Retry::Elsewhere,
        share if amount > share => Retry::Smaller,
        _ => Retry::After(window.fits_in(amount, share, now)),
    };
    Err(Refused { limit, share, left, retry })
}

#[cfg(test)]
mod tests {
    use super::super::MINUTE;
    use super::*;

    const NOW: Duration = Duration::from_millis(5_500);

    fn shares(requests: u64, tokens: u64, concurrent: u64) -> NodeShares {
        NodeShares { requests: Some(requests), tokens: Some(tokens), concurrent: Some(concurrent) }
    }

    fn refused(counts: &mut Counts, shares: &NodeShares, tokens: u64) -> (RateLimit, Retry) {
        let refused = counts.admit(shares, tokens, NOW).expect_err("above a limit");
        (refused.limit, refused.retry)
    }

    #[test]
    fn each_limit_refuses_and_a_refusal_counts_nowhere() {
        let mut counts = Counts::default();
        let limits = shares(3, 100, 2);
        let first = counts.admit(&limits, 40, NOW).expect("the first");
        let minute = Retry::After(MINUTE + Duration::from_millis(500));
        for _ in 0..5 {
            assert_eq!(refused(&mut counts, &limits, 61), (RateLimit::Tokens, minute));
            assert_eq!(refused(&mut counts, &limits, 101), (RateLimit::Tokens, Retry::Smaller));
        }
        let second = counts.admit(&limits, 60, NOW).expect("all that is left");
        let waits = (RateLimit::Concurrency, Retry::WhenOneEnds);
        assert_eq!(refused(&mut counts, &limits, 0), waits);
        counts.end(first, 0);
        counts.end(second, 60);
        let third = counts.admit(&limits, 40, NOW).expect("what the first gave back");
        counts.end(third, 40);
        assert_eq!(refused(&mut counts, &limits, 0), (RateLimit::Requests, minute));
    }

    #[test]
    fn a_node_without_a_part_of_a_limit_sends_elsewhere() {
        let mut counts = Counts::default();
        for (limits, limit) in [
            (shares(0, 1, 1), RateLimit::Requests),
            (shares(1, 0, 1), RateLimit::Tokens),
            (shares(1, 1, 0), RateLimit::Concurrency),
        ] {
            assert_eq!(refused(&mut counts, &limits, 1), (limit, Retry::Elsewhere));
        }
    }

    #[test]
    fn a_limit_that_is_lowered_counts_what_was_admitted_before() {
        let mut counts = Counts::default();
        for _ in 0..5 {
            counts.admit(&shares(10, 100, 10), 10, NOW).expect("below");
        }
        assert_eq!(refused(&mut counts, &shares(5, 100, 10), 1).0, RateLimit::Requests);
        assert_eq!(refused(&mut counts, &shares(10, 50, 10), 1).0, RateLimit::Tokens);
        assert_eq!(refused(&mut counts, &shares(10, 100, 5), 1).0, RateLimit::Concurrency);
    }

    #[test]
    fn what_runs_counts_before_there_is_a_limit() {
        let mut counts = Counts::default();
        let none = NodeShares { requests: None, tokens: None, concurrent: None };
        let admitted = counts.admit(&none, 1_000, NOW).expect("unlimited");
        assert_eq!(refused(&mut counts, &shares(9, 9, 1), 1).0, RateLimit::Concurrency);
        let limited = counts.admit(&shares(9, 9, 2), 9, NOW).expect("below");
        counts.end(admitted, 0);
        assert_eq!(refused(&mut counts, &shares(9, 9, 2), 1).0, RateLimit::Tokens);
        counts.end(limited, 8);
        counts.admit(&shares(9, 9, 2), 1, NOW).expect("what the other gave back");
    }

    #[test]
    fn a_key_is_idle_a_minute_after_its_last_request_and_never_while_one_runs() {
        let mut counts = Counts::default();
        let later = NOW + MINUTE + Duration::from_secs(1);
        let admitted = counts.admit(&shares(1, 1, 1), 1, NOW).expect("below");
        assert!(!counts.is_idle(later));
        counts.end(admitted, 1);
        assert!(!counts.is_idle(NOW + MINUTE));
        assert!(counts.is_idle(later));
    }
}
