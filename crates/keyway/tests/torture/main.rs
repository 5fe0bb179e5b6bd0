//! The torture tests: the real binary, several nodes, and everything that can go wrong with them.
//!
//! Each file is a row of the scoreboard. They run one after another, as each wants the machine for
//! itself; lengths and counts come from variables, named in the files, and the defaults are short.

#![expect(clippy::print_stdout, reason = "figures are told")]

mod books;
mod failover;
mod field;
mod moment;
mod r1;
mod r10;
mod r11;
mod r12;
mod r14;
mod r15;
mod r16;
mod r2;
mod r5;
mod r6;
mod r7;
mod r8;
mod r9;
mod revocation;

/// A length or a count from the environment.
fn setting(name: &str, default: u64) -> u64 {
    match std::env::var(name) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{name} is not a number: {text}")),
        Err(_) => default,
    }
}
