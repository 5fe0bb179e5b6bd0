//! One to five nodes run the real ledger against the model of a store, in a world where everything
//! goes wrong: crashes, nodes that are taken for dead and are not, nodes that sleep and wake, partitions,
//! a store that answers late and in another order, answers that are lost, calls that arrive twice, clocks
//! that are off, limits and windows that change under way, and a store that fails over and loses its last
//! moment. Which of it happens is drawn for each seed; to
//! one in eight everything does. What has to hold is in [`checks`], after every event.
//!
//! A run is a function of its seed. A seed that fails prints itself; `KEYWAY_SEED=… cargo test -p
//! keyway-core simulation` runs it alone. `KEYWAY_SEEDS` says how many are run.

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    reason = "random numbers, all small"
)]

mod calls;
mod checks;
mod events;
mod extensions;
mod failover;
mod node;
mod requests;
mod trouble;
mod verdicts;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};

use self::failover::Figures;
use self::world::World;
use crate::planted::{Bug, plant};

const SEEDS: u64 = 10_000;
const STEPS: u32 = 160;
/// A bug that hides for so many seeds is not caught.
const SEEDS_FOR_A_BUG: u64 = 4_000;

fn run(seed: u64) -> Figures {
    let mut world = World::new(seed);
    for _ in 0..STEPS {
        world.step();
        world.check();
    }
    world.heal();
    world.check_the_end();
    world.history.figures
}

fn run_or_tell(seed: u64) -> Figures {
    let run = catch_unwind(|| run(seed));
    run.unwrap_or_else(|_| panic!("KEYWAY_SEED={seed} breaks a promise"))
}

fn variable(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|text| text.parse().ok())
}

#[test]
fn no_seed_breaks_a_promise() {
    if let Some(seed) = variable("KEYWAY_SEED") {
        println!("{:?}", run(seed));
        return;
    }
    let seeds = variable("KEYWAY_SEEDS").unwrap_or(SEEDS);
    let figures = std::thread::scope(|scope| {
        let half = |thread| {
            let seeds = (thread..seeds).step_by(2);
            scope.spawn(move || seeds.map(run_or_tell).fold(Figures::default(), Figures::and))
        };
        let halves = [half(0), half(1)];
        halves.map(|half| half.join().expect("no promise is broken"))
    });
    println!("{seeds} seeds, {:?}", figures[0].and(figures[1]));
}

#[test]
fn every_planted_bug_is_caught() {
    // What a caught bug has to say would bury the result.
    std::panic::set_hook(Box::new(|_| {}));
    let bugs = [
        Bug::HoldsNothing,
        Bug::DrawsNothing,
        Bug::ChargesAboveTheBound,
        Bug::WindowsStand,
        Bug::ForgetsGrants,
        Bug::KeepsWhatItGaveBack,
        Bug::RefusesForHolds,
        Bug::IgnoresAmendments,
        Bug::SpendsWhatOldTermsGranted,
        Bug::LeaksPartialHolds,
        Bug::ExtendsWithoutHolding,
        Bug::ExtendsOneAccount,
        Bug::SettlesTwice,
        Bug::ReleasesEarly,
        Bug::WaivesWhatIsCharged,
        Bug::NoFence,
        Bug::GrantsWhatIsLeased,
        Bug::GrantsAgain,
        Bug::VoidsOnCrash,
        Bug::KeepsDeadLeases,
        Bug::SettlesBesideTheLease,
        Bug::ForgetsConsumed,
        Bug::PrunesWithoutTrace,
        Bug::TestifiesNothing,
        Bug::ForgetsMarks,
        Bug::TestifiesTwice,
        Bug::WaitsForNobody,
        Bug::KeepsOldRuns,
        Bug::NumbersAgain,
        Bug::RevivesKeys,
    ];
    let mut survivors = Vec::new();
    for bug in bugs {
        plant(Some(bug));
        let caught = (0..SEEDS_FOR_A_BUG)
            .find(|seed| catch_unwind(AssertUnwindSafe(|| run(*seed))).is_err());
        plant(None);
        match caught {
            Some(seed) => println!("{bug:?}: caught by seed {seed}"),
            None => survivors.push(bug),
        }
    }
    let _ = std::panic::take_hook();
    assert!(survivors.is_empty(), "not caught: {survivors:?}");
}
