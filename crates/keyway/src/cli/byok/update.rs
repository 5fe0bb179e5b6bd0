//! `keyway byok update`

use clap::{ArgGroup, Args};
use serde_json::{Map, Value};

use super::conduct::Conduct;
use super::credential;
use super::material::Material;
use crate::cli::CliError;
use crate::cli::client::Gateway;
use crate::cli::output::Format;

const USAGE: &str = "keyway byok update [OPTIONS] <ID>";

#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
#[command(
    group = ArgGroup::new("change").args(Conduct::FIELDS).args(Material::FIELDS).required(true).multiple(true),
    override_usage = USAGE
)]
pub(crate) struct UpdateArgs {
    /// The credential's id
    id: String,
    /// What people call the credential; an empty text takes the name away
    #[arg(long, group = "change")]
    name: Option<String>,
    /// Do not use it, from now on
    #[arg(long, group = "change", conflicts_with = "enable")]
    disable: bool,
    /// Use it again
    #[arg(long, group = "change")]
    enable: bool,
    /// Use it for every model
    #[arg(long, group = "change", conflicts_with = "models")]
    any_model: bool,
    /// Let every inference key use it
    #[arg(long, group = "change", conflicts_with = "keys")]
    any_key: bool,
    /// Let everybody use it
    #[arg(long, group = "change", conflicts_with = "users")]
    any_user: bool,
    #[command(flatten)]
    conduct: Conduct,
    #[command(flatten)]
    material: Material,
}

pub(crate) async fn run(
    args: UpdateArgs,
    gateway: &Gateway,
    format: Format,
) -> Result<(), CliError> {
    let path = super::path(&args.id)?;
    let mut body = Map::new();
    if let Some(name) = &args.name {
        body.insert("name".into(), name.as_str().into());
    }
    if args.disable || args.enable {
        body.insert("disabled".into(), args.disable.into());
    }
    for (field, any) in [
        ("allowed_models", args.any_model),
        ("allowed_api_key_hashes", args.any_key),
        ("allowed_user_ids", args.any_user),
    ] {
        if any {
            body.insert(field.into(), Value::Null);
        }
    }
    args.conduct.say(&mut body, gateway).await?;
    if let Some(secret) = args.material.read()? {
        body.insert("key".into(), secret.expose().into());
    }
    credential::print(&gateway.patch(&path, &Value::Object(body)).await?, format)
}
