//! The schema: numbered files, each applied once. Several nodes may start at the same time.

use tokio_postgres::Client;
use tokio_postgres::error::SqlState;

use crate::open::OpenError;

/// Version N is the Nth. A released file is never edited; a change is a new one.
pub(crate) const MIGRATIONS: [&str; 11] = [
    include_str!("../migrations/0001_installation_keys_ledger.sql"),
    include_str!("../migrations/0002_budgets_activity.sql"),
    include_str!("../migrations/0003_endings.sql"),
    include_str!("../migrations/0004_pruning.sql"),
    include_str!("../migrations/0005_rate_limits.sql"),
    include_str!("../migrations/0006_transfer.sql"),
    include_str!("../migrations/0007_timelines.sql"),
    include_str!("../migrations/0008_credentials.sql"),
    include_str!("../migrations/0009_kinds_of_tokens.sql"),
    include_str!("../migrations/0010_credits.sql"),
    include_str!("../migrations/0011_courses_contents.sql"),
];

/// How often a node that another was quicker than looks again.
const TRIES_MAX: u32 = 10;

/// Brings the schema up to the last version, in one transaction that holds the version's row.
pub(crate) async fn migrate(client: &mut Client) -> Result<(), OpenError> {
    for again in (0..TRIES_MAX).rev() {
        match apply(client).await {
            // Another node made the same table at this moment, or the engine asks to try again.
            Err(OpenError::Postgres(error)) if again > 0 && is_race(&error) => {}
            applied => return applied,
        }
    }
    apply(client).await
}

fn is_race(error: &tokio_postgres::Error) -> bool {
    let races = [
        SqlState::UNIQUE_VIOLATION,
        SqlState::DUPLICATE_TABLE,
        SqlState::DUPLICATE_OBJECT,
        SqlState::T_R_SERIALIZATION_FAILURE,
        SqlState::T_R_DEADLOCK_DETECTED,
    ];
    error.code().is_some_and(|code| races.contains(code))
}

async fn apply(client: &mut Client) -> Result<(), OpenError> {
    client
        .batch_execute(
            "CREATE TABLE IF NOT EXISTS schema_version (
               one BIGINT PRIMARY KEY CHECK (one = 1), version BIGINT NOT NULL);
             INSERT INTO schema_version VALUES (1, 0) ON CONFLICT (one) DO NOTHING;",
        )
        .await?;
    let transaction = client.transaction().await?;
    let found = transaction.query_one("SELECT version FROM schema_version FOR UPDATE", &[]).await?;
    let found = usize::try_from(found.get::<_, i64>(0)).unwrap_or(usize::MAX);
    if found > MIGRATIONS.len() {
        return Err(OpenError::NewerSchema { found, known: MIGRATIONS.len() });
    }
    for (version, sql) in (1_i64..).zip(MIGRATIONS).skip(found) {
        transaction.batch_execute(sql).await?;
        transaction.execute("UPDATE schema_version SET version = $1", &[&version]).await?;
        tracing::info!(version, "the store's schema was brought up to date");
    }
    transaction.commit().await?;
    Ok(())
}
