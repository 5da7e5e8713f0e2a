//! The one world that the mocks share.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use camino::{Utf8Path, Utf8PathBuf};

use super::clock::SimClock;
use super::executor::{MockExecutor, Sessions};
use super::fault::{Call, Failure, Faults, Operation, PortError};
use super::forge::{MockForge, Pulls};
use super::script::{Script, Step};
use super::vcs::{MockRepository, MockVcs, Repo};
use crate::base::id::LaunchId;
use crate::base::time::{AwakeMs, Millis, Now, Timestamp};
use crate::engine::LaunchDraft;
use crate::ports::{ExecutorEvent, LaunchSpec};

/// How long a forge that wants to be left alone does.
const LEFT_ALONE: Millis = Millis::from_mins(20);

/// A simulated machine, repository and forge; clones are handles to the same one.
///
/// # Examples
/// ```
/// use orch_core::testkit::{Script, World};
/// use orch_core::base::Millis;
///
/// let world = World::new();
/// world.on_launch(|_spec| Script::new().print("working").wait(Millis::from_secs(5)).exit(0));
/// let executor = world.executor();
/// world.advance(Millis::from_mins(1));
/// # drop(executor);
/// ```
#[derive(Clone, Default)]
pub struct World {
    state: Arc<Mutex<State>>,
}

type Casting = Arc<dyn Fn(&LaunchSpec) -> Script + Send + Sync>;

#[derive(Default)]
pub(super) struct State {
    pub(super) clock: SimClock,
    pub(super) sessions: Sessions,
    pub(super) repo: Repo,
    pub(super) pulls: Pulls,
    pub(super) files: BTreeMap<Utf8PathBuf, Vec<u8>>,
    faults: Faults,
    calls: Vec<Call>,
    casting: Option<Casting>,
    listeners: BTreeMap<u64, Listener>,
    next_listener: u64,
}

/// The events that one connection has not fetched yet.
#[derive(Default)]
struct Listener {
    events: VecDeque<ExecutorEvent>,
    waker: Option<Waker>,
}

impl World {
    /// A world in which nothing happened yet; agents hang until [`World::on_launch`] says otherwise.
    pub fn new() -> Self {
        Self::default()
    }

    /// Says how agents behave that are launched from now on: a script for each launch, chosen by its
    /// argv or environment (`ORCH_TASK_ID`, `ORCH_ATTEMPT`).
    pub fn on_launch(&self, cast: impl Fn(&LaunchSpec) -> Script + Send + Sync + 'static) {
        self.lock().casting = Some(Arc::new(cast));
    }

    /// A new connection to the executor.
    pub fn executor(&self) -> MockExecutor {
        MockExecutor::connect(self)
    }

    /// A new connection to version control.
    pub fn vcs(&self) -> MockVcs {
        MockVcs::connect(self)
    }

    /// A new connection to the forge.
    pub fn forge(&self) -> MockForge {
        MockForge::connect(self)
    }

    /// The repository as agents and other people use it.
    pub fn repository(&self) -> MockRepository {
        MockRepository::of(self)
    }

    /// The present.
    pub fn now(&self) -> Now {
        self.lock().clock.now()
    }

    /// Lets time pass and plays every step that falls due, in order of time, then of launch.
    pub fn advance(&self, span: Millis) {
        let end = self.now().awake + span;
        while let Some(due) = self.next_due(end) {
            let passed = due.since(self.now().awake);
            self.lock().clock.advance(passed);
            self.play_one();
        }
        let rest = end.since(self.now().awake);
        self.lock().clock.advance(rest);
    }

    /// Lets time pass up to a moment of wall time; one that lies behind plays what is due now.
    pub fn run_until(&self, moment: Timestamp) {
        self.advance(moment.since(self.now().wall));
    }

    /// Lets wall time pass while nothing runs: the machine sleeps.
    pub fn suspend(&self, span: Millis) {
        self.lock().clock.suspend(span);
    }

    /// Sets the wall clock forwards or backwards by so many seconds, as a person or a time server does.
    pub fn set_clock(&self, seconds: i64) {
        self.lock().clock.set(seconds);
    }

    /// Ends every process and session at once and begins a new boot.
    pub fn reboot(&self) {
        let mut state = self.lock();
        state.sessions = Sessions::default();
        state.clock.reboot();
        state.tell(ExecutorEvent::Lost);
    }

    /// Makes the next `times` calls of an operation fail, after those ordered before.
    pub fn fail(&self, operation: Operation, times: usize, failure: Failure) {
        self.lock().faults.order(operation, times, failure);
    }

    /// Whether calls are still to fail.
    pub fn has_faults(&self) -> bool {
        self.lock().faults.are_ordered()
    }

    /// Kills what holds the sessions: all vanish with their exits, and only deaf processes live on.
    pub fn lose_executor(&self) {
        self.lock().lose_executor();
    }

    /// Orders [`World::lose_executor`] for a time from now.
    pub fn lose_executor_in(&self, span: Millis) {
        let mut state = self.lock();
        state.sessions.loss_due = Some(state.clock.now().awake + span);
    }

    /// Makes the executor unable to learn how a launch ended, before or after it did.
    pub fn lose_exit_status(&self, launch: LaunchId) {
        self.lock().sessions.lose_exit_status(launch);
    }

    /// Ends a process as if it had failed: exit 1.
    pub fn fail_process(&self, launch: LaunchId) {
        self.lock().fail_process(launch);
    }

    /// What the world looks like from outside, as text to compare: branches, pull requests, processes and how many there were.
    pub fn face(&self) -> String {
        let started = self.lock().sessions.started();
        let pulls: Vec<String> = self
            .forge()
            .pulls()
            .iter()
            .map(|pull| format!("{} {:?} {:?} {}", pull.number, pull.state, pull.head_sha, pull.base))
            .collect();
        format!("{started} {:?} {pulls:?} {}", self.running(), self.repository().refs())
    }

    /// Every call of a port so far, in order.
    pub fn calls(&self) -> Vec<Call> {
        self.lock().calls.clone()
    }

    /// All that was typed into a launch, keys as the bytes that a terminal sends.
    pub fn typed(&self, launch: LaunchId) -> String {
        self.lock().sessions.typed(launch)
    }

    /// Launches of one task (`ORCH_TASK_ID`) of which the second was started while the first was alive.
    pub fn doubles(&self) -> Vec<(LaunchId, LaunchId)> {
        self.lock().sessions.doubles.clone()
    }

    /// The launches whose own process lives, with or without a session.
    pub fn running(&self) -> Vec<LaunchId> {
        self.lock().sessions.running()
    }

    /// Whether a process of that pid lives.
    pub fn alive(&self, pid: u32) -> bool {
        self.lock().sessions.alive(pid)
    }

    /// Adds a session that is not orch's: [`crate::ports::Executor::list`] must never show it.
    pub fn plant_foreign_session(&self, name: &str) {
        self.lock().sessions.foreign.push(name.to_owned());
    }

    /// The process of a launch: its prompt is written, its environment is orch's own variables.
    pub fn start(&self, draft: &LaunchDraft) -> LaunchSpec {
        if let Some((path, text)) = &draft.prompt {
            self.write_file(path, text.as_bytes());
        }
        draft.spec(BTreeMap::new())
    }

    /// Writes a file outside any worktree.
    pub fn write_file(&self, path: &Utf8Path, content: &[u8]) {
        self.lock().files.insert(path.to_owned(), content.to_owned());
    }

    /// Appends to a file outside any worktree.
    pub fn append_file(&self, path: &Utf8Path, content: &[u8]) {
        self.lock().append(path, content);
    }

    /// A file outside any worktree: logs, and what scripts wrote.
    pub fn read_file(&self, path: &Utf8Path) -> Option<Vec<u8>> {
        self.lock().files.get(path).cloned()
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Performs a call of a port, with the faults that were ordered for it.
    pub(super) fn perform<T, E: PortError>(
        &self,
        operation: Operation,
        subject: &str,
        act: impl FnOnce(&mut State, Option<Failure>) -> Result<T, E>,
    ) -> Result<T, E> {
        let mut state = self.lock();
        let at = state.clock.now().wall;
        state.calls.push(Call { at, operation, subject: subject.to_owned() });
        let failure = state.faults.take(operation);
        match failure {
            Some(Failure::Unreachable) => Err(E::unreachable(operation)),
            Some(Failure::Busy) => Err(E::busy(operation)),
            Some(Failure::Limited) => Err(E::limited(operation, at + LEFT_ALONE)),
            Some(Failure::Refused) => Err(E::refused(operation)),
            Some(Failure::Panics) => panic!("the mock panics in {operation:?}, as it was told to"),
            Some(Failure::AnswerLost) => act(&mut state, None).and(Err(E::unreachable(operation))),
            None | Some(Failure::Ignored | Failure::Stale) => act(&mut state, failure),
        }
    }

    /// The script for a launch; the test's function runs outside the lock, for it may use the world.
    pub(super) fn cast(&self, spec: &LaunchSpec) -> Script {
        let casting = self.lock().casting.clone();
        casting.map_or_else(|| Script::new().hang(), |cast| cast(spec))
    }

    /// The time until the next step of a script.
    pub(super) fn until_next_step(&self) -> Option<Millis> {
        let state = self.lock();
        state.sessions.next_due().map(|due| due.since(state.clock.now().awake))
    }

    fn next_due(&self, end: AwakeMs) -> Option<AwakeMs> {
        self.lock().sessions.next_due().filter(|due| *due <= end)
    }

    fn play_one(&self) {
        let mut state = self.lock();
        let now = state.clock.now().awake;
        if state.sessions.loss_due.is_some_and(|due| due <= now) {
            state.lose_executor();
            return;
        }
        let Some((launch, step)) = state.sessions.take_step(now) else { return };
        if let Step::Do(act) = step {
            let spec = state.sessions.spec(launch);
            drop(state);
            if let Some(spec) = spec {
                act(self, &spec);
            }
        } else {
            state.play(launch, step);
        }
    }
}

impl State {
    pub(super) fn listen(&mut self) -> u64 {
        self.next_listener += 1;
        self.listeners.insert(self.next_listener, Listener::default());
        self.next_listener
    }

    pub(super) fn hang_up(&mut self, listener: u64) {
        self.listeners.remove(&listener);
    }

    /// The waiting events of a connection; keeps the waker if there are none.
    pub(super) fn fetch(&mut self, listener: u64, waker: &Waker) -> Vec<ExecutorEvent> {
        let listener = self.listeners.entry(listener).or_default();
        if listener.events.is_empty() {
            listener.waker = Some(waker.clone());
        }
        listener.events.drain(..).collect()
    }

    /// Tells every connection of an event; one that waits already is not queued twice.
    pub(super) fn tell(&mut self, event: ExecutorEvent) {
        for listener in self.listeners.values_mut() {
            if !listener.events.contains(&event) {
                listener.events.push_back(event);
            }
            if let Some(waker) = listener.waker.take() {
                waker.wake();
            }
        }
    }

    pub(super) fn append(&mut self, path: &Utf8Path, content: &[u8]) {
        self.files.entry(path.to_owned()).or_default().extend_from_slice(content);
    }
}
