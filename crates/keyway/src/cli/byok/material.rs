//! Where a credential comes from: a file, the environment, or standard input.

use std::fs;
use std::io::{self, IsTerminal, Read};
use std::path::{Path, PathBuf};

use clap::Args;
use keyway_core::secret::KeySecret;

use crate::cli::CliError;

/// More than any credential has.
const BYTES_MAX: u64 = 64 * 1024;
/// The name of standard input, as of a file.
const STANDARD_INPUT: &str = "-";

#[derive(Debug, Args)]
pub(super) struct Material {
    /// A file with the credential; `-` is standard input
    #[arg(long, value_name = "FILE", conflicts_with = "key_variable")]
    key_file: Option<PathBuf>,
    /// The environment variable that holds it
    #[arg(long, value_name = "NAME")]
    key_variable: Option<String>,
}

impl Material {
    /// What the flags are called.
    pub(super) const FIELDS: [&str; 2] = ["key_file", "key_variable"];

    /// The credential; `None` where nothing says where it is.
    pub(super) fn read(&self) -> Result<Option<KeySecret>, CliError> {
        let text = match (&self.key_file, &self.key_variable) {
            (Some(path), _) if path == Path::new(STANDARD_INPUT) => standard_input()?,
            (Some(path), _) => of_file(path)?,
            (None, Some(name)) => std::env::var(name).map_err(|_| {
                CliError::Usage(format!("the variable {name} is not set, or holds no text"))
            })?,
            (None, None) => return Ok(None),
        };
        Ok(Some(KeySecret::from_presented(text.trim())))
    }

    /// The same, from standard input where nothing is said, and somebody pipes it in.
    pub(super) fn read_or_await(&self) -> Result<KeySecret, CliError> {
        if let Some(secret) = self.read()? {
            return Ok(secret);
        }
        if io::stdin().is_terminal() {
            return Err(CliError::Usage(
                "no credential: pipe it in, or name a file with --key-file or a variable with \
                 --key-variable"
                    .into(),
            ));
        }
        Ok(KeySecret::from_presented(standard_input()?.trim()))
    }
}

fn of_file(path: &Path) -> Result<String, CliError> {
    let failed =
        |error: io::Error| CliError::failed(format!("cannot read {}: {error}", path.display()));
    bounded(fs::File::open(path).map_err(failed)?).map_err(failed)
}

fn standard_input() -> Result<String, CliError> {
    let failed =
        |error: io::Error| CliError::failed(format!("cannot read standard input: {error}"));
    bounded(io::stdin().lock()).map_err(failed)
}

fn bounded(source: impl Read) -> io::Result<String> {
    let mut text = String::new();
    source.take(BYTES_MAX).read_to_string(&mut text)?;
    Ok(text)
}
