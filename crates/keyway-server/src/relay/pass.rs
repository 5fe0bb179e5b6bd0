//! A request's right to go on: while its key is valid, and this node is sure that it is.

use std::sync::Arc;
use std::time::Duration;

use keyway_core::key::KeyRecord;
use keyway_core::ledger::Ending;
use keyway_core::store::StoreError;

use crate::app::App;
use crate::http::caller::refused_key;
use crate::http::error::ApiError;
use crate::keyring::AuthError;
use crate::running::Place;

/// How often a request looks whether its key has expired: the store's clock may be corrected.
const EXPIRY_LOOK: Duration = Duration::from_millis(500);

#[derive(Debug)]
pub(super) struct Pass {
    app: Arc<App>,
    /// As it was when the request came. When it expires never changes.
    key: Arc<KeyRecord>,
    place: Place,
}

/// Why a request may not go on.
#[derive(Debug)]
pub(super) enum Halt {
    /// Its key is not valid any more.
    Revoked(AuthError),
    /// The store cannot be written or asked.
    Store(StoreError),
}

impl Pass {
    pub(super) fn take(app: &Arc<App>, key: &Arc<KeyRecord>) -> Self {
        let place = app.keyring.enter(key.id);
        Self { app: Arc::clone(app), key: Arc::clone(key), place }
    }

    /// Whether the request may go on from here. A process that was paused may have waited for long
    /// since it last looked: whoever releases a byte asks last.
    pub(super) async fn check(&self) -> Result<(), Halt> {
        self.app.node.confirm().await.map_err(Halt::Store)?;
        if self.place.is_closed() {
            return Err(Halt::closed());
        }
        match self.app.keyring.renew(&self.key, || self.app.clock.now()).await {
            Ok(_) => Ok(()),
            Err(AuthError::Store(error)) => Err(Halt::Store(error)),
            Err(error) => Err(Halt::Revoked(error)),
        }
    }

    /// Checks once more where this process was paused for so long since it checked that the key may
    /// have been revoked long ago. What is charged by then stays charged, as after a crash.
    pub(super) async fn look_again(&self) -> Result<(), Halt> {
        if self.app.node.check_confirmed().is_ok() {
            return Ok(());
        }
        self.check().await
    }

    /// Waits until the key is not valid any more.
    pub(super) async fn revoked(&self) -> Halt {
        tokio::select! {
            biased;
            () = self.place.closed() => Halt::closed(),
            () = self.expired() => Halt::Revoked(AuthError::Expired),
        }
    }

    async fn expired(&self) {
        let Some(expires_at) = self.key.expires_at else {
            return std::future::pending().await;
        };
        loop {
            let now = self.app.clock.now();
            let left = expires_at.as_micros().saturating_sub(now.as_micros());
            let Ok(left @ 1..) = u64::try_from(left) else { return };
            tokio::time::sleep(Duration::from_micros(left).min(EXPIRY_LOOK)).await;
        }
    }
}

impl Halt {
    /// The key was disabled or deleted meanwhile.
    pub(super) const fn closed() -> Self {
        Self::Revoked(AuthError::Closed)
    }

    pub(super) fn ending(&self) -> Ending {
        match self {
            Self::Revoked(_) => Ending::Revoked,
            Self::Store(_) => Ending::Stopped,
        }
    }
}

impl From<Halt> for ApiError {
    fn from(halt: Halt) -> Self {
        match halt {
            Halt::Revoked(error) => refused_key(error),
            Halt::Store(error) => error.into(),
        }
    }
}
