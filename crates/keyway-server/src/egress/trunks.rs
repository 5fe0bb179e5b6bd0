//! HTTP/2 to one place: over connections that many requests share.
//!
//! A connection carries only as many streams at once as its server allows, mostly a hundred, and a client
//! keeps one connection: further requests would wait for an answer that may take minutes. So requests are
//! spread over trunks, each with a connection of its own. Where the server speaks HTTP/1.1 a trunk is a pool
//! like any other.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::{Http, Https, client};

/// Requests on one trunk: the least that servers should allow at once, by RFC 9113.
const ON_TRUNK_MAX: usize = 100;
/// Trunks; where all are full the emptiest takes more.
const TRUNKS_MAX: usize = 256;

pub(super) struct Trunks {
    connector: Https,
    trunks: Mutex<Vec<Trunk>>,
}

#[derive(Clone)]
struct Trunk {
    client: Http,
    running: Arc<AtomicUsize>,
}

/// A request's place in its trunk, until its answer was read; free again when dropped.
#[derive(Debug)]
pub(super) struct OnTrunk(Arc<AtomicUsize>);

impl Trunks {
    pub(super) fn new(connector: Https) -> Self {
        Self { connector, trunks: Mutex::default() }
    }

    /// The first trunk that has room, so that as few connections are open as will do.
    pub(super) fn enter(&self) -> (Http, OnTrunk) {
        let mut trunks = self.trunks.lock().unwrap_or_else(PoisonError::into_inner);
        let place = match trunks.iter().position(|trunk| trunk.running() < ON_TRUNK_MAX) {
            Some(place) => place,
            None if trunks.len() < TRUNKS_MAX => {
                let client = client(self.connector.clone());
                trunks.push(Trunk { client, running: Arc::default() });
                trunks.len() - 1
            }
            None => emptiest(&trunks),
        };
        let trunk = &trunks[place];
        trunk.running.fetch_add(1, Ordering::Relaxed);
        (trunk.client.clone(), OnTrunk(Arc::clone(&trunk.running)))
    }
}

fn emptiest(trunks: &[Trunk]) -> usize {
    let emptiest = trunks.iter().enumerate().min_by_key(|(_, trunk)| trunk.running());
    emptiest.map_or(0, |(place, _)| place)
}

impl Trunk {
    fn running(&self) -> usize {
        self.running.load(Ordering::Relaxed)
    }
}

impl Drop for OnTrunk {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl std::fmt::Debug for Trunks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Trunks").finish_non_exhaustive()
    }
}
