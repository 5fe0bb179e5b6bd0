//! The configuration: what `keyway.toml` may say, every mistake in it, and what it means.
//!
//! A file is refused whole, with all of its mistakes at once; each says where it stands, what is
//! wrong and what is allowed. [`description`] lists the sections and fields. Both the checks and the
//! JSON Schema are read off that one list, so that they cannot disagree. No message repeats a value,
//! unless it has the form of a name: what was mistyped may be a secret.

mod address;
mod build;
mod check;
pub(crate) mod cloud;
mod description;
mod metrics;
mod mistake;
mod offers;
mod opentelemetry;
mod pricing;
pub(crate) mod rules;
mod schema;
mod secret;
mod server;
mod standing;
mod timeouts;
mod traces;
mod traits;
mod view;

#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::time::Duration;

use keyway_core::catalogue::Model;
use keyway_core::credential::Fee;
use keyway_core::key::Terms;
use keyway_core::rate::RateLimits;
use keyway_core::secret::{KeyPrefix, KeySecret};
use keyway_providers::dialect::Dialect;
use toml::de::DeTable;

pub(crate) use self::description::TOKENS_MAX;
pub use self::metrics::MetricsConfig;
pub(crate) use self::mistake::one_line;
pub use self::mistake::{ConfigErrors, Mistake};
use self::mistake::{Place, Report};
pub use self::opentelemetry::OpenTelemetry;
pub use self::rules::base_url;
pub use self::schema::schema;
pub use self::server::{ServerConfig, ServerLimits};
pub use self::timeouts::Timeouts;
pub use self::traces::TracesConfig;
use crate::contents::Redaction;

/// Largest configuration that is read.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// How long what was said is kept, and how much of it.
const CONTENT_DAYS_DEFAULT: u32 = 30;
const CONTENT_BYTES_DEFAULT: usize = 64 * 1024;

/// What an operator decided, checked.
#[derive(Clone, Debug)]
pub struct Config {
    pub server: ServerConfig,
    pub store: StoreConfig,
    /// What all keys together may spend.
    pub budget: Terms,
    pub byok: ByokConfig,
    pub credits: CreditsConfig,
    pub content: ContentConfig,
    pub metrics: MetricsConfig,
    pub traces: TracesConfig,
    pub keys: KeysConfig,
    /// For keys that have no rate limits of their own.
    pub limits: RateLimits,
    pub routing: RoutingConfig,
    pub providers: Vec<ProviderConfig>,
    /// In the order of the file.
    pub models: Vec<Model>,
    /// The day that the models beside those of the file are of, `YYYY-MM-DD`; `None` where there are none.
    pub catalogue_day: Option<String>,
    /// What works, but should not stay as it is; one line each.
    pub warnings: Vec<String>,
}

#[derive(Clone, Debug, Default)]
pub struct StoreConfig {
    /// `postgres://…`, maybe with a password; `None` for the embedded store.
    pub url: Option<KeySecret>,
    pub durability: Durability,
}

/// What an acknowledged write survives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// A power failure: every commit is flushed to the disk.
    #[default]
    Flush,
    /// The end of the process, not that of the machine.
    Process,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ByokConfig {
    /// What is charged where the operator's own credential pays the provider.
    pub fee: Fee,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RoutingConfig {
    /// How long an endpoint may take to begin a stream before the next is asked too.
    pub hedge_after: Option<Duration>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CreditsConfig {
    /// Whether inference keys may see the installation's credits.
    pub inference_keys: bool,
}

/// What becomes of what is said in requests of keys that want it kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContentConfig {
    /// Whether keys may keep it.
    pub allowed: bool,
    pub retention_days: u32,
    /// Bytes of text of each prompt, and of each answer.
    pub bytes_max: usize,
    pub redaction: Redaction,
}

impl Default for ContentConfig {
    fn default() -> Self {
        Self {
            allowed: true,
            retention_days: CONTENT_DAYS_DEFAULT,
            bytes_max: CONTENT_BYTES_DEFAULT,
            redaction: Redaction::default(),
        }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeysConfig {
    /// What new keys begin with.
    pub prefix: KeyPrefix,
}

/// An upstream that serves models.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own in the file")]
pub struct ProviderConfig {
    pub slug: String,
    /// For people.
    pub name: String,
    pub dialect: Dialect,
    /// Without a slash at the end, without credentials, query and fragment.
    pub base_url: String,
    /// `None` sends no credential.
    pub api_key: Option<KeySecret>,
    /// Where access tokens for a service account are had; `None` is Google's server.
    pub token_url: Option<String>,
    /// Whether the name in `base_url` may lead into private networks.
    pub allow_private: bool,
    pub timeouts: Timeouts,
    /// Whether a stream that is broken off is billed up to there, and no further.
    pub abort_stops_billing: bool,
    /// Whether what it says that an answer costs is charged, where it says so.
    pub trust_provider_cost: bool,
    /// Whether it is told which trace a request belongs to.
    pub pass_traceparent: bool,
    /// Whether HTTP/2 is spoken with it where it offers that.
    pub http2: bool,
    /// Requests that it is sent at once; `None` is all.
    pub requests_max: Option<usize>,
}

impl Durability {
    fn parse(word: &str) -> Option<Self> {
        match word {
            "flush" => Some(Self::Flush),
            "process" => Some(Self::Process),
            _ => None,
        }
    }
}

impl Default for Config {
    /// What is in force where there is no file.
    fn default() -> Self {
        Self {
            server: ServerConfig::default(),
            store: StoreConfig::default(),
            budget: Terms::default(),
            byok: ByokConfig::default(),
            credits: CreditsConfig::default(),
            content: ContentConfig::default(),
            metrics: MetricsConfig::default(),
            traces: TracesConfig::default(),
            keys: KeysConfig::default(),
            limits: RateLimits::default(),
            routing: RoutingConfig::default(),
            providers: Vec::new(),
            models: Vec::new(),
            catalogue_day: None,
            warnings: Vec::new(),
        }
    }
}

impl Config {
    /// Reads the file at `path`, and what it refers to.
    pub fn load(path: &Path) -> Result<Self, ConfigErrors> {
        Self::load_with(path, &|name| std::env::var(name).ok())
    }

    /// Reads the file at `path`, with another environment than the process's.
    pub fn load_with(
        path: &Path,
        env: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, ConfigErrors> {
        let text = read(path).map_err(|problem| {
            ConfigErrors::of_file(path, &problem, "a TOML file in UTF-8 of at most 1 MiB")
        })?;
        Self::parse(&text, path, env)
    }

    /// Reads the configuration in `text`.
    ///
    /// `origin` names it in messages, and files that it refers to are looked for beside `origin`.
    /// `env` answers what an environment variable holds.
    pub fn parse(
        text: &str,
        origin: &Path,
        env: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, ConfigErrors> {
        let (document, syntax_errors) = DeTable::parse_recoverable(text);
        let mut report = Report::new(text, origin);
        for error in &syntax_errors {
            let offset = error.span().map_or(0, |span| span.start);
            report.syntax(offset, error.message());
        }
        let root = view::View::root(document.get_ref());
        check::section(&description::ROOT, root, &Place::default(), &mut report);
        let config = build::config(root, origin, env, &mut report);
        report.conclude(config)
    }
}

/// The credential that the environment variable `name` holds. An error says what is wrong with it, and
/// never what it holds.
pub(crate) fn credential(
    name: &str,
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<KeySecret, String> {
    let found = secret::read(&format!("env:{name}"), &secret::CREDENTIAL, Path::new(""), env);
    found.map(|found| found.secret).map_err(|wrong| wrong.problem)
}

/// The service account in the file at `path`. An error says what is wrong with it, and never what it holds.
pub(crate) fn account(path: &str) -> Result<KeySecret, String> {
    let found = secret::read(&format!("file:{path}"), &secret::ACCOUNT, Path::new(""), &|_| None);
    found.map(|found| found.secret).map_err(|wrong| wrong.problem)
}

fn read(path: &Path) -> Result<String, String> {
    let file = File::open(path).map_err(|error| format!("cannot be opened: {error}"))?;
    let mut bytes = Vec::new();
    let read = file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes);
    read.map_err(|error| format!("cannot be read: {error}"))?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err("is too large".to_owned());
    }
    String::from_utf8(bytes).map_err(|error| {
        let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = valid.split(|&byte| byte == b'\n').count();
        format!("is not UTF-8 in line {line}")
    })
}
