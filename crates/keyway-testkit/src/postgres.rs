//! A PostgreSQL of its own, made for a test and thrown away with it.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use crate::certificates::{AUTHORITY_FILE, Certificates};
use crate::faketime;

/// Where Debian keeps servers by version; elsewhere they are on the path.
const DEBIAN: &str = "/usr/lib/postgresql";
/// PostgreSQL refuses to run as root, so it runs as one of these then.
const USERS: [&str; 2] = ["postgres", "nobody"];

/// A running server. Stopped, and its files removed, when dropped.
#[derive(Debug)]
pub struct Postgres {
    place: TempDir,
    programs: PathBuf,
    user: Option<&'static str>,
    port: u16,
    /// By how many seconds its clock is off.
    off: i64,
    server: Child,
}

impl Postgres {
    /// Makes a cluster and starts it with `settings`, such as `fsync=off`.
    ///
    /// # Panics
    /// Where no PostgreSQL is installed, or it does not start.
    pub fn start(settings: &[&str]) -> Self {
        Self::start_off(settings, 0)
    }

    /// The same with a clock that is `off` by so many seconds.
    ///
    /// # Panics
    /// Where that needs libfaketime, and it is not installed.
    pub fn start_off(settings: &[&str], off: i64) -> Self {
        Self::start_in(tempfile::tempdir().expect("a directory"), settings, off)
    }

    /// The same, encrypted: with a certificate for the host `name`, of an authority of its own.
    pub fn start_encrypted(name: &str) -> Self {
        let place = tempfile::tempdir().expect("a directory");
        let files = Certificates::make(place.path(), name);
        let certificate = format!("ssl_cert_file={}", files.certificate.display());
        let key = format!("ssl_key_file={}", files.key.display());
        Self::start_in(place, &["ssl=on", &certificate, &key], 0)
    }

    /// The certificate of the authority of [`Postgres::start_encrypted`].
    pub fn authority(&self) -> PathBuf {
        self.place.path().join(AUTHORITY_FILE)
    }

    fn start_in(place: TempDir, settings: &[&str], off: i64) -> Self {
        let programs = programs();
        let user = rustix::process::geteuid().is_root().then(a_user);
        give(&place, user);
        let data = place.path().join("data");
        let made = run(&programs.join("initdb"), user)
            .args(["--auth=trust", "--username=keyway", "--encoding=UTF8", "--no-sync", "-D"])
            .arg(&data)
            .stdout(Stdio::null())
            .status();
        assert!(made.is_ok_and(|status| status.success()), "a cluster is made");
        let port = unused_port();
        let server = serve(&programs, user, &data, port, off, settings);
        let postgres = Self { place, programs, user, port, off, server };
        postgres.wait();
        postgres.watch();
        postgres
    }

    /// Makes a database, and answers its URL.
    pub fn database(&self, name: &str) -> String {
        let made = self.psql(&format!("CREATE DATABASE {name}"));
        assert!(made, "the database {name} is made");
        self.url(name)
    }

    /// A server that follows this one, asynchronously, and answers what is only read.
    ///
    /// # Panics
    /// Where it cannot be made.
    #[must_use]
    pub fn standby(&self) -> Self {
        let place = tempfile::tempdir().expect("a directory");
        give(&place, self.user);
        let data = place.path().join("data");
        let copied = run(&self.programs.join("pg_basebackup"), self.user)
            .args(["-h", "127.0.0.1", "-U", "keyway", "-R", "-X", "stream", "-c", "fast", "-p"])
            .arg(self.port.to_string())
            .arg("-D")
            .arg(&data)
            .status();
        assert!(copied.is_ok_and(|status| status.success()), "the server is copied");
        let port = unused_port();
        let server = serve(&self.programs, self.user, &data, port, self.off, &[]);
        let programs = self.programs.clone();
        let standby = Self { place, programs, user: self.user, port, off: self.off, server };
        standby.wait();
        standby.watch();
        standby
    }

    /// From now on a standby receives nothing more.
    pub fn stop_following(&self) {
        let nobody = "ALTER SYSTEM SET primary_conninfo = ''";
        let heard = self.psql(nobody) && self.psql("SELECT pg_reload_conf()");
        assert!(heard, "the standby receives nothing more");
    }

    /// Makes a standby one that is written, with what it has.
    pub fn promote(&self) {
        assert!(self.psql("SELECT pg_promote()"), "the standby is promoted");
    }

    /// Where its database `name` is.
    pub fn url(&self, name: &str) -> String {
        format!("postgres://keyway@127.0.0.1:{}/{name}", self.port)
    }

    /// The process that all of it runs below.
    pub fn pid(&self) -> u32 {
        self.server.id()
    }

    /// Ends it as a crash would.
    pub fn kill(&mut self) {
        let data = self.place.path().join("data");
        let stopped = run(&self.programs.join("pg_ctl"), self.user)
            .args(["stop", "-m", "immediate", "-D"])
            .arg(&data)
            .stdout(Stdio::null())
            .status();
        assert!(stopped.is_ok_and(|status| status.success()), "it is stopped");
        let _ = self.server.wait();
    }

    /// Starts it again after [`Postgres::kill`].
    pub fn start_again(&mut self) {
        let data = self.place.path().join("data");
        self.server = serve(&self.programs, self.user, &data, self.port, self.off, &[]);
        self.wait();
    }

    /// Ends the server where this process ends without having dropped it, as one in a static.
    fn watch(&self) {
        let script = "while [ -d \"/proc/$1\" ] && [ -d \"$2\" ]; do sleep 0.5; done
            read -r pid < \"$2/data/postmaster.pid\" && kill -QUIT \"$pid\"; rm -rf \"$2\"";
        let watching = run(Path::new("/bin/sh"), self.user)
            .args(["-c", script, "watch", &std::process::id().to_string()])
            .arg(self.place.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        assert!(watching.is_ok(), "the server is watched");
    }

    fn wait(&self) {
        let pause = Duration::from_millis(50);
        for _ in 0..crate::PATIENCE.as_millis() / pause.as_millis() {
            if self.psql("SELECT 1") {
                return;
            }
            std::thread::sleep(pause);
        }
        panic!("PostgreSQL does not answer");
    }

    fn psql(&self, sql: &str) -> bool {
        let asked = Command::new(self.programs.join("psql"))
            .args(["-q", "-h", "127.0.0.1", "-U", "keyway", "-d", "postgres", "-c", sql, "-p"])
            .arg(self.port.to_string())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        asked.is_ok_and(|status| status.success())
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let data = self.place.path().join("data");
        let _ = run(&self.programs.join("pg_ctl"), self.user)
            .args(["stop", "-m", "immediate", "-D"])
            .arg(&data)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        let _ = self.server.wait();
    }
}

/// Makes a directory, with what is in it, the user's.
fn give(place: &TempDir, user: Option<&str>) {
    if let Some(user) = user {
        let given = Command::new("chown").arg("-R").arg(user).arg(place.path()).status();
        assert!(given.is_ok_and(|status| status.success()), "the directory goes to {user}");
    }
}

fn unused_port() -> u16 {
    let socket = TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr());
    socket.expect("a port").port()
}

fn serve(
    programs: &Path,
    user: Option<&'static str>,
    data: &Path,
    port: u16,
    off: i64,
    settings: &[&str],
) -> Child {
    let mut server = run(&programs.join("postgres"), user);
    if off != 0 {
        server.envs(faketime::variables(off));
    }
    server.arg("-D").arg(data).arg("-p").arg(port.to_string());
    let usual = ["listen_addresses=127.0.0.1", "unix_socket_directories=", "max_connections=400"];
    for setting in usual.iter().chain(settings) {
        server.args(["-c", setting]);
    }
    server.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("PostgreSQL starts")
}

/// A command, as `user` where one has to be.
fn run(program: &Path, user: Option<&'static str>) -> Command {
    let Some(user) = user else { return Command::new(program) };
    let mut command = Command::new("runuser");
    command.args(["-u", user, "--"]).arg(program).current_dir("/");
    command
}

fn a_user() -> &'static str {
    let known = |user: &&&str| {
        let asked =
            Command::new("id").arg(user).stdout(Stdio::null()).stderr(Stdio::null()).status();
        asked.is_ok_and(|status| status.success())
    };
    USERS.iter().find(known).expect("a user for PostgreSQL: postgres or nobody")
}

/// The newest server's.
fn programs() -> PathBuf {
    let versions = std::fs::read_dir(DEBIAN).into_iter().flatten().flatten();
    let mut found: Vec<(u32, PathBuf)> = versions
        .filter_map(|entry| {
            let version = entry.file_name().to_str()?.parse().ok()?;
            Some((version, entry.path().join("bin")))
        })
        .filter(|(_, programs)| programs.join("initdb").exists())
        .collect();
    found.sort();
    let on_the_path = || {
        let paths = std::env::var_os("PATH").unwrap_or_default();
        std::env::split_paths(&paths).find(|programs| programs.join("initdb").exists())
    };
    let newest = found.pop().map(|(_, programs)| programs).or_else(on_the_path);
    newest.expect("PostgreSQL is needed for this test: apt-get install postgresql")
}
