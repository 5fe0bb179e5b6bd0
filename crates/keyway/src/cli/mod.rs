//! The command line: what may be asked for, and who does it.
//!
//! Results go to standard output and nothing else does, so that it can be captured; remarks and
//! errors go to standard error. Exit codes: 0 done, 1 failed, 2 asked for wrongly.

mod bootstrap;
mod byok;
mod catalogue;
mod changes;
mod client;
mod config;
mod confirm;
mod created;
mod credentials;
mod credits;
mod installation;
mod key_object;
mod keys;
mod management_keys;
mod output;
mod serve;
mod store;
mod table;
mod target;
mod values;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use thiserror::Error;

const LISTEN_DEFAULT: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 8787);
const EXAMPLES: &str = "\
Examples:
  keyway                                    Start a gateway on http://127.0.0.1:8787
  keyway --listen 0.0.0.0:8787              ... for other machines too
  keyway config check                       Look for mistakes in keyway.toml
  export KEYWAY_MANAGEMENT_KEY=sk-or-v1-... The key that the first start prints
  keyway keys create --name ci --limit 5    Make a key that may spend 5 USD
  keyway keys list";

/// A self-hosted LLM gateway that speaks OpenRouter's API.
///
/// Without a command it serves, as `keyway serve` does.
#[derive(Debug, Parser)]
#[command(
    name = "keyway",
    version,
    after_help = EXAMPLES,
    args_conflicts_with_subcommands = true
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: ServeArgs,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Start the gateway
    Serve(ServeArgs),
    /// Make, change and end inference keys of a running gateway
    Keys(keys::KeysArgs),
    /// Make and revoke the keys that manage a gateway
    ManagementKeys(management_keys::ManagementKeysArgs),
    /// Keep credentials that you have with providers in a running gateway
    Byok(byok::ByokArgs),
    /// What all keys of a running gateway together may spend
    Credits(credits::CreditsArgs),
    /// Look after what providers' credentials are sealed under
    Credentials(credentials::CredentialsArgs),
    /// Move an installation into another store
    Store(store::StoreArgs),
    /// Look at models and prices, and put newer ones in force
    Catalogue(catalogue::CatalogueArgs),
    /// Look at the configuration
    Config(config::ConfigArgs),
}

/// How to serve.
#[derive(Clone, Debug, Args)]
pub(crate) struct ServeArgs {
    /// Address and port to listen on; port 0 takes a free one
    #[arg(long, env = "KEYWAY_LISTEN", value_name = "ADDR", default_value_t = LISTEN_DEFAULT)]
    pub(crate) listen: SocketAddr,
    /// Where keys, charges and the installation's secret are kept
    #[arg(long, env = "KEYWAY_DATA_DIR", value_name = "DIR", default_value = "./keyway-data")]
    pub(crate) data_dir: PathBuf,
    /// The configuration [default: keyway.toml in the working directory, where there is one]
    #[arg(long, env = "KEYWAY_CONFIG", value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// PostgreSQL in place of the embedded store, for several nodes: postgres://user@host/database
    #[arg(long, env = "KEYWAY_STORE_URL", value_name = "URL", hide_env_values = true)]
    pub(crate) store_url: Option<String>,
    /// This node's name among those that share the store; a start under it ends its earlier run
    /// [default: a random one]
    #[arg(long, env = "KEYWAY_NODE_NAME", value_name = "NAME")]
    pub(crate) node_name: Option<String>,
}

/// Why a command was not done.
#[derive(Debug, Error)]
pub(crate) enum CliError {
    /// What was asked for cannot be.
    #[error("{0}")]
    Usage(String),
    #[error("{0}")]
    Failed(String),
    #[error("cannot write the result: {0}")]
    Output(#[from] io::Error),
}

impl CliError {
    pub(crate) fn failed(message: impl Into<String>) -> Self {
        Self::Failed(message.into())
    }
}

/// Does what the command line says.
pub(crate) async fn run(cli: Cli) -> ExitCode {
    let done = match cli.command.unwrap_or(Command::Serve(cli.serve)) {
        Command::Serve(args) => serve::run(args).await,
        Command::Keys(args) => keys::run(args).await,
        Command::ManagementKeys(args) => management_keys::run(args).await,
        Command::Byok(args) => byok::run(args).await,
        Command::Credits(args) => credits::run(args).await,
        Command::Credentials(args) => credentials::run(args).await,
        Command::Store(args) => store::run(args).await,
        Command::Catalogue(args) => catalogue::run(args).await,
        Command::Config(args) => config::run(args),
    };
    let Err(error) = done else { return ExitCode::SUCCESS };
    match &error {
        // Whoever read the output has gone, as `head` does; there is nothing to tell and nobody.
        CliError::Output(cause) if cause.kind() == io::ErrorKind::BrokenPipe => {}
        _ => output::error(&error),
    }
    match error {
        CliError::Usage(_) => ExitCode::from(2),
        CliError::Failed(_) | CliError::Output(_) => ExitCode::FAILURE,
    }
}
