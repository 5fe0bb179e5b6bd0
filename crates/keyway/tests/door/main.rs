//! Keyway through its public door: the real binary, a real socket, a directory of its own per test.

#![expect(clippy::print_stdout, reason = "figures and skipped tests are told")]

mod anthropic;
mod asked;
mod bad_input;
mod budget;
mod byok;
mod byok_relay;
mod catalogue;
mod command_line;
mod completions;
mod contents;
mod credits;
mod cuts;
mod dialects;
mod disk;
mod dry_run;
mod edge;
mod egress;
mod errands;
mod faces;
mod faults;
mod generation;
mod hedge;
mod idempotency;
mod keys;
mod limits;
mod metrics;
mod migrate;
mod models;
mod money;
mod nodes;
mod prices;
mod providers;
mod rates;
mod rates_minute;
mod responses;
mod responses_native;
mod revocation;
mod rolling;
mod rotate_kek;
mod rotation;
mod routes;
mod routing;
mod secrets;
mod sold;
mod start;
mod stop;
mod traces;
mod upgrade;

use keyway_testkit::{Gateway, Setup};

fn setup() -> Setup {
    Setup::new(env!("CARGO_BIN_EXE_keyway"))
}

async fn gateway() -> Gateway {
    setup().start().await
}
