//! A stream's mark, made while its provider is asked: what it takes to become durable is over, mostly, when
//! the provider begins.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::future::BoxFuture;
use keyway_core::ledger::Metered;
use keyway_core::money::Nanos;
use keyway_core::store::StoreError;

use super::meter::Meter;
use crate::egress::Handed;

/// What came of a stream's mark; `None` where it is yet to be made.
pub(super) type Marked = Option<Result<(), StoreError>>;

/// By itself it is not made before the request was handed to a connection: a crash charges what is marked,
/// and nobody is charged for what no provider was asked.
pub(super) struct Ahead<'a> {
    handed: &'a Handed,
    /// `None` for what does not stream, and where it was tried.
    marking: Option<BoxFuture<'a, Result<(), StoreError>>>,
    is_made: bool,
}

impl<'a> Ahead<'a> {
    /// Authorises delivery up to a cost of `amount`, once the request is `handed`.
    pub(super) fn new(
        meter: &'a Meter,
        metered: &'a Arc<Metered>,
        amount: Nanos,
        handed: &'a Handed,
    ) -> Self {
        let marking = || -> BoxFuture<'a, _> { Box::pin(meter.authorise(metered, amount)) };
        Self { handed, marking: metered.streamed.then(marking), is_made: false }
    }

    /// Whether it may yet be made.
    pub(super) const fn is_awaited(&self) -> bool {
        self.marking.is_some()
    }

    /// Waits until it was tried. Nobody is woken where the request is handed over: who does that is polled
    /// before this, in the same task.
    pub(super) async fn tried(&mut self) {
        poll_fn(|cx| if self.handed.is_done() { self.poll(cx) } else { Poll::Pending }).await;
    }

    /// Waits for it where it is on its way. `None` where it is yet to be made, or to be tried again: that it
    /// could not be made some time ago says nothing of now.
    pub(super) async fn end(&mut self) -> Marked {
        if self.is_made {
            return Some(Ok(()));
        }
        if !self.handed.is_done() {
            return None;
        }
        poll_fn(|cx| self.poll(cx)).await
    }

    /// Makes it, whether or not anybody was asked; answers whether it is made.
    pub(super) async fn make(&mut self) -> bool {
        poll_fn(|cx| self.poll(cx)).await;
        self.is_made
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Marked> {
        let Some(marking) = &mut self.marking else { return Poll::Ready(None) };
        let polled = marking.as_mut().poll(cx);
        polled.map(|marked| {
            self.marking = None;
            self.is_made = marked.is_ok();
            Some(marked)
        })
    }
}
