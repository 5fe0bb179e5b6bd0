//! A node that missed what others changed.

use std::sync::Arc;
use std::time::Duration;

use keyway_core::clock::{Clock, ManualClock};
use keyway_core::id::GenerationId;
use keyway_core::id::WorkspaceId;
use keyway_core::key::{KeyKind, KeyPatch};
use keyway_core::money::Nanos;
use keyway_core::rate::RateLimits;
use keyway_core::secret::{InstallationSecret, KEY_ENTROPY_BYTES, KeyPrefix, KeySecret};
use keyway_core::store::contract::fixture::{inference, now};
use keyway_core::store::model::MemoryStore;
use keyway_core::store::{Joined, KEPT_SECONDS, KeyCreated, SILENCE_SECONDS, Store};
use tokio_util::task::TaskTracker;

use super::clock::StoreClock;
use super::{Memory, Node};
use crate::kek::KekSource;
use crate::keyring::{AuthError, Keyring};
use crate::relay::meter::{Meter, ReserveError};
use crate::relay::rates::Rates;
use crate::vault::Vault;

/// A node with nobody beside it, and what it works on.
struct Alone {
    node: Arc<Node>,
    store: Arc<MemoryStore>,
    own: Arc<ManualClock>,
    joined: Joined,
    keyring: Arc<Keyring>,
    meter: Arc<Meter>,
}

async fn alone() -> Alone {
    let store = Arc::new(MemoryStore::new(WorkspaceId::from_random([1; 16])));
    let shared = || Arc::clone(&store) as Arc<dyn Store>;
    let own = Arc::new(ManualClock::at(now()));
    let clock = Arc::new(StoreClock::new(Arc::clone(&own) as Arc<dyn Clock>));
    let joined = store.node_join("one", now()).await.expect("writable");
    let (secret, prefix) = (InstallationSecret::new(&[7; 32]), KeyPrefix::default());
    let keyring = Keyring::new(shared(), secret, prefix).await.expect("a keyring");
    let keyring = Arc::new(keyring);
    let meter_clock = Arc::clone(&clock) as Arc<dyn Clock>;
    let meter = Arc::new(Meter::new(shared(), meter_clock, TaskTracker::new(), joined));
    let rates = Arc::new(Rates::new(RateLimits::default(), false));
    let kek = KekSource::Derived(keyring.secret().key_encryption_key());
    let kek = kek.open(store.as_ref(), now()).await.expect("writable");
    let vault = Arc::new(Vault::open(shared(), kek).await.expect("readable"));
    let memory = Memory { meter: Arc::clone(&meter), rates, keyring: Arc::clone(&keyring), vault };
    let node = Node::new("one".to_owned(), shared(), clock, memory, TaskTracker::new(), joined);
    Alone { node: Arc::new(node), store, own, joined, keyring, meter }
}

#[tokio::test(start_paused = true)]
async fn who_had_no_store_to_speak_to_is_not_taken_for_dead() {
    let Alone { node, store, own, joined, .. } = alone().await;
    store.node_join("two", now()).await.expect("writable");
    let poll = |seconds| {
        own.set(now().plus_seconds(SILENCE_SECONDS + 1 + seconds));
        node.poll()
    };
    let live =
        || async { store.node_poll(joined.epoch, 0, now()).await.expect("it is there").nodes };

    // The store was away, and this node is the first that is back.
    tokio::time::advance(Duration::from_secs(10)).await;
    poll(0).await.expect("the store is back");
    node.companions.close();
    node.companions.wait().await;
    assert_eq!(live().await, 2);

    // It listened long enough, and heard nothing.
    for second in 1..=6 {
        tokio::time::advance(Duration::from_secs(1)).await;
        poll(second).await.expect("the store is there");
    }
    node.companions.wait().await;
    assert_eq!(live().await, 1);
}

#[tokio::test]
async fn who_missed_changes_that_are_not_kept_looks_at_everything_anew() {
    let Alone { node, store, own, joined, keyring, meter } = alone().await;
    let presented = KeySecret::mint(keyring.prefix(), &[9; KEY_ENTROPY_BYTES]);
    let mut creation = inference(store.as_ref(), "used");
    creation.secret = keyring.record(&presented);
    let created = store.key_create(creation, now()).await;
    let Ok(KeyCreated::Created(made)) = created else { panic!("{created:?}") };
    let key = keyring.authenticate(presented.expose(), now()).await.expect("valid");
    let request = |number| GenerationId::new(now(), [number; 10]);
    meter.reserve(request(1), &keyring, &key, Nanos::new(5)).await.expect("admitted");

    // Disabled, applied by everybody as far as the store knows, and forgotten.
    let patch = KeyPatch { disabled: Some(true), ..KeyPatch::default() };
    store.key_update(made.hash, patch, now()).await.expect("writable");
    let later = now().plus_seconds(KEPT_SECONDS + 1);
    store.node_beat(joined.epoch, 1, later).await.expect("writable");
    assert_eq!(store.prune(joined.epoch, later).await, Ok(1));
    own.set(later);
    assert_eq!(
        store.key_get(KeyKind::Inference, made.hash, later).await.map(|k| k.is_some()),
        Ok(true)
    );

    node.poll().await.expect("the store can be read");
    let refused = keyring.authenticate(presented.expose(), later).await;
    assert!(matches!(refused, Err(AuthError::Disabled)), "{refused:?}");
    let refused = meter.reserve(request(2), &keyring, &key, Nanos::new(5)).await;
    assert!(matches!(refused, Err(ReserveError::Refused(_) | ReserveError::Key(_))), "{refused:?}");
}
