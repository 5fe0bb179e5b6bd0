//! The ledger against an oracle: every sequence of reservations, marks, settlements, waits, changed
//! limits, turning windows and crashes keeps the books equal and the limits kept.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::budget::{ResetInterval, WindowKind};
use crate::id::KeyId;
use crate::key::Terms;
use crate::pricing::Usage;

const ACCOUNTS: [AccountId; 2] = [AccountId(1), AccountId(2)];

#[derive(Clone, Debug)]
enum Op {
    Reserve { both: bool, bound: i64 },
    Authorise { pick: usize, amount: i64 },
    Settle { pick: usize, cost: i64, free: bool },
    Durable { pick: usize },
    Void { pick: usize },
    GiveUp { pick: usize },
    Amend { account: usize, limit: Option<i64>, reset: Option<ResetInterval>, open: bool },
    Pass { hours: i64 },
    Crash,
}

fn op() -> impl Strategy<Value = Op> {
    let reset =
        prop_oneof![Just(None), prop::sample::select(&ResetInterval::ALL[..]).prop_map(Some)];
    let limit = prop_oneof![1 => Just(None), 6 => (0..400_i64).prop_map(Some)];
    prop_oneof![
        8 => (any::<bool>(), 0..120_i64).prop_map(|(both, bound)| Op::Reserve { both, bound }),
        4 => (any::<usize>(), 0..150_i64).prop_map(|(pick, amount)| Op::Authorise { pick, amount }),
        6 => (any::<usize>(), 0..150_i64, prop::bool::weighted(0.1))
            .prop_map(|(pick, cost, free)| Op::Settle { pick, cost, free }),
        6 => any::<usize>().prop_map(|pick| Op::Durable { pick }),
        2 => any::<usize>().prop_map(|pick| Op::Void { pick }),
        1 => any::<usize>().prop_map(|pick| Op::GiveUp { pick }),
        1 => (0..2_usize, limit, reset, prop::bool::weighted(0.9)).prop_map(
            |(account, limit, reset, open)| Op::Amend { account, limit, reset, open }
        ),
        1 => (-2..40_i64).prop_map(|hours| Op::Pass { hours }),
        1 => Just(Op::Crash),
    ]
}

/// What the outside knows of a request.
#[derive(Clone, Debug)]
struct Known {
    accounts: Vec<AccountId>,
    windows: Windows,
    bound: Nanos,
    /// Authorised in the store; `None` before the first mark.
    marked: Option<Nanos>,
    settling: Option<Nanos>,
}

/// The world around a ledger: the store's books, and what was decided.
struct World {
    ledger: Ledger,
    now: Timestamp,
    states: BTreeMap<AccountId, AccountState>,
    /// Durable charges by account, kind and window.
    charged: BTreeMap<(AccountId, WindowKind, Timestamp), i64>,
    admitted: BTreeMap<GenerationId, Known>,
    waiting: BTreeMap<GenerationId, (Vec<AccountId>, Nanos)>,
    next: u8,
}

impl World {
    fn new() -> Self {
        let state = AccountState {
            terms: Terms { limit: Some(Nanos::new(300)), ..Terms::default() },
            open: true,
        };
        let mut world = Self {
            ledger: Ledger::new(8),
            now: Timestamp::parse_utc("2026-02-27T20:00:00Z").expect("a date"),
            states: ACCOUNTS.map(|id| (id, state)).into(),
            charged: BTreeMap::new(),
            admitted: BTreeMap::new(),
            waiting: BTreeMap::new(),
            next: 0,
        };
        world.open_accounts();
        world
    }

    fn open_accounts(&mut self) {
        for (id, state) in &self.states {
            let mut balance = Balance::default();
            for ((account, kind, starts_at), charged) in &self.charged {
                let window = &mut balance[kind.index()];
                if account == id && *starts_at >= window.starts_at {
                    window.starts_at = *starts_at;
                    window.spend.spent = Nanos::new(*charged);
                }
            }
            assert!(self.ledger.open(*id, *state, &balance, self.ledger.evictions()));
        }
    }

    fn run(&mut self, op: &Op) {
        match *op {
            Op::Reserve { both, bound } => self.reserve(both, Nanos::new(bound)),
            Op::Authorise { pick, amount } => {
                let Some(id) = self.pick(pick, |known| known.settling.is_none()) else { return };
                let authorised = self.ledger.authorise(id, Nanos::new(amount)).expect("it is open");
                let known = self.admitted.get_mut(&id).expect("it was picked");
                assert!(authorised <= known.bound);
                assert!(known.marked.is_none_or(|before| before <= authorised));
                known.marked = Some(authorised);
            }
            Op::Settle { pick, cost, free } => self.settle(pick, cost, free),
            Op::Durable { pick } => {
                let Some(id) = self.pick(pick, |known| known.settling.is_some()) else { return };
                self.book(id);
                let decisions = self.ledger.settled(id, self.now);
                self.decide(decisions);
                assert_eq!(self.ledger.settled(id, self.now), [], "it is resolved once");
            }
            Op::Void { pick } => self.void(pick),
            Op::GiveUp { pick } => {
                let Some(id) = self.waiting.keys().nth(pick % self.waiting.len().max(1)).copied()
                else {
                    return;
                };
                let refusal = self.ledger.give_up(id, self.now).expect("it waits");
                assert_ne!(refusal.reason, RefusalReason::Closed);
                self.waiting.remove(&id);
                assert_eq!(self.ledger.give_up(id, self.now), None, "it gives up once");
            }
            Op::Amend { account, limit, reset, open } => {
                let id = ACCOUNTS[account];
                let limit = limit.map(Nanos::new);
                let terms = Terms { limit, reset, include_byok_in_limit: false };
                self.states.insert(id, AccountState { terms, open });
                let decisions = self.ledger.amend(id, AccountState { terms, open }, self.now);
                self.decide(decisions);
            }
            Op::Pass { hours } => {
                self.now = self.now.plus_seconds(hours * 3_600);
                // Waiting requests learn of a new window with the next decision on their account.
                for id in ACCOUNTS {
                    let decisions = self.ledger.amend(id, self.states[&id], self.now);
                    self.decide(decisions);
                }
            }
            Op::Crash => self.crash(),
        }
    }

    fn pick(&self, pick: usize, which: impl Fn(&Known) -> bool) -> Option<GenerationId> {
        let ids: Vec<_> =
            self.admitted.iter().filter(|(_, known)| which(known)).map(|(id, _)| *id).collect();
        ids.get(pick % ids.len().max(1)).copied()
    }

    fn reserve(&mut self, both: bool, bound: Nanos) {
        self.next += 1;
        let id = GenerationId::new(Timestamp::default(), [self.next; 10]);
        let accounts = if both { ACCOUNTS.to_vec() } else { vec![ACCOUNTS[0]] };
        match self.ledger.reserve(id, &accounts, bound, self.now) {
            Admission::Waiting => {
                self.waiting.insert(id, (accounts, bound));
            }
            Admission::Unopened(_) => panic!("all accounts are open"),
            admission => self.admission(id, &accounts, bound, admission),
        }
    }

    fn decide(&mut self, decisions: Vec<Decision>) {
        for (id, admission) in decisions {
            let (accounts, bound) = self.waiting.remove(&id).expect("only who waits is decided");
            assert_ne!(admission, Admission::Waiting);
            self.admission(id, &accounts, bound, admission);
        }
    }

    /// The oracle of admission: from the books alone.
    fn admission(
        &mut self,
        id: GenerationId,
        accounts: &[AccountId],
        bound: Nanos,
        admission: Admission,
    ) {
        match admission {
            Admission::Admitted(windows) => {
                for account in accounts {
                    assert!(self.states[account].open);
                    if let Some(limit) = self.states[account].terms.limit {
                        let (charged, held) = self.counted(*account, &windows);
                        assert!(
                            bound == Nanos::ZERO || charged + held + bound.get() <= limit.get()
                        );
                    }
                }
                let known = Known {
                    accounts: accounts.to_vec(),
                    windows,
                    bound,
                    marked: None,
                    settling: None,
                };
                assert!(self.admitted.insert(id, known).is_none());
            }
            Admission::Refused(refusal) => {
                let state = self.states[&refusal.account];
                if refusal.reason == RefusalReason::Closed {
                    assert!(!state.open);
                    return;
                }
                let windows = Windows::at(self.ledger.latest);
                let (charged, _) = self.counted(refusal.account, &windows);
                let limit = state.terms.limit.expect("only a limit refuses").get();
                assert!(limit - charged < bound.get(), "refused though it would fit in time");
                assert_eq!(refusal.spent.get(), charged);
            }
            Admission::Waiting | Admission::Unopened(_) => panic!("not a decision"),
        }
    }

    /// Charged and held in the window that the account's limit counts.
    fn counted(&self, account: AccountId, windows: &Windows) -> (i64, i64) {
        let kind =
            self.states[&account].terms.reset.map_or(WindowKind::Total, ResetInterval::window);
        let start = windows.start_of(kind);
        let charged = self.charged.get(&(account, kind, start)).copied().unwrap_or(0);
        let here = |known: &&Known| {
            known.accounts.contains(&account) && known.windows.start_of(kind) == start
        };
        let held = self.admitted.values().filter(here).map(|known| known.bound.get()).sum();
        (charged, held)
    }

    fn settle(&mut self, pick: usize, cost: i64, free: bool) {
        let Some(id) = self.pick(pick, |known| known.settling.is_none()) else { return };
        let request = self.metered(id);
        let outcome = Outcome {
            usage: Usage::default(),
            cost: Nanos::new(cost),
            byok: Nanos::ZERO,
            free,
            ending: Ending::Completed,
            estimated: false,
        };
        let settlement = self.ledger.settle(&request, &outcome, self.now).expect("it is open");
        assert_eq!(self.ledger.settle(&request, &outcome, self.now), None, "it is settled once");
        let known = self.admitted.get_mut(&id).expect("it was picked");
        assert!(settlement.charge <= known.bound);
        let booked = settlement.charge.get() + settlement.overrun.get() + settlement.absorbed.get();
        assert_eq!(booked, cost, "every nano-dollar is somebody's");
        assert!(!free || settlement.charge == Nanos::ZERO);
        known.settling = Some(settlement.charge);
    }

    fn void(&mut self, pick: usize) {
        let Some(id) = self.pick(pick, |known| known.settling.is_none()) else { return };
        match self.ledger.void(id, self.now) {
            Void::Released(decisions) => {
                let known = self.admitted.remove(&id).expect("it was picked");
                assert_eq!(known.marked, None, "what is marked only the store may end");
                self.decide(decisions);
            }
            Void::Marked => assert!(self.admitted[&id].marked.is_some()),
        }
    }

    fn metered(&self, id: GenerationId) -> Arc<Metered> {
        let known = &self.admitted[&id];
        Arc::new(Metered {
            id,
            key: KeyId(1),
            accounts: known.accounts.clone(),
            windows: known.windows,
            model: String::new(),
            provider: String::new(),
            streamed: false,
            admitted_at: self.now,
        })
    }

    /// What the store does with a settlement, or with a mark that an earlier run left.
    fn book(&mut self, id: GenerationId) {
        let known = self.admitted.remove(&id).expect("it is in the books");
        let charge = known.settling.or(known.marked).expect("something of it is durable");
        for account in &known.accounts {
            for kind in WindowKind::ALL {
                let window = (*account, kind, known.windows.start_of(kind));
                *self.charged.entry(window).or_default() += charge.get();
            }
        }
    }

    /// Memory is gone: what was marked is charged what was authorised, the rest nothing.
    fn crash(&mut self) {
        for (id, mut known) in std::mem::take(&mut self.admitted) {
            // A settlement that was on its way did not arrive.
            known.settling = None;
            if known.marked.is_some() {
                self.admitted.insert(id, known);
                self.book(id);
            }
        }
        self.waiting.clear();
        self.ledger = Ledger::new(8);
        self.open_accounts();
    }

    /// What memory says equals what the books say, and nobody waits who could go.
    fn check(&mut self) {
        for id in ACCOUNTS {
            let held: i64 = self
                .admitted
                .values()
                .filter(|known| known.accounts.contains(&id))
                .map(|known| known.bound.get())
                .sum();
            assert_eq!(
                self.ledger.accounts[&id].held_of_all_time().get(),
                held,
                "nothing stranded"
            );
        }
        for id in ACCOUNTS {
            let in_flight = self.admitted.values().any(|known| known.accounts.contains(&id));
            let waited_at = !self.ledger.accounts[&id].waiting.is_empty();
            let idle = self.ledger.accounts[&id].is_idle();
            assert_eq!(idle, !in_flight && !waited_at, "an idle account may leave memory");
        }
        for (accounts, bound) in self.waiting.values() {
            let stuck = accounts.iter().any(|id| self.ledger.accounts[id].check(*bound).is_err());
            assert!(stuck, "it waits though it would fit");
        }
        assert_eq!(self.ledger.in_flight(), self.admitted.len() + self.waiting.len());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]
    #[test]
    fn books_and_limits_are_kept(ops in prop::collection::vec(op(), 1..120)) {
        let mut world = World::new();
        for op in &ops {
            world.run(op);
            world.check();
        }
    }
}

#[test]
fn a_hold_is_kept_until_its_charge_is_durable() {
    let mut world = World::new();
    world.reserve(false, Nanos::new(300));
    world.settle(0, 100, false);
    world.reserve(false, Nanos::new(150));
    assert_eq!(world.waiting.len(), 1, "a crash now would charge the whole hold");
    world.run(&Op::Durable { pick: 0 });
    assert_eq!((world.waiting.len(), world.admitted.len()), (0, 1));
}

#[test]
fn an_evicted_account_is_not_opened_with_an_old_balance() {
    let mut ledger = Ledger::new(1);
    let state = AccountState { terms: Terms::default(), open: true };
    let before = ledger.evictions();
    assert!(ledger.open(AccountId(1), state, &Balance::default(), before));
    assert!(
        ledger.open(AccountId(2), state, &Balance::default(), before),
        "the idle one makes room"
    );
    assert!(!ledger.open(AccountId(1), state, &Balance::default(), before));
    assert!(ledger.open(AccountId(1), state, &Balance::default(), ledger.evictions()));
}

#[test]
fn the_queue_at_an_account_is_bounded() {
    let mut world = World::new();
    world.reserve(false, Nanos::new(300));
    for (number, millis) in (0..=WAITING_MAX).zip(1..) {
        let id = GenerationId::new(Timestamp::from_micros(1_000 * millis), [0; 10]);
        let admission = world.ledger.reserve(id, &ACCOUNTS[..1], Nanos::new(1), world.now);
        let waits = admission == Admission::Waiting;
        assert_eq!(waits, number < WAITING_MAX, "{number}");
    }
}
