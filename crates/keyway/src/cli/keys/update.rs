//! `keyway keys update`

use clap::{ArgGroup, Args};
use serde_json::{Map, Value};

use super::conduct::Conduct;
use super::show;
use crate::cli::CliError;
use crate::cli::client::Gateway;
use crate::cli::output::Format;
use crate::cli::target::{self, Collection};
use crate::cli::values::{Reset, Usd};

const USAGE: &str = "keyway keys update [OPTIONS] <HASH>";

#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
#[command(group = ArgGroup::new("change").args(Conduct::FIELDS).required(true).multiple(true), override_usage = USAGE)]
pub(crate) struct UpdateArgs {
    /// The key's hash, or its first digits
    hash: String,
    /// What people call the key
    #[arg(long, group = "change")]
    name: Option<String>,
    /// What it may spend, in USD
    #[arg(
        long,
        group = "change",
        value_name = "USD",
        allow_negative_numbers = true,
        value_parser = Usd::parse,
        conflicts_with = "no_limit"
    )]
    limit: Option<Usd>,
    /// Let it spend without a limit
    #[arg(long, group = "change")]
    no_limit: bool,
    /// How often the limit starts anew
    #[arg(long, group = "change", value_enum, value_name = "PERIOD", conflicts_with = "no_reset")]
    reset: Option<Reset>,
    /// Let the limit count all time
    #[arg(long, group = "change")]
    no_reset: bool,
    /// Refuse the key, from now on
    #[arg(long, group = "change", conflicts_with = "enable")]
    disable: bool,
    /// Accept the key again
    #[arg(long, group = "change")]
    enable: bool,
    /// Whether to count what is spent on the operator's own provider credentials
    #[arg(long, group = "change", value_name = "BOOL")]
    include_byok_in_limit: Option<bool>,
    #[command(flatten)]
    conduct: Conduct,
}

pub(crate) async fn run(
    args: UpdateArgs,
    gateway: &Gateway,
    format: Format,
) -> Result<(), CliError> {
    let path = target::path(gateway, Collection::Keys, &args.hash).await?;
    show::print(&gateway.patch(&path, &body(&args)).await?, format)
}

/// Only what changes: a field that is absent stays as it is, null takes a limit or a reset
/// away, and a rate limit back to the default.
fn body(args: &UpdateArgs) -> Value {
    let mut body = Map::new();
    if let Some(name) = &args.name {
        body.insert("name".into(), name.as_str().into());
    }
    if args.disable || args.enable {
        body.insert("disabled".into(), args.disable.into());
    }
    if args.limit.is_some() || args.no_limit {
        body.insert("limit".into(), args.limit.map_or(Value::Null, Usd::to_json));
    }
    if args.reset.is_some() || args.no_reset {
        body.insert("limit_reset".into(), args.reset.map(Reset::as_str).into());
    }
    if let Some(include) = args.include_byok_in_limit {
        body.insert("include_byok_in_limit".into(), include.into());
    }
    args.conduct.say(&mut body);
    Value::Object(body)
}
