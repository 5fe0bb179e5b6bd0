//! Why a store does not do what it was asked for.

use thiserror::Error;

#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum StoreError {
    /// It cannot be written or read now: disk full, read-only, shutting down. Nothing was changed, but
    /// for what was being committed when the store went away: that may be there when it is back.
    #[error("the store is unavailable: {0}")]
    Unavailable(String),
    /// What was asked for takes longer than one look may; asked again it will again. Nothing was
    /// changed.
    #[error("gave up looking: {0}")]
    TooLong(String),
    /// The run of the node that asked was ended: nothing of it is written any more.
    #[error("this node was taken for dead")]
    Fenced,
    /// It broke its own rules.
    #[error("the store is broken: {0}")]
    Broken(String),
}

impl From<StoreError> for crate::error::Error {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable(detail) => Self::unavailable(detail),
            StoreError::TooLong(detail) => Self::too_long(detail),
            StoreError::Fenced => Self::unavailable(error.to_string()),
            StoreError::Broken(detail) => Self::internal(detail),
        }
    }
}
