//! Answers on their way back from the writer's thread.

use keyway_core::store::{Settled, StoreError};
use tokio::runtime::Handle;
use tokio::sync::oneshot;

pub(crate) type Answer = Result<Settled, StoreError>;

/// Who waits for an answer, and where.
#[derive(Debug)]
pub(crate) struct Asker {
    answer: oneshot::Sender<Answer>,
    /// `None` where who asks is polled outside of any runtime.
    runtime: Option<Handle>,
}

impl Asker {
    pub(crate) fn new() -> (Self, oneshot::Receiver<Answer>) {
        let (answer, answered) = oneshot::channel();
        (Self { answer, runtime: Handle::try_current().ok() }, answered)
    }

    fn tell(self, answer: Answer) {
        // Who asked may be gone; what is written stays written.
        let _ = self.answer.send(answer);
    }

    fn lives_with(&self, other: &Self) -> bool {
        match (&self.runtime, &other.runtime) {
            (Some(mine), Some(theirs)) => mine.id() == theirs.id(),
            _ => false,
        }
    }
}

/// Tells everybody. A thread of a runtime is woken once and not for each of its requests: a task there
/// tells the others. A shutdown does not end before they have their answers, so it does not end before
/// that task.
pub(crate) fn tell(answers: impl Iterator<Item = (Asker, Answer)>) {
    let mut homes: Vec<Vec<(Asker, Answer)>> = Vec::new();
    for (asker, answer) in answers {
        match homes.iter_mut().find(|home| home[0].0.lives_with(&asker)) {
            Some(home) => home.push((asker, answer)),
            None => homes.push(vec![(asker, answer)]),
        }
    }
    for home in homes {
        match home[0].0.runtime.clone().filter(|_| home.len() > 1) {
            Some(runtime) => drop(runtime.spawn(async move { tell_all(home) })),
            None => tell_all(home),
        }
    }
}

fn tell_all(home: Vec<(Asker, Answer)>) {
    for (asker, answer) in home {
        asker.tell(answer);
    }
}

#[cfg(test)]
mod tests {
    use tokio::runtime::{Builder, Runtime};

    use super::*;

    #[test]
    fn a_runtime_is_woken_once_for_all_who_live_there() {
        let [crowd, hermit]: [Runtime; 2] =
            [(); 2].map(|()| Builder::new_current_thread().build().expect("a runtime"));
        let ask = |home: &Runtime| home.block_on(async { Asker::new() });
        let (one, told_one) = ask(&crowd);
        let (other, told_other) = ask(&crowd);
        let (alone, told_alone) = ask(&hermit);
        let (stray, told_stray) = Asker::new();
        let askers = [one, alone, stray, other];
        tell(askers.into_iter().map(|asker| (asker, Ok(Settled::Applied))));
        // What wakes a runtime from outside is a task for it, or a waiter of it that is told.
        assert_eq!(crowd.metrics().num_alive_tasks(), 1);
        assert_eq!(hermit.metrics().num_alive_tasks(), 0);
        for told in [told_alone, told_stray] {
            assert_eq!(hermit.block_on(told), Ok(Ok(Settled::Applied)));
        }
        for told in [told_one, told_other] {
            assert_eq!(crowd.block_on(told), Ok(Ok(Settled::Applied)));
        }
    }
}
