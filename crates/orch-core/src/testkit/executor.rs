//! An executor in memory.

mod sessions;
mod terminal;

use std::future::poll_fn;
use std::task::Poll;

use async_trait::async_trait;

pub(super) use sessions::Sessions;

use super::fault::{Failure, Operation};
use super::world::World;
use crate::base::id::LaunchId;
use crate::ports::{
    EndSpec, Executor, ExecutorCapabilities, ExecutorError, ExecutorEvent, Fingerprint, LaunchSpec, Launched,
    ScreenView, SessionInfo, SessionInput,
};

/// One connection to a [`World`]'s executor; sessions outlive it.
pub struct MockExecutor {
    world: World,
    listener: u64,
}

impl MockExecutor {
    /// Connects to a world; events are told from now on.
    pub fn connect(world: &World) -> Self {
        let listener = world.lock().listen();
        Self { world: world.clone(), listener }
    }
}

impl Drop for MockExecutor {
    fn drop(&mut self) {
        self.world.lock().hang_up(self.listener);
    }
}

#[async_trait]
impl Executor for MockExecutor {
    fn name(&self) -> &'static str {
        "mock"
    }

    fn capabilities(&self) -> ExecutorCapabilities {
        ExecutorCapabilities { attach: false, keeps_exits: true }
    }

    async fn launch(&self, spec: &LaunchSpec) -> Result<Launched, ExecutorError> {
        let script = self.world.cast(spec);
        self.world.perform(Operation::Launch, &spec.launch.to_string(), |state, _| state.launch(spec, script))
    }

    async fn list(&self) -> Result<Vec<SessionInfo>, ExecutorError> {
        self.world.perform(Operation::List, "", |state, _| Ok(state.sessions.list()))
    }

    async fn look(&self, launches: &[LaunchId]) -> Result<Vec<ScreenView>, ExecutorError> {
        let subject: Vec<String> = launches.iter().map(ToString::to_string).collect();
        self.world.perform(Operation::Look, &subject.join(" "), |state, _| {
            Ok(launches.iter().filter_map(|launch| state.sessions.look(*launch)).collect())
        })
    }

    async fn input(
        &self,
        launch: LaunchId,
        input: &SessionInput,
        expected: Option<Fingerprint>,
    ) -> Result<(), ExecutorError> {
        self.world.perform(Operation::Input, &launch.to_string(), |state, failure| match failure {
            Some(Failure::Stale) => Err(ExecutorError::Stale { launch }),
            Some(_) => Ok(()),
            None => state.input(launch, input, expected),
        })
    }

    async fn end(&self, spec: &EndSpec) -> Result<bool, ExecutorError> {
        self.world.perform(Operation::End, &spec.launch.to_string(), |state, failure| {
            if failure.is_some() { Ok(false) } else { Ok(state.end(spec)) }
        })
    }

    async fn forget(&self, launch: LaunchId) -> Result<(), ExecutorError> {
        self.world.perform(Operation::Forget, &launch.to_string(), |state, _| {
            state.sessions.forget(launch);
            Ok(())
        })
    }

    async fn events(&self) -> Vec<ExecutorEvent> {
        poll_fn(|cx| {
            let events = self.world.lock().fetch(self.listener, cx.waker());
            if events.is_empty() { Poll::Pending } else { Poll::Ready(events) }
        })
        .await
    }
}

#[cfg(test)]
mod tests;
