//! The figures that Keyway has to reach, and whether it did.

use std::time::Duration;

use serde_json::{Value, json};

use crate::mebibytes;
use crate::medians::{Median, Medians};
use crate::subject::Kind;

/// One figure.
#[derive(Clone, Debug)]
pub(crate) struct Demand {
    pub(crate) what: String,
    pub(crate) bound: f64,
    pub(crate) measured: f64,
    /// Whether it is the least that is demanded; if not, the most.
    pub(crate) at_least: bool,
}

impl Demand {
    pub(crate) fn most(what: &str, bound: f64, measured: f64) -> Self {
        Self { what: what.to_owned(), bound, measured, at_least: false }
    }

    pub(crate) fn least(what: &str, bound: f64, measured: f64) -> Self {
        Self { at_least: true, ..Self::most(what, bound, measured) }
    }

    pub(crate) fn is_met(&self) -> bool {
        if self.at_least { self.measured >= self.bound } else { self.measured <= self.bound }
    }

    /// As JSON, for the file of figures.
    pub(crate) fn to_json(&self) -> Value {
        json!({
            "figure": self.what, "demanded": self.bound, "measured": self.measured,
            "is_met": self.is_met(),
        })
    }
}

/// What bounds a figure, and where it is measured.
struct Rule {
    scenario: &'static str,
    what: &'static str,
    figure: fn(&Median) -> Option<f64>,
    /// For `process`, `flush` and PostgreSQL; none where nothing is demanded.
    bounds: [Option<f64>; 3],
    at_least: bool,
}

const KEYWAY: [Kind; 3] = [Kind::Process, Kind::Flush, Kind::Postgresql];

/// `flush` is the machine's own time for what a durable charge needs at least.
pub(crate) fn demanded(medians: &Medians, flush: Duration) -> Vec<Demand> {
    let rules = rules(flush.as_secs_f64() * 1e3);
    rules.iter().flat_map(|rule| rule.apply(medians)).collect()
}

fn rules(flush: f64) -> [Rule; 7] {
    let most = |scenario, what, figure, bounds: [Option<f64>; 3]| Rule {
        scenario,
        what,
        figure,
        bounds,
        at_least: false,
    };
    let cpu = "CPU, of nginx's";
    let flushed = |most: f64| [Some(most), Some(most + 2.0 * flush), None];
    let mib = 60.0;
    [
        most("plain, 32 connections", cpu, |it| it.cpu_of_nginx, [2.0, 2.5, 3.0].map(Some)),
        most("32 streams of 50 pieces", cpu, |it| it.cpu_of_nginx, [2.5, 2.5, 3.0].map(Some)),
        Rule {
            at_least: true,
            ..most(
                "plain, 128 connections",
                "requests/s, of nginx's",
                |it| it.per_second_of_nginx,
                [Some(0.45), Some(0.45), None],
            )
        },
        most("1,000 a second", "p50 over nginx's, ms", |it| it.over_nginx_p50, flushed(0.15)),
        most(
            "1,000 a second",
            "p99, of nginx's (without the flush)",
            |it| it.p99_of_nginx,
            [Some(3.0), None, None],
        ),
        most(
            "1 stream of 50 pieces",
            "1st byte over nginx's, ms",
            |it| it.first_over_nginx,
            flushed(0.3),
        ),
        most(
            "plain, 128 connections",
            "peak memory, MiB",
            |it| Some(mebibytes(it.peak_bytes)),
            [Some(mib); 3],
        ),
    ]
}

impl Rule {
    fn apply(&self, medians: &Medians) -> Vec<Demand> {
        let of = |kind: Kind| {
            medians.0.iter().find(|it| it.scenario == self.scenario && it.kind == kind)
        };
        let bounds = KEYWAY.into_iter().zip(self.bounds);
        let demands = bounds.filter_map(|(kind, bound)| {
            let (bound, measured) = (bound?, (self.figure)(of(kind)?)?);
            let what = format!("{}: {}, {}", kind.name(), self.scenario, self.what);
            Some(Demand { what, bound, measured, at_least: self.at_least })
        });
        demands.collect()
    }
}
