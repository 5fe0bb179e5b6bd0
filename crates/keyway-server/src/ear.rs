//! Asks again for what was not there yet only once it said that it may be.
//!
//! The protocols look whether something came as often as they are moved, whatever they are moved for, and
//! each look at a socket takes its lock.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use futures_util::task::AtomicWaker;

#[derive(Debug)]
pub(crate) struct Ear {
    drum: Arc<Drum>,
    waker: Waker,
    /// Who asked last, where it was told that nothing is there.
    waits: Option<Waker>,
}

#[derive(Debug, Default)]
struct Drum {
    was_struck: AtomicBool,
    listener: AtomicWaker,
}

impl Default for Ear {
    fn default() -> Self {
        let drum = Arc::<Drum>::default();
        let waker = Waker::from(Arc::clone(&drum));
        Self { drum, waker, waits: None }
    }
}

impl Ear {
    /// What `ask` answers, for the task of `cx`; that it is pending without asking, where the same task was
    /// told so and nothing was heard since.
    pub(crate) fn hear<T>(
        &mut self,
        cx: &Context<'_>,
        ask: impl FnOnce(&mut Context<'_>) -> Poll<T>,
    ) -> Poll<T> {
        // Before it looks: whoever strikes between takes the listener with him, and what he struck is seen.
        self.drum.listener.register(cx.waker());
        let waits = self.waits.as_ref().is_some_and(|it| it.will_wake(cx.waker()));
        if waits && !self.drum.was_struck.load(Ordering::Acquire) {
            return Poll::Pending;
        }
        // Before it asks: what is heard from here on may be news.
        self.drum.was_struck.store(false, Ordering::Release);
        let answer = ask(&mut Context::from_waker(&self.waker));
        if answer.is_ready() {
            self.waits = None;
        } else if !waits {
            self.waits = Some(cx.waker().clone());
        }
        answer
    }
}

impl Wake for Drum {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.was_struck.store(true, Ordering::Release);
        self.listener.wake();
    }
}

#[cfg(test)]
mod tests {

    use super::*;
    use crate::woken::Woken;

    #[test]
    fn who_was_told_to_wait_is_asked_for_again_once_there_is_news() {
        let [one, other] = [(); 2].map(|()| Arc::<Woken>::default());
        let [first, second] = [&one, &other].map(Woken::waker);
        let (mut ear, mut news) = (Ear::default(), None);
        let mut asked = |task: &Waker, answer: Poll<()>| {
            let mut was_asked = false;
            let heard = ear.hear(&Context::from_waker(task), |cx| {
                (was_asked, news) = (true, Some(cx.waker().clone()));
                answer
            });
            assert_eq!(heard, if was_asked { answer } else { Poll::Pending });
            was_asked.then(|| news.clone().expect("it was asked"))
        };
        let news = asked(&first, Poll::Pending).expect("it was never asked");
        assert!(asked(&first, Poll::Ready(())).is_none(), "nothing was heard");
        news.wake_by_ref();
        assert_eq!(one.count(), 1);
        assert!(asked(&first, Poll::Pending).is_some());
        assert!(asked(&second, Poll::Pending).is_some(), "nobody would wake another task");
        news.wake_by_ref();
        assert_eq!([&one, &other].map(|it| it.count()), [1, 1]);
        assert!(asked(&second, Poll::Ready(())).is_some());
        assert!(asked(&second, Poll::Pending).is_some(), "there may be more");
        assert!(asked(&second, Poll::Pending).is_none());
    }

    #[test]
    fn who_was_told_to_wait_hears_the_next_news_after_some_that_came_late() {
        let woken = Arc::<Woken>::default();
        let (task, mut ear) = (woken.waker(), Ear::default());
        let ask = |ear: &mut Ear| {
            let heard = ear.hear(&Context::from_waker(&task), |_| Poll::<()>::Pending);
            assert!(heard.is_pending());
        };
        ask(&mut ear);
        // On another thread: half of what a wake does, a look by the task meanwhile, and the other half.
        ear.drum.was_struck.store(true, Ordering::Release);
        ask(&mut ear);
        ear.drum.listener.wake();
        ask(&mut ear);
        let before = woken.count();
        ear.drum.wake_by_ref();
        assert_eq!(woken.count(), before + 1);
    }
}
