//! The machine's own time for what a durable charge needs at least: an append, and its flush.

use std::io::Write as _;
use std::time::Duration;

use tokio::time::Instant;

const BYTES: [u8; 4096] = [7; 4096];
const TIMES: usize = 200;

/// The median time for an append of 4 KiB to a file and `fdatasync`, in the folder of temporary files,
/// where the stores of the bench lie too.
pub(crate) fn append_and_flush() -> std::io::Result<Duration> {
    let mut file = tempfile::tempfile()?;
    let mut times = Vec::with_capacity(TIMES);
    for _ in 0..TIMES {
        let began = Instant::now();
        file.write_all(&BYTES)?;
        file.sync_data()?;
        times.push(began.elapsed());
    }
    times.sort_unstable();
    Ok(times[TIMES / 2])
}
