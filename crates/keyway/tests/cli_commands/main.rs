//! The command line as a person or a script meets it: what it asks of a gateway, what it prints where,
//! and how it ends. The gateway is a script here, so that every request is seen.

mod config;
mod gateway;
mod keys;
mod output;
mod refusals;
mod target;

use std::process::{Command, Output};

use gateway::Gateway;

/// What the tests present as their management key.
const MANAGEMENT_KEY: &str = "sk-or-v1-management-key-of-the-tests";

/// The binary, with nothing in its environment.
fn keyway(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_keyway"));
    command.env_clear().current_dir(env!("CARGO_TARGET_TMPDIR")).args(args);
    command
}

/// The binary, pointed at `gateway`.
fn keyway_at(gateway: &Gateway, args: &[&str]) -> Command {
    let mut command = keyway(args);
    command.env("KEYWAY_URL", &gateway.url).env("KEYWAY_MANAGEMENT_KEY", MANAGEMENT_KEY);
    command
}

/// What a command left behind.
#[derive(Debug, PartialEq, Eq)]
struct Ended {
    code: Option<i32>,
    out: String,
    err: String,
}

fn end(mut command: Command) -> Ended {
    let Output { status, stdout, stderr } = command.output().expect("it starts");
    Ended {
        code: status.code(),
        out: String::from_utf8(stdout).expect("UTF-8"),
        err: String::from_utf8(stderr).expect("UTF-8"),
    }
}
