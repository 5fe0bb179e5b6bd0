//! Rate limits: how often a key may ask, for how many tokens, and for how much at once.
//!
//! Each node counts what it admits, in memory, against its share of a limit. What is promised of one
//! node: in no 60 seconds does it admit more than its share, wherever they begin. What is promised of
//! many is said at [`Shares`].

mod counts;
mod shares;
mod window;

use std::time::Duration;

pub use self::counts::{Admitted, Counts, Refused, Retry};
pub use self::shares::{NodeShares, Place, Shares};

/// The time that a limit per minute looks back.
const MINUTE: Duration = Duration::from_mins(1);

/// The figure of a limit: 1 to 1,000,000,000.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Figure(u32);

impl Figure {
    pub const MAX: u32 = 1_000_000_000;

    /// `None` where it is out of range: a key that may do nothing is disabled instead.
    pub fn new(figure: i64) -> Option<Self> {
        u32::try_from(figure).ok().filter(|figure| (1..=Self::MAX).contains(figure)).map(Self)
    }

    pub const fn get(self) -> u32 {
        self.0
    }
}

/// What a key may ask for; `None` is what the configuration says of all keys, or no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RateLimits {
    pub requests_per_minute: Option<Figure>,
    /// Of prompts and completions together.
    pub tokens_per_minute: Option<Figure>,
    /// Requests in flight at one moment.
    pub max_concurrent_requests: Option<Figure>,
}

impl RateLimits {
    /// These, and of `defaults` what these leave open.
    #[must_use]
    pub fn or(self, defaults: Self) -> Self {
        Self {
            requests_per_minute: self.requests_per_minute.or(defaults.requests_per_minute),
            tokens_per_minute: self.tokens_per_minute.or(defaults.tokens_per_minute),
            max_concurrent_requests: self
                .max_concurrent_requests
                .or(defaults.max_concurrent_requests),
        }
    }

    pub fn figure(&self, limit: RateLimit) -> Option<Figure> {
        match limit {
            RateLimit::Requests => self.requests_per_minute,
            RateLimit::Tokens => self.tokens_per_minute,
            RateLimit::Concurrency => self.max_concurrent_requests,
        }
    }
}

/// A change to rate limits: `None` leaves one as it is, `Some(None)` goes back to the default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RateLimitsPatch {
    pub requests_per_minute: Option<Option<Figure>>,
    pub tokens_per_minute: Option<Option<Figure>>,
    pub max_concurrent_requests: Option<Option<Figure>>,
}

impl RateLimitsPatch {
    /// What becomes of `limits`.
    pub fn apply(self, limits: RateLimits) -> RateLimits {
        RateLimits {
            requests_per_minute: self.requests_per_minute.unwrap_or(limits.requests_per_minute),
            tokens_per_minute: self.tokens_per_minute.unwrap_or(limits.tokens_per_minute),
            max_concurrent_requests: self
                .max_concurrent_requests
                .unwrap_or(limits.max_concurrent_requests),
        }
    }
}

/// One of the limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RateLimit {
    Requests,
    Tokens,
    Concurrency,
}

impl RateLimit {
    /// The field of the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Requests => "requests_per_minute",
            Self::Tokens => "tokens_per_minute",
            Self::Concurrency => "max_concurrent_requests",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_is_never_nothing() {
        let figures = [-1, 0, 1, 1_000_000_000, 1_000_000_001, i64::MAX].map(Figure::new);
        let valid = figures.map(|figure| figure.map(Figure::get));
        assert_eq!(valid, [None, None, Some(1), Some(1_000_000_000), None, None]);
    }

    #[test]
    fn a_key_is_held_to_the_default_where_it_has_no_limit_of_its_own() {
        let own = RateLimits { requests_per_minute: Figure::new(9), ..RateLimits::default() };
        let defaults = RateLimits {
            requests_per_minute: Figure::new(5),
            tokens_per_minute: Figure::new(6),
            max_concurrent_requests: None,
        };
        let both = RateLimits { requests_per_minute: Figure::new(9), ..defaults };
        assert_eq!(own.or(defaults), both);
    }
}
