//! `keyway byok list`

use clap::Args;

use super::PATH;
use super::credential::Credential;
use crate::cli::client::{Gateway, encoded};
use crate::cli::output::Format;
use crate::cli::{CliError, output, table};

#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// Only those of the provider with this slug
    #[arg(long, value_name = "SLUG")]
    provider: Option<String>,
    /// Credentials at most, up to 100
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=100))]
    limit: u32,
    /// Credentials to skip
    #[arg(long, value_name = "N", default_value_t = 0)]
    offset: u32,
}

pub(crate) async fn run(args: ListArgs, gateway: &Gateway, format: Format) -> Result<(), CliError> {
    let provider = args.provider.as_deref().map(|slug| format!("&provider={}", encoded(slug)));
    let provider = provider.unwrap_or_default();
    let path = format!("{PATH}?limit={}&offset={}{provider}", args.limit, args.offset);
    let answer = gateway.get(&path).await?;
    if format == Format::Json {
        return Ok(output::result(answer.text)?);
    }
    let credentials: Vec<_> =
        answer.body["data"].as_array().into_iter().flatten().map(Credential).collect();
    if credentials.is_empty() {
        output::remark(
            "There are no such credentials. Keep one with `keyway byok add --provider SLUG`.",
        );
        return Ok(());
    }
    output::result(table::of_credentials(&credentials))?;
    let shown = u64::from(args.offset) + credentials.len() as u64;
    if answer.body["total_count"].as_u64().is_some_and(|total| total > shown) {
        output::remark(format_args!("There are more: --offset {shown}"));
    }
    Ok(())
}
