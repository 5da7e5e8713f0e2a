//! The engine: inputs in, records and looks out, time as an argument.
//!
//! Call order: [`Orchestrator::new`] with the folded state, [`Orchestrator::start`] once, then
//! [`Orchestrator::handle`] for every input and [`Orchestrator::next_deadline`] to know when the
//! next [`Input::Tick`] is due, [`Orchestrator::stop`] at the end. The caller makes the records of a
//! step durable before it performs the effects that they start.
//!
//! `handle` turns what was seen into verdicts; everything else follows from the state alone: after
//! each input, every task that it touched is advanced until it waits for the world. That is why any
//! prefix of a batch of records is a state from which the work goes on.

mod advance;
mod dispatch;
mod follow;
pub(crate) mod input;
mod launch;
mod looks;
mod outage;
mod outcome;
mod outlook;
pub(crate) mod perform;
mod publish;
mod pulls;
mod seen;
mod sessions;
mod strays;
mod timers;
mod unseen;
mod user;
mod waits;
mod wakeups;
mod watch;
mod worktrees;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use camino::Utf8PathBuf;

use crate::agents::profile::AgentProfile;
use crate::base::id::{BranchName, EffectId, LaunchId, Seq, TaskId};
use crate::base::layout::Layout;
use crate::base::time::{BootId, Millis, Now};
use crate::heal::{Case, HealPolicy, Limits, Signal};
use crate::journal::effect::{Effect, Look};
use crate::journal::record::{DriverRecord, Entry, JOURNAL_FORMAT, Record};
use crate::plan::graph::{Cycle, TaskGraph};
use crate::plan::spec::{ExecutorKind, GateBeyondGoal, Plan, TaskSpec};
use crate::plan::status::Status;
use crate::ports::Fingerprint;
use crate::state::{State, TaskState};

pub(crate) use advance::decide;
pub use input::{Input, Seen, SeenPull, SeenSession};
pub use launch::LaunchDraft;
pub use outlook::{Blocker, BlockerKind, Outlook};
pub(crate) use outlook::{Holds, is_at_goal};
pub use perform::{EffectJob, Job, LookJob, Ports, PullLook};
pub use user::Refusal;
pub use waits::{Wait, WaitKind, waits};

use dispatch::Queues;
use looks::Looks;
use pulls::Pulls;
use sessions::Sessions;
use wakeups::Wakeups;
use worktrees::Worktrees;

/// What the engine needs to know besides the plan and the state.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Config {
    /// Where things lie.
    pub layout: Layout,
    /// What the workdir is known by wherever it lies: conversations of agents are named by it.
    pub identity: String,
    /// The base branch.
    pub base: BranchName,
    /// The agent profiles by name.
    pub agents: BTreeMap<String, AgentProfile>,
    /// The thresholds.
    pub limits: Limits,
    /// Where agents run.
    pub executor: ExecutorKind,
    /// Tasks are followed up to this status: complete, `pr_open` or merged.
    pub goal: Status,
    /// Whether orch merges.
    pub auto_merge: bool,
    /// How many tasks hold a slot at once, where it is not the manifest that says so.
    pub max_parallel: Option<u32>,
    /// Names of variables that every agent and every verify command gets beside the usual ones.
    pub env_pass: Vec<String>,
    /// Whether people are told of events.
    pub notify: bool,
    /// The version of orch, for the journal.
    pub version: String,
    /// The driver's process id, for the journal.
    pub pid: u32,
}

impl Config {
    /// What a fleet needs at least: the name that its agents' conversations are known by, where things lie, and the
    /// branch that work is for. Its agents are set besides; goal is `pr_open`, nothing is merged, nobody is told, agents
    /// run on PTYs.
    pub fn new(identity: impl Into<String>, layout: Layout, base: BranchName) -> Self {
        Self {
            layout,
            identity: identity.into(),
            base,
            agents: BTreeMap::new(),
            limits: Limits::default(),
            executor: ExecutorKind::Pty,
            goal: Status::PrOpen,
            auto_merge: false,
            max_parallel: None,
            env_pass: Vec::new(),
            notify: false,
            version: String::new(),
            pid: 0,
        }
    }
}

/// What one input led to.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Step {
    /// Records to be made durable, in order, before anything else is done.
    pub records: Vec<Entry>,
    /// The effects that they start; first those that an earlier process left open.
    pub effects: Vec<EffectJob>,
    /// What is to be looked at.
    pub looks: BTreeSet<Look>,
    /// For [`Input::User`], and for a [`Seen::Plan`]: what a person is told.
    pub answer: Option<Result<String, Refusal>>,
}

/// Why a plan cannot be worked on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unworkable {
    /// Its tasks wait for each other.
    #[error("tasks wait for each other: {0}")]
    Cycle(#[from] Cycle),
    /// Its phases wait for what the goal leaves out.
    #[error(transparent)]
    Gate(#[from] GateBeyondGoal),
}

/// When the engine wants to be called again, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Deadline {
    /// From now.
    pub after: Millis,
    /// What is due then.
    pub reason: &'static str,
}

/// The engine.
pub struct Orchestrator {
    state: State,
    config: Config,
    policy: Arc<dyn HealPolicy>,
    graph: TaskGraph,
    queues: Queues,
    sessions: Sessions,
    looks: Looks,
    worktrees: Worktrees,
    pulls: Pulls,
    wakeups: Wakeups,
    last_tick: Option<Now>,
}

/// One call of [`Orchestrator::handle`] under way.
struct Pass<'a> {
    now: &'a Now,
    records: Vec<Entry>,
    /// Effects that are to be performed.
    effects: Vec<EffectId>,
    looks: BTreeSet<Look>,
    dirty: BTreeSet<TaskId>,
}

impl Orchestrator {
    /// An engine on a state folded from the journal.
    ///
    /// # Errors
    /// [`Unworkable`]: [`Cycle`] if the state's plan has one, which no plan that the engine took in ever had;
    /// [`GateBeyondGoal`] if it has a gate that nothing gets through.
    pub fn new(state: State, config: Config, policy: Arc<dyn HealPolicy>) -> Result<Self, Unworkable> {
        if let Some(plan) = &state.plan {
            plan.check_goal(config.goal)?;
        }
        let graph = match &state.plan {
            Some(plan) => TaskGraph::build(plan)?,
            None => TaskGraph::build(&Plan::default())?,
        };
        let queues = Queues::new(&state, &graph);
        Ok(Self {
            state,
            config,
            policy,
            graph,
            queues,
            sessions: Sessions::default(),
            looks: Looks::default(),
            worktrees: Worktrees::default(),
            pulls: Pulls::default(),
            wakeups: Wakeups::default(),
            last_tick: None,
        })
    }

    /// The state.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// The plan's graph.
    pub fn graph(&self) -> &TaskGraph {
        &self.graph
    }

    /// What it was set up with.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Takes over: records it, performs again what was left open, and looks at everything.
    pub fn start(&mut self, now: &Now) -> Step {
        let left_open: Vec<EffectId> = self.state.open.keys().copied().collect();
        let mut pass = Pass::new(now);
        let driver = self.driver_record(true, &now.boot);
        self.record(&mut pass, None, Record::Driver(driver));
        self.sessions = Sessions::of(&self.state, now);
        for id in left_open {
            let Some(open) = self.state.open.get(&id) else { continue };
            if matches!(open.effect, Effect::Input { .. }) {
                // Keys are never pressed from memory: the screen is judged anew.
                let task = open.task.clone();
                let record = Record::Done { effect: id, outcome: crate::journal::effect::Outcome::Unknown };
                self.record(&mut pass, task, record);
            } else {
                pass.effects.push(id);
            }
        }
        self.ask_sessions(&mut pass);
        pass.dirty.extend(self.state.tasks.keys().cloned());
        self.settle(&mut pass);
        self.finish(pass)
    }

    /// Leaves in order: marks of life first, so that the next process sees silence as this one did.
    pub fn stop(&mut self, now: &Now) -> Step {
        let mut pass = Pass::new(now);
        self.record_marks(&mut pass, true);
        let driver = self.driver_record(false, &now.boot);
        self.record(&mut pass, None, Record::Driver(driver));
        self.finish(pass)
    }

    /// Decides what follows from one input.
    pub fn handle(&mut self, input: Input, now: &Now) -> Step {
        let mut pass = Pass::new(now);
        self.notice_gap(&mut pass);
        let answer = match input {
            Input::Tick => {
                self.on_tick(&mut pass);
                None
            }
            Input::Seen(seen) => self.on_seen(&mut pass, seen),
            Input::Done { effect, outcome } => {
                self.on_done(&mut pass, effect, outcome);
                None
            }
            Input::User { task, verb } => Some(self.on_user(&mut pass, task.as_ref(), verb)),
        };
        self.settle(&mut pass);
        Step { answer, ..self.finish(pass) }
    }

    fn driver_record(&self, start: bool, boot: &BootId) -> DriverRecord {
        DriverRecord {
            format: JOURNAL_FORMAT,
            start,
            version: self.config.version.clone(),
            pid: self.config.pid,
            boot: boot.clone(),
            base: self.config.base.clone(),
            limits: self.config.limits.clone(),
            executor: self.config.executor,
            goal: self.config.goal,
            auto_merge: self.config.auto_merge,
            max_parallel: self.max_parallel(),
            env_pass: self.config.env_pass.clone(),
        }
    }

    fn max_parallel(&self) -> u32 {
        let planned = self.state.plan.as_ref().map_or(1, |plan| plan.settings.max_parallel);
        self.config.max_parallel.unwrap_or(planned).max(1)
    }

    /// Remembers one thing: the only place that makes records.
    fn record(&mut self, pass: &mut Pass<'_>, task: Option<TaskId>, record: Record) {
        let entry =
            Entry { seq: Seq(self.state.seq + 1), timestamp: pass.now.wall, awake: pass.now.awake, task, record };
        self.state.apply(&entry);
        if let Some(task) = &entry.task {
            if let Record::Status(change) = &entry.record {
                self.note_move(task, change.to);
            }
            self.queues.note(&self.state, &self.graph, task, &mut pass.dirty);
            pass.dirty.insert(task.clone());
            if matches!(entry.record, Record::Status(_) | Record::User { .. }) {
                self.touch_successors(task, &mut pass.dirty);
            }
        }
        let published = |id| self.state.tasks.get(id).is_some_and(|task: &TaskState| task.publication.pull.is_some());
        self.pulls.merges_due |= entry.task.as_ref().is_none_or(published);
        if matches!(entry.record, Record::Effect { .. }) {
            pass.effects.push(EffectId(entry.seq.0));
        }
        pass.records.push(entry);
    }

    /// What is seen of pull requests says nothing any more once a task got on.
    fn note_move(&mut self, task: &TaskId, to: Status) {
        if matches!(to, Status::PrOpen | Status::Merged) {
            // What it was looked at for was to be published; now it is followed.
            self.pulls.forget(task);
        }
        if to == Status::Merged {
            self.pulls.outdate();
            // Who builds on it is looked at at once.
            let mut behind = BTreeSet::new();
            self.touch_successors(task, &mut behind);
            for next in &behind {
                self.pulls.forget(next);
            }
        }
    }

    /// What a task does next may depend on the tasks before it. A task that is skipped hands on what it was ordered after.
    fn touch_successors(&self, task: &TaskId, dirty: &mut BTreeSet<TaskId>) {
        let mut behind = vec![task.clone()];
        let mut seen: BTreeSet<TaskId> = BTreeSet::new();
        while let Some(task) = behind.pop() {
            for edge in self.graph.successors(&task) {
                let skipped = self.state.tasks.get(edge.to()).is_some_and(|next| next.skipped);
                if seen.insert(edge.to().clone()) && skipped {
                    behind.push(edge.to().clone());
                }
            }
        }
        dirty.extend(seen);
    }

    /// Advances every touched task, starts what may start and merges what may be merged, until
    /// everything waits for the world.
    fn settle(&mut self, pass: &mut Pass<'_>) {
        loop {
            while let Some(task) = pass.dirty.pop_first() {
                self.advance(pass, &task);
            }
            let moved = self.dispatch(pass) | self.merge_next(pass);
            if !moved && pass.dirty.is_empty() {
                break;
            }
        }
        self.announce(pass);
    }

    /// Notes that a look is wanted; `false` when it is under way already.
    fn ask(&mut self, look: &Look, now: &Now) -> bool {
        let begins = self.looks.ask(look, now);
        if let (true, Look::Pull(task)) = (begins, look) {
            self.pulls.note_asked(task);
        }
        begins
    }

    /// What a pass led to, each effect with all that it takes.
    fn finish(&self, pass: Pass<'_>) -> Step {
        let job = |id: EffectId| {
            let effect = self.state.open.get(&id)?.effect.clone();
            Some(EffectJob { id, effect, launch: self.launch_draft(id) })
        };
        let effects = pass.effects.into_iter().filter_map(job).collect();
        Step { records: pass.records, effects, looks: pass.looks, answer: None }
    }

    fn spec(&self, task: &TaskId) -> Option<(&Plan, &TaskSpec, &TaskState)> {
        let plan = self.state.plan.as_ref()?;
        let index = self.queues.index(task)?;
        Some((plan, plan.tasks.get(index)?, self.state.tasks.get(task)?))
    }

    fn is_paused(&self, task: &TaskState) -> bool {
        self.state.paused || task.paused
    }

    fn worktree(&self, task: &TaskId) -> Utf8PathBuf {
        self.config.layout.worktree(task)
    }

    /// The case for a signal about a task, as the state has it.
    fn case(&self, task: &TaskId, signal: Signal, detail: impl Into<String>) -> Case {
        let absent = TaskState::default();
        let state = self.state.tasks.get(task).unwrap_or(&absent);
        Case {
            signal,
            detail: detail.into(),
            attempt: state.attempt.number,
            failures: state.retries.failures + 1,
            feedback_rounds: state.retries.feedback_rounds,
            relaunches: state.attempt.relaunches,
            local: false,
            delays: state.waits.delays(),
            same_prompt: 0,
            answer: None,
            poke: self.profile(task).map(|profile| profile.poke.clone()).unwrap_or_default(),
            silent: Millis(0),
            pokes: state.session.as_ref().map_or(0, |session| session.pokes),
            line_input: false,
            asked_to_commit: state.attempt.asked_to_commit,
            committed: state.attempt.committed,
            nested: Vec::new(),
            foreign_dirt: Vec::new(),
            reset_at: None,
            provider: String::new(),
            outage: None,
            spread: u16::try_from(Fingerprint::of(task.as_str()).0 % 1000).unwrap_or_default(),
        }
    }

    /// What was seen of every live session.
    pub(crate) fn observed(&self) -> impl Iterator<Item = (&TaskId, &crate::agents::monitor::Observed)> {
        self.queues.sessions().filter_map(|task| {
            let (_, session) = self.live(task)?;
            self.sessions.by_launch.get(&session.launch).map(|seen| (task, &seen.observed))
        })
    }

    fn profile(&self, task: &TaskId) -> Option<&AgentProfile> {
        let (plan, spec, _) = self.spec(task)?;
        self.config.agents.get(plan.agent_of(spec))
    }

    fn task_of_launch(&self, launch: LaunchId) -> Option<TaskId> {
        self.queues.task_of(launch).cloned()
    }
}

impl<'a> Pass<'a> {
    fn new(now: &'a Now) -> Self {
        Self { now, records: Vec::new(), effects: Vec::new(), looks: BTreeSet::new(), dirty: BTreeSet::new() }
    }
}

#[cfg(test)]
mod tests;
