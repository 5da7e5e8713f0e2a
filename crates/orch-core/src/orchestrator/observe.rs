//! What was seen and what came of effects, turned into verdicts.

use std::collections::BTreeSet;

use super::{Orchestrator, Pass};
use crate::backend::{Dirt, EndMode, ExitStatus, Work};
use crate::effect::{Effect, Failure, FailureKind, Look, Outcome, Purpose};
use crate::graph::TaskGraph;
use crate::heal::{Case, Signal};
use crate::id::{AttemptNo, EffectId, LaunchId, TaskId};
use crate::input::{Seen, SeenSession};
use crate::plan::PushMode;
use crate::record::{Evidence, Record, StatusRecord, Todo, Verdict};
use crate::state::TaskState;
use crate::status::Status;

/// How many lines of output a verdict keeps.
const TAIL: usize = 20;

impl Orchestrator {
    pub(super) fn on_seen(&mut self, pass: &mut Pass<'_>, seen: Seen) {
        match seen {
            Seen::Sessions(sessions) => self.on_sessions(pass, sessions),
            Seen::Output(launch) => {
                self.eyes.note_output(launch);
                if let Some(task) = self.task_of_launch(launch) {
                    self.watch(pass, &task);
                }
            }
            Seen::Screen(view) => self.on_screen(pass, &view),
            Seen::NoScreen(launch) => self.eyes.answered(&Look::Screen(launch)),
            Seen::Stirred => self.ask_sessions(pass),
            // The next heartbeat asks again.
            Seen::NotListed(_) => self.eyes.answered(&Look::Sessions),
            Seen::Work { task, work } => self.on_work(pass, &task, work.map(|work| *work)),
            Seen::Pull { task, seen } => self.on_pull(pass, &task, seen.map(|seen| *seen)),
            Seen::Plan { plan, states, why } => {
                let imports = self.state.plan.is_none();
                if let Ok(graph) = TaskGraph::build(&plan) {
                    self.take_plan(pass, *plan, graph, why);
                    for (task, state) in states.into_iter().filter(|_| imports) {
                        self.record(pass, Some(task), Record::Imported(state));
                    }
                }
            }
        }
    }

    fn take_plan(&mut self, pass: &mut Pass<'_>, plan: crate::plan::Plan, graph: TaskGraph, why: String) {
        self.record(pass, None, Record::Plan { why, plan: Box::new(plan) });
        self.graph = graph;
        self.queues = super::dispatch::Queues::new(&self.state, &self.graph);
        pass.dirty.extend(self.state.tasks.keys().cloned());
    }

    /// The executor's whole list: exits, adoption, sessions that are gone, sessions that nobody knows.
    fn on_sessions(&mut self, pass: &mut Pass<'_>, sessions: Vec<SeenSession>) {
        self.eyes.answered(&Look::Sessions);
        let asked = self.eyes.listed_at.unwrap_or_default();
        let listed: BTreeSet<LaunchId> = sessions.iter().map(|session| session.launch).collect();
        let first = !std::mem::replace(&mut self.eyes.listed, true);
        for session in sessions {
            match self.task_of_launch(session.launch) {
                Some(task) => {
                    self.eyes.note_listed(session.launch, session.exit, session.activity);
                    pass.dirty.insert(task.clone());
                    self.watch(pass, &task);
                }
                None if first => {
                    let process = session.launched.process;
                    let effect = Effect::End { launch: session.launch, process, mode: EndMode::Kill };
                    self.record(pass, None, Record::Effect { effect });
                }
                None => {}
            }
        }
        for task in self.queues.sessions().cloned().collect::<Vec<_>>() {
            let Some((_, session)) = self.live(&task) else { continue };
            let launch = session.launch;
            // A list that was asked for before the session began says nothing of it.
            let older = self.eyes.started_at(launch).is_some_and(|started| started < asked);
            if !listed.contains(&launch) && older && self.eyes.exit_of(session).is_none() {
                let evidence = Evidence { exit: Some(ExitStatus::default()), ..Evidence::default() };
                let mut case = self.case(&task, Signal::Lost, "it ended without an exit status");
                if session.purpose == Purpose::Verify {
                    case.relaunches = 0;
                }
                self.judge(pass, &task, Some(launch), "not-listed", evidence, case);
            }
        }
        if std::mem::take(&mut self.eyes.list_again) {
            self.ask_sessions(pass);
        }
    }

    fn judge(
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

    /// A worktree was looked at: judges an ended session, or notes how far a live one got.
    fn on_work(&mut self, pass: &mut Pass<'_>, id: &TaskId, work: Result<Work, String>) {
        self.eyes.answered(&Look::Work(id.clone()));
        pass.dirty.insert(id.clone());
        let Some((_, _, task)) = self.spec(id) else { return };
        if task.open.is_some() || task.unanswered.is_some() {
            return;
        }
        let ended = task.session.as_ref().filter(|session| session.is_live()).and_then(|session| {
            self.eyes.exit_of(session).map(|(exit, tail)| (session.launch, session.purpose, *exit, tail.clone()))
        });
        let person_retry = task.person_retry && task.session.is_none();
        let judges = task.todo == Some(Todo::Judge) && task.session.is_none();
        match work {
            Err(why) if ended.is_some() || judges => {
                let case = self.case(id, Signal::Broken, format!("the worktree cannot be looked at: {why}"));
                let evidence =
                    Evidence { message: Some(why), exit: ended.map(|(_, _, exit, _)| exit), ..Evidence::default() };
                self.judge(pass, id, None, "worktree", evidence, case);
            }
            Err(_) => self.eyes.note_no_fix(id),
            Ok(work) => match ended {
                Some((launch, Purpose::Verify, exit, tail)) => self.judge_verify(pass, id, launch, exit, tail, work),
                Some((launch, purpose, exit, tail)) => {
                    self.judge_end(pass, id, Some(launch), Some((purpose, exit, tail)), work);
                }
                None if judges => self.judge_end(pass, id, None, None, work),
                None if person_retry => self.judge_fix(pass, id, work),
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
        let (rule, signal, detail) = match failed {
            Some(ExitStatus { code: None, signal: None }) => {
                ("exit-unknown", Signal::Lost, "it ended and nobody knows how".to_owned())
            }
            Some(exit) => ("exit-status", Signal::Failed, describe_exit(exit)),
            None if !on_branch => {
                let at = work.branch.as_ref().map_or("no branch".to_owned(), ToString::to_string);
                ("wrong-branch", Signal::Failed, format!("the worktree is on {at} instead of {branch}"))
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
        case.foreign_dirt = foreign;
        let evidence = Evidence { exit, tail: bounded(tail), ..of_work(work) };
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
        let Some((_, _, task)) = self.spec(id) else { return };
        let same = task.verifying.as_ref() == Some(&work.head) && work.dirt.tracked.is_empty();
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
            exit => (
                "verify-failed",
                Signal::VerifyFailed,
                format!("the verify command ended with {}", describe_exit(exit)),
            ),
        };
        let case = self.case(id, signal, detail);
        let evidence = Evidence { exit: Some(exit), tail: bounded(tail), ..of_work(work) };
        self.judge(pass, id, Some(launch), rule, evidence, case);
    }

    /// After `retry`: a person may have committed what was missing.
    fn judge_fix(&mut self, pass: &mut Pass<'_>, id: &TaskId, work: Work) {
        let Some((_, spec, task)) = self.spec(id) else { return };
        let moved = task.head.as_ref().is_some_and(|head| *head != work.head);
        let good = work.dirt.is_clean() && !work.commits.is_empty() && work.branch.as_ref() == Some(&spec.branch);
        if moved && good {
            let case = self.case(id, Signal::ClaimsDone, format!("a person committed up to {}", work.head.short()));
            self.judge(pass, id, None, "fixed-by-hand", of_work(work), case);
        } else {
            self.eyes.note_no_fix(id);
        }
    }

    fn note_work(&mut self, pass: &mut Pass<'_>, id: &TaskId, work: &Work) {
        let Some((task, session)) = self.live(id) else { return };
        let (launch, troubled, known) = (session.launch, task.trouble.is_some(), task.pushed.clone());
        let moved = self.eyes.note_head(launch, &work.head, pass.now);
        if moved && troubled {
            self.record_marks(pass, false);
        }
        let Some((plan, spec, task)) = self.spec(id) else { return };
        let wanted = plan.settings.push == PushMode::Early && !self.eyes.no_early_push.contains(id);
        let new = !work.commits.is_empty() && known.as_ref() != Some(&work.head);
        let here = work.branch.as_ref() == Some(&spec.branch);
        if wanted && new && here && task.open.is_none() && !self.is_paused(task) {
            let push = crate::backend::PushSpec {
                branch: spec.branch.clone(),
                sha: work.head.clone(),
                base: self.config.base.clone(),
            };
            self.record(pass, Some(id.clone()), Record::Effect { effect: Effect::Push(push) });
        }
    }

    /// An effect ended: remembers it, and judges it if it failed.
    pub(super) fn on_done(&mut self, pass: &mut Pass<'_>, id: EffectId, outcome: Outcome) {
        let Some(open) = self.state.open.get(&id).cloned() else { return };
        let failure = match &outcome {
            Outcome::Failed(failure) => Some(failure.clone()),
            Outcome::Ended(false) if matches!(open.effect, Effect::End { mode: EndMode::Kill, .. }) => Some(Failure {
                kind: FailureKind::NeedsPerson,
                message: "its processes could not be proved gone".to_owned(),
                files: Vec::new(),
            }),
            _ => None,
        };
        self.record(pass, open.task.clone(), Record::Done { effect: id, outcome });
        self.after(pass, open.task.as_ref(), id, &open.effect, failure.is_none());
        if let (Some(task), Some(failure)) = (&open.task, failure) {
            self.on_failure(pass, task, &open.effect, &failure);
        }
    }

    /// What the eyes learn from an effect that ended.
    fn after(&mut self, pass: &mut Pass<'_>, task: Option<&TaskId>, id: EffectId, effect: &Effect, well: bool) {
        match effect {
            Effect::Launch { .. } if well => {
                if let Some((_, session)) = task.and_then(|task| self.live(task)) {
                    let session = session.clone();
                    self.eyes.begin(&session, pass.now);
                    self.watch_new(pass, LaunchId::from(id));
                }
            }
            Effect::End { launch, mode: EndMode::Kill, .. } if task.is_none() => {
                let effect = Effect::Forget { launch: *launch };
                self.record(pass, None, Record::Effect { effect });
            }
            Effect::Forget { launch } => {
                self.eyes.forget(*launch);
                // A verify slot may be free now.
                let waiting: Vec<TaskId> = self.queues.slots().chain(self.queues.published()).cloned().collect();
                pass.dirty.extend(waiting);
            }
            Effect::Save { .. }
                if task.is_some_and(|id| self.task(id).is_some_and(|task| task.status == Status::Merged)) =>
            {
                self.eyes.cleared.extend(task.cloned());
            }
            Effect::MergePull(_) => self.eyes.forget_pulls(),
            Effect::OpenPull(_) | Effect::UpdatePull { .. } | Effect::Push(_) => {
                if let Some(task) = task {
                    self.eyes.forget_pull(task);
                }
            }
            Effect::Input { launch, .. } => self.eyes.rejudge(*launch),
            _ => {}
        }
        if let Some(task) = task {
            self.watch(pass, task);
        }
    }

    /// A session that may have ended before its events were listened to is listed once.
    fn watch_new(&mut self, pass: &mut Pass<'_>, launch: LaunchId) {
        if self.eyes.ask(&Look::Screen(launch)) {
            pass.looks.insert(Look::Screen(launch));
        }
    }

    fn on_failure(&mut self, pass: &mut Pass<'_>, id: &TaskId, effect: &Effect, failure: &Failure) {
        let Some((_, _, task)) = self.spec(id) else { return };
        let what = effect.name();
        let detail = format!("{what}: {}", failure.message);
        let again = failure.kind == FailureKind::Unavailable;
        let signal = match (effect, failure.kind) {
            (Effect::Prepare(spec), FailureKind::Conflict) => {
                let waits_on = spec.predecessors.iter().map(|p| p.task.clone()).collect();
                let files = failure.files.join(", ");
                let change = StatusRecord {
                    reason: Some(format!("the work that it builds on conflicts in {files}")),
                    attempt: Some(AttemptNo(task.attempt.0.saturating_sub(1))),
                    waits_on,
                    ..StatusRecord::new(task.status, Status::Blocked)
                };
                return self.record(pass, Some(id.clone()), Record::Status(change));
            }
            (Effect::Input { .. } | Effect::Forget { .. } | Effect::Notify(_) | Effect::Remove(_), _) => return,
            (Effect::Push(_), _) if task.status.is_open() => {
                self.eyes.no_early_push.insert(id.clone());
                return;
            }
            (Effect::MergePull(_) | Effect::UpdatePull { .. }, FailureKind::Moved) => return self.eyes.forget_pull(id),
            (Effect::End { launch, .. }, _) => {
                self.eyes.give_up(*launch);
                Signal::Broken
            }
            (Effect::Save { .. }, _) => {
                if let Some(session) = &task.session {
                    self.eyes.give_up(session.launch);
                }
                Signal::Broken
            }
            (Effect::Sync(_) | Effect::MergePull(_), FailureKind::Conflict) => Signal::Conflict,
            (_, FailureKind::NeedsPerson) => Signal::Broken,
            _ if again => Signal::PublishDelayed,
            (Effect::Prepare(_), _) => Signal::PrepareFailed,
            (Effect::Launch { .. }, _) => Signal::LaunchFailed,
            (Effect::Commit(_), _) => Signal::Failed,
            (
                Effect::Sync(_)
                | Effect::Push(_)
                | Effect::OpenPull(_)
                | Effect::UpdatePull { .. }
                | Effect::MergePull(_),
                _,
            ) => Signal::PublishRefused,
        };
        let evidence = Evidence { message: Some(failure.message.clone()), ..Evidence::default() };
        let case = self.case(id, signal, detail);
        self.judge(pass, id, None, what, evidence, case);
    }

    /// The state of a task, for looks that are answered outside.
    pub fn task(&self, id: &TaskId) -> Option<&TaskState> {
        self.state.tasks.get(id)
    }

    /// Where each session's output is logged.
    pub fn logs(&self) -> std::collections::BTreeMap<LaunchId, camino::Utf8PathBuf> {
        let session = |id: &TaskId| {
            let task = self.state.tasks.get(id)?;
            let session = task.session.as_ref()?;
            let layout = &self.config.layout;
            Some((
                session.launch,
                match session.purpose {
                    Purpose::Verify => layout.verify_log(id, session.launch),
                    Purpose::Work | Purpose::AskCommit => layout.log(id, task.attempt),
                },
            ))
        };
        self.queues.sessions().filter_map(session).collect()
    }

    /// Which worktree a [`Look::Work`] means; `None` when the task has none.
    pub fn work_spec(&self, id: &TaskId) -> Option<crate::backend::WorkSpec> {
        let (_, spec, task) = self.spec(id)?;
        let verifies = task.session.as_ref().is_some_and(|session| session.purpose == Purpose::Verify);
        Some(crate::backend::WorkSpec {
            worktree: self.worktree(id),
            branch: spec.branch.clone(),
            start: task.prepared.as_ref()?.start.clone(),
            ignore_untracked: verifies,
        })
    }
}

fn of_work(work: Work) -> Evidence {
    Evidence {
        head: Some(work.head),
        commits: Some(work.commits),
        changed: Some(work.changed),
        dirt: (!work.dirt.is_clean()).then_some(work.dirt),
        ..Evidence::default()
    }
}

fn bounded(mut tail: Vec<String>) -> Vec<String> {
    tail.drain(..tail.len().saturating_sub(TAIL));
    tail.iter().map(|line| crate::prompt::one_line(line)).collect()
}

fn describe_exit(exit: ExitStatus) -> String {
    match (exit.code, exit.signal) {
        (_, Some(signal)) => format!("signal {signal}"),
        (Some(code), None) => format!("exit {code}"),
        (None, None) => "an unknown status".to_owned(),
    }
}

fn describe_dirt(dirt: &Dirt) -> String {
    let count = dirt.tracked.len() + dirt.untracked.len();
    let mut files: Vec<&str> = dirt.tracked.iter().chain(&dirt.untracked).map(String::as_str).take(5).collect();
    if count > files.len() {
        files.push("…");
    }
    match &dirt.operation {
        Some(what) => format!("an unfinished {what}, not committed: {}", files.join(", ")),
        None => format!("not committed: {}", files.join(", ")),
    }
}
