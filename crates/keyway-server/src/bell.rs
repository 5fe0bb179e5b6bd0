//! Wakes who moves a connection, but not for what that one does itself.
//!
//! The two ends of a connection wake each other, as if each had a task: whoever takes a piece of an answer
//! wakes what reads the next. Here both are moved by one task, which would be woken once more for each piece.
//! So it is with a client's connection, too, whose task hears of a request's last piece from itself.

use std::cell::Cell;
use std::sync::Arc;
use std::task::{Context, Wake, Waker};

use futures_util::task::AtomicWaker;

thread_local! {
    /// Whether one would have rung, while the thread does what none rings for.
    static MISSED: Cell<Option<bool>> = const { Cell::new(None) };
}

#[derive(Debug)]
pub(crate) struct Bell {
    wire: Arc<Wire>,
    waker: Waker,
}

#[derive(Debug, Default)]
struct Wire {
    user: AtomicWaker,
}

/// Lets them ring again, also where the work panicked.
struct Off;

impl Drop for Off {
    fn drop(&mut self) {
        MISSED.set(None);
    }
}

/// Does `work`, for which none rings on this thread, and answers whether one would have. What others do
/// meanwhile is heard.
pub(crate) fn off<T>(work: impl FnOnce() -> T) -> (T, bool) {
    MISSED.set(Some(false));
    let _off = Off;
    let worked = work();
    (worked, MISSED.get() == Some(true))
}

impl Default for Bell {
    fn default() -> Self {
        let wire = Arc::<Wire>::default();
        let waker = Waker::from(Arc::clone(&wire));
        Self { wire, waker }
    }
}

impl Bell {
    /// What rings it, for the task of `cx`.
    pub(crate) fn for_user(&self, cx: &Context<'_>) -> Context<'_> {
        self.wire.user.register(cx.waker());
        Context::from_waker(&self.waker)
    }

    /// What rings it, while nobody hears.
    pub(crate) fn for_nobody(&self) -> Context<'_> {
        self.forget();
        Context::from_waker(&self.waker)
    }

    /// Wakes its last user no more, nor keeps anything of him.
    pub(crate) fn forget(&self) {
        self.wire.user.take();
    }

    pub(crate) fn ring(&self) {
        self.waker.wake_by_ref();
    }
}

impl Wake for Wire {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if MISSED.get().is_some() {
            MISSED.set(Some(true));
        } else {
            self.user.wake();
        }
    }
}

#[cfg(test)]
mod tests {

    use super::*;
    use crate::woken::Woken;

    #[test]
    fn it_rings_unless_its_user_is_at_work() {
        let woken = Arc::<Woken>::default();
        let count = || woken.count();
        let (waker, bell) = (woken.waker(), Bell::default());
        let user = Context::from_waker(&waker);
        let ring = || bell.ring();
        bell.for_user(&user);
        ring();
        assert_eq!(count(), 1);
        ring();
        assert_eq!(count(), 1, "nobody listens any more");
        bell.for_user(&user);
        assert_eq!(off(|| 7), (7, false));
        assert_eq!(off(|| (ring(), ring(), 7).2), (7, true));
        assert_eq!(count(), 1);
        off(|| std::thread::scope(|threads| threads.spawn(|| bell.ring()).join()))
            .0
            .expect("it rings");
        assert_eq!(count(), 2, "another's work is heard");
        bell.for_user(&user);
        let panicked = std::panic::catch_unwind(|| off(|| panic!("work")));
        assert!(panicked.is_err());
        ring();
        assert_eq!(count(), 3, "it is on again");
        bell.for_user(&user);
        bell.for_nobody();
        ring();
        assert_eq!(count(), 3);
    }
}
