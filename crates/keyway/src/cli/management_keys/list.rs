//! `keyway management-keys list`

use keyway_core::clock::Clock;
use keyway_server::clock::SystemClock;

use crate::cli::client::Gateway;
use crate::cli::key_object::KeyObject;
use crate::cli::output::Format;
use crate::cli::target::Collection;
use crate::cli::{CliError, output, table};

pub(crate) async fn run(gateway: &Gateway, format: Format) -> Result<(), CliError> {
    let answer = gateway.get(Collection::ManagementKeys.path()).await?;
    if format == Format::Json {
        return Ok(output::result(answer.text)?);
    }
    let keys: Vec<_> =
        answer.body["data"].as_array().into_iter().flatten().map(KeyObject).collect();
    Ok(output::result(table::of_management_keys(&keys, SystemClock.now()))?)
}
