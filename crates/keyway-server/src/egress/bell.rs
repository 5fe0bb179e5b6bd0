//! Wakes who moves a connection, but not for what that one does itself.
//!
//! The two ends of a connection wake each other, as if each had a task: whoever takes a piece of an answer
//! wakes what reads the next. Here both are moved by one task, which would be woken once more for each piece.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Wake, Waker};

use futures_util::task::AtomicWaker;

/// It rings.
const ON: u8 = 0;
/// Its user is at work, and looks around afterwards.
const OFF: u8 = 1;
/// It would have rung meanwhile.
const MISSED: u8 = 2;

#[derive(Debug)]
pub(super) struct Bell {
    wire: Arc<Wire>,
    waker: Waker,
}

#[derive(Debug, Default)]
struct Wire {
    user: AtomicWaker,
    state: AtomicU8,
}

impl Bell {
    pub(super) fn new() -> Self {
        let wire = Arc::<Wire>::default();
        let waker = Waker::from(Arc::clone(&wire));
        Self { wire, waker }
    }

    /// What rings it, for the task of `cx`.
    pub(super) fn for_user(&self, cx: &Context<'_>) -> Context<'_> {
        self.wire.user.register(cx.waker());
        Context::from_waker(&self.waker)
    }

    /// What rings it, while nobody hears.
    pub(super) fn for_nobody(&self) -> Context<'_> {
        self.forget();
        Context::from_waker(&self.waker)
    }

    /// Wakes its last user no more, nor keeps anything of him.
    pub(super) fn forget(&self) {
        self.wire.user.take();
    }

    /// Does `work` while it does not ring, and answers whether it would have.
    pub(super) fn off<T>(&self, work: impl FnOnce() -> T) -> (T, bool) {
        self.wire.state.store(OFF, Ordering::Release);
        let worked = work();
        (worked, self.wire.state.swap(ON, Ordering::AcqRel) == MISSED)
    }
}

impl Wake for Wire {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let miss = self.state.compare_exchange(OFF, MISSED, Ordering::AcqRel, Ordering::Acquire);
        if miss == Err(ON) {
            self.user.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    #[derive(Debug, Default)]
    struct Woken(AtomicUsize);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    #[test]
    fn it_rings_unless_its_user_is_at_work() {
        let woken = Arc::<Woken>::default();
        let count = || woken.0.load(Ordering::SeqCst);
        let (waker, bell) = (Waker::from(Arc::clone(&woken)), Bell::new());
        let user = Context::from_waker(&waker);
        let ring = || bell.waker.wake_by_ref();
        bell.for_user(&user);
        ring();
        assert_eq!(count(), 1);
        ring();
        assert_eq!(count(), 1, "nobody listens any more");
        bell.for_user(&user);
        assert_eq!(bell.off(|| 7), (7, false));
        assert_eq!(bell.off(|| (ring(), ring(), 7).2), (7, true));
        assert_eq!(count(), 1);
        ring();
        assert_eq!(count(), 2, "it is on again");
        bell.for_user(&user);
        bell.for_nobody();
        ring();
        assert_eq!(count(), 2);
    }
}
