use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use orch_core::base::LaunchId;
use orch_core::ports::ExecutorEvent;
use tokio::sync::Notify;

/// What happened and was not yet fetched; any number of outputs of one session count once.
#[derive(Debug, Default)]
pub struct Events {
    waiting: Mutex<Waiting>,
    wake: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    output: BTreeSet<LaunchId>,
    exited: BTreeSet<LaunchId>,
    lost: bool,
}

impl Events {
    /// Takes in what happened; outputs and exits of one session that wait already are not repeated.
    pub fn push(&self, event: ExecutorEvent) {
        let fresh = self.with(|waiting| match event {
            ExecutorEvent::Output(launch) => waiting.output.insert(launch),
            ExecutorEvent::Exited(launch) => waiting.exited.insert(launch),
            ExecutorEvent::Lost => !std::mem::replace(&mut waiting.lost, true),
        });
        if fresh {
            self.wake.notify_one();
        }
    }

    /// Waits for something and takes it all; outputs before exits before the loss of everything.
    /// Nothing is taken before it is returned, so the call may be cancelled at any time.
    pub async fn next(&self) -> Vec<ExecutorEvent> {
        loop {
            let taken = self.with(std::mem::take);
            let mut events: Vec<ExecutorEvent> = taken.output.into_iter().map(ExecutorEvent::Output).collect();
            events.extend(taken.exited.into_iter().map(ExecutorEvent::Exited));
            events.extend(taken.lost.then_some(ExecutorEvent::Lost));
            if !events.is_empty() {
                return events;
            }
            self.wake.notified().await;
        }
    }

    fn with<T>(&self, work: impl FnOnce(&mut Waiting) -> T) -> T {
        work(&mut self.waiting.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn repeated_outputs_count_once_and_a_cancelled_wait_loses_nothing() {
        let events = Events::default();
        let (one, two) = (LaunchId(1), LaunchId(2));
        {
            let mut wait = std::pin::pin!(events.next());
            assert!(futures_poll(wait.as_mut()).await, "nothing happened yet");
            events.push(ExecutorEvent::Exited(one));
        }
        for _ in 0..3 {
            events.push(ExecutorEvent::Output(two));
        }
        events.push(ExecutorEvent::Lost);
        let all = events.next().await;
        assert_eq!(all, [ExecutorEvent::Output(two), ExecutorEvent::Exited(one), ExecutorEvent::Lost]);
    }

    /// Polls once and tells whether the future still waits.
    async fn futures_poll<F: Future>(mut future: std::pin::Pin<&mut F>) -> bool {
        std::future::poll_fn(|context| std::task::Poll::Ready(future.as_mut().poll(context).is_pending())).await
    }
}
