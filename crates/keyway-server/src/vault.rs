//! The vault: every credential that the store has, opened, in this node's memory.

use std::sync::{Arc, PoisonError, RwLock};

use keyway_core::credential::CredentialRecord;
use keyway_core::credential::envelope::Sealed;
use keyway_core::id::CredentialId;
use keyway_core::secret::KeySecret;
use keyway_core::store::{Store, StoreError};

use crate::entropy::random;
use crate::kek::Kek;

/// A credential that requests may present.
#[derive(Debug)]
pub struct Held {
    pub record: CredentialRecord,
    /// `None` where it could not be opened: nobody presents it, and what it says of the provider's
    /// shared credential holds.
    pub secret: Option<KeySecret>,
}

/// The credentials of a moment, in the order in which they are tried.
pub type Credentials = Arc<[Arc<Held>]>;

pub struct Vault {
    store: Arc<dyn Store>,
    kek: Kek,
    held: RwLock<Credentials>,
}

impl Vault {
    /// Reads all that the store has.
    pub async fn open(store: Arc<dyn Store>, kek: Kek) -> Result<Self, StoreError> {
        let vault = Self { store, kek, held: RwLock::default() };
        vault.reload().await?;
        Ok(vault)
    }

    /// What is in force now.
    pub fn credentials(&self) -> Credentials {
        Arc::clone(&self.held.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Seals `material` for the store.
    pub fn seal(&self, id: CredentialId, material: &KeySecret) -> Sealed {
        self.kek.key.seal(self.kek.version, id, material, &random())
    }

    /// Reads all anew, because some of it changed. Not to be called twice at a time: the earlier state
    /// could stay.
    pub async fn reload(&self) -> Result<(), StoreError> {
        let records = self.store.credential_list().await?;
        let before = self.credentials();
        let held = records.into_iter().map(|record| Arc::new(self.hold(record, &before)));
        let held: Credentials = held.collect();
        *self.held.write().unwrap_or_else(PoisonError::into_inner) = held;
        Ok(())
    }

    /// What is known is not opened again: another key-encryption key may have taken the place of this
    /// node's since.
    fn hold(&self, record: CredentialRecord, before: &[Arc<Held>]) -> Held {
        let same = |held: &&Arc<Held>| {
            held.record.id == record.id && held.record.sealed.material == record.sealed.material
        };
        if let Some(known) = before.iter().find(same)
            && known.secret.is_some()
        {
            return Held { secret: known.secret.clone(), record };
        }
        let opened = self.kek.key.open(record.id, &record.sealed);
        if let Err(error) = &opened {
            tracing::error!(id = %record.id, %error, "a credential cannot be opened");
        }
        Held { secret: opened.ok(), record }
    }
}

impl std::fmt::Debug for Vault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Vault").field("held", &self.credentials().len()).finish_non_exhaustive()
    }
}
