//! The judge: joins what the provider billed, what the clients were told, and what the books say.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;

use keyway_core::money::Nanos;

use crate::{Attempt, Dispatch, Outcome, Ticket, Told, Why};

/// Examples of each kind that a verdict shows.
const EXAMPLES: usize = 5;

/// One generation in the books, however the test read it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LedgerRow {
    /// `gen-…`, as clients are told it.
    pub generation: String,
    pub charge_nanos: i64,
    pub authorised_nanos: i64,
    pub ending: String,
    pub estimated: bool,
    /// Whether it has a charge for good.
    pub settled: bool,
}

/// The books of one key, when all is quiet.
#[derive(Clone, Debug, Default)]
pub struct Books {
    pub rows: Vec<LedgerRow>,
    /// What the store says was spent in the window, all time where nothing else was asked.
    pub spent: Nanos,
    /// What nodes still hold of the budget.
    pub leased: Nanos,
    /// What the key may spend.
    pub limit: Option<Nanos>,
}

impl Books {
    /// The sum of all charges.
    pub fn charged(&self) -> Nanos {
        Nanos::new(self.rows.iter().map(|row| row.charge_nanos).sum())
    }
}

/// What is wrong. Each list says in words which request it is about.
#[derive(Clone, Debug, Default)]
pub struct Verdict {
    /// By how much the charges pass the limit.
    pub overspend: Nanos,
    /// A complete answer without a charge of its exact amount.
    pub lost: Vec<String>,
    /// A partial answer that was charged less than what was delivered.
    pub undercharged: Vec<String>,
    /// A generation that is in the books, or was answered, more than once.
    pub duplicated: Vec<String>,
    /// A charge without a request that reached the provider, or above what was billed.
    pub phantom: Vec<String>,
    /// Money or a request that nobody has finished with.
    pub leaked: Vec<String>,
    /// Figures that are no fault, for whoever reads along.
    pub summary: String,
}

impl Verdict {
    pub fn is_clean(&self) -> bool {
        self.overspend == Nanos::ZERO && self.faults().iter().all(|(_, list)| list.is_empty())
    }

    /// # Panics
    /// With the whole verdict, where anything is wrong.
    pub fn assert_clean(&self) {
        assert!(self.is_clean(), "{self}");
    }

    const fn faults(&self) -> [(&'static str, &Vec<String>); 5] {
        [
            ("lost", &self.lost),
            ("undercharged", &self.undercharged),
            ("duplicated", &self.duplicated),
            ("phantom", &self.phantom),
            ("leaked", &self.leaked),
        ]
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "overspend ${}", self.overspend)?;
        for (name, list) in self.faults() {
            write!(f, ", {name} {}", list.len())?;
        }
        write!(f, "; {}", self.summary)?;
        for (name, list) in self.faults() {
            for example in list.iter().take(EXAMPLES) {
                write!(f, "\n  {name}: {example}")?;
            }
        }
        Ok(())
    }
}

/// Joins the three logs. `nanos_per_token` is the price that the gateway was configured with.
pub fn check(dispatched: &[Dispatch], told: &Told, books: &Books, nanos_per_token: i64) -> Verdict {
    let mut judge = Judge::new(dispatched, told, books, nanos_per_token);
    judge.books();
    for attempt in &told.attempts {
        judge.client(attempt);
    }
    judge.nameless();
    judge.verdict.summary = judge.summary();
    judge.verdict
}

struct Judge<'a> {
    dispatched: &'a [Dispatch],
    told: &'a Told,
    books: &'a Books,
    nanos_per_token: i64,
    rows: HashMap<&'a str, &'a LedgerRow>,
    /// What the provider bills for a ticket.
    billed: HashMap<Ticket, Nanos>,
    /// Generations whose tickets are known, and these tickets.
    named: HashSet<&'a str>,
    answered: HashSet<Ticket>,
    verdict: Verdict,
}

impl<'a> Judge<'a> {
    fn new(
        dispatched: &'a [Dispatch],
        told: &'a Told,
        books: &'a Books,
        nanos_per_token: i64,
    ) -> Self {
        let mut judge = Self {
            dispatched,
            told,
            books,
            nanos_per_token,
            rows: HashMap::new(),
            billed: HashMap::new(),
            named: HashSet::new(),
            answered: HashSet::new(),
            verdict: Verdict::default(),
        };
        for dispatch in dispatched {
            let billed = judge.price(dispatch.tokens_billed);
            if judge.billed.insert(dispatch.ticket, billed).is_some() {
                let twice = format!("{} reached the provider twice", dispatch.ticket);
                judge.verdict.duplicated.push(twice);
            }
        }
        judge
    }

    fn price(&self, tokens: u64) -> Nanos {
        Nanos::new(i64::try_from(tokens).unwrap_or(i64::MAX).saturating_mul(self.nanos_per_token))
    }

    /// The books by themselves.
    fn books(&mut self) {
        let charged = self.books.charged();
        if let Some(limit) = self.books.limit {
            self.verdict.overspend = Nanos::new(charged.saturating_sub(limit).get().max(0));
        }
        for row in &self.books.rows {
            if self.rows.insert(&row.generation, row).is_some() {
                self.verdict.duplicated.push(format!("{} is in the books twice", row.generation));
            }
            if !row.settled {
                self.verdict.leaked.push(format!("{} has no charge for good", row.generation));
            }
        }
        if self.books.spent != charged {
            let spent = self.books.spent;
            self.verdict.leaked.push(format!("${spent} are spent, ${charged} charged"));
        }
        if self.books.leased != Nanos::ZERO {
            self.verdict.leaked.push(format!("${} are leased still", self.books.leased));
        }
    }

    /// One request against what its client was told.
    fn client(&mut self, attempt: &'a Attempt) {
        let Some(id) = attempt.generation.as_deref() else {
            if attempt.outcome.is_admitted() {
                let nameless = format!("{} was answered without an id", attempt.ticket);
                self.verdict.phantom.push(nameless);
            }
            return;
        };
        if !self.named.insert(id) {
            self.verdict.duplicated.push(format!("{id} was answered twice"));
        }
        self.answered.insert(attempt.ticket);
        let row = self.rows.get(id).copied();
        match &attempt.outcome {
            Outcome::Complete { cost, .. } => self.complete(attempt.ticket, id, *cost, row),
            Outcome::Partial { delivered, why } => {
                self.partial(attempt.ticket, id, *delivered, why, row);
            }
            Outcome::Refused { .. } | Outcome::Lost => {}
        }
        if let Some(row) = row {
            self.against_the_provider(attempt.ticket, row);
        }
    }

    fn complete(&mut self, ticket: Ticket, id: &str, cost: Nanos, row: Option<&LedgerRow>) {
        let lost = &mut self.verdict.lost;
        match row {
            None => lost.push(format!("{id} ({ticket}) cost ${cost}, and is not in the books")),
            Some(row) if row.charge_nanos != cost.get() || row.estimated => {
                lost.push(format!("{id} ({ticket}) cost ${cost} by its answer: {row:?}"));
            }
            Some(_) => {}
        }
        let billed = self.billed.get(&ticket);
        if billed.is_some_and(|billed| *billed != cost) {
            lost.push(format!("{id} ({ticket}) cost ${cost} by its answer, billed {billed:?}"));
        }
    }

    fn partial(
        &mut self,
        ticket: Ticket,
        id: &str,
        delivered: u64,
        why: &Why,
        row: Option<&LedgerRow>,
    ) {
        let worth = self.price(delivered);
        let charged = row.map_or(0, |row| row.charge_nanos);
        // The head alone was worth nothing; whoever was given it may be charged nothing.
        if charged < worth.get() {
            let said =
                format!("{id} ({ticket}) got {delivered} tokens, ${worth} ({why:?}): {row:?}");
            self.verdict.undercharged.push(said);
        }
    }

    /// No charge without a request that was dispatched; none above the bill but by an estimate.
    fn against_the_provider(&mut self, ticket: Ticket, row: &LedgerRow) {
        let charge = Nanos::new(row.charge_nanos);
        match self.billed.get(&ticket) {
            None if charge > Nanos::ZERO => {
                self.verdict.phantom.push(format!("{ticket} was never dispatched: {row:?}"));
            }
            Some(billed) if charge > *billed && !row.estimated => {
                self.verdict.phantom.push(format!("{ticket} was billed ${billed}: {row:?}"));
            }
            _ => {}
        }
    }

    /// Charges whose clients heard no id: each needs a dispatch of its own that explains it.
    fn nameless(&mut self) {
        let mut spare: BTreeMap<i64, usize> = BTreeMap::new();
        for dispatch in self.dispatched {
            if !self.answered.contains(&dispatch.ticket) {
                *spare.entry(self.price(dispatch.tokens_billed).get()).or_default() += 1;
            }
        }
        let nameless = self.books.rows.iter().filter(|row| row.charge_nanos > 0);
        let nameless = nameless.filter(|row| !self.named.contains(row.generation.as_str()));
        let (estimated, exact): (Vec<_>, Vec<_>) = nameless.partition(|row| row.estimated);
        for row in exact {
            match spare.get_mut(&row.charge_nanos).filter(|left| **left > 0) {
                Some(left) => *left -= 1,
                None => self.verdict.phantom.push(format!("nobody asked for it: {row:?}")),
            }
        }
        let left: usize = spare.values().sum();
        for row in estimated.iter().skip(left) {
            self.verdict.phantom.push(format!("nobody asked for it: {row:?}"));
        }
    }

    fn summary(&self) -> String {
        let heard = |row: &&LedgerRow| self.named.contains(row.generation.as_str());
        let unheard = self.books.rows.iter().filter(|row| !heard(row) && row.charge_nanos > 0);
        let estimated = self.books.rows.iter().filter(|row| row.estimated).count();
        format!(
            "charged ${}, of which whole answers told ${}; {} rows, {} charged that nobody heard of, \
             {estimated} estimated; {} reached the provider; clients: {}",
            self.books.charged(),
            self.told.cost(),
            self.books.rows.len(),
            unheard.count(),
            self.dispatched.len(),
            self.told,
        )
    }
}

#[cfg(test)]
mod tests;
