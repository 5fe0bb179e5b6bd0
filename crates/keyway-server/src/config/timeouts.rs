//! How long a provider may take.

use std::time::Duration;

use keyway_core::catalogue::Patience;

use super::description::{Field, Kind, Presence, Section};
use super::mistake::{Place, Report};
use super::view::View;

/// How long a provider may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// To find its address and connect.
    pub connect: Duration,
    /// To begin an answer; to give the whole of one that does not stream.
    pub first_byte: Duration,
    /// Between two pieces of a stream.
    pub idle: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            first_byte: Duration::from_mins(10),
            idle: Duration::from_mins(2),
        }
    }
}

pub(super) static TIMEOUTS: Section = Section {
    doc: "How long a provider may take.",
    fields: &[
        Field {
            name: "connect",
            doc: "To find its address and connect.",
            presence: Presence::Default("10s"),
            kind: Kind::Duration,
        },
        Field {
            name: "first_byte",
            doc: "From the request to the first byte of a streamed answer, and to the last byte of one that does not stream.",
            presence: Presence::Default("10m"),
            kind: Kind::Duration,
        },
        Field {
            name: "idle",
            doc: "Between two pieces of a streamed answer.",
            presence: Presence::Default("2m"),
            kind: Kind::Duration,
        },
    ],
};

pub(super) static PATIENCE: Section = Section {
    doc: "How long an endpoint may take, where that is otherwise than at its provider.",
    fields: &[
        Field {
            name: "connect",
            doc: "To find its address and connect; not longer than at its provider.",
            presence: Presence::Optional,
            kind: Kind::Duration,
        },
        Field {
            name: "first_byte",
            doc: "From the request to the first byte of a streamed answer, and to the last byte of one that does not stream.",
            presence: Presence::Optional,
            kind: Kind::Duration,
        },
        Field {
            name: "idle",
            doc: "Between two pieces of a streamed answer.",
            presence: Presence::Optional,
            kind: Kind::Duration,
        },
    ],
};

impl Timeouts {
    /// At an endpoint with a patience of its own.
    #[must_use]
    pub fn at(self, patience: Patience) -> Self {
        Self {
            connect: patience.connect.unwrap_or(self.connect),
            first_byte: patience.first_byte.unwrap_or(self.first_byte),
            idle: patience.idle.unwrap_or(self.idle),
        }
    }
}

/// Of an endpoint's section, which stands at `place`.
pub(super) fn patience(
    endpoint: View<'_>,
    place: &Place,
    provider: Option<View<'_>>,
    report: &mut Report<'_>,
) -> Patience {
    let Some(section) = endpoint.section("timeouts") else { return Patience::default() };
    let connect = section.duration("connect");
    let longest = provider.map_or(Timeouts::default(), timeouts).connect;
    if connect.is_some_and(|connect| connect > longest) {
        let place = section.place("connect", &endpoint.place("timeouts", place));
        report.wrong(&place, "is longer than at its provider", &format!("{longest:?} at most"));
    }
    Patience { connect, first_byte: section.duration("first_byte"), idle: section.duration("idle") }
}

/// Of a provider's section.
pub(super) fn timeouts(provider: View<'_>) -> Timeouts {
    let section = provider.section("timeouts");
    let said = |name| section.and_then(|section| section.duration(name));
    let default = Timeouts::default();
    Timeouts {
        connect: said("connect").unwrap_or(default.connect),
        first_byte: said("first_byte").unwrap_or(default.first_byte),
        idle: said("idle").unwrap_or(default.idle),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::rules;

    #[test]
    fn the_defaults_of_the_description_are_those_in_force() {
        let default = Timeouts::default();
        let in_force = [default.connect, default.first_byte, default.idle];
        for (field, in_force) in TIMEOUTS.fields.iter().zip(in_force) {
            let Presence::Default(said) = field.presence else { panic!("{}", field.name) };
            assert_eq!(rules::duration(said), Some(in_force), "{}", field.name);
        }
    }
}
