//! Spans that ended, on their way to the collector: a bounded queue, and what empties it. A collector that
//! is slow, or not there, costs spans and nothing else.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::carrier::{Carrier, CarrierError};
use super::envelope::{Envelope, SPANS};
use super::wire::{Message, field_bytes};

/// Spans that wait; further ones are dropped, and counted.
const WAITING_MAX: usize = 4_096;
/// And what they take: what a provider calls an answer may be long.
const WAITING_BYTES_MAX: usize = 8 * 1024 * 1024;
/// As many do not wait for more.
const BATCH: usize = 512;
/// How long the first of a batch waits for more.
const DELAY: Duration = Duration::from_secs(1);
/// What a shutdown waits for what is left to be told.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(3);

/// What became of spans.
#[derive(Debug, Default)]
pub(crate) struct SpanCounts {
    pub(crate) told: AtomicU64,
    /// The collector did not take them.
    pub(crate) failed: AtomicU64,
    /// There was no room for them.
    pub(crate) dropped: AtomicU64,
}

/// Takes spans that ended. Cloning shares it.
#[derive(Clone, Debug)]
pub(super) struct Queue(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    envelope: Envelope,
    waiting: Mutex<Waiting>,
    /// Told of the first that waits, and when there is a batch of them: not of each, so that a request wakes
    /// nobody.
    grown: Notify,
    counts: Arc<SpanCounts>,
}

/// Spans in the request that will tell them.
#[derive(Debug)]
struct Waiting {
    request: Message,
    count: usize,
}

/// Tells the collector what is in the queue.
#[derive(Debug)]
pub(crate) struct Export<C = Carrier> {
    queue: Queue,
    collector: C,
    batch: Waiting,
    /// Whether the last batch was taken; a change is logged.
    is_taken: bool,
}

/// Who takes batches of spans, each in a whole request.
pub(crate) trait Collector {
    fn take(&mut self, request: Bytes) -> impl Future<Output = Result<(), CarrierError>> + Send;
}

impl Waiting {
    fn nothing(envelope: &Envelope) -> Self {
        Self { request: envelope.begin(), count: 0 }
    }
}

impl Queue {
    /// Of spans that are told in such envelopes.
    pub(super) fn new(envelope: Envelope) -> Self {
        let waiting = Mutex::new(Waiting::nothing(&envelope));
        let (grown, counts) = Default::default();
        Self(Arc::new(Shared { envelope, waiting, grown, counts }))
    }

    pub(super) fn counts(&self) -> &Arc<SpanCounts> {
        &self.0.counts
    }

    pub(super) fn offer(&self, span: &[u8]) {
        let mut waiting = self.waiting();
        let bytes = waiting.request.len() + field_bytes(span.len());
        if waiting.count == WAITING_MAX || bytes > WAITING_BYTES_MAX {
            self.0.counts.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        waiting.request.bytes(SPANS, span);
        waiting.count += 1;
        let is_told = waiting.count == 1 || waiting.count == BATCH;
        drop(waiting);
        if is_told {
            self.0.grown.notify_one();
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// When so many wait.
    async fn has(&self, count: usize) {
        while self.waiting().count < count {
            self.0.grown.notified().await;
        }
    }

    /// Takes all that wait, and leaves the room of what was taken before: fresh memory for each batch costs
    /// more than what is written there.
    fn take(&self, taken: &mut Waiting) {
        self.0.envelope.empty(&mut taken.request);
        taken.count = 0;
        std::mem::swap(&mut *self.waiting(), taken);
        self.0.envelope.seal(&mut taken.request);
    }
}

impl<C: Collector> Export<C> {
    pub(super) fn new(queue: Queue, collector: C) -> Self {
        let batch = Waiting::nothing(&queue.0.envelope);
        Self { queue, collector, batch, is_taken: true }
    }

    /// Until `stop` is cancelled; then what is left, as far as there is time.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        let late = async {
            stop.cancelled().await;
            sleep(FLUSH_TIMEOUT).await;
        };
        let told = async {
            while self.gathered(&stop).await {
                self.tell().await;
            }
            self.tell().await;
        };
        tokio::select! {
            biased;
            () = told => {}
            () = late => {
                tracing::warn!("the collector of spans is too slow: what was not told yet is lost");
            }
        }
    }

    /// Waits for spans; false when there is nothing to wait for any more.
    async fn gathered(&self, stop: &CancellationToken) -> bool {
        let gathered = async {
            self.queue.has(1).await;
            let _ = timeout(DELAY, self.queue.has(BATCH)).await;
        };
        tokio::select! {
            biased;
            () = stop.cancelled() => false,
            () = gathered => true,
        }
    }

    /// Tells all that wait.
    async fn tell(&mut self) {
        self.queue.take(&mut self.batch);
        let Waiting { request, count } = &mut self.batch;
        if *count == 0 {
            return;
        }
        let sealed = Bytes::from(std::mem::take(request).into_bytes());
        let told = self.collector.take(sealed.clone()).await;
        // Its room is that of the batch after the next, once nobody sends it any more.
        *request = Message::within(sealed.into());
        let counts = self.queue.counts();
        let counter = if told.is_ok() { &counts.told } else { &counts.failed };
        counter.fetch_add(*count as u64, Ordering::Relaxed);
        match (&told, self.is_taken) {
            (Err(error), true) => tracing::warn!(%error, "the collector does not take spans"),
            (Ok(()), false) => tracing::info!("the collector takes spans again"),
            _ => {}
        }
        self.is_taken = told.is_ok();
    }
}

#[cfg(test)]
mod tests {
    use http::StatusCode;
    use tokio::sync::Semaphore;

    use super::*;

    /// Takes a batch for each permit, and waits for one.
    #[derive(Debug)]
    struct Other {
        permits: Arc<Semaphore>,
        refuses: bool,
    }

    impl Collector for Other {
        async fn take(&mut self, _: Bytes) -> Result<(), CarrierError> {
            self.permits.acquire().await.expect("open").forget();
            if self.refuses { Err(CarrierError::Refused(StatusCode::BAD_REQUEST)) } else { Ok(()) }
        }
    }

    fn export(batches: usize, refuses: bool) -> (Queue, Export<Other>) {
        let queue = Queue::new(Envelope::default());
        let permits = Arc::new(Semaphore::new(batches));
        (queue.clone(), Export::new(queue, Other { permits, refuses }))
    }

    fn counted(queue: &Queue) -> [u64; 3] {
        let counts = queue.counts();
        [&counts.told, &counts.failed, &counts.dropped].map(|it| it.load(Ordering::Relaxed))
    }

    fn stopped() -> CancellationToken {
        let stop = CancellationToken::new();
        stop.cancel();
        stop
    }

    /// Offers `spans` to a collector that takes `batches` of them, and stops.
    async fn run(spans: usize, batches: usize, refuses: bool) -> [u64; 3] {
        let (queue, export) = export(batches, refuses);
        (0..spans).for_each(|_| queue.offer(b"span"));
        export.run(stopped()).await;
        counted(&queue)
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_not_told_is_counted_and_nobody_waits_for_it() {
        assert_eq!(run(3, 1, false).await, [3, 0, 0], "what is left at a stop is told");
        assert_eq!(run(3, 1, true).await, [0, 3, 0]);
        let most = WAITING_MAX as u64;
        assert_eq!(run(WAITING_MAX + 7, 1, false).await, [most, 0, 7]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_stop_waits_three_seconds_for_a_collector_that_takes_nothing() {
        // It had a batch before the stop, or has its first one then.
        for before in [DELAY * 2, Duration::ZERO] {
            let (queue, export) = export(0, false);
            queue.offer(b"span");
            let stop = CancellationToken::new();
            let began = tokio::time::Instant::now();
            let stopped = async {
                sleep(before).await;
                stop.cancel();
            };
            tokio::join!(export.run(stop.clone()), stopped);
            assert_eq!(began.elapsed(), before + FLUSH_TIMEOUT);
            assert_eq!(counted(&queue), [0, 0, 0]);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn long_spans_are_fewer() {
        let (queue, export) = export(1, false);
        let long = vec![0; WAITING_BYTES_MAX / 3];
        (0..4).for_each(|_| queue.offer(&long));
        queue.offer(b"span");
        export.run(stopped()).await;
        assert_eq!(counted(&queue), [3, 0, 2]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_span_waits_a_second_for_others_and_a_batch_for_nobody() {
        let (queue, mut export) = export(9, false);
        let stop = CancellationToken::new();
        for (later, waits) in [(1, DELAY), (BATCH - 1, DELAY / 2)] {
            queue.offer(b"span");
            let began = tokio::time::Instant::now();
            let offered = async {
                tokio::time::sleep(DELAY / 2).await;
                (0..later).for_each(|_| queue.offer(b"span"));
            };
            let (gathered, ()) = tokio::join!(export.gathered(&stop), offered);
            assert!(gathered && began.elapsed() == waits, "{:?}", began.elapsed());
            export.tell().await;
        }
        assert_eq!(counted(&queue), [BATCH as u64 + 2, 0, 0]);
    }
}
