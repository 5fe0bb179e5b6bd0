//! What another edition changes, for people. Colours appear on terminals only.

use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};
use keyway_core::pricing::RateChange;
use keyway_server::catalogue::{Difference, Repriced};

const NEW: Style = AnsiColor::Green.on_default();
const GONE: Style = AnsiColor::Red.on_default();
const OTHERWISE: Style = AnsiColor::Yellow.on_default();
const LEAP: Style = AnsiColor::Red.on_default().bold();

/// One change a line, leaps last, where they are seen.
pub(super) fn lines(difference: &Difference) -> Vec<String> {
    let mut lines = Vec::new();
    let mut say = |style: Style, text: String| lines.push(format!("{style}{text}{style:#}"));
    for id in &difference.added {
        say(NEW, format!("+ {id}"));
    }
    for at in &difference.opened {
        say(NEW, format!("+ {} at {}", at.model, at.provider));
    }
    for id in &difference.removed {
        say(GONE, format!("- {id}"));
    }
    for at in &difference.closed {
        say(GONE, format!("- {} at {}", at.model, at.provider));
    }
    for id in &difference.otherwise {
        say(OTHERWISE, format!("~ {id}: something that is no price"));
    }
    for it in difference.repriced.iter().filter(|it| !it.is_leap()) {
        say(OTHERWISE, format!("~ {}", prices(it)));
    }
    for it in difference.leaps() {
        say(LEAP, format!("! {}", prices(it)));
    }
    lines
}

/// The numbers of it, in one line.
pub(super) fn summary(difference: &Difference) -> String {
    if difference.is_empty() {
        return "nothing changes".to_owned();
    }
    let (added, removed) = (difference.added.len(), difference.removed.len());
    let (repriced, leaps) = (difference.repriced.len(), difference.leaps().count());
    format!(
        "{added} models more, {removed} fewer; {repriced} prices change, {leaps} of them to more than ten \
         times or less than a tenth"
    )
}

fn prices(repriced: &Repriced) -> String {
    let at = &repriced.at;
    let changes: Vec<String> = repriced.changes.iter().map(change).collect();
    format!("{} at {}: {}", at.model, at.provider, changes.join(", "))
}

fn change(change: &RateChange) -> String {
    let RateChange { what, above_tokens, before, after } = change;
    let mut text = format!("{what} {before} -> {after}");
    if *above_tokens > 0 {
        write!(text, " above {above_tokens} tokens").expect("a string takes all text");
    }
    text
}
