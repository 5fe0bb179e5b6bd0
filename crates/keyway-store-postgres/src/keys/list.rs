//! Pages of keys.

use deadpool_postgres::Transaction;
use keyway_core::clock::Timestamp;
use keyway_core::id::KeyHash;
use keyway_core::store::{KeyPage, KeyQuery, KeySort, PageStart};
use tokio_postgres::types::ToSql;

use crate::error::Failure;
use crate::rows::{self, KEY, KEY_COLUMNS, kind_name};
use crate::spend::with_spend;

/// All-time spend of a key, by which a list may be ordered.
const SPENT: &str = "coalesce((SELECT w.spent_nanos FROM account_window AS w
    WHERE w.account_id = k.account_id AND w.kind = 0), 0)";

/// One page: first its ids, for which an index is enough, then what they stand for.
pub(crate) async fn list(
    tx: &Transaction<'_>,
    query: &KeyQuery,
    now: Timestamp,
) -> Result<KeyPage, Failure> {
    let mut select = Select::new(query, now);
    match query.start {
        PageStart::Offset(offset) => select.page(query.limit, offset),
        PageStart::After(hash) => {
            let Some(cursor) = cursor(tx, query, hash).await? else {
                return Ok(KeyPage::UnknownCursor);
            };
            select.after(query.sort, cursor);
            select.page(query.limit, 0);
        }
    }
    let sql = format!(
        "SELECT {KEY_COLUMNS} FROM {KEY} WHERE k.id = ANY(ARRAY({}))",
        select.sql(query.sort)
    );
    let order = select.order(query.sort);
    let statement = tx.prepare_cached(&format!("{sql} ORDER BY {order}")).await?;
    let parameters: Vec<&(dyn ToSql + Sync)> =
        select.parameters.iter().map(|parameter| &**parameter as &(dyn ToSql + Sync)).collect();
    let found = tx.query(&statement, &parameters).await?;
    let keys = found.iter().map(rows::key).collect::<Result<_, _>>()?;
    Ok(KeyPage::Keys(with_spend(tx, keys, now).await?))
}

/// Where a key stands in every order.
struct Cursor {
    id: i64,
    name: String,
    spent: i64,
}

/// Deleted keys keep their place; keys of other lists have none in this one.
async fn cursor(
    tx: &Transaction<'_>,
    query: &KeyQuery,
    hash: KeyHash,
) -> Result<Option<Cursor>, Failure> {
    let sql = format!(
        "SELECT k.id, k.name, {SPENT} FROM key_secret AS s JOIN api_key AS k ON k.id = s.key_id
         WHERE s.hash = $1 AND k.kind = $2 AND k.workspace = $3"
    );
    let (hash, workspace): (&[u8], &[u8]) = (hash.as_bytes(), query.workspace.0.as_bytes());
    let row = tx.query_opt(&sql, &[&hash, &kind_name(query.kind), &workspace]).await?;
    Ok(row.map(|row| Cursor { id: row.get(0), name: row.get(1), spent: row.get(2) }))
}

type Value = Box<dyn ToSql + Sync + Send>;

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
        select.and("k.kind = ", Box::new(kind_name(query.kind)));
        select.and("k.workspace = ", Box::new(query.workspace.0.as_bytes().to_vec()));
        if !query.include_disabled {
            select.conditions.push_str(" AND NOT k.disabled");
        }
        if !query.include_expired {
            let now = select.parameter(Box::new(now.as_micros()));
            let live = format!(" AND (k.expires_at IS NULL OR k.expires_at > {now})");
            select.conditions.push_str(&live);
        }
        if let Some(text) = &query.contains {
            // In this collation `lower` knows ASCII only, and `strpos` knows no wildcards.
            let text = select.parameter(Box::new(text.to_ascii_lowercase()));
            let found = |column| format!("strpos(lower({column} COLLATE \"C\"), {text}) > 0");
            let either = format!(" AND ({} OR {})", found("k.name"), found("k.label"));
            select.conditions.push_str(&either);
        }
        select
    }

    /// Adds a parameter, and answers how the statement names it.
    fn parameter(&mut self, value: Value) -> String {
        self.parameters.push(value);
        format!("${}", self.parameters.len())
    }

    fn and(&mut self, condition: &str, parameter: Value) {
        let parameter = self.parameter(parameter);
        self.conditions.extend([" AND ", condition, &parameter]);
    }

    /// Keys that are equal in the order stand newest first, so the id decides among them.
    fn after(&mut self, sort: KeySort, cursor: Cursor) {
        let Cursor { id, name, spent } = cursor;
        match sort {
            KeySort::Newest => self.and("k.id < ", Box::new(id)),
            KeySort::Oldest => self.and("k.id > ", Box::new(id)),
            KeySort::Name => self.after_pair("k.name", ">", Box::new(name), id),
            KeySort::NameDescending => self.after_pair("k.name", "<", Box::new(name), id),
            KeySort::UsageDescending => self.after_pair(SPENT, "<", Box::new(spent), id),
        }
    }

    /// The first of the two conditions is implied by the second; an index can seek by it.
    fn after_pair(&mut self, column: &str, beyond: &str, place: Value, id: i64) {
        let (place, id) = (self.parameter(place), self.parameter(Box::new(id)));
        let behind = format!(
            " AND {column} {beyond}= {place} AND ({column} {beyond} {place} OR k.id < {id})"
        );
        self.conditions.push_str(&behind);
    }

    fn page(&mut self, limit: u32, offset: u64) {
        let offset = i64::try_from(offset).unwrap_or(i64::MAX);
        let (limit, offset) =
            (self.parameter(Box::new(i64::from(limit))), self.parameter(Box::new(offset)));
        self.limit = format!("LIMIT {limit} OFFSET {offset}");
    }

    #[expect(clippy::unused_self, reason = "reads as what the list is ordered by")]
    fn order(&self, sort: KeySort) -> String {
        match sort {
            KeySort::Newest => "k.id DESC".to_owned(),
            KeySort::Oldest => "k.id".to_owned(),
            KeySort::Name => "k.name, k.id DESC".to_owned(),
            KeySort::NameDescending => "k.name DESC, k.id DESC".to_owned(),
            KeySort::UsageDescending => format!("{SPENT} DESC, k.id DESC"),
        }
    }

    fn sql(&self, sort: KeySort) -> String {
        let (order, Self { conditions, limit, .. }) = (self.order(sort), self);
        format!("SELECT k.id FROM api_key AS k WHERE {conditions} ORDER BY {order} {limit}")
    }
}
