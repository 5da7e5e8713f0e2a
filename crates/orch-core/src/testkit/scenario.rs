//! Whole orchestrations in virtual time, told as a story for snapshots.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use super::script::Script;
use super::world::World;
use crate::agent::AgentProfile;
use crate::backend::{ExecutorEvent, LaunchSpec};
use crate::graph::Cycle;
use crate::heal::{DefaultPolicy, HealPolicy, Limits};
use crate::id::{BranchName, EffectId, TaskId};
use crate::input::{Input, Seen};
use crate::layout::Layout;
use crate::orchestrator::{Config, Orchestrator, Outlook, Step};
use crate::plan::Plan;
use crate::ports::{LookPlan, Ports};
use crate::record::{Entry, Record, UserVerb};
use crate::state::State;
use crate::status::Status;
use crate::time::{Millis, Timestamp};

/// One orchestration in a simulated world: a plan, scripted agents, a policy. [`Scenario::run`] plays
/// it to the end and returns a [`Story`] made for `insta`.
pub struct Scenario {
    world: World,
    plan: Plan,
    config: Config,
    policy: Arc<dyn HealPolicy>,
    horizon: Millis,
    said: Vec<(Millis, Option<TaskId>, UserVerb)>,
    crash_after: Option<u64>,
}

/// What happened in a [`Scenario`].
pub struct Story {
    /// The journal.
    pub journal: Vec<Entry>,
    /// How it stood at the end.
    pub outlook: Outlook,
    /// The state at the end.
    pub state: State,
    /// How often the orchestrator was killed.
    pub crashes: u32,
}

impl Scenario {
    /// A scenario in a fresh world; `cast` says how the agent of each launch behaves, told apart by
    /// `ORCH_TASK_ID` and `ORCH_ATTEMPT` in its environment.
    pub fn new(plan: Plan, cast: impl Fn(&LaunchSpec) -> Script + Send + Sync + 'static) -> Self {
        let world = World::new();
        world.on_launch(cast);
        let base = BranchName::parse("main").unwrap_or_else(|e| unreachable!("main is a branch name: {e}"));
        let mut agents = BTreeMap::from([("shell".to_owned(), AgentProfile::shell())]);
        let bot = |name: &str| (name.to_owned(), AgentProfile::of_command(name, vec![name.to_owned()]));
        agents.extend(plan.tasks.iter().map(|task| bot(plan.agent_of(task))));
        let config = Config {
            layout: Layout::new("/work"),
            base,
            agents,
            limits: Limits::default(),
            goal: Status::Merged,
            auto_merge: true,
            max_parallel: None,
            notify: false,
            version: "scenario".to_owned(),
            pid: 1,
        };
        let policy = Arc::new(DefaultPolicy);
        Self { world, plan, config, policy, horizon: Millis::from_mins(24 * 60), said: Vec::new(), crash_after: None }
    }

    /// The world, to plant faults in before the run.
    pub fn world(&self) -> &World {
        &self.world
    }

    /// Changes thresholds.
    #[must_use]
    pub fn limits(mut self, change: impl FnOnce(&mut Limits)) -> Self {
        change(&mut self.config.limits);
        self
    }

    /// Follows tasks up to another status, without merging when it is not [`Status::Merged`].
    #[must_use]
    pub fn goal(mut self, goal: Status) -> Self {
        (self.config.goal, self.config.auto_merge) = (goal, goal == Status::Merged);
        self
    }

    /// Heals by another policy.
    #[must_use]
    pub fn policy(mut self, policy: impl HealPolicy + 'static) -> Self {
        self.policy = Arc::new(policy);
        self
    }

    /// Lets a person say something at a time after the start.
    #[must_use]
    pub fn say(mut self, at: Millis, task: Option<&str>, verb: UserVerb) -> Self {
        self.said.push((at, task.and_then(|id| TaskId::parse(id).ok()), verb));
        self.said.sort_by_key(|(at, _, _)| *at);
        self
    }

    /// Kills the orchestrator each time it has written this many more records, cutting the batch
    /// there: effects of records that were not written never begin.
    #[must_use]
    pub fn crash_every(mut self, records: u64) -> Self {
        self.crash_after = Some(records);
        self
    }

    /// Gives up after this much virtual time; a day unless said otherwise.
    #[must_use]
    pub fn horizon(mut self, span: Millis) -> Self {
        self.horizon = span;
        self
    }

    /// Plays it until the goal is reached, a person is needed, or the horizon.
    ///
    /// # Errors
    /// [`Cycle`] if the plan has one.
    pub fn run(self) -> Result<Story, Cycle> {
        let mut journal: Vec<Entry> = Vec::new();
        let began = self.world.now().wall;
        let mut crashes = 0;
        let mut said = VecDeque::from(self.said.clone());
        loop {
            let state = State::fold(&journal);
            let fresh = state.plan.is_none();
            let engine = Orchestrator::new(state, self.config.clone(), Arc::clone(&self.policy))?;
            let budget = self.crash_after.map(|records| journal.len() as u64 + records);
            let mut play = Play::new(&self.world, engine, &mut journal, budget);
            match play.drive(fresh.then_some(&self.plan), began, self.horizon, &mut said) {
                Ok(outlook) => {
                    let state = play.engine.state().clone();
                    return Ok(Story { journal, outlook, state, crashes });
                }
                Err(Crashed) => crashes += 1,
            }
        }
    }
}

/// The orchestrator was killed.
struct Crashed;

/// One life of the orchestrator.
struct Play<'a> {
    world: &'a World,
    engine: Orchestrator,
    ports: Ports,
    journal: &'a mut Vec<Entry>,
    budget: Option<u64>,
    inputs: VecDeque<Input>,
}

impl<'a> Play<'a> {
    fn new(world: &'a World, engine: Orchestrator, journal: &'a mut Vec<Entry>, budget: Option<u64>) -> Self {
        let ports =
            Ports { executor: Arc::new(world.executor()), vcs: Arc::new(world.vcs()), forge: Arc::new(world.forge()) };
        Self { world, engine, ports, journal, budget, inputs: VecDeque::new() }
    }

    fn drive(
        &mut self,
        plan: Option<&Plan>,
        began: Timestamp,
        horizon: Millis,
        said: &mut VecDeque<(Millis, Option<TaskId>, UserVerb)>,
    ) -> Result<Outlook, Crashed> {
        let step = self.engine.start(&self.world.now());
        self.commit(step)?;
        if let Some(plan) = plan {
            let (plan, why) = (Box::new(plan.clone()), "scenario".to_owned());
            self.inputs.push_back(Input::Seen(Seen::Plan { plan, states: Vec::new(), why }));
        }
        self.inputs.push_back(Input::Tick);
        loop {
            while let Some(input) = self.inputs.pop_front() {
                let step = self.engine.handle(input, &self.world.now());
                self.commit(step)?;
            }
            let events = ready(self.ports.executor.events()).unwrap_or_default();
            self.inputs.extend(events.into_iter().map(seen_event));
            if !self.inputs.is_empty() {
                continue;
            }
            let outlook = self.engine.outlook();
            let elapsed = self.world.now().wall.since(began);
            let spoken = said.front().is_none_or(|(at, _, _)| *at > horizon);
            if (outlook != Outlook::Working && spoken) || elapsed >= horizon {
                return Ok(outlook);
            }
            self.wait(elapsed, horizon, said);
        }
    }

    /// Lets time pass to whatever comes first: the engine's deadline, an agent's step, a person's word.
    fn wait(&mut self, elapsed: Millis, horizon: Millis, said: &mut VecDeque<(Millis, Option<TaskId>, UserVerb)>) {
        let deadline = self.engine.next_deadline(&self.world.now()).map_or(horizon, |deadline| deadline.after);
        let word = said.front().map_or(horizon, |(at, _, _)| Millis(at.0.saturating_sub(elapsed.0)));
        let step = self.world.until_next_step().unwrap_or(horizon);
        let first = deadline.min(word).min(step);
        self.world.advance(first);
        let spoken = if first == word { said.pop_front() } else { None };
        self.inputs.extend(spoken.map(|(_, task, verb)| Input::User { task, verb }));
        self.inputs.push_back(Input::Tick);
    }

    /// Writes records, as many as the budget allows, then begins effects and looks.
    fn commit(&mut self, step: Step) -> Result<(), Crashed> {
        let room = self.budget.map_or(usize::MAX, |budget| {
            usize::try_from(budget.saturating_sub(self.journal.len() as u64)).unwrap_or(usize::MAX)
        });
        let crashes = step.records.len() > room;
        let begun: Vec<EffectId> = step
            .records
            .iter()
            .filter_map(|entry| match &entry.record {
                Record::Effect { .. } => Some(EffectId(entry.seq.0)),
                _ => None,
            })
            .collect();
        self.journal.extend(step.records.into_iter().take(room));
        if crashes {
            return Err(Crashed);
        }
        for id in step.redo.into_iter().chain(begun) {
            let Some(open) = self.engine.state().open.get(&id) else { continue };
            let plan = self.engine.launch_plan(id);
            if let Some((path, text)) = plan.as_ref().and_then(|plan| plan.prompt.as_ref()) {
                self.world.write_file(path, text.as_bytes());
            }
            let spec = plan.map(|plan| plan.spec(BTreeMap::new()));
            let effect = open.effect.clone();
            if let Some(outcome) = ready(self.ports.perform(&effect, spec.as_ref())) {
                self.inputs.push_back(Input::Done { effect: id, outcome });
            }
        }
        for plan in LookPlan::of(step.looks, &self.engine) {
            self.inputs.extend(ready(self.ports.look(plan)).unwrap_or_default());
        }
        Ok(())
    }
}

fn seen_event(event: ExecutorEvent) -> Input {
    Input::Seen(match event {
        ExecutorEvent::Output(launch) => Seen::Output(launch),
        ExecutorEvent::Exited(_) | ExecutorEvent::Lost => Seen::Stirred,
    })
}

/// The value of a future that does not wait; the mocks' calls never do, but for events that are not there.
fn ready<T>(future: impl Future<Output = T>) -> Option<T> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}

impl Story {
    /// What was decided about one task, a line each.
    pub fn of(&self, task: &str) -> String {
        let about = |entry: &&Entry| entry.task.as_ref().is_some_and(|id| id.as_str() == task);
        self.tell(self.journal.iter().filter(about))
    }

    fn tell<'e>(&'e self, entries: impl Iterator<Item = &'e Entry>) -> String {
        let began = self.journal.first().map(|entry| entry.timestamp);
        let mut text = String::new();
        for entry in entries {
            let at = began.map_or(Millis(0), |began| entry.timestamp.since(began));
            if let Some(line) = line(&entry.record) {
                let task = entry.task.as_ref().map_or(String::new(), |task| format!("{task} "));
                text.push_str(&format!("{} {task}{line}\n", clock(at)));
            }
        }
        text
    }
}

/// `hh:mm:ss`.
fn clock(at: Millis) -> String {
    let secs = at.0 / 1000;
    format!("{:02}:{:02}:{:02}", secs / 3600, secs / 60 % 60, secs % 60)
}

/// A record in one line; what every run has alike is left out.
fn line(record: &Record) -> Option<String> {
    Some(match record {
        Record::Status(change) => {
            let attempt = change.attempt.map_or(String::new(), |attempt| format!(" (attempt {attempt})"));
            let reason = change.reason.as_ref().map_or(String::new(), |reason| format!(": {reason}"));
            format!("{} -> {}{attempt}{reason}", change.from, change.to)
        }
        Record::Remedy { signal, decision, .. } => {
            format!("{signal} => {}: {}", decision.remedy.name(), decision.reason)
        }
        Record::User { verb } => format!("a person says {verb:?}"),
        Record::Gap { what, lasted } => format!("{what} for {lasted}"),
        Record::Driver(driver) if driver.start => "the orchestrator takes over".to_owned(),
        Record::Driver(_)
        | Record::Plan { .. }
        | Record::Imported(_)
        | Record::Effect { .. }
        | Record::Done { .. }
        | Record::Verdict(_)
        | Record::Progress(_) => return None,
    })
}

impl fmt::Display for Story {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.tell(self.journal.iter()))?;
        writeln!(f, "{:?}", self.outlook)
    }
}
