//! Where the command line prints. Colours appear on terminals only, and not where `NO_COLOR` is set.

use std::fmt::Display;
use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use clap::Args;

const ERROR: Style = AnsiColor::Red.on_default().bold();

#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct FormatArgs {
    /// Print the API's JSON, for programs
    #[arg(long, global = true)]
    json: bool,
}

/// How a result is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// For people.
    Table,
    /// For programs: one document, as the API answers it.
    Json,
}

impl From<FormatArgs> for Format {
    fn from(args: FormatArgs) -> Self {
        if args.json { Self::Json } else { Self::Table }
    }
}

/// A line of the result, on standard output.
pub(crate) fn result(line: impl Display) -> io::Result<()> {
    let mut out = anstream::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}

/// A line on standard output that a gateway prints: it serves on, whether or not somebody reads.
pub(crate) fn line(text: &str) {
    let _ = block(&format!("{text}\n"));
}

/// Lines with their ends, on standard output, which somebody has to read.
pub(crate) fn block(text: &str) -> io::Result<()> {
    let mut out = anstream::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// A line for the person who looks on, on standard error. That nobody can read it stops nothing.
pub(crate) fn remark(line: impl Display) {
    let _ = writeln!(anstream::stderr(), "{line}");
}

/// A question on standard error; the answer is typed behind it.
pub(crate) fn question(text: impl Display) {
    let mut err = anstream::stderr().lock();
    let _ = write!(err, "{text} ");
    let _ = err.flush();
}

/// Why a command was not done, on standard error.
pub(crate) fn error(error: impl Display) {
    let _ = writeln!(anstream::stderr(), "{ERROR}error:{ERROR:#} {error}");
}
