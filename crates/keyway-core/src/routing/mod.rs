//! Which endpoints a request may try, and in which order.

mod plan;

pub use plan::{Attempt, Plan};
