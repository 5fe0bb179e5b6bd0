//! Medians over the rounds, and ratios within each.

use crate::measure::Figures;
use crate::subject::Kind;

/// One subject under one load. Ratios and differences are made within a round, against who was measured
/// beside it, before their medians are taken; `None` where nobody was.
#[derive(Clone, Debug)]
pub(crate) struct Median {
    pub(crate) scenario: &'static str,
    pub(crate) kind: Kind,
    pub(crate) failed: u64,
    pub(crate) per_second: Spread,
    pub(crate) per_second_of_nginx: Option<f64>,
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    pub(crate) added_p50: Option<f64>,
    pub(crate) added_p99: Option<f64>,
    pub(crate) over_nginx_p50: Option<f64>,
    pub(crate) p99_of_nginx: Option<f64>,
    pub(crate) added_first: Option<f64>,
    pub(crate) first_over_nginx: Option<f64>,
    pub(crate) cpu: Spread,
    pub(crate) cpu_of_nginx: Option<f64>,
    pub(crate) database_cpu: f64,
    pub(crate) peak_bytes: u64,
}

/// A median between the least and the most.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spread {
    pub(crate) least: f64,
    pub(crate) median: f64,
    pub(crate) most: f64,
}

#[derive(Debug)]
pub(crate) struct Medians(pub(crate) Vec<Median>);

impl Medians {
    pub(crate) fn of(measured: &[Figures]) -> Self {
        let mut seen: Vec<(&'static str, Kind)> = Vec::new();
        for figures in measured {
            let place = (figures.scenario, figures.kind);
            if !seen.contains(&place) {
                seen.push(place);
            }
        }
        Self(seen.into_iter().map(|(scenario, kind)| median(measured, scenario, kind)).collect())
    }
}

fn median(measured: &[Figures], scenario: &'static str, kind: Kind) -> Median {
    let own: Vec<&Figures> =
        measured.iter().filter(|it| it.scenario == scenario && it.kind == kind).collect();
    let all = |figure: fn(&Figures) -> f64| spread(own.iter().map(|it| figure(it)).collect());
    let beside = |other: Kind, compare: fn(&Figures, &Figures) -> f64| {
        let pairs = own.iter().filter_map(|it| {
            let same = |peer: &&Figures| {
                peer.scenario == scenario && peer.kind == other && peer.round == it.round
            };
            Some(compare(it, measured.iter().find(same)?))
        });
        let compared: Vec<f64> = pairs.collect();
        (!compared.is_empty()).then(|| spread(compared).median)
    };
    Median {
        scenario,
        kind,
        failed: own.iter().map(|it| it.failed).sum(),
        per_second: all(|it| it.per_second),
        per_second_of_nginx: beside(Kind::Nginx, |it, peer| it.per_second / peer.per_second),
        p50: all(|it| it.p50).median,
        p99: all(|it| it.p99).median,
        added_p50: beside(Kind::Direct, |it, peer| it.p50 - peer.p50),
        added_p99: beside(Kind::Direct, |it, peer| it.p99 - peer.p99),
        over_nginx_p50: beside(Kind::Nginx, |it, peer| it.p50 - peer.p50),
        p99_of_nginx: beside(Kind::Nginx, |it, peer| it.p99 / peer.p99),
        added_first: beside(Kind::Direct, |it, peer| it.first_p50 - peer.first_p50),
        first_over_nginx: beside(Kind::Nginx, |it, peer| it.first_p50 - peer.first_p50),
        cpu: all(|it| it.cpu),
        cpu_of_nginx: beside(Kind::Nginx, |it, peer| it.cpu / peer.cpu),
        database_cpu: all(|it| it.database_cpu).median,
        peak_bytes: own.iter().map(|it| it.peak_bytes).max().unwrap_or(0),
    }
}

fn spread(mut figures: Vec<f64>) -> Spread {
    figures.sort_unstable_by(f64::total_cmp);
    let at = |index: usize| figures.get(index).copied().unwrap_or(f64::NAN);
    let last = figures.len().saturating_sub(1);
    Spread { least: at(0), median: at(figures.len() / 2), most: at(last) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(round: usize, kind: Kind, cpu: f64) -> Figures {
        Figures {
            round,
            scenario: "plain",
            kind,
            answered: 1,
            failed: 1,
            per_second: 100.0 / cpu,
            p50: cpu,
            p99: cpu,
            first_p50: cpu,
            first_p99: cpu,
            cpu,
            database_cpu: 0.0,
            peak_bytes: 7,
        }
    }

    #[test]
    fn ratios_are_made_within_a_round() {
        // The machine is twice as slow in the second round, for everybody.
        let measured = [
            figures(1, Kind::Nginx, 10.0),
            figures(1, Kind::Process, 20.0),
            figures(2, Kind::Nginx, 20.0),
            figures(2, Kind::Process, 40.0),
            figures(3, Kind::Nginx, 10.0),
            figures(3, Kind::Process, 30.0),
        ];
        let Medians(medians) = Medians::of(&measured);
        let keyway = medians.iter().find(|it| it.kind == Kind::Process).expect("it was measured");
        assert_eq!(keyway.cpu_of_nginx, Some(2.0));
        assert_eq!((keyway.cpu.least, keyway.cpu.median, keyway.cpu.most), (20.0, 30.0, 40.0));
        assert_eq!(keyway.over_nginx_p50, Some(20.0));
        assert_eq!((keyway.added_p50, keyway.failed), (None, 3), "nobody was measured directly");
    }
}
