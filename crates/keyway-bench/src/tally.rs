//! What was told of many requests.

use std::time::Duration;

use hdrhistogram::Histogram;

use crate::exchange::Told;

/// The longest that is told apart; what took longer counts as this.
const LONGEST: Duration = Duration::from_mins(5);
/// What took less is not told apart.
const SHORTEST: Duration = Duration::from_micros(1);
const DIGITS: u8 = 3;

/// How many, and how long they took, in nanoseconds.
#[derive(Clone, Debug)]
pub(crate) struct Tally {
    /// Answered 200 and whole.
    pub(crate) answered: u64,
    /// Answered with another status.
    pub(crate) refused: u64,
    /// Not answered, or not to the end.
    pub(crate) broken: u64,
    pub(crate) first: Histogram<u64>,
    pub(crate) whole: Histogram<u64>,
    /// Until a refusal was there.
    pub(crate) refusals: Histogram<u64>,
    pub(crate) length: Duration,
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

fn histogram() -> Histogram<u64> {
    let histogram = Histogram::new_with_bounds(nanos(SHORTEST), nanos(LONGEST), DIGITS);
    histogram.expect("the bounds are valid")
}

impl Tally {
    pub(crate) fn new() -> Self {
        Self {
            answered: 0,
            refused: 0,
            broken: 0,
            first: histogram(),
            whole: histogram(),
            refusals: histogram(),
            length: Duration::ZERO,
        }
    }

    /// Counts what became of a request; `None` where its connection broke.
    pub(crate) fn add(&mut self, told: Option<&Told>) {
        let Some(told) = told else {
            self.broken += 1;
            return;
        };
        let [first, whole] = [told.first, told.whole].map(|it| nanos(it.min(LONGEST)));
        if told.status == 200 {
            self.answered += 1;
            self.first.saturating_record(first);
            self.whole.saturating_record(whole);
        } else if told.status == 0 {
            self.broken += 1;
        } else {
            self.refused += 1;
            self.refusals.saturating_record(whole);
        }
    }

    pub(crate) fn join(&mut self, other: &Self) {
        self.answered += other.answered;
        self.refused += other.refused;
        self.broken += other.broken;
        for (sum, part) in [
            (&mut self.first, &other.first),
            (&mut self.whole, &other.whole),
            (&mut self.refusals, &other.refusals),
        ] {
            sum.add(part).expect("the bounds are the same");
        }
    }

    /// Answered a second.
    #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
    pub(crate) fn per_second(&self) -> f64 {
        self.answered as f64 / self.length.as_secs_f64().max(f64::MIN_POSITIVE)
    }
}

/// A quantile in milliseconds.
#[expect(clippy::cast_precision_loss, reason = "a figure for people")]
pub(crate) fn millis(histogram: &Histogram<u64>, quantile: f64) -> f64 {
    histogram.value_at_quantile(quantile) as f64 / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_of_what_was_answered() {
        let told = |status, whole| Told { status, first: whole / 2, whole };
        let mut tally = Tally::new();
        for millis in 1..=100 {
            tally.add(Some(&told(200, Duration::from_millis(millis))));
        }
        let mut other = Tally::new();
        other.add(Some(&told(503, Duration::from_micros(500))));
        other.add(Some(&told(0, Duration::from_hours(1))));
        other.add(None);
        tally.join(&other);
        assert_eq!((tally.answered, tally.refused, tally.broken), (100, 1, 2));
        let near =
            |found: f64, expected: f64| assert!((found / expected - 1.0).abs() < 0.002, "{found}");
        near(millis(&tally.whole, 0.5), 50.0);
        near(millis(&tally.first, 0.99), 49.5);
        near(millis(&tally.refusals, 1.0), 0.5);
    }
}
