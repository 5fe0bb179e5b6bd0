//! `keyway keys create`

use clap::Args;
use serde_json::{Map, Value};

use super::conduct::Conduct;
use crate::cli::CliError;
use crate::cli::client::Gateway;
use crate::cli::created::{self, Quiet};
use crate::cli::output::Format;
use crate::cli::target::Collection;
use crate::cli::values::{Reset, Usd, moment};

#[derive(Debug, Args)]
pub(crate) struct CreateArgs {
    /// What people call the key
    #[arg(long)]
    name: String,
    /// What it may spend, in USD; unlimited where absent
    #[arg(long, value_name = "USD", allow_negative_numbers = true, value_parser = Usd::parse)]
    limit: Option<Usd>,
    /// How often the limit starts anew; never where absent
    #[arg(long, value_enum, value_name = "PERIOD")]
    reset: Option<Reset>,
    /// When the key ends, in UTC, such as 2027-12-31T23:59:59Z
    #[arg(long, value_name = "TIME", value_parser = moment)]
    expires_at: Option<String>,
    /// Count what is spent on the operator's own provider credentials too
    #[arg(long)]
    include_byok_in_limit: bool,
    #[command(flatten)]
    conduct: Conduct,
    /// Repeating the command with the same text within a day makes no second key
    #[arg(long, value_name = "TEXT")]
    idempotency_key: Option<String>,
    #[command(flatten)]
    quiet: Quiet,
}

pub(crate) async fn run(
    args: CreateArgs,
    gateway: &Gateway,
    format: Format,
) -> Result<(), CliError> {
    let body = body(&args);
    let path = Collection::Keys.path();
    let answer = match &args.idempotency_key {
        Some(key) => gateway.post_once(path, &body, key).await?,
        None => gateway.post(path, &body).await?,
    };
    created::print(&answer, args.quiet, format)
}

fn body(args: &CreateArgs) -> Value {
    let mut body = Map::new();
    body.insert("name".into(), args.name.as_str().into());
    if let Some(limit) = args.limit {
        body.insert("limit".into(), limit.to_json());
    }
    if let Some(reset) = args.reset {
        body.insert("limit_reset".into(), reset.as_str().into());
    }
    if let Some(expires_at) = &args.expires_at {
        body.insert("expires_at".into(), expires_at.as_str().into());
    }
    if args.include_byok_in_limit {
        body.insert("include_byok_in_limit".into(), true.into());
    }
    args.conduct.say(&mut body);
    Value::Object(body)
}
