//! Keys: one file a verb.

pub(crate) mod create;
pub(crate) mod delete;
pub(crate) mod find;
pub(crate) mod list;
pub(crate) mod rotate;
pub(crate) mod secrets;
pub(crate) mod update;
