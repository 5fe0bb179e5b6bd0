//! `keyway keys list`

use clap::Args;
use clap::builder::PossibleValuesParser;
use keyway_core::clock::Clock;
use keyway_core::store::KeySort;
use keyway_server::clock::SystemClock;

use crate::cli::client::{Gateway, encoded};
use crate::cli::key_object::KeyObject;
use crate::cli::output::Format;
use crate::cli::target::{self, Collection};
use crate::cli::{CliError, output, table};

#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// Only keys whose name or masked string contains this
    #[arg(long, visible_alias = "q", value_name = "TEXT")]
    search: Option<String>,
    /// Keys at most, up to 1000
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    limit: u32,
    /// The order
    #[arg(
        long,
        value_name = "ORDER",
        allow_hyphen_values = true,
        default_value = KeySort::Newest.as_str(),
        value_parser = PossibleValuesParser::new(KeySort::ALL.map(KeySort::as_str))
    )]
    sort: String,
    /// Continue behind the key with this hash
    #[arg(long, value_name = "HASH")]
    after: Option<String>,
    /// Disabled keys too
    #[arg(long)]
    include_disabled: bool,
    /// Expired keys too
    #[arg(long)]
    include_expired: bool,
}

pub(crate) async fn run(args: ListArgs, gateway: &Gateway, format: Format) -> Result<(), CliError> {
    let after = match &args.after {
        Some(text) => Some(target::hash(gateway, Collection::Keys, text).await?),
        None => None,
    };
    let answer = gateway.get(&path(&args, after.as_deref())).await?;
    if format == Format::Json {
        return Ok(output::result(answer.text)?);
    }
    let keys: Vec<_> =
        answer.body["data"].as_array().into_iter().flatten().map(KeyObject).collect();
    let Some(last) = keys.last() else {
        output::remark("There are no such keys. Make one with `keyway keys create --name NAME`.");
        return Ok(());
    };
    output::result(table::of_keys(&keys, SystemClock.now()))?;
    if keys.len() >= args.limit as usize {
        output::remark(format_args!("There may be more: --after {}", last.short_hash()));
    }
    Ok(())
}

fn path(args: &ListArgs, after: Option<&str>) -> String {
    let mut path = format!("{}?limit={}&sort={}", Collection::Keys.path(), args.limit, args.sort);
    if let Some(text) = &args.search {
        path.push_str("&q=");
        path.push_str(&encoded(text));
    }
    if let Some(hash) = after {
        path.push_str("&after=");
        path.push_str(hash);
    }
    if args.include_disabled {
        path.push_str("&include_disabled=true");
    }
    if args.include_expired {
        path.push_str("&include_expired=true");
    }
    path
}
