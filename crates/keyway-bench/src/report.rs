//! The table.

use std::io::{self, IsTerminal as _, Write as _};
use std::time::Duration;

use comfy_table::{Cell, Color, Table, presets};

use crate::demands::{Demand, demanded};
use crate::medians::{Median, Medians, Spread};

const HEAD: [&str; 13] = [
    "subject",
    "requests/s",
    "of nginx",
    "p50 ms",
    "p99 ms",
    "added p50",
    "added p99",
    "added 1st byte",
    "CPU ms/1,000",
    "of nginx",
    "database CPU",
    "peak MiB",
    "failed",
];

/// Prints a table for each load, and what is demanded.
pub(crate) fn print(medians: &Medians, flush: Duration) -> io::Result<()> {
    let mut out = io::stdout().lock();
    let mut scenarios: Vec<&str> = medians.0.iter().map(|it| it.scenario).collect();
    scenarios.dedup();
    for scenario in scenarios {
        let mut table = table(&HEAD);
        for median in medians.0.iter().filter(|it| it.scenario == scenario) {
            table.add_row(row(median));
        }
        writeln!(out, "\n{scenario}\n\n{table}")?;
    }
    let took = flush.as_secs_f64() * 1e3;
    writeln!(out, "\nThis machine's append of 4 KiB with fdatasync takes {took:.3} ms.")?;
    drop(out);
    verdicts(&demanded(medians, flush))
}

/// Prints what is demanded beside what was measured.
pub(crate) fn verdicts(demands: &[Demand]) -> io::Result<()> {
    let colour = io::stdout().is_terminal();
    let mut table = table(&["figure", "demanded", "measured", ""]);
    for demand in demands {
        let (word, shade) =
            if demand.is_met() { ("ok", Color::Green) } else { ("missed", Color::Red) };
        let verdict = if colour { Cell::new(word).fg(shade) } else { Cell::new(word) };
        let sign = if demand.at_least { ">=" } else { "<=" };
        let bound = format!("{sign} {}", decimals(demand.bound));
        let measured = decimals(demand.measured);
        table.add_row([Cell::new(&demand.what), Cell::new(bound), Cell::new(measured), verdict]);
    }
    writeln!(io::stdout().lock(), "\n{table}")
}

/// A count as a figure.
#[expect(clippy::cast_precision_loss, reason = "a figure for people")]
pub(crate) const fn count(count: u64) -> f64 {
    count as f64
}

fn table(head: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN).set_header(head);
    table
}

fn row(median: &Median) -> [String; 13] {
    [
        median.kind.name().to_owned(),
        spread(median.per_second, 0),
        share(median.per_second_of_nginx),
        decimals(median.p50),
        decimals(median.p99),
        optional(median.added_p50),
        optional(median.added_p99),
        optional(median.added_first),
        spread(median.cpu, 1),
        share(median.cpu_of_nginx),
        format!("{:.1}", median.database_cpu),
        (median.peak_bytes >> 20).to_string(),
        median.failed.to_string(),
    ]
}

fn spread(spread: Spread, digits: usize) -> String {
    let Spread { least, median, most } = spread;
    format!("{median:.digits$} ({least:.digits$} - {most:.digits$})")
}

fn share(share: Option<f64>) -> String {
    share.map_or_else(|| "-".to_owned(), |share| format!("{share:.2}"))
}

fn optional(figure: Option<f64>) -> String {
    figure.map_or_else(|| "-".to_owned(), decimals)
}

fn decimals(figure: f64) -> String {
    format!("{figure:.3}")
}
