//! Pages of keys.

use keyway_core::clock::Timestamp;
use keyway_core::id::KeyHash;
use keyway_core::key::KeyRecord;
use keyway_core::store::{KeyPage, KeyQuery, KeySort, PageStart};
use rusqlite::types::Value;
use rusqlite::{Connection, Error, OptionalExtension, params, params_from_iter};

use super::find::with_spend;
use crate::rows::{self, KEY, KEY_COLUMNS, kind_name};

/// All-time spend of a key, by which a list may be ordered.
const SPENT: &str = "coalesce((SELECT w.spent_nanos FROM account_window AS w
    WHERE w.account_id = k.account_id AND w.kind = 0), 0)";

/// One page. The rows that are skipped are looked at in the index alone; the page itself is read
/// from the table.
pub(crate) fn list(
    connection: &Connection,
    query: &KeyQuery,
    now: Timestamp,
) -> Result<KeyPage, Error> {
    let mut select = Select::new(query, now);
    match query.start {
        PageStart::Offset(offset) => select.page(query.limit, offset),
        PageStart::After(hash) => {
            let Some(cursor) = cursor(connection, query, hash)? else {
                return Ok(KeyPage::UnknownCursor);
            };
            select.after(query.sort, cursor);
            select.page(query.limit, 0);
        }
    }
    let mut statement = connection.prepare_cached(&select.sql(query.sort))?;
    let ids = statement.query_map(params_from_iter(select.parameters), |row| row.get(0))?;
    let keys: Result<Vec<KeyRecord>, Error> = ids.map(|id| read(connection, id?, now)).collect();
    Ok(KeyPage::Keys(keys?))
}

fn read(connection: &Connection, id: i64, now: Timestamp) -> Result<KeyRecord, Error> {
    let sql = format!("SELECT {KEY_COLUMNS} FROM {KEY} WHERE k.id = ?1");
    let key = connection.prepare_cached(&sql)?.query_row([id], rows::key)?;
    with_spend(connection, key, now)
}

/// Where a key stands in every order.
struct Cursor {
    id: i64,
    name: String,
    spent: i64,
}

/// Deleted keys keep their place; keys of other lists have none in this one.
fn cursor(
    connection: &Connection,
    query: &KeyQuery,
    hash: KeyHash,
) -> Result<Option<Cursor>, Error> {
    let mut statement = connection.prepare_cached(&format!(
        "SELECT k.id, k.name, {SPENT} FROM key_secret AS s JOIN api_key AS k ON k.id = s.key_id
         WHERE s.hash = ?1 AND k.kind = ?2 AND k.workspace = ?3"
    ))?;
    let place = |row: &rusqlite::Row<'_>| {
        Ok(Cursor { id: row.get(0)?, name: row.get(1)?, spent: row.get(2)? })
    };
    let list = params![hash.as_bytes(), kind_name(query.kind), query.workspace.0.as_bytes()];
    statement.query_row(list, place).optional()
}

/// The ids of a page, as SQL. Every piece of text is a constant; what callers say is a parameter.
struct Select {
    conditions: String,
    limit: String,
    parameters: Vec<Value>,
}

impl Select {
    fn new(query: &KeyQuery, now: Timestamp) -> Self {
        let mut select =
            Self { conditions: String::new(), limit: String::new(), parameters: Vec::new() };
        select.conditions.push_str("k.deleted_at IS NULL");
        select.and("k.kind = ?", kind_name(query.kind).to_owned().into());
        select.and("k.workspace = ?", query.workspace.0.as_bytes().to_vec().into());
        if !query.include_disabled {
            select.conditions.push_str(" AND k.disabled = 0");
        }
        if !query.include_expired {
            select.and("(k.expires_at IS NULL OR k.expires_at > ?)", now.as_micros().into());
        }
        if let Some(text) = &query.contains {
            // SQLite's `lower` knows ASCII only, and `instr` no wildcards.
            let text = text.to_ascii_lowercase();
            select.and("(instr(lower(k.name), ?)", text.clone().into());
            select.conditions.push_str(" OR instr(lower(k.label), ?))");
            select.parameters.push(text.into());
        }
        select
    }

    fn and(&mut self, condition: &str, parameter: Value) {
        self.conditions.push_str(" AND ");
        self.conditions.push_str(condition);
        self.parameters.push(parameter);
    }

    /// Keys that are equal in the order stand newest first, so the id decides among them.
    fn after(&mut self, sort: KeySort, cursor: Cursor) {
        let id = Value::from(cursor.id);
        match sort {
            KeySort::Newest => self.and("k.id < ?", id),
            KeySort::Oldest => self.and("k.id > ?", id),
            KeySort::Name => self.after_pair("k.name", ">", cursor.name.into(), id),
            KeySort::NameDescending => self.after_pair("k.name", "<", cursor.name.into(), id),
            KeySort::UsageDescending => self.after_pair(SPENT, "<", cursor.spent.into(), id),
        }
    }

    /// The first of the two conditions is implied by the second; an index can seek by it.
    fn after_pair(&mut self, column: &str, beyond: &str, place: Value, id: Value) {
        self.conditions.extend([" AND ", column, " ", beyond, "= ? AND (", column, " ", beyond]);
        self.conditions.push_str(" ? OR k.id < ?)");
        self.parameters.extend([place.clone(), place, id]);
    }

    fn page(&mut self, limit: u32, offset: u64) {
        self.limit.push_str("LIMIT ? OFFSET ?");
        let offset = i64::try_from(offset).unwrap_or(i64::MAX);
        self.parameters.extend([Value::from(i64::from(limit)), Value::from(offset)]);
    }

    fn sql(&self, sort: KeySort) -> String {
        let order = match sort {
            KeySort::Newest => "k.id DESC".to_owned(),
            KeySort::Oldest => "k.id".to_owned(),
            KeySort::Name => "k.name, k.id DESC".to_owned(),
            KeySort::NameDescending => "k.name DESC, k.id DESC".to_owned(),
            KeySort::UsageDescending => format!("{SPENT} DESC, k.id DESC"),
        };
        let Self { conditions, limit, .. } = self;
        format!("SELECT k.id FROM api_key AS k WHERE {conditions} ORDER BY {order} {limit}")
    }
}

#[cfg(test)]
mod tests {
    use keyway_core::id::WorkspaceId;
    use keyway_core::key::KeyKind;

    use super::*;
    use crate::migrate::{MIGRATIONS, migrate};

    /// How SQLite goes about a list without a search that leaves disabled and expired keys out.
    fn plan(sort: KeySort, cursor: Option<Cursor>) -> Vec<String> {
        let mut connection = Connection::open_in_memory().expect("memory");
        migrate(&mut connection, "".as_ref(), &MIGRATIONS).expect("the schema");
        let query = KeyQuery {
            kind: KeyKind::Inference,
            workspace: WorkspaceId::from_random([7; 16]),
            include_disabled: false,
            include_expired: false,
            contains: None,
            sort,
            start: PageStart::Offset(0),
            limit: 100,
        };
        let mut select = Select::new(&query, Timestamp::from_micros(0));
        if let Some(cursor) = cursor {
            select.after(sort, cursor);
        }
        select.page(100, 999_900);
        let explain = format!("EXPLAIN QUERY PLAN {}", select.sql(sort));
        let mut statement = connection.prepare(&explain).expect("a statement");
        let rows = statement.query_map(params_from_iter(select.parameters), |row| row.get(3));
        rows.expect("a plan").collect::<Result<_, _>>().expect("a plan")
    }

    #[test]
    fn what_is_skipped_is_seen_in_an_index_alone_and_nothing_is_sorted() {
        let cursor = || Cursor { id: 5, name: "a".to_owned(), spent: 0 };
        let (by_age, by_name) = (
            "SEARCH k USING COVERING INDEX api_key_list (kind=? AND workspace=?",
            "SEARCH k USING COVERING INDEX api_key_name (kind=? AND workspace=?",
        );
        for (sort, cursor, expected) in [
            (KeySort::Newest, None, format!("{by_age})")),
            (KeySort::Oldest, None, format!("{by_age})")),
            (KeySort::Name, None, format!("{by_name})")),
            (KeySort::Newest, Some(cursor()), format!("{by_age} AND id<?)")),
            (KeySort::Oldest, Some(cursor()), format!("{by_age} AND id>?)")),
            (KeySort::Name, Some(cursor()), format!("{by_name} AND name>?)")),
        ] {
            assert_eq!(plan(sort, cursor), [expected], "{sort:?}");
        }
    }
}
