//! One task, one step at a time: what follows from its state alone.

use std::collections::BTreeSet;

use super::{Orchestrator, Pass};
use crate::agents::monitor::{EndStep, Judgement, end_step};
use crate::base::id::{AttemptNo, LaunchId, TaskId};
use crate::base::time::Timestamp;
use crate::heal::{Decision, HealPolicy, Limits, Remedy, Signal};
use crate::journal::effect::{Effect, Look, Purpose};
use crate::journal::record::{Evidence, Record, StatusRecord, Todo, Verdict};
use crate::plan::spec::{Plan, TaskSpec};
use crate::plan::status::Status;
use crate::ports::{CommitSpec, EndMode, Key, Predecessor, PrepareSpec, SessionInput};
use crate::state::{Ending, Session, TaskState, Typing, Wanted};

/// What a task does next.
pub(super) enum Next {
    /// Remember this; then look again.
    Record(Box<Record>),
    /// Look at this and wait.
    Look(Look),
    /// Wait.
    Nothing,
}

impl Next {
    pub(super) fn effect(effect: Effect) -> Self {
        Self::record(Record::Effect { effect })
    }

    pub(super) fn record(record: Record) -> Self {
        Self::Record(Box::new(record))
    }
}

impl Orchestrator {
    /// Advances a task until it waits for the world.
    pub(super) fn advance(&mut self, pass: &mut Pass<'_>, task: &TaskId) {
        loop {
            match self.next(pass, task) {
                Next::Record(record) => self.record(pass, Some(task.clone()), *record),
                Next::Look(look) => {
                    if self.ask(&look, pass.now) {
                        pass.looks.insert(look);
                    }
                    return;
                }
                Next::Nothing => return self.wake_for_pull(task),
            }
        }
    }

    fn next(&self, pass: &Pass<'_>, id: &TaskId) -> Next {
        let Some((plan, spec, task)) = self.spec(id) else { return Next::Nothing };
        if task.open.is_some() {
            return Next::Nothing;
        }
        if let Some(setback) = &task.healing.setback {
            return Next::record(self.judge_setback(pass.now.wall, id, task, setback));
        }
        if let Some(verdict) = &task.healing.unanswered {
            return Next::record(self.answer(pass, task, verdict));
        }
        if let Some(change) = self.due_change(id, task) {
            return Next::record(Record::Status(change));
        }
        if let Some(session) = &task.session {
            return self.tend(pass, id, task, session);
        }
        if super::watch::is_followed(task) && self.pull_is_due(id, pass.now) {
            return Next::Look(Look::Pull(id.clone()));
        }
        if self.is_paused(task) || task.needs_human || task.skipped && !task.status.meets_edges() {
            return Next::Nothing;
        }
        if task.waits.not_before.is_some_and(|at| at > pass.now.wall) {
            return Next::Nothing;
        }
        match (task.todo, task.status) {
            // Its turn comes in `dispatch`.
            (Some(_), Status::Running | Status::Stuck) if task.waits.parked.is_some() => Next::Nothing,
            (Some(todo), Status::Running | Status::Stuck | Status::Complete | Status::PrOpen) => {
                self.step(pass, (plan, spec, task), todo)
            }
            (_, Status::Complete) => self.publish(pass, plan, spec, task),
            (_, Status::PrOpen) => self.follow(pass, plan, spec, task),
            (_, Status::Merged) => self.clear_away(spec, task),
            (_, Status::Error) if task.publication.goes_on() => self.go_on(pass, spec, task),
            (_, Status::Pending | Status::Blocked | Status::Running | Status::Stuck | Status::Error) => Next::Nothing,
        }
    }

    fn answer(&self, pass: &Pass<'_>, task: &TaskState, verdict: &Verdict) -> Record {
        let signal = verdict.case.signal;
        let decision = decide(self.policy.as_ref(), task, verdict, &self.config.limits, pass.now.wall);
        Record::Remedy { signal, policy: self.policy.name().to_owned(), decision }
    }

    /// The move of the status machine that the state calls for.
    fn due_change(&self, id: &TaskId, task: &TaskState) -> Option<StatusRecord> {
        let to = |status| StatusRecord::new(task.status, status);
        match task.status {
            Status::Pending | Status::Blocked => self.readiness(id, task),
            Status::Running | Status::Stuck | Status::Complete | Status::PrOpen | Status::Error
                if task.publication.in_base && task.session.is_none() && !task.status.is_open() =>
            {
                Some(to(Status::Merged))
            }
            Status::Running | Status::Stuck | Status::Complete | Status::PrOpen
                if task.todo == Some(Todo::EndAttempt) =>
            {
                let reason =
                    task.reason.clone().or_else(|| task.healing.lesson.as_ref().map(|v| v.case.detail.clone()));
                Some(StatusRecord { reason, retry_at: task.waits.not_before, ..to(Status::Error) })
            }
            Status::Running if task.healing.trouble.is_some() => {
                let reason =
                    task.reason.clone().or_else(|| task.healing.remedies.last().map(|taken| taken.reason.clone()));
                Some(StatusRecord { reason, ..to(Status::Stuck) })
            }
            Status::Stuck if task.healing.trouble.is_none() => Some(to(Status::Running)),
            Status::Running | Status::Stuck if task.work.verified.is_some() => {
                Some(StatusRecord { sha: task.work.verified.clone(), ..to(Status::Complete) })
            }
            Status::Running | Status::Stuck | Status::Error | Status::Complete | Status::PrOpen | Status::Merged => {
                None
            }
        }
    }

    fn readiness(&self, id: &TaskId, task: &TaskState) -> Option<StatusRecord> {
        let conflict = !task.waits.on.is_empty()
            && !task.waits.on.iter().any(|other| {
                self.state.tasks.get(other).is_none_or(|other| other.status == Status::Merged || other.skipped)
            });
        let blocked = conflict || self.has_blockers(id);
        match (task.status, blocked) {
            (Status::Pending, true) => {
                let reason = Some(self.blocked_reason(id));
                Some(StatusRecord { reason, ..StatusRecord::new(Status::Pending, Status::Blocked) })
            }
            (Status::Blocked, false) => Some(StatusRecord::new(Status::Blocked, Status::Pending)),
            _ => None,
        }
    }

    /// What an ended or live session needs.
    fn tend(&self, pass: &Pass<'_>, id: &TaskId, task: &TaskState, session: &Session) -> Next {
        let paused = self.is_paused(task);
        if let Some(ending) = &session.ending {
            let later = ending.not_before.is_some_and(|at| at > pass.now.wall);
            let held = paused && !ending.by_hand;
            return if held || later { Next::Nothing } else { self.take_down(pass, (id, task), session, ending) };
        }
        if self.sessions.exit_of(session).is_some() {
            return self.look_at_work(pass, id);
        }
        let may_type = |typing: &&Typing| typing.launch == session.launch && (!paused || typing.expected.is_none());
        match task.conversation.unsent.iter().chain(&task.conversation.typing).find(may_type) {
            Some(Typing { launch, input, expected }) => {
                Next::effect(Effect::Input { launch: *launch, input: input.clone(), expected: *expected })
            }
            None if paused => Next::Nothing,
            None => self.deliver(pass, id, session),
        }
    }

    /// Brings a prompt that is pasted one step further.
    fn deliver(&self, pass: &Pass<'_>, id: &TaskId, session: &Session) -> Next {
        let Some(delivery) = session.delivery else { return Next::Nothing };
        let launch = session.launch;
        match self.wanted(session) {
            Some(Wanted::Paste(expected)) => match self.prompt(id, session.purpose, delivery.resume) {
                Some(text) => {
                    let input = SessionInput { text: Some(text), keys: Vec::new() };
                    Next::effect(Effect::Input { launch, input, expected })
                }
                None => Next::Nothing,
            },
            Some(Wanted::Enter(at))
                if at <= pass.now.awake && self.sessions.is_up_to_date(launch, &self.looks, pass.now) =>
            {
                let input = SessionInput { text: None, keys: vec![Key::Enter] };
                Next::effect(Effect::Input { launch, input, expected: None })
            }
            Some(Wanted::GiveUp(at)) if at <= pass.now.awake => {
                let Judgement { signal, rule, detail, .. } = Judgement::unheard();
                self.verdict_on(id, Some(launch), signal, rule, &detail)
            }
            _ => Next::Nothing,
        }
    }

    /// What the delivery of a session's prompt wants typed next.
    pub(super) fn wanted(&self, session: &Session) -> Option<Wanted> {
        let limits = &self.config.limits;
        session.delivery?.wanted(limits.enter_after, limits.confirm_after)
    }

    pub(super) fn look_at_work(&self, pass: &Pass<'_>, id: &TaskId) -> Next {
        if self.worktrees.may_look(id, pass.now) { Next::Look(Look::Work(id.clone())) } else { Next::Nothing }
    }

    /// Takes a session down: save, ask, kill, prove, forget.
    fn take_down(&self, pass: &Pass<'_>, of: (&TaskId, &TaskState), session: &Session, ending: &Ending) -> Next {
        let (id, task) = of;
        if task.needs_human && ending.hopeless {
            return Next::Nothing;
        }
        let end =
            |mode| Next::effect(Effect::End { launch: session.launch, process: session.process().cloned(), mode });
        if !ending.saved && session.purpose != Purpose::Verify && task.worktree.prepared().is_some() {
            return Next::effect(Effect::Save {
                task: id.clone(),
                attempt: task.attempt.number.max(AttemptNo(1)),
                worktree: self.worktree(id),
                partial: ending.by_hand,
            });
        }
        if ending.gone {
            return Next::effect(Effect::Forget { launch: session.launch });
        }
        let ended = session.ended.is_some() || self.sessions.exit_of(session).is_some() || ending.force;
        match end_step(ended, ending.asked_at, self.config.limits.ask_grace, pass.now.awake) {
            EndStep::Ask => end(EndMode::Ask),
            EndStep::Wait(_) => Next::Nothing,
            EndStep::Kill => end(EndMode::Kill),
        }
    }

    pub(super) fn step(&self, pass: &Pass<'_>, of: (&Plan, &TaskSpec, &TaskState), todo: Todo) -> Next {
        let (plan, spec, task) = of;
        let id = &spec.id;
        match todo {
            Todo::Prepare => self.prepare(spec),
            Todo::Launch { purpose: Purpose::Verify, .. } => self.verify(pass, id, plan, spec, task),
            Todo::Launch { purpose: Purpose::Work, .. }
                if task.retries.by_person && !self.worktrees.looked_for_fix(id) =>
            {
                Next::Look(Look::Work(id.clone()))
            }
            Todo::Launch { purpose: Purpose::Work, .. } if self.worktrees.is_gone(id) => self.prepare(spec),
            Todo::Launch { purpose, resume } => {
                let Some(profile) = self.profile(id) else {
                    let name = plan.agent_of(spec);
                    return self.verdict(id, Signal::Broken, "profile", &format!(
                        "there is no agent profile {name:?}: add [agents.{name}] with a command to orch.toml, then `orch retry {id}`"
                    ));
                };
                let paste = profile.pastes(resume);
                Next::effect(Effect::Launch { attempt: task.attempt.number, purpose, resume, sha: None, paste })
            }
            Todo::Commit => Next::effect(Effect::Commit(CommitSpec {
                worktree: self.worktree(id),
                branch: spec.branch.clone(),
                message: crate::agents::prompt::commit_message(spec),
                files: spec.files.clone(),
            })),
            Todo::Judge => self.look_at_work(pass, id),
            Todo::EndAttempt => Next::Nothing,
        }
    }

    /// Makes the worktree, or makes it anew on the branch that is there.
    pub(super) fn prepare(&self, spec: &TaskSpec) -> Next {
        let id = &spec.id;
        Next::effect(Effect::Prepare(PrepareSpec {
            task: id.clone(),
            branch: spec.branch.clone(),
            worktree: self.worktree(id),
            base: self.config.base.clone(),
            predecessors: self.unmerged_predecessors(id),
        }))
    }

    fn verify(&self, pass: &Pass<'_>, id: &TaskId, plan: &Plan, spec: &TaskSpec, task: &TaskState) -> Next {
        if plan.verify_of(spec).is_empty() {
            return self.verdict(
                id,
                Signal::Verified,
                "no-verify-command",
                "committed and clean; no verify command is set",
            );
        }
        if let Some(next) = self.verified_before(id, task) {
            return next;
        }
        let ready = |other: &&TaskId| {
            self.state.tasks.get(*other).is_some_and(|task| task.waits.not_before.is_none_or(|at| at <= pass.now.wall))
        };
        let before = self.queues.verified_before(id).filter(ready).count();
        if self.queues.verifying() + before >= self.config.limits.verify_parallel.max(1) as usize {
            return Next::Nothing;
        }
        Next::effect(Effect::Launch {
            attempt: task.attempt.number,
            purpose: Purpose::Verify,
            resume: false,
            sha: task.work.verifying.clone(),
            paste: false,
        })
    }

    /// A tree that the same command agreed to before, whoever made it, is not verified again.
    fn verified_before(&self, id: &TaskId, task: &TaskState) -> Option<Next> {
        let head = task.work.verifying.as_ref()?;
        let tree = task.work.tree.as_ref().filter(|_| task.work.head.as_ref() == Some(head))?;
        if !self.state.has_verified(tree, &task.work.verify) {
            return None;
        }
        let evidence = Evidence {
            head: Some(head.clone()),
            tree: Some(tree.clone()),
            command: Some(task.work.verify.clone()),
            ..Evidence::default()
        };
        let detail = format!("the verify command passed before at what {} holds", head.short());
        let case = self.case(id, Signal::Verified, detail);
        let verdict = Verdict { launch: None, rule: "verified-before".to_owned(), evidence, case };
        Some(Next::record(Record::Verdict(Box::new(verdict))))
    }

    pub(super) fn verdict(&self, task: &TaskId, signal: Signal, rule: &str, detail: &str) -> Next {
        self.verdict_on(task, None, signal, rule, detail)
    }

    fn verdict_on(&self, task: &TaskId, launch: Option<LaunchId>, signal: Signal, rule: &str, detail: &str) -> Next {
        let evidence = Evidence { message: Some(detail.to_owned()), ..Evidence::default() };
        Next::record(Record::Verdict(Box::new(Verdict {
            launch,
            rule: rule.to_owned(),
            evidence,
            case: self.case(task, signal, detail),
        })))
    }

    /// The verified work of the tasks that this one was ordered after and that the base does not have yet.
    pub(super) fn unmerged_predecessors(&self, id: &TaskId) -> Vec<Predecessor> {
        let published = |state: &TaskState| {
            let published = matches!(state.status, Status::Complete | Status::PrOpen) && !state.skipped;
            state.work.verified.clone().filter(|_| published)
        };
        let found = self.predecessors_that(id, |_, state| published(state).is_some());
        let with_sha = |task: TaskId| {
            let sha = published(self.state.tasks.get(&task)?)?;
            Some(Predecessor { task, sha })
        };
        found.into_iter().filter_map(with_sha).collect()
    }

    /// The tasks that this one was ordered after and of which something holds, in plan order. What a
    /// skipped task was ordered after still comes first.
    pub(super) fn predecessors_that(&self, id: &TaskId, holds: impl Fn(&TaskId, &TaskState) -> bool) -> Vec<TaskId> {
        let mut found: Vec<(usize, TaskId)> = Vec::new();
        let mut behind: Vec<TaskId> = vec![id.clone()];
        let mut seen: BTreeSet<TaskId> = BTreeSet::new();
        while let Some(task) = behind.pop() {
            for edge in self.graph.predecessors(&task) {
                let Some(state) = self.state.tasks.get(edge.from()).filter(|_| seen.insert(edge.from().clone())) else {
                    continue;
                };
                if holds(edge.from(), state) {
                    found.push((self.queues.index(edge.from()).unwrap_or(usize::MAX), edge.from().clone()));
                } else if state.skipped {
                    behind.push(edge.from().clone());
                }
            }
        }
        found.sort();
        found.into_iter().map(|(_, task)| task).collect()
    }
}

/// What is done about a verdict: what the policy says, unless the task's state does not allow it.
pub(crate) fn decide(
    policy: &dyn HealPolicy,
    task: &TaskState,
    verdict: &Verdict,
    limits: &Limits,
    now: Timestamp,
) -> Decision {
    let decision = policy.decide(&verdict.case, limits, now);
    match impossible(task, verdict, &decision.remedy) {
        Some(why) => Decision::new(Remedy::Escalate, format!("{} ({why})", decision.reason)),
        None => decision,
    }
}

/// Why a remedy cannot be carried out in this state, if it cannot: policies of others may ask for anything.
fn impossible(task: &TaskState, verdict: &Verdict, remedy: &Remedy) -> Option<&'static str> {
    let accepts = match verdict.case.signal {
        Signal::Verified => task.work.verifying.is_some(),
        signal => signal == Signal::PullMerged,
    };
    let live = task.session.as_ref().is_some_and(Session::is_live);
    match remedy {
        Remedy::Answer { .. } | Remedy::Deliver | Remedy::Poke { .. } | Remedy::Look if !live => {
            Some("there is no live session")
        }
        Remedy::Verify if task.work.head.is_none() => Some("there is no commit to verify"),
        Remedy::AskCommit | Remedy::Commit if task.worktree.prepared().is_none() => Some("there is no worktree"),
        Remedy::Accept if !accepts => Some("there is nothing verified to accept"),
        Remedy::Wait { .. } if verdict.case.signal != Signal::Delayed => Some("there is nothing to wait for"),
        _ => None,
    }
}
