//! What is said in requests, for keys that keep it: on its way into the store, and out of it.
//!
//! Nothing waits for it. An answer is given when it is given; what was said is put into a queue that
//! drops what it has no room for, and is masked, sealed and written behind everybody's back.

mod clip;
mod redaction;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use keyway_core::content::{Content, ContentKey};
use keyway_core::id::{GenerationId, KeyId};
use keyway_core::store::{Store, StoreError};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

pub use self::clip::clip;
pub use self::redaction::Redaction;
use crate::config::ContentConfig;
use crate::entropy::random;
use crate::telemetry::metrics::Metrics;

/// What waits to be written; each is at most a prompt and an answer of the configured size.
const QUEUE_MAX: usize = 256;
/// What is written in one transaction.
const BATCH_MAX: usize = 32;
/// How often a batch is tried, and the pause between.
const TRIES_MAX: u32 = 5;
const PAUSE: Duration = Duration::from_secs(1);
/// Bytes that are taken beyond what is kept, so that what stands on the edge is masked before it is cut.
const EDGE_BYTES: usize = 4 * 1024;

pub struct Contents {
    store: Arc<dyn Store>,
    key: ContentKey,
    config: ContentConfig,
    queue: mpsc::Sender<Said>,
    /// Of what there was no room for, or that the store did not take; until the log has said it.
    lost: AtomicU64,
    metrics: Arc<Metrics>,
}

/// What was said in a request. Nothing of it is masked yet.
#[derive(Clone, Debug)]
pub struct Said {
    pub generation: GenerationId,
    pub key: KeyId,
    /// `{"prompt": …}` or `{"messages": […]}`
    pub input: Value,
    pub completion: Option<String>,
    pub reasoning: Option<String>,
    /// Why there is no more, where its provider failed.
    pub error: Option<Value>,
}

impl Contents {
    /// What is to be written comes out of the receiver.
    pub fn new(
        store: Arc<dyn Store>,
        key: ContentKey,
        config: ContentConfig,
        metrics: Arc<Metrics>,
    ) -> (Self, mpsc::Receiver<Said>) {
        let (queue, queued) = mpsc::channel(QUEUE_MAX);
        (Self { store, key, config, queue, lost: AtomicU64::new(0), metrics }, queued)
    }

    /// Whether keys may keep what is said with them.
    pub const fn is_allowed(&self) -> bool {
        self.config.allowed
    }

    /// How many bytes of a prompt, and of an answer, are to be taken.
    pub const fn bytes_taken(&self) -> usize {
        self.config.bytes_max + EDGE_BYTES
    }

    /// Puts it into the queue, unless that is full.
    pub fn offer(&self, said: Said) {
        if self.queue.try_send(said).is_err() {
            self.lose(1);
        }
    }

    fn lose(&self, count: u64) {
        self.lost.fetch_add(count, Ordering::Relaxed);
        self.metrics.contents_lost(count);
    }

    /// Writes what is queued, until `stop` is cancelled and nothing is left.
    pub async fn write(self: Arc<Self>, mut queued: mpsc::Receiver<Said>, stop: CancellationToken) {
        loop {
            let mut batch = Vec::new();
            tokio::select! {
                taken = queued.recv_many(&mut batch, BATCH_MAX) => {
                    if taken == 0 {
                        return;
                    }
                    self.keep(batch, &stop).await;
                }
                () = stop.cancelled(), if !queued.is_closed() => queued.close(),
            }
        }
    }

    async fn keep(self: &Arc<Self>, batch: Vec<Said>, stop: &CancellationToken) {
        let count = batch.len() as u64;
        let contents = Arc::clone(self);
        // Masking takes its time, and nobody else's.
        let sealing = move || batch.iter().map(|said| contents.seal(said)).collect::<Vec<_>>();
        let written = match tokio::task::spawn_blocking(sealing).await {
            Ok(sealed) => self.try_to_write(sealed, stop).await,
            Err(error) => Err(StoreError::Broken(error.to_string())),
        };
        if let Err(error) = written {
            tracing::debug!(%error, "contents were not written");
            self.lose(count);
        }
        let lost = self.lost.swap(0, Ordering::Relaxed);
        if lost > 0 {
            tracing::warn!(
                lost,
                "what was said in requests is not kept: it came faster than it could be written"
            );
        }
    }

    async fn try_to_write(
        &self,
        sealed: Vec<Content>,
        stop: &CancellationToken,
    ) -> Result<(), StoreError> {
        let mut tries = 1;
        loop {
            match self.store.content_keep(sealed.clone()).await {
                Err(StoreError::Unavailable(_)) if tries < TRIES_MAX && !stop.is_cancelled() => {
                    tries += 1;
                    stop.run_until_cancelled(tokio::time::sleep(PAUSE)).await;
                }
                written => return written,
            }
        }
    }

    fn seal(&self, said: &Said) -> Content {
        let (masks, most) = (&self.config.redaction, self.config.bytes_max);
        let kept = |value: &Value| clip(&masks.apply(value), most);
        let text = |text: &Option<String>| kept(&json!(text));
        let content = json!({
            "input": kept(&said.input),
            "output": {"completion": text(&said.completion), "reasoning": text(&said.reasoning)},
            "error": said.error.as_ref().map(kept),
        });
        self.key.seal(said.generation, said.key, content.to_string().as_bytes(), &random())
    }

    /// What was kept of a request, as it is told; `None` where it cannot be opened.
    pub fn open(&self, content: &Content) -> Option<Value> {
        let text = self.key.open(content).ok()?;
        serde_json::from_slice(&text).ok()
    }
}

impl fmt::Debug for Contents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Contents").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use keyway_core::id::WorkspaceId;
    use keyway_core::secret::InstallationSecret;
    use keyway_core::store::contract::fixture::{create, inference, now};
    use keyway_core::store::model::MemoryStore;

    use super::*;

    fn said(key: KeyId) -> Said {
        Said {
            generation: GenerationId::new(now(), random()),
            key,
            input: json!({"prompt": "hi"}),
            completion: None,
            reasoning: None,
            error: None,
        }
    }

    #[tokio::test]
    async fn what_the_queue_has_no_room_for_is_lost_and_counted() {
        let store = Arc::new(MemoryStore::new(WorkspaceId::from_random([1; 16])));
        let shared: Arc<dyn Store> = Arc::clone(&store) as Arc<dyn Store>;
        let metrics = Arc::new(Metrics::on(None));
        let key = create(store.as_ref(), inference(store.as_ref(), "said")).await.id;
        let sealed_under = InstallationSecret::new(&[7; 32]).content_key();
        let config = ContentConfig::default();
        let (contents, queued) = Contents::new(shared, sealed_under, config, Arc::clone(&metrics));
        let contents = Arc::new(contents);
        let all: Vec<Said> = (0..QUEUE_MAX + 3).map(|_| said(key)).collect();
        all.iter().cloned().for_each(|said| contents.offer(said));
        assert!(metrics.text().contains("keyway_contents_lost_total 3\n"), "{}", metrics.text());

        let stop = CancellationToken::new();
        stop.cancel();
        Arc::clone(&contents).write(queued, stop).await;
        let mut kept = 0;
        for said in &all {
            kept += usize::from(store.content_get(said.generation).await != Ok(None));
        }
        assert_eq!(kept, QUEUE_MAX, "what was queued is written to the end");
    }
}
