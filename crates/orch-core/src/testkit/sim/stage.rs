//! Plays a tale: one queue of things to come, by time; the orchestrator lives and dies in between.

mod events;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use super::account::Account;
use super::act::{main, secs};
use super::cast::cast;
use super::coverage::Coverage;
use super::dice::Dice;
use super::happening::Happening;
use super::laws::{Law, Laws};
use super::ledger::Ledger;
use super::planted::{self, Hasty, lie_of_merges};
use super::tale::{Pace, TIDIES, Tale, delays};
use crate::agents::AgentProfile;
use crate::base::{EffectId, LaunchId, Layout, Millis, TaskId};
use crate::engine::{Config, EffectJob, Input, Job, LookJob, Orchestrator, Outlook, Ports, Refusal, Seen, Step};
use crate::heal::{DefaultPolicy, HealPolicy, Limits};
use crate::journal::{Effect, Entry, Outcome, Purpose, Record, UserVerb};
use crate::plan::{ExecutorKind, Plan, Status};
use crate::ports::LaunchSpec;
use crate::state::State;
use crate::testkit::fault::{Failure, Operation};
use crate::testkit::scenario::ready;
use crate::testkit::world::World;

/// By then every run has ended: what waits for a limit waits a day at most, what is silent is ended in hours.
const END: Millis = Millis::from_mins(70 * 60);
/// No story needs so many records: one that has them goes round in circles.
const MOST_RECORDS: usize = 20_000;
/// More inputs than this without a moment passing are a loop.
const SPINS: u32 = 20_000;

/// Something to come.
enum Due {
    Happens(Happening),
    Begins(Box<EffectJob>),
    Answers(EffectId, Outcome),
    Looks(LookJob),
    Sees(Vec<Input>),
}

impl Due {
    /// Whether it is gone when the orchestrator dies.
    fn is_of_one_life(&self) -> bool {
        !matches!(self, Self::Happens(_))
    }
}

/// One life of the orchestrator.
struct Life {
    engine: Orchestrator,
    ports: Ports,
    budget: Option<usize>,
}

/// Why a life ended.
enum Over {
    Crashed,
    Ended,
}

pub(super) struct Stage<'t> {
    tale: &'t Tale,
    planted: Option<Law>,
    policy: Arc<dyn HealPolicy>,
    world: World,
    ledger: Ledger,
    dice: Dice,
    elapsed: Millis,
    queue: BTreeMap<(Millis, u64), Due>,
    queued: u64,
    lives: VecDeque<u64>,
    /// The plan as the manifest has it.
    plan: Plan,
    edits: u64,
    journal: Vec<Entry>,
    laws: Laws,
    coverage: Coverage,
    crashes: u32,
    unheard: Vec<(Option<TaskId>, UserVerb)>,
    /// The journal's length when a person last tidied up.
    tidied_at: usize,
    retries_left: u32,
    withheld: u32,
}

impl<'t> Stage<'t> {
    pub(super) fn new(tale: &'t Tale, planted: Option<Law>) -> Self {
        let (world, ledger) = (World::new(), Ledger::default());
        let (casting, book) = (tale.clone(), ledger.clone());
        world.on_launch(move |spec| cast(&casting, &book, planted, spec));
        let plan = tale.plan();
        let laws = Laws::new(planted, plan.clone(), world.clone(), ledger.clone());
        let mut stage = Self {
            tale,
            planted,
            policy: if planted == Some(Law::Calm) { Arc::new(Hasty) } else { Arc::new(DefaultPolicy) },
            world,
            ledger,
            dice: Dice::of(tale.seed.rotate_left(32)),
            elapsed: Millis(0),
            queue: BTreeMap::new(),
            queued: 0,
            lives: tale.lives.iter().copied().collect(),
            plan,
            edits: 0,
            journal: Vec::new(),
            laws,
            coverage: Coverage::default(),
            crashes: 0,
            unheard: Vec::new(),
            tidied_at: usize::MAX,
            retries_left: 3,
            withheld: 0,
        };
        for (at, happening) in &tale.happenings {
            stage.queue(*at, Due::Happens(happening.clone()));
        }
        let (first, every, times) = TIDIES;
        for time in (0..times).filter(|_| tale.tidied) {
            stage.queue(Millis(first.0 + time * every.0), Due::Happens(Happening::Tidies));
        }
        if planted == Some(Law::Calm) {
            stage.world.fail(Operation::Prepare, 100_000, Failure::Unreachable);
        }
        stage
    }

    /// It with a policy of one's own.
    pub(super) fn under(mut self, policy: &Arc<dyn HealPolicy>) -> Self {
        self.policy = Arc::clone(policy);
        self
    }

    pub(super) fn play(mut self) -> Account {
        loop {
            let Some(mut life) = self.begin() else { return self.close(Outlook::Working) };
            let over = self.live(&mut life);
            if self.laws.breach.is_some() {
                return self.close(life.engine.outlook());
            }
            match over {
                Over::Ended => {
                    let outlook = life.engine.outlook();
                    self.laws.at_end(&life.engine);
                    return self.close(outlook);
                }
                Over::Crashed => self.die(life),
            }
        }
    }

    fn close(mut self, outlook: Outlook) -> Account {
        let (journal, breach) = (self.journal, self.laws.breach.take());
        let (crashes, coverage) = (self.crashes, self.coverage);
        Account { tale: self.tale.clone(), journal, outlook, breach, crashes, coverage }
    }

    fn queue(&mut self, at: Millis, due: Due) {
        self.queued += 1;
        self.queue.insert((at, self.queued), due);
    }

    fn after(&mut self, span: Millis, due: Due) {
        self.queue(Millis(self.elapsed.0 + span.0), due);
    }

    fn config(&self) -> Config {
        let agent = |name: &str| (name.to_owned(), AgentProfile::of_command(name, vec![name.to_owned()]));
        let rules = &self.tale.rules;
        let mut limits = Limits::default();
        if self.planted == Some(Law::Attempts) {
            limits.max_attempts += 1;
        }
        Config {
            layout: Layout::new("/work"),
            identity: "/work".to_owned(),
            base: main(),
            agents: BTreeMap::from([("shell".to_owned(), AgentProfile::shell()), agent("bot")]),
            limits,
            executor: ExecutorKind::Tmux,
            goal: rules.goal,
            auto_merge: rules.auto_merge,
            max_parallel: (self.planted == Some(Law::Parallel)).then_some(rules.max_parallel + 1),
            env_pass: Vec::new(),
            notify: rules.notify,
            version: "sim".to_owned(),
            pid: 1,
        }
    }

    fn begin(&mut self) -> Option<Life> {
        let state = State::fold(&self.journal);
        let fresh = state.plan.is_none();
        let engine = Orchestrator::new(state, self.config(), Arc::clone(&self.policy)).ok()?;
        let world = &self.world;
        let ports =
            Ports { executor: Arc::new(world.executor()), vcs: Arc::new(world.vcs()), forge: Arc::new(world.forge()) };
        let budget = self
            .lives
            .pop_front()
            .map(|records| self.journal.len() + 1 + usize::try_from(records).unwrap_or(usize::MAX));
        let mut life = Life { engine, ports, budget };
        let step = life.engine.start(&self.world.now());
        self.inputs_of_start(&life, fresh);
        if self.commit(&mut life, step).is_err() {
            self.die(life);
            return self.begin();
        }
        Some(life)
    }

    fn inputs_of_start(&mut self, life: &Life, fresh: bool) {
        let mut inputs = Vec::new();
        // An edit that the orchestrator before did not live to take in is seen by this one.
        let given = planted::plan(self.planted, &self.plan);
        let why = if fresh { Ok(Some("the first plan".to_owned())) } else { life.engine.state().edit(&given, true) };
        match (why, &life.engine.state().plan) {
            (Ok(Some(why)), _) => {
                inputs.push(Input::Seen(Seen::Plan { plan: Box::new(given), states: Vec::new(), why }));
            }
            (Err(_), Some(plan)) => {
                self.plan = plan.clone();
                self.laws.plan_changed(self.plan.clone());
            }
            (Ok(None) | Err(_), _) => {}
        }
        inputs.push(Input::Tick);
        for (task, verb) in std::mem::take(&mut self.unheard) {
            inputs.push(Input::User { task, verb });
        }
        self.after(Millis(0), Due::Sees(inputs));
    }

    /// The orchestrator is gone. What it had begun is done, or is not; a new one starts only when that is over.
    fn die(&mut self, life: Life) {
        self.crashes += 1;
        self.coverage.befell("crash");
        self.laws.at_death();
        let gone: Vec<(Millis, u64)> =
            self.queue.iter().filter(|(_, due)| due.is_of_one_life()).map(|(key, _)| *key).collect();
        for key in gone {
            match self.queue.remove(&key) {
                Some(Due::Begins(job)) if self.dice.chance(250) => {
                    self.perform(&life, &job);
                }
                Some(Due::Sees(inputs)) => {
                    let said = inputs.into_iter().filter_map(|input| match input {
                        Input::User { task, verb } => Some((task, verb)),
                        _ => None,
                    });
                    self.unheard.extend(said);
                }
                _ => {}
            }
        }
        drop(life);
        let away = if self.tale.pace == Pace::Instant { Millis(0) } else { self.dice.span(0, secs(90).0) };
        self.pass(away);
    }

    fn pass(&mut self, span: Millis) {
        let deeds = self.ledger.open().deeds;
        self.world.advance(span);
        self.elapsed = Millis(self.elapsed.0 + span.0);
        if self.ledger.open().deeds != deeds {
            self.laws.world_changed();
        }
    }

    fn live(&mut self, life: &mut Life) -> Over {
        let mut spins = 0;
        loop {
            while let Some(entry) = self.queue.first_entry().filter(|entry| entry.key().0 <= self.elapsed) {
                let due = entry.remove();
                spins += 1;
                if let Err(over) = self.due(life, due) {
                    return over;
                }
                if self.laws.breach.is_some() || spins > SPINS {
                    self.laws.breaches(Law::Calm, spins > SPINS, || "inputs without end at one moment".to_owned());
                    return Over::Ended;
                }
            }
            let events = ready(life.ports.executor.events()).unwrap_or_default();
            if !events.is_empty() {
                let inputs = events.into_iter().map(Input::from).collect();
                let late = if self.tale.pace == Pace::Bad && self.dice.chance(300) {
                    self.dice.span(1, 3000)
                } else {
                    Millis(0)
                };
                self.after(late, Due::Sees(inputs));
                continue;
            }
            if self.is_over(life) {
                return Over::Ended;
            }
            let before = self.elapsed;
            if let Err(over) = self.wait(life) {
                return over;
            }
            spins = if self.elapsed > before { 0 } else { spins + 1 };
        }
    }

    fn is_over(&mut self, life: &Life) -> bool {
        let outlook = life.engine.outlook();
        let is_late = self.elapsed >= END || self.journal.len() > MOST_RECORDS;
        // Where people merge, what is published waits for them, and says so.
        let published = |state: &State| state.tasks.values().any(|task| task.status == Status::PrOpen);
        let named = !self.tale.rules.auto_merge && published(life.engine.state());
        self.laws.breaches(Law::Ends, is_late && outlook == Outlook::Working && !named, || {
            let open: Vec<&str> = life.engine.state().open.values().map(|open| open.effect.name()).collect();
            format!("it does not end; open effects: {}", open.join(", "))
        });
        let more = self.queue.values().any(|due| !matches!(due, Due::Happens(Happening::Tidies)));
        is_late
            || self.laws.breach.is_some()
            || !more && outlook == Outlook::Goal
            || !more && (outlook == Outlook::NeedsPerson || named) && self.tidied_at == self.journal.len()
    }

    /// Lets time pass to whatever comes first.
    fn wait(&mut self, life: &mut Life) -> Result<(), Over> {
        let queued = self.queue.keys().next().map(|(at, _)| Millis(at.0.saturating_sub(self.elapsed.0)));
        let deadline = life.engine.next_deadline(&self.world.now()).map(|deadline| Millis(deadline.after.0.max(1)));
        let step = self.world.until_next_step();
        let Some(span) = [queued, deadline, step].into_iter().flatten().min() else {
            self.elapsed = END;
            return Ok(());
        };
        self.pass(span);
        if deadline == Some(span) { self.feed(life, Input::Tick) } else { Ok(()) }
    }

    fn due(&mut self, life: &mut Life, due: Due) -> Result<(), Over> {
        match due {
            Due::Happens(happening) => self.happen(life, &happening),
            Due::Begins(job) => {
                let id = job.id;
                let (outcome, late) = self.perform(life, &job);
                let never = self.tale.pace == Pace::Bad && self.dice.chance(2);
                if never {
                    // What is never answered is waited for until somebody ends the orchestrator.
                    let span = self.dice.span(secs(60).0, secs(1200).0);
                    self.coverage.befell("never answered");
                    self.after(span, Due::Happens(Happening::Crash));
                    return Ok(());
                }
                if self.tale.pace == Pace::Bad && self.dice.chance(20) {
                    self.coverage.befell("answered twice");
                    let span = self.dice.span(late.0, late.0 + secs(60).0);
                    self.after(span, Due::Answers(id, outcome.clone()));
                }
                if self.planted == Some(Law::Ends) {
                    self.withheld += 1;
                    if self.withheld == 3 {
                        return Ok(());
                    }
                }
                self.after(late, Due::Answers(id, outcome));
                Ok(())
            }
            Due::Answers(effect, outcome) => self.feed(life, Input::Done { effect, outcome }),
            Due::Looks(look) => {
                let (_, late) = delays(self.tale.pace, &mut self.dice, true);
                let mut inputs = ready(life.ports.look(look)).unwrap_or_default();
                if self.planted == Some(Law::Merged) {
                    inputs.iter_mut().for_each(lie_of_merges);
                }
                if self.tale.pace == Pace::Bad && self.dice.chance(3) {
                    self.coverage.befell("look lost");
                    return Ok(());
                }
                self.after(late, Due::Sees(inputs));
                Ok(())
            }
            Due::Sees(inputs) => {
                let mut inputs: VecDeque<Input> = inputs.into();
                while let Some(input) = inputs.pop_front() {
                    if let Err(over) = self.feed(life, input) {
                        self.unheard.extend(inputs.into_iter().filter_map(|input| match input {
                            Input::User { task, verb } => Some((task, verb)),
                            _ => None,
                        }));
                        return Err(over);
                    }
                }
                Ok(())
            }
        }
    }

    fn feed(&mut self, life: &mut Life, input: Input) -> Result<(), Over> {
        let said = match &input {
            Input::User { task, verb } => Some((task.clone(), verb.clone())),
            _ => None,
        };
        if let Some((task, verb)) = &said {
            self.coverage.befell(verb.name());
            self.laws.world_changed();
            if self.planted == Some(Law::Verbs) {
                self.laws.said(task.as_ref(), verb, &Ok("it is done".to_owned()), life.engine.state(), self.elapsed);
                return Ok(());
            }
        }
        let before = self.journal.len();
        let step = life.engine.handle(input, &self.world.now());
        let answer: Option<Result<String, Refusal>> = step.answer.clone();
        if let Err(over) = self.commit(life, step) {
            self.unheard.extend(said.filter(|_| self.journal.len() == before));
            return Err(over);
        }
        if let (Some((task, verb)), Some(answer)) = (&said, answer) {
            self.laws.said(
                task.as_ref(),
                verb,
                &answer.map_err(|refusal| refusal.to_string()),
                life.engine.state(),
                self.elapsed,
            );
        }
        self.laws.at_rest(self.elapsed, self.journal.len() != before);
        Ok(())
    }

    /// Writes records, as many as this life may, then lets effects and looks begin after their time.
    fn commit(&mut self, life: &mut Life, mut step: Step) -> Result<(), Over> {
        let room = life.budget.map_or(usize::MAX, |budget| budget.saturating_sub(self.journal.len()));
        let crashes = step.records.len() > room;
        for entry in step.records.drain(..).take(room) {
            if let Record::Status(change) = &entry.record {
                self.coverage.moved(change.from, change.to);
            }
            self.laws.see(&entry, self.elapsed);
            self.journal.push(entry);
        }
        if crashes {
            return Err(Over::Crashed);
        }
        for job in step.jobs(&life.engine) {
            let (early, _) = delays(self.tale.pace, &mut self.dice, matches!(job, Job::Look(_)));
            let due = match job {
                Job::Effect(job) => Due::Begins(job),
                Job::Look(look) => Due::Looks(look),
            };
            self.after(early, due);
        }
        Ok(())
    }

    /// Performs an effect now, and says when its answer comes.
    fn perform(&mut self, life: &Life, job: &EffectJob) -> (Outcome, Millis) {
        let effect = &job.effect;
        let spec = job.launch.as_ref().map(|draft| self.world.start(draft));
        let (_, late) = delays(self.tale.pace, &mut self.dice, false);
        self.laws.begins(effect);
        let outcome = match (self.planted, effect) {
            (Some(Law::Saved), Effect::Save { .. }) => Outcome::Saved(None),
            _ => ready(life.ports.perform(effect, spec.as_ref())).unwrap_or(Outcome::Unknown),
        };
        match (self.planted, effect, spec.as_ref()) {
            (Some(Law::OneAgent), Effect::Launch { purpose: Purpose::Work, .. }, Some(spec)) => {
                let twin = LaunchSpec { launch: LaunchId(spec.launch.0 + 1_000_000), ..spec.clone() };
                let _twin = ready(life.ports.executor.launch(&twin));
            }
            (Some(Law::OnePull), Effect::OpenPull(spec), _) => {
                self.world.forge().plant_twin(&spec.head);
            }
            (Some(Law::Reachable), Effect::Launch { purpose: Purpose::Verify, .. }, Some(spec)) => {
                self.world.repository().take_back(&spec.cwd);
            }
            _ => {}
        }
        self.laws.performed(job.id, effect, &outcome);
        (outcome, late)
    }
}
