//! The running gateway, short of its socket: what handlers may ask for.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use keyway_core::catalogue::Catalogue;
use keyway_core::clock::{Clock, Timestamp};
use keyway_core::secret::InstallationSecret;
use keyway_core::store::{Store, StoreError};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::Config;
use crate::keyring::Keyring;
use crate::relay;
use crate::relay::meter::Meter;
use crate::relay::upstream::Upstream;

pub struct App {
    pub clock: Arc<dyn Clock>,
    pub store: Arc<dyn Store>,
    pub keyring: Keyring,
    pub meter: Arc<Meter>,
    /// Held by whoever changes a key, from before the store has the change until it is in force:
    /// two changes take effect in the order in which the store has them.
    pub key_changes: tokio::sync::Mutex<()>,
    pub catalogue: Catalogue,
    /// By the provider's slug.
    pub upstreams: HashMap<String, Upstream>,
    /// Where clients find this gateway, without a trailing slash.
    pub public_url: String,
    pub started_at: Timestamp,
    /// Work that has to finish before the process ends.
    pub tasks: TaskTracker,
    /// Cancelled when the grace of a shutdown is over: streams end now.
    pub cut: CancellationToken,
}

impl App {
    /// Settles what an earlier run left behind, and makes the gateway ready to serve.
    ///
    /// `public_url` is where clients find it unless the configuration says otherwise.
    pub async fn start(
        config: &Config,
        store: Arc<dyn Store>,
        secret: InstallationSecret,
        clock: Arc<dyn Clock>,
        public_url: String,
    ) -> Result<Arc<Self>, StoreError> {
        let started_at = clock.now();
        let recovered = store.recover(started_at).await?;
        if recovered > 0 {
            tracing::warn!(
                recovered,
                "an earlier run ended in the middle of answers; each is charged what was authorised"
            );
        }
        let prefix = config.keys.prefix.clone();
        let keyring = Keyring::new(Arc::clone(&store), secret, prefix).await?;
        let tasks = TaskTracker::new();
        let meter = Meter::new(Arc::clone(&store), Arc::clone(&clock), tasks.clone());
        Ok(Arc::new(Self {
            keyring,
            meter: Arc::new(meter),
            key_changes: tokio::sync::Mutex::new(()),
            catalogue: relay::catalogue::with_echo(config),
            upstreams: relay::upstream::connect(config),
            public_url: config.server.public_url.clone().unwrap_or(public_url),
            started_at,
            tasks,
            cut: CancellationToken::new(),
            clock,
            store,
        }))
    }
}

impl fmt::Debug for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("App").field("public_url", &self.public_url).finish_non_exhaustive()
    }
}
