//! Windows: the periods over which spend is counted.
//!
//! Days start at 00:00 UTC, weeks on Monday, months on the first. Nothing is ever reset to zero:
//! when a period ends a new window opens, and the old one keeps its sum.

use jiff::ToSpan;
use jiff::civil::Date;

use crate::clock::Timestamp;

/// How often a limit starts anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ResetInterval {
    Daily,
    Weekly,
    Monthly,
}

impl ResetInterval {
    pub const ALL: [Self; 3] = [Self::Daily, Self::Weekly, Self::Monthly];

    /// The word of the API: `daily`, `weekly`, `monthly`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Daily => "daily",
            Self::Weekly => "weekly",
            Self::Monthly => "monthly",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|interval| interval.as_str() == text)
    }

    pub const fn window(self) -> WindowKind {
        match self {
            Self::Daily => WindowKind::Day,
            Self::Weekly => WindowKind::Week,
            Self::Monthly => WindowKind::Month,
        }
    }
}

/// The periods in which every account's spend is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum WindowKind {
    /// All time.
    Total,
    Day,
    Week,
    Month,
}

impl WindowKind {
    pub const ALL: [Self; 4] = [Self::Total, Self::Day, Self::Week, Self::Month];

    /// A stable number for the store and for arrays of one value per kind.
    pub const fn index(self) -> usize {
        match self {
            Self::Total => 0,
            Self::Day => 1,
            Self::Week => 2,
            Self::Month => 3,
        }
    }

    /// When the window that contains `now` opened. All time began at the epoch.
    pub fn starts_at(self, now: Timestamp) -> Timestamp {
        self.starts_by(now.civil().date())
    }

    /// When the window that contains `now` ends; `None` for all time.
    pub fn ends_at(self, now: Timestamp) -> Option<Timestamp> {
        let span = match self {
            Self::Total => return None,
            Self::Day => 1.day(),
            Self::Week => 1.week(),
            Self::Month => 1.month(),
        };
        let first = self.first_day(now.civil().date());
        Some(midnight(first.checked_add(span).expect("within the library's range")))
    }

    fn starts_by(self, today: Date) -> Timestamp {
        match self {
            Self::Total => Timestamp::default(),
            _ => midnight(self.first_day(today)),
        }
    }

    fn first_day(self, today: Date) -> Date {
        match self {
            Self::Total | Self::Day => today,
            Self::Month => today.first_of_month(),
            Self::Week => {
                let since_monday = i64::from(today.weekday().to_monday_zero_offset());
                today.checked_sub(since_monday.days()).expect("within the library's range")
            }
        }
    }
}

fn midnight(date: Date) -> Timestamp {
    Timestamp::from_civil(date.at(0, 0, 0, 0))
}

/// The starts of the four windows that a moment falls in, by [`WindowKind::index`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Windows(pub [Timestamp; 4]);

impl Windows {
    pub fn at(now: Timestamp) -> Self {
        let today = now.civil().date();
        Self(WindowKind::ALL.map(|kind| kind.starts_by(today)))
    }

    pub fn start_of(&self, kind: WindowKind) -> Timestamp {
        self.0[kind.index()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse_utc(text).expect(text)
    }

    #[test]
    fn windows_open_at_midnight_utc() {
        let now = at("2026-03-01T12:34:56.789Z"); // a Sunday
        let spans = [
            (WindowKind::Day, "2026-03-01T00:00:00Z", "2026-03-02T00:00:00Z"),
            (WindowKind::Week, "2026-02-23T00:00:00Z", "2026-03-02T00:00:00Z"),
            (WindowKind::Month, "2026-03-01T00:00:00Z", "2026-04-01T00:00:00Z"),
        ];
        for (kind, starts, ends) in spans {
            assert_eq!(kind.starts_at(now).to_string(), starts);
            assert_eq!(kind.ends_at(now).map(|end| end.to_string()).as_deref(), Some(ends));
        }
        assert_eq!(WindowKind::Total.ends_at(now), None);
    }

    #[test]
    fn every_moment_of_a_century_falls_in_one_window_that_touches_the_next() {
        let mut day = at("2000-01-01T00:00:00Z");
        let end = at("2100-01-01T00:00:00Z");
        while day < end {
            let last = Timestamp::from_micros(day.plus_seconds(86_400).as_micros() - 1);
            for kind in [WindowKind::Day, WindowKind::Week, WindowKind::Month] {
                let (starts, ends) = (kind.starts_at(day), kind.ends_at(day).expect("it ends"));
                assert!(starts <= day && last < ends, "{kind:?} {day}");
                assert_eq!(kind.starts_at(last), starts, "{kind:?} {day}");
                assert_eq!(kind.starts_at(ends), ends, "{kind:?} {day}");
            }
            day = day.plus_seconds(86_400);
        }
    }
}
