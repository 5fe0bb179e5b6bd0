//! Query parameters, by name. Unknown ones are ignored.

use std::fmt::Write;
use std::ops::RangeInclusive;

use axum::extract::FromRequestParts;
use http::request::Parts;
use keyway_core::error::{Error, ErrorKind};

use super::error::ApiError;

/// The pairs of a query string. An empty value counts as none, as some clients send it for null.
#[derive(Clone, Debug, Default)]
pub struct Query(Vec<(String, String)>);

impl Query {
    #[cfg(test)]
    pub(crate) fn of(pairs: &[(&str, &str)]) -> Self {
        let owned = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Self(owned.collect())
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        let pair = self.0.iter().find(|(key, _)| key == name)?;
        Some(pair.1.as_str()).filter(|value| !value.is_empty())
    }

    /// Whether it is there, be it without a value.
    pub fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(key, _)| key == name)
    }

    /// The pairs but those of `names`, each with `&` behind it, as a query string has them.
    pub fn without(&self, names: &[&str]) -> String {
        let mut text = String::new();
        for (name, value) in self.0.iter().filter(|(name, _)| !names.contains(&name.as_str())) {
            escape(name, &mut text);
            text.push('=');
            escape(value, &mut text);
            text.push('&');
        }
        text
    }

    /// `true`, `false`, `1` or `0`, in either case.
    pub fn boolean(&self, name: &str) -> Result<Option<bool>, Error> {
        let Some(value) = self.get(name) else { return Ok(None) };
        match value.to_ascii_lowercase().as_str() {
            "true" | "1" => Ok(Some(true)),
            "false" | "0" => Ok(Some(false)),
            _ => Err(Error::invalid(name, "must be true or false")),
        }
    }

    pub fn whole(&self, name: &str, range: RangeInclusive<u64>) -> Result<Option<u64>, Error> {
        let Some(value) = self.get(name) else { return Ok(None) };
        let digits = value.bytes().all(|byte| byte.is_ascii_digit());
        let number = value.parse().ok().filter(|number| digits && range.contains(number));
        number.map(Some).ok_or_else(|| {
            let (least, most) = (range.start(), range.end());
            Error::invalid(name, format!("must be a whole number from {least} to {most}"))
        })
    }
}

fn escape(text: &str, into: &mut String) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            into.push(char::from(byte));
        } else {
            let _ = write!(into, "%{byte:02X}");
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Query {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let pairs = axum::extract::Query::from_request_parts(parts, state).await;
        let invalid = || Error::new(ErrorKind::Invalid, "The query string is malformed");
        let axum::extract::Query(pairs) = pairs.map_err(|_| invalid())?;
        Ok(Self(pairs))
    }
}
