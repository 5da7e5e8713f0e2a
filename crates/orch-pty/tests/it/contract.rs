//! The contract of executors, on real terminals.

use std::os::unix::fs::PermissionsExt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use camino::{Utf8Path, Utf8PathBuf};
use orch_core::testkit::{ContractBroken, ExecutorHarness, run_executor_contract};
use orch_process::{Signal, identify, signal};
use orch_pty::PtyExecutor;

use crate::world::World;

#[derive(Default)]
struct PtyHarness {
    world: Mutex<Option<World>>,
}

impl PtyHarness {
    fn held(&self) -> MutexGuard<'_, Option<World>> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn with<T>(&self, ask: impl FnOnce(&World) -> T) -> T {
        ask(self.held().as_ref().expect("a world was begun"))
    }

    async fn connect(&self) -> PtyExecutor {
        let config = self.with(World::settings);
        PtyExecutor::connect(config).await.expect("connected")
    }
}

#[async_trait]
impl ExecutorHarness for PtyHarness {
    type Executor = PtyExecutor;

    async fn fresh(&self) -> PtyExecutor {
        *self.held() = Some(World::new());
        self.connect().await
    }

    async fn restart(&self, executor: PtyExecutor) -> PtyExecutor {
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

    async fn plant_foreign(&self, _executor: &PtyExecutor) -> bool {
        // Sessions of others are in directories of others.
        false
    }

    async fn lose(&self, _executor: &PtyExecutor) -> bool {
        signal(&self.with(World::host), Signal::KILL)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_contract_holds() {
    let harness = PtyHarness::default();
    let (Ok(report) | Err(ContractBroken(report))) = run_executor_contract(&harness).await;
    assert!(report.failed.is_empty(), "{:#?}", report.failed);
    let skipped: Vec<&str> = report.skipped.iter().map(|(case, _)| *case).collect();
    assert_eq!(skipped, ["list_leaves_out_sessions_of_others"]);
}
