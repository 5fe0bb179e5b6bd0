//! How far a long command is: a bar on a terminal, lines elsewhere.

use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use tokio::time::Instant;

use crate::cli::output;

const BAR: &str = "{prefix:15} {bar:32} {human_pos} of {human_len} rows, {eta} to go";
/// How often a line is written where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// The rows of one table.
pub(super) struct Progress {
    table: &'static str,
    rows: i128,
    all: i128,
    bar: Option<ProgressBar>,
    told: Instant,
}

impl Progress {
    pub(super) fn new(table: &'static str, all: i128) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new(count(all)).with_prefix(table);
            // The template is a constant that a test looks at.
            let style = ProgressStyle::with_template(BAR);
            bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
        });
        Self { table, rows: 0, all, bar, told: Instant::now() }
    }

    /// So many are there already.
    pub(super) fn at(&mut self, rows: i128) {
        self.rows = rows;
        if let Some(bar) = &self.bar {
            bar.set_position(count(rows));
            bar.reset_eta();
        }
    }

    pub(super) fn advance(&mut self, rows: usize) {
        self.rows += rows as i128;
        if let Some(bar) = &self.bar {
            bar.set_position(count(self.rows));
        } else if self.told.elapsed() >= LINE_EVERY {
            self.told = Instant::now();
            output::remark(format_args!("{}: {} of {} rows", self.table, self.rows, self.all));
        }
    }

    pub(super) fn done(&self) {
        match &self.bar {
            Some(bar) => bar.finish(),
            None => output::remark(format_args!("{}: {} rows", self.table, self.rows)),
        }
    }
}

fn count(rows: i128) -> u64 {
    u64::try_from(rows).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bar_is_one() {
        ProgressStyle::with_template(BAR).expect("a template");
    }
}
