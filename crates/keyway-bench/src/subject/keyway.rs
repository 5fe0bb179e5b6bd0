//! Keyway, with everything on: a key with an exact limit, prices, a durable store.

use std::path::Path;

use keyway_testkit::{Client, Gateway, Postgres, Setup};
use serde_json::json;
use tempfile::NamedTempFile;

use super::UPSTREAM_MODEL;
use crate::exchange::Asking;

const MODEL: &str = "bench/model";

/// What the gateway writes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Store {
    Process,
    Flush,
    Postgresql,
}

pub(crate) struct Keyway {
    gateway: Gateway,
    key: String,
    postgres: Option<Postgres>,
    /// The installation's secret, which PostgreSQL demands. Removed at the end.
    _secret: NamedTempFile,
}

impl Keyway {
    pub(crate) async fn start(binary: &Path, store: Store, provider: &str) -> Self {
        Self::start_with(binary, store, provider, "").await
    }

    /// The same, where `more` is said of the provider.
    pub(crate) async fn start_with(
        binary: &Path,
        store: Store,
        provider: &str,
        more: &str,
    ) -> Self {
        let binary = binary.to_str().expect("a path that is text");
        let secret = NamedTempFile::new().expect("a file");
        std::fs::write(secret.path(), "7".repeat(64)).expect("a secret");
        let mut setup = Setup::new(binary)
            .config(&config(store, provider, more))
            .variable("KEYWAY_LOG", "warn")
            .variable("KEYWAY_SECRET_FILE", secret.path().to_str().expect("text"));
        let mut postgres = None;
        if store == Store::Postgresql {
            let server = tokio::task::block_in_place(|| Postgres::start(&[]));
            let url = tokio::task::block_in_place(|| server.database("bench"));
            setup = setup.variable("KEYWAY_STORE_URL", &url);
            postgres = Some(server);
        }
        let gateway = setup.start().await;
        let key = json!({"name": "bench", "limit": 1_000_000});
        let (_, key) = gateway.manager().create_key(&key).await;
        Self { gateway, key, postgres, _secret: secret }
    }

    pub(crate) fn asking(&self, streamed: bool) -> Asking {
        asking(&self.authority(), &self.key, streamed)
    }

    /// `HOST:PORT`
    pub(crate) fn authority(&self) -> String {
        self.gateway.url.trim_start_matches("http://").to_owned()
    }

    /// Who may make keys.
    pub(crate) fn manager(&self) -> Client {
        self.gateway.manager()
    }

    pub(crate) fn data_dir(&self) -> &Path {
        self.gateway.data_dir()
    }

    pub(crate) fn pid(&self) -> u32 {
        self.gateway.pid()
    }

    pub(crate) fn database_pid(&self) -> Option<u32> {
        self.postgres.as_ref().map(Postgres::pid)
    }
}

/// A request to the gateway at `authority`.
pub(crate) fn asking(authority: &str, key: &str, streamed: bool) -> Asking {
    Asking::new(authority, "/api/v1/chat/completions", key, MODEL, streamed)
}

fn config(store: Store, provider: &str, more: &str) -> String {
    let durability = match store {
        Store::Process => "process",
        Store::Flush | Store::Postgresql => "flush",
    };
    format!(
        "[store]\ndurability = \"{durability}\"\n\n\
         [[providers]]\nslug = \"bench\"\ndialect = \"openai\"\n\
         base_url = \"http://{provider}/v1\"\napi_key = \"bench-credential\"\n{more}\n\
         [[models]]\nid = \"{MODEL}\"\ncontext_length = 128000\nmax_completion_tokens = 16384\n\n\
         [[models.endpoints]]\nprovider = \"bench\"\nupstream_model = \"{UPSTREAM_MODEL}\"\n\
         pricing = {{ prompt = \"0.0000025\", completion = \"0.00001\" }}\n"
    )
}
