//! Which requests are traced.

use super::context::SpanContext;

const PERCENT: f64 = 100.0;
/// What a trace's name is at most, as far as it is looked at.
const NAMES: f64 = 4_294_967_296.0;

/// A share of all traces, by their names: whoever is asked about a trace says the same.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Sampling {
    /// Whether a client that has a trace says whether it is told.
    follows_client: bool,
    share: f64,
}

impl Default for Sampling {
    fn default() -> Self {
        Self { follows_client: true, share: 1.0 }
    }
}

impl Sampling {
    /// So many of a hundred traces that begin here.
    pub(super) fn of_percent(percent: u8) -> Self {
        Self { follows_client: true, share: f64::from(percent) / PERCENT }
    }

    /// As OpenTelemetry names it, with its argument; `None` where there is none of that name.
    pub(super) fn named(name: &str, argument: Option<&str>) -> Option<Self> {
        let (name, follows_client) = match name.strip_prefix("parentbased_") {
            Some(name) => (name, true),
            None => (name, false),
        };
        let share = match name {
            "always_on" => 1.0,
            "always_off" => 0.0,
            "traceidratio" => argument.and_then(|it| it.parse().ok()).unwrap_or(1.0),
            _ => return None,
        };
        Some(Self { follows_client, share })
    }

    /// Whether `trace` is told, which `client` may have begun.
    pub(super) fn takes(self, trace: u128, client: Option<&SpanContext>) -> bool {
        match client.filter(|_| self.follows_client) {
            Some(client) => client.is_sampled,
            None => f64::from(name(trace)) < self.share * NAMES,
        }
    }
}

/// What of a trace's name tells it apart: the upper half of the lower half, as OpenTelemetry's libraries go by.
fn name(trace: u128) -> u32 {
    let [_, _, _, _, _, _, _, _, a, b, c, d, ..] = trace.to_be_bytes();
    u32::from_be_bytes([a, b, c, d])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of a thousand traces whose names are spread evenly.
    fn taken(sampling: Sampling, client: Option<&SpanContext>) -> usize {
        let names = (0..1_000_u128).map(|at| ((2 * at + 1) << 64) / 2_000);
        names.filter(|trace| sampling.takes(*trace, client)).count()
    }

    #[test]
    fn a_share_of_traces_is_taken_and_a_client_may_say_which() {
        let client = |is_sampled| SpanContext { trace: 1, span: 1, is_sampled };
        for (name, argument, alone, told, untold) in [
            ("always_on", None, 1_000, 1_000, 1_000),
            ("always_off", None, 0, 0, 0),
            ("traceidratio", Some("0.25"), 250, 250, 250),
            ("traceidratio", Some("much"), 1_000, 1_000, 1_000),
            ("parentbased_always_on", None, 1_000, 1_000, 0),
            ("parentbased_always_off", None, 0, 1_000, 0),
            ("parentbased_traceidratio", Some("0.5"), 500, 1_000, 0),
        ] {
            let sampling = Sampling::named(name, argument).expect("known");
            let counts = [None, Some(&client(true)), Some(&client(false))];
            assert_eq!(counts.map(|it| taken(sampling, it)), [alone, told, untold], "{name}");
        }
        assert_eq!(taken(Sampling::of_percent(7), None), 70);
        assert_eq!(taken(Sampling::of_percent(100), None), 1_000);
        assert_eq!(Sampling::named("xray", None), None);
    }
}
