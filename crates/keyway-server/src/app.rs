//! The running gateway, short of its socket: what handlers may ask for.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use hashbrown::HashMap;
use keyway_core::catalogue::Catalogue;
use keyway_core::clock::{Clock, Timestamp};
use keyway_core::credential::Fee;
use keyway_core::secret::InstallationSecret;
use keyway_core::store::{Observer, Store, StoreError};
use thiserror::Error;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::Config;
use crate::contents::Contents;
use crate::http::edge::Edge;
use crate::kek::{KekError, KekSource};
use crate::keyring::Keyring;
use crate::leases::clock::StoreClock;
use crate::leases::{Memory, Node};
use crate::relay;
use crate::relay::health::Healths;
use crate::relay::meter::Meter;
use crate::relay::rates::Rates;
use crate::relay::sticky::Sticky;
use crate::relay::upstream::Upstream;
use crate::telemetry::metrics::Metrics;
use crate::telemetry::standing::Standing;
use crate::telemetry::traces::{Traces, TracesError};
use crate::vault::Vault;

pub struct App {
    /// What clients may take of this node.
    pub edge: Arc<Edge>,
    /// What is counted of what happens here.
    pub metrics: Arc<Metrics>,
    /// What is told of requests.
    pub traces: Arc<Traces>,
    pub clock: Arc<dyn Clock>,
    pub store: Arc<dyn Store>,
    pub keyring: Arc<Keyring>,
    pub vault: Arc<Vault>,
    /// What is charged where another credential than the gateway's own pays the provider.
    pub byok_fee: Fee,
    pub meter: Arc<Meter>,
    pub rates: Arc<Rates>,
    /// What is said in requests of keys that keep it.
    pub contents: Arc<Contents>,
    pub node: Arc<Node>,
    catalogue: ArcSwap<Catalogue>,
    /// Whether the configuration says what all keys together may spend; if not, credits may.
    pub has_budget: bool,
    /// How long an endpoint is waited for before the next is asked too; `None` is for as long as it takes.
    pub hedge_after: Option<Duration>,
    /// Whether inference keys may see the installation's credits.
    pub shows_credits: bool,
    /// By the provider's slug.
    pub upstreams: HashMap<String, Upstream>,
    /// How the endpoints did of late.
    pub health: Healths,
    /// Where conversations were answered.
    pub sticky: Sticky,
    /// Where clients find this gateway, without a trailing slash.
    pub public_url: String,
    pub started_at: Timestamp,
    /// Work that has to finish before the process ends.
    pub tasks: TaskTracker,
    /// The runtime of the process, beside the lanes of connections.
    pub beside: Handle,
    /// Cancelled when the grace of a shutdown is over: streams end now.
    pub cut: CancellationToken,
    /// Cancelled when nothing is in flight any more: the node gives back what it has.
    pub leave: CancellationToken,
    /// What runs as long as the node does.
    pub companions: TaskTracker,
}

/// What lies outside of the store, and without which that is of no use.
#[derive(Debug)]
pub struct Secrets {
    pub installation: InstallationSecret,
    pub kek: KekSource,
}

/// With nothing else, credentials are sealed under what is derived of it.
impl From<InstallationSecret> for Secrets {
    fn from(installation: InstallationSecret) -> Self {
        let kek = KekSource::Derived(installation.key_encryption_key());
        Self { installation, kek }
    }
}

/// Why a gateway does not start.
#[derive(Debug, Error)]
pub enum StartError {
    #[error("{0}")]
    Store(#[from] StoreError),
    #[error("{0}")]
    Kek(#[from] KekError),
    #[error("{0}")]
    Traces(#[from] TracesError),
}

/// Why another catalogue is not put in force.
#[derive(Debug, Error)]
#[error(
    "a model is at the provider \"{0}\", which this gateway was started without: start it again"
)]
pub struct UnknownProvider(String);

/// Counts, and has itself told what the store writes.
fn counting(standing: Standing) -> Arc<Metrics> {
    let store = Arc::clone(&standing.store);
    let metrics = Arc::new(Metrics::on(Some(standing)));
    if let Some(writing) = store.writing() {
        writing.observe(Arc::clone(&metrics) as Arc<dyn Observer>);
    }
    metrics
}

fn announce(catalogue: &Catalogue) {
    let (version, models) = (catalogue.version(), catalogue.models().len());
    tracing::info!(%version, models, "the catalogue is in force");
}

impl App {
    /// Settles what an earlier run left behind, and makes the gateway ready to serve.
    ///
    /// `public_url` is where clients find it unless the configuration says otherwise. `name` is this
    /// node's among those that share the store; an earlier run under it is ended.
    pub async fn start(
        config: &Config,
        store: Arc<dyn Store>,
        secrets: Secrets,
        clock: Arc<dyn Clock>,
        public_url: String,
        name: String,
    ) -> Result<Arc<Self>, StartError> {
        let started_at = clock.now();
        let (traces, export) = Traces::new(&config.traces, &name, Arc::clone(&clock))?;
        let clock = Arc::new(StoreClock::new(clock));
        let kek = secrets.kek.open(store.as_ref(), started_at).await?;
        if store.budget_set(config.budget, started_at).await? {
            tracing::info!("the installation's budget is set to what the configuration says");
        }
        if config.budget.limit.is_some() && store.credits_total().await?.is_some() {
            tracing::warn!(
                "credits were added, and are not enforced: [budget] of the configuration goes before them"
            );
        }
        let joined = store.node_join(&name, started_at).await?;
        if joined.recovered > 0 {
            tracing::warn!(
                recovered = joined.recovered,
                "an earlier run ended in the middle of answers; each is charged what was authorised"
            );
        }
        let content_key = secrets.installation.content_key();
        let prefix = config.keys.prefix.clone();
        let keyring =
            Arc::new(Keyring::new(Arc::clone(&store), secrets.installation, prefix).await?);
        // After it joined: what changes from now on it is told.
        let vault = Arc::new(Vault::open(Arc::clone(&store), kek).await?);
        let tasks = TaskTracker::new();
        let shared_clock: Arc<dyn Clock> = Arc::clone(&clock) as Arc<dyn Clock>;
        let meter =
            Meter::new(Arc::clone(&store), Arc::clone(&shared_clock), tasks.clone(), joined);
        let meter = Arc::new(meter);
        let rates = Arc::new(Rates::new(config.limits, !store.is_shared()));
        let memory = Memory {
            meter: Arc::clone(&meter),
            rates: Arc::clone(&rates),
            keyring: Arc::clone(&keyring),
            vault: Arc::clone(&vault),
        };
        let (leave, companions) = (CancellationToken::new(), TaskTracker::new());
        let edge = Arc::new(Edge::new(&config.server));
        let standing = Standing {
            edge: Arc::clone(&edge),
            spans: traces.counts(),
            meter: Arc::clone(&meter),
            store: Arc::clone(&store),
        };
        let is_counted = config.metrics.listen.is_some();
        let metrics = if is_counted { counting(standing) } else { Arc::default() };
        let kept = config.content.clone();
        let (contents, said) =
            Contents::new(Arc::clone(&store), content_key, kept, Arc::clone(&metrics));
        let contents = Arc::new(contents);
        companions.spawn(Arc::clone(&contents).write(said, leave.clone()));
        let node = Arc::new(Node::new(
            name,
            Arc::clone(&store),
            clock,
            memory,
            companions.clone(),
            joined,
        ));
        companions.spawn(Arc::clone(&node).run(leave.clone()));
        if let Some(export) = export {
            companions.spawn(export.run(leave.clone()));
        }
        companions.spawn(Arc::clone(&node).prune(config.content.retention_days, leave.clone()));
        companions.spawn(Arc::clone(&node).beat(leave.clone()));
        if store.is_shared() {
            // How many nodes share a key's limits is known from the first poll on; before that every
            // request would be refused.
            node.in_force().await?;
        }
        let catalogue = relay::catalogue::with_echo(config);
        announce(&catalogue);
        Ok(Arc::new(Self {
            metrics,
            traces: Arc::new(traces),
            edge,
            keyring,
            vault,
            byok_fee: config.byok.fee,
            meter,
            rates,
            contents,
            node,
            leave,
            companions,
            has_budget: config.budget.limit.is_some(),
            hedge_after: config.routing.hedge_after,
            shows_credits: config.credits.inference_keys,
            catalogue: ArcSwap::from_pointee(catalogue),
            upstreams: relay::upstream::connect(config, &shared_clock),
            health: Healths::default(),
            sticky: Sticky::default(),
            public_url: config.server.public_url.clone().unwrap_or(public_url),
            started_at,
            tasks,
            beside: Handle::current(),
            cut: CancellationToken::new(),
            clock: shared_clock,
            store,
        }))
    }

    /// What may be asked for now. Who asks twice may be answered differently: a request asks once.
    pub fn catalogue(&self) -> Arc<Catalogue> {
        self.catalogue.load_full()
    }

    /// Puts the models of `config` in force for requests that are admitted from now on. The providers stay
    /// those that it was started with, and models of others are refused.
    pub fn renew_catalogue(&self, config: &Config) -> Result<(), UnknownProvider> {
        let catalogue = relay::catalogue::with_echo(config);
        let endpoints = catalogue.models().iter().flat_map(|model| &model.endpoints);
        let mut unknown = endpoints.filter(|it| !self.upstreams.contains_key(&it.provider));
        if let Some(endpoint) = unknown.next() {
            return Err(UnknownProvider(endpoint.provider.clone()));
        }
        announce(&catalogue);
        self.catalogue.store(Arc::new(catalogue));
        Ok(())
    }

    /// Whether all keys together may spend no more than something.
    pub fn is_budgeted(&self) -> bool {
        self.meter.is_budgeted()
    }

    /// The name for people of the provider with this slug, which may be gone from the configuration.
    pub fn provider_name(&self, slug: &str) -> String {
        self.upstreams.get(slug).map_or_else(|| slug.to_owned(), |upstream| upstream.name.clone())
    }

    /// Gives back what this node has of budgets. To be called when nothing is in flight any more.
    pub async fn leave(&self) {
        self.leave.cancel();
        self.companions.close();
        self.companions.wait().await;
    }
}

impl fmt::Debug for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("App").field("public_url", &self.public_url).finish_non_exhaustive()
    }
}
