//! Answers to callers, handed out a batch at a time.
//!
//! Waking a caller from the writer's thread wakes a thread of the runtime. Done for each caller of a batch, the two take
//! turns on a core, two context switches an answer. So the writer wakes one caller alone, and that one wakes the others
//! from inside the runtime, where it is a push to a queue.
//!
//! Invariants:
//! - Whoever takes an answer, or gives up waiting for one, rings the bell of its batch.
//! - If somebody rang before the bell was hung, the writer wakes everybody itself: the one it would have relied on may
//!   be gone already.

use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

/// The callers of one batch that wait to be woken.
#[derive(Default)]
pub(super) struct Bell(Mutex<Callers>);

#[derive(Default)]
struct Callers {
    rung: bool,
    wakers: Vec<Waker>,
}

impl Bell {
    /// Everybody has their answer: wakes the first, who wakes the rest.
    pub(super) fn hang(&self, mut wakers: Vec<Waker>) {
        let first = {
            let mut callers = lock(&self.0);
            if callers.rung {
                None
            } else {
                let first = wakers.pop();
                callers.wakers = std::mem::take(&mut wakers);
                first
            }
        };
        first.into_iter().chain(wakers).for_each(Waker::wake);
    }

    fn ring(&self) {
        let wakers = {
            let mut callers = lock(&self.0);
            callers.rung = true;
            std::mem::take(&mut callers.wakers)
        };
        wakers.into_iter().for_each(Waker::wake);
    }
}

struct Slot<T> {
    value: Option<T>,
    bell: Option<Arc<Bell>>,
    waker: Option<Waker>,
    /// The writer has gone without an answer.
    gone: bool,
}

/// The writer's end.
pub(super) struct Reply<T>(Arc<Mutex<Slot<T>>>);

/// The caller's end: resolves to the answer, or to `None` when the writer has gone.
pub(super) struct Answer<T>(Arc<Mutex<Slot<T>>>);

/// The two ends of one answer.
pub(super) fn reply<T>() -> (Reply<T>, Answer<T>) {
    let slot = Arc::new(Mutex::new(Slot { value: None, bell: None, waker: None, gone: false }));
    (Reply(Arc::clone(&slot)), Answer(slot))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<T> Reply<T> {
    /// Puts the answer down; returns who is to be woken for it.
    pub(super) fn give(self, value: T, bell: &Arc<Bell>) -> Option<Waker> {
        let mut slot = lock(&self.0);
        slot.value = Some(value);
        slot.bell = Some(Arc::clone(bell));
        slot.waker.take()
    }
}

impl<T> Drop for Reply<T> {
    fn drop(&mut self) {
        let waker = {
            let mut slot = lock(&self.0);
            if slot.bell.is_some() {
                return;
            }
            slot.gone = true;
            slot.waker.take()
        };
        waker.into_iter().for_each(Waker::wake);
    }
}

impl<T> Future for Answer<T> {
    type Output = Option<T>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        let mut slot = lock(&self.0);
        if let Some(value) = slot.value.take() {
            let bell = slot.bell.clone();
            drop(slot);
            if let Some(bell) = bell {
                bell.ring();
            }
            return Poll::Ready(Some(value));
        }
        if slot.gone {
            return Poll::Ready(None);
        }
        if !slot.waker.as_ref().is_some_and(|known| known.will_wake(cx.waker())) {
            slot.waker = Some(cx.waker().clone());
        }
        Poll::Pending
    }
}

impl<T> Drop for Answer<T> {
    fn drop(&mut self) {
        let (bell, value) = {
            let mut slot = lock(&self.0);
            slot.waker = None;
            (slot.bell.clone(), slot.value.take())
        };
        if value.is_some()
            && let Some(bell) = bell
        {
            bell.ring();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::atomic::{AtomicU32, Ordering},
        task::Wake,
    };

    use super::*;

    #[derive(Default)]
    struct Woken(AtomicU32);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    struct Caller {
        answer: Answer<u32>,
        woken: Arc<Woken>,
    }

    impl Caller {
        fn poll(&mut self) -> Poll<Option<u32>> {
            let waker = Waker::from(Arc::clone(&self.woken));
            Pin::new(&mut self.answer).poll(&mut Context::from_waker(&waker))
        }

        fn woken(&self) -> u32 {
            self.woken.0.load(Ordering::Relaxed)
        }
    }

    fn waiting(count: usize) -> (Vec<Reply<u32>>, Vec<Caller>) {
        let mut ends = (Vec::new(), Vec::new());
        for _ in 0..count {
            let (reply, answer) = reply();
            let mut caller = Caller { answer, woken: Arc::default() };
            assert!(caller.poll().is_pending());
            ends.0.push(reply);
            ends.1.push(caller);
        }
        ends
    }

    fn give(replies: Vec<Reply<u32>>, bell: &Arc<Bell>) -> Vec<Waker> {
        replies.into_iter().zip(0..).filter_map(|(reply, n)| reply.give(n, bell)).collect()
    }

    #[test]
    fn one_is_woken_and_wakes_the_others() {
        let (replies, mut callers) = waiting(3);
        let bell = Arc::default();
        Bell::hang(&bell, give(replies, &bell));
        assert_eq!(callers.iter().map(Caller::woken).collect::<Vec<_>>(), [0, 0, 1]);
        assert_eq!(callers[2].poll(), Poll::Ready(Some(2)));
        assert_eq!(callers.iter().map(Caller::woken).collect::<Vec<_>>(), [1, 1, 1]);
        assert_eq!((callers[0].poll(), callers[1].poll()), (Poll::Ready(Some(0)), Poll::Ready(Some(1))));
    }

    #[test]
    fn one_that_is_dropped_wakes_the_others_too() {
        let (replies, mut callers) = waiting(3);
        let bell = Arc::default();
        Bell::hang(&bell, give(replies, &bell));
        drop(callers.pop());
        assert_eq!(callers.iter().map(Caller::woken).collect::<Vec<_>>(), [1, 1]);
    }

    #[test]
    fn all_are_woken_when_one_was_early() {
        for drops in [false, true] {
            let (replies, mut callers) = waiting(3);
            let bell = Arc::default();
            let wakers = give(replies, &bell);
            let mut early = callers.pop().unwrap();
            if !drops {
                assert_eq!(early.poll(), Poll::Ready(Some(2)));
            }
            drop(early);
            bell.hang(wakers);
            assert_eq!(callers.iter().map(Caller::woken).collect::<Vec<_>>(), [1, 1], "{drops}");
        }
    }

    #[test]
    fn a_writer_that_goes_is_noticed() {
        let (replies, mut callers) = waiting(1);
        drop(replies);
        assert_eq!((callers[0].woken(), callers[0].poll()), (1, Poll::Ready(None)));
    }
}
