//! A disk that loses power.
//!
//! A process is started with a recorder before its C library ([`Recorder`]): all that it does to the
//! files under one directory is logged in order, with the data, while it is done. Whoever uses the
//! process notes into the same log what it was told ([`Recorder::note`]), so that a note stands behind
//! everything that it rests on. From one log any number of power cuts are drawn: [`Disk`] takes its
//! events one after another, and after any of them [`Disk::cut`] lays out what may be found on the disk
//! when power comes back:
//!
//! * of a file, all that was written before its last sync, and of what was written since, sector by
//!   sector (512 bytes, or a page of 4,096 at a time) any state that the sector was in: nothing, all, or
//!   a part, in any order. Its size is any that it had since;
//! * of a directory, all that was done before its last sync, and any part of what was done since.
//!   Syncing a file says nothing about the name it has, and making a directory nothing about its parent;
//! * where SQLite's `-shm` was, garbage: it is memory and not a file.
//!
//! A sector is taken to be written whole or not at all, as SQLite does by default.

mod event;
mod file;
mod recorder;
#[cfg(test)]
mod tests;
mod tree;

pub use event::Event;
use event::FileNumber;
pub use recorder::Recorder;
pub use tree::Disk;
