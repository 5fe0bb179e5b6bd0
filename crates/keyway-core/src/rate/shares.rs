//! What of a key's limits is this node's.

use std::time::Duration;

use super::{Figure, MINUTE, RateLimits};
use crate::id::KeyId;

/// Places that are remembered. They change when nodes come and go, which is not often.
const PLACES_MAX: usize = 64;

/// Where a node stands among those that live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Live nodes, this one among them; at least 1.
    pub nodes: u32,
    /// How many of them began before this one.
    pub rank: u32,
}

impl Place {
    /// Of the only node there is.
    pub const ALONE: Self = Self { nodes: 1, rank: 0 };

    /// The part of `figure` that the node at this place may admit.
    ///
    /// Shares are whole and sum to the figure; two differ by one at most. Where the figure is smaller
    /// than the number of nodes some get nothing: which ones differs from key to key.
    fn share(self, figure: Figure, key: KeyId) -> u64 {
        let (figure, nodes) = (u64::from(figure.get()), u64::from(self.nodes.max(1)));
        let turn = (u64::from(self.rank) + key.0.unsigned_abs() % nodes) % nodes;
        figure / nodes + u64::from(turn < figure % nodes)
    }
}

/// What of a key's limits is this node's; `None` is unlimited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodeShares {
    pub requests: Option<u64>,
    pub tokens: Option<u64>,
    pub concurrent: Option<u64>,
}

/// The node's shares, as nodes come and go.
///
/// While the same nodes live, all of them together admit no more than the figure in any minute. A
/// share that grows because a node left does so when a minute has passed, so that what the other
/// admitted counts no more. A node that begins has its share at once, since a key has to be usable
/// where it is presented: in the minute after it began, at most that share may come on top.
#[derive(Clone, Debug, Default)]
pub struct Shares {
    /// Places with when each was last seen to be this node's; the present one last.
    places: Vec<(Place, Duration)>,
}

impl Shares {
    /// Learns that the node is at `place`.
    pub fn learn(&mut self, place: Place, now: Duration) {
        if let Some((present, until)) = self.places.last_mut() {
            *until = now;
            if *present == place {
                return;
            }
        }
        self.places.retain(|(known, until)| *known != place && counts(*until, now));
        if self.places.len() == PLACES_MAX {
            self.places.remove(0);
        }
        self.places.push((place, now));
    }

    /// What of `limits` is this node's; `None` before it knows its place.
    pub fn of(&self, limits: &RateLimits, key: KeyId, now: Duration) -> Option<NodeShares> {
        let (present, _) = self.places.last()?;
        let recent = || self.places.iter().filter(|(_, until)| counts(*until, now));
        let share = |figure: Figure| {
            let least = recent().map(|(place, _)| place.share(figure, key)).min();
            least.unwrap_or(u64::MAX).min(present.share(figure, key))
        };
        Some(NodeShares {
            requests: limits.requests_per_minute.map(share),
            tokens: limits.tokens_per_minute.map(share),
            concurrent: limits.max_concurrent_requests.map(share),
        })
    }
}

fn counts(until: Duration, now: Duration) -> bool {
    until.saturating_add(MINUTE) > now
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn limits(figure: i64) -> RateLimits {
        RateLimits { requests_per_minute: Figure::new(figure), ..RateLimits::default() }
    }

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    proptest! {
        #[test]
        fn shares_sum_to_the_figure_and_hardly_differ(
            figure in 1..200_i64, nodes in 1..20_u32, key in 0..50_i64,
        ) {
            let figure = Figure::new(figure).expect("in range");
            let shares: Vec<u64> =
                (0..nodes).map(|rank| Place { nodes, rank }.share(figure, KeyId(key))).collect();
            prop_assert_eq!(shares.iter().sum::<u64>(), u64::from(figure.get()));
            let (least, most) = (shares.iter().min(), shares.iter().max());
            prop_assert!(most.zip(least).is_some_and(|(most, least)| most - least <= 1));
        }
    }

    #[test]
    fn keys_with_less_than_one_a_node_are_not_all_at_the_same_node() {
        let one = Figure::new(1).expect("in range");
        for rank in 0..3 {
            let place = Place { nodes: 3, rank };
            let keys: u64 = (0..30).map(|key| place.share(one, KeyId(key))).sum();
            assert_eq!(keys, 10);
        }
    }

    #[test]
    fn a_share_shrinks_at_once_and_grows_after_a_minute() {
        let mut shares = Shares::default();
        let mine = |shares: &Shares, now| {
            shares.of(&limits(12), KeyId(1), now).and_then(|shares| shares.requests)
        };
        assert_eq!(mine(&shares, at(0)), None);
        shares.learn(Place::ALONE, at(0));
        assert_eq!(mine(&shares, at(0)), Some(12));
        shares.learn(Place { nodes: 3, rank: 0 }, at(100));
        assert_eq!(mine(&shares, at(100)), Some(4));
        shares.learn(Place { nodes: 3, rank: 0 }, at(200));
        shares.learn(Place { nodes: 2, rank: 0 }, at(201));
        assert_eq!(mine(&shares, at(260)), Some(4));
        assert_eq!(mine(&shares, at(261)), Some(6));
    }

    #[test]
    fn nodes_that_come_and_go_leave_few_places_behind() {
        let mut shares = Shares::default();
        for second in 0..1_000 {
            let nodes = 2 + u32::try_from(second % 200).expect("small");
            shares.learn(Place { nodes, rank: 1 }, at(second));
            assert!(shares.places.len() <= PLACES_MAX);
        }
        let mut shares = Shares::default();
        for second in 0..50 {
            shares.learn(Place { nodes: 2 + second % 2, rank: 1 }, at(second.into()));
        }
        assert_eq!(shares.places.len(), 2);
    }

    #[test]
    fn what_a_node_that_left_admitted_is_not_admitted_again() {
        // Three nodes; the one at rank 1 stops at second 30, the others see it a second later.
        let mut nodes = [Shares::default(), Shares::default(), Shares::default()];
        let mut admitted: Vec<u64> = Vec::new();
        let mut own = [const { Vec::<u64>::new() }; 3];
        for second in 0..200 {
            let live: Vec<usize> = if second > 30 { vec![0, 2] } else { vec![0, 1, 2] };
            for (rank, &node) in (0..).zip(&live) {
                let nodes_live = u32::try_from(live.len()).expect("few");
                nodes[node].learn(Place { nodes: nodes_live, rank }, at(second));
                let shares = nodes[node].of(&limits(10), KeyId(4), at(second)).expect("known");
                // The count of a node is exact, which is tested elsewhere: here by a list.
                let counted = own[node].iter().filter(|at| **at + 60 > second).count() as u64;
                if counted < shares.requests.unwrap_or(u64::MAX) {
                    own[node].push(second);
                    admitted.push(second);
                }
            }
            let minute = admitted.iter().filter(|at| **at + 60 > second).count();
            assert!(minute <= 10, "{minute} in the minute before {second}");
        }
        let last = admitted.iter().filter(|at| **at >= 140).count();
        assert_eq!(last, 10, "the others have taken over");
    }
}
