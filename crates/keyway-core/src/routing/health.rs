//! How an endpoint did of late: outcomes in bounded memory, and what follows from them.

use std::collections::VecDeque;

use crate::clock::Timestamp;

/// Outcomes of an endpoint that are remembered; older ones make room.
const OUTCOMES_MAX: usize = 256;
/// How far back an outage is looked for.
const OUTAGE_MICROS: i64 = 30 * 1_000_000;
/// How far back percentiles go.
const FIGURES_MICROS: i64 = 5 * 60 * 1_000_000;
/// Longest time that a provider's wish to be left alone is heeded.
const REST_SECONDS_MAX: u32 = 10 * 60;

/// How one request to an endpoint went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It answered.
    Answered {
        /// Until the first chunk of a stream; `None` where nobody could see it.
        first_ms: Option<u64>,
        /// Thousandths of a token per second, from the first to the last.
        throughput: Option<u64>,
    },
    /// Another began before it, and it was waited for no longer: not its failure, but slow.
    Outrun {
        /// It would have taken longer than this to begin.
        least_ms: u64,
    },
    /// It failed by its own fault, not by the request's.
    Failed {
        /// How long it asked to be left alone.
        retry_after_seconds: Option<u32>,
    },
}

/// What routing knows of an endpoint's state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Health {
    /// It is failing, or asked to be left alone.
    pub is_unstable: bool,
    /// `None` where nobody asked for them, or nothing was seen.
    pub figures: Option<Figures>,
}

/// What was observed over five minutes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Figures {
    pub latency_ms: Option<Percentiles>,
    /// Thousandths of a token per second.
    pub throughput: Option<Percentiles>,
    /// Of a thousand requests, how many were answered.
    pub success_permille: u64,
}

/// What so many of a hundred requests were at least as good as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Percentiles {
    pub p50: u64,
    pub p75: u64,
    pub p90: u64,
    pub p99: u64,
}

impl Percentiles {
    pub(super) fn each(self) -> [u64; 4] {
        [self.p50, self.p75, self.p90, self.p99]
    }

    /// `best_first` is sorted; `None` where it is empty.
    fn of(best_first: &[u64]) -> Option<Self> {
        let last = best_first.len().checked_sub(1)?;
        // The smallest number of requests that are so many of a hundred.
        let at = |percent: usize| {
            best_first[(best_first.len() * percent).div_ceil(100).saturating_sub(1).min(last)]
        };
        Some(Self { p50: at(50), p75: at(75), p90: at(90), p99: at(99) })
    }
}

/// What is remembered of one endpoint.
#[derive(Clone, Debug, Default)]
pub struct Observed {
    /// The oldest first.
    outcomes: VecDeque<(Timestamp, Outcome)>,
    /// Of the last of them, those that tell whether there is an outage.
    recent: Recent,
    rests_until: Option<Timestamp>,
}

/// Sums over the newest outcomes, kept as they come and grow old: a look at them comes with every request.
#[derive(Clone, Copy, Debug, Default)]
struct Recent {
    /// How many of the newest outcomes these are,
    outcomes: usize,
    /// how many of those were seen to their end,
    ended: usize,
    /// and how many of those failed.
    failed: usize,
}

impl Recent {
    fn add(&mut self, outcome: Outcome) {
        self.outcomes += 1;
        self.ended += usize::from(!matches!(outcome, Outcome::Outrun { .. }));
        self.failed += usize::from(matches!(outcome, Outcome::Failed { .. }));
    }

    fn take(&mut self, outcome: Outcome) {
        self.outcomes -= 1;
        self.ended -= usize::from(!matches!(outcome, Outcome::Outrun { .. }));
        self.failed -= usize::from(matches!(outcome, Outcome::Failed { .. }));
    }

    const fn is_outage(self) -> bool {
        self.failed > 0 && self.failed * 2 >= self.ended
    }
}

impl Observed {
    /// Remembers an outcome. It makes no difference to times before `now`.
    pub fn record(&mut self, outcome: Outcome, now: Timestamp) {
        if self.outcomes.len() >= OUTCOMES_MAX {
            if self.recent.outcomes == self.outcomes.len() {
                self.recent.take(self.outcomes[0].1);
            }
            self.outcomes.pop_front();
        }
        self.outcomes.push_back((now, outcome));
        self.recent.add(outcome);
        match outcome {
            Outcome::Answered { .. } => self.rests_until = None,
            Outcome::Failed { retry_after_seconds: Some(seconds) } => {
                let micros = i64::from(seconds.min(REST_SECONDS_MAX)) * 1_000_000;
                let until = Timestamp::from_micros(now.as_micros().saturating_add(micros));
                self.rests_until = self.rests_until.max(Some(until));
            }
            Outcome::Failed { retry_after_seconds: None } | Outcome::Outrun { .. } => {}
        }
    }

    /// Whether it fails at least every other request, or asked to be left alone until later than `now`.
    /// What was too old at an earlier look stays so.
    pub fn is_unstable(&mut self, now: Timestamp) -> bool {
        self.forget_before(now);
        self.recent.is_outage() || self.rests_until.is_some_and(|until| until > now)
    }

    /// Takes out of the sums what is too old at `now`.
    fn forget_before(&mut self, now: Timestamp) {
        let from = before(now, OUTAGE_MICROS);
        while self.recent.outcomes > 0 {
            let (at, outcome) = self.outcomes[self.outcomes.len() - self.recent.outcomes];
            if at > from {
                return;
            }
            self.recent.take(outcome);
        }
    }

    /// What was seen in the five minutes before `now`; `None` where that is nothing.
    pub fn figures(&self, now: Timestamp) -> Option<Figures> {
        let (mut latency, mut throughput) = (Vec::new(), Vec::new());
        let (mut answered, mut all) = (0_u64, 0_u64);
        for outcome in self.seen(now) {
            match outcome {
                Outcome::Answered { first_ms, throughput: rate } => {
                    (answered, all) = (answered + 1, all + 1);
                    latency.extend(first_ms);
                    throughput.extend(rate);
                }
                Outcome::Outrun { least_ms } => latency.push(least_ms),
                Outcome::Failed { .. } => all += 1,
            }
        }
        latency.sort_unstable();
        throughput.sort_unstable_by(|one, other| other.cmp(one));
        (all > 0).then(|| Figures {
            latency_ms: Percentiles::of(&latency),
            throughput: Percentiles::of(&throughput),
            success_permille: answered * 1_000 / all,
        })
    }

    /// Outcomes that figures are made of, the newest first.
    fn seen(&self, now: Timestamp) -> impl Iterator<Item = Outcome> {
        let from = before(now, FIGURES_MICROS);
        let recent = self.outcomes.iter().rev().take_while(move |(at, _)| *at > from);
        recent.map(|(_, outcome)| *outcome)
    }
}

const fn before(now: Timestamp, micros: i64) -> Timestamp {
    Timestamp::from_micros(now.as_micros().saturating_sub(micros))
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    const FAILED: Outcome = Outcome::Failed { retry_after_seconds: None };
    const ANSWERED: Outcome = Outcome::Answered { first_ms: None, throughput: None };

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_micros(seconds * 1_000_000)
    }

    fn observed(outcomes: &[(i64, Outcome)]) -> Observed {
        let mut observed = Observed::default();
        for (seconds, outcome) in outcomes {
            observed.record(*outcome, at(*seconds));
        }
        observed
    }

    #[test]
    fn an_outage_is_half_of_what_was_seen_in_thirty_seconds() {
        assert!(!Observed::default().is_unstable(at(0)));
        let mut one = observed(&[(100, FAILED)]);
        assert!(one.is_unstable(at(101)) && one.is_unstable(at(129)) && !one.is_unstable(at(130)));
        let mut half = observed(&[(100, ANSWERED), (101, FAILED)]);
        assert!(half.is_unstable(at(102)));
        let mut less = observed(&[(100, ANSWERED), (101, FAILED), (102, ANSWERED)]);
        assert!(!less.is_unstable(at(103)));
        assert!(!less.is_unstable(at(500)), "all of it is forgotten");
    }

    #[test]
    fn who_asks_to_be_left_alone_is_until_then_or_until_it_answers() {
        let resting = Outcome::Failed { retry_after_seconds: Some(120) };
        let mut observed = observed(&[(0, resting)]);
        assert!(observed.is_unstable(at(119)) && !observed.is_unstable(at(120)));
        observed.record(ANSWERED, at(60));
        assert!(!observed.is_unstable(at(91)));
        let forever = Outcome::Failed { retry_after_seconds: Some(u32::MAX) };
        observed.record(forever, at(100));
        assert!(
            observed.is_unstable(at(699)) && !observed.is_unstable(at(700)),
            "ten minutes at most"
        );
    }

    #[test]
    fn percentiles_are_of_the_last_five_minutes() {
        let mut observed = Observed::default();
        let seen = |number| Outcome::Answered { first_ms: Some(number), throughput: Some(number) };
        observed.record(seen(9_999), at(0));
        for number in 1..=100 {
            observed.record(seen(number), at(300));
        }
        let figures = observed.figures(at(301)).expect("something was seen");
        let latency = figures.latency_ms.expect("it was seen");
        assert_eq!(latency.each(), [50, 75, 90, 99], "so many were as quick or quicker");
        let throughput = figures.throughput.expect("it was seen");
        assert_eq!(throughput.each(), [51, 26, 11, 2], "so many were as fast or faster");
        assert_eq!(figures.success_permille, 1_000);
        observed.record(FAILED, at(302));
        assert_eq!(observed.figures(at(302)).map(|it| it.success_permille), Some(990));
        assert_eq!(observed.figures(at(700)), None);
        let one = self::observed(&[(0, seen(7))]);
        let figures = one.figures(at(1)).expect("something was seen");
        assert_eq!(figures.latency_ms.map(Percentiles::each), Some([7; 4]));
    }

    #[test]
    fn who_was_outrun_is_slow_and_has_not_failed() {
        let outrun = Outcome::Outrun { least_ms: 900 };
        let mut observed = observed(&[(0, outrun), (1, outrun)]);
        assert!(!observed.is_unstable(at(2)));
        observed.record(Outcome::Answered { first_ms: Some(100), throughput: None }, at(2));
        let figures = observed.figures(at(3)).expect("something was seen");
        assert_eq!(figures.success_permille, 1_000);
        assert_eq!(figures.latency_ms.map(|it| (it.p50, it.p99)), Some((900, 900)));
        observed.record(FAILED, at(4));
        assert!(observed.is_unstable(at(5)), "half of what was seen to its end failed");
    }

    /// Whether there is an outage, told by all that is remembered.
    fn looked_through(observed: &Observed, now: Timestamp) -> bool {
        let from = before(now, OUTAGE_MICROS);
        let recent = observed.outcomes.iter().filter(|(at, _)| *at > from).map(|(_, it)| it);
        let ended: Vec<_> = recent.filter(|it| !matches!(it, Outcome::Outrun { .. })).collect();
        let failed = ended.iter().filter(|it| matches!(it, Outcome::Failed { .. })).count();
        failed > 0 && failed * 2 >= ended.len()
    }

    proptest! {
        #[test]
        fn sums_say_what_a_look_at_everything_says(
            steps in vec((0..200_u8, 0..3_u8, any::<bool>()), 1..900),
        ) {
            let (mut observed, mut now) = (Observed::default(), 0);
            for (step, outcome, looks) in steps {
                // Mostly many at a time, so that what is recent is more than what is remembered.
                now += if step == 0 { 11 } else { 0 };
                let outrun = Outcome::Outrun { least_ms: 1 };
                observed.record([FAILED, ANSWERED, outrun][usize::from(outcome)], at(now));
                if looks {
                    let expected = looked_through(&observed, at(now));
                    prop_assert_eq!(observed.is_unstable(at(now)), expected);
                }
            }
        }
    }

    #[test]
    fn memory_is_bounded() {
        let mut observed = Observed::default();
        for seconds in 0..10_000 {
            observed.record(ANSWERED, at(seconds / 100));
        }
        assert_eq!(observed.outcomes.len(), OUTCOMES_MAX);
    }
}
