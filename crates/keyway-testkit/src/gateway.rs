//! The binary under test, in a directory of its own.

use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

use crate::{Client, PATIENCE};

/// The management key that the gateways of tests are started with.
pub const MANAGEMENT_KEY: &str = "management-key-of-the-tests-0123456789";

/// How to start a gateway.
#[derive(Clone, Debug)]
pub struct Setup {
    binary: PathBuf,
    config: Option<String>,
    variables: Vec<(String, String)>,
    own_key: bool,
    /// 0 takes a free one at each start.
    port: u16,
}

impl Setup {
    /// `binary` is `env!("CARGO_BIN_EXE_keyway")`, which only the binary's own tests know.
    pub fn new(binary: &str) -> Self {
        Self { binary: binary.into(), config: None, variables: Vec::new(), own_key: false, port: 0 }
    }

    /// Starts it with this `keyway.toml`.
    #[must_use]
    pub fn config(mut self, toml: &str) -> Self {
        self.config = Some(toml.to_owned());
        self
    }

    #[must_use]
    pub fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Listens on `port`, at every start.
    #[must_use]
    pub const fn port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// Lets the gateway make its first management key itself.
    #[must_use]
    pub fn makes_its_own_key(mut self) -> Self {
        self.own_key = true;
        self
    }

    /// Starts it on an empty directory.
    pub async fn start(self) -> Gateway {
        let home = tempfile::tempdir().expect("a directory for the gateway");
        let data_dir = home.path().join("data");
        self.start_on(Some(home), &data_dir).await
    }

    /// Starts it on `data_dir`, which the caller keeps.
    pub async fn start_in(self, data_dir: &Path) -> Gateway {
        self.start_on(None, data_dir).await
    }

    async fn start_on(self, home: Option<TempDir>, data_dir: &Path) -> Gateway {
        let place = Place {
            home,
            data_dir: data_dir.to_owned(),
            files: tempfile::tempdir().expect("a directory"),
        };
        Gateway::spawn(self, place).await
    }

    /// The command, ready to be spawned, with its log in `log`.
    fn command(&self, place: &Place) -> Command {
        let log = std::fs::File::options().create(true).append(true).open(place.log());
        let mut command = Command::new(&self.binary);
        command
            .arg("serve")
            .args(["--listen", &format!("127.0.0.1:{}", self.port), "--data-dir"])
            .arg(&place.data_dir)
            .current_dir(place.files.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log.expect("a log file"))
            .kill_on_drop(true)
            .env_remove("KEYWAY_CONFIG")
            .env("KEYWAY_LOG", "keyway=trace,info")
            .env("KEYWAY_LOG_FORMAT", "text");
        if !self.own_key {
            command.env("KEYWAY_BOOTSTRAP_MANAGEMENT_KEY", MANAGEMENT_KEY);
        }
        if let Some(config) = &self.config {
            place.configure(config);
        }
        command.envs(self.variables.iter().cloned());
        command
    }
}

/// Where a gateway's files lie; outlives the process, so that it can be started again.
#[derive(Debug)]
struct Place {
    /// Removed at the end, with the data directory in it.
    #[expect(dead_code, reason = "held for its destructor")]
    home: Option<TempDir>,
    data_dir: PathBuf,
    /// The working directory: configuration and log.
    files: TempDir,
}

impl Place {
    fn configure(&self, toml: &str) {
        std::fs::write(self.files.path().join("keyway.toml"), toml).expect("a configuration file");
    }

    fn log(&self) -> PathBuf {
        self.files.path().join("keyway.log")
    }
}

/// A running gateway. Killed when dropped.
#[derive(Debug)]
pub struct Gateway {
    /// `http://127.0.0.1:PORT`
    pub url: String,
    /// What it printed before it was ready.
    pub welcome: Vec<String>,
    setup: Setup,
    place: Place,
    process: Child,
    output: Lines<BufReader<ChildStdout>>,
}

impl Gateway {
    async fn spawn(setup: Setup, place: Place) -> Self {
        match Self::try_spawn(setup, place).await {
            Ok(gateway) => gateway,
            Err(stopped) => panic!("the gateway did not become ready:\n{}", stopped.log()),
        }
    }

    /// Waits until it listens; killed and answered as stopped where it does not.
    async fn try_spawn(setup: Setup, place: Place) -> Result<Self, Stopped> {
        let mut process = setup.command(&place).spawn().expect("the binary starts");
        let output = process.stdout.take().expect("its output is piped");
        let mut output = BufReader::new(output).lines();
        let mut welcome = Vec::new();
        let ready = async {
            while let Some(line) = output.next_line().await.expect("its output is text") {
                match line.strip_prefix("listening on ") {
                    Some(url) => return Some(url.to_owned()),
                    None => welcome.push(line),
                }
            }
            None
        };
        if let Ok(Some(url)) = tokio::time::timeout(PATIENCE, ready).await {
            return Ok(Self { url, welcome, setup, place, process, output });
        }
        process.kill().await.expect("it can be killed");
        let status = process.wait().await.expect("its status can be read");
        Err(Stopped { setup, place, status, printed: welcome })
    }

    /// A client that presents `key`.
    pub fn client(&self, key: &str) -> Client {
        Client::new(&self.url, Some(key))
    }

    /// A client without a key.
    pub fn anonymous(&self) -> Client {
        Client::new(&self.url, None)
    }

    /// A client with the management key that the tests bring along.
    pub fn manager(&self) -> Client {
        self.client(MANAGEMENT_KEY)
    }

    pub fn data_dir(&self) -> &Path {
        &self.place.data_dir
    }

    /// Puts another `keyway.toml` in the place of the one that it was started with.
    pub fn configure(&mut self, toml: &str) {
        self.place.configure(toml);
        self.setup.config = Some(toml.to_owned());
    }

    /// Takes `keyway.toml` away until the next start.
    pub fn remove_configuration(&self) {
        std::fs::remove_file(self.place.files.path().join("keyway.toml")).expect("it was there");
    }

    /// Everything that it and its predecessors in this place logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.place.log()).unwrap_or_default()
    }

    pub fn pid(&self) -> u32 {
        self.process.id().expect("it runs")
    }

    /// Sends a signal, and does not wait.
    pub fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.pid()).ok().and_then(Pid::from_raw).expect("a pid");
        kill_process(pid, signal).expect("the signal is sent");
    }

    /// `kill -9`, and waits until it is gone.
    pub async fn kill(self) -> Stopped {
        self.signal(Signal::KILL);
        let stopped = self.finished().await;
        assert_eq!(stopped.status.signal(), Some(9));
        stopped
    }

    /// SIGTERM, and waits until it is gone.
    pub async fn terminate(self) -> Stopped {
        self.signal(Signal::TERM);
        self.finished().await
    }

    /// Waits until it is gone.
    pub async fn finished(mut self) -> Stopped {
        let mut printed = Vec::new();
        let ended = async {
            while let Some(line) = self.output.next_line().await.expect("its output is text") {
                printed.push(line);
            }
            self.process.wait().await.expect("its status can be read")
        };
        let status = tokio::time::timeout(PATIENCE * 3, ended).await.expect("it ends in time");
        Stopped { setup: self.setup, place: self.place, status, printed }
    }
}

/// A gateway that ended; its files are still there.
#[derive(Debug)]
pub struct Stopped {
    setup: Setup,
    place: Place,
    pub status: ExitStatus,
    /// What it printed after it was ready.
    pub printed: Vec<String>,
}

impl Stopped {
    /// Starts it with this `keyway.toml` the next time.
    #[must_use]
    pub fn configure(mut self, toml: &str) -> Self {
        self.setup = self.setup.config(toml);
        self
    }

    /// Starts it again on the same files.
    pub async fn start(self) -> Gateway {
        Gateway::spawn(self.setup, self.place).await
    }

    /// The same, where it may well not come up: its database may be out of reach.
    pub async fn try_start(self) -> Result<Gateway, Self> {
        Gateway::try_spawn(self.setup, self.place).await
    }

    pub fn data_dir(&self) -> &Path {
        &self.place.data_dir
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.place.log()).unwrap_or_default()
    }
}
