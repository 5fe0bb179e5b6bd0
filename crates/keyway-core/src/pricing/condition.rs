//! Prices that apply under a condition only.

use super::rates::Rates;
use crate::clock::Timestamp;
use crate::money::Rate;

const MINUTES_PER_DAY: u16 = 24 * 60;
const SECONDS_PER_MINUTE: i64 = 60;
const SECONDS_PER_DAY: i64 = 24 * 60 * 60;
const DAYS: usize = 7;
const DAYS_PER_WEEK: i64 = 7;
/// 1970 began on a Thursday, the fourth day from Monday on.
const FIRST_DAY: i64 = 3;

/// Other rates where all of its conditions hold; what is absent stays as it was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Override {
    /// It applies to requests whose prompt has more tokens than this, and then to all of their tokens.
    pub min_prompt_tokens: Option<u64>,
    /// It applies to requests that are admitted then.
    pub hours: Option<Hours>,
    /// It applies to requests that are admitted on one of these days, in UTC.
    pub days: Option<Days>,
    pub prompt: Option<Rate>,
    pub completion: Option<Rate>,
    pub kinds: Rates,
}

/// A time of day in UTC, from its first minute up to before its last; it may pass midnight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hours {
    start: u16,
    end: u16,
}

/// Days of the week.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Days([bool; DAYS]);

impl Override {
    /// Whether it may apply to a request of at most `prompt_tokens`, at whatever time.
    pub(super) fn may_apply(&self, prompt_tokens: u64) -> bool {
        self.min_prompt_tokens.is_none_or(|above| prompt_tokens > above)
    }

    pub(super) fn applies(&self, prompt_tokens: u64, at: Timestamp) -> bool {
        self.may_apply(prompt_tokens)
            && self.hours.is_none_or(|hours| hours.contain(at))
            && self.days.is_none_or(|days| days.contain(at))
    }
}

impl Days {
    /// Reads numbers from 1, Monday, to 7, Sunday. `None` where one is no day, or where there is none.
    pub fn from_numbers(numbers: &[u8]) -> Option<Self> {
        let mut days = [false; DAYS];
        for number in numbers {
            *days.get_mut(usize::from(number.checked_sub(1)?))? = true;
        }
        (!numbers.is_empty()).then_some(Self(days))
    }

    /// The numbers of its days.
    pub fn numbers(self) -> Vec<u8> {
        (1..).zip(self.0).filter(|(_, is_in)| *is_in).map(|(number, _)| number).collect()
    }

    fn contain(self, at: Timestamp) -> bool {
        let day =
            (at.as_seconds().div_euclid(SECONDS_PER_DAY) + FIRST_DAY).rem_euclid(DAYS_PER_WEEK);
        usize::try_from(day).is_ok_and(|day| self.0[day])
    }
}

impl Hours {
    /// Reads both ends as the API writes them: 100 is 01:00, 1630 is 16:30. `None` where one is no
    /// time of day, or where both are the same.
    pub fn from_clock(start: u16, end: u16) -> Option<Self> {
        let minutes = |clock: u16| {
            (clock / 100 < 24 && clock % 100 < 60).then_some(clock / 100 * 60 + clock % 100)
        };
        let (start, end) = (minutes(start)?, minutes(end)?);
        (start != end).then_some(Self { start, end })
    }

    /// Both ends as the API writes them.
    pub const fn as_clock(self) -> (u16, u16) {
        const fn clock(minutes: u16) -> u16 {
            minutes / 60 * 100 + minutes % 60
        }
        (clock(self.start), clock(self.end))
    }

    fn contain(self, at: Timestamp) -> bool {
        let minute =
            at.as_seconds().div_euclid(SECONDS_PER_MINUTE).rem_euclid(MINUTES_PER_DAY.into());
        let (start, end) = (i64::from(self.start), i64::from(self.end));
        if start < end { (start..end).contains(&minute) } else { minute >= start || minute < end }
    }
}
