//! Runs of this node: another one begins where others ended the last, or the store failed over.

use std::time::Duration;

use keyway_core::store::{Joined, NodeEnd, StoreError, Testimony};
use tokio_util::sync::CancellationToken;

use super::Node;

const REJOIN_PAUSE: Duration = Duration::from_millis(250);
/// How often a node that leaves tries to put back what a fail-over lost.
const LEAVE_TRIES: u32 = 8;
/// Charges that are put back in one transaction.
const PUT_BACK: usize = 200;

impl Node {
    /// Begins anew after others took this node for dead, or the store failed over.
    pub(super) async fn rejoin(&self, stop: &CancellationToken) {
        let testimony = self.memory.meter.end_run();
        while !stop.is_cancelled() {
            match self.begin_run(&testimony).await {
                Ok(joined) => {
                    let epoch = joined.epoch.0;
                    tracing::warn!(epoch, "this node's run was ended; it goes on in another");
                    return;
                }
                Err(error) => tracing::debug!(%error, "this node could not join again"),
            }
            tokio::time::sleep(REJOIN_PAUSE).await;
        }
    }

    /// Puts back what a fail-over lost, if there was one, and joins. Every key is looked at anew.
    async fn begin_run(&self, testimony: &Testimony) -> Result<Joined, StoreError> {
        let timeline = self.store.timeline(self.clock.own()).await?;
        if timeline != self.known.borrow().timeline {
            self.put_back(testimony).await?;
        }
        let joined = self.store.node_join(&self.name, self.clock.own()).await?;
        if joined.timeline != timeline {
            return Err(StoreError::Unavailable("the store failed over again".to_owned()));
        }
        self.memory.keyring.forget_all();
        self.known.send_modify(|known| {
            known.applied = joined.head;
            known.timeline = joined.timeline;
            known.returning = joined.returning;
        });
        self.memory.meter.rejoin(joined);
        Ok(joined)
    }

    async fn put_back(&self, testimony: &Testimony) -> Result<(), StoreError> {
        let told = Testimony { changes: testimony.changes.clone(), ..Testimony::default() };
        let mut sum = self.store.testify(&told, self.clock.own()).await?;
        for charges in testimony.charges.chunks(PUT_BACK) {
            let charges = Testimony { charges: charges.to_vec(), ..Testimony::default() };
            let put_back = self.store.testify(&charges, self.clock.own()).await?;
            sum.charges += put_back.charges;
            sum.nobodys += put_back.nobodys;
        }
        tracing::warn!(
            charges = sum.charges,
            changes = sum.changes,
            nobodys = sum.nobodys,
            "the store failed over: what it had lost of this node's was put back"
        );
        Ok(())
    }

    pub(super) async fn leave(&self) {
        for _ in 0..LEAVE_TRIES {
            let epoch = self.memory.meter.epoch();
            match self.store.node_end(epoch, NodeEnd::Left, self.clock.own()).await {
                Ok(Some(0) | None) => return,
                Ok(Some(cut)) => {
                    return tracing::warn!(cut, "answers that were not finished are settled");
                }
                Err(StoreError::Fenced) => {}
                Err(error) => {
                    return tracing::warn!(%error, "this node could not leave; others will end it");
                }
            }
            // It joined before a fail-over, and has something to put back first.
            if let Err(error) = self.begin_run(&self.memory.meter.end_run()).await {
                tracing::debug!(%error, "this node could not join again to leave");
                tokio::time::sleep(REJOIN_PAUSE).await;
            }
        }
    }
}
