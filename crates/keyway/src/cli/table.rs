//! Tables for people.

use comfy_table::{
    Attribute, Cell, CellAlignment, Color, ColumnConstraint, ContentArrangement, Table,
};
use keyway_core::clock::Timestamp;
use keyway_core::store::transfer::Figure;

use super::byok::Credential;
use super::key_object::{KeyObject, Status};

/// Characters of the bar that shows how much of a limit is used.
const BAR_WIDTH: usize = 10;

/// Inference keys, one a row.
pub(crate) fn of_keys(keys: &[KeyObject<'_>], now: Timestamp) -> String {
    let limited = keys.iter().any(|key| !rates(*key).is_empty());
    let mut heads = vec![
        ("HASH", CellAlignment::Left),
        ("NAME", CellAlignment::Left),
        ("KEY", CellAlignment::Left),
        ("LIMIT", CellAlignment::Right),
        ("RESET", CellAlignment::Left),
        ("USED", CellAlignment::Right),
        ("REMAINING", CellAlignment::Right),
        ("", CellAlignment::Left),
        ("STATUS", CellAlignment::Left),
    ];
    // A column that is rarely used would make the table too wide for many terminals.
    if limited {
        heads.push(("RATE LIMITS", CellAlignment::Left));
    }
    let mut table = empty(&heads);
    for key in keys {
        let mut cells = vec![
            Cell::new(key.short_hash()),
            Cell::new(key.text("name")).add_attribute(Attribute::Bold),
            Cell::new(key.text("label")),
            Cell::new(limit(*key)),
            Cell::new(key.text("limit_reset")),
            Cell::new(key.usd(key.window_usage()).unwrap_or_default()),
            Cell::new(key.usd("limit_remaining").unwrap_or_default()),
            bar(*key),
            status(key.status(now)),
        ];
        if limited {
            cells.push(Cell::new(rates(*key)));
        }
        table.add_row(cells);
    }
    printed(&mut table)
}

/// Management keys, one a row.
pub(crate) fn of_management_keys(keys: &[KeyObject<'_>], now: Timestamp) -> String {
    let left = CellAlignment::Left;
    let heads =
        [("HASH", left), ("NAME", left), ("KEY", left), ("CREATED", left), ("STATUS", left)];
    let mut table = empty(&heads);
    for key in keys {
        table.add_row(vec![
            Cell::new(key.short_hash()),
            Cell::new(key.text("name")).add_attribute(Attribute::Bold),
            Cell::new(key.text("label")),
            Cell::new(key.text("created_at")),
            status(key.status(now)),
        ]);
    }
    printed(&mut table)
}

/// Credentials of providers, one a row.
pub(crate) fn of_credentials(credentials: &[Credential<'_>]) -> String {
    let (left, right) = (CellAlignment::Left, CellAlignment::Right);
    let mut table = empty(&[
        ("ID", left),
        ("PROVIDER", left),
        ("NAME", left),
        ("KEY", left),
        ("ORDER", right),
        ("USED", left),
        ("FOR", left),
        ("STATUS", left),
    ]);
    for credential in credentials {
        let is_used = if credential.is("disabled") { Status::Disabled } else { Status::Active };
        table.add_row(vec![
            Cell::new(credential.text("id")),
            Cell::new(credential.text("provider")),
            Cell::new(credential.text("name")).add_attribute(Attribute::Bold),
            Cell::new(credential.text("label")),
            Cell::new(&credential.0["sort_order"]),
            Cell::new(credential.turn()),
            Cell::new(credential.scope()),
            status(is_used),
        ]);
    }
    printed(&mut table)
}

/// Everything about one key, one fact a row.
pub(crate) fn of_key(key: KeyObject<'_>, now: Timestamp) -> String {
    let mut table = Table::new();
    plain(&mut table);
    let mut fact = |name: &str, value: Cell| {
        table.add_row(vec![Cell::new(name).fg(Color::DarkGrey), value]);
    };
    fact("name", Cell::new(key.text("name")).add_attribute(Attribute::Bold));
    fact("hash", Cell::new(key.text("hash")));
    fact("key", Cell::new(key.text("label")));
    fact("status", status(key.status(now)));
    fact("limit", Cell::new(limit(key)));
    if key.usd("limit").is_some() {
        fact("reset", Cell::new(or(key.text("limit_reset"), "never")));
        fact("remaining", Cell::new(key.usd("limit_remaining").unwrap_or_default()));
        fact("", bar(key));
    }
    fact("on limit", Cell::new(or(key.text("on_limit"), "refuse")));
    for (name, field) in [
        ("requests a minute", "requests_per_minute"),
        ("tokens a minute", "tokens_per_minute"),
        ("requests at once", "max_concurrent_requests"),
    ] {
        let figure = key.whole(field).map(|figure| figure.to_string());
        fact(name, Cell::new(figure.as_deref().unwrap_or("default")));
    }
    let kept = if key.0["log_content"] == true { "kept" } else { "not kept" };
    fact("what is said", Cell::new(kept));
    for (name, field) in [
        ("used today", "usage_daily"),
        ("used this week", "usage_weekly"),
        ("used this month", "usage_monthly"),
        ("used in all", "usage"),
        ("byok in all", "byok_usage"),
    ] {
        fact(name, Cell::new(key.usd(field).unwrap_or_default()));
    }
    fact("created", Cell::new(key.text("created_at")));
    fact("changed", Cell::new(or(key.text("updated_at"), "never")));
    fact("expires", Cell::new(or(key.text("expires_at"), "never")));
    fact("last used", Cell::new(or(key.text("last_used_at"), "never")));
    printed(&mut table)
}

/// Figures of tables on both sides of a move, one a row.
pub(crate) fn of_figures(figures: &[(Figure, Figure)]) -> String {
    let (left, right) = (CellAlignment::Left, CellAlignment::Right);
    let heads =
        [("TABLE", left), ("FIGURE", left), ("SQLITE", right), ("POSTGRESQL", right), ("", left)];
    let mut table = empty(&heads);
    for (sent, arrived) in figures {
        let same = if sent == arrived {
            Cell::new("same").fg(Color::Green)
        } else {
            Cell::new("DIFFERS").fg(Color::Red)
        };
        table.add_row(vec![
            Cell::new(sent.table),
            Cell::new(&sent.what),
            Cell::new(sent.amount),
            Cell::new(arrived.amount),
            same,
        ]);
    }
    printed(&mut table)
}

fn limit(key: KeyObject<'_>) -> String {
    key.usd("limit").unwrap_or_else(|| "unlimited".to_owned())
}

/// The key's own rate limits, in a few words.
fn rates(key: KeyObject<'_>) -> String {
    let limits = [
        ("requests_per_minute", "requests/min"),
        ("tokens_per_minute", "tokens/min"),
        ("max_concurrent_requests", "at once"),
    ];
    let said = limits
        .into_iter()
        .filter_map(|(field, unit)| key.whole(field).map(|figure| format!("{figure} {unit}")));
    said.collect::<Vec<_>>().join(", ")
}

fn bar(key: KeyObject<'_>) -> Cell {
    let Some(used) = key.used_of(BAR_WIDTH) else { return Cell::new("") };
    let color = match used {
        BAR_WIDTH => Color::Red,
        8.. => Color::Yellow,
        _ => Color::Green,
    };
    Cell::new("█".repeat(used) + &"░".repeat(BAR_WIDTH - used)).fg(color)
}

fn status(status: Status) -> Cell {
    let color = match status {
        Status::Active => Color::Green,
        Status::Disabled | Status::Expired => Color::Yellow,
    };
    Cell::new(status.as_str()).fg(color)
}

fn or(text: String, otherwise: &str) -> String {
    if text.is_empty() { otherwise.to_owned() } else { text }
}

fn empty(heads: &[(&str, CellAlignment)]) -> Table {
    let mut table = Table::new();
    plain(&mut table);
    table.set_header(heads.iter().map(|(head, _)| Cell::new(head).fg(Color::DarkGrey)));
    for (column, (head, alignment)) in table.column_iter_mut().zip(heads) {
        column.set_cell_alignment(*alignment);
        // Only names are broken where the terminal is narrow: digits belong together.
        if *head != "NAME" {
            column.set_constraint(ColumnConstraint::ContentWidth);
        }
    }
    table
}

/// No lines, and styled whatever the output is: the stream takes off what it cannot show.
fn plain(table: &mut Table) {
    table
        .load_style(comfy_table::presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .enforce_styling()
        .style_text_only();
}

/// Without the spaces at the margins.
fn printed(table: &mut Table) -> String {
    if let Some(first) = table.column_mut(0) {
        first.set_padding((0, 1));
    }
    table.trim_fmt()
}
