//! JSON, read strictly: two readers of one body must not understand it in two ways.

use std::fmt;
use std::str::FromStr;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use thiserror::Error;

/// How serde_json hands numbers to a visitor when it keeps their text.
const NUMBER: &str = "$serde_json::private::Number";

/// Why bytes are not the JSON that is taken here.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("is not valid JSON: {message} (line {line}, column {column})")]
pub struct JsonError {
    pub message: String,
    pub line: usize,
    pub column: usize,
}

/// Reads one JSON value. Refuses duplicate keys at any depth, text behind the value, a depth of more
/// than 128, and what is not UTF-8. Numbers keep their text, objects the order of their keys.
pub fn parse(bytes: &[u8]) -> Result<Value, JsonError> {
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let value = Strict.deserialize(&mut reader).map_err(JsonError::from)?;
    reader.end().map_err(JsonError::from)?;
    Ok(value)
}

impl From<serde_json::Error> for JsonError {
    fn from(error: serde_json::Error) -> Self {
        let text = error.to_string();
        // The library puts the place behind its message; here it has fields of its own.
        let message = text.rsplit_once(" at line ").map_or(text.as_str(), |(message, _)| message);
        Self { message: message.to_owned(), line: error.line(), column: error.column() }
    }
}

struct Strict;

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut array = Vec::new();
        while let Some(item) = items.next_element_seed(Strict)? {
            array.push(item);
        }
        Ok(Value::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            if key == NUMBER && object.is_empty() {
                return number(entries);
            }
            if object.contains_key(&key) {
                return Err(A::Error::custom(format_args!("key {key:?} appears twice")));
            }
            let value = entries.next_value_seed(Strict)?;
            object.insert(key, value);
        }
        Ok(Value::Object(object))
    }
}

/// A number arrives as an object with one reserved key. A body that spells that key out gets no
/// further than a well-formed number would.
fn number<'de, A: MapAccess<'de>>(mut entries: A) -> Result<Value, A::Error> {
    let Value::String(text) = entries.next_value_seed(Strict)? else {
        return Err(A::Error::custom(format_args!("key {NUMBER:?} is reserved")));
    };
    if entries.next_key::<String>()?.is_some() {
        return Err(A::Error::custom(format_args!("key {NUMBER:?} is reserved")));
    }
    Number::from_str(&text).map(Value::Number).map_err(A::Error::custom)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn duplicates_are_refused_at_any_depth() {
        for (text, key) in [
            (r#"{"a":1,"a":2}"#, "a"),
            (r#"{"a":{"b":1,"b":1}}"#, "b"),
            (r#"[{"c":null,"d":0,"c":null}]"#, "c"),
            (r#"{"\u0061":1,"a":2}"#, "a"),
        ] {
            let error = parse(text.as_bytes()).expect_err(text);
            assert!(error.message.contains(&format!("key \"{key}\" appears twice")), "{error}");
        }
    }

    #[test]
    fn numbers_and_order_are_kept() {
        let text = r#"{"z":1.50,"a":1e400,"n":-0.0,"big":123456789012345678901234567890}"#;
        let value = parse(text.as_bytes()).expect("valid");
        assert_eq!(value["z"].to_string(), "1.50");
        assert_eq!(value["big"].to_string(), "123456789012345678901234567890");
        let keys: Vec<&String> = value.as_object().expect("an object").keys().collect();
        assert_eq!(keys, ["z", "a", "n", "big"]);
    }

    #[test]
    fn the_reserved_key_smuggles_nothing() {
        for text in [
            r#"{"$serde_json::private::Number":"x"}"#,
            r#"{"$serde_json::private::Number":"1","a":2}"#,
            r#"{"$serde_json::private::Number":{"a":1}}"#,
            r#"{"$serde_json::private::Number":"[1]"}"#,
        ] {
            assert!(parse(text.as_bytes()).is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_not_one_value_is_refused() {
        let deep = "[".repeat(200) + &"]".repeat(200);
        for text in ["", " ", "{", "{}{}", "{} x", "NaN", "{'a':1}", "{\"a\":1,}", &deep] {
            assert!(parse(text.as_bytes()).is_err(), "{text}");
        }
        assert!(parse(b"\"\xff\"").is_err());
    }

    proptest! {
        #[test]
        fn no_input_panics_and_what_is_read_is_what_serde_reads(text in "\\PC{0,60}") {
            if let Ok(value) = parse(text.as_bytes()) {
                prop_assert_eq!(value, serde_json::from_str::<Value>(&text).expect("valid"));
            }
        }
    }
}
