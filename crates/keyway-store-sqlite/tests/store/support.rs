//! Stores in directories that go away with them.

use std::ops::Deref;
use std::path::Path;

use keyway_core::clock::Timestamp;
use keyway_core::id::WorkspaceId;
use keyway_store_sqlite::{Durability, Holder, SqliteOptions, SqliteStore};
use tempfile::TempDir;

pub(crate) fn workspace() -> WorkspaceId {
    WorkspaceId::from_random([7; 16])
}

pub(crate) fn options(directory: &Path) -> SqliteOptions {
    SqliteOptions {
        directory: directory.to_owned(),
        holder: Holder::Gateway,
        durability: Durability::Process,
        fingerprint: [1; 32],
        new_workspace: workspace(),
        now: Timestamp::from_micros(1_784_116_800_000_000),
    }
}

pub(crate) struct TempStore {
    store: SqliteStore,
    directory: TempDir,
}

impl TempStore {
    pub(crate) fn new() -> Self {
        Self::open_in(tempfile::tempdir().expect("a directory"))
    }

    /// In memory where there is such a directory: hundreds of stores are made and flushed otherwise.
    pub(crate) fn fleeting() -> Self {
        let directory = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir());
        Self::open_in(directory.expect("a directory"))
    }

    fn open_in(directory: TempDir) -> Self {
        let store = SqliteStore::open(&options(directory.path())).expect("a store");
        Self { store, directory }
    }

    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }
}

impl Deref for TempStore {
    type Target = SqliteStore;

    fn deref(&self) -> &SqliteStore {
        &self.store
    }
}
