//! What is left in the files of a credential that was deleted.

use std::fs;
use std::path::Path;

use keyway_core::credential::envelope::{KekVersion, Sealed, WRAPPED_BYTES, WrappedKey};
use keyway_core::credential::{Conduct, CredentialPatch, NewCredential};
use keyway_core::id::CredentialId;
use keyway_core::store::contract::fixture::now;
use keyway_core::store::{CredentialWritten, Store};
use keyway_store_sqlite::SqliteStore;

use crate::support::{options, workspace};

/// As no other byte is repeated.
const MATERIAL: u8 = 0xa7;
const OTHER: u8 = 0xb8;
const ID: CredentialId = CredentialId::from_bytes([5; 16]);

fn sealed(byte: u8, length: usize) -> Sealed {
    let wrapped = WrappedKey { version: KekVersion(1), text: [byte; WRAPPED_BYTES] };
    Sealed { wrapped, material: vec![byte; length] }
}

fn is_left(directory: &Path, byte: u8) -> bool {
    let files = fs::read_dir(directory).expect("a directory").flatten();
    let mut texts = files.filter_map(|file| fs::read(file.path()).ok());
    texts.any(|text| text.windows(16).any(|it| it == [byte; 16]))
}

async fn make(directory: &Path, length: usize) {
    let store = SqliteStore::open(&options(directory)).expect("a store");
    store.kek_add([1; 32], None, now()).await.expect("writable");
    let new = NewCredential {
        id: ID,
        workspace: workspace(),
        provider: "openai".to_owned(),
        name: None,
        conduct: Conduct::default(),
        is_last: true,
        allowed_keys: None,
        label: "sk-...AbCd".to_owned(),
        sealed: sealed(MATERIAL, length),
    };
    let made = store.credential_create(new, now()).await;
    assert!(matches!(made, Ok(CredentialWritten::Written(_))), "{made:?}");
    store.close().await;
    assert!(is_left(directory, MATERIAL), "it is in the files while it is kept");
}

/// Short ones lie in the row, long ones in pages of their own.
#[tokio::test]
async fn nothing_of_a_deleted_credential_is_left_in_the_files() {
    for length in [90, 6_000] {
        let directory = tempfile::tempdir().expect("a directory");
        make(directory.path(), length).await;
        let store = SqliteStore::open(&options(directory.path())).expect("a store");
        assert_eq!(store.credential_delete(ID, now()).await, Ok(true));
        store.close().await;
        assert!(!is_left(directory.path(), MATERIAL), "{length}");
    }
}

#[tokio::test]
async fn nothing_of_a_replaced_credential_is_left_in_the_files() {
    for (length, next) in [(90, 90), (90, 200), (6_000, 90), (90, 6_000)] {
        let directory = tempfile::tempdir().expect("a directory");
        make(directory.path(), length).await;
        let store = SqliteStore::open(&options(directory.path())).expect("a store");
        let material = Some(("sk-...other".to_owned(), sealed(OTHER, next)));
        let patch = CredentialPatch { material, ..CredentialPatch::default() };
        let written = store.credential_update(ID, patch, now()).await;
        assert!(matches!(written, Ok(CredentialWritten::Written(_))), "{written:?}");
        store.close().await;
        assert!(!is_left(directory.path(), MATERIAL), "{length} to {next}");
        assert!(is_left(directory.path(), OTHER));
    }
}
