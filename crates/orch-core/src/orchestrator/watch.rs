//! Watching live sessions: what was seen last, when silence becomes a signal, when to look again.

use super::eyes::Eye;
use super::{Orchestrator, Pass};
use crate::backend::{Fingerprint, ScreenView};
use crate::effect::{Look, Purpose};
use crate::heal::{Case, Signal};
use crate::id::{LaunchId, TaskId};
use crate::record::{Evidence, Record, Verdict};
use crate::screen::{self, Sign};
use crate::state::{DeliveryStep, Session, TaskState};
use crate::status::Status;
use crate::time::Millis;

/// Output this soon after a poke is the poke's own echo, not a sign of life.
const ECHO: Millis = Millis(2000);
/// A screen that shows nothing for so long belongs to a program that says nothing before it is told something.
const BLANK: Millis = Millis(5000);
/// A call that comes this much later than asked for means that this process was stopped.
const LATE: Millis = Millis::from_secs(60);

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
            // What happened meanwhile is listed before anything is judged.
            self.eyes.listed = false;
            self.ask_sessions(pass);
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
        let due = self.queues.take_due(pass.now.wall);
        self.eyes.merges_due |= !due.is_empty();
        pass.dirty.extend(due);
        pass.dirty.extend(self.eyes.take_due(pass.now));
        for task in self.queues.sessions().cloned().collect::<Vec<_>>() {
            self.watch(pass, &task);
            pass.dirty.insert(task);
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
        let entered = session.delivery.is_some_and(|delivery| delivery.entered_at().is_some());
        let echo = session.pokes > 0 && session.typed_at.is_some_and(|at| pass.now.awake.since(at) < ECHO);
        let Some(eye) = self.eyes.by_launch.get_mut(&view.launch) else { return };
        let seen = Fingerprint::of(&view.text);
        let before = eye.screen.replace((seen, Some(view.text.clone()))).map(|(before, _)| before);
        eye.looked_at = Some(pass.now.awake);
        eye.dirty = false;
        let repeats = screen::repeats(&view.text);
        let new = before.is_some() || !view.text.trim().is_empty();
        // A program that says nothing still moves the cursor when it is given a line.
        let row = std::mem::replace(&mut eye.cursor, view.cursor_row);
        let taken = entered && row.is_some() && row != view.cursor_row;
        let changed = (before != Some(seen) || taken) && new && !echo && !repeats;
        if before != Some(seen) {
            eye.judged = None;
        }
        if changed {
            eye.changed_at = pass.now.awake;
        }
        eye.repeats_since = repeats.then(|| eye.repeats_since.unwrap_or(pass.now.awake));
        if changed && (troubled || entered) {
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
        if state.open.is_some() || state.unanswered.is_some() || state.typing.is_some() || !self.eyes.listed {
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
        let judged = self.judge_screen(pass, task, launch) || self.judge_readiness(pass, task, launch);
        if !judged {
            self.judge_silence(pass, task, launch);
        }
    }

    /// Judges a screen that stands still; whether it led to a verdict.
    fn judge_screen(&mut self, pass: &mut Pass<'_>, task: &TaskId, launch: LaunchId) -> bool {
        let (Some(eye), Some((state, session))) = (self.eyes.by_launch.get(&launch), self.live(task)) else {
            return false;
        };
        let since = eye.repeats_since.filter(|since| pass.now.awake.since(*since) >= self.config.limits.loop_after);
        if let Some(since) = since {
            let detail = format!("the same lines for {}", pass.now.awake.since(since));
            self.judge_live(pass, task, launch, "repeats", Evidence::default(), |case| {
                (case.signal, case.detail) = (Signal::Loop, detail);
            });
            return true;
        }
        let still = pass.now.awake.since(eye.stirred_at(session)) >= self.config.limits.settle;
        let Some((seen, text)) = eye.unread(session).filter(|_| still) else { return false };
        let reading = screen::read(text);
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

    /// Judges whether an agent that waits for its prompt takes input; whether it led to a verdict.
    fn judge_readiness(&mut self, pass: &mut Pass<'_>, task: &TaskId, launch: LaunchId) -> bool {
        let (Some(eye), Some((_, session))) = (self.eyes.by_launch.get(&launch), self.live(task)) else {
            return false;
        };
        if session.delivery.is_none_or(|delivery| delivery.step != DeliveryStep::Waits) {
            return false;
        }
        let (still, patience) = (pass.now.awake.since(eye.stirred_at(session)), self.config.limits.suspect_after);
        let screen = eye.screen.as_ref().filter(|_| !eye.dirty).map(|(seen, _)| *seen);
        let evidence = Evidence { screen, ..Evidence::default() };
        if screen.is_some() && still >= self.readiness_after(eye) {
            self.judge_live(pass, task, launch, "stands-still", evidence, |case| {
                (case.signal, case.detail) = (Signal::Ready, format!("its screen stands still for {still}"));
            });
            return true;
        }
        let waited = pass.now.awake.since(session.launched_at);
        if waited < patience {
            return false;
        }
        self.judge_live(pass, task, launch, "never-still", evidence, |case| {
            (case.signal, case.detail) = (Signal::Undelivered, format!("its screen did not stand still for {waited}"));
        });
        true
    }

    /// How long a screen must stand still before it takes the prompt.
    pub(super) fn readiness_after(&self, eye: &Eye) -> Millis {
        let blank = eye.text().is_none_or(|text| text.trim().is_empty());
        let ready_after = self.config.limits.ready_after;
        if blank { ready_after.max(BLANK) } else { ready_after }
    }

    fn judge_silence(&mut self, pass: &mut Pass<'_>, task: &TaskId, launch: LaunchId) {
        let (Some(eye), Some((_, session))) = (self.eyes.by_launch.get(&launch), self.live(task)) else { return };
        let silent = pass.now.awake.since(eye.changed_at);
        if silent < self.next_stage(eye, session) || eye.looked_at.is_none() {
            return;
        }
        // What is being looked at just now may end the silence.
        if self.eyes.asked.contains(&Look::Screen(launch)) {
            return;
        }
        let screen = eye.screen.as_ref().map(|(seen, _)| *seen);
        let reading = eye.text().map(screen::read);
        let line_input = takes_a_line(eye);
        let line = reading.map(|reading| crate::prompt::one_line(&reading.line));
        let evidence = Evidence { line, screen, ..Evidence::default() };
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
        self.record(pass, Some(task.clone()), Record::Verdict(Box::new(verdict)));
        self.advance(pass, task);
    }

    /// The length of silence at which the next thing is done about it.
    pub(super) fn next_stage(&self, eye: &Eye, session: &Session) -> Millis {
        let limits = &self.config.limits;
        let poked_at = session.typed_at.map_or(Millis(0), |at| at.since(eye.changed_at));
        let stage = match (session.suspected, session.pokes) {
            (false, _) => limits.suspect_after,
            (true, 0) => limits.poke_after,
            // A program that draws itself anew gets the time to do so before its line input is trusted.
            (true, 1) if takes_a_line(eye) => Millis(poked_at.0 + ECHO.0).max(limits.poke_after),
            (true, _) => limits.restart_after,
        };
        stage.min(limits.restart_after)
    }
}

/// Whether the screen takes plain line input, so that keys do what they say.
fn takes_a_line(eye: &Eye) -> bool {
    eye.text().is_some_and(|text| matches!(screen::read(text).sign, Sign::ShellPrompt | Sign::Plain))
}

/// Whether a task's pull request is looked at from time to time.
pub(super) fn is_followed(task: &TaskState) -> bool {
    let published = task.status == Status::PrOpen || task.status == Status::Error && task.pull.is_some();
    published && task.todo.is_none() && task.open.is_none() && task.session.is_none() && !task.in_base
}
