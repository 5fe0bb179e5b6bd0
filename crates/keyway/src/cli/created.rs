//! A key string on its only way out.

use clap::Args;

use super::client::Answer;
use super::key_object::KeyObject;
use super::output::Format;
use super::{CliError, output};

/// How much is said about a new key.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct Quiet {
    /// Print the key string and nothing else
    #[arg(long, short, conflicts_with = "json")]
    quiet: bool,
}

/// Prints the new key. Standard output gets its string alone, on a line of its own.
pub(crate) fn print(
    answer: &Answer,
    Quiet { quiet }: Quiet,
    format: Format,
) -> Result<(), CliError> {
    if format == Format::Json {
        return Ok(output::result(&answer.text)?);
    }
    let string = answer.body["key"]
        .as_str()
        .ok_or_else(|| CliError::failed("the gateway's answer holds no key string"))?;
    if !quiet {
        let key = KeyObject(&answer.body["data"]);
        output::remark(format_args!("{}, hash {}.", key.text("name"), key.text("hash")));
        output::remark("This is the key. It is shown this once only; keep it now.");
    }
    Ok(output::result(string)?)
}
