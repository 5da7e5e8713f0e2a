//! A workdir on disk, a world in memory, and drivers one after another.

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;
use std::time::{Duration, Instant};

use orch_core::agents::{AgentProfile, PromptVia};
use orch_core::base::{BranchName, Millis, TaskId};
use orch_core::engine::{Config, Orchestrator, Ports};
use orch_core::heal::{DefaultPolicy, Limits};
use orch_core::journal::Entry;
use orch_core::plan::{ExecutorKind, Manifest, Status};
use orch_core::state::State;
use orch_core::testkit;
use serde_json::Value;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use super::super::{Answer, DriveError, Driver, Ending, ManifestFile, Mode, Request};
use crate::edits::{edit_input, judge_manifest};
use crate::journal::{Faults, Journal, NoFaults, read_journal};
use crate::perform::Surroundings;
use crate::testdir::TestDir;
use crate::workdir::Workdir;

/// Nothing here takes longer; what does hangs.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

/// A workdir, and the world that outlives its drivers.
pub(super) struct Bench {
    _dir: TestDir,
    pub(super) workdir: Workdir,
    pub(super) world: testkit::World,
    pub(super) limits: Limits,
    pub(super) goal: Status,
    /// How agents get their prompts.
    pub(super) via: PromptVia,
    pub(super) ports: Ports,
}

/// A driver at work.
pub(super) struct Process {
    requests: mpsc::Sender<(Request, oneshot::Sender<Answer>)>,
    task: JoinHandle<Result<Ending, DriveError>>,
}

impl Bench {
    /// A fleet of tasks whose agents hang, in one phase.
    pub(super) fn new(tasks: &Value) -> Self {
        let dir = TestDir::new();
        let workdir = Workdir::create(&dir.path().join("w")).expect("made");
        workdir.make_rooms().expect("made");
        let manifest = serde_json::json!({"project": "p", "agent": "bot", "base": "main",
            "phases": [{"name": "one", "tasks": tasks}]});
        fs::write(workdir.manifest(), manifest.to_string()).expect("written");
        let world = testkit::World::new();
        let (executor, vcs, forge) = (Arc::new(world.executor()), Arc::new(world.vcs()), Arc::new(world.forge()));
        let ports = Ports { executor, vcs, forge };
        Self {
            _dir: dir,
            workdir,
            world,
            limits: Limits::default(),
            goal: Status::Complete,
            via: PromptVia::Argument,
            ports,
        }
    }

    pub(super) fn journal(&self) -> Vec<Entry> {
        read_journal::<Entry>(&self.workdir.journal()).expect("whole").records
    }

    pub(super) fn state(&self) -> State {
        State::fold(&self.journal())
    }

    pub(super) fn manifest(&self) -> Value {
        serde_json::from_slice(&self.text()).expect("JSON at every instant")
    }

    pub(super) fn text(&self) -> Vec<u8> {
        fs::read(self.workdir.manifest()).expect("there at every instant")
    }

    pub(super) fn save(&self, text: &[u8]) {
        crate::atomic::replace_file(&self.workdir.manifest(), text, 0o600).expect("saved");
    }

    /// The ids of the tasks that the plan has.
    pub(super) fn planned(&self) -> Vec<String> {
        self.state().plan.iter().flat_map(|plan| &plan.tasks).map(|task| task.id.to_string()).collect()
    }

    /// Starts a driver.
    pub(super) fn start(&self) -> Process {
        self.start_with(Mode::Run, Arc::new(NoFaults))
    }

    pub(super) fn start_with(&self, mode: Mode, faults: Arc<dyn Faults>) -> Process {
        let opened = Journal::<Entry>::open_with(&self.workdir.journal(), Arc::clone(&faults)).expect("whole");
        let state = State::fold(&opened.records);
        let text = self.text();
        let file = Manifest::parse(&text).expect("sound").manifest;
        let taken = judge_manifest(file, &opened.records, &state, &self.workdir, false).expect("an edit to take");
        let first = Vec::from_iter(edit_input(&taken, state.plan.is_none()));
        let mut bot = AgentProfile::of_command("bot", vec!["bot".to_owned()]);
        bot.prompt = self.via;
        let base = BranchName::parse("main").expect("a branch");
        let mut config = Config::new("bench", self.workdir.layout(), base);
        (config.limits, config.goal, config.auto_merge) = (self.limits.clone(), self.goal, self.goal == Status::Merged);
        config.agents.insert("bot".to_owned(), bot);
        let engine = Orchestrator::new(state, config, Arc::new(DefaultPolicy)).expect("no cycle");
        let surroundings = Surroundings {
            ports: self.ports.clone(),
            notifier: None,
            parent_env: BTreeMap::new(),
            env_pass: Vec::new(),
            env_default: BTreeMap::new(),
            faults,
        };
        let plan = ManifestFile { manifest: taken.manifest, text, executor: ExecutorKind::Pty, socket: None };
        let (requests, inbox) = mpsc::channel(16);
        let (journal, workdir) = (opened.journal, self.workdir.clone());
        let task = tokio::spawn(async move {
            let mut observer = ();
            let driver = Driver::new(engine, journal, surroundings, workdir, plan, &mut observer);
            driver.drive(mode, first, Some(inbox), std::future::pending()).await.map(|(ending, _)| ending)
        });
        Process { requests, task }
    }

    /// Waits until something is so.
    pub(super) async fn wait(&self, what: &str, mut is_so: impl FnMut(&Self) -> bool) {
        let begun = Instant::now();
        while !is_so(self) {
            assert!(begun.elapsed() < PATIENCE, "in vain: {what}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Waits for the end of a driver, and lets the world's time pass meanwhile.
    pub(super) async fn see_out(&self, process: Process) -> Ending {
        self.wait("it ends", |bench| {
            bench.world.advance(Millis(10));
            process.task.is_finished()
        })
        .await;
        process.end().await
    }

    /// Why a person is needed for a task.
    pub(super) fn reason(&self, task: &str) -> String {
        let id = TaskId::parse(task).expect("an id");
        self.state().tasks.get(&id).and_then(|task| task.reason.clone()).unwrap_or_default()
    }

    /// Waits until a task has a status, and lets the world's time pass meanwhile.
    pub(super) async fn wait_status(&self, task: &str, status: Status) {
        let id = TaskId::parse(task).expect("an id");
        let what = format!("{task} is {status}");
        self.wait(&what, |bench| {
            bench.world.advance(Millis(10));
            bench.state().tasks.get(&id).is_some_and(|task| task.status == status)
        })
        .await;
    }
}

impl Process {
    pub(super) async fn ask(&self, request: Request) -> Answer {
        let (back, answer) = oneshot::channel();
        self.requests.send((request, back)).await.expect("it listens");
        tokio::time::timeout(PATIENCE, answer).await.expect("in time").expect("an answer")
    }

    /// What `orch add` asks.
    pub(super) async fn add(&self, tasks: Value) -> Answer {
        let Value::Array(tasks) = tasks else { panic!("a list") };
        self.ask(Request::Add { phase: None, tasks }).await
    }

    /// Asks without waiting for an answer, for a process that dies of it.
    pub(super) async fn tell(&self, request: Request) {
        let (back, _) = oneshot::channel();
        self.requests.send((request, back)).await.expect("it listens");
    }

    pub(super) async fn stop(self) -> Ending {
        self.ask(Request::Stop).await;
        self.end().await
    }

    /// Waits for its end.
    pub(super) async fn end(self) -> Ending {
        tokio::time::timeout(PATIENCE, self.task).await.expect("it ends").expect("no panic").expect("no error")
    }

    /// Waits until it died.
    pub(super) async fn died(self) {
        let end = tokio::time::timeout(PATIENCE, self.task).await.expect("it dies");
        assert!(end.is_err(), "it died");
    }

    /// Kills it between two of its steps.
    pub(super) async fn kill(self) {
        self.task.abort();
        let _ = self.task.await;
    }
}
