//! What always holds, checked after every step.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;

use super::act::main;
use super::ledger::Ledger;
use super::model::Model;
use crate::base::wire::wire_enum;
use crate::base::{EffectId, LaunchId, Layout, Millis, Sha, TaskId};
use crate::engine::{Orchestrator, Outlook, is_at_goal};
use crate::heal::Limits;
use crate::journal::{Effect, Entry, Outcome, Purpose, Record, StatusRecord, UserVerb};
use crate::plan::{Plan, Status, transition};
use crate::ports::{Pull, PullState};
use crate::state::{Session, State, TaskState};
use crate::testkit::world::World;

wire_enum!(
    /// What always holds.
    Law {
        /// Only moves of the status table happen, from where the task is.
        Moves = "moves",
        /// Never two live agents for one task.
        OneAgent = "one-agent",
        /// No two running tasks whose files overlap.
        Overlap = "overlap",
        /// No more tasks hold a slot than the plan allows.
        Parallel = "parallel",
        /// Nothing starts before what it waits for.
        Order = "order",
        /// Every effect has one outcome.
        OneOutcome = "one-outcome",
        /// The folded journal equals the live state.
        Fold = "fold",
        /// Attempts and rounds stay within their limits.
        Attempts = "attempts",
        /// Nothing is killed or removed whose work is not saved.
        Saved = "saved",
        /// No two pull requests that are open or merged have one head.
        OnePull = "one-pull",
        /// Nothing is complete whose commit was not verified.
        Verified = "verified",
        /// Merged means that the verified commit is in the base.
        Merged = "merged",
        /// What a verb answered is what happened.
        Verbs = "verbs",
        /// Work once committed is reachable from a ref until it is in the base.
        Reachable = "reachable",
        /// At most 60 records in an hour in which nothing changes, marks of life aside.
        Calm = "calm",
        /// No ready task waits beside a free slot, or while another runs again and again.
        Fair = "fair",
        /// Every run ends: at the goal, or with a person who is told what every unfinished task waits for.
        Ends = "ends",
        /// One seed, one journal.
        Replays = "replays",
    }
);

/// A law that was broken, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Breach {
    /// Which.
    pub law: Law,
    /// What was seen.
    pub what: String,
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "breaks {}: {}", self.law, self.what)
    }
}

/// So many records in an hour in which nothing changes.
const CALM: usize = 60;
const HOUR: Millis = Millis::from_mins(60);
/// So long a ready task may wait beside a free slot.
const PROMPT: Millis = Millis::from_mins(6);
/// So often another task may begin an attempt while one is ready.
const PASSES: u32 = 12;
/// So long a person's kill may take.
const KILL: Millis = Millis::from_mins(60);

pub(super) struct Laws {
    planted: Option<Law>,
    plan: Plan,
    limits: Limits,
    world: World,
    ledger: Ledger,
    /// The journal's fold as far as it was seen.
    shadow: State,
    pub(super) breach: Option<Breach>,
    /// When records were written since the world last changed.
    quiet: VecDeque<Millis>,
    face: String,
    /// Since when each task is ready beside a free slot.
    ready: BTreeMap<TaskId, Millis>,
    /// How often each other task began an attempt while one was ready.
    passes: BTreeMap<TaskId, BTreeMap<TaskId, u32>>,
    /// Launches that a person had killed, and by when they are gone.
    killed: BTreeMap<LaunchId, Millis>,
    /// Tasks whose work was saved since their agent was launched last.
    saved: BTreeSet<TaskId>,
    /// The planted fault was done.
    tampered: bool,
}

impl Laws {
    pub(super) fn new(planted: Option<Law>, plan: Plan, world: World, ledger: Ledger) -> Self {
        Self {
            planted,
            plan,
            limits: Limits::default(),
            world,
            ledger,
            shadow: State::default(),
            breach: None,
            quiet: VecDeque::new(),
            face: String::new(),
            ready: BTreeMap::new(),
            passes: BTreeMap::new(),
            killed: BTreeMap::new(),
            saved: BTreeSet::new(),
            tampered: false,
        }
    }

    /// Notes a breach, if it is one and the first that counts.
    pub(super) fn breaches(&mut self, law: Law, broken: bool, what: impl FnOnce() -> String) {
        if broken && self.breach.is_none() && self.planted.is_none_or(|planted| planted == law) {
            self.breach = Some(Breach { law, what: what() });
        }
    }

    pub(super) fn plan_changed(&mut self, plan: Plan) {
        self.plan = plan;
        self.ready.clear();
    }

    pub(super) fn world_changed(&mut self) {
        self.quiet.clear();
    }

    /// Takes in one record of the journal.
    pub(super) fn see(&mut self, entry: &Entry, at: Millis) {
        let mut entry = entry.clone();
        let plants = |law: Law| self.planted == Some(law) && !self.tampered;
        match &mut entry.record {
            Record::Status(change) if plants(Law::Moves) && change.to == Status::Running => {
                change.to = Status::PrOpen;
                self.tampered = true;
            }
            Record::Done { .. } if plants(Law::OneOutcome) => {
                self.tampered = true;
                self.see(&entry.clone(), at);
            }
            Record::Done { .. } if plants(Law::Fold) => {
                self.tampered = true;
                return;
            }
            _ => {}
        }
        match (&entry.record, &entry.task) {
            (Record::Status(change), Some(task)) => self.check_move(task, change),
            (Record::Done { effect, .. }, _) => {
                let open = self.shadow.open.contains_key(effect);
                self.breaches(Law::OneOutcome, !open, || format!("effect {} ends, which is not open", effect.0));
            }
            _ => {}
        }
        self.shadow.apply(&entry);
        if !matches!(entry.record, Record::Progress(_)) {
            self.quiet.push_back(at);
        }
    }

    fn check_move(&mut self, id: &TaskId, change: &StatusRecord) {
        let Some(task) = self.shadow.tasks.get(id).cloned() else {
            return self.breaches(Law::Moves, true, || format!("{id} moves and is in no plan"));
        };
        let (from, to) = (change.from, change.to);
        let legal = task.status == from && transition(from, to).is_some();
        self.breaches(Law::Moves, !legal, || format!("{id} is {}, and moves {from} -> {to}", task.status));
        match to {
            // What a person put right is judged without an agent, and needs no slot.
            Status::Running if change.attempt.is_some() => self.check_opening(id, from),
            Status::Complete => self.check_verified(id, change.sha.as_ref()),
            Status::Merged => self.check_merged(id, task.work.verified.as_ref()),
            _ => {}
        }
    }

    fn check_opening(&mut self, id: &TaskId, from: Status) {
        let shadow = std::mem::take(&mut self.shadow);
        let model = Model { plan: &self.plan, state: &shadow };
        let (held, early) = (model.leaseholder(id), if from == Status::Pending { model.before(id) } else { None });
        let (slots, most) = (model.slots(), model.most());
        self.breaches(Law::Overlap, held.is_some(), || format!("{id} begins while {held:?} holds its files"));
        self.breaches(Law::Order, early.is_some(), || format!("{id} begins before {early:?}"));
        self.breaches(Law::Parallel, slots >= most, || format!("{id} begins, and {slots} of {most} slots are taken"));
        if let Some(task) = shadow.tasks.get(id) {
            let most = &self.limits;
            let over =
                task.retries.failures >= most.max_attempts || task.retries.feedback_rounds > most.feedback_rounds;
            let (failures, rounds) = (task.retries.failures, task.retries.feedback_rounds);
            self.breaches(Law::Attempts, over, || format!("{id} begins after {failures} failures, {rounds} rounds"));
            let held = task.needs_human || task.skipped || task.paused || shadow.paused;
            self.breaches(Law::Verbs, held, || format!("{id} begins though it is held"));
        }
        self.shadow = shadow;
        for (ready, passes) in &mut self.passes {
            if ready != id {
                *passes.entry(id.clone()).or_default() += 1;
            }
        }
        let worst = self.passes.iter().find_map(|(ready, passes)| {
            passes
                .iter()
                .find(|(_, times)| **times > PASSES)
                .map(|(other, times)| (ready.clone(), other.clone(), *times))
        });
        if let Some((ready, other, times)) = worst {
            self.breaches(Law::Fair, true, || format!("{ready} is ready while {other} begins {times} times"));
        }
        self.passes.remove(id);
        self.ready.remove(id);
    }

    fn check_verified(&mut self, id: &TaskId, sha: Option<&Sha>) {
        let Some(sha) = sha else {
            return self.breaches(Law::Verified, true, || format!("{id} is complete at no commit"));
        };
        if self.plan.task(id).is_none_or(|spec| self.plan.verify_of(spec).is_empty()) {
            return;
        }
        let world = self.world.lock();
        let tree = world.repo.graph.tree(sha);
        let agreed = self.ledger.open().verified.iter().any(|good| world.repo.graph.tree(good) == tree);
        drop(world);
        self.breaches(Law::Verified, !agreed, || {
            format!("{id} is complete at {sha}, which no verify command agreed to")
        });
    }

    /// In the base is what the base's history has, or what the forge took in whole as one pull request.
    fn check_merged(&mut self, id: &TaskId, sha: Option<&Sha>) {
        let Some(sha) = sha else { return };
        let pulls = self.world.forge().pulls();
        let history = self.world.repository().remote_history(&main());
        let branch = self.plan.task(id).map(|spec| spec.branch.clone());
        let taken = pulls.iter().any(|pull| {
            let is_in = pull.merge_sha.as_ref().is_some_and(|merge| history.contains(merge));
            pull.state == PullState::Merged
                && Some(&pull.head) == branch.as_ref()
                && is_in
                && pull.head_sha.as_ref() == Some(sha)
        });
        let merged = history.contains(sha) || taken;
        self.breaches(Law::Merged, !merged, || {
            let seen: Vec<String> = pulls
                .iter()
                .filter(|pull| Some(&pull.head) == branch.as_ref())
                .map(|pull| format!("{pull:?}"))
                .collect();
            format!("{id} is merged, and {sha} is not in the base; its pull requests: {}", seen.join(", "))
        });
    }

    /// What a person was answered is so.
    pub(super) fn said(
        &mut self,
        task: Option<&TaskId>,
        verb: &UserVerb,
        answer: &Result<String, String>,
        state: &State,
        at: Millis,
    ) {
        let Ok(answer) = answer else { return };
        let about = task.and_then(|id| state.tasks.get(id));
        let is_so = match (verb, about) {
            (UserVerb::Pause, None) => state.paused,
            (UserVerb::Resume, None) => !state.paused,
            (UserVerb::Pause, Some(task)) => task.paused,
            (UserVerb::Resume, Some(task)) => !task.paused,
            (UserVerb::Skip, Some(task)) => task.skipped,
            (UserVerb::Retry, Some(task)) => !task.skipped && (!task.needs_human || task.session.is_some()),
            _ => true,
        };
        let whom = task.map_or("everything".to_owned(), ToString::to_string);
        let says = format!("{verb:?} of {whom} was answered {answer:?}");
        self.breaches(Law::Verbs, !is_so, || format!("{says}, and is not so"));
        if *verb == UserVerb::Kill && task.is_some() {
            let session = about.and_then(|task| task.session.as_ref()).filter(|session| session.is_live());
            let by = Millis(at.0 + KILL.0);
            self.killed.extend(session.map(|session| (session.launch, by)));
        }
    }

    /// Checks what must hold before an effect is done to the world.
    pub(super) fn begins(&mut self, effect: &Effect) {
        let (task, worktree, what) = match effect {
            Effect::Remove(spec) => (spec.task.clone(), spec.worktree.clone(), "removed"),
            Effect::End { launch, .. } => match self.agent_of(*launch) {
                Some(task) => (task.clone(), Layout::new("/work").worktree(&task), "ended"),
                None => return,
            },
            _ => return,
        };
        let unsaved = self.world.repository().unsaved(&worktree);
        let lost = unsaved.is_some()
            && (matches!(effect, Effect::Remove(spec) if spec.discard) || !self.saved.contains(&task));
        let lost = lost && !matches!(effect, Effect::Remove(spec) if !spec.discard);
        self.breaches(Law::Saved, lost, || {
            format!("{task} is {what}, and {} is saved nowhere", unsaved.unwrap_or_default())
        });
    }

    /// The task whose agent, not verify command, a launch is.
    fn agent_of(&self, launch: LaunchId) -> Option<TaskId> {
        let is_it = |session: &Session| session.launch == launch && session.purpose != Purpose::Verify;
        let mut tasks = self.shadow.tasks.iter();
        tasks.find(|(_, task)| task.session.as_ref().is_some_and(is_it)).map(|(id, _)| id.clone())
    }

    /// Checks what must hold after an effect was done to the world.
    pub(super) fn performed(&mut self, id: EffectId, effect: &Effect, outcome: &Outcome) {
        let task = self.shadow.open.get(&id).and_then(|open| open.task.clone());
        match (effect, outcome, task) {
            (Effect::Save { task, worktree, .. }, Outcome::Saved(_), _) => {
                let unsaved = self.world.repository().unsaved(worktree);
                self.breaches(Law::Saved, unsaved.is_some(), || {
                    format!("{task} is said to be saved, and {} is not", unsaved.unwrap_or_default())
                });
                self.saved.insert(task.clone());
            }
            // Whose work cannot be saved is ended on a person's word only, and that person is told.
            (Effect::Save { task, .. }, _, _) => {
                let by_hand = |task: &TaskState| task.session.as_ref().is_some_and(Session::ends_by_hand);
                let said = self.shadow.tasks.get(task).is_some_and(|task| task.needs_human || by_hand(task));
                if said {
                    self.saved.insert(task.clone());
                }
            }
            (Effect::Launch { purpose: Purpose::Work | Purpose::AskCommit, .. }, _, Some(task)) => {
                self.saved.remove(&task);
            }
            _ => {}
        }
        let twins = self.world.doubles();
        self.breaches(Law::OneAgent, !twins.is_empty(), || format!("two agents at once: {twins:?}"));
        if !matches!(effect, Effect::Input { .. } | Effect::Notify(_) | Effect::Forget { .. }) {
            self.check_reachable();
        }
        if matches!(effect, Effect::OpenPull(_) | Effect::UpdatePull { .. }) {
            let pulls = self.world.forge().pulls();
            let is_twin = |one: &Pull, other: &Pull| {
                let both_open = one.state == PullState::Open && other.state == PullState::Open;
                let is_done =
                    other.state == PullState::Merged && one.head_sha == other.head_sha && one.base == other.base;
                one.number != other.number && one.head == other.head && (both_open || is_done)
            };
            let mut open = pulls.iter().filter(|pull| pull.state == PullState::Open);
            let twin = open.find(|one| pulls.iter().any(|other| is_twin(one, other)));
            self.breaches(Law::OnePull, twin.is_some(), || format!("a second pull request: {twin:?}"));
        }
    }

    fn check_reachable(&mut self) {
        let pages = self.ledger.open();
        let lost = self.world.repository().unreachable(pages.work.keys());
        let lost = lost.and_then(|sha| Some((pages.work.get(&sha)?.0.clone(), sha)));
        drop(pages);
        if let Some((task, sha)) = lost {
            self.breaches(Law::Reachable, true, || format!("{sha} of {task} is reachable from nothing"));
        }
    }

    /// Checks what must hold whenever the engine has decided.
    pub(super) fn at_rest(&mut self, at: Millis, decided: bool) {
        self.check_calm(at);
        if decided {
            let model = Model { plan: &self.plan, state: &self.shadow };
            let now: BTreeSet<TaskId> = model.ready(self.world.now().wall).into_iter().collect();
            self.ready.retain(|id, _| now.contains(id));
            self.passes.retain(|id, _| now.contains(id));
            for id in now {
                self.passes.entry(id.clone()).or_default();
                self.ready.entry(id).or_insert(at);
            }
            let model = Model { plan: &self.plan, state: &self.shadow };
            if model.is_full() {
                self.ready.clear();
            }
        }
        let late = self.ready.iter().find(|(_, since)| at.0.saturating_sub(since.0) > PROMPT.0);
        if let Some((id, since)) = late.map(|(id, since)| (id.clone(), *since)) {
            self.breaches(Law::Fair, true, || format!("{id} is ready beside a free slot since {since}"));
        }
        let alive: Vec<LaunchId> = if self.killed.is_empty() { Vec::new() } else { self.world.running() };
        self.killed.retain(|launch, _| alive.contains(launch));
        if let Some(launch) = self.killed.iter().find(|(_, by)| **by < at).map(|(launch, _)| *launch) {
            self.breaches(Law::Verbs, true, || format!("a person killed {launch}, and it lives"));
        }
    }

    fn check_calm(&mut self, at: Millis) {
        while self.quiet.front().is_some_and(|first| at.0.saturating_sub(first.0) > HOUR.0) {
            self.quiet.pop_front();
        }
        if self.quiet.len() <= CALM {
            return;
        }
        let face = self.world.face();
        if face == self.face {
            self.breaches(Law::Calm, true, || {
                "more than 60 records within an hour in which nothing changes".to_owned()
            });
        }
        self.face = face;
        self.quiet.clear();
    }

    /// The orchestrator died: what it had seen and not written is gone.
    pub(super) fn at_death(&mut self) {
        self.ready.clear();
        self.world_changed();
    }

    /// Checks what must hold when a run is over.
    pub(super) fn at_end(&mut self, engine: &Orchestrator) {
        let (state, outlook) = (engine.state(), engine.outlook());
        let same = format!("{:?}", self.shadow) == format!("{state:?}");
        self.breaches(Law::Fold, !same, || "the state is not the fold of the journal".to_owned());
        self.check_reachable();
        let goal = engine.config().goal;
        let unsaid = |(id, task): &(&TaskId, &TaskState)| !is_at_goal(task, goal) && engine.waits(id).is_empty();
        let unsaid = state.tasks.iter().find(unsaid).map(|(id, task)| (id.clone(), task.status));
        self.breaches(Law::Ends, outlook == Outlook::NeedsPerson && unsaid.is_some(), || {
            format!("it stopped, and nobody is told what {unsaid:?} waits for")
        });
        let known: BTreeSet<LaunchId> =
            state.tasks.values().filter_map(|task| task.session.as_ref()).map(|session| session.launch).collect();
        let stray = self.world.running().into_iter().find(|launch| !known.contains(launch));
        self.breaches(Law::OneAgent, stray.is_some(), || format!("{stray:?} lives, and nobody knows it"));
    }
}
