//! `keyway catalogue show`: which models and prices a start would put in force.

use std::collections::BTreeSet;
use std::path::PathBuf;

use clap::Args;
use keyway_core::catalogue::Model;
use keyway_server::catalogue::{Edition, Source};
use keyway_server::relay::catalogue::with_echo;

use crate::cli::changes::{SourceError, Sources};
use crate::cli::{CliError, config, output};

#[derive(Debug, Args)]
pub(super) struct ShowArgs {
    /// The gateway's data directory
    #[arg(long, env = "KEYWAY_DATA_DIR", value_name = "DIR", default_value = "./keyway-data")]
    data_dir: PathBuf,
    /// The configuration [default: keyway.toml in the working directory, where there is one]
    #[arg(long, env = "KEYWAY_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
}

pub(super) fn run(args: &ShowArgs) -> Result<(), CliError> {
    let sources = Sources::new(args.config.as_deref(), &args.data_dir);
    let (config, edition) = sources.read(&Edition::built_in()).map_err(|error| match error {
        SourceError::Config(errors) => config::refused(&errors),
        SourceError::Catalogue(error) => CliError::failed(error.to_string()),
    })?;
    let place = edition.path().map_or("built in".to_owned(), |path| path.display().to_string());
    let models = edition.models();
    output::result(format_args!("data      {}, {place}", edition.head().day))?;
    for source in &edition.head().sources {
        output::result(format_args!("source    {}", words(source)))?;
    }
    output::result(format_args!("models    {}", counted(models.iter())))?;
    let catalogue = with_echo(&config);
    output::result(format_args!("version   {}", catalogue.version()))?;
    let offered = counted(catalogue.models().iter().map(AsRef::as_ref));
    Ok(output::result(format_args!("in force  {offered}, by configuration and environment"))?)
}

fn counted<'a>(models: impl ExactSizeIterator<Item = &'a Model>) -> String {
    let count = models.len();
    let endpoints = models.flat_map(|model| &model.endpoints);
    let providers: BTreeSet<&str> = endpoints.map(|it| it.provider.as_str()).collect();
    format!("{count} at {} providers", providers.len())
}

fn words(source: &Source) -> String {
    let Source { package, version, file, date } = source;
    let words = [Some(package), version.as_ref()].into_iter().flatten();
    let words = words.map(String::as_str).collect::<Vec<_>>().join(" ");
    let details: Vec<&str> = [file, date].into_iter().filter_map(Option::as_deref).collect();
    if details.is_empty() { words } else { format!("{words} ({})", details.join(", ")) }
}
