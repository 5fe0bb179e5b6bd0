//! The machine's clock, which the database and the nodes have too where no test sets theirs.

use std::time::{SystemTime, UNIX_EPOCH};

use keyway_core::clock::Timestamp;

#[expect(clippy::disallowed_methods, reason = "a test has no other clock")]
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970");
    Timestamp::from_micros(i64::try_from(since.as_micros()).expect("a clock before 290000"))
}
