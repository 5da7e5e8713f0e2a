//! An executor of one's own: plain child processes without a terminal, on a little fleet. One program
//! fails the first time and is tried again. Version control and the forge are the test kit's: what a
//! program prints is committed for it.
//!
//! `cargo run --example custom_executor`

#![expect(clippy::print_stdout, reason = "an example shows its result by printing")]

use std::collections::{BTreeMap, VecDeque};
use std::process::Stdio;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use orch_core::agents::AgentProfile;
use orch_core::base::{BranchName, LaunchId, Layout, Millis};
use orch_core::engine::{Config, Input, Orchestrator, Outlook, Ports, Seen, Step};
use orch_core::heal::DefaultPolicy;
use orch_core::plan::{Manifest, Status};
use orch_core::ports::{
    EndMode, EndSpec, Executor, ExecutorCapabilities, ExecutorError, ExecutorEvent, ExitStatus, Fingerprint,
    LaunchSpec, Launched, ScreenView, SessionInfo, SessionInput, SessionState,
};
use orch_core::state::State;
use orch_core::testkit::World;
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// Child processes, each in a group of its own. They end with this process at the latest.
#[derive(Clone)]
struct Children {
    sessions: Arc<Mutex<BTreeMap<LaunchId, Session>>>,
    happened: UnboundedSender<ExecutorEvent>,
    events: Arc<tokio::sync::Mutex<UnboundedReceiver<ExecutorEvent>>>,
    world: World,
}

struct Session {
    spec: LaunchSpec,
    group: Option<Pid>,
    lines: Vec<String>,
    state: SessionState,
}

impl Children {
    fn new(world: &World) -> Self {
        let (happened, events) = unbounded_channel();
        let events = Arc::new(tokio::sync::Mutex::new(events));
        Self { sessions: Arc::default(), happened, events, world: world.clone() }
    }

    fn sessions(&self) -> MutexGuard<'_, BTreeMap<LaunchId, Session>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, event: ExecutorEvent) {
        // Nobody listens any more only when the program ends.
        _ = self.happened.send(event);
    }

    /// Takes in what a child prints, and its end.
    async fn watch(self, launch: LaunchId, mut child: Child) {
        if let Some(output) = child.stdout.take() {
            let mut lines = BufReader::new(output).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                if let Some(session) = self.sessions().get_mut(&launch) {
                    session.lines.push(line);
                }
                self.tell(ExecutorEvent::Output(launch));
            }
        }
        let code = child.wait().await.ok().and_then(|status| status.code());
        if let Some(session) = self.sessions().get_mut(&launch) {
            if code == Some(0) {
                let file = format!("{}.txt", session.spec.env["ORCH_TASK_ID"]);
                let work = session.lines.join("\n");
                self.world.repository().commit_files(&session.spec.cwd, "work", &[(&file, &work)]);
            }
            session.state = SessionState::Exited(ExitStatus { code, signal: None });
        }
        self.tell(ExecutorEvent::Exited(launch));
    }
}

#[async_trait]
impl Executor for Children {
    fn name(&self) -> &'static str {
        "children"
    }

    fn capabilities(&self) -> ExecutorCapabilities {
        ExecutorCapabilities { attach: false, keeps_exits: false }
    }

    async fn launch(&self, spec: &LaunchSpec) -> Result<Launched, ExecutorError> {
        let launched = Launched::new(spec.name.clone(), None);
        // The same launch is never started twice.
        if self.sessions().contains_key(&spec.launch) {
            return Ok(launched);
        }
        let (program, arguments) = spec.argv.split_first().map_or(("", &[][..]), |(first, rest)| (first, rest));
        let mut command = Command::new(program);
        command.args(arguments).env_clear().envs(&spec.env).stdin(Stdio::null()).stdout(Stdio::piped());
        let child = command.process_group(0).kill_on_drop(true).spawn();
        let child = child.map_err(|e| ExecutorError::Refused { what: program.to_owned(), why: e.to_string() })?;
        let group = child.id().and_then(|pid| Pid::from_raw(i32::try_from(pid).ok()?));
        let session = Session { spec: spec.clone(), group, lines: Vec::new(), state: SessionState::Running };
        self.sessions().insert(spec.launch, session);
        tokio::spawn(self.clone().watch(spec.launch, child));
        Ok(launched)
    }

    async fn list(&self) -> Result<Vec<SessionInfo>, ExecutorError> {
        let info = |(launch, session): (&LaunchId, &Session)| {
            let mut info = SessionInfo::new(*launch, session.spec.name.clone(), session.state);
            info.activity = session.lines.len() as u64;
            info
        };
        Ok(self.sessions().iter().map(info).collect())
    }

    async fn look(&self, launches: &[LaunchId]) -> Result<Vec<ScreenView>, ExecutorError> {
        let sessions = self.sessions();
        let view = |launch: &LaunchId| {
            let lines = &sessions.get(launch)?.lines;
            let text = lines[lines.len().saturating_sub(40)..].join("\n");
            Some(ScreenView::new(*launch, text))
        };
        Ok(launches.iter().filter_map(view).collect())
    }

    async fn input(&self, _: LaunchId, _: &SessionInput, _: Option<Fingerprint>) -> Result<(), ExecutorError> {
        Err(ExecutorError::Unsupported { executor: "children", what: "typing: there is no terminal" })
    }

    async fn end(&self, spec: &EndSpec) -> Result<bool, ExecutorError> {
        let signal = if spec.mode == EndMode::Ask { Signal::TERM } else { Signal::KILL };
        let until = Instant::now() + Duration::from_millis(spec.patience.0);
        loop {
            let live = |session: &&Session| session.state == SessionState::Running;
            let Some(group) = self.sessions().get(&spec.launch).filter(live).and_then(|session| session.group) else {
                return Ok(true);
            };
            // A group that is gone by now is what was asked for.
            _ = kill_process_group(group, signal);
            if spec.mode == EndMode::Ask || Instant::now() >= until {
                return Ok(false);
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    async fn forget(&self, launch: LaunchId) -> Result<(), ExecutorError> {
        self.sessions().retain(|id, session| *id != launch || session.state == SessionState::Running);
        Ok(())
    }

    async fn events(&self) -> Vec<ExecutorEvent> {
        let mut events = self.events.lock().await;
        events.recv().await.into_iter().collect()
    }
}

/// What each program does; the second one has no luck the first time.
const PROGRAM: &str =
    r#"echo "$ORCH_TASK_ID, attempt $ORCH_ATTEMPT"; test "$ORCH_TASK_ID $ORCH_ATTEMPT" != "t2 1" || exit 1"#;
const MANIFEST: &[u8] = br#"{"project": "example", "agent": "sh", "phases": [{"name": "one", "tasks": [
    {"id": "t1"}, {"id": "t2"}, {"id": "t3", "dependsOn": ["t1", "t2"]}]}]}"#;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let world = World::new();
    let executor = Arc::new(Children::new(&world));
    let ports =
        Ports { executor: Arc::clone(&executor) as _, vcs: Arc::new(world.vcs()), forge: Arc::new(world.forge()) };
    let plan = Manifest::parse(MANIFEST).expect("a good manifest").manifest.plan().clone();
    let mut engine = Orchestrator::new(State::default(), config(), Arc::new(DefaultPolicy)).expect("no cycle");

    let plan = Seen::Plan { plan: Box::new(plan), states: Vec::new(), why: "example".into() };
    let mut inputs = VecDeque::from([Input::Seen(plan)]);
    let mut step = engine.start(&world.now());
    loop {
        carry_out(step, &engine, &ports, &mut inputs).await;
        if inputs.is_empty() {
            if engine.outlook() != Outlook::Working {
                break;
            }
            let deadline = engine.next_deadline(&world.now()).map_or(Millis::from_secs(1), |deadline| deadline.after);
            let began = Instant::now();
            let waited = tokio::time::timeout(Duration::from_millis(deadline.0), executor.events()).await;
            world.advance(Millis(u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX).max(1)));
            inputs.extend(waited.unwrap_or_default().into_iter().map(Input::from).chain([Input::Tick]));
        }
        let input = inputs.pop_front().unwrap_or(Input::Tick);
        step = engine.handle(input, &world.now());
    }
    let merged = world.repository().remote_files(&engine.config().base).into_iter();
    let work: Vec<String> = merged.filter(|(path, _)| path.starts_with('t')).map(|(_, text)| text).collect();
    println!("{:?}: {}", engine.outlook(), work.join("; "));
}

/// Begins effects and looks; a real driver makes the records durable first.
async fn carry_out(step: Step, engine: &Orchestrator, ports: &Ports, inputs: &mut VecDeque<Input>) {
    for job in step.jobs(engine) {
        inputs.extend(ports.carry_out(job, |draft| draft.spec(BTreeMap::new())).await);
    }
}

fn config() -> Config {
    let mut config = Config::new("example", Layout::new("/work"), BranchName::parse("main").expect("a branch name"));
    let program = ["/bin/sh", "-c", PROGRAM].map(str::to_owned).into();
    config.agents.insert("sh".into(), AgentProfile::of_command("sh", program));
    (config.goal, config.auto_merge) = (Status::Merged, true);
    config.limits.backoff = Millis(50);
    config
}
