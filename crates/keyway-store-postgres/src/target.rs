//! A database that an installation is moved into.

use std::pin::pin;

use deadpool_postgres::{Object, Transaction};
use keyway_core::store::transfer::{Figure, Identity, Position, TABLES, Table, Value, is_summed};
use thiserror::Error;
use tokio_postgres::binary_copy::BinaryCopyInWriter;
use tokio_postgres::types::{ToSql, Type};

use crate::open::{self, OpenError};

/// No node opens it before everything has arrived.
#[derive(Debug)]
pub struct PostgresTarget {
    client: Object,
}

/// Why an installation cannot be moved into the database.
#[derive(Debug, Error)]
pub enum TransferError {
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(
        "the database holds this installation already. What happened in it since would be lost: \
         name an empty database, or serve from this one"
    )]
    Arrived,
    #[error("the database holds another installation: name an empty one")]
    Occupied,
    #[error(
        "another installation is on its way into this database: finish that first, or name an \
         empty one"
    )]
    Other,
    #[error(
        "the installation was served since a part of it was moved here, so that this part is not \
         as it is now: name an empty database"
    )]
    Stale,
    #[error("the table {0} has no column {1} here: both stores have to be of one version")]
    Column(&'static str, String),
    #[error("a value of {0}.{1} is not what the database expects")]
    Value(&'static str, String),
    #[error("the database failed: {0}")]
    Postgres(String),
}

impl From<tokio_postgres::Error> for TransferError {
    fn from(error: tokio_postgres::Error) -> Self {
        let cause = std::error::Error::source(&error);
        Self::Postgres(cause.map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}")))
    }
}

/// A column as the database has it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Column {
    name: String,
    kind: Type,
}

impl PostgresTarget {
    /// Connects, and brings the schema up to date.
    pub async fn open(url: &str) -> Result<Self, TransferError> {
        Ok(Self { client: open::connect(url).await? })
    }

    /// Begins, or goes on: answers how far an earlier try came.
    pub async fn begin(&mut self, identity: &Identity) -> Result<Position, TransferError> {
        let transaction = self.client.transaction().await?;
        // Held until the commit: no node settles in meanwhile.
        transaction.query_one("SELECT 1 FROM schema_version FOR UPDATE", &[]).await?;
        let created_at = identity.created_at.as_micros();
        let is_it = |fingerprint: &[u8], created: i64| {
            fingerprint == identity.fingerprint && created == created_at
        };
        let sql = "SELECT fingerprint, created_at FROM installation";
        if let Some(row) = transaction.query_opt(sql, &[]).await? {
            let arrived = is_it(row.get(0), row.get(1));
            return Err(if arrived { TransferError::Arrived } else { TransferError::Occupied });
        }
        let sql = "SELECT fingerprint, created_at, epochs, table_name, behind FROM transfer";
        if let Some(row) = transaction.query_opt(sql, &[]).await? {
            if !is_it(row.get(0), row.get(1)) {
                return Err(TransferError::Other);
            }
            if row.get::<_, i64>(2) != identity.epochs {
                return Err(TransferError::Stale);
            }
            return Position::parse(row.get(3), row.get(4)).ok_or(TransferError::Stale);
        }
        // What the schema itself brings along comes from the source too.
        for table in TABLES.iter().rev() {
            transaction.execute(&format!("DELETE FROM {}", table.name), &[]).await?;
        }
        let start = Position::start();
        let (fingerprint, behind) = (identity.fingerprint.as_slice(), start.key_text());
        let sql = "INSERT INTO transfer (one, fingerprint, created_at, epochs, table_name, behind)
                   VALUES (1, $1, $2, $3, $4, $5)";
        let values: [&(dyn ToSql + Sync); 5] =
            [&fingerprint, &created_at, &identity.epochs, &start.table, &behind];
        transaction.execute(sql, &values).await?;
        transaction.commit().await?;
        Ok(start)
    }

    /// Writes rows, and that everything up to `position` has arrived.
    pub async fn write(
        &mut self,
        table: Table,
        columns: &[String],
        rows: &[Vec<Value>],
        position: &Position,
    ) -> Result<(), TransferError> {
        let columns = self.columns(table, columns).await?;
        let transaction = self.client.transaction().await?;
        if !rows.is_empty() {
            copy(&transaction, table, &columns, rows).await?;
        }
        let sql = "UPDATE transfer SET table_name = $1, behind = $2";
        transaction.execute(sql, &[&position.table, &position.key_text()]).await?;
        Ok(transaction.commit().await?)
    }

    /// How many rows the table has, and what its figures add up to.
    pub async fn figures(
        &self,
        table: Table,
        columns: &[String],
    ) -> Result<Vec<Figure>, TransferError> {
        let summed = columns.iter().filter(|column| is_summed(column));
        let sums = summed.clone().map(|column| format!(", coalesce(sum(\"{column}\"), 0)::TEXT"));
        let sql = format!("SELECT count(*)::TEXT{} FROM {}", sums.collect::<String>(), table.name);
        let row = self.client.query_one(&sql, &[]).await?;
        let whats = std::iter::once("rows").chain(summed.map(String::as_str));
        let figure = |(at, what): (usize, &str)| {
            let amount = row.get::<_, &str>(at).parse();
            let amount = amount.map_err(|_| TransferError::Value(table.name, what.to_owned()))?;
            Ok(Figure { table: table.name, what: what.to_owned(), amount })
        };
        whats.enumerate().map(figure).collect()
    }

    /// Everything has arrived: from now on nodes may open it.
    pub async fn finish(&mut self, identity: &Identity) -> Result<(), TransferError> {
        // Until it has looked at what arrived, the database plans as if the tables were empty.
        for table in TABLES {
            self.client.batch_execute(&format!("ANALYZE {}", table.name)).await?;
        }
        let transaction = self.client.transaction().await?;
        let (fingerprint, workspace): (&[u8], &[u8]) =
            (&identity.fingerprint, &identity.default_workspace);
        let created_at = identity.created_at.as_micros();
        // The next number is free for a key and for its account.
        let sql = "INSERT INTO installation (one, fingerprint, default_workspace, created_at, keys,
                                             changes, epochs)
                   SELECT 1, $1, $2, $3, greatest((SELECT coalesce(max(id), 0) FROM api_key),
                                                  (SELECT coalesce(max(id), 0) FROM account)), $4, $5";
        let values: [&(dyn ToSql + Sync); 5] =
            [&fingerprint, &workspace, &created_at, &identity.changes, &identity.epochs];
        transaction.execute(sql, &values).await?;
        transaction.execute("DELETE FROM transfer", &[]).await?;
        Ok(transaction.commit().await?)
    }

    /// The columns of these names, as the database has them.
    async fn columns(&self, table: Table, names: &[String]) -> Result<Vec<Column>, TransferError> {
        let sql = format!("SELECT * FROM {} LIMIT 0", table.name);
        let statement = self.client.prepare_cached(&sql).await?;
        let column = |name: &String| {
            let known = statement.columns().iter().find(|column| column.name() == name);
            let known = known.ok_or_else(|| TransferError::Column(table.name, name.clone()))?;
            Ok(Column { name: name.clone(), kind: known.type_().clone() })
        };
        names.iter().map(column).collect()
    }
}

async fn copy(
    transaction: &Transaction<'_>,
    table: Table,
    columns: &[Column],
    rows: &[Vec<Value>],
) -> Result<(), TransferError> {
    let names: Vec<String> = columns.iter().map(|column| format!("\"{}\"", column.name)).collect();
    let sql = format!("COPY {} ({}) FROM STDIN BINARY", table.name, names.join(", "));
    let kinds: Vec<Type> = columns.iter().map(|column| column.kind.clone()).collect();
    let mut writer = pin!(BinaryCopyInWriter::new(transaction.copy_in(&sql).await?, &kinds));
    for row in rows {
        let values: Result<Vec<_>, TransferError> = columns
            .iter()
            .zip(row)
            .map(|(column, value)| converted(table, column, value))
            .collect();
        let values = values?;
        let values: Vec<&(dyn ToSql + Sync)> =
            values.iter().map(|value| value.as_ref() as &(dyn ToSql + Sync)).collect();
        writer.as_mut().write(&values).await?;
    }
    writer.finish().await?;
    Ok(())
}

fn converted(
    table: Table,
    column: &Column,
    value: &Value,
) -> Result<Box<dyn ToSql + Sync + Send>, TransferError> {
    Ok(match (&column.kind, value) {
        (&Type::INT8, Value::Integer(number)) => Box::new(*number),
        (&Type::BOOL, Value::Integer(truth @ 0..=1)) => Box::new(*truth == 1),
        (&Type::TEXT, Value::Text(text)) => Box::new(text.clone()),
        (&Type::BYTEA, Value::Bytes(bytes)) => Box::new(bytes.clone()),
        (&Type::INT8, Value::Null) => Box::new(None::<i64>),
        (&Type::BOOL, Value::Null) => Box::new(None::<bool>),
        (&Type::TEXT, Value::Null) => Box::new(None::<String>),
        (&Type::BYTEA, Value::Null) => Box::new(None::<Vec<u8>>),
        _ => return Err(TransferError::Value(table.name, column.name.clone())),
    })
}
