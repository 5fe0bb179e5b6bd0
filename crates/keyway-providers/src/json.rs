//! JSON, read strictly: two readers of one body must not understand it in two ways.

mod either;
pub(crate) mod scan;
pub(crate) mod write;

use std::cell::Cell;
use std::fmt;
use std::io;
use std::str::FromStr;

use serde::Serialize;
use serde::de::{
    DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Unexpected, Visitor,
};
use serde_json::{Map, Number, Value};
use thiserror::Error;

pub(crate) use self::either::Json;
pub use self::scan::Text;

/// How serde_json hands numbers to a visitor when it keeps their text.
const NUMBER: &str = "$serde_json::private::Number";
/// Values that a body may have: each takes many times the memory of the two bytes that spell it out.
const VALUES_MAX: usize = 1_000_000;
/// Fields of an object that are compared with a key; of more it is looked up by its hash.
const FIELDS_COMPARED_MAX: usize = 16;
/// Characters of a key that an error repeats.
const KEY_CHARACTERS_MAX: usize = 64;

/// Why bytes are not the JSON that is taken here.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("is not valid JSON: {message} (line {line}, column {column})")]
pub struct JsonError {
    pub message: String,
    pub line: usize,
    pub column: usize,
}

/// Reads one JSON value. Refuses duplicate keys at any depth, text behind the value, a depth of 128
/// or more, more than a million values, and what is not UTF-8. Numbers keep their text, objects the order
/// of their keys.
pub fn parse(bytes: &[u8]) -> Result<Value, JsonError> {
    parse_and_count(bytes).map(|(value, _)| value)
}

/// The same, and how many values it is made of, itself among them.
fn parse_and_count(bytes: &[u8]) -> Result<(Value, usize), JsonError> {
    let left = Cell::new(VALUES_MAX);
    let value = read(bytes, Reader { duplicates: Duplicates::Refuse, left: &left })?;
    Ok((value, VALUES_MAX - left.get()))
}

/// Reads what a provider sent. Of a key that appears twice the last one counts, as most readers have
/// it: an answer that has to be paid for is not thrown away over that.
pub(crate) fn parse_lenient(bytes: &[u8]) -> Result<Value, JsonError> {
    let left = Cell::new(usize::MAX);
    read(bytes, Reader { duplicates: Duplicates::TakeLast, left: &left })
}

/// What an object has at `key`, which is few fields most of the time: looking at each takes less than
/// hashing the key.
pub(crate) fn field<'a>(object: &'a Map<String, Value>, key: &str) -> Option<&'a Value> {
    if object.len() > FIELDS_COMPARED_MAX {
        return object.get(key);
    }
    object.iter().find(|(name, _)| *name == key).map(|(_, value)| value)
}

/// How long a value is as JSON that is written here.
pub(crate) fn written_bytes(value: &impl Serialize) -> u64 {
    let mut count = ByteCount(0);
    serde_json::to_writer(&mut count, value)
        .expect("a JSON value can be written, and counting cannot fail");
    count.0
}

struct ByteCount(u64);

impl io::Write for ByteCount {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn read(bytes: &[u8], reader: Reader<'_>) -> Result<Value, JsonError> {
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value = reader.deserialize(&mut deserializer).map_err(JsonError::from)?;
    deserializer.end().map_err(JsonError::from)?;
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

/// What a key that appears twice means.
#[derive(Clone, Copy, PartialEq)]
enum Duplicates {
    Refuse,
    TakeLast,
}

/// Reads any value. serde_json's own reader takes the last of duplicate keys, and takes an object
/// that spells out one of its reserved keys for something else.
#[derive(Clone, Copy)]
struct Reader<'a> {
    duplicates: Duplicates,
    /// How many values may still come.
    left: &'a Cell<usize>,
}

impl<'de> DeserializeSeed<'de> for Reader<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        let Some(left) = self.left.get().checked_sub(1) else {
            return Err(D::Error::custom(format_args!("more than {VALUES_MAX} values")));
        };
        self.left.set(left);
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Reader<'_> {
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

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut array = Vec::new();
        while let Some(item) = items.next_element_seed(self)? {
            array.push(item);
        }
        Ok(Value::Array(array))
    }

    /// An object, or a number that is no whole one of 64 bits: that arrives as an object with the
    /// reserved key.
    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            if key == NUMBER {
                return entries.next_value_seed(NumberText).map(Value::Number);
            }
            if self.duplicates == Duplicates::Refuse && object.contains_key(&key) {
                let key: String = key.chars().take(KEY_CHARACTERS_MAX).collect();
                return Err(A::Error::custom(format_args!("key {key:?} appears twice")));
            }
            let value = entries.next_value_seed(self)?;
            object.insert(key, value);
        }
        Ok(Value::Object(object))
    }
}

/// The text of a number, which serde_json gives away. The strings of a body it only lends: so the
/// reserved key, where a body spells it out, is an error and never a number.
struct NumberText;

impl<'de> DeserializeSeed<'de> for NumberText {
    type Value = Number;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Number, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl Visitor<'_> for NumberText {
    type Value = Number;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no key {NUMBER:?}, which is reserved")
    }

    fn visit_str<E: serde::de::Error>(self, _lent: &str) -> Result<Number, E> {
        Err(E::invalid_type(Unexpected::Other("a string"), &self))
    }

    fn visit_string<E: serde::de::Error>(self, given: String) -> Result<Number, E> {
        Number::from_str(&given).map_err(E::custom)
    }
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
    fn an_error_says_what_and_where() {
        let error = parse(br#"{"limit": 1, "limit": 2}"#).expect_err("a duplicate");
        let expected = "is not valid JSON: key \"limit\" appears twice (line 1, column 20)";
        assert_eq!(error.to_string(), expected);
        let long = format!(r#"{{"{0}":1,"{0}":2}}"#, "k".repeat(1_000));
        assert!(parse(long.as_bytes()).expect_err("a duplicate").message.len() < 100);
    }

    #[test]
    fn values_are_counted_and_bounded() {
        let (_, values) = parse_and_count(br#"{"a":[1,"x",null],"b":{}}"#).expect("valid");
        assert_eq!(values, 6);
        let row = |values: usize| format!("[{}0]", "0,".repeat(values - 2));
        assert!(parse(row(VALUES_MAX).as_bytes()).is_ok());
        let error = parse(row(VALUES_MAX + 1).as_bytes()).expect_err("one too many");
        assert_eq!(error.message, "more than 1000000 values");
        assert!(parse_lenient(row(VALUES_MAX + 1).as_bytes()).is_ok(), "answers may be long");
    }

    #[test]
    fn of_duplicates_in_an_answer_the_last_counts() {
        assert_eq!(parse_lenient(br#"{"a":1,"a":[2]}"#), parse(br#"{"a":[2]}"#));
    }

    #[test]
    fn reserved_keys_smuggle_nothing() {
        for value in [r#""1""#, r#""\u0031""#, r#""x""#, "1", "null", "[1]", r#"{"a":1}"#] {
            for text in [
                format!(r#"{{"$serde_json::private::Number":{value}}}"#),
                format!(r#"{{"\u0024serde_json::private::Number":{value}}}"#),
                format!(r#"{{"a":0,"$serde_json::private::Number":{value}}}"#),
            ] {
                let error = parse(text.as_bytes()).expect_err(&text);
                assert!(error.message.contains("reserved"), "{text}: {error}");
            }
        }
        let raw = parse(br#"{"$serde_json::private::RawValue":"[1]"}"#).expect("an object");
        assert_eq!(raw["$serde_json::private::RawValue"], "[1]");
    }

    #[test]
    fn what_is_not_one_value_is_refused() {
        for text in ["", " ", "{", "{}{}", "{} x", "NaN", "01", "+1", "{'a':1}", "{\"a\":1,}"] {
            assert!(parse(text.as_bytes()).is_err(), "{text}");
        }
        assert!(parse(b"\"\xff\"").is_err());
        let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        assert!(parse(nested(127).as_bytes()).is_ok());
        assert!(parse(nested(128).as_bytes()).is_err());
        assert!(parse("[".repeat(1_000_000).as_bytes()).is_err());
    }

    /// Any JSON value as text, with numbers that no float holds and what need not be escaped escaped.
    pub(super) fn json_text() -> impl Strategy<Value = String> {
        let written = "\\PC{0,12}|[ab]".prop_map(|text| Value::String(text).to_string());
        let escaped =
            r#""([a-c é]{0,9}|\\[nrtbf"/\\]|\\u00[0-7][0-9a-fA-F]|\\ud83d\\ude0[0-9]){0,4}""#;
        let string = prop_oneof![written, escaped];
        let number = "-?(0|[1-9][0-9]{0,30})([.][0-9]{1,20})?(e[+-]?[0-9]{1,3})?";
        let leaf =
            prop_oneof![Just("null".to_owned()), Just("true".to_owned()), number, string.clone()];
        leaf.prop_recursive(4, 24, 4, move |inner| {
            let entry =
                (string.clone(), inner.clone()).prop_map(|(key, value)| format!("{key}: {value}"));
            prop_oneof![
                prop::collection::vec(inner, 0..4)
                    .prop_map(|items| format!("[{}]", items.join(" ,\n"))),
                prop::collection::vec(entry, 0..4)
                    .prop_map(|items| format!("{{{}}}", items.join(","))),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_read_is_what_serde_reads(text in json_text()) {
            let theirs: Value = serde_json::from_str(&text).expect("JSON");
            prop_assert_eq!(&parse_lenient(text.as_bytes()), &Ok(theirs.clone()));
            match parse(text.as_bytes()) {
                Ok(value) => prop_assert_eq!(value, theirs),
                Err(error) => prop_assert!(error.message.contains("appears twice"), "{}", error),
            }
        }

        #[test]
        fn no_bytes_panic(text in json_text(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
            let mut bytes = text.into_bytes();
            let at = at.index(bytes.len());
            bytes[at] = byte;
            let _ = parse(&bytes);
            let _ = parse_lenient(&bytes[..at]);
        }
    }
}
