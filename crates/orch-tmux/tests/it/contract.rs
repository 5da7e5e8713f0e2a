//! The contract of executors, on real tmux servers.

use std::os::unix::fs::PermissionsExt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use camino::{Utf8Path, Utf8PathBuf};
use orch_core::testkit::{ContractBroken, ExecutorHarness, run_executor_case, run_executor_contract};
use orch_process::{Signal, identify, signal};
use orch_tmux::TmuxExecutor;

use crate::world::World;

#[derive(Default)]
struct TmuxHarness {
    world: Mutex<Option<World>>,
}

impl TmuxHarness {
    fn held(&self) -> MutexGuard<'_, Option<World>> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn with<T>(&self, ask: impl FnOnce(&World) -> T) -> T {
        ask(self.held().as_ref().expect("a world was begun"))
    }

    async fn connect(&self) -> TmuxExecutor {
        let config = self.with(World::config);
        TmuxExecutor::connect(config).await.expect("connected")
    }
}

#[async_trait]
impl ExecutorHarness for TmuxHarness {
    type Executor = TmuxExecutor;

    async fn fresh(&self) -> TmuxExecutor {
        *self.held() = Some(World::new());
        self.connect().await
    }

    async fn restart(&self, executor: TmuxExecutor) -> TmuxExecutor {
        drop(executor);
        self.connect().await
    }

    async fn settle(&self) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }

    fn patience(&self) -> u32 {
        1000
    }

    fn scratch(&self) -> Utf8PathBuf {
        let scratch = self.with(|world| world.path("scratch"));
        std::fs::create_dir_all(&scratch).expect("made");
        scratch
    }

    fn make_dir(&self, path: &Utf8Path) {
        std::fs::create_dir_all(path).expect("made");
    }

    fn write(&self, path: &Utf8Path, content: &[u8]) {
        std::fs::write(path, content).expect("written");
    }

    fn read(&self, path: &Utf8Path) -> Option<Vec<u8>> {
        std::fs::read(path).ok()
    }

    fn mode(&self, path: &Utf8Path) -> Option<u32> {
        Some(std::fs::metadata(path).expect("it exists").permissions().mode() & 0o777)
    }

    fn alive(&self, pid: u32) -> bool {
        identify(pid).is_some()
    }

    async fn plant_foreign(&self, _executor: &TmuxExecutor) -> bool {
        self.with(|world| world.tmux(&["new-session", "-d", "-s", "foreign", "sleep", "600"]).status.success())
    }

    async fn lose(&self, _executor: &TmuxExecutor) -> bool {
        let server = self.with(World::server_pid);
        signal(&identify(server).expect("it lives"), Signal::KILL)
    }
}

/// What tmux itself keeps only most of the time (see the crate's limits), of programs that print and end at once: it
/// must hold once in [`TRIES`].
const MOSTLY: [&str; 2] = ["log_is_complete_from_the_first_byte", "launch_gives_exactly_the_environment"];
const TRIES: usize = 20;

#[tokio::test(flavor = "multi_thread")]
async fn the_contract_holds() {
    let harness = TmuxHarness::default();
    let (Ok(report) | Err(ContractBroken(report))) = run_executor_contract(&harness).await;
    assert_eq!(report.skipped, []);
    for failure in report.failed {
        assert!(MOSTLY.contains(&failure.case), "{failure}");
        let mut tries = 1;
        while let Err(broken) = run_executor_case(&harness, failure.case).await {
            tries += 1;
            assert!(tries < TRIES, "{broken}");
        }
    }
}
