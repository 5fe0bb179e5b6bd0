//! `keyway config`: look at the configuration without starting anything.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use keyway_server::config::{self, Config};

use super::{CliError, output};

/// What is read where no file is named.
const FILE_DEFAULT: &str = "keyway.toml";
const EXAMPLES: &str = "\
Examples:
  keyway config check --config /etc/keyway.toml
  keyway config schema > keyway.schema.json    For editors; put this line first in the file:
                                               #:schema keyway.schema.json";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ConfigArgs {
    #[command(subcommand)]
    command: ConfigCommand,
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Tell every mistake in the configuration
    Check(CheckArgs),
    /// Print the configuration's JSON Schema
    Schema,
}

#[derive(Debug, Args)]
struct CheckArgs {
    /// The configuration
    #[arg(long, env = "KEYWAY_CONFIG", value_name = "FILE", default_value = FILE_DEFAULT)]
    config: PathBuf,
}

pub(crate) fn run(args: ConfigArgs) -> Result<(), CliError> {
    match args.command {
        ConfigCommand::Check(CheckArgs { config }) => check(&config),
        ConfigCommand::Schema => Ok(output::result(format_args!("{:#}", config::schema()))?),
    }
}

/// The configuration to read: the one that is named, or `keyway.toml` where there is one.
pub(crate) fn path(named: Option<&Path>) -> Option<PathBuf> {
    match named {
        Some(path) => Some(path.to_owned()),
        None => Path::new(FILE_DEFAULT).exists().then(|| FILE_DEFAULT.into()),
    }
}

fn check(path: &Path) -> Result<(), CliError> {
    let config = Config::load(path).map_err(|errors| CliError::failed(errors.to_string()))?;
    for warning in &config.warnings {
        output::remark(format_args!("warning: {warning}"));
    }
    let providers = counted(config.providers.len(), "provider");
    let models = counted(config.models.len(), "model");
    Ok(output::result(format_args!("{}: ok, {providers}, {models}", path.display()))?)
}

fn counted(count: usize, thing: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {thing}{plural}")
}
