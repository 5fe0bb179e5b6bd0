//! What was admitted in the last minute, by the second.

use std::collections::VecDeque;
use std::time::Duration;

use super::MINUTE;

/// A sum over a minute that slides.
///
/// Amounts are kept by the second in which they were admitted, and a second counts until all of it
/// is a minute old. So an amount counts for 60 s at least, which is what makes the promise exact, and
/// for less than 61, which is what it costs to keep 61 numbers at most.
#[derive(Clone, Debug, Default)]
pub(super) struct Window {
    /// Seconds with what was admitted in them, in their order.
    seconds: VecDeque<(u64, u64)>,
    sum: u64,
}

impl Window {
    /// What counts at `now`.
    pub(super) fn sum(&mut self, now: Duration) -> u64 {
        while self.seconds.front().is_some_and(|(second, _)| ends(*second) <= now) {
            let (_, amount) = self.seconds.pop_front().unwrap_or_default();
            self.sum -= amount;
        }
        self.sum
    }

    /// Whether nothing counts at `now`.
    pub(super) fn is_empty(&mut self, now: Duration) -> bool {
        self.sum(now);
        self.seconds.is_empty()
    }

    /// Counts `amount`. Answers the second that it counts in.
    pub(super) fn add(&mut self, amount: u64, now: Duration) -> u64 {
        let amount = amount.min(u64::MAX - self.sum);
        self.sum += amount;
        match self.seconds.back_mut() {
            // Another may have looked at the clock later, and been here before.
            Some((last, sum)) if *last >= now.as_secs() => {
                *sum += amount;
                *last
            }
            _ => {
                self.seconds.push_back((now.as_secs(), amount));
                now.as_secs()
            }
        }
    }

    /// Makes an amount of `second` another one. One that does not count any more stays as it is.
    pub(super) fn correct(&mut self, second: u64, from: u64, to: u64) {
        let found = self.seconds.binary_search_by_key(&second, |(second, _)| *second);
        let Some((_, amount)) = found.ok().and_then(|at| self.seconds.get_mut(at)) else { return };
        let rest = self.sum - *amount;
        *amount = amount.saturating_sub(from).saturating_add(to).min(u64::MAX - rest);
        self.sum = rest + *amount;
    }

    /// How long until `amount` fits under `most`, which is no less than it, if nothing else comes.
    pub(super) fn fits_in(&mut self, amount: u64, most: u64, now: Duration) -> Duration {
        let mut sum = self.sum(now);
        let mut seconds = self.seconds.iter();
        let mut at = now;
        while sum.saturating_add(amount) > most {
            let Some((second, freed)) = seconds.next() else { break };
            sum -= freed;
            at = ends(*second);
        }
        at.saturating_sub(now)
    }
}

/// When the last moment of `second` is a minute old.
fn ends(second: u64) -> Duration {
    Duration::from_secs(second.saturating_add(1)).saturating_add(MINUTE)
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    const LIMIT: u64 = 20;

    /// Milliseconds that pass, and an amount that is asked for then.
    fn requests() -> impl Strategy<Value = Vec<(u64, u64)>> {
        let step = prop_oneof![4 => 0..300_u64, 2 => 300..5_000_u64, 1 => 50_000..65_000_u64];
        vec((step, 1..=LIMIT), 1..300)
    }

    proptest! {
        #[test]
        fn no_minute_has_more_than_the_limit_and_no_refusal_is_for_nothing(requests in requests()) {
            let mut window = Window::default();
            let mut now = Duration::ZERO;
            let mut admitted: Vec<(Duration, u64)> = Vec::new();
            let within = |admitted: &[(Duration, u64)], now: Duration, span: Duration| -> u64 {
                let recent = admitted.iter().filter(|(at, _)| *at + span > now);
                recent.map(|(_, amount)| amount).sum()
            };
            for (step, amount) in requests {
                now += Duration::from_millis(step);
                if window.sum(now) + amount <= LIMIT {
                    window.add(amount, now);
                    admitted.push((now, amount));
                    let minute = within(&admitted, now, MINUTE);
                    prop_assert!(minute <= LIMIT, "{minute} in the minute before {now:?}");
                } else {
                    let longer = within(&admitted, now, MINUTE + Duration::from_secs(1));
                    prop_assert!(longer + amount > LIMIT, "refused beside {longer}");
                }
                prop_assert!(window.seconds.len() <= 61);
            }
        }

        #[test]
        fn what_does_not_fit_fits_when_it_is_said_to_and_not_before(requests in requests()) {
            let mut window = Window::default();
            let mut now = Duration::ZERO;
            for (step, amount) in requests {
                now += Duration::from_millis(step);
                let wait = window.fits_in(amount, LIMIT, now);
                prop_assert!(window.clone().sum(now + wait) + amount <= LIMIT);
                if wait == Duration::ZERO {
                    window.add(amount, now);
                } else {
                    let sooner = (now + wait).saturating_sub(Duration::from_nanos(1));
                    prop_assert!(window.clone().sum(sooner) + amount > LIMIT);
                }
            }
        }
    }

    #[test]
    fn an_amount_is_corrected_while_it_counts() {
        let mut window = Window::default();
        let at = |seconds| Duration::from_secs(seconds);
        let second = window.add(100, at(7));
        window.add(5, at(8));
        window.correct(second, 100, 30);
        assert_eq!(window.sum(at(8)), 35);
        window.correct(second, 30, 40);
        assert_eq!(window.sum(at(67)), 45);
        assert_eq!(window.sum(at(68)), 5);
        window.correct(second, 40, 0);
        assert_eq!(window.sum(at(68)), 5);
        assert_eq!(window.sum(at(69)), 0);
    }

    #[test]
    fn who_looked_at_the_clock_earlier_and_comes_later_counts_as_late() {
        let mut window = Window::default();
        window.add(1, Duration::from_secs(10));
        assert_eq!(window.add(1, Duration::from_millis(9_999)), 10);
        assert_eq!(window.sum(Duration::from_millis(70_999)), 2);
    }

    #[test]
    fn sums_do_not_overflow() {
        let mut window = Window::default();
        window.add(u64::MAX, Duration::ZERO);
        window.add(u64::MAX, Duration::from_secs(1));
        window.correct(0, 0, u64::MAX);
        assert_eq!(window.sum(Duration::from_secs(2)), u64::MAX);
        assert_eq!(window.fits_in(1, 1, Duration::from_secs(2)), Duration::from_secs(59));
    }
}
