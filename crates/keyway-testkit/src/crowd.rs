//! Clients that write down what they received: many requests over several gateways with one key.

mod connections;
mod request;
mod told;

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::Instant;

pub use told::{Attempt, Outcome, Told, Why};

use self::connections::Connections;
use crate::{Random, Ticket};

/// Longer than anything that a test does to a node, so that a client gives up on nothing that comes.
const ANSWER_PATIENCE: Duration = Duration::from_secs(45);
/// Kept alive and in use at a time, for each node.
const CONNECTIONS: usize = 300;

/// What one request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ask {
    /// Completion tokens that the provider is to answer with, and to bill.
    pub tokens: u64,
    /// The `max_tokens` of the request, which is what it reserves.
    pub tokens_max: u64,
    pub streamed: bool,
    /// A stream is left once so many tokens have come.
    pub abort_after: Option<u64>,
}

impl Ask {
    /// A plain request that reserves what it costs.
    pub const fn plain(tokens: u64) -> Self {
        Self { tokens, tokens_max: tokens, streamed: false, abort_after: None }
    }
}

/// How long, and how often, a request that was refused, or not heard, is sent again.
#[derive(Clone, Copy, Debug)]
pub struct Retry {
    pub pause: Duration,
    /// Counted from the crowd's beginning.
    pub until: Duration,
    /// Whether a refusal for money is tried again too.
    pub for_money: bool,
}

type Asking = dyn Fn(&mut Random, u64) -> Ask + Send + Sync;

/// A crowd that is yet to be let loose.
#[derive(Clone)]
pub struct Crowd {
    urls: Vec<String>,
    key: String,
    first: u64,
    requests: u64,
    concurrency: usize,
    connections: usize,
    thinking: Duration,
    length: Option<Duration>,
    seed: u64,
    asking: Arc<Asking>,
    retry: Option<Retry>,
    stopped: Arc<AtomicBool>,
}

impl Crowd {
    pub fn new(urls: &[String], key: &str) -> Self {
        Self {
            urls: urls.to_vec(),
            key: key.to_owned(),
            first: 0,
            requests: u64::MAX,
            concurrency: 64,
            connections: CONNECTIONS,
            thinking: Duration::ZERO,
            length: None,
            seed: 1,
            asking: Arc::new(|_, _| Ask::plain(1)),
            retry: None,
            stopped: Arc::default(),
        }
    }

    /// So many requests, so many of them at a time.
    #[must_use]
    pub const fn requests(mut self, requests: u64, concurrency: usize) -> Self {
        self.requests = requests;
        self.concurrency = concurrency;
        self
    }

    /// The number of the first request; crowds at the same provider must not share any.
    #[must_use]
    pub const fn numbered_from(mut self, first: u64) -> Self {
        self.first = first;
        self
    }

    /// As many requests as come, so many at a time, until `length` has passed.
    #[must_use]
    pub const fn length(mut self, length: Duration, concurrency: usize) -> Self {
        self.length = Some(length);
        self.concurrency = concurrency;
        self
    }

    /// Connections to each node.
    #[must_use]
    pub const fn connections(mut self, connections: usize) -> Self {
        self.connections = connections;
        self
    }

    /// How long each client waits between two requests.
    #[must_use]
    pub const fn thinking(mut self, thinking: Duration) -> Self {
        self.thinking = thinking;
        self
    }

    /// What each request asks for, by its number and by chance.
    #[must_use]
    pub fn asking(
        mut self,
        seed: u64,
        asking: impl Fn(&mut Random, u64) -> Ask + Send + Sync + 'static,
    ) -> Self {
        self.seed = seed;
        self.asking = Arc::new(asking);
        self
    }

    #[must_use]
    pub const fn retrying(mut self, retry: Retry) -> Self {
        self.retry = Some(retry);
        self
    }

    /// Ends the crowd from outside: no request is sent any more, those under way are finished.
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }

    /// Sends all of it, and answers what was told.
    pub async fn run(&self) -> Told {
        let began = Instant::now();
        let shared = Arc::new(Shared {
            crowd: self.clone(),
            nodes: self.urls.iter().map(|url| Connections::new(url, self.connections)).collect(),
            began,
            attempts: Mutex::default(),
        });
        let room = Arc::new(Semaphore::new(self.concurrency));
        let mut clients = JoinSet::new();
        for number in self.first..self.first.saturating_add(self.requests) {
            let permit = Arc::clone(&room).acquire_owned().await.expect("it is never closed");
            if self.is_over(began) {
                break;
            }
            let shared = Arc::clone(&shared);
            clients.spawn(async move {
                shared.client(number).await;
                tokio::time::sleep(shared.crowd.thinking).await;
                drop(permit);
            });
            while let Some(ended) = clients.try_join_next() {
                ended.expect("no client panics");
            }
        }
        while let Some(ended) = clients.join_next().await {
            ended.expect("no client panics");
        }
        let attempts =
            std::mem::take(&mut *shared.attempts.lock().unwrap_or_else(PoisonError::into_inner));
        Told { attempts, began }
    }

    fn is_over(&self, began: Instant) -> bool {
        self.stopped.load(Ordering::Relaxed)
            || self.length.is_some_and(|length| began.elapsed() >= length)
    }
}

impl fmt::Debug for Crowd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Crowd").field("urls", &self.urls).finish_non_exhaustive()
    }
}

/// What all clients of a crowd share while it runs.
struct Shared {
    crowd: Crowd,
    nodes: Vec<Connections>,
    began: Instant,
    attempts: Mutex<Vec<Attempt>>,
}

impl Shared {
    /// One client: a request, and again where it was refused.
    async fn client(&self, number: u64) {
        let mut random = Random::new(self.crowd.seed).fork(number);
        let ask = (self.crowd.asking)(&mut random, number);
        let mut node = random.index(self.nodes.len());
        for attempt in 0.. {
            let ticket = Ticket { number, attempt, tokens: ask.tokens };
            let tried = self.attempt(node, ticket, ask).await;
            let again = tried.outcome.may_be_tried_again();
            let for_money = tried.outcome.is_for_money();
            self.attempts.lock().unwrap_or_else(PoisonError::into_inner).push(tried);
            let retry = self.crowd.retry.filter(|retry| again && (retry.for_money || !for_money));
            let Some(retry) = retry else { return };
            let stopped = self.crowd.stopped.load(Ordering::Relaxed);
            if stopped || self.began.elapsed() + retry.pause > retry.until {
                return;
            }
            tokio::time::sleep(retry.pause).await;
            node = random.index(self.nodes.len());
        }
    }

    async fn attempt(&self, node: usize, ticket: Ticket, ask: Ask) -> Attempt {
        let connections = &self.nodes[node];
        let _permit = connections.room().await;
        let began = Instant::now();
        let mut generation = None;
        let exchanging =
            request::exchange(connections, &self.crowd.key, ticket, ask, &mut generation);
        let outcome = exchanging.await;
        Attempt { ticket, node, ask, generation, outcome, began, ended: Instant::now() }
    }
}
