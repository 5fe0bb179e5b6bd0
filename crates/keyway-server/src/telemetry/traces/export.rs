//! Spans that ended, on their way to the collector: a bounded queue, and what empties it. A collector that
//! is slow, or not there, costs spans and nothing else.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use opentelemetry::Context;
use opentelemetry_otlp::SpanExporter;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{Span, SpanData, SpanProcessor};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// Spans that wait; further ones are dropped, and counted.
const WAITING_MAX: usize = 4_096;
/// Spans that are told at once.
const BATCH_MAX: usize = 512;
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

/// Takes spans that ended.
#[derive(Debug)]
pub(super) struct Queue {
    spans: mpsc::Sender<SpanData>,
    counts: Arc<SpanCounts>,
}

/// Tells the collector what is in the queue.
#[derive(Debug)]
pub struct Export<E = SpanExporter> {
    spans: mpsc::Receiver<SpanData>,
    counts: Arc<SpanCounts>,
    exporter: E,
    /// Whether the last batch was taken; a change is logged.
    is_taken: bool,
}

pub(super) fn queue<E>(exporter: E) -> (Queue, Export<E>) {
    let (sender, spans) = mpsc::channel(WAITING_MAX);
    let counts = Arc::<SpanCounts>::default();
    let queue = Queue { spans: sender, counts: Arc::clone(&counts) };
    (queue, Export { spans, counts, exporter, is_taken: true })
}

impl Queue {
    pub(super) fn counts(&self) -> &Arc<SpanCounts> {
        &self.counts
    }
}

impl SpanProcessor for Queue {
    fn on_start(&self, _: &mut Span, _: &Context) {}

    fn on_end(&self, span: SpanData) {
        if self.spans.try_send(span).is_err() {
            self.counts.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}

impl<E: opentelemetry_sdk::trace::SpanExporter> Export<E> {
    /// Until `stop` is cancelled; then what is left, as far as there is time.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut batch = Vec::with_capacity(BATCH_MAX);
        while self.fill(&mut batch, &stop).await {
            self.tell(&mut batch).await;
        }
        let rest = async {
            self.spans.close();
            while !batch.is_empty() || self.spans.recv_many(&mut batch, BATCH_MAX).await > 0 {
                self.tell(&mut batch).await;
            }
        };
        if timeout(FLUSH_TIMEOUT, rest).await.is_err() {
            tracing::warn!("the collector of spans is too slow: what was not told yet is lost");
        }
    }

    /// Waits for spans; false when there is nothing to wait for any more.
    async fn fill(&mut self, batch: &mut Vec<SpanData>, stop: &CancellationToken) -> bool {
        let mut filled = async || {
            let first = self.spans.recv_many(batch, BATCH_MAX).await;
            let more = async {
                while batch.len() < BATCH_MAX {
                    let room = BATCH_MAX - batch.len();
                    if self.spans.recv_many(batch, room).await == 0 {
                        return;
                    }
                }
            };
            let _ = timeout(DELAY, more).await;
            first > 0
        };
        tokio::select! {
            biased;
            () = stop.cancelled() => false,
            filled = filled() => filled,
        }
    }

    async fn tell(&mut self, batch: &mut Vec<SpanData>) {
        let count = u64::try_from(batch.len()).unwrap_or(u64::MAX);
        let told = self.exporter.export(std::mem::take(batch)).await;
        let counter = if told.is_ok() { &self.counts.told } else { &self.counts.failed };
        counter.fetch_add(count, Ordering::Relaxed);
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
    use opentelemetry::InstrumentationScope;
    use opentelemetry::trace::{SpanContext, SpanId, SpanKind, Status};
    use opentelemetry_sdk::error::OTelSdkError;
    use tokio::sync::Semaphore;

    use super::*;

    /// Takes a batch for each permit, and waits for one.
    #[derive(Debug)]
    struct Collector {
        permits: Arc<Semaphore>,
        refuses: bool,
    }

    impl opentelemetry_sdk::trace::SpanExporter for Collector {
        async fn export(&self, _: Vec<SpanData>) -> OTelSdkResult {
            self.permits.acquire().await.expect("open").forget();
            if self.refuses { Err(OTelSdkError::InternalFailure("no".into())) } else { Ok(()) }
        }
    }

    fn span() -> SpanData {
        SpanData {
            span_context: SpanContext::empty_context(),
            parent_span_id: SpanId::INVALID,
            parent_span_is_remote: false,
            span_kind: SpanKind::Server,
            name: "a".into(),
            start_time: std::time::UNIX_EPOCH,
            end_time: std::time::UNIX_EPOCH,
            attributes: Vec::new(),
            dropped_attributes_count: 0,
            events: opentelemetry_sdk::trace::SpanEvents::default(),
            links: opentelemetry_sdk::trace::SpanLinks::default(),
            status: Status::Unset,
            instrumentation_scope: InstrumentationScope::default(),
        }
    }

    fn counted(counts: &SpanCounts) -> [u64; 3] {
        [&counts.told, &counts.failed, &counts.dropped].map(|it| it.load(Ordering::Relaxed))
    }

    /// Offers `spans` to a collector that takes `batches` of them, and stops.
    async fn run(spans: usize, batches: usize, refuses: bool) -> [u64; 3] {
        let permits = Arc::new(Semaphore::new(batches));
        let (queue, export) = queue(Collector { permits, refuses });
        (0..spans).for_each(|_| queue.on_end(span()));
        let stop = CancellationToken::new();
        stop.cancel();
        let counts = Arc::clone(queue.counts());
        export.run(stop).await;
        counted(&counts)
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_not_told_is_counted_and_nobody_waits_for_it() {
        assert_eq!(run(3, 1, false).await, [3, 0, 0], "what is left at a stop is told");
        assert_eq!(run(3, 1, true).await, [0, 3, 0]);
        let most = WAITING_MAX as u64;
        assert_eq!(run(WAITING_MAX + 7, WAITING_MAX, false).await, [most, 0, 7]);
        // It takes one batch, and then nothing any more: a stop does not wait for ever.
        assert_eq!(run(BATCH_MAX + 1, 1, false).await, [BATCH_MAX as u64, 0, 0]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_span_waits_a_second_for_others() {
        let permits = Arc::new(Semaphore::new(9));
        let (queue, mut export) = queue(Collector { permits, refuses: false });
        let (mut batch, stop) = (Vec::new(), CancellationToken::new());
        queue.on_end(span());
        let (began, later) = (tokio::time::Instant::now(), async {
            tokio::time::sleep(DELAY / 2).await;
            queue.on_end(span());
        });
        let (filled, ()) = tokio::join!(export.fill(&mut batch, &stop), later);
        assert!(filled && batch.len() == 2 && began.elapsed() == DELAY, "{:?}", began.elapsed());
    }
}
