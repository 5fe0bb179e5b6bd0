//! An installation that is read out, to be moved into another store.

use std::path::Path;

use keyway_core::clock::Timestamp;
use keyway_core::store::transfer::{Figure, Identity, Table, Value, is_summed};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Error, Row, params_from_iter};

use crate::lock::DirectoryLock;
use crate::nodes;
use crate::open::{self, DATABASE_FILE, OpenError, Opened, SqliteOptions};

/// Nobody else opens the directory while it lives.
#[derive(Debug)]
pub struct SqliteSource {
    connection: Connection,
    identity: Identity,
    _lock: DirectoryLock,
}

impl SqliteSource {
    /// Fails where there is no installation in a directory.
    pub fn look(directory: &Path) -> Result<(), OpenError> {
        let there = directory.join(DATABASE_FILE).exists();
        if there { Ok(()) } else { Err(OpenError::Nothing(directory.to_owned())) }
    }

    /// Opens the installation in a directory, which has to be there, and settles what an earlier run
    /// left in the middle of an answer.
    pub fn open(options: &SqliteOptions) -> Result<Self, OpenError> {
        Self::look(&options.directory)?;
        let Opened { lock, mut connection, .. } = open::open(options)?;
        let transaction = connection.transaction()?;
        let recovered = nodes::end_all(&transaction, options.now)?;
        transaction.commit()?;
        if recovered > 0 {
            tracing::warn!(recovered, "answers that an earlier run cut are charged as authorised");
        }
        let identity = identity(&connection)?;
        Ok(Self { connection, identity, _lock: lock })
    }

    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// The table's columns, in their order.
    pub fn columns(&self, table: Table) -> Result<Vec<String>, Error> {
        let sql = "SELECT name FROM pragma_table_info(?1) ORDER BY cid";
        let mut statement = self.connection.prepare(sql)?;
        statement.query_map([table.name], |row| row.get(0))?.collect()
    }

    /// Up to `rows_max` rows in the order of their key, behind the one with the key `behind`, or from
    /// the first on where that is empty.
    pub fn rows(
        &self,
        table: Table,
        columns: &[String],
        behind: &[Value],
        rows_max: u32,
    ) -> Result<Vec<Vec<Value>>, Error> {
        let key = names(table.key);
        let from = if behind.is_empty() {
            String::new()
        } else {
            format!("WHERE ({key}) > ({})", vec!["?"; behind.len()].join(", "))
        };
        let sql = format!(
            "SELECT {} FROM {} {from} ORDER BY {key} LIMIT {rows_max}",
            names(columns),
            table.name
        );
        let mut statement = self.connection.prepare_cached(&sql)?;
        let behind = params_from_iter(behind.iter().map(sql_value));
        statement.query_map(behind, |row| values(row, columns.len()))?.collect()
    }

    /// How many rows the table has, and what its figures add up to.
    pub fn figures(&self, table: Table, columns: &[String]) -> Result<Vec<Figure>, Error> {
        let summed: Vec<&String> = columns.iter().filter(|column| is_summed(column)).collect();
        // In two halves: a sum of many largest numbers is no number of SQLite's.
        let halves = summed.iter().map(|column| {
            format!(
                ", coalesce(sum(\"{column}\" >> 32), 0), coalesce(sum(\"{column}\" & 4294967295), 0)"
            )
        });
        let sql = format!("SELECT count(*){} FROM {}", halves.collect::<String>(), table.name);
        self.connection.query_row(&sql, [], |row| {
            let figure =
                |what: &str, amount| Figure { table: table.name, what: what.to_owned(), amount };
            let mut figures = vec![figure("rows", i128::from(row.get::<_, i64>(0)?))];
            for (number, column) in summed.iter().enumerate() {
                let half = |at: usize| row.get::<_, i64>(at).map(i128::from);
                let amount = (half(2 * number + 1)? << 32) + half(2 * number + 2)?;
                figures.push(figure(column, amount));
            }
            Ok(figures)
        })
    }

    /// Gives the directory back, as a run that ends well does.
    pub fn close(self) -> Result<(), Error> {
        self.connection
            .execute_batch("UPDATE installation SET clean = 1; PRAGMA wal_checkpoint(TRUNCATE);")
    }
}

fn identity(connection: &Connection) -> Result<Identity, Error> {
    let sql = "SELECT fingerprint, default_workspace, created_at, changes,
                      coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'node'), 0)
               FROM installation";
    connection.query_row(sql, [], |row| {
        Ok(Identity {
            fingerprint: row.get(0)?,
            default_workspace: row.get(1)?,
            created_at: Timestamp::from_micros(row.get(2)?),
            changes: row.get(3)?,
            epochs: row.get(4)?,
        })
    })
}

fn names<T: AsRef<str>>(columns: &[T]) -> String {
    let quoted = columns.iter().map(|column| format!("\"{}\"", column.as_ref()));
    quoted.collect::<Vec<_>>().join(", ")
}

fn values(row: &Row<'_>, columns: usize) -> Result<Vec<Value>, Error> {
    let value = |column| {
        Ok(match row.get_ref(column)? {
            ValueRef::Null => Value::Null,
            ValueRef::Integer(number) => Value::Integer(number),
            ValueRef::Text(_) => Value::Text(row.get(column)?),
            ValueRef::Blob(bytes) => Value::Bytes(bytes.to_vec()),
            ValueRef::Real(_) => return Err(crate::rows::broken(column, "number: it is a float")),
        })
    };
    (0..columns).map(value).collect()
}

fn sql_value(value: &Value) -> rusqlite::types::Value {
    use rusqlite::types::Value as Sql;
    match value {
        Value::Null => Sql::Null,
        Value::Integer(number) => Sql::Integer(*number),
        Value::Text(text) => Sql::Text(text.clone()),
        Value::Bytes(bytes) => Sql::Blob(bytes.clone()),
    }
}
