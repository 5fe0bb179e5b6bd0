//! R6: the power is cut, one node on SQLite.
//!
//! The real gateway is recorded from its first start on, under load, to its orderly end: everything that
//! it does to its directory, and between it what its clients were told. From the recording power cuts are
//! drawn at any moment (`keyway_testkit::Disk` says what a disk may have made of it). Each is opened as a
//! start opens it, and everything that anybody had been told has to be there. On one of them the gateway
//! is started anew, recorded again, killed, and cuts are drawn from that: also in the middle of a recovery.
//!
//! `KEYWAY_TORTURE_CUTS` is how many, `KEYWAY_TORTURE_SEED` the seed.

mod load;
mod recording;
mod told;
mod upgrade;
mod verdict;

use keyway_testkit::Random;

use self::recording::Recording;
use self::verdict::Verdict;
use crate::field::alone;
use crate::setting;

/// Of a disk that lies, or a store that does not flush: enough to find it out many times.
const CUTS_OF_FAULTS: u64 = 40;
const CUTS_OF_UPGRADES: u64 = 100;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r6_nothing_that_anybody_was_told_is_lost_with_the_power() {
    let _alone = alone().await;
    let cuts = setting("KEYWAY_TORTURE_CUTS", 500);
    let mut random = Random::new(setting("KEYWAY_TORTURE_SEED", 0x5eed));
    let first = Recording::of_a_first_start("flush").await;
    let mut verdict = Verdict::default();
    // The first start is short, and checkpoints are rare: both get their share.
    for (moments, share) in [(first.beginning(), 25), (first.checkpoints(), 25), (first.all(), 30)]
    {
        first.draw(&moments, cuts * share / 100, &mut random, &mut verdict).await;
    }
    let second = Recording::of_a_start_on(&first, &mut random).await;
    for (moments, share) in [(second.beginning(), 10), (second.all(), 10)] {
        second.draw(&moments, cuts * share / 100, &mut random, &mut verdict).await;
    }
    println!("R6, {first} and {second}: {verdict}");
    verdict.assert_clean();
    assert!(verdict.charges > cuts, "there was little to lose: {verdict}");

    // The same cuts find it where a flush is missing, whoever left it out.
    for liar in ["-wal", "keyway.db"] {
        let mut fooled = Verdict::default();
        let lying = first.lying_about(liar);
        lying.draw(&lying.all(), CUTS_OF_FAULTS, &mut random, &mut fooled).await;
        println!("R6, a disk that lies about {liar}: {fooled}");
        assert!(fooled.found_something(), "a disk that lies about {liar} goes unnoticed");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r6_without_flushes_the_newest_is_lost_and_nothing_is_damaged() {
    let _alone = alone().await;
    let mut random = Random::new(setting("KEYWAY_TORTURE_SEED", 0x5eed));
    let recording = Recording::of_a_first_start("process").await;
    let mut verdict = Verdict::default();
    recording.draw(&recording.all(), CUTS_OF_FAULTS, &mut random, &mut verdict).await;
    println!("R6, durability = \"process\", {recording}: {verdict}");
    assert!(verdict.lost_something(), "cuts that lose nothing show nothing");
    verdict.assert_undamaged();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r6_an_upgrade_keeps_the_old_store_or_its_copy() {
    let _alone = alone().await;
    let mut random = Random::new(setting("KEYWAY_TORTURE_SEED", 0x5eed));
    let recording = Recording::of_an_upgrade().await;
    let mut verdict = Verdict::default();
    recording.draw(&recording.beginning(), CUTS_OF_UPGRADES, &mut random, &mut verdict).await;
    println!("R6, an upgrade, {recording}: {verdict}");
    verdict.assert_clean();
}
