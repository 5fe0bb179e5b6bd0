//! Opens an installation on its data directory.

use std::path::{Path, PathBuf};

use keyway_core::clock::Timestamp;
use keyway_core::id::WorkspaceId;
use keyway_core::secret::InstallationSecret;
use keyway_server::app::Secrets;
use keyway_server::config::Durability;
use keyway_server::entropy::random;
use keyway_server::installation::{
    SECRET_FILE_VARIABLE, create_data_directory, load_or_create_secret, sweep,
};
use keyway_server::kek::KekSource;
use keyway_store_postgres::{PostgresOptions, PostgresStore, StoreTime};
use keyway_store_sqlite::{Holder, SqliteOptions, SqliteSource, SqliteStore};

use super::CliError;

/// An installation's secrets and its store, held by this process alone.
pub(crate) struct Installation {
    pub(crate) secrets: Secrets,
    pub(crate) store: SqliteStore,
}

/// Opens the installation in the database at `url`, or makes one there. Its secret is shared by all
/// nodes, so none of them makes it up.
pub(crate) async fn open_shared(
    url: &str,
    now: Timestamp,
) -> Result<(Secrets, PostgresStore), CliError> {
    let named = std::env::var_os(SECRET_FILE_VARIABLE).map(PathBuf::from).ok_or_else(|| {
        CliError::Usage(format!(
            "with PostgreSQL {SECRET_FILE_VARIABLE} has to name the installation's secret: a file of 64 \
             hex digits, the same for every node, such as `openssl rand -hex 32` makes"
        ))
    })?;
    let failed = |error: &dyn std::error::Error| CliError::failed(error.to_string());
    let secret =
        load_or_create_secret(Path::new(""), Some(&named)).map_err(|error| failed(&error))?;
    let options = PostgresOptions {
        url: url.to_owned(),
        fingerprint: *secret.fingerprint(),
        new_workspace: WorkspaceId::from_random(random()),
        now,
        time: StoreTime::Database,
    };
    let store = PostgresStore::open(&options).await.map_err(|error| failed(&error))?;
    Ok((with_kek(None, secret)?, store))
}

/// Opens the installation in `data_dir`, which has to be there, to be moved elsewhere.
pub(crate) fn open_source(data_dir: &Path, now: Timestamp) -> Result<SqliteSource, CliError> {
    let named = std::env::var_os(SECRET_FILE_VARIABLE).map(PathBuf::from);
    let failed = |error: &dyn std::error::Error| CliError::failed(error.to_string());
    // Before the secret: one that is not there is made only beside a store that is not there.
    SqliteSource::look(data_dir).map_err(|error| failed(&error))?;
    let secret =
        load_or_create_secret(data_dir, named.as_deref()).map_err(|error| failed(&error))?;
    let options =
        options(data_dir, Holder::Command, keyway_store_sqlite::Durability::Flush, &secret, now);
    SqliteSource::open(&options).map_err(|error| failed(&error))
}

/// Opens the installation in `data_dir` as `holder`, or makes one there.
pub(crate) fn open(
    data_dir: &Path,
    holder: Holder,
    durability: Durability,
    now: Timestamp,
) -> Result<Installation, CliError> {
    let named = std::env::var_os(SECRET_FILE_VARIABLE).map(PathBuf::from);
    let secret = create_data_directory(data_dir)
        .and_then(|()| load_or_create_secret(data_dir, named.as_deref()))
        .map_err(|error| CliError::failed(error.to_string()))?;
    let durability = match durability {
        Durability::Flush => keyway_store_sqlite::Durability::Flush,
        Durability::Process => keyway_store_sqlite::Durability::Process,
    };
    let options = options(data_dir, holder, durability, &secret, now);
    let store = SqliteStore::open(&options).map_err(|error| CliError::failed(error.to_string()))?;
    sweep(data_dir);
    Ok(Installation { secrets: with_kek(Some(data_dir), secret)?, store })
}

fn with_kek(
    data_dir: Option<&Path>,
    installation: InstallationSecret,
) -> Result<Secrets, CliError> {
    let env = |name: &str| std::env::var(name).ok();
    let kek = KekSource::find(data_dir, &installation, &env);
    let kek = kek.map_err(|error| CliError::failed(error.to_string()))?;
    Ok(Secrets { installation, kek })
}

fn options(
    data_dir: &Path,
    holder: Holder,
    durability: keyway_store_sqlite::Durability,
    secret: &InstallationSecret,
    now: Timestamp,
) -> SqliteOptions {
    SqliteOptions {
        directory: data_dir.to_owned(),
        holder,
        durability,
        fingerprint: *secret.fingerprint(),
        new_workspace: WorkspaceId::from_random(random()),
        now,
    }
}
