//! Sequences of calls that nobody thought of.

use keyway_core::store::contract::random;
use proptest::prelude::*;

use crate::support::TempStore;

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn the_store_answers_as_the_model_does(operations in random::operations(60)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(async {
            let store = TempStore::fleeting();
            random::compare(&*store, &operations).await;
            store.close().await;
        });
    }
}
