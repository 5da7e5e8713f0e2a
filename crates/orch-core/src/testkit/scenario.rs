//! Whole orchestrations in virtual time, told as a story for snapshots.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use super::script::Script;
use super::world::World;
use crate::agents::profile::AgentProfile;
use crate::base::id::{BranchName, TaskId};
use crate::base::layout::Layout;
use crate::base::time::{Millis, Timestamp};
use crate::engine::input::{Input, Seen};
use crate::engine::perform::Ports;
use crate::engine::{Config, Orchestrator, Outlook, Step, Unworkable};
use crate::heal::{DefaultPolicy, HealPolicy, Limits};
use crate::journal::record::{Entry, ImportedState, Record, UserVerb};
use crate::plan::spec::{ExecutorKind, Plan};
use crate::plan::status::Status;
use crate::ports::LaunchSpec;
use crate::state::State;

/// One orchestration in a simulated world: a plan, scripted agents, a policy. [`Scenario::run`] plays
/// it to the end and returns a [`Story`] made for `insta`.
pub struct Scenario {
    world: World,
    plan: Plan,
    states: Vec<(TaskId, ImportedState)>,
    config: Config,
    policy: Arc<dyn HealPolicy>,
    horizon: Millis,
    events: Vec<Event>,
    crashes: Crashes,
    tick_every: Option<Millis>,
    lasts: Millis,
}

/// A story goes on for so long after the last thing that was to happen, for what comes of it.
const AFTERMATH: Millis = Millis::from_mins(2);

/// How many records the orchestrator writes before it is killed, asked anew for each of its lives.
type Crashes = Box<dyn FnMut() -> Option<u64>>;

/// Something that happens at a time after the start, whatever the orchestrator does.
struct Event {
    at: Millis,
    what: What,
}

enum What {
    Said(Option<TaskId>, UserVerb),
    Planned(Box<Plan>),
    World(Box<dyn FnOnce(&World)>),
}

impl What {
    /// What a person said or wrote, which is said again to the next orchestrator if this one forgets it.
    fn of(input: &Input) -> Option<Self> {
        match input {
            Input::User { task, verb } => Some(Self::Said(task.clone(), verb.clone())),
            Input::Seen(Seen::Plan { plan, why, .. }) if why == EDITED => Some(Self::Planned(plan.clone())),
            _ => None,
        }
    }
}

/// Why the plan changes in the middle of a story.
const EDITED: &str = "edited";

fn edited(plan: Box<Plan>) -> Input {
    Input::Seen(Seen::Plan { plan, states: Vec::new(), why: EDITED.to_owned() })
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
    /// The world at the end.
    pub world: World,
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
            identity: "/work".to_owned(),
            base,
            agents,
            limits: Limits::default(),
            executor: ExecutorKind::Tmux,
            goal: Status::Merged,
            auto_merge: true,
            max_parallel: None,
            env_pass: Vec::new(),
            notify: false,
            version: "scenario".to_owned(),
            pid: 1,
        };
        Self {
            world,
            plan,
            states: Vec::new(),
            config,
            policy: Arc::new(DefaultPolicy),
            horizon: Millis::from_mins(24 * 60),
            events: Vec::new(),
            crashes: Box::new(|| None),
            tick_every: None,
            lasts: Millis(0),
        }
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

    /// Changes every agent's profile, but that of `shell`.
    #[must_use]
    pub fn agents(mut self, change: impl Fn(&mut AgentProfile)) -> Self {
        self.config.agents.values_mut().filter(|profile| profile.name != "shell").for_each(change);
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

    /// Leaves merging to people: pull requests are followed, never merged by orch.
    #[must_use]
    pub fn merged_by_hand(mut self) -> Self {
        self.config.auto_merge = false;
        self
    }

    /// Tells people of events.
    #[must_use]
    pub fn notify(mut self) -> Self {
        self.config.notify = true;
        self
    }

    /// Starts from states that the manifest gives to tasks.
    #[must_use]
    pub fn imported(mut self, states: Vec<(TaskId, ImportedState)>) -> Self {
        self.states = states;
        self
    }

    /// Lets a person say something at a time after the start.
    #[must_use]
    pub fn say(self, at: Millis, task: Option<&str>, verb: UserVerb) -> Self {
        let task = task.and_then(|id| TaskId::parse(id).ok());
        self.event(at, What::Said(task, verb))
    }

    /// What its orchestrators are set up with.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Lets a person change the plan at a time after the start.
    #[must_use]
    pub fn replan(self, at: Millis, plan: Plan) -> Self {
        self.event(at, What::Planned(Box::new(plan)))
    }

    /// Lets something happen in the world at a time after the start.
    #[must_use]
    pub fn at(self, at: Millis, act: impl FnOnce(&World) + 'static) -> Self {
        self.event(at, What::World(Box::new(act)))
    }

    fn event(mut self, at: Millis, what: What) -> Self {
        self.lasts = self.lasts.max(Millis(at.0 + AFTERMATH.0));
        self.events.push(Event { at, what });
        self.events.sort_by_key(|event| event.at);
        self
    }

    /// Kills the orchestrator each time it has written this many more records after taking over,
    /// cutting the batch there: effects of records that were not written never begin.
    #[must_use]
    pub fn crash_every(self, records: u64) -> Self {
        self.crashes(move || Some(records))
    }

    /// Kills the orchestrator as [`Scenario::crash_every`] does, after as many records as the function
    /// says for each of its lives; with `None` that life goes on to the end.
    #[must_use]
    pub fn crashes(mut self, next: impl FnMut() -> Option<u64> + 'static) -> Self {
        self.crashes = Box::new(next);
        self
    }

    /// Lets no orchestrator run but one heartbeat from time to time, as cron does.
    #[must_use]
    pub fn tick_every(mut self, span: Millis) -> Self {
        self.tick_every = Some(span);
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
    /// [`Unworkable`] if nothing can work on the plan.
    pub fn run(mut self) -> Result<Story, Unworkable> {
        let mut journal: Vec<Entry> = Vec::new();
        let mut course = Course {
            began: self.world.now().wall,
            horizon: self.horizon,
            lasts: self.lasts.min(self.horizon),
            events: std::mem::take(&mut self.events).into(),
            tick_every: self.tick_every,
        };
        self.plan.check_goal(self.config.goal)?;
        let mut crashes = 0;
        loop {
            let state = State::fold(&journal);
            let plan = state.plan.is_none().then(|| Input::Seen(self.seen_plan()));
            let engine = Orchestrator::new(state, self.config.clone(), Arc::clone(&self.policy))?;
            // The record of taking over does not count.
            let budget = (self.crashes)().map(|records| journal.len() as u64 + 1 + records);
            let mut play = Play::new(&self.world, engine, &mut journal, budget);
            match play.drive(plan, &mut course) {
                Ok(outlook) => {
                    let (state, world) = (play.engine.state().clone(), self.world);
                    return Ok(Story { journal, outlook, state, crashes, world });
                }
                Err(Over::Crashed) => crashes += 1,
                Err(Over::Left) => {}
            }
        }
    }

    fn seen_plan(&self) -> Seen {
        let (plan, why) = (Box::new(self.plan.clone()), "scenario".to_owned());
        Seen::Plan { plan, states: self.states.clone(), why }
    }
}

/// What goes on over all lives of the orchestrator.
struct Course {
    began: Timestamp,
    horizon: Millis,
    lasts: Millis,
    events: VecDeque<Event>,
    tick_every: Option<Millis>,
}

/// Why one life of the orchestrator ended before the story did.
enum Over {
    Crashed,
    Left,
}

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

    fn drive(&mut self, plan: Option<Input>, course: &mut Course) -> Result<Outlook, Over> {
        let step = self.engine.start(&self.world.now());
        self.commit(step)?;
        self.inputs.extend(plan);
        self.inputs.push_back(Input::Tick);
        course.happen(self.world, &mut self.inputs);
        loop {
            while let Some(input) = self.inputs.pop_front() {
                let said = What::of(&input);
                let before = self.journal.len();
                let step = self.engine.handle(input, &self.world.now());
                if let Err(over) = self.commit(step) {
                    let unheard = said.filter(|_| self.journal.len() == before);
                    course.say_again(unheard, &mut self.inputs);
                    return Err(over);
                }
            }
            let events = ready(self.ports.executor.events()).unwrap_or_default();
            self.inputs.extend(events.into_iter().map(Input::from));
            if !self.inputs.is_empty() {
                continue;
            }
            let outlook = self.engine.outlook();
            let elapsed = self.world.now().wall.since(course.began);
            if (outlook != Outlook::Working && elapsed >= course.lasts) || elapsed >= course.horizon {
                return Ok(outlook);
            }
            if let Some(span) = course.tick_every {
                let step = self.engine.stop(&self.world.now());
                self.commit(step)?;
                self.world.advance(span);
                course.happen(self.world, &mut self.inputs);
                return Err(Over::Left);
            }
            self.wait(elapsed, course);
        }
    }

    /// Lets time pass to whatever comes first: the engine's deadline, an agent's step, an event.
    fn wait(&mut self, elapsed: Millis, course: &mut Course) {
        let horizon = if elapsed < course.lasts { course.lasts } else { course.horizon };
        let horizon = Millis(horizon.0.saturating_sub(elapsed.0));
        let deadline = self.engine.next_deadline(&self.world.now()).map_or(horizon, |deadline| deadline.after);
        let event = course.events.front().map_or(horizon, |event| Millis(event.at.0.saturating_sub(elapsed.0)));
        let step = self.world.until_next_step().unwrap_or(horizon);
        self.world.advance(deadline.min(event).min(step));
        course.happen(self.world, &mut self.inputs);
        self.inputs.push_back(Input::Tick);
    }

    /// Writes records, as many as the budget allows, then begins effects and looks.
    fn commit(&mut self, mut step: Step) -> Result<(), Over> {
        let room = self.budget.map_or(usize::MAX, |budget| {
            usize::try_from(budget.saturating_sub(self.journal.len() as u64)).unwrap_or(usize::MAX)
        });
        let crashes = step.records.len() > room;
        self.journal.extend(step.records.drain(..).take(room));
        if crashes {
            return Err(Over::Crashed);
        }
        for job in step.jobs(&self.engine) {
            let done = self.ports.carry_out(job, |draft| self.world.start(draft));
            self.inputs.extend(ready(done).unwrap_or_default());
        }
        Ok(())
    }
}

impl Course {
    /// Who spoke to an orchestrator that was killed before it could remember it speaks to the next one.
    fn say_again(&mut self, unheard: Option<What>, inputs: &mut VecDeque<Input>) {
        let waiting = inputs.drain(..).filter_map(|input| What::of(&input));
        let words: Vec<What> = unheard.into_iter().chain(waiting).collect();
        for what in words.into_iter().rev() {
            self.events.push_front(Event { at: Millis(0), what });
        }
    }

    /// Lets the events happen whose time has come.
    fn happen(&mut self, world: &World, inputs: &mut VecDeque<Input>) {
        let elapsed = world.now().wall.since(self.began);
        while self.events.front().is_some_and(|event| event.at <= elapsed) {
            match self.events.pop_front().map(|event| event.what) {
                Some(What::Said(task, verb)) => inputs.push_back(Input::User { task, verb }),
                Some(What::Planned(plan)) => inputs.push_back(edited(plan)),
                Some(What::World(act)) => act(world),
                None => {}
            }
        }
    }
}

/// The value of a future that does not wait; the mocks' calls never do, but for events that are not there.
pub(super) fn ready<T>(future: impl Future<Output = T>) -> Option<T> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}

impl Story {
    /// What was decided about one task, a line each.
    pub fn of(&self, task: &str) -> String {
        let about = |entry: &&Entry| entry.task.as_ref().is_some_and(|id| id.as_str() == task);
        tell(&self.journal, about)
    }
}

/// The records of a journal that are to be told, a line each.
pub(super) fn tell(journal: &[Entry], told: impl Fn(&&Entry) -> bool) -> String {
    let Some(began) = journal.first().map(|entry| entry.timestamp) else { return String::new() };
    let mut text = String::new();
    for entry in journal.iter().filter(told) {
        let at = entry.timestamp.since(began);
        let Some(line) = line(&entry.record) else { continue };
        let task = entry.task.as_ref().map_or(String::new(), |task| format!("{task} "));
        text.push_str(&format!("{} {task}{line}\n", clock(at)));
    }
    text
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
        Record::SeenAgain { what } => format!("{what} can be seen again"),
        Record::Gap { what, lasted } => format!("{what} for {lasted}"),
        Record::Driver(driver) if driver.start => "the orchestrator takes over".to_owned(),
        Record::Driver(_)
        | Record::Plan { .. }
        | Record::PlanChanged { .. }
        | Record::Imported(_)
        | Record::Effect { .. }
        | Record::Done { .. }
        | Record::Verdict(_)
        | Record::Progress(_)
        | Record::Pull { .. } => return None,
    })
}

impl fmt::Display for Story {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&tell(&self.journal, |_| true))?;
        writeln!(f, "{:?}", self.outlook)
    }
}
