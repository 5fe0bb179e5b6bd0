//! One behavioural contract for every store.
