//! One load on one subject: what the clients were told, and what it cost.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use crate::scenario::Scenario;
use crate::subject::{Kind, Subject};
use crate::tally::{Tally, millis};

/// Before each measurement, as a share of its length: connections are opened and leases taken.
const WARMING_SHARE: u32 = 5;

/// The figures of one load on one subject in one round. Times are milliseconds.
#[derive(Clone, Debug)]
pub(crate) struct Figures {
    pub(crate) round: usize,
    pub(crate) scenario: &'static str,
    pub(crate) kind: Kind,
    pub(crate) answered: u64,
    pub(crate) failed: u64,
    pub(crate) per_second: f64,
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    pub(crate) first_p50: f64,
    pub(crate) first_p99: f64,
    /// Of processors, for a thousand requests, in milliseconds: the subject's, and its database's.
    pub(crate) cpu: f64,
    pub(crate) database_cpu: f64,
    pub(crate) peak_bytes: u64,
}

pub(crate) async fn measure(
    subject: &Subject,
    scenario: Scenario,
    round: usize,
    length: Duration,
) -> Figures {
    let asking = Arc::new(subject.asking(scenario.streamed));
    scenario.load.run(&asking, length / WARMING_SHARE).await;
    let before = (subject.used().cpu, subject.database_used().cpu);
    let tally = scenario.load.run(&asking, length).await;
    let used = subject.used();
    let database = subject.database_used().cpu;
    Figures {
        cpu: for_a_thousand(used.cpu.saturating_sub(before.0), &tally),
        database_cpu: for_a_thousand(database.saturating_sub(before.1), &tally),
        peak_bytes: used.peak_bytes,
        ..Figures::told(subject.kind, scenario.name, round, &tally)
    }
}

#[expect(clippy::cast_precision_loss, reason = "a figure for people")]
fn for_a_thousand(cpu: Duration, tally: &Tally) -> f64 {
    cpu.as_secs_f64() * 1e6 / (tally.answered.max(1) as f64)
}

impl Figures {
    fn told(kind: Kind, scenario: &'static str, round: usize, tally: &Tally) -> Self {
        Self {
            round,
            scenario,
            kind,
            answered: tally.answered,
            failed: tally.refused + tally.broken,
            per_second: tally.per_second(),
            p50: millis(&tally.whole, 0.5),
            p99: millis(&tally.whole, 0.99),
            first_p50: millis(&tally.first, 0.5),
            first_p99: millis(&tally.first, 0.99),
            cpu: 0.0,
            database_cpu: 0.0,
            peak_bytes: 0,
        }
    }

    pub(crate) fn to_json(&self) -> Value {
        json!({
            "round": self.round, "load": self.scenario, "subject": self.kind.name(),
            "answered": self.answered, "failed": self.failed, "per_second": self.per_second,
            "p50_ms": self.p50, "p99_ms": self.p99,
            "first_byte_p50_ms": self.first_p50, "first_byte_p99_ms": self.first_p99,
            "cpu_ms_per_1000": self.cpu, "database_cpu_ms_per_1000": self.database_cpu,
            "peak_bytes": self.peak_bytes,
        })
    }
}
