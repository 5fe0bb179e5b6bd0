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

mod memory_that_fails_over {
    use keyway_core::store::contract::{failovers, fixture};
    use keyway_core::store::model::MemoryStore;

    use crate::support::workspace;

    macro_rules! behaviours {
        ($($behaviour:ident)*) => {$(
            #[tokio::test]
            async fn $behaviour() {
                let store = MemoryStore::new(workspace());
                fixture::begin(&store).await;
                let fail_over = async || store.fail_over(store.standby());
                failovers::$behaviour(&store, fail_over).await;
            }
        )*};
    }

    keyway_core::failover_behaviours! { [behaviours] }
}
