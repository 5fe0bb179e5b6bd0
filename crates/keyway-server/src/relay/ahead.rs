//! A stream's mark, made while its provider is asked: what it takes to become durable is over, mostly, when
//! the provider begins.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::future::BoxFuture;
use keyway_core::ledger::Metered;
use keyway_core::money::Nanos;

use super::meter::Meter;
use crate::egress::Handed;

/// By itself it is not made before the request was handed to a connection: a crash charges what is marked,
/// and nobody is charged for what no provider was asked.
pub(super) struct Ahead<'a> {
    handed: &'a Handed,
    /// Says whether it was made; `None` for what does not stream.
    marking: Option<BoxFuture<'a, bool>>,
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
        let marking = || -> BoxFuture<'a, bool> {
            Box::pin(async move { meter.authorise(metered, amount).await.is_ok() })
        };
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

    /// Whether it is made; waits where it is on its way.
    pub(super) async fn is_made(&mut self) -> bool {
        if self.handed.is_done() { self.make().await } else { self.is_made }
    }

    /// Makes it, whether or not anybody was asked; answers whether it is made.
    pub(super) async fn make(&mut self) -> bool {
        poll_fn(|cx| self.poll(cx)).await;
        self.is_made
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(marking) = &mut self.marking else { return Poll::Ready(()) };
        let polled = marking.as_mut().poll(cx);
        polled.map(|is_made| {
            self.is_made = is_made;
            self.marking = None;
        })
    }
}
