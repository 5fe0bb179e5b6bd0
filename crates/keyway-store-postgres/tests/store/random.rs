//! Random sequences of calls, compared with the model.

use keyway_core::store::contract::random;
use proptest::test_runner::{Config, TestRunner};

use crate::support::TempStore;

const SEQUENCES: u32 = 40;
const CALLS_MAX: usize = 60;

#[test]
fn the_store_answers_as_the_model_does() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let mut runner = TestRunner::new(Config { cases: SEQUENCES, ..Config::default() });
    let compared = runner.run(&random::operations(CALLS_MAX), |operations| {
        runtime.block_on(async {
            let store = TempStore::new().await;
            random::compare(&*store, &operations).await;
            store.close();
        });
        Ok(())
    });
    if let Err(error) = compared {
        panic!("{error}");
    }
}
