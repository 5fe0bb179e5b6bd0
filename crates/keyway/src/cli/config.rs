//! `keyway config`: look at the configuration without starting anything.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use keyway_server::config::{self, Config, ConfigErrors};

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

/// The configuration that is named, or `keyway.toml` where there is one, or the defaults.
pub(crate) fn find(named: Option<&Path>) -> Result<Config, ConfigErrors> {
    find_with(named, &|name| std::env::var(name).ok())
}

/// The same, with another environment than the process's; its mistakes are printed.
pub(crate) fn load_with(
    named: Option<&Path>,
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<Config, CliError> {
    find_with(named, env).map_err(|errors| refused(&errors))
}

fn find_with(
    named: Option<&Path>,
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<Config, ConfigErrors> {
    match named.or(lying_here()) {
        Some(path) => Config::load_with(path, env),
        None => Ok(Config::default()),
    }
}

/// `keyway.toml`, where there is one.
pub(crate) fn lying_here() -> Option<&'static Path> {
    Some(Path::new(FILE_DEFAULT)).filter(|file| file.exists())
}

fn check(path: &Path) -> Result<(), CliError> {
    let config = find(Some(path)).map_err(|errors| refused(&errors))?;
    for warning in &config.warnings {
        output::remark(format_args!("warning: {warning}"));
    }
    let providers = counted(config.providers.len(), "provider");
    let models = counted(config.models.len(), "model");
    Ok(output::result(format_args!("{}: ok, {providers}, {models}", path.display()))?)
}

/// Prints the mistakes as compilers do, so that editors find the lines.
pub(crate) fn refused(errors: &ConfigErrors) -> CliError {
    output::remark(errors);
    let mistakes = counted(errors.mistakes.len(), "mistake");
    CliError::failed(format!("{} is refused: {mistakes}", errors.origin.display()))
}

fn counted(count: usize, thing: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {thing}{plural}")
}
