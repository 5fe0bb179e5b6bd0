//! Faults by a schedule that a seed decides: nodes are killed, paused and cut off from their database.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::time::{Instant, sleep, timeout_at};

use crate::{Cluster, Mode, Random};

/// One in so many partitions cuts off all nodes at once.
const EVERYWHERE: u64 = 10;

/// How often a kind of fault happens, and how long it lasts.
#[derive(Clone, Copy, Debug)]
pub struct Every {
    pub every: Duration,
    pub least: Duration,
    pub most: Duration,
}

/// What is done to a cluster, and for how long.
#[derive(Clone, Debug)]
pub struct Chaos {
    seed: u64,
    length: Duration,
    kills: Option<Every>,
    partitions: Option<Every>,
    pauses: Option<Every>,
}

impl Chaos {
    /// Everything at once: a random node killed each second and started again after up to two,
    /// partitions of 1 to 10 s, pauses of up to 20 s.
    pub const fn new(seed: u64, length: Duration) -> Self {
        let seconds = Duration::from_secs;
        let kills = Every { every: seconds(1), least: Duration::ZERO, most: seconds(2) };
        let partitions = Every { every: seconds(2), least: seconds(1), most: seconds(10) };
        let pauses = Every { every: seconds(2), least: Duration::ZERO, most: seconds(20) };
        let (kills, partitions, pauses) = (Some(kills), Some(partitions), Some(pauses));
        Self { seed, length, kills, partitions, pauses }
    }

    #[must_use]
    pub const fn kills(mut self, kills: Option<Every>) -> Self {
        self.kills = kills;
        self
    }

    #[must_use]
    pub const fn partitions(mut self, partitions: Option<Every>) -> Self {
        self.partitions = partitions;
        self
    }

    #[must_use]
    pub const fn pauses(mut self, pauses: Option<Every>) -> Self {
        self.pauses = pauses;
        self
    }

    /// Lets it loose on `cluster`, heals everything at the end, and answers what happened when.
    #[expect(clippy::print_stdout, reason = "whoever sees it fail needs the seed")]
    pub async fn run(&self, cluster: &Cluster) -> Vec<String> {
        println!("chaos: seed {}, {} s", self.seed, self.length.as_secs());
        let began = Instant::now();
        let down = (0..cluster.count()).map(|_| AtomicBool::new(false)).collect();
        let run = Run { cluster, began, until: began + self.length, down };
        let random = Random::new(self.seed);
        let (kills, partitions, pauses) = tokio::join!(
            run.kill(self.kills, random.fork(1)),
            run.cut(self.partitions, random.fork(2)),
            run.pause(self.pauses, random.fork(3)),
        );
        cluster.heal().await;
        let mut events: Vec<Event> = [kills, partitions, pauses].concat();
        events.sort();
        events.iter().map(|(at, what)| format!("{at:6.2?} {what}")).collect()
    }
}

/// What happened, and when after the beginning.
type Event = (Duration, String);

struct Run<'a> {
    cluster: &'a Cluster,
    began: Instant,
    until: Instant,
    /// Which nodes are killed and not up again.
    down: Vec<AtomicBool>,
}

impl Run<'_> {
    /// Kills go on while others are down.
    async fn kill(&self, kills: Option<Every>, mut random: Random) -> Vec<Event> {
        let mut events = Vec::new();
        let Some(kills) = kills else { return events };
        let mut down = FuturesUnordered::new();
        while self.next(kills.every, &mut down).await {
            let pause = random.duration(kills.least, kills.most);
            let Some(node) = self.victim(&mut random) else { continue };
            self.down[node].store(true, Ordering::Relaxed);
            events.push((self.began.elapsed(), format!("kill node {node}, down for {pause:?}")));
            down.push(async move {
                self.cluster.kill(node).await;
                self.wait(pause).await;
                self.cluster.restart(node).await;
                self.down[node].store(false, Ordering::Relaxed);
            });
        }
        while down.next().await.is_some() {}
        events
    }

    async fn cut(&self, partitions: Option<Every>, mut random: Random) -> Vec<Event> {
        let mut events = Vec::new();
        let Some(partitions) = partitions else { return events };
        let mut nothing = FuturesUnordered::<std::future::Ready<()>>::new();
        while self.next(partitions.every, &mut nothing).await {
            let everywhere = random.once_in(EVERYWHERE);
            let chosen = random.index(self.cluster.count());
            let mode = mode(&mut random);
            let length = random.duration(partitions.least, partitions.most);
            let nodes: Vec<usize> =
                (0..self.cluster.count()).filter(|node| everywhere || *node == chosen).collect();
            events.push((self.began.elapsed(), format!("{mode:?} at {nodes:?} for {length:?}")));
            for node in &nodes {
                self.cluster.partition(*node, mode);
            }
            self.wait(length).await;
            for node in &nodes {
                self.cluster.partition(*node, Mode::Pass);
            }
        }
        events
    }

    async fn pause(&self, pauses: Option<Every>, mut random: Random) -> Vec<Event> {
        let mut events = Vec::new();
        let Some(pauses) = pauses else { return events };
        let mut nothing = FuturesUnordered::<std::future::Ready<()>>::new();
        while self.next(pauses.every, &mut nothing).await {
            let length = random.duration(pauses.least, pauses.most);
            let Some(node) = self.victim(&mut random) else { continue };
            events.push((self.began.elapsed(), format!("pause node {node} for {length:?}")));
            self.cluster.pause(node).await;
            self.wait(length).await;
            self.cluster.resume(node).await;
        }
        events
    }

    /// One of the nodes that run.
    fn victim(&self, random: &mut Random) -> Option<usize> {
        let up = |node: &usize| !self.down[*node].load(Ordering::Relaxed);
        let up: Vec<usize> = (0..self.cluster.count()).filter(up).collect();
        let chosen = random.index(up.len());
        up.get(chosen).copied()
    }

    /// Waits for the next fault, and lets what is under way go on meanwhile; false at the end.
    async fn next<F: Future<Output = ()>>(
        &self,
        every: Duration,
        under_way: &mut FuturesUnordered<F>,
    ) -> bool {
        let due = self.until.min(Instant::now() + every);
        while let Ok(Some(())) = timeout_at(due, under_way.next()).await {}
        tokio::time::sleep_until(due).await;
        Instant::now() < self.until
    }

    /// As long as the fault lasts; no fault outlives the schedule.
    async fn wait(&self, length: Duration) {
        sleep(length.min(self.until.saturating_duration_since(Instant::now()))).await;
    }
}

fn mode(random: &mut Random) -> Mode {
    let late = Duration::from_millis(random.between(20, 400));
    match random.below(6) {
        0 => Mode::Cut,
        1 => Mode::BlackHole,
        2 => Mode::Stall,
        3 => Mode::Delay { to_target: late, to_client: late },
        4 => Mode::LoseAnswers { to: "" },
        _ => Mode::LoseAnswers { to: "COMMIT" },
    }
}
