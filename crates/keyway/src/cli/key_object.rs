//! A key as the API describes it, read for people.

use keyway_core::clock::Timestamp;
use keyway_core::money::Nanos;
use serde_json::Value;

use super::values::shown;

/// First digits of a hash that lists show; enough to name the key in a command.
const HASH_DIGITS_SHOWN: usize = 12;

/// The API's key object. A field that is not there reads as null.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KeyObject<'a>(pub(crate) &'a Value);

/// Whether a key is accepted, and if not, why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    Active,
    Disabled,
    Expired,
}

impl Status {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Disabled => "disabled",
            Self::Expired => "expired",
        }
    }
}

impl<'a> KeyObject<'a> {
    pub(crate) fn hash(self) -> &'a str {
        self.0["hash"].as_str().unwrap_or_default()
    }

    pub(crate) fn short_hash(self) -> String {
        shown(self.hash().get(..HASH_DIGITS_SHOWN).unwrap_or(self.hash()))
    }

    /// A text field; empty where it is null.
    pub(crate) fn text(self, field: &str) -> String {
        self.0[field].as_str().map(shown).unwrap_or_default()
    }

    pub(crate) fn status(self, now: Timestamp) -> Status {
        let expires_at = self.0["expires_at"].as_str().and_then(|at| Timestamp::parse_utc(at).ok());
        if expires_at.is_some_and(|at| at <= now) {
            Status::Expired
        } else if self.0["disabled"].as_bool() == Some(true) {
            Status::Disabled
        } else {
            Status::Active
        }
    }

    /// A money field, digit for digit, such as `$0.00014`; `None` where it is null.
    pub(crate) fn usd(self, field: &str) -> Option<String> {
        match &self.0[field] {
            Value::Number(amount) => Some(format!("${amount}")),
            _ => None,
        }
    }

    /// A field that is a whole number; `None` where it is null.
    pub(crate) fn whole(self, field: &str) -> Option<u64> {
        self.0[field].as_u64()
    }

    /// The field of what was spent in the window that the limit counts.
    pub(crate) fn window_usage(self) -> &'static str {
        match self.0["limit_reset"].as_str() {
            Some("daily") => "usage_daily",
            Some("weekly") => "usage_weekly",
            Some("monthly") => "usage_monthly",
            _ => "usage",
        }
    }

    /// How many of `parts` equal parts of the limit are used; `None` where it is unlimited.
    pub(crate) fn used_of(self, parts: usize) -> Option<usize> {
        let limit = self.nanos("limit")?;
        let used = limit.saturating_sub(self.nanos("limit_remaining")?);
        if limit == Nanos::ZERO {
            return Some(parts);
        }
        let share = i128::from(used.get()) * i128::try_from(parts).ok()? / i128::from(limit.get());
        usize::try_from(share).ok().map(|share| share.min(parts))
    }

    fn nanos(self, field: &str) -> Option<Nanos> {
        match &self.0[field] {
            Value::Number(amount) => Nanos::parse_limit(&amount.to_string()).ok(),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn shares_of_a_limit_are_exact() {
        let cases = [
            ("10", "10", Some(0)),
            ("10", "9.000000001", Some(0)),
            ("10", "9", Some(1)),
            ("10", "0.000000001", Some(9)),
            ("10", "0", Some(10)),
            ("0", "0", Some(10)),
            ("1000000000", "0", Some(10)),
            ("null", "null", None),
        ];
        for (limit, remaining, expected) in cases {
            let text = format!(r#"{{"limit":{limit},"limit_remaining":{remaining}}}"#);
            let key: Value = serde_json::from_str(&text).expect("JSON");
            assert_eq!(KeyObject(&key).used_of(10), expected, "{text}");
        }
    }

    #[test]
    fn money_is_shown_digit_for_digit() {
        let key: Value =
            serde_json::from_str(r#"{"usage":0.999104448,"limit":null}"#).expect("JSON");
        assert_eq!(KeyObject(&key).usd("usage").as_deref(), Some("$0.999104448"));
        assert_eq!(KeyObject(&key).usd("limit"), None);
        assert_eq!(KeyObject(&key).usd("absent"), None);
    }

    #[test]
    fn what_ends_a_key_is_told() {
        let now = Timestamp::parse_utc("2026-01-02T00:00:00Z").expect("a moment");
        let status = |disabled: bool, expires_at: Option<&str>| {
            KeyObject(&json!({"disabled": disabled, "expires_at": expires_at})).status(now)
        };
        assert_eq!(status(false, None), Status::Active);
        assert_eq!(status(false, Some("2026-01-02T00:00:01Z")), Status::Active);
        assert_eq!(status(false, Some("2026-01-02T00:00:00Z")), Status::Expired);
        assert_eq!(status(true, None), Status::Disabled);
        assert_eq!(status(true, Some("2026-01-01T00:00:00Z")), Status::Expired);
    }

    #[test]
    fn nothing_reaches_the_terminal_that_it_would_obey() {
        let key = json!({"name": "a\u{1b}[2Jb", "hash": "ab\u{7}"});
        assert_eq!(KeyObject(&key).text("name"), "a\u{fffd}[2Jb");
        assert_eq!(KeyObject(&key).short_hash(), "ab\u{fffd}");
    }
}
