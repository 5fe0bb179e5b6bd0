//! Fields of a management call's body: typed, with absent told from null.
//!
//! Unknown fields are ignored, as OpenRouter does.

use std::str::FromStr;

use keyway_core::budget::ResetInterval;
use keyway_core::clock::Timestamp;
use keyway_core::error::Error;
use keyway_core::id::{KeyHash, WorkspaceId};
use keyway_core::key::{KeyName, OnLimit};
use keyway_core::money::{MoneyError, Nanos};
use keyway_core::rate::Figure;
use serde_json::{Map, Value};

/// Longest free text besides a name, in characters.
const TEXT_CHARACTERS_MAX: usize = 256;

/// What a body says of a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Field<T> {
    Absent,
    Null,
    Value(T),
}

impl<T> Field<T> {
    /// The value, where absent and null mean the same.
    pub fn value(self) -> Option<T> {
        match self {
            Self::Value(value) => Some(value),
            Self::Absent | Self::Null => None,
        }
    }

    /// A change: `None` where absent, `Some(None)` where null.
    pub fn change(self) -> Option<Option<T>> {
        match self {
            Self::Absent => None,
            Self::Null => Some(None),
            Self::Value(value) => Some(Some(value)),
        }
    }
}

/// Reads typed fields out of a JSON object.
#[derive(Clone, Copy, Debug)]
pub struct Fields<'a>(pub &'a Map<String, Value>);

impl<'a> Fields<'a> {
    pub fn name(self, field: &str) -> Result<Field<KeyName>, Error> {
        self.read(field, "a string", |value| {
            let text = value.as_str()?;
            Some(KeyName::new(text).map_err(|error| Error::invalid(field, error)))
        })
    }

    pub fn boolean(self, field: &str) -> Result<Field<bool>, Error> {
        self.read(field, "true or false", |value| value.as_bool().map(Ok))
    }

    /// A limit in USD, from the number's own text.
    pub fn limit(self, field: &str) -> Result<Field<Nanos>, Error> {
        self.read(field, "a number of USD, or null for no limit", |value| {
            let Value::Number(number) = value else { return None };
            Some(Nanos::parse_limit(number.as_str()).map_err(|error| {
                let why = match error {
                    MoneyError::TooLarge => "must not be above 1000000000 (USD)".to_owned(),
                    other => other.to_string(),
                };
                Error::invalid(field, why)
            }))
        })
    }

    pub fn reset(self, field: &str) -> Result<Field<ResetInterval>, Error> {
        let allowed = "\"daily\", \"weekly\", \"monthly\" or null";
        self.read(field, allowed, |value| ResetInterval::parse(value.as_str()?).map(Ok))
    }

    /// The figure of a rate limit.
    pub fn figure(self, field: &str) -> Result<Field<Figure>, Error> {
        let allowed = format!(
            "a whole number from 1 to {}, or null for the configuration's default; a key that may \
             do nothing is disabled instead",
            Figure::MAX
        );
        self.read(field, &allowed, |value| value.as_i64().and_then(Figure::new).map(Ok))
    }

    pub fn on_limit(self, field: &str) -> Result<Field<OnLimit>, Error> {
        let allowed = "\"refuse\" or \"clamp\"";
        self.read(field, allowed, |value| OnLimit::parse(value.as_str()?).map(Ok))
    }

    /// A moment in UTC, whenever.
    pub fn moment(self, field: &str) -> Result<Field<Timestamp>, Error> {
        self.read(field, "a string with a date and time in UTC, or null", |value| {
            let parsed = Timestamp::parse_utc(value.as_str()?);
            Some(parsed.map_err(|error| Error::invalid(field, error)))
        })
    }

    pub fn workspace(self, field: &str) -> Result<Field<WorkspaceId>, Error> {
        let allowed = "the UUID of a workspace";
        self.read(field, allowed, |value| WorkspaceId::from_str(value.as_str()?).ok().map(Ok))
    }

    /// Free text of 1 to 256 characters without control characters.
    pub fn text(self, field: &str) -> Result<Field<String>, Error> {
        self.read(field, "a string", |value| {
            let text = value.as_str()?;
            let length = text.chars().count();
            let fits = (1..=TEXT_CHARACTERS_MAX).contains(&length);
            Some(if fits && !text.chars().any(char::is_control) {
                Ok(text.to_owned())
            } else {
                let why = "must have 1 to 256 characters and no control characters";
                Err(Error::invalid(field, why))
            })
        })
    }

    /// A list of up to `most` texts, each of 1 to 256 characters without control characters.
    pub fn texts(self, field: &str, most: usize) -> Result<Field<Vec<String>>, Error> {
        self.read(field, "a list of strings, or null", |value| {
            let texts: Option<Vec<&str>> = value.as_array()?.iter().map(Value::as_str).collect();
            let texts = texts?;
            let fits = |text: &&str| {
                let length = text.chars().count();
                (1..=TEXT_CHARACTERS_MAX).contains(&length) && !text.chars().any(char::is_control)
            };
            Some(if texts.len() <= most && texts.iter().all(fits) {
                Ok(texts.into_iter().map(str::to_owned).collect())
            } else {
                let why = format!(
                    "must have at most {most} entries, each of 1 to 256 characters without control \
                     characters"
                );
                Err(Error::invalid(field, why))
            })
        })
    }

    /// A list of 1 to `most` hashes of keys.
    pub fn hashes(self, field: &str, most: usize) -> Result<Field<Vec<KeyHash>>, Error> {
        let allowed = format!(
            "a list of 1 to {most} hashes of keys, each of 64 lower-case hex digits, or null for all"
        );
        self.read(field, &allowed, |value| {
            let hash = |value: &Value| KeyHash::from_str(value.as_str()?).ok();
            let hashes: Vec<KeyHash> = value.as_array()?.iter().map(hash).collect::<Option<_>>()?;
            (1..=most).contains(&hashes.len()).then_some(Ok(hashes))
        })
    }

    pub fn object(self, field: &str) -> Result<Field<Fields<'a>>, Error> {
        self.read(field, "an object", |value| value.as_object().map(|fields| Ok(Fields(fields))))
    }

    /// A whole number between `range`'s ends.
    pub fn whole(
        self,
        field: &str,
        range: std::ops::RangeInclusive<i64>,
    ) -> Result<Field<i64>, Error> {
        let allowed = format!("a whole number from {} to {}", range.start(), range.end());
        self.read(field, &allowed, |value| {
            value.as_i64().filter(|number| range.contains(number)).map(Ok)
        })
    }

    /// `typed` answers `None` for a value of another type than `allowed` says.
    fn read<T>(
        self,
        field: &str,
        allowed: &str,
        typed: impl FnOnce(&'a Value) -> Option<Result<T, Error>>,
    ) -> Result<Field<T>, Error> {
        match self.0.get(field) {
            None => Ok(Field::Absent),
            Some(Value::Null) => Ok(Field::Null),
            Some(value) => match typed(value) {
                Some(value) => value.map(Field::Value),
                None => Err(Error::invalid(field, format!("must be {allowed}"))),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(text: &str) -> Map<String, Value> {
        serde_json::from_str(text).expect(text)
    }

    #[test]
    fn absent_is_not_null() {
        let body = object(r#"{"limit": null}"#);
        assert_eq!(Fields(&body).limit("limit"), Ok(Field::Null));
        assert_eq!(Fields(&body).reset("limit_reset"), Ok(Field::Absent));
    }

    #[test]
    fn every_mistake_names_its_field() {
        let body = object(
            r#"{"name": "", "limit": "10", "high": 1e9999, "low": -1, "limit_reset": "hourly",
                "disabled": "no", "expires_at": "2027-01-01T00:00:00+01:00",
                "workspace_id": "default", "grace": 1.5, "requests_per_minute": 0,
                "tokens_per_minute": 1e3, "max_concurrent_requests": 1000000001,
                "on_limit": "shrink", "models": ["a", ""], "hashes": [],
                "hash": ["AB"]}"#,
        );
        let fields = Fields(&body);
        let mistakes = [
            fields.name("name").err(),
            fields.limit("limit").err(),
            fields.limit("high").err(),
            fields.limit("low").err(),
            fields.reset("limit_reset").err(),
            fields.boolean("disabled").err(),
            fields.moment("expires_at").err(),
            fields.workspace("workspace_id").err(),
            fields.whole("grace", 0..=10).err(),
            fields.figure("requests_per_minute").err(),
            fields.figure("tokens_per_minute").err(),
            fields.figure("max_concurrent_requests").err(),
            fields.on_limit("on_limit").err(),
            fields.texts("models", 2).err(),
            fields.texts("hashes", 0).err().or(fields.hashes("hashes", 2).err()),
            fields.hashes("hash", 2).err(),
        ];
        for mistake in mistakes {
            let error = mistake.expect("a mistake");
            let field = error.field.clone().expect("a field");
            assert!(error.message.starts_with(&field), "{error}");
        }
    }

    #[test]
    fn limits_arrive_as_javascript_prints_them() {
        let body = object(r#"{"limit": 0.30000000000000004, "ten": 10.0}"#);
        assert_eq!(Fields(&body).limit("limit"), Ok(Field::Value(Nanos::new(300_000_000))));
        assert_eq!(Fields(&body).limit("ten"), Ok(Field::Value(Nanos::new(10_000_000_000))));
    }
}
