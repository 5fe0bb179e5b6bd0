//! Ports that a process can be started on again.

use std::net::TcpListener;
use std::sync::atomic::{AtomicU16, Ordering};

/// Below those that a system hands out to connections: nothing takes one while its owner is down.
const FIRST: u16 = 20_000;
const COUNT: u16 = 10_000;

/// A port that nothing listens on, and that this process has not handed out before.
///
/// # Panics
/// Where there is none.
pub(crate) fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Test binaries that run at the same time begin at different places.
    let offset = u16::try_from(std::process::id() % u32::from(COUNT)).unwrap_or(0);
    let free = (0..COUNT).find_map(|_| {
        let number = NEXT.fetch_add(7, Ordering::Relaxed).wrapping_add(offset) % COUNT;
        let port = FIRST + number;
        TcpListener::bind(("127.0.0.1", port)).is_ok().then_some(port)
    });
    free.expect("a free port")
}
