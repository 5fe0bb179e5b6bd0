//! `keyway credits`: what all keys of a running gateway together may spend.

use clap::{Args, Subcommand};
use keyway_server::entropy::random;
use serde_json::json;

use super::client::{Connection, Gateway};
use super::values::Usd;
use super::{CliError, output};

const EXAMPLES: &str = "\
Examples:
  keyway credits add 25     25 USD more, enforced from the first addition on
  keyway credits show";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct CreditsArgs {
    #[command(subcommand)]
    command: CreditsCommand,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Debug, Subcommand)]
enum CreditsCommand {
    /// Add to them
    Add {
        /// USD
        #[arg(value_parser = Usd::parse)]
        amount: Usd,
    },
    /// Show what was added, and what was spent
    Show,
}

pub(crate) async fn run(args: CreditsArgs) -> Result<(), CliError> {
    let gateway = Gateway::new(&args.connection)?;
    let answer = match args.command {
        CreditsCommand::Add { amount } => {
            // Whatever becomes of the answer: it is added once.
            let key = u64::from_be_bytes(random()).to_string();
            gateway.post_once("/credits", &json!({"amount": amount.to_json()}), &key).await?
        }
        CreditsCommand::Show => gateway.get("/credits").await?,
    };
    let data = &answer.body["data"];
    let (credits, usage) = (&data["total_credits"], &data["total_usage"]);
    Ok(output::result(format!("credits ${credits}, spent ${usage}"))?)
}
