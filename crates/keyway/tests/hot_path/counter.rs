//! Counts the calls to a store, and holds them up while it is shut.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use keyway_core::store::watched::Watch;
use tokio::sync::watch;

/// What a node says and hears whether there are requests or not.
const BESIDE: [&str; 2] = ["node_beat", "node_poll"];

#[derive(Clone)]
pub(crate) struct Counter {
    calls: Arc<Mutex<BTreeMap<&'static str, u64>>>,
    is_shut: Arc<watch::Sender<bool>>,
}

impl Counter {
    pub(crate) fn new() -> Self {
        Self { calls: Arc::default(), is_shut: Arc::new(watch::Sender::new(false)) }
    }

    /// From now on nothing is passed on, and counting begins anew.
    pub(crate) fn shut(&self) {
        self.is_shut.send_replace(true);
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    pub(crate) fn open(&self) {
        self.is_shut.send_replace(false);
    }

    /// How often each verb was called since it was shut, passed on or not.
    pub(crate) fn calls(&self) -> BTreeMap<&'static str, u64> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[async_trait]
impl Watch for Counter {
    async fn before(&self, verb: &'static str) {
        if BESIDE.contains(&verb) {
            return;
        }
        *self.calls.lock().unwrap_or_else(PoisonError::into_inner).entry(verb).or_default() += 1;
        let mut shut = self.is_shut.subscribe();
        // Who could open it holds it too.
        let _ = shut.wait_for(|is_shut| !is_shut).await;
    }
}
