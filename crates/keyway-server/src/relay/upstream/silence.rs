//! How long a provider says nothing while something is awaited of it.

use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::Instant;

use crate::alarm::Alarm;

#[derive(Debug)]
pub(super) struct Silence {
    /// How long it may last.
    patience: Duration,
    since: Option<Instant>,
    alarm: Alarm,
}

impl Silence {
    pub(super) fn new(patience: Duration) -> Self {
        Self { patience, since: None, alarm: Alarm::default() }
    }

    /// Something was said.
    pub(super) fn broken(&mut self) {
        self.since = None;
    }

    /// Nothing was said until now; ready where it lasts for too long.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let since = *self.since.get_or_insert_with(Instant::now);
        self.alarm.poll(since + self.patience, cx)
    }
}
