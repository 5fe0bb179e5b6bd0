//! What PostgreSQL's errors mean: for a retry, and to a caller.

use keyway_core::store::StoreError;
use tokio_postgres::error::SqlState;

/// Why a try failed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// For the caller: another try would end like this one.
    Store(StoreError),
    /// Another try may succeed.
    Passing(String),
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<tokio_postgres::Error> for Failure {
    fn from(error: tokio_postgres::Error) -> Self {
        let text = describe(&error);
        let Some(state) = error.code() else {
            // No answer of the server: the connection is gone, or a value was not what it should be.
            let gone = error.is_closed()
                || std::error::Error::source(&error)
                    .is_some_and(<dyn std::error::Error>::is::<std::io::Error>);
            return if gone { Self::Passing(text) } else { Self::Store(StoreError::Broken(text)) };
        };
        // 08 connection, 40 rolled back, 53 resources, 57 shutting down, 25006 read-only, 25P03 idle in
        // a transaction for too long.
        let passing = ["08", "40", "53", "57"].iter().any(|class| state.code().starts_with(class))
            || *state == SqlState::READ_ONLY_SQL_TRANSACTION
            || *state == SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT;
        if *state == SqlState::QUERY_CANCELED {
            Self::Store(StoreError::TooLong(text))
        } else if passing {
            Self::Passing(text)
        } else {
            Self::Store(StoreError::Broken(text))
        }
    }
}

impl From<deadpool_postgres::PoolError> for Failure {
    fn from(error: deadpool_postgres::PoolError) -> Self {
        Self::Passing(error.to_string())
    }
}

/// The server's own words; the library's `Display` leaves them out.
fn describe(error: &tokio_postgres::Error) -> String {
    error.as_db_error().map_or_else(|| error.to_string(), |server| server.message().to_owned())
}

/// A row that the schema's constraints do not let in.
pub(crate) fn broken(what: &str) -> Failure {
    Failure::Store(StoreError::Broken(format!("a broken {what}")))
}

/// The call came after the store was closed.
pub(crate) fn closed() -> StoreError {
    StoreError::Unavailable("the store is closed".to_owned())
}
