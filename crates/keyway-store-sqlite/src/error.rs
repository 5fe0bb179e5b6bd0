//! What SQLite's errors mean to a caller.

use keyway_core::store::StoreError;
use rusqlite::{Error, ErrorCode, ffi};

/// Maps an error to what a caller may do about it.
pub(crate) fn store_error(error: &Error) -> StoreError {
    if error.sqlite_error_code() == Some(ErrorCode::OperationInterrupted) {
        return StoreError::TooLong(error.to_string());
    }
    let passing = matches!(
        error.sqlite_error_code(),
        Some(
            ErrorCode::DiskFull
                | ErrorCode::ReadOnly
                | ErrorCode::CannotOpen
                | ErrorCode::SystemIoFailure
                | ErrorCode::DatabaseBusy
                | ErrorCode::DatabaseLocked
                | ErrorCode::FileLockingProtocolFailed
                | ErrorCode::OutOfMemory
        )
    );
    if passing {
        StoreError::Unavailable(error.to_string())
    } else {
        StoreError::Broken(error.to_string())
    }
}

/// Whether a flush failed. What the disk has is unknown then, and asking again would be answered
/// with a success that is none: only a new start can read what is there.
pub(crate) fn is_failed_flush(error: &Error) -> bool {
    let flushes = [ffi::SQLITE_IOERR_FSYNC, ffi::SQLITE_IOERR_DIR_FSYNC];
    error.sqlite_error().is_some_and(|error| flushes.contains(&error.extended_code))
}

/// The call came after the store was closed.
pub(crate) fn closed() -> StoreError {
    StoreError::Unavailable("the store is closed".to_owned())
}
