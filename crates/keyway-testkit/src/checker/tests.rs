use tokio::time::Instant;

use super::*;
use crate::Ask;

const PRICE: i64 = 10;

/// One request of each kind, all in order: a whole answer, a stream that was left, and one whose node
/// was killed before its client heard anything.
struct Case {
    dispatched: Vec<Dispatch>,
    told: Told,
    books: Books,
}

fn ticket(number: u64) -> Ticket {
    Ticket { number, attempt: 0, tokens: 5 }
}

fn row(generation: &str, charge_nanos: i64, estimated: bool) -> LedgerRow {
    let ending = if estimated { "crashed" } else { "completed" }.to_owned();
    let authorised_nanos = charge_nanos;
    let generation = generation.to_owned();
    LedgerRow { generation, charge_nanos, authorised_nanos, ending, estimated, settled: true }
}

impl Case {
    fn new() -> Self {
        let now = Instant::now();
        let attempt = |number, generation: Option<&str>, outcome| Attempt {
            ticket: ticket(number),
            node: 0,
            ask: Ask::plain(5),
            generation: generation.map(str::to_owned),
            outcome,
            began: now,
            ended: now,
        };
        let dispatch = |number| Dispatch {
            ticket: ticket(number),
            streamed: true,
            tokens_billed: 5,
            tokens_sent: 5,
            bytes_sent: 100,
            finished: true,
        };
        let complete = Outcome::Complete { cost: Nanos::new(50), delivered: 5 };
        let partial = Outcome::Partial { delivered: 2, why: Why::Left };
        let attempts = vec![
            attempt(1, Some("gen-1"), complete),
            attempt(2, Some("gen-2"), partial),
            attempt(3, None, Outcome::Lost),
            attempt(4, None, Outcome::Refused { status: 402, said: String::new() }),
        ];
        let rows = vec![row("gen-1", 50, false), row("gen-2", 50, false), row("gen-3", 70, true)];
        let spent = Nanos::new(170);
        Self {
            dispatched: (1..=3).map(dispatch).collect(),
            told: Told { attempts, began: now },
            books: Books { rows, spent, leased: Nanos::ZERO, limit: Some(spent) },
        }
    }

    fn verdict(&self) -> Verdict {
        check(&self.dispatched, &self.told, &self.books, PRICE)
    }

    /// Changes a charge, and what is spent with it.
    fn charge(&mut self, row: usize, nanos: i64) {
        self.books.rows[row].charge_nanos = nanos;
        self.books.spent = self.books.charged();
        self.books.limit = Some(self.books.spent);
    }
}

fn counts(verdict: &Verdict) -> [usize; 5] {
    verdict.faults().map(|(_, list)| list.len())
}

#[test]
fn what_is_in_order_is_clean() {
    let verdict = Case::new().verdict();
    verdict.assert_clean();
    let said = verdict.to_string();
    assert!(said.starts_with("overspend $0, lost 0, undercharged 0, duplicated 0"), "{said}");
    assert!(said.contains("1 charged that nobody heard of, 1 estimated"), "{said}");
}

#[test]
fn overspend_is_told_to_the_nano() {
    let mut case = Case::new();
    case.books.limit = Some(Nanos::new(169));
    assert_eq!(case.verdict().overspend, Nanos::new(1));
}

#[test]
fn each_planted_fault_is_found_as_what_it_is() {
    type Plant = fn(&mut Case);
    let faults: [(&str, Plant, [usize; 5]); 13] = [
        (
            "a charge is missing",
            |case| case.books.rows.retain(|row| row.generation != "gen-1"),
            [1, 0, 0, 0, 1],
        ),
        ("a charge is too small", |case| case.charge(0, 49), [1, 0, 0, 0, 0]),
        (
            "a whole answer is estimated",
            |case| case.books.rows[0].estimated = true,
            [1, 0, 0, 0, 0],
        ),
        ("a whole answer costs too much", |case| case.charge(0, 51), [1, 0, 0, 1, 0]),
        ("a partial answer is free", |case| case.charge(1, 0), [0, 1, 0, 0, 0]),
        ("a partial answer is too cheap", |case| case.charge(1, 19), [0, 1, 0, 0, 0]),
        ("a partial answer is too dear", |case| case.charge(1, 51), [0, 0, 0, 1, 0]),
        (
            "a row is there twice",
            |case| {
                case.books.rows.push(case.books.rows[0].clone());
                case.books.spent = case.books.charged();
                case.books.limit = None;
            },
            [0, 0, 1, 0, 0],
        ),
        (
            "nothing was dispatched",
            |case| case.dispatched.retain(|it| it.ticket.number != 2),
            [0, 0, 0, 1, 0],
        ),
        (
            "nobody asked for it",
            |case| case.dispatched.retain(|it| it.ticket.number != 3),
            [0, 0, 0, 1, 0],
        ),
        (
            "a nameless charge is nobody's cost",
            |case| {
                case.books.rows[2].estimated = false;
            },
            [0, 0, 0, 1, 0],
        ),
        ("a row is open", |case| case.books.rows[2].settled = false, [0, 0, 0, 0, 1]),
        ("a lease is left", |case| case.books.leased = Nanos::new(1), [0, 0, 0, 0, 1]),
    ];
    for (name, plant, expected) in faults {
        let mut case = Case::new();
        plant(&mut case);
        let verdict = case.verdict();
        assert_eq!(counts(&verdict), expected, "{name}: {verdict}");
        assert!(!verdict.is_clean());
    }
}
