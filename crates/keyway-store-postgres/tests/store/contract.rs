//! The contract of a store.

use crate::support::TempStore;

keyway_core::store_contract_suite!(TempStore::new().await);
