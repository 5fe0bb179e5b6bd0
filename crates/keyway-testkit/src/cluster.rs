//! Several gateways, and everything that can happen to them.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::Signal;
use tempfile::TempDir;
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::faketime;
use crate::port::free_port;
use crate::{Client, Gateway, MANAGEMENT_KEY, Mode, Proxy, Setup, Stopped};

/// How long a node that does not come up is started again: its database may be out of reach.
const RESTART_PATIENCE: Duration = Duration::from_mins(1);
/// As whatever watches over a process pauses before it starts it again.
const RESTART_PAUSE: Duration = Duration::from_millis(100);

/// What a cluster is made of.
#[derive(Clone, Debug)]
pub struct Plan<'a> {
    /// `env!("CARGO_BIN_EXE_keyway")`, which only the binary's own tests know.
    pub binary: &'a str,
    pub nodes: usize,
    /// The `keyway.toml` of each.
    pub config: &'a str,
    /// The PostgreSQL that they share; without one each has a SQLite of its own.
    pub store_url: Option<&'a str>,
    /// Whether a faulty network stands between each node and the database.
    pub proxied: bool,
    /// By how many seconds each node's clock is off; those that are not named go right.
    pub clocks: &'a [i64],
}

/// Running gateways, each on a port that it keeps. Killed when dropped.
#[derive(Debug)]
pub struct Cluster {
    nodes: Vec<Node>,
    /// Holds the secret that the nodes share.
    #[expect(dead_code, reason = "held for its destructor")]
    secret: TempDir,
}

#[derive(Debug)]
struct Node {
    url: String,
    /// `None` while it is being changed from one into the other.
    state: Mutex<Option<State>>,
    proxy: Option<Proxy>,
}

#[derive(Debug)]
enum State {
    Running(Box<Gateway>),
    Dead(Stopped),
}

impl Cluster {
    pub async fn start(plan: &Plan<'_>) -> Self {
        let secret = tempfile::tempdir().expect("a directory");
        let file = secret.path().join("secret.key");
        std::fs::write(&file, "5e".repeat(32)).expect("a secret");
        let nodes = (0..plan.nodes).map(|number| Node::start(plan, number, &file));
        let nodes = futures_util::future::join_all(nodes).await;
        Self { nodes, secret }
    }

    pub fn urls(&self) -> Vec<String> {
        self.nodes.iter().map(|node| node.url.clone()).collect()
    }

    pub const fn count(&self) -> usize {
        self.nodes.len()
    }

    /// A client of one node that presents `key`.
    pub fn client(&self, node: usize, key: &str) -> Client {
        Client::new(&self.nodes[node].url, Some(key))
    }

    /// A client of one node with the management key of the tests.
    pub fn manager(&self, node: usize) -> Client {
        self.client(node, MANAGEMENT_KEY)
    }

    /// `kill -9`; nothing where it is dead already.
    pub async fn kill(&self, node: usize) {
        let mut state = self.nodes[node].state.lock().await;
        *state = match state.take() {
            Some(State::Running(gateway)) => Some(State::Dead(gateway.kill().await)),
            other => other,
        };
    }

    /// SIGTERM, and waits until it is gone; nothing where it is dead already.
    pub async fn terminate(&self, node: usize) {
        let mut state = self.nodes[node].state.lock().await;
        *state = match state.take() {
            Some(State::Running(gateway)) => Some(State::Dead(gateway.terminate().await)),
            other => other,
        };
    }

    /// Starts a dead node again on the same port, as often as it takes.
    ///
    /// # Panics
    /// Where it never comes up.
    pub async fn restart(&self, node: usize) {
        let mut state = self.nodes[node].state.lock().await;
        let mut stopped = match state.take() {
            Some(State::Dead(stopped)) => stopped,
            other => {
                *state = other;
                return;
            }
        };
        let until = Instant::now() + RESTART_PATIENCE;
        while Instant::now() < until {
            stopped = match stopped.try_start().await {
                Ok(gateway) => {
                    *state = Some(State::Running(Box::new(gateway)));
                    return;
                }
                Err(again) => again,
            };
            tokio::time::sleep(RESTART_PAUSE).await;
        }
        panic!("node {node} does not come up:\n{}", stopped.log());
    }

    /// SIGSTOP: the node does nothing any more, and its connections stay open.
    pub async fn pause(&self, node: usize) {
        self.signal(node, Signal::STOP).await;
    }

    /// SIGCONT: the node goes on as if nothing had happened.
    pub async fn resume(&self, node: usize) {
        self.signal(node, Signal::CONT).await;
    }

    /// Changes the network between a node and its database.
    ///
    /// # Panics
    /// Where the plan had no network.
    pub fn partition(&self, node: usize, mode: Mode) {
        self.nodes[node].proxy.as_ref().expect("a proxied cluster").set(mode);
    }

    /// Makes everything well: networks pass, paused nodes go on, dead ones are started.
    pub async fn heal(&self) {
        for node in &self.nodes {
            if let Some(proxy) = &node.proxy {
                proxy.set(Mode::Pass);
            }
        }
        let healing = (0..self.count()).map(|node| async move {
            self.resume(node).await;
            self.restart(node).await;
        });
        futures_util::future::join_all(healing).await;
    }

    /// Where a node keeps its files: its books, where they are not shared.
    pub async fn data_dir(&self, node: usize) -> PathBuf {
        match &*self.nodes[node].state.lock().await {
            Some(State::Running(gateway)) => gateway.data_dir().to_owned(),
            Some(State::Dead(stopped)) => stopped.data_dir().to_owned(),
            None => PathBuf::new(),
        }
    }

    /// Everything that a node and its earlier runs logged.
    pub async fn log(&self, node: usize) -> String {
        match &*self.nodes[node].state.lock().await {
            Some(State::Running(gateway)) => gateway.log(),
            Some(State::Dead(stopped)) => stopped.log(),
            None => String::new(),
        }
    }

    async fn signal(&self, node: usize, signal: Signal) {
        if let Some(State::Running(gateway)) = &*self.nodes[node].state.lock().await {
            gateway.signal(signal);
        }
    }
}

impl Node {
    async fn start(plan: &Plan<'_>, number: usize, secret: &Path) -> Self {
        let secret = secret.to_str().expect("UTF-8");
        let mut setup = Setup::new(plan.binary)
            .config(plan.config)
            .port(free_port())
            .variable("KEYWAY_LOG", "info")
            .variable("KEYWAY_NODE_NAME", &format!("node-{number}"))
            .variable("KEYWAY_SECRET_FILE", secret);
        let off = plan.clocks.get(number).copied().unwrap_or(0);
        if off != 0 {
            for (name, value) in faketime::variables(off) {
                setup = setup.variable(name, &value);
            }
        }
        let mut proxy = None;
        if let Some(url) = plan.store_url {
            let mut url = url.to_owned();
            if plan.proxied {
                let (before, through) = proxied(&url).await;
                (proxy, url) = (Some(before), through);
            }
            setup = setup.variable("KEYWAY_STORE_URL", &url);
        }
        let gateway = setup.start().await;
        let url = gateway.url.clone();
        Self { url, state: Mutex::new(Some(State::Running(Box::new(gateway)))), proxy }
    }
}

/// A network before the server of `url`, and the URL by which it is reached through it.
async fn proxied(url: &str) -> (Proxy, String) {
    let (before, rest) = url.split_once("://").expect("a URL");
    let (authority, path) = rest.split_once('/').expect("a database");
    let (user, server) = authority.rsplit_once('@').expect("a user");
    let target: SocketAddr = server.parse().expect("an address and a port");
    let proxy = Proxy::start(target).await;
    let url = format!("{before}://{user}@{}/{path}", proxy.address());
    (proxy, url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_network_stands_before_the_server_of_a_url() {
        let (proxy, url) = proxied("postgres://keyway@127.0.0.1:5432/books?a=b").await;
        let address = proxy.address();
        assert_eq!(url, format!("postgres://keyway@{address}/books?a=b"));
    }
}
