//! The behaviours that every store has.

mod sqlite {
    use crate::support::TempStore;

    keyway_core::store_contract_suite!(TempStore::new());
}

mod memory {
    use keyway_core::store::model::MemoryStore;

    use crate::support::workspace;

    keyway_core::store_contract_suite!(Box::new(MemoryStore::new(workspace())));
}
