//! What each task waits for: said of a state alone, whether or not anyone drives it.

mod pull;

use std::fmt;

use serde::Serialize;

use super::Orchestrator;
use super::dispatch::Queues;
use super::outlook::{Blocker, BlockerKind, blockers};
use crate::base::id::TaskId;
use crate::base::text::escape_line;
use crate::base::time::Timestamp;
use crate::journal::effect::Purpose;
use crate::journal::record::Todo;
use crate::plan::graph::TaskGraph;
use crate::plan::spec::{Gate, Plan, SameFile, TaskSpec};
use crate::plan::status::Status;
use crate::ports::{Pull, PullState};
use crate::state::{PULLS, REMOTE, SESSIONS, Session, State, TaskState, agent};

/// How many names are listed before the rest is counted.
const LISTED: usize = 4;

/// Something that a task waits for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Wait {
    /// Of which kind it is.
    pub kind: WaitKind,
    /// What is waited for, in words that follow "waits for"; foreign text may be quoted in it.
    pub what: String,
    /// Since when, where that is known.
    pub since: Option<Timestamp>,
    /// When it is tried or looked at again, where nothing else ends it before.
    pub again: Option<Timestamp>,
    /// What ends it, in words that follow "until".
    pub ends: String,
}

/// Who or what a task waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum WaitKind {
    /// A person has to do something.
    Person,
    /// A person paused it.
    Paused,
    /// Tasks that it depends on.
    DependsOn,
    /// Files that another task has first, or has now.
    File,
    /// An earlier phase.
    Phase,
    /// The merge of tasks whose work conflicts at its start.
    StartConflict,
    /// One of the places that there are at once.
    Slot,
    /// Its turn to be verified.
    VerifyTurn,
    /// The time of the next try.
    Retry,
    /// Something outside that is not to be had: a provider, the remote, a lock.
    Outage,
    /// Checks that have not ended.
    Checks,
    /// A review that asks for changes.
    Review,
    /// What keeps a pull request from being merged as it is.
    Mergeability,
    /// A branch that is not at the remote any more.
    Branch,
    /// The merges of what it is built on.
    Stack,
    /// Work that it contains and that was skipped since.
    Skipped,
    /// Its turn among the merges, of orch or of its forge.
    MergeQueue,
    /// A merge by hand.
    Merge,
}

impl WaitKind {
    /// Whether it is about a pull request and others, and no status says it.
    pub const fn is_of_pull(self) -> bool {
        matches!(
            self,
            Self::Checks | Self::Review | Self::Mergeability | Self::Branch | Self::Stack | Self::Skipped | Self::Merge
        )
    }
}

impl fmt::Display for Wait {
    /// The wait after "waits for", foreign text escaped.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", escape_line(&self.what))?;
        if let Some(since) = self.since {
            write!(f, ", since {since}")?;
        }
        if let Some(again) = self.again {
            write!(f, ", again at {again}")?;
        }
        write!(f, "; until {}", escape_line(&self.ends))
    }
}

impl Wait {
    fn new(kind: WaitKind, what: impl Into<String>, ends: impl Into<String>) -> Self {
        Self { kind, what: what.into(), since: None, again: None, ends: ends.into() }
    }

    fn since(mut self, since: Option<Timestamp>) -> Self {
        self.since = since;
        self
    }

    fn again(mut self, at: Timestamp) -> Self {
        self.again = Some(at);
        self
    }
}

/// A state with what orders its tasks.
#[derive(Clone, Copy)]
pub(super) struct Waiting<'a> {
    pub(super) state: &'a State,
    pub(super) graph: &'a TaskGraph,
    pub(super) queues: &'a Queues,
}

impl Orchestrator {
    /// Everything that a task waits for now, what only a person ends first; empty while it is at work or done.
    pub fn waits(&self, task: &TaskId) -> Vec<Wait> {
        self.waiting().of(task)
    }

    /// Whether a pull request that is seen like this waits for something else than what is remembered of it.
    pub(super) fn waits_otherwise(&self, task: &TaskId, pull: &Pull) -> bool {
        let Some((_, spec, state)) = self.spec(task) else { return false };
        let Some(driver) = &self.state.driver else { return false };
        let known = state.publication.pull.as_ref().map(|known| self.waiting().alone(driver, spec, state, known));
        known != Some(self.waiting().alone(driver, spec, state, pull))
    }

    fn waiting(&self) -> Waiting<'_> {
        Waiting { state: &self.state, graph: &self.graph, queues: &self.queues }
    }
}

/// One task with its place in the plan.
#[derive(Clone, Copy)]
struct About<'a> {
    plan: &'a Plan,
    spec: &'a TaskSpec,
    task: &'a TaskState,
}

impl<'a> Waiting<'a> {
    /// Everything that a task waits for now.
    pub(super) fn of(self, id: &TaskId) -> Vec<Wait> {
        let Some(about) = self.about(id) else { return Vec::new() };
        let task = about.task;
        if task.status == Status::Merged || task.skipped && task.session.is_none() {
            return Vec::new();
        }
        let held: Vec<Wait> = person(id, task).into_iter().chain(pause(id, task, self.state.paused)).collect();
        if !held.is_empty() {
            return held;
        }
        if let Some(delay) = task.waits.delay.as_ref() {
            let kind = if delay.in_turn { WaitKind::MergeQueue } else { WaitKind::Outage };
            let wait = Wait::new(kind, delay.why.clone(), "it is done: it is tried again by itself");
            return vec![wait.since(Some(delay.since)).again(delay.until)];
        }
        if task.open.is_some() {
            return Vec::new();
        }
        if let Some(parked) = task.waits.parked.as_deref().and_then(|provider| self.outage(provider)) {
            return vec![parked];
        }
        match task.status {
            Status::Pending | Status::Blocked => self.start(about),
            Status::Error => retry(id, task).map_or_else(|| self.room(about), |wait| vec![wait]),
            Status::Running | Status::Stuck => {
                let unseen = || self.outage(SESSIONS).filter(|_| task.session.is_some());
                turn(task).or_else(unseen).into_iter().collect()
            }
            Status::Complete | Status::PrOpen => {
                let unseen = || self.outage(PULLS).filter(|_| task.session.is_none());
                turn(task).or_else(unseen).or_else(|| self.pull(about)).into_iter().collect()
            }
            Status::Merged => Vec::new(),
        }
    }

    fn about(self, id: &TaskId) -> Option<About<'a>> {
        let plan = self.state.plan.as_ref()?;
        let spec = plan.tasks.get(self.queues.index(id)?)?;
        Some(About { plan, spec, task: self.state.tasks.get(id)? })
    }

    /// What keeps a task from starting.
    fn start(self, about: About<'_>) -> Vec<Wait> {
        let (id, task) = (&about.spec.id, about.task);
        let conflicts = |other: &&TaskId| self.state.tasks.get(*other).is_some_and(|it| it.status != Status::Merged);
        let conflicts: Vec<&TaskId> = task.waits.on.iter().filter(conflicts).collect();
        if task.status == Status::Blocked && !conflicts.is_empty() {
            let names = names(conflicts.iter().map(ToString::to_string), " or ");
            let why = task.reason.as_deref().unwrap_or("their work conflicts");
            let what = format!("the merge of {names}: {why}");
            let ends = "one of them is merged, or skipped by `orch skip`".to_owned();
            return vec![Wait::new(WaitKind::StartConflict, what, ends).since(task.times.changed_at)];
        }
        let blockers = blockers(self.state, self.graph, self.queues, id);
        if blockers.is_empty() {
            return self.room(about);
        }
        let gate = match about.plan.settings.gate {
            Gate::Complete => Status::Complete,
            Gate::PrOpen => Status::PrOpen,
            Gate::Merged => Status::Merged,
        };
        let of = |kind: BlockerKind| blockers.iter().filter(move |blocker| blocker.kind == kind);
        let kinds = [
            (BlockerKind::DependsOn, WaitKind::DependsOn, Status::Complete),
            (BlockerKind::File, WaitKind::File, Status::Complete),
            (BlockerKind::Phase, WaitKind::Phase, gate),
        ];
        let waits = kinds.into_iter().filter(|(of_kind, ..)| of(*of_kind).next().is_some());
        let waits = waits.map(|(of_kind, kind, level)| {
            let count = of(of_kind).count();
            let what = names(of(of_kind).map(ToString::to_string), ", ");
            let those = if count == 1 { "it is" } else { "they are" };
            Wait::new(kind, what, format!("{those} {level}, or skipped by `orch skip`"))
                .since(task.times.changed_at.or(self.state.began))
        });
        waits.collect()
    }

    /// What keeps a task that may start from doing so.
    fn room(self, about: About<'_>) -> Vec<Wait> {
        let About { plan, spec, task } = about;
        let since = task.times.changed_at.or(self.state.began);
        let down = [REMOTE.to_owned(), agent(plan.agent_of(spec))];
        if let Some(outage) = down.iter().find_map(|provider| self.outage(provider)) {
            return vec![outage];
        }
        if let Some((holder, files)) = self.lease_holder(plan, spec) {
            let what = format!("{holder} (works on {files})");
            return vec![Wait::new(WaitKind::File, what, "that one ends").since(since)];
        }
        let slots = self.state.driver.as_ref().map_or(plan.settings.max_parallel, |driver| driver.max_parallel);
        let taken = self.queues.slots().count();
        let full = taken >= slots as usize;
        let what = format!("a slot ({taken} of {slots} taken)");
        let wait = full.then(|| Wait::new(WaitKind::Slot, what, "a task at work ends").since(since));
        wait.into_iter().collect()
    }

    /// The task that holds the lease of files that another one wants, and those files.
    fn lease_holder(self, plan: &Plan, spec: &TaskSpec) -> Option<(&'a TaskId, String)> {
        let serial = plan.settings.same_file == SameFile::Serialize;
        let mut others = self.queues.leases().filter(|other| serial && **other != spec.id);
        others.find_map(|other| {
            let shared = plan.tasks.get(self.queues.index(other)?)?.files.shared(&spec.files);
            (!shared.is_empty()).then(|| (other, names(shared.into_iter(), ", ")))
        })
    }

    /// What is down, as a wait.
    fn outage(self, provider: &str) -> Option<Wait> {
        let outage = self.state.outages.get(provider)?;
        let what = format!("{provider}, which cannot be had now");
        Some(Wait::new(WaitKind::Outage, what, "it answers").since(Some(outage.since)).again(outage.until))
    }
}

/// Names in a row, those beyond the first few counted.
pub(super) fn names(all: impl Iterator<Item = String>, between: &str) -> String {
    let mut all = all.fuse();
    let mut listed: Vec<String> = all.by_ref().take(LISTED).collect();
    match all.count() {
        0 => {}
        more => listed.push(format!("{more} more")),
    }
    listed.join(between)
}

impl fmt::Display for Blocker {
    /// The task and why, with the files that both declare.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let files = names(self.files.iter().cloned(), ", ");
        match self.kind {
            BlockerKind::DependsOn if self.files.is_empty() => write!(f, "{} (dependsOn)", self.task),
            BlockerKind::DependsOn => write!(f, "{} (dependsOn; both touch {files})", self.task),
            BlockerKind::File => write!(f, "{} (both touch {files})", self.task),
            BlockerKind::Phase => write!(f, "{} (earlier phase)", self.task),
        }
    }
}

/// What a person has to do.
fn person(id: &TaskId, task: &TaskState) -> Option<Wait> {
    let live = task.session.as_ref().is_some_and(Session::is_live);
    let closed = task.publication.pull.as_ref().is_some_and(|pull| pull.state == PullState::Closed);
    let ends = if live {
        format!("`orch attach {id}` or `orch send {id} TEXT` answers it")
    } else if task.waits_to_publish() {
        format!("that is put right; then `orch run` or `orch retry {id}` goes on with what is verified")
    } else if closed {
        format!("the pull request is reopened, or `orch retry {id}` or `orch skip {id}`")
    } else {
        format!("`orch retry {id}`; `orch skip {id}` lets others pass")
    };
    let what = format!("a person: {}", task.reason.as_deref().unwrap_or("no reason given"));
    task.needs_human
        .then(|| Wait::new(WaitKind::Person, what, ends).since(task.healing.called_at.or(task.times.changed_at)))
}

fn pause(id: &TaskId, task: &TaskState, all: bool) -> Option<Wait> {
    let (what, ends) = match (task.paused, all) {
        (true, _) => ("a person, who paused it", format!("`orch resume {id}`")),
        (false, true) => ("a person, who paused everything", "`orch resume`".to_owned()),
        (false, false) => return None,
    };
    Some(Wait::new(WaitKind::Paused, what, ends))
}

/// The back-off of a failed attempt.
fn retry(id: &TaskId, task: &TaskState) -> Option<Wait> {
    let at = task.waits.not_before?;
    let what = format!("the time of attempt {}", task.attempt.number.0 + 1);
    let ends = format!("then, or `orch retry {id}`");
    Some(Wait::new(WaitKind::Retry, what, ends).since(task.times.changed_at).again(at))
}

/// What a task at work waits for besides its agent.
fn turn(task: &TaskState) -> Option<Wait> {
    if task.session.is_some() {
        return None;
    }
    if let (Some(at), Some(Todo::Launch { .. })) = (task.waits.not_before, task.todo) {
        let wait = Wait::new(WaitKind::Retry, "the time of its next launch", "then");
        return Some(wait.since(task.times.last_progress).again(at));
    }
    let verify = matches!(task.todo, Some(Todo::Launch { purpose: Purpose::Verify, .. }));
    let wait = Wait::new(WaitKind::VerifyTurn, "its turn to be verified", "a verify command that runs now ends");
    verify.then(|| wait.since(task.times.last_progress))
}

/// What is waited for by every task that waits, in the order of the plan.
pub fn waits(state: &State, graph: &TaskGraph) -> Vec<(TaskId, Vec<Wait>)> {
    let queues = Queues::new(state, graph);
    let waiting = Waiting { state, graph, queues: &queues };
    let ids = state.plan.iter().flat_map(|plan| &plan.tasks).map(|spec| spec.id.clone());
    let waits = ids.map(|id| {
        let waits = waiting.of(&id);
        (id, waits)
    });
    waits.filter(|(_, waits)| !waits.is_empty()).collect()
}
