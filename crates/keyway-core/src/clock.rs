//! Time as a value. Whoever needs the time is handed it; only the binary reads the wall clock.

use std::fmt;
use std::sync::atomic::{AtomicI64, Ordering};

use jiff::civil::DateTime;
use jiff::tz::TimeZone;

const MICROS_PER_SECOND: i64 = 1_000_000;
/// The last moment that may be written as an RFC 3339 date: the end of the year 9998.
const MAX_MICROS: i64 = 253_370_764_799 * MICROS_PER_SECOND;

/// A moment: microseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    pub const fn as_micros(self) -> i64 {
        self.0
    }

    pub const fn as_seconds(self) -> i64 {
        self.0.div_euclid(MICROS_PER_SECOND)
    }

    #[must_use]
    pub const fn plus_seconds(self, seconds: i64) -> Self {
        Self(self.0.saturating_add(seconds.saturating_mul(MICROS_PER_SECOND)))
    }

    /// Reads an RFC 3339 date-time that is in UTC: `2027-12-31T23:59:59Z`, with any number of
    /// fraction digits, `Z` or `+00:00`. Other offsets are refused, as OpenRouter's reference says.
    pub fn parse_utc(text: &str) -> Result<Self, TimestampError> {
        let civil = ["Z", "z", "+00:00", "-00:00"]
            .iter()
            .find_map(|suffix| text.strip_suffix(suffix))
            .ok_or(TimestampError)?;
        // The library reads more forms of ISO 8601 than RFC 3339 has; the fixed shape keeps to it.
        let shape = civil.as_bytes();
        let separators = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')];
        let shaped = shape.len() >= 19
            && separators.iter().all(|&(at, byte)| shape[at].eq_ignore_ascii_case(&byte))
            && (shape.len() == 19 || (shape[19] == b'.' && shape.len() > 20))
            && shape.len() <= 40;
        if !shaped {
            return Err(TimestampError);
        }
        // Digits beyond a nanosecond carry nothing that is kept.
        let civil = &civil[..civil.len().min(29)];
        let parsed: DateTime = civil.parse().map_err(|_| TimestampError)?;
        let moment = TimeZone::UTC.to_timestamp(parsed).map_err(|_| TimestampError)?;
        Ok(Self(moment.as_microsecond().min(MAX_MICROS)))
    }

    /// The calendar date and time in UTC.
    pub(crate) fn civil(self) -> DateTime {
        let bounded = self.0.clamp(-MAX_MICROS / 100, MAX_MICROS);
        let moment =
            jiff::Timestamp::from_microsecond(bounded).expect("within the library's range");
        TimeZone::UTC.to_datetime(moment)
    }

    pub(crate) fn from_civil(civil: DateTime) -> Self {
        let moment = TimeZone::UTC.to_timestamp(civil).expect("within the library's range");
        Self(moment.as_microsecond())
    }
}

impl fmt::Display for Timestamp {
    /// RFC 3339 in UTC: `2026-01-02T03:04:05Z`, with six fraction digits where there is a fraction.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let civil = self.civil();
        let (date, time) = (civil.date(), civil.time());
        write!(
            f,
            "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}",
            date.year(),
            date.month(),
            date.day(),
            time.hour(),
            time.minute(),
            time.second()
        )?;
        match self.0.rem_euclid(MICROS_PER_SECOND) {
            0 => write!(f, "Z"),
            fraction => write!(f, ".{fraction:06}Z"),
        }
    }
}

/// The text is not an RFC 3339 date-time in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is not a date and time in UTC like 2027-12-31T23:59:59Z")]
pub struct TimestampError;

/// Where the time comes from.
pub trait Clock: Send + Sync + 'static {
    fn now(&self) -> Timestamp;
}

/// A clock that stands still until it is told otherwise.
#[derive(Debug, Default)]
pub struct ManualClock(AtomicI64);

impl ManualClock {
    pub fn at(now: Timestamp) -> Self {
        Self(AtomicI64::new(now.as_micros()))
    }

    pub fn set(&self, now: Timestamp) {
        self.0.store(now.as_micros(), Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::SeqCst))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_utc_in_the_right_shape_is_read() {
        for text in [
            "2027-12-31T23:59:59Z",
            "2027-12-31T23:59:59.000Z",
            "2027-12-31T23:59:59+00:00",
            "2027-12-31T23:59:59.000000000000Z",
        ] {
            let read = Timestamp::parse_utc(text).expect(text);
            assert_eq!(read.to_string(), "2027-12-31T23:59:59Z", "{text}");
        }
        for text in [
            "",
            "Z",
            "2027-12-31",
            "2027-12-31 23:59:59Z",
            "2027-12-31T23:59Z",
            "2027-12-31T23:59:59",
            "2027-12-31T23:59:59+02:00",
            "2027-12-31T23:59:59.Z",
            "2027-13-31T23:59:59Z",
            "2027-02-30T23:59:59Z",
            "20271231T235959Z",
            "2027-12-31T23:59:59Z[Europe/Berlin]",
            "２027-12-31T23:59:59Z",
        ] {
            assert_eq!(Timestamp::parse_utc(text), Err(TimestampError), "{text}");
        }
    }

    #[test]
    fn fractions_are_printed_only_where_there_are_some() {
        assert_eq!(Timestamp::from_micros(0).to_string(), "1970-01-01T00:00:00Z");
        assert_eq!(Timestamp::from_micros(1_500_000).to_string(), "1970-01-01T00:00:01.500000Z");
    }
}
