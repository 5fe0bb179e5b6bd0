//! Asks before something is done that cannot be undone.

use std::fmt::Display;
use std::io::{self, IsTerminal};

use clap::Args;

use super::output;

#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct Yes {
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Confirmation {
    Given,
    Refused,
}

impl Yes {
    /// Asks the person at the terminal. Where there is none, the command itself was the decision.
    pub(crate) fn confirm(self, question: impl Display) -> Confirmation {
        if self.yes || !io::stdin().is_terminal() {
            return Confirmation::Given;
        }
        output::question(format_args!("{question} [y/N]"));
        let mut reply = String::new();
        match io::stdin().read_line(&mut reply) {
            Ok(_) if matches!(reply.trim(), "y" | "Y" | "yes") => Confirmation::Given,
            _ => Confirmation::Refused,
        }
    }
}
