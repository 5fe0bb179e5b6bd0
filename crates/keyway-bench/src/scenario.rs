//! The loads that are compared.

use crate::load::Load;

/// A load, by the name that the table has for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) load: Load,
    pub(crate) streamed: bool,
}

const fn closed(name: &'static str, connections: usize, streamed: bool) -> Scenario {
    Scenario { name, load: Load::Closed { connections }, streamed }
}

const fn open(name: &'static str, per_second: u32) -> Scenario {
    // Far more than are needed where an answer takes a millisecond.
    Scenario { name, load: Load::Open { per_second, connections: 256 }, streamed: false }
}

pub(crate) const ALL: [Scenario; 7] = [
    closed("plain, 1 connection", 1, false),
    closed("plain, 32 connections", 32, false),
    closed("plain, 128 connections", 128, false),
    closed("1 stream of 50 pieces", 1, true),
    closed("32 streams of 50 pieces", 32, true),
    open("200 a second", 200),
    open("1,000 a second", 1_000),
];
