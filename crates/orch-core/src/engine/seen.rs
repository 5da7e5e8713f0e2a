//! What was seen and what came of effects, turned into verdicts.

use std::collections::BTreeSet;

use super::{Orchestrator, Pass, Refusal};
use crate::agents::monitor::End;
use crate::base::id::{BranchName, LaunchId, Sha, TaskId};
use crate::base::text::clean;
use crate::engine::input::{Seen, SeenSession};
use crate::heal::{Case, Signal};
use crate::journal::effect::{Look, Purpose};
use crate::journal::record::{Evidence, ImportedState, Record, Todo, Verdict};
use crate::plan::change::PlanChange;
use crate::plan::graph::TaskGraph;
use crate::plan::spec::{Plan, PushMode};
use crate::ports::{Dirt, ExitStatus, Failure, FailureKind, Head, Work};
use crate::state::{SESSIONS, TaskState, WRONG_BRANCH, agent};

/// How many lines of output a verdict keeps of what ended well.
const TAIL: usize = 20;
/// How many lines of output a verdict keeps of what did not, and how many bytes.
const WHOLE: (usize, usize) = (200, 16 * 1024);
/// How many characters of a line.
const LINE: usize = 1000;

impl Orchestrator {
    /// Takes in what was seen; for a plan, what is said of it.
    pub(super) fn on_seen(&mut self, pass: &mut Pass<'_>, seen: Seen) -> Option<Result<String, Refusal>> {
        match seen {
            Seen::Sessions(sessions) => self.on_sessions(pass, sessions),
            Seen::Output(launch) => {
                self.sessions.note_output(launch);
                if let Some(task) = self.task_of_launch(launch) {
                    self.watch(pass, &task);
                }
            }
            Seen::Screen(view) => self.on_screen(pass, &view),
            Seen::NoScreen(launch) => {
                self.looks.answered(&Look::Screen(launch));
                self.sessions.note_no_screen(launch, pass.now);
            }
            Seen::Stirred => self.ask_sessions(pass),
            Seen::NotListed(failure) => {
                // The next heartbeat asks again.
                self.looks.answered(&Look::Sessions);
                let tasks = self.queues.sessions().filter(|id| self.live(id).is_some()).cloned().collect();
                self.on_unseen(pass, SESSIONS, tasks, true, &failure);
            }
            Seen::Head { task, head } => self.on_head(pass, &task, head),
            Seen::Work { task, work } => self.on_work(pass, &task, work.map(|work| *work)),
            Seen::Pulls(all) => self.on_pulls(pass, all),
            Seen::Plan { plan, states, why } => return self.on_plan(pass, *plan, states, why),
        }
        None
    }

    /// The plan is another: taken unless it would leave work that has begun without a place in it. What is said of that.
    fn on_plan(
        &mut self,
        pass: &mut Pass<'_>,
        plan: Plan,
        states: Vec<(TaskId, ImportedState)>,
        why: String,
    ) -> Option<Result<String, Refusal>> {
        let first = self.state.plan.is_none();
        let change = match self.state.edit(&plan, false) {
            Err(refusal) => return Some(Err(Refusal::Plan(refusal.to_string()))),
            Ok(None) => return None,
            Ok(Some(change)) => change,
        };
        if let Err(stall) = plan.check_goal(self.config.goal) {
            return Some(Err(Refusal::Plan(stall.to_string())));
        }
        let graph = match TaskGraph::build(&plan) {
            Err(cycle) => return Some(Err(Refusal::Plan(cycle.to_string()))),
            Ok(graph) => graph,
        };
        for (task, state) in states.into_iter().filter(|_| first) {
            if self.state.pending_import(&task) != Some(&state) {
                self.record(pass, Some(task), Record::Imported(state));
            }
        }
        self.take_plan(pass, plan, graph, why);
        Some(Ok(change))
    }

    fn take_plan(&mut self, pass: &mut Pass<'_>, plan: Plan, graph: TaskGraph, why: String) {
        let change = self.state.plan.as_ref().and_then(|old| PlanChange::between(old, &plan));
        let record = match change {
            Some(change) => Record::PlanChanged { why, change: Box::new(change) },
            None => Record::Plan { why, plan: Box::new(plan) },
        };
        self.record(pass, None, record);
        self.graph = graph;
        self.queues = super::dispatch::Queues::new(&self.state, &self.graph);
        pass.dirty.extend(self.state.tasks.keys().cloned());
    }

    /// The executor's whole list: exits, adoption, sessions that are gone, sessions that nobody knows.
    fn on_sessions(&mut self, pass: &mut Pass<'_>, sessions: Vec<SeenSession>) {
        self.looks.answered(&Look::Sessions);
        let tasks: Vec<TaskId> = self.queues.sessions().cloned().collect();
        self.on_seen_again(pass, SESSIONS, &tasks);
        let listed: BTreeSet<LaunchId> = sessions.iter().map(|session| session.launch).collect();
        let first = !std::mem::replace(&mut self.sessions.met, true);
        self.sessions.listed = true;
        for session in sessions {
            match self.task_of_launch(session.launch) {
                Some(task) => {
                    let ends = session.exit.is_some() && !self.sessions.has_ended(session.launch);
                    self.sessions.note_listed(session.launch, session.exit, session.activity);
                    if ends {
                        // What it did last is not seen by a look that was begun before.
                        self.looks.outdate(Look::Work(task.clone()));
                    }
                    pass.dirty.insert(task.clone());
                    self.watch(pass, &task);
                }
                None if first => self.end_stray(pass, session),
                None => {}
            }
        }
        for task in self.queues.sessions().cloned().collect::<Vec<_>>() {
            let Some((_, session)) = self.live(&task) else { continue };
            let launch = session.launch;
            let gone = !listed.contains(&launch) && self.sessions.should_be_listed(launch);
            if gone && self.sessions.exit_of(session).is_none() {
                let evidence = Evidence { exit: Some(ExitStatus::default()), ..Evidence::default() };
                let case = self.case(&task, Signal::Lost, "it ended without an exit status");
                self.judge(pass, &task, Some(launch), "not-listed", evidence, case);
            }
        }
        if std::mem::take(&mut self.sessions.list_again) {
            self.ask_sessions(pass);
        }
    }

    pub(super) fn judge(
        &mut self,
        pass: &mut Pass<'_>,
        task: &TaskId,
        launch: Option<LaunchId>,
        rule: &str,
        evidence: Evidence,
        case: Case,
    ) {
        let verdict = Verdict { launch, rule: rule.to_owned(), evidence, case };
        self.record(pass, Some(task.clone()), Record::Verdict(Box::new(verdict)));
    }

    /// Where a live session's worktree stands: what it holds is looked at only where that moved, or where commits
    /// wait to be pushed.
    fn on_head(&mut self, pass: &mut Pass<'_>, id: &TaskId, head: Result<Head, String>) {
        self.looks.answered(&Look::Head(id.clone()));
        let Some((task, session)) = self.live(id) else { return };
        let (launch, start) = (session.launch, task.worktree.prepared().map(|prepared| prepared.start.clone()));
        let stands = head.as_ref().is_ok_and(|head| {
            let seen = self.sessions.by_launch.get(&launch).and_then(|seen| seen.head.clone());
            seen.or(start.clone()).as_ref() == Some(&head.sha) && !self.waits_for_push(id, head, start.as_ref())
        });
        match head {
            Ok(head) if stands => {
                self.sessions.note_head(launch, &head.sha, pass.now);
            }
            _ => {
                let look = Look::Work(id.clone());
                if self.ask(&look, pass.now) {
                    pass.looks.insert(look);
                }
            }
        }
    }

    /// Whether there may be commits of a task that are to be pushed early.
    fn waits_for_push(&self, id: &TaskId, head: &Head, start: Option<&Sha>) -> bool {
        let Some((plan, spec, task)) = self.spec(id) else { return false };
        let wanted = plan.settings.push == PushMode::Early && !self.worktrees.no_early_push.contains(id);
        let here = head.branch.as_ref() == Some(&spec.branch);
        wanted && here && start != Some(&head.sha) && task.publication.pushed.as_ref() != Some(&head.sha)
    }

    /// A worktree was looked at: judges an ended session, or notes how far a live one got.
    fn on_work(&mut self, pass: &mut Pass<'_>, id: &TaskId, work: Result<Work, Failure>) {
        let look = Look::Work(id.clone());
        self.looks.answered(&look);
        if self.looks.was_outdated(&look) {
            self.ask(&look, pass.now);
            pass.looks.insert(look);
            return;
        }
        if work.is_ok() {
            self.worktrees.note_seen(id);
            pass.dirty.insert(id.clone());
        }
        let Some((_, _, task)) = self.spec(id) else { return };
        if task.open.is_some() || task.healing.unanswered.is_some() {
            return;
        }
        let ended = task.session.as_ref().filter(|session| session.is_live()).and_then(|session| {
            self.sessions.exit_of(session).map(|(exit, tail)| (session.launch, session.purpose, *exit, tail.clone()))
        });
        let person_retry = task.retries.by_person && task.session.is_none();
        let again = task.publication.goes_on() && task.session.is_none();
        let judges = task.todo == Some(Todo::Judge) && task.session.is_none();
        match work {
            Err(_) if (ended.is_some() || judges) && !self.worktrees.note_blind(id, pass.now, &mut self.wakeups) => {}
            Err(failure) if ended.is_some() || judges => {
                let why = failure.message;
                let (signal, detail) = match failure.kind {
                    FailureKind::Missing => (Signal::WorktreeLost, format!("its worktree is gone: {why}")),
                    _ => (Signal::Broken, format!("the worktree cannot be looked at: {why}")),
                };
                let case = self.case(id, signal, detail);
                let evidence =
                    Evidence { message: Some(why), exit: ended.map(|(_, _, exit, _)| exit), ..Evidence::default() };
                self.judge(pass, id, None, "worktree", evidence, case);
            }
            Err(failure) => {
                self.worktrees.note_no_fix(id);
                if person_retry && failure.kind == FailureKind::Missing {
                    self.worktrees.note_gone(id);
                }
                pass.dirty.insert(id.clone());
            }
            Ok(work) => match ended {
                Some((launch, Purpose::Verify, exit, tail)) => self.judge_verify(pass, id, launch, exit, tail, work),
                Some((launch, purpose, exit, tail)) => {
                    self.judge_end(pass, id, Some(launch), Some((purpose, exit, tail)), work);
                }
                None if judges => self.judge_end(pass, id, None, None, work),
                None if again || person_retry => self.judge_fix(pass, id, work),
                None => self.note_work(pass, id, &work),
            },
        }
    }

    /// Judges what an ended agent left, by its exit and its worktree.
    fn judge_end(
        &mut self,
        pass: &mut Pass<'_>,
        id: &TaskId,
        launch: Option<LaunchId>,
        ended: Option<(Purpose, ExitStatus, Vec<String>)>,
        work: Work,
    ) {
        let Some((_, spec, _)) = self.spec(id) else { return };
        let foreign: Vec<String> =
            work.dirt.untracked.iter().filter(|path| !spec.files.covers(path)).cloned().collect();
        let foreign = foreign.into_iter().chain(work.dirt.operation.iter().map(|what| format!("an unfinished {what}")));
        let foreign: Vec<String> = foreign.collect();
        let on_branch = work.branch.as_ref() == Some(&spec.branch);
        let branch = spec.branch.clone();
        let (purpose, exit, tail) = ended.map_or((Purpose::Work, None, Vec::new()), |(p, e, t)| (p, Some(e), t));
        let failed = exit.filter(|exit| purpose == Purpose::Work && exit.code != Some(0));
        let mut reset_at = None;
        let (rule, signal, detail) = match failed {
            Some(exit) => {
                let end = End::of(exit, &tail);
                reset_at = end.reset.map(|reset| pass.now.wall + reset);
                (end.rule, end.signal, end.detail)
            }
            None if !on_branch => {
                let at = work.branch.as_ref().map_or("no branch".to_owned(), ToString::to_string);
                (WRONG_BRANCH, Signal::Failed, format!("the worktree is on {at} instead of {branch}"))
            }
            None if !work.dirt.is_clean() => ("uncommitted", Signal::Uncommitted, describe_dirt(&work.dirt)),
            None if work.commits.is_empty() => {
                ("no-commit", Signal::NothingDone, "it ended well, with no commit and nothing changed".to_owned())
            }
            None => {
                let n = work.commits.len();
                let s = if n == 1 { "" } else { "s" };
                (
                    "clean-commits",
                    Signal::ClaimsDone,
                    format!("{n} commit{s} over the start, clean, at {}", work.head.short()),
                )
            }
        };
        let mut case = self.case(id, signal, detail);
        (case.foreign_dirt, case.reset_at) = (foreign, reset_at);
        case.nested = work.dirt.nested.iter().map(ToString::to_string).collect();
        if signal == Signal::Limited
            && let Some((plan, spec, _)) = self.spec(id)
        {
            self.is_about(&mut case, agent(plan.agent_of(spec)));
        }
        let evidence = Evidence { exit, tail: bounded(tail, exit), ..of_work(work, &branch) };
        self.judge(pass, id, launch, rule, evidence, case);
    }

    fn judge_verify(
        &mut self,
        pass: &mut Pass<'_>,
        id: &TaskId,
        launch: LaunchId,
        exit: ExitStatus,
        tail: Vec<String>,
        work: Work,
    ) {
        let Some((_, spec, task)) = self.spec(id) else { return };
        let branch = spec.branch.clone();
        let same = task.work.verifying.as_ref() == Some(&work.head) && work.dirt.tracked.is_empty();
        let (rule, signal, detail) = match exit {
            ExitStatus { code: Some(0), .. } if same => {
                ("verify-passed", Signal::Verified, format!("the verify command passed at {}", work.head.short()))
            }
            ExitStatus { code: Some(0), .. } => {
                let detail = "the tree changed while it was verified".to_owned();
                ("verify-moved", Signal::VerifyFailed, detail)
            }
            ExitStatus { code: None, signal: None } => {
                ("exit-unknown", Signal::Lost, "the verify command ended and nobody knows how".to_owned())
            }
            exit => ("verify-failed", Signal::VerifyFailed, format!("the verify command ended with {exit}")),
        };
        let unfilled = task.worktree.prepared().map(|prepared| prepared.unfilled.join(", ")).unwrap_or_default();
        let detail = if signal == Signal::Verified || unfilled.is_empty() {
            detail
        } else {
            format!("{detail}; submodules are empty there: {unfilled}")
        };
        let session = task.session.as_ref().filter(|session| session.launch == launch);
        let command = session.map(|session| session.command.clone()).filter(|command| !command.is_empty());
        let case = self.case(id, signal, detail);
        let evidence =
            Evidence { exit: Some(exit), tail: bounded(tail, Some(exit)), command, ..of_work(work, &branch) };
        self.judge(pass, id, Some(launch), rule, evidence, case);
    }

    /// After `retry`, or when verified work goes on: a person may have committed what was missing.
    fn judge_fix(&mut self, pass: &mut Pass<'_>, id: &TaskId, work: Work) {
        let Some((_, spec, task)) = self.spec(id) else { return };
        let uncommitted = task.healing.lesson.as_ref().is_some_and(|lesson| lesson.case.signal == Signal::Uncommitted);
        let known = task.publication.unpublished.as_ref().map(|it| &it.sha).or(task.work.head.as_ref());
        let moved = uncommitted || known.is_some_and(|head| *head != work.head);
        let good = work.dirt.is_clean() && !work.commits.is_empty() && work.branch.as_ref() == Some(&spec.branch);
        if moved && good {
            let branch = spec.branch.clone();
            let case = self.case(id, Signal::ClaimsDone, format!("a person committed up to {}", work.head.short()));
            self.judge(pass, id, None, "fixed-by-hand", of_work(work, &branch), case);
        } else {
            self.worktrees.note_no_fix(id);
        }
    }

    fn note_work(&mut self, pass: &mut Pass<'_>, id: &TaskId, work: &Work) {
        let Some((task, session)) = self.live(id) else { return };
        let (launch, troubled, known) =
            (session.launch, task.healing.trouble.is_some(), task.publication.pushed.clone());
        let moved = self.sessions.note_head(launch, &work.head, pass.now);
        if moved && troubled {
            self.record_marks(pass, false);
        }
        let Some((plan, spec, task)) = self.spec(id) else { return };
        let wanted = plan.settings.push == PushMode::Early && !self.worktrees.no_early_push.contains(id);
        let new = !work.commits.is_empty() && known.as_ref() != Some(&work.head);
        // What links to commits that nobody else has is not published before it is judged.
        let here = work.branch.as_ref() == Some(&spec.branch) && work.dirt.nested.is_empty();
        if wanted && new && here && task.open.is_none() && !self.is_paused(task) {
            let left = task.publication.left.as_ref();
            if left.is_some_and(|left| !self.may_leave(spec, task, left)) {
                return;
            }
            let effect = self.push_of(spec, &work.head, left);
            self.record(pass, Some(id.clone()), Record::Effect { effect });
        }
    }

    /// The state of a task, for looks that are answered outside.
    pub fn task(&self, id: &TaskId) -> Option<&TaskState> {
        self.state.tasks.get(id)
    }

    /// A task's branch.
    pub fn branch(&self, id: &TaskId) -> Option<&BranchName> {
        self.spec(id).map(|(_, spec, _)| &spec.branch)
    }

    /// Where each session's output is logged.
    pub(super) fn logs(&self) -> std::collections::BTreeMap<LaunchId, camino::Utf8PathBuf> {
        let session = |id: &TaskId| {
            let task = self.state.tasks.get(id)?;
            let session = task.session.as_ref()?;
            let layout = &self.config.layout;
            Some((
                session.launch,
                match session.purpose {
                    Purpose::Verify => layout.verify_log(id, session.launch),
                    Purpose::Work | Purpose::AskCommit => layout.log(id, task.attempt.number),
                },
            ))
        };
        self.queues.sessions().filter_map(session).collect()
    }

    /// Which worktree a [`Look::Work`] means; `None` when the task has none.
    pub fn work_spec(&self, id: &TaskId) -> Option<crate::ports::WorkSpec> {
        let (_, spec, task) = self.spec(id)?;
        let verifies = task.session.as_ref().is_some_and(|session| session.purpose == Purpose::Verify);
        Some(crate::ports::WorkSpec {
            worktree: self.worktree(id),
            branch: spec.branch.clone(),
            start: task.worktree.prepared()?.start.clone(),
            base: Some(self.config.base.clone()),
            ignore_untracked: verifies,
        })
    }
}

fn of_work(work: Work, branch: &BranchName) -> Evidence {
    Evidence {
        elsewhere: work.branch.as_ref() != Some(branch),
        head: Some(work.head),
        tree: Some(work.tree),
        commits: Some(work.commits),
        changed: Some(work.changed),
        dirt: (!work.dirt.is_clean()).then_some(work.dirt),
        ..Evidence::default()
    }
}

/// The end of an output: a few lines of what ended well, else what an agent needs to find the cause.
fn bounded(mut tail: Vec<String>, exit: Option<ExitStatus>) -> Vec<String> {
    let well = exit.is_none_or(|exit| exit.code == Some(0));
    let (lines, mut room) = if well { (TAIL, usize::MAX) } else { WHOLE };
    tail.drain(..tail.len().saturating_sub(lines));
    let mut kept: Vec<String> = Vec::new();
    for line in tail.iter().rev().map(|line| clean(line, LINE).replace('\n', " ")) {
        let Some(left) = room.checked_sub(line.len()) else { break };
        room = left;
        kept.push(line);
    }
    kept.reverse();
    kept
}

fn describe_dirt(dirt: &Dirt) -> String {
    let nested: Vec<String> = dirt.nested.iter().map(ToString::to_string).collect();
    let all = || dirt.tracked.iter().chain(&dirt.untracked).chain(&nested);
    let count = all().count();
    let mut files: Vec<&str> = all().map(String::as_str).take(5).collect();
    if count > files.len() {
        files.push("…");
    }
    match &dirt.operation {
        Some(what) => format!("an unfinished {what}, not committed: {}", files.join(", ")),
        None => format!("not committed: {}", files.join(", ")),
    }
}
