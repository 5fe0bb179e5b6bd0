//! What nodes do with requests and leases, as far as the world lets them.

use std::sync::Arc;

use super::node::{Request, Writing};
use super::world::{Truth, World, answer};
use crate::clock::Timestamp;
use crate::id::{AccountId, GenerationId};
use crate::ledger::{
    AccountState, Admission, AnswerMark, Decision, Ending, GaveUp, Metered, Outcome, Void,
};
use crate::money::Nanos;
use crate::pricing::Usage;
use crate::store::contract::fixture;

impl World {
    pub(super) fn reserve(&mut self, node: usize) {
        self.number += 1;
        let mut random = [0; 10];
        random[2..].copy_from_slice(&self.number.to_be_bytes());
        let id = GenerationId::new(Timestamp::default(), random);
        let accounts = self.path();
        let bound = Nanos::new(self.below(60) as i64);
        self.ask(node, id, &accounts, bound);
    }

    /// One account, or up to four, in one order; the first is the key's own.
    fn path(&mut self) -> Vec<AccountId> {
        let first = self.below(self.keys.len() as u64) as usize;
        let mut accounts = vec![self.keys[first].account];
        if self.chance(45) {
            for above in first + 1..self.keys.len() {
                if self.chance(70) {
                    accounts.push(self.keys[above].account);
                }
            }
        }
        accounts
    }

    pub(super) fn ask(
        &mut self,
        at: usize,
        id: GenerationId,
        accounts: &[AccountId],
        bound: Nanos,
    ) {
        let now = self.time_at(at);
        loop {
            let node = &mut self.nodes[at];
            match node.ledger.reserve(id, accounts, bound, now) {
                Admission::Unopened(account) => {
                    if self.nodes[at].partitioned {
                        return;
                    }
                    let state = self.state_of(account);
                    self.nodes[at].states.insert(account, state);
                    self.nodes[at].ledger.open(account, state, now);
                }
                Admission::Waiting => {
                    node.waiting.insert(id, (accounts.to_vec(), bound));
                    return;
                }
                admission => return self.decided(at, id, accounts.to_vec(), bound, admission),
            }
        }
    }

    /// What the store says of an account now.
    pub(super) fn state_of(&self, account: AccountId) -> AccountState {
        let key = self.keys.iter().find(|key| key.account == account).expect("a key's");
        let key = answer(fixture::get(&self.store, key.hash, self.time())).expect("it is there");
        AccountState { terms: key.terms, open: !key.disabled }
    }

    pub(super) fn decide(&mut self, at: usize, decisions: Vec<Decision>) {
        for (id, admission) in decisions {
            if let Some(bound) = self.nodes[at].extending.remove(&id) {
                self.extended(at, id, bound, admission);
                continue;
            }
            let waited = self.nodes[at].waiting.remove(&id);
            let (accounts, bound) = waited.expect("only who waits is decided");
            match admission {
                Admission::Unopened(_) => self.ask(at, id, &accounts, bound),
                admission => self.decided(at, id, accounts, bound, admission),
            }
        }
    }

    pub(super) fn decided(
        &mut self,
        at: usize,
        id: GenerationId,
        accounts: Vec<AccountId>,
        bound: Nanos,
        admission: Admission,
    ) {
        let windows = match admission {
            Admission::Admitted(windows) => windows,
            Admission::Refused(refusal) => return self.check_refusal(at, &refusal),
            Admission::Waiting | Admission::Unopened(_) => panic!("not a decision"),
        };
        self.check_admission(at, &accounts, windows);
        if bound > Nanos::ZERO {
            self.check_i1_admitted(at, &accounts, windows);
        }
        // Sometimes a provider bills more than the bound.
        let cost = Nanos::new(self.below(bound.get() as u64 + 8) as i64);
        let account = accounts[0];
        let key = self.keys.iter().find(|key| key.account == account).expect("a key's").id;
        let metered = Arc::new(Metered {
            id,
            epoch: self.nodes[at].epoch,
            key,
            accounts,
            windows,
            reserved: bound,
            model: String::new(),
            provider: String::new(),
            is_byok: false,
            streamed: true,
            admitted_at: self.time_at(at),
            origin: Arc::default(),
        });
        let life = self.nodes[at].life;
        let truth =
            Truth { account, cost: cost.min(bound), delivered: Nanos::ZERO, complete: false, life };
        self.truths.insert(id, truth);
        let request = Request {
            metered,
            bound,
            cost,
            marked: false,
            settling: None,
            given_up: false,
            written: false,
        };
        self.nodes[at].requests.insert(id, request);
    }

    /// A mark is on its way from here on.
    pub(super) fn authorise(&mut self, at: usize) {
        let open = |request: &Request| request.settling.is_none();
        let Some(id) = self.pick(at, open) else { return };
        let amount = Nanos::new(self.below(70) as i64);
        let node = &mut self.nodes[at];
        let authorised = node.ledger.authorise(id, amount).expect("it is open");
        let request = node.requests.get_mut(&id).expect("it was picked");
        request.marked = true;
        let request = Arc::clone(&request.metered);
        self.write(at, Writing::Mark(AnswerMark { request, authorised }));
        if self.chance(70) {
            self.post(at);
        }
    }

    /// A charge is on its way from here on.
    pub(super) fn settle(&mut self, at: usize) {
        let Some(id) = self.pick(at, |_| true) else { return };
        let now = self.time_at(at);
        let node = &mut self.nodes[at];
        let request = node.requests.get_mut(&id).expect("it was picked");
        let outcome = Outcome {
            usage: Usage::default(),
            cost: request.cost,
            byok: Nanos::ZERO,
            free: false,
            ending: Ending::Completed,
            estimated: false,
            course: Arc::default(),
        };
        let settled = node.ledger.settle(&request.metered, &outcome, now);
        assert_eq!(settled.is_some(), request.settling.is_none(), "I6: {id} is settled once");
        let Some(settlement) = settled else { return };
        node.extending.remove(&id);
        request.settling = Some(settlement.clone());
        node.journal.settling(&settlement);
        self.write(at, Writing::Settle(settlement));
        if self.chance(70) {
            self.post(at);
        }
    }

    pub(super) fn void(&mut self, at: usize) {
        let Some(id) = self.pick(at, |request| request.settling.is_none()) else { return };
        let now = self.time_at(at);
        let node = &mut self.nodes[at];
        node.extending.remove(&id);
        match node.ledger.void(id, now) {
            Void::Released(decisions) => {
                let request = node.requests.remove(&id).expect("it was picked");
                assert!(!request.marked, "what is marked only the store may end");
                self.decide(at, decisions);
            }
            Void::Marked => assert!(node.requests[&id].marked),
        }
    }

    pub(super) fn give_up(&mut self, at: usize) {
        let waiting = self.nodes[at].waiting.len() as u64;
        if waiting == 0 {
            return self.give_up_extending(at);
        }
        let which = self.below(waiting) as usize;
        let id = *self.nodes[at].waiting.keys().nth(which).expect("there are as many");
        let now = self.time_at(at);
        let gave_up = self.nodes[at].ledger.give_up(id, now).expect("it waits");
        self.nodes[at].waiting.remove(&id);
        if let GaveUp::Refused(refusal) = gave_up {
            self.check_refusal(at, &refusal);
        }
    }
}
