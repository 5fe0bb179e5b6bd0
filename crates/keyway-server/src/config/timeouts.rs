//! How long a provider may take.

use std::time::Duration;

use super::description::{Field, Kind, Presence, Section};
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
