//! Moving an installation from one store into another: which rows, in what order, and how it is
//! checked that all of them arrived. The stores read and write them; the values are the same in both.

use std::fmt::Write as _;

use crate::clock::Timestamp;

/// What is moved, so that no row comes before one that it refers to.
///
/// Not moved are nodes, their leases and the log of changes: the runs of the old store are ended
/// first, which frees all leases, and no node of the new one has missed a change.
pub const TABLES: [Table; 11] = [
    Table { name: "account", key: &["id"] },
    Table { name: "api_key", key: &["id"] },
    Table { name: "key_secret", key: &["hash"] },
    Table { name: "idempotency", key: &["actor", "key"] },
    Table { name: "account_window", key: &["account_id", "kind", "starts_at"] },
    Table { name: "usage_day", key: &["account_id", "day", "model", "provider"] },
    Table { name: "generation", key: &["id"] },
    Table { name: "content", key: &["generation"] },
    Table { name: "credit", key: &["id"] },
    Table { name: "key_encryption_key", key: &["version"] },
    Table { name: "credential", key: &["id"] },
];

/// A table that is moved, in the order of its primary key. Its columns are asked of the stores.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Table {
    pub name: &'static str,
    pub key: &'static [&'static str],
}

/// A value of a row, as every store can hold it; what is true is 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    Null,
    Integer(i64),
    Text(String),
    Bytes(Vec<u8>),
}

/// What an installation is, beside its tables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Of its secret.
    pub fingerprint: [u8; 32],
    pub default_workspace: [u8; 16],
    pub created_at: Timestamp,
    /// The last numbers that were given out, of changes
    pub changes: i64,
    /// and of runs.
    pub epochs: i64,
}

/// How far a move has come: in this table, behind the row with this key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    pub table: String,
    /// The key's values; none of it has arrived where there are none.
    pub key: Vec<Value>,
}

impl Position {
    /// Before everything.
    pub fn start() -> Self {
        Self { table: TABLES[0].name.to_owned(), key: Vec::new() }
    }

    /// The key as text, for a store to keep.
    pub fn key_text(&self) -> String {
        let mut text = String::new();
        for value in &self.key {
            match value {
                Value::Null => text.push('n'),
                Value::Integer(number) => write!(text, "i{number}").expect("memory"),
                Value::Text(value) => write_hex(&mut text, 't', value.as_bytes()),
                Value::Bytes(value) => write_hex(&mut text, 'b', value),
            }
            text.push(',');
        }
        text
    }

    /// The position that was kept as `table` and `key`; `None` where it is none.
    pub fn parse(table: &str, key: &str) -> Option<Self> {
        let known = TABLES.iter().any(|known| known.name == table);
        let values = key.split_terminator(',').map(parse_value).collect::<Option<_>>();
        values.filter(|_| known).map(|key| Self { table: table.to_owned(), key })
    }
}

fn write_hex(text: &mut String, kind: char, bytes: &[u8]) {
    text.push(kind);
    for byte in bytes {
        write!(text, "{byte:02x}").expect("memory");
    }
}

fn parse_value(text: &str) -> Option<Value> {
    let (kind, rest) = text.split_at_checked(1)?;
    match kind {
        "n" => Some(Value::Null),
        "i" => rest.parse().ok().map(Value::Integer),
        "t" => String::from_utf8(parse_hex(rest)?).ok().map(Value::Text),
        "b" => parse_hex(rest).map(Value::Bytes),
        _ => None,
    }
}

fn parse_hex(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes().chunks(2);
    digits.map(|pair| u8::from_str_radix(str::from_utf8(pair).ok()?, 16).ok()).collect()
}

/// One figure of a table that has to be the same on both sides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Figure {
    pub table: &'static str,
    /// `rows`, or the column that is summed up.
    pub what: String,
    pub amount: i128,
}

/// Whether a column is summed up: money, tokens and counts of requests.
pub fn is_summed(column: &str) -> bool {
    column.ends_with("_nanos") || column.ends_with("_tokens") || column == "requests"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_is_kept_as_text() {
        let text = |text: &str| Value::Text(text.to_owned());
        for key in [
            vec![],
            vec![Value::Integer(-7), Value::Null, Value::Integer(i64::MAX)],
            vec![text("a,b"), text(""), Value::Bytes(vec![0, 255, 44]), text("é")],
        ] {
            let position = Position { table: "generation".to_owned(), key };
            let kept = position.key_text();
            assert_eq!(Position::parse("generation", &kept), Some(position), "{kept}");
        }
        for (table, key) in
            [("nobody", ""), ("account", "x1,"), ("account", "i,"), ("account", "b0g,")]
        {
            assert_eq!(Position::parse(table, key), None, "{table} {key}");
        }
    }
}
