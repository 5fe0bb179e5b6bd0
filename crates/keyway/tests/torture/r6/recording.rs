//! A gateway that was recorded, and the cuts that are drawn from it.

use std::fmt;
use std::path::Path;

use keyway_testkit::{Disk, Event, Random, Recorder, Setup};
use tempfile::TempDir;

use super::told::{Standing, Told};
use super::verdict::Verdict;
use super::{load, upgrade};

/// As many fill the WAL several times over.
const ANSWERS: u64 = 1_600;
const DATA: &str = "data";

/// Events of a recording after which the power may go.
pub(super) type Moments = Vec<usize>;

pub(super) struct Recording {
    before: Disk,
    told_before: Standing,
    events: Vec<Event>,
}

impl Recording {
    /// A gateway on nothing, under load, until it is told to stop.
    pub(super) async fn of_a_first_start(durability: &str) -> Self {
        let place = place();
        let before = Disk::of(place.path());
        let recorder = Recorder::of(place.path());
        let gateway = setup(&recorder, durability).start_in(&data(place.path())).await;
        recorder.note(&Told::Ready.to_string());
        load::run(&gateway, &recorder, ANSWERS, 1).await;
        assert!(gateway.terminate().await.status.success());
        let events = recorder.events();
        let mut after = before.clone();
        for event in &events {
            after.apply(event);
        }
        after.assert_is_there();
        Self { before, told_before: Standing::default(), events }
    }

    /// A gateway on what a power cut left of another one, in the middle of its load; killed in the end.
    pub(super) async fn of_a_start_on(first: &Self, random: &mut Random) -> Self {
        let place = place();
        let moment = *first.checkpoints().last().expect("there was a checkpoint");
        let (disk, told) = first.at(moment);
        disk.cut(random, place.path());
        let before = Disk::of(place.path());
        let recorder = Recorder::of(place.path());
        let gateway = setup(&recorder, "flush").start_in(&data(place.path())).await;
        recorder.note(&Told::Ready.to_string());
        load::run(&gateway, &recorder, ANSWERS / 4, 2).await;
        gateway.kill().await;
        Self { before, told_before: told, events: recorder.events() }
    }

    /// A gateway on a store of the first version, until it is ready.
    pub(super) async fn of_an_upgrade() -> Self {
        let place = place();
        upgrade::prepare(&data(place.path())).expect("an old store");
        let before = Disk::of(place.path());
        let recorder = Recorder::of(place.path());
        let gateway = setup(&recorder, "flush").start_in(&data(place.path())).await;
        recorder.note(&Told::Ready.to_string());
        gateway.kill().await;
        let told_before = Standing { upgraded: true, ..Standing::default() };
        Self { before, told_before, events: recorder.events() }
    }

    /// The same on a disk whose syncs of such files do nothing.
    pub(super) fn lying_about(&self, ending: &str) -> Self {
        Self {
            before: self.before.clone().lying_about(ending),
            told_before: self.told_before.clone(),
            events: self.events.clone(),
        }
    }

    pub(super) fn all(&self) -> Moments {
        (0..self.events.len()).collect()
    }

    /// Until somebody was told that it is ready.
    pub(super) fn beginning(&self) -> Moments {
        let ready = self.events.iter().position(|event| matches!(event, Event::Note(_)));
        (0..ready.expect("it became ready")).collect()
    }

    /// While the database itself is written to.
    pub(super) fn checkpoints(&self) -> Moments {
        let mut disk = self.before.clone();
        let begun = self.beginning().len();
        let mut moments = Moments::new();
        for (moment, event) in self.events.iter().enumerate() {
            disk.apply(event);
            if moment >= begun && disk.is_unsynced("keyway.db") {
                moments.push(moment);
            }
        }
        moments
    }

    fn at(&self, moment: usize) -> (Disk, Standing) {
        let (mut disk, mut told) = (self.before.clone(), self.told_before.clone());
        for event in &self.events[..=moment] {
            take(&mut disk, &mut told, event);
        }
        (disk, told)
    }

    /// Cuts the power at `cuts` of the `moments`, and adds what is found to `verdict`.
    pub(super) async fn draw(
        &self,
        moments: &Moments,
        cuts: u64,
        random: &mut Random,
        verdict: &mut Verdict,
    ) {
        let mut chosen: Vec<usize> =
            (0..cuts).map(|_| moments[random.index(moments.len())]).collect();
        chosen.sort_unstable();
        let (mut disk, mut told) = (self.before.clone(), self.told_before.clone());
        let mut done = 0;
        for moment in chosen {
            let end = moment + 1;
            for event in &self.events[done..end] {
                take(&mut disk, &mut told, event);
            }
            done = end;
            let found = place();
            disk.cut(random, found.path());
            verdict.look_at(&data(found.path()), &told, moment).await;
        }
    }
}

fn take(disk: &mut Disk, told: &mut Standing, event: &Event) {
    disk.apply(event);
    if let Event::Note(note) = event {
        told.hear(note);
    }
}

fn setup(recorder: &Recorder, durability: &str) -> Setup {
    let setup = Setup::new(env!("CARGO_BIN_EXE_keyway"))
        .config(&format!("[store]\ndurability = \"{durability}\"\n"))
        .variable("KEYWAY_LOG", "info");
    recorder.variables().iter().fold(setup, |setup, (name, value)| setup.variable(name, value))
}

/// In memory where there is such a directory: what a disk would do is drawn, not waited for.
fn place() -> TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).expect("a directory")
}

fn data(place: &Path) -> std::path::PathBuf {
    place.canonicalize().expect("a directory").join(DATA)
}

impl fmt::Display for Recording {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = |ending: &str| self.events.iter().filter(|event| event.syncs(ending)).count();
        let (events, syncs) = (self.events.len(), count("-wal"));
        write!(
            f,
            "{events} events, {syncs} flushes of the WAL, {} of the database",
            count("keyway.db")
        )
    }
}
