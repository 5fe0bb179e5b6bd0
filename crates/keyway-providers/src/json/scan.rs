//! JSON as it came, looked through once: where each of its values stands, and a copy of none.
//!
//! What is accepted is exactly what [`super::parse`] accepts; why something is not is for that to say.

mod keys;
mod node;
mod run;

use serde_json::Value;

pub(crate) use self::node::{Node, Spot};

pub(super) use self::run::says_itself;

use self::run::plain_run;

use super::{JsonError, VALUES_MAX};

/// Containers within containers; one more is refused.
const DEPTH_MAX: usize = 127;
/// Bytes of a text for each of its values, about; and for how many room is made beforehand at most.
const BYTES_PER_VALUE: usize = 12;
const ROOM_MAX: usize = 4_096;

/// A JSON text that was looked through.
#[derive(Clone, Debug, PartialEq)]
pub struct Text {
    json: String,
    /// Where its values stand, in the order in which they begin.
    places: Vec<Place>,
    values: usize,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Place {
    kind: Kind,
    /// Whether it stands as [`Node::write`] would write it.
    is_compact: bool,
    start: u32,
    /// Behind it.
    end: u32,
    /// The number of the place behind it and all that is in it; of a key, behind its value.
    next: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Null,
    False,
    True,
    Number,
    /// With nothing in it that is to be read otherwise than it is written.
    Plain,
    Escaped,
    Array,
    /// Its keys and values follow in turns.
    Object,
}

impl Text {
    /// Takes what [`super::parse`] takes.
    pub fn read(bytes: impl Into<Vec<u8>>) -> Result<Self, JsonError> {
        let text = String::from_utf8(bytes.into()).map_err(|it| why(it.as_bytes()))?;
        Self::of(text).map_err(|text| why(text.as_bytes()))
    }

    /// The same, where nobody asks why not.
    pub(crate) fn scan(bytes: &[u8]) -> Option<Self> {
        Self::of(std::str::from_utf8(bytes).ok()?.to_owned()).ok()
    }

    /// Looks through `text`; gives it back where it is not one JSON value as it is taken here.
    pub(crate) fn of(text: String) -> Result<Self, String> {
        // Places are numbers of 32 bits.
        if u32::try_from(text.len()).is_err() {
            return Err(text);
        }
        let room = (text.len() / BYTES_PER_VALUE).min(ROOM_MAX);
        let it = Self { json: text, places: Vec::with_capacity(room), values: 0 };
        let mut scanner = Scanner { it, at: 0, loose: 0 };
        match scanner.whole() {
            Some(()) => Ok(scanner.it),
            None => Err(scanner.it.json),
        }
    }

    /// The text again.
    pub(crate) fn into_string(self) -> String {
        self.json
    }

    pub(crate) const fn root(&self) -> Node<'_> {
        Node { of: self, at: 0 }
    }

    /// What stands at a spot of this text.
    pub(crate) const fn node(&self, Spot(at): Spot) -> Node<'_> {
        Node { of: self, at }
    }

    /// As it came.
    pub(crate) fn as_str(&self) -> &str {
        &self.json
    }

    /// How many values it is made of, itself among them.
    pub const fn values(&self) -> usize {
        self.values
    }

    /// The same as a tree.
    pub fn to_value(&self) -> Value {
        self.root().to_value()
    }
}

/// Why `bytes` are refused.
fn why(bytes: &[u8]) -> JsonError {
    let refused = || JsonError { message: "is refused".to_owned(), line: 0, column: 0 };
    super::parse(bytes).err().unwrap_or_else(refused)
}

/// Reads forward. What answers `None` was refused.
struct Scanner {
    it: Text,
    at: usize,
    /// How much was met that is not as short as it could be.
    loose: usize,
}

impl Scanner {
    fn whole(&mut self) -> Option<()> {
        self.skip_blanks();
        self.value(DEPTH_MAX)?;
        self.skip_blanks();
        (self.at == self.it.json.len()).then_some(())
    }

    /// What is still to be read.
    fn rest(&self) -> &[u8] {
        &self.it.json.as_bytes()[self.at..]
    }

    fn peek(&self) -> Option<u8> {
        self.it.json.as_bytes().get(self.at).copied()
    }

    fn skip_blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\n' | b'\t' | b'\r')) {
            self.at += 1;
            self.loose += 1;
        }
    }

    /// Goes past `byte` and the blanks around it, where it comes next.
    #[inline]
    fn skip(&mut self, byte: u8) -> bool {
        // Most stands without blanks.
        if self.peek() != Some(byte) {
            self.skip_blanks();
            if self.peek() != Some(byte) {
                return false;
            }
        }
        self.at += 1;
        self.skip_blanks();
        true
    }

    /// `depth` more containers may be opened.
    fn value(&mut self, depth: usize) -> Option<()> {
        if self.it.values == VALUES_MAX {
            return None;
        }
        self.it.values += 1;
        match self.peek()? {
            b'"' => self.string(),
            b'{' => self.container(Kind::Object, depth),
            b'[' => self.container(Kind::Array, depth),
            b't' => self.word(b"true", Kind::True),
            b'f' => self.word(b"false", Kind::False),
            b'n' => self.word(b"null", Kind::Null),
            _ => self.number(),
        }
    }

    #[inline]
    fn put(&mut self, kind: Kind, start: usize, is_compact: bool) {
        let (start, end) = (as_place(start), as_place(self.at));
        let next = as_place(self.it.places.len() + 1);
        self.it.places.push(Place { kind, is_compact, start, end, next });
        self.loose += usize::from(!is_compact);
    }

    fn word<const N: usize>(&mut self, word: &[u8; N], kind: Kind) -> Option<()> {
        let start = self.at;
        if self.rest().first_chunk() != Some(word) {
            return None;
        }
        self.at += N;
        self.put(kind, start, true);
        Some(())
    }

    fn number(&mut self) -> Option<()> {
        let start = self.at;
        self.at += usize::from(self.peek() == Some(b'-'));
        match self.peek()? {
            b'0' => self.at += 1,
            b'1'..=b'9' => self.digits()?,
            _ => return None,
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        let has_exponent = matches!(self.peek(), Some(b'e' | b'E'));
        if has_exponent {
            self.at += 1;
            self.at += usize::from(matches!(self.peek(), Some(b'+' | b'-')));
            self.digits()?;
        }
        self.put(Kind::Number, start, !has_exponent);
        Some(())
    }

    /// One digit at least.
    fn digits(&mut self) -> Option<()> {
        let start = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        (self.at > start).then_some(())
    }

    fn container(&mut self, kind: Kind, depth: usize) -> Option<()> {
        let depth = depth.checked_sub(1)?;
        let (place, start, loose) = (self.it.places.len(), self.at, self.loose);
        self.put(kind, start, true);
        self.at += 1;
        self.skip_blanks();
        match kind {
            Kind::Object => self.entries(depth)?,
            _ => self.items(depth)?,
        }
        let (start, end) = (as_place(start), as_place(self.at));
        let (next, is_compact) = (as_place(self.it.places.len()), self.loose == loose);
        self.it.places[place] = Place { kind, is_compact, start, end, next };
        Some(())
    }

    fn items(&mut self, depth: usize) -> Option<()> {
        if self.peek() != Some(b']') {
            loop {
                self.value(depth)?;
                if !self.skip(b',') {
                    break;
                }
            }
        }
        self.close(b']')
    }

    fn entries(&mut self, depth: usize) -> Option<()> {
        let first = self.it.places.len();
        if self.peek() != Some(b'}') {
            loop {
                if self.peek() != Some(b'"') {
                    return None;
                }
                let key = self.it.places.len();
                self.string()?;
                if !self.skip(b':') {
                    return None;
                }
                self.value(depth)?;
                self.it.places[key].next = as_place(self.it.places.len());
                if !self.skip(b',') {
                    break;
                }
            }
        }
        self.check_keys(first)?;
        self.close(b'}')
    }

    fn close(&mut self, byte: u8) -> Option<()> {
        let closes = self.peek() == Some(byte);
        self.at += usize::from(closes);
        closes.then_some(())
    }

    fn string(&mut self) -> Option<()> {
        let start = self.at;
        self.at += 1;
        self.at += plain_run(self.rest());
        let kind = if self.peek()? == b'"' { Kind::Plain } else { self.rest_of_string()? };
        self.at += 1;
        self.put(kind, start, kind == Kind::Plain);
        Some(())
    }

    /// Goes on to the mark at the end of a string in which something was met that may be more than it says.
    fn rest_of_string(&mut self) -> Option<Kind> {
        let mut kind = Kind::Plain;
        loop {
            match self.peek()? {
                b'"' => return Some(kind),
                b'\\' => {
                    kind = Kind::Escaped;
                    self.escape()?;
                }
                0..0x20 => return None,
                _ => self.at += 1,
            }
            self.at += plain_run(self.rest());
        }
    }

    fn escape(&mut self) -> Option<()> {
        let escaped = *self.rest().get(1)?;
        self.at += 2;
        match escaped {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Some(()),
            b'u' => match self.hex()? {
                // The first half of a character is nothing without the second.
                0xD800..=0xDBFF => {
                    let follows = self.rest().starts_with(b"\\u");
                    self.at += 2;
                    (follows && matches!(self.hex()?, 0xDC00..=0xDFFF)).then_some(())
                }
                0xDC00..=0xDFFF => None,
                _ => Some(()),
            },
            _ => None,
        }
    }

    fn hex(&mut self) -> Option<u16> {
        let code = self.rest().get(..4)?.iter().try_fold(0, |code, digit| {
            let digit = char::from(*digit).to_digit(16)?;
            Some(code << 4 | u16::try_from(digit).ok()?)
        });
        self.at += 4;
        code
    }
}

fn as_place(number: usize) -> u32 {
    u32::try_from(number).expect("a text of this length has no more places")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::super::tests::json_text;
    use super::super::{parse, parse_and_count, written_bytes};
    use super::*;

    fn scan(text: &str) -> Option<Text> {
        Text::of(text.to_owned()).ok()
    }

    fn is_taken(text: &str) -> bool {
        scan(text).is_some()
    }

    #[test]
    fn values_are_found_where_they_stand() {
        let text = r#" {"a": [1, "x\u00e9", null], "b\n":{"c" :true}, "n":12.50} "#;
        let places = scan(text).expect("JSON");
        let root = places.root();
        assert_eq!(places.values, 8);
        let keys: Vec<_> = root.entries().filter_map(|(key, _)| key.as_str()).collect();
        assert_eq!(keys, ["a", "b\n", "n"]);
        let list = root.get("a").expect("a list");
        assert_eq!(list.raw(), r#"[1, "x\u00e9", null]"#);
        let [one, text, null] = list.items().collect::<Vec<_>>()[..] else { panic!("three") };
        assert_eq!(
            (one.as_u64(), text.as_str(), null.is_null()),
            (Some(1), Some("xé".into()), true)
        );
        assert_eq!(root.get("b\n").and_then(|it| it.get("c")).map(Node::raw), Some("true"));
        let number = root.get("n").expect("a number");
        assert_eq!((number.as_u64(), number.raw()), (None, "12.50"));
        assert_eq!(
            (root.items().count(), list.entries().count(), root.get("c").is_none()),
            (0, 0, true)
        );
    }

    #[test]
    fn what_is_refused_is_what_a_tree_refuses() {
        let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        let many = |keys: usize| {
            let keys: Vec<String> = (0..keys).map(|number| format!("\"{number}\":0")).collect();
            format!("{{{},\"0\":1}}", keys.join(","))
        };
        let values = |values: usize| format!("[{}0]", "0,".repeat(values - 2));
        for text in [
            "",
            " ",
            "{",
            "}",
            "{}{}",
            "{} x",
            "NaN",
            "01",
            "-",
            "-a",
            "+1",
            "1.",
            ".5",
            "1e",
            "1e+",
            "1.e1",
            "'a'",
            "{'a':1}",
            r#"{"a":1,}"#,
            "[1,]",
            "[,1]",
            r#"{"a"}"#,
            r#"{"a":}"#,
            "{,}",
            "tru",
            "nulll",
            "[1 2]",
            r#"{"a" 1}"#,
            "{1:2}",
            "\"",
            "\"\\\"",
            r#""\x""#,
            r#""\u12g4""#,
            r#""\u+123""#,
            r#""\ud800""#,
            r#""\ud800x""#,
            r#""\ud800\u0041""#,
            r#""\udc00""#,
            "\"a\tb\"",
            "\"1234567\u{1}\"",
            r#"{"a":1,"a":2}"#,
            r#"{"\u0061":1,"a":2}"#,
            r#"[{"a":{"b":1,"b":1}}]"#,
            r#"{"role":1,"content":[{}],"role":2}"#,
            r#"{"\u0072ole":1,"content":[{}],"role":2}"#,
            r#"{"role":1,"content":[{}],"rol\u0065":2}"#,
            r#"{"$serde_json::private::Number":1}"#,
            r#"{"a":0,"\u0024serde_json::private::Number":"1"}"#,
            &nested(128),
            &many(2),
            &many(16),
            &many(17),
            &many(200),
            &values(VALUES_MAX + 1),
            "\u{feff}1",
        ] {
            assert!(parse(text.as_bytes()).is_err(), "{text}");
            assert!(!is_taken(text), "{text}");
        }
        for text in [
            r#""\ud83d\ude00""#,
            r#""\"\\\/\b\f\n\r\t\u00e9\u007f""#,
            "\"\u{7f}\u{e9}12345678\u{10ffff}\"",
            " [ ] ",
            "\t{\n}\r",
            "-0",
            "0.0",
            "-0.0e-0",
            r#"{"role":1,"mode":2,"rele":3,"":4,"a":5,"b":6}"#,
            "1E+30",
            "123456789012345678901",
            &nested(127),
            &values(VALUES_MAX),
            r#"{"$serde_json::private::RawValue":"[1]"}"#,
        ] {
            assert!(parse(text.as_bytes()).is_ok(), "{text}");
            assert!(is_taken(text), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_scanned_is_what_is_parsed(text in json_text()) {
            match (parse_and_count(text.as_bytes()), scan(&text)) {
                (Ok((value, values)), Some(places)) => {
                    let root = places.root();
                    prop_assert_eq!(places.values, values);
                    let mut written = Vec::new();
                    root.write(&mut written).expect("memory takes all");
                    prop_assert_eq!(root.compact_bytes(), written_bytes(&value));
                    prop_assert_eq!(String::from_utf8(written).expect("text"), value.to_string());
                    prop_assert_eq!(root.to_value(), value);
                }
                (Err(_), None) => {}
                (parsed, scanned) => prop_assert!(false, "{:?} and {:?}", parsed, scanned),
            }
        }

        #[test]
        fn broken_text_is_refused_alike(
            text in json_text(),
            at in any::<prop::sample::Index>(),
            byte in "[\\x00-\\x7f]",
        ) {
            let at = at.index(text.len());
            prop_assume!(text.is_char_boundary(at) && text.is_char_boundary(at + 1));
            let broken = [&text[..at], &byte, &text[at + 1..]].concat();
            prop_assert_eq!(is_taken(&broken), parse(broken.as_bytes()).is_ok(), "{}", broken);
            prop_assert_eq!(is_taken(&text[..at]), parse(&text.as_bytes()[..at]).is_ok());
        }
    }

    #[test]
    fn a_tree_of_something_else_than_an_object_is_empty() {
        let places = scan("[1]").expect("JSON");
        assert!(places.root().to_map().is_empty());
        let (text, tree) = (r#"{"a":[1.50,"\u00e9"]}"#, json!({"a": ["x", "é"]}));
        let places = scan(text).expect("JSON");
        let read = Value::Object(places.root().to_map());
        assert_eq!((read["a"][0].to_string(), &read["a"][1]), ("1.50".to_owned(), &tree["a"][1]));
    }
}
