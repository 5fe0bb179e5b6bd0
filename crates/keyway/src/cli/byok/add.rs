//! `keyway byok add`

use clap::Args;
use serde_json::{Map, Value};

use super::conduct::Conduct;
use super::material::Material;
use super::{PATH, credential};
use crate::cli::CliError;
use crate::cli::client::Gateway;
use crate::cli::output::Format;

#[derive(Debug, Args)]
pub(crate) struct AddArgs {
    /// The provider's slug, as `[[providers]]` or the catalogue has it
    #[arg(long, value_name = "SLUG")]
    provider: String,
    /// What people call the credential
    #[arg(long)]
    name: Option<String>,
    /// Keep it, but do not use it yet
    #[arg(long)]
    disabled: bool,
    #[command(flatten)]
    conduct: Conduct,
    #[command(flatten)]
    material: Material,
}

pub(crate) async fn run(args: AddArgs, gateway: &Gateway, format: Format) -> Result<(), CliError> {
    let mut body = Map::new();
    body.insert("provider".into(), args.provider.as_str().into());
    if let Some(name) = &args.name {
        body.insert("name".into(), name.as_str().into());
    }
    if args.disabled {
        body.insert("disabled".into(), true.into());
    }
    args.conduct.say(&mut body, gateway).await?;
    body.insert("key".into(), args.material.read_or_await()?.expose().into());
    credential::print(&gateway.post(PATH, &Value::Object(body)).await?, format)
}
