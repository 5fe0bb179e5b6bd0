//! A program that was started, and is ended with all its workers.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

/// Interpreted ones take a minute where nothing of them is compiled yet.
const PATIENCE: Duration = Duration::from_mins(2);

pub(super) struct Program {
    /// `HOST:PORT`
    pub(super) authority: String,
    process: Child,
    /// Its working directory. Removed at the end.
    _place: TempDir,
}

impl Program {
    /// Starts it, and waits until it listens at `authority`.
    ///
    /// # Panics
    /// Where it does not.
    pub(super) async fn start(
        binary: &Path,
        authority: String,
        place: TempDir,
        arguments: &[&str],
    ) -> Self {
        let mut process = Command::new(binary)
            .args(arguments)
            .current_dir(place.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|error| panic!("{} does not start: {error}", binary.display()));
        let mut ticks = tokio::time::interval(Duration::from_millis(20));
        let listening = async {
            while TcpStream::connect(&authority).await.is_err() {
                ticks.tick().await;
                let status = process.try_wait().expect("its status can be read");
                assert!(status.is_none(), "{} ended: {status:?}", binary.display());
            }
        };
        let listening = tokio::time::timeout(PATIENCE, listening).await;
        assert!(listening.is_ok(), "{} does not listen", binary.display());
        Self { authority, process, _place: place }
    }

    pub(super) fn pid(&self) -> u32 {
        self.process.id().expect("it runs")
    }
}

impl Drop for Program {
    /// Its workers would outlive a master that is killed.
    fn drop(&mut self) {
        let pid = self.process.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        if pid.is_some_and(|pid| kill_process(pid, Signal::TERM).is_ok()) {
            while self.process.try_wait().is_ok_and(|status| status.is_none()) {
                std::thread::sleep(Duration::from_millis(5));
            }
        }
    }
}

/// A port that nobody listens on.
pub(super) fn unused_authority() -> String {
    let socket = std::net::TcpListener::bind("127.0.0.1:0").and_then(|it| it.local_addr());
    socket.expect("a port").to_string()
}
