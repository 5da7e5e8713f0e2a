use std::sync::Arc;

use async_trait::async_trait;
use orch_core::base::{LaunchId, Millis};
use orch_core::heal::Limits;
use orch_core::plan::Status;
use orch_core::ports::{
    EndSpec, Executor, ExecutorCapabilities, ExecutorError, ExecutorEvent, Fingerprint, LaunchSpec, Launched,
    ScreenView, SessionInfo, SessionInput,
};
use orch_core::testkit::{self, MockExecutor, Operation, Script};
use serde_json::json;

use super::bench::Bench;
use crate::driver::Ending;

/// A fleet of one task, which is merged within a second.
pub(super) fn quick() -> Bench {
    let mut bench = Bench::new(&json!([{"id": "a"}]));
    bench.goal = Status::Merged;
    bench.limits = Limits {
        backoff: Millis(20),
        settle: Millis(20),
        screen_interval: Millis(20),
        heartbeat: Millis(200),
        pull_interval: Millis(50),
        ask_grace: Millis(100),
        ..Limits::default()
    };
    bench.world.on_launch(|spec| {
        let attempt = spec.env.get("ORCH_ATTEMPT").cloned().unwrap_or_default();
        Script::new().print("working").wait(Millis(100)).work(move |world, spec| {
            world.repository().commit_files(&spec.cwd, "work", &[("a.txt", attempt.as_str())]);
        })
    });
    bench
}

#[tokio::test]
async fn a_port_that_panics_once_fails_once() {
    use Operation::{BaseTip, Contains, Find, Forget, Launch, List, Look, Merge, Open, Prepare, Push, Remove, Work};
    let all = [Launch, List, Look, Forget, BaseTip, Prepare, Work, Push, Contains, Remove, Open, Find, Merge];
    for operation in all {
        let bench = quick();
        bench.world.fail(operation, 1, testkit::Failure::Panics);
        let ending = bench.see_out(bench.start()).await;
        assert!(!bench.world.has_faults(), "{operation:?} was called");
        let told = bench.reason("a").contains("panicked");
        assert!(ending == Ending::Goal || told, "{operation:?}: {ending:?}, {:?}", bench.reason("a"));
    }
}

#[tokio::test]
async fn a_port_that_always_panics_is_a_matter_for_a_person_who_is_told_why() {
    for operation in [Operation::Prepare, Operation::Launch, Operation::Push] {
        let bench = quick();
        bench.world.fail(operation, 1000, testkit::Failure::Panics);
        assert_eq!(bench.see_out(bench.start()).await, Ending::NeedsPerson, "{operation:?}");
        assert!(bench.reason("a").contains("panicked"), "{operation:?}: {:?}", bench.reason("a"));
    }
}

/// An executor whose events are something else.
pub(super) struct Talks<E> {
    pub(super) inner: MockExecutor,
    pub(super) events: E,
}

#[async_trait]
impl<E, F> Executor for Talks<E>
where
    E: Fn() -> F + Send + Sync,
    F: Future<Output = Vec<ExecutorEvent>> + Send,
{
    fn name(&self) -> &'static str {
        "talks"
    }

    fn capabilities(&self) -> ExecutorCapabilities {
        self.inner.capabilities()
    }

    async fn launch(&self, spec: &LaunchSpec) -> Result<Launched, ExecutorError> {
        self.inner.launch(spec).await
    }

    async fn list(&self) -> Result<Vec<SessionInfo>, ExecutorError> {
        self.inner.list().await
    }

    async fn look(&self, launches: &[LaunchId]) -> Result<Vec<ScreenView>, ExecutorError> {
        self.inner.look(launches).await
    }

    async fn input(
        &self,
        launch: LaunchId,
        input: &SessionInput,
        expected: Option<Fingerprint>,
    ) -> Result<(), ExecutorError> {
        self.inner.input(launch, input, expected).await
    }

    async fn end(&self, spec: &EndSpec) -> Result<bool, ExecutorError> {
        self.inner.end(spec).await
    }

    async fn forget(&self, launch: LaunchId) -> Result<(), ExecutorError> {
        self.inner.forget(launch).await
    }

    async fn events(&self) -> Vec<ExecutorEvent> {
        (self.events)().await
    }
}

#[tokio::test]
async fn events_that_panic_are_done_without() {
    let mut bench = quick();
    let events = || async { panic!("no events from here") };
    bench.ports.executor = Arc::new(Talks { inner: bench.world.executor(), events });
    assert_eq!(bench.see_out(bench.start()).await, Ending::Goal);
}
