//! A body that is read whole, out of the pieces that it comes in.

use bytes::{Bytes, BytesMut};

/// Most bodies come in one piece, which needs no copy.
#[derive(Debug, Default)]
pub(crate) struct Pieces {
    first: Bytes,
    /// All of them, once they are several.
    all: BytesMut,
}

impl Pieces {
    pub(crate) fn len(&self) -> usize {
        self.first.len().max(self.all.len())
    }

    pub(crate) fn push(&mut self, piece: Bytes) {
        if self.len() == 0 {
            self.first = piece;
            return;
        }
        if self.all.is_empty() {
            self.all.extend_from_slice(&std::mem::take(&mut self.first));
        }
        self.all.extend_from_slice(&piece);
    }

    pub(crate) fn whole(self) -> Bytes {
        if self.all.is_empty() { self.first } else { self.all.freeze() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_joined_in_their_order_and_one_is_not_copied() {
        let mut pieces = Pieces::default();
        assert_eq!(std::mem::take(&mut pieces).whole(), "");
        let first = Bytes::from_static(b"one");
        pieces.push(Bytes::new());
        pieces.push(first.clone());
        pieces.push(Bytes::new());
        assert_eq!(pieces.len(), 3);
        pieces.push(Bytes::from_static(b", two"));
        pieces.push(Bytes::from_static(b", three"));
        assert_eq!(pieces.len(), 15);
        assert_eq!(pieces.whole(), "one, two, three");
        pieces = Pieces::default();
        pieces.push(first.clone());
        assert_eq!(pieces.whole().as_ptr(), first.as_ptr());
    }
}
