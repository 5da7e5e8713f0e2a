//! Watching live sessions: what was seen last, when silence becomes a signal, when to look again.

use std::collections::{BTreeMap, BTreeSet};

use super::{Deadline, Orchestrator, Pass};
use crate::backend::{ExitStatus, Fingerprint, ScreenView, SessionInput};
use crate::effect::{Effect, Look, Purpose};
use crate::heal::{Case, Remedy, Signal};
use crate::id::{LaunchId, Sha, TaskId};
use crate::input::SeenPull;
use crate::record::{Evidence, Marks, Record, Verdict};
use crate::screen::{self, Sign};
use crate::state::{Session, State, TaskState};
use crate::status::Status;
use crate::time::{AwakeMs, Millis, Now};

/// Output this soon after a poke is the poke's own echo, not a sign of life.
const ECHO: Millis = Millis(2000);
/// A pull request seen longer ago than this is looked at again before it is merged.
const FRESH: Millis = Millis(2000);
/// A call that comes this much later than asked for means that this process was stopped.
const LATE: Millis = Millis::from_secs(60);

/// What this process has seen. Nothing of it is remembered beyond the marks in the journal: a new
/// process looks again.
#[derive(Debug, Default)]
pub(super) struct Eyes {
    by_launch: BTreeMap<LaunchId, Eye>,
    asked: BTreeSet<Look>,
    fixes: BTreeSet<TaskId>,
    /// Worktrees of merged tasks whose leftovers are saved.
    pub(super) cleared: BTreeSet<TaskId>,
    hopeless: BTreeSet<LaunchId>,
    /// Pull requests as last seen; `None` when the forge could not be reached.
    pulls: BTreeMap<TaskId, (Option<SeenPull>, AwakeMs)>,
    /// When the list of sessions was asked for last.
    pub(super) listed_at: Option<AwakeMs>,
    /// The list must be asked for once more.
    pub(super) list_again: bool,
    /// A whole list was seen.
    pub(super) listed: bool,
    marks_at: AwakeMs,
    promised: Option<AwakeMs>,
    /// Tasks whose early push the remote refused: the verified push decides.
    pub(super) no_early_push: BTreeSet<TaskId>,
}

/// What was seen of one session.
#[derive(Debug, Clone)]
struct Eye {
    activity: u64,
    changed_at: AwakeMs,
    screen: Option<(Fingerprint, String)>,
    head: Option<Sha>,
    looked_at: Option<AwakeMs>,
    started_at: AwakeMs,
    dirty: bool,
    exit: Option<(ExitStatus, Vec<String>)>,
    repeats_since: Option<AwakeMs>,
    judged: Option<Fingerprint>,
}

impl Eye {
    fn of(session: &Session) -> Self {
        let marks = &session.marks;
        Self {
            activity: marks.activity,
            changed_at: marks.changed_at,
            screen: marks.screen.map(|seen| (seen, String::new())),
            head: marks.head.clone(),
            looked_at: None,
            started_at: session.launched_at,
            dirty: true,
            exit: None,
            repeats_since: None,
            judged: None,
        }
    }

    fn marks(&self, launch: LaunchId) -> Marks {
        Marks {
            launch,
            activity: self.activity,
            changed_at: self.changed_at,
            screen: self.screen.as_ref().map(|(seen, _)| *seen),
            head: self.head.clone(),
        }
    }
}

impl Eyes {
    pub(super) fn of(state: &State) -> Self {
        let sessions = state.tasks.values().filter_map(|task| task.session.as_ref());
        Self { by_launch: sessions.map(|session| (session.launch, Eye::of(session))).collect(), ..Self::default() }
    }

    /// Notes that a look is wanted; `false` when it is under way already.
    pub(super) fn ask(&mut self, look: &Look) -> bool {
        self.asked.insert(look.clone())
    }

    pub(super) fn answered(&mut self, look: &Look) {
        self.asked.remove(look);
    }

    pub(super) fn exit_of(&self, session: &Session) -> Option<&(ExitStatus, Vec<String>)> {
        self.by_launch.get(&session.launch)?.exit.as_ref()
    }

    pub(super) fn started_at(&self, launch: LaunchId) -> Option<AwakeMs> {
        self.by_launch.get(&launch).map(|eye| eye.started_at)
    }

    pub(super) fn begin(&mut self, session: &Session, now: &Now) {
        let eye = Eye { started_at: now.awake, ..Eye::of(session) };
        self.by_launch.insert(session.launch, eye);
    }

    pub(super) fn forget(&mut self, launch: LaunchId) {
        self.by_launch.remove(&launch);
    }

    pub(super) fn note_listed(&mut self, launch: LaunchId, exit: Option<(ExitStatus, Vec<String>)>, activity: u64) {
        if let Some(eye) = self.by_launch.get_mut(&launch) {
            eye.dirty |= eye.activity != activity;
            eye.activity = activity;
            eye.exit = exit.or(eye.exit.take());
        }
    }

    pub(super) fn note_output(&mut self, launch: LaunchId) {
        if let Some(eye) = self.by_launch.get_mut(&launch) {
            eye.dirty = true;
        }
    }

    pub(super) fn note_head(&mut self, launch: LaunchId, head: &Sha, now: &Now) -> bool {
        let Some(eye) = self.by_launch.get_mut(&launch) else { return false };
        let moved = eye.head.as_ref().is_some_and(|seen| seen != head);
        if moved {
            eye.changed_at = now.awake;
        }
        eye.head = Some(head.clone());
        moved
    }

    /// The screen must be judged anew, although it looks the same.
    pub(super) fn rejudge(&mut self, launch: LaunchId) {
        if let Some(eye) = self.by_launch.get_mut(&launch) {
            (eye.judged, eye.dirty) = (None, true);
        }
    }

    pub(super) fn looked_for_fix(&self, task: &TaskId) -> bool {
        self.fixes.contains(task)
    }

    pub(super) fn note_no_fix(&mut self, task: &TaskId) {
        self.fixes.insert(task.clone());
    }

    pub(super) fn forget_fix(&mut self, task: &TaskId) {
        self.fixes.remove(task);
    }

    pub(super) fn saved_for_removal(&self, task: &TaskId) -> bool {
        self.cleared.contains(task)
    }

    pub(super) fn gave_up(&self, launch: LaunchId) -> bool {
        self.hopeless.contains(&launch)
    }

    pub(super) fn give_up(&mut self, launch: LaunchId) {
        self.hopeless.insert(launch);
    }

    pub(super) fn hope(&mut self, launch: LaunchId) {
        self.hopeless.remove(&launch);
    }

    /// A pull request as seen just now: older sights do not justify a merge.
    pub(super) fn fresh_pull(&self, task: &TaskId, now: &Now) -> Option<&SeenPull> {
        let (seen, at) = self.pulls.get(task)?;
        seen.as_ref().filter(|_| now.awake.since(*at) <= FRESH)
    }

    pub(super) fn was_unreachable(&self, task: &TaskId) -> bool {
        self.pulls.get(task).is_some_and(|(seen, _)| seen.is_none())
    }

    pub(super) fn note_pull(&mut self, task: &TaskId, seen: Option<SeenPull>, now: &Now) {
        self.pulls.insert(task.clone(), (seen, now.awake));
    }

    pub(super) fn forget_pull(&mut self, task: &TaskId) {
        self.pulls.remove(task);
    }

    /// Where bases stand is not known any more: something was merged.
    pub(super) fn forget_pulls(&mut self) {
        self.pulls.clear();
    }

    fn pull_due(&self, task: &TaskId, interval: Millis, now: &Now) -> Millis {
        self.pulls.get(task).map_or(Millis(0), |(_, at)| Millis(interval.0.saturating_sub(now.awake.since(*at).0)))
    }
}

impl Orchestrator {
    /// Records time in which this process could see nothing, so that it does not count as silence.
    pub(super) fn notice_gap(&mut self, pass: &mut Pass<'_>) {
        let now = pass.now;
        let late = self.eyes.promised.filter(|due| now.awake.since(*due) > LATE).map(|due| now.awake.since(due));
        if let Some(lasted) = late {
            self.record(pass, None, Record::Gap { what: "stopped".to_owned(), lasted });
            for eye in self.eyes.by_launch.values_mut() {
                eye.changed_at = eye.changed_at + lasted;
            }
        }
        if let Some(last) = &self.last_tick {
            let (wall, awake) = (now.wall.since(last.wall), now.awake.since(last.awake));
            if wall.0.saturating_sub(awake.0) > LATE.0 && now.boot == last.boot {
                let lasted = Millis(wall.0 - awake.0);
                self.record(pass, None, Record::Gap { what: "suspend".to_owned(), lasted });
            }
        }
        self.last_tick = Some(now.clone());
        self.eyes.promised = None;
    }

    /// Time passed: looks at every session and everything that waits for a time.
    pub(super) fn on_tick(&mut self, pass: &mut Pass<'_>) {
        let due = |task: &TaskState| task.not_before.is_some_and(|at| at <= pass.now.wall) || task.session.is_some();
        let waiting: Vec<TaskId> = self.queues.sessions().chain(self.queues.published()).cloned().collect();
        pass.dirty.extend(waiting);
        pass.dirty.extend(self.queues.slots().filter(|id| self.state.tasks.get(*id).is_some_and(due)).cloned());
        for task in self.queues.sessions().cloned().collect::<Vec<_>>() {
            self.watch(pass, &task);
        }
        if pass.now.awake.since(self.eyes.marks_at) >= self.config.limits.heartbeat {
            self.heartbeat(pass);
        }
    }

    fn heartbeat(&mut self, pass: &mut Pass<'_>) {
        self.eyes.marks_at = pass.now.awake;
        self.record_marks(pass, false);
        self.ask_sessions(pass);
        for task in self.queues.sessions().cloned().collect::<Vec<_>>() {
            let working = self.live(&task).is_some_and(|(_, session)| session.purpose != Purpose::Verify);
            let look = Look::Work(task);
            if working && self.eyes.ask(&look) {
                pass.looks.insert(look);
            }
        }
    }

    pub(super) fn ask_sessions(&mut self, pass: &mut Pass<'_>) {
        if self.eyes.ask(&Look::Sessions) {
            self.eyes.listed_at = Some(pass.now.awake);
            pass.looks.insert(Look::Sessions);
        } else {
            // The list under way may have been made before what is asked about.
            self.eyes.list_again = true;
        }
    }

    /// Journals marks of life that changed.
    pub(super) fn record_marks(&mut self, pass: &mut Pass<'_>, leaving: bool) {
        if leaving {
            self.eyes.marks_at = pass.now.awake;
        }
        for task in self.queues.sessions().cloned().collect::<Vec<_>>() {
            let Some((_, session)) = self.live(&task) else { continue };
            let launch = session.launch;
            let marks = self.eyes.by_launch.get(&launch).map(|eye| eye.marks(launch));
            if let Some(marks) = marks.filter(|marks| *marks != session.marks) {
                self.record(pass, Some(task), Record::Progress(marks));
            }
        }
    }

    pub(super) fn live(&self, task: &TaskId) -> Option<(&TaskState, &Session)> {
        let state = self.state.tasks.get(task)?;
        Some((state, state.session.as_ref().filter(|session| session.is_live())?))
    }

    /// A session's screen was looked at.
    pub(super) fn on_screen(&mut self, pass: &mut Pass<'_>, view: &ScreenView) {
        self.eyes.answered(&Look::Screen(view.launch));
        let Some(task) = self.task_of_launch(view.launch) else { return };
        let Some((state, session)) = self.live(&task) else { return };
        let troubled = state.trouble.is_some();
        let echo = session.poked && session.typed_at.is_some_and(|at| pass.now.awake.since(at) < ECHO);
        let Some(eye) = self.eyes.by_launch.get_mut(&view.launch) else { return };
        let seen = Fingerprint::of(&view.text);
        let before = eye.screen.replace((seen, view.text.clone())).map(|(before, _)| before);
        eye.looked_at = Some(pass.now.awake);
        eye.dirty = false;
        let changed = before != Some(seen) && !echo && (before.is_some() || !view.text.trim().is_empty());
        if changed {
            eye.changed_at = pass.now.awake;
        }
        let repeats = screen::repeats(&view.text);
        eye.repeats_since = repeats.then(|| eye.repeats_since.unwrap_or(pass.now.awake));
        if changed && troubled {
            let marks = eye.marks(view.launch);
            self.record(pass, Some(task.clone()), Record::Progress(marks));
        }
        self.watch(pass, &task);
    }

    /// Judges one session by what was seen of it: its prompt, its silence, its loops, its time.
    pub(super) fn watch(&mut self, pass: &mut Pass<'_>, task: &TaskId) {
        let Some((state, session)) = self.live(task) else { return };
        let (launch, purpose, launched_at) = (session.launch, session.purpose, session.launched_at);
        let hands_off = session.person_at.is_some_and(|at| pass.now.awake.since(at) < self.config.limits.hands_off);
        let held = self.is_paused(state) || state.needs_human || hands_off;
        if state.open.is_some() || state.unanswered.is_some() {
            return;
        }
        let Some(eye) = self.eyes.by_launch.get(&launch) else { return };
        if eye.exit.is_some() {
            pass.dirty.insert(task.clone());
            return;
        }
        if eye.dirty {
            let due = eye.looked_at.is_none_or(|at| pass.now.awake.since(at) >= self.config.limits.screen_interval);
            if due && self.eyes.ask(&Look::Screen(launch)) {
                pass.looks.insert(Look::Screen(launch));
            }
        }
        if purpose == Purpose::Verify {
            let limit = self.config.limits.verify_timeout;
            if pass.now.awake.since(launched_at) >= limit {
                let detail = format!("the verify command did not end within {limit}");
                self.judge_live(pass, task, launch, "verify_timeout", Evidence::default(), |case| {
                    (case.signal, case.detail) = (Signal::VerifyTimedOut, detail);
                });
            }
            return;
        }
        if held {
            return;
        }
        if !self.judge_screen(pass, task, launch) {
            self.judge_silence(pass, task, launch);
        }
    }

    /// Judges a screen that stands still; whether it led to a verdict.
    fn judge_screen(&mut self, pass: &mut Pass<'_>, task: &TaskId, launch: LaunchId) -> bool {
        let (Some(eye), Some((state, session))) = (self.eyes.by_launch.get(&launch), self.live(task)) else {
            return false;
        };
        let Some((seen, text)) = eye.screen.clone() else { return false };
        let since = eye.repeats_since.filter(|since| pass.now.awake.since(*since) >= self.config.limits.loop_after);
        if let Some(since) = since {
            let detail = format!("the same lines for {}", pass.now.awake.since(since));
            self.judge_live(pass, task, launch, "repeats", Evidence::default(), |case| {
                (case.signal, case.detail) = (Signal::Loop, detail);
            });
            return true;
        }
        let still = pass.now.awake.since(eye.changed_at) >= self.config.limits.settle;
        let answered = session.typed_at.is_some_and(|at| at >= eye.changed_at);
        if eye.dirty || !still || answered || eye.judged == Some(seen) {
            return false;
        }
        let reading = screen::read(&text);
        let line = crate::prompt::one_line(&reading.line);
        let same = state.prompt.filter(|(prompt, _)| *prompt == Fingerprint::of(&line)).map_or(0, |(_, count)| count);
        if let Some(eye) = self.eyes.by_launch.get_mut(&launch) {
            eye.judged = Some(seen);
        }
        let (signal, answer) = match reading.sign {
            Sign::Prompt { answer } => (Signal::Prompt, Some(answer)),
            Sign::Dialog => (Signal::Dialog, None),
            Sign::Trouble | Sign::ShellPrompt | Sign::Plain => return false,
        };
        let evidence = Evidence { line: Some(line.clone()), screen: Some(seen), ..Evidence::default() };
        self.judge_live(pass, task, launch, reading.rule, evidence, |case| {
            (case.signal, case.detail, case.answer, case.same_prompt) = (signal, line, answer, same);
        });
        true
    }

    fn judge_silence(&mut self, pass: &mut Pass<'_>, task: &TaskId, launch: LaunchId) {
        let (Some(eye), Some((_, session))) = (self.eyes.by_launch.get(&launch), self.live(task)) else { return };
        let silent = pass.now.awake.since(eye.changed_at);
        let limits = &self.config.limits;
        let stage = silent >= limits.restart_after
            || silent >= limits.poke_after && !session.poked
            || silent >= limits.suspect_after && !session.suspected;
        if !stage {
            return;
        }
        let text = eye.screen.as_ref().map(|(_, text)| text.as_str()).unwrap_or_default();
        let reading = screen::read(text);
        let line_input = matches!(reading.sign, Sign::ShellPrompt | Sign::Plain);
        let evidence = Evidence { line: Some(crate::prompt::one_line(&reading.line)), ..Evidence::default() };
        self.judge_live(pass, task, launch, "silence", evidence, |case| {
            case.signal = Signal::Silent;
            case.detail = format!("nothing changed for {silent}");
            (case.silent, case.line_input) = (silent, line_input);
        });
    }

    fn judge_live(
        &mut self,
        pass: &mut Pass<'_>,
        task: &TaskId,
        launch: LaunchId,
        rule: &str,
        evidence: Evidence,
        fill: impl FnOnce(&mut Case),
    ) {
        let mut case = self.case(task, Signal::Silent, "");
        fill(&mut case);
        let verdict = Verdict { launch: Some(launch), rule: rule.to_owned(), evidence, case };
        let first = pass.records.len();
        self.record(pass, Some(task.clone()), Record::Verdict(Box::new(verdict)));
        self.advance(pass, task);
        let typed = pass.records[first..].iter().find_map(|entry| match &entry.record {
            Record::Remedy { decision, .. } if entry.task.as_ref() == Some(task) => typed_by(&decision.remedy),
            _ => None,
        });
        if let Some(input) = typed {
            let expected = self.eyes.by_launch.get(&launch).and_then(|eye| eye.screen.as_ref()).map(|(seen, _)| *seen);
            self.record(pass, Some(task.clone()), Record::Effect { effect: Effect::Input { launch, input, expected } });
        }
    }

    /// What comes next for sessions, and when.
    pub fn next_deadline(&mut self, now: &Now) -> Option<Deadline> {
        let mut soonest: Option<Deadline> = None;
        let mut at = |after: Millis, reason: &'static str| {
            if soonest.as_ref().is_none_or(|deadline| after < deadline.after) {
                soonest = Some(Deadline { after, reason });
            }
        };
        let limits = &self.config.limits;
        let left = |span: Millis, since: AwakeMs| Millis(span.0.saturating_sub(now.awake.since(since).0));
        for task in self.queues.sessions() {
            let Some(state) = self.state.tasks.get(task) else { continue };
            let Some(session) = state.session.as_ref().filter(|_| state.open.is_none()) else { continue };
            let given_up = self.eyes.gave_up(session.launch) || self.is_paused(state);
            if let (true, Some(asked)) = (session.teardown && !given_up, session.asked_at) {
                at(left(limits.ask_grace, asked), "kill");
            }
            let Some(eye) = self.eyes.by_launch.get(&session.launch).filter(|_| session.is_live()) else { continue };
            let looking = self.eyes.asked.contains(&Look::Screen(session.launch));
            if let (true, Some(looked)) = (eye.dirty && !looking, eye.looked_at) {
                at(left(limits.screen_interval, looked), "screen");
            }
            if session.purpose == Purpose::Verify {
                at(left(limits.verify_timeout, session.launched_at), "verify");
                continue;
            }
            if state.needs_human || self.is_paused(state) {
                continue;
            }
            if let Some(person) = session.person_at.filter(|at| now.awake.since(*at) < limits.hands_off) {
                at(left(limits.hands_off, person), "hands-off");
                continue;
            }
            let unread = !eye.dirty && eye.screen.as_ref().is_some_and(|(seen, _)| eye.judged != Some(*seen));
            if unread && session.typed_at.is_none_or(|typed| typed < eye.changed_at) {
                at(left(limits.settle, eye.changed_at), "settle");
            }
            if let Some(since) = eye.repeats_since {
                at(left(limits.loop_after, since), "loop");
            }
            let stage = match (session.suspected, session.poked) {
                (false, _) => limits.suspect_after,
                (true, false) => limits.poke_after,
                (true, true) => limits.restart_after,
            };
            at(left(stage, eye.changed_at), "silence");
        }
        if self.queues.sessions().next().is_some() {
            at(left(limits.heartbeat, self.eyes.marks_at), "heartbeat");
        }
        let waiting = self.queues.retrying().chain(self.queues.slots()).chain(self.queues.published());
        for state in waiting.filter_map(|task| self.state.tasks.get(task)) {
            if let Some(due) = state.not_before.filter(|due| *due > now.wall && !state.needs_human) {
                at(due.since(now.wall), "retry");
            }
        }
        for task in self.queues.published() {
            let followed = self.state.tasks.get(task).is_some_and(is_followed);
            let due = self.eyes.pull_due(task, limits.pull_interval, now);
            if followed && !self.eyes.asked.contains(&Look::Pull(task.clone())) {
                at(due.max(Millis(20)), "pull");
            }
        }
        self.eyes.promised = soonest.as_ref().map(|deadline| now.awake + deadline.after);
        soonest
    }

    pub(super) fn pull_is_due(&self, task: &TaskId, now: &Now) -> bool {
        self.eyes.pull_due(task, self.config.limits.pull_interval, now) == Millis(0)
    }
}

/// What a remedy types into a live session.
fn typed_by(remedy: &Remedy) -> Option<SessionInput> {
    match remedy {
        Remedy::Answer { input } | Remedy::Poke { input } => Some(input.clone()),
        Remedy::Look
        | Remedy::Resume { .. }
        | Remedy::Restart { .. }
        | Remedy::Rework { .. }
        | Remedy::AskCommit
        | Remedy::Commit
        | Remedy::Verify
        | Remedy::Accept
        | Remedy::Wait { .. }
        | Remedy::Escalate => None,
    }
}

/// Whether a task's pull request is looked at from time to time.
pub(super) fn is_followed(task: &TaskState) -> bool {
    let published = task.status == Status::PrOpen || task.status == Status::Error && task.pull.is_some();
    published && task.todo.is_none() && task.open.is_none() && task.session.is_none() && !task.in_base
}
