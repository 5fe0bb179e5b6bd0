//! A batch as it mostly is: of runs that are live, and with nothing in it that was written before. All of
//! it, with the sums that follow from it, goes to the database in one trip.

use std::collections::BTreeSet;

use deadpool_postgres::Transaction;
use futures_util::future::{try_join_all, try_join5};
use keyway_core::id::Epoch;
use keyway_core::ledger::{AnswerMark, Bookings, Settlement};
use keyway_core::store::StoreError;

use crate::entries::{Entries, Written};
use crate::error::Failure;
use crate::history::History;
use crate::writer::Work;
use crate::{bookings, entering, nodes};

/// Writes it all; an error where something in it is not as it mostly is. What that is shows when one is
/// written after the other.
pub(crate) async fn write(
    tx: &Transaction<'_>,
    history: History,
    works: impl Iterator<Item = &Work>,
) -> Result<(), Failure> {
    let Batch { epochs, marks, marked, unmarked, bookings } = Batch::of(works);
    let entries = Entries::prepare(tx).await?;
    // They are sent in the order in which they are polled first, which is this.
    let (_, _, filled, entered, ()) = try_join5(
        try_join_all(epochs.iter().map(|epoch| nodes::fence(tx, history, *epoch))),
        try_join_all(marks.iter().map(|mark| entries.mark(tx, mark))),
        try_join_all(marked.iter().map(|settlement| entries.fill(tx, settlement))),
        entering::enter(tx, &unmarked),
        bookings::write(tx, bookings),
    )
    .await?;
    // Streams that nothing was said of.
    let unsaid = marked.into_iter().zip(filled).filter(|(_, filled)| *filled == Written::Known);
    let unsaid: Vec<&Settlement> = unsaid.map(|(settlement, _)| settlement).collect();
    if entered == Written::Now && entering::enter(tx, &unsaid).await? == Written::Now {
        return Ok(());
    }
    Err(StoreError::Broken("a charge was written before".to_owned()).into())
}

/// What is written by different statements.
#[derive(Default)]
struct Batch<'w> {
    epochs: BTreeSet<Epoch>,
    marks: Vec<&'w AnswerMark>,
    /// A stream has been marked, but for one that nothing was said of; what does not stream has not.
    marked: Vec<&'w Settlement>,
    unmarked: Vec<&'w Settlement>,
    bookings: Bookings<'w>,
}

impl<'w> Batch<'w> {
    fn of(works: impl Iterator<Item = &'w Work>) -> Self {
        let mut batch = Self::default();
        for work in works {
            batch.epochs.insert(work.request().epoch);
            match work {
                Work::Mark(mark) => batch.marks.push(mark),
                Work::Settle(settlement) => {
                    batch.bookings.book(settlement);
                    let is_marked = settlement.request.streamed;
                    if is_marked { &mut batch.marked } else { &mut batch.unmarked }
                        .push(settlement);
                }
            }
        }
        batch
    }
}
