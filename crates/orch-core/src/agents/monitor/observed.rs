//! What is seen of one live session, and what it means: the same rules for tasks and for sessions on
//! their own.

use crate::agents::screen::{self, Sign};
use crate::base::text;
use crate::base::time::{AwakeMs, Millis, Now};
use crate::heal::{Case, Limits, Signal};
use crate::ports::{Fingerprint, ScreenView, SessionInput};
use crate::state::{DeliveryStep, Plea, Treatment};

/// A screen that shows nothing for so long belongs to a program that says nothing before it is told something.
pub(crate) const BLANK: Millis = Millis(5000);
/// Output this soon after a poke is the poke's own echo, not a sign of life.
const ECHO: Millis = Millis(2000);

/// What was seen of a session's screen.
#[derive(Debug, Clone)]
pub(crate) struct Observed {
    /// When the screen or the work last changed.
    pub(crate) changed_at: AwakeMs,
    /// The screen when last looked at; its text, once this process looked.
    pub(crate) screen: Option<(Fingerprint, Option<String>)>,
    /// The row of the cursor when last looked at.
    cursor: Option<u32>,
    /// When this process last looked, with or without success.
    pub(crate) looked_at: Option<AwakeMs>,
    /// There may be something new on the screen.
    pub(crate) dirty: bool,
    pub(crate) repeats_since: Option<AwakeMs>,
    /// The screen that was judged and did not change since.
    judged: Option<Fingerprint>,
    /// Since when the screen does not show any more what a person was called for.
    gone_since: Option<AwakeMs>,
}

/// What a look at a session means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Judgement {
    pub(crate) signal: Signal,
    pub(crate) rule: &'static str,
    pub(crate) detail: String,
    /// The line of the screen that decided.
    pub(crate) line: Option<String>,
    pub(crate) screen: Option<Fingerprint>,
    pub(crate) answer: Option<SessionInput>,
    /// For [`Signal::Silent`]: how long.
    pub(crate) silent: Millis,
    /// For [`Signal::Silent`]: the screen takes plain line input, so that keys do what they say.
    pub(crate) line_input: bool,
}

impl Observed {
    /// A session that last changed then, and showed that screen.
    pub(crate) fn new(changed_at: AwakeMs, screen: Option<Fingerprint>) -> Self {
        Self {
            changed_at,
            screen: screen.map(|seen| (seen, None)),
            cursor: None,
            looked_at: None,
            dirty: true,
            repeats_since: None,
            judged: None,
            gone_since: None,
        }
    }

    /// The text of the screen, once this process looked.
    pub(crate) fn text(&self) -> Option<&str> {
        self.screen.as_ref()?.1.as_deref()
    }

    /// The screen, if nothing new is on it.
    pub(crate) fn current(&self) -> Option<Fingerprint> {
        self.screen.as_ref().filter(|_| !self.dirty).map(|(seen, _)| *seen)
    }

    /// Notes a look at the screen; whether it shows that the session got on.
    pub(crate) fn see(&mut self, view: &ScreenView, treatment: &Treatment, now: &Now) -> bool {
        let echo = treatment.pokes > 0 && treatment.typed_at.is_some_and(|at| now.awake.since(at) < ECHO);
        let seen = Fingerprint::of(&view.text);
        let before = self.screen.replace((seen, Some(view.text.clone()))).map(|(before, _)| before);
        let row = std::mem::replace(&mut self.cursor, view.cursor_row);
        self.looked_at = Some(now.awake);
        self.dirty = false;
        let repeats = screen::repeats(&view.text);
        let new = before.is_some() || !view.text.trim().is_empty();
        // A program that says nothing still moves the cursor when it is given a line.
        let taken = treatment.entered() && row.is_some() && row != view.cursor_row;
        let changed = (before != Some(seen) || taken) && new && !echo && !repeats;
        if before != Some(seen) {
            self.judged = None;
        }
        if changed {
            self.changed_at = now.awake;
        }
        self.repeats_since = repeats.then(|| self.repeats_since.unwrap_or(now.awake));
        changed
    }

    /// What is typed, or was to be, makes the screen worth a look; it is judged anew if nothing was typed.
    pub(crate) fn look_again(&mut self, judge: bool) {
        self.dirty = true;
        self.judged = self.judged.filter(|_| !judge);
    }

    /// Whether what a person was called for at a time is over by itself.
    pub(crate) fn needs_nobody(&mut self, plea: &Plea, since: AwakeMs, limits: &Limits, now: &Now) -> bool {
        match plea {
            // That nothing changed was all that was wrong.
            Plea { signal: Signal::Silent | Signal::Loop, .. } => self.changed_at > since,
            Plea { line: Some(line), .. } => self.is_gone(line, limits, now),
            Plea { line: None, .. } => false,
        }
    }

    /// Whether the line that a person was called for is gone from where it asked, and not for the blink
    /// of an seen in which a screen is drawn anew. Numbers may change: a clock is no answer.
    fn is_gone(&mut self, line: &str, limits: &Limits, now: &Now) -> bool {
        // What stands still is judged anew once nobody is waited for any more.
        self.judged = None;
        let Some(text) = self.text().filter(|_| !self.dirty) else { return false };
        let gone = text::masked(&text::one_line(&screen::read(text).line)) != text::masked(line);
        self.gone_since = gone.then(|| self.gone_since.unwrap_or(now.awake));
        self.gone_since.is_some_and(|since| now.awake.since(since) >= limits.settle)
    }

    /// When a line that is gone from the screen will have been gone for good.
    pub(crate) fn gone_at(&self, limits: &Limits) -> Option<AwakeMs> {
        self.gone_since.filter(|_| !self.dirty).map(|since| since + limits.settle)
    }

    /// Measures silence from now on.
    pub(crate) fn rebase(&mut self, now: &Now) {
        self.changed_at = now.awake;
        self.repeats_since = self.repeats_since.map(|_| now.awake);
    }

    /// Whether a look at the screen is due.
    pub(crate) fn wants_look(&self, limits: &Limits, now: &Now) -> bool {
        self.dirty && self.looked_at.is_none_or(|at| now.awake.since(at) >= limits.screen_interval)
    }

    /// Judges what was seen: a loop, a prompt, a dialog; whether an agent that waits for its prompt takes input;
    /// silence, unless what is being looked at just now may end it.
    pub(crate) fn judge(
        &mut self,
        treatment: &Treatment,
        limits: &Limits,
        now: &Now,
        looking: bool,
    ) -> Option<Judgement> {
        self.judge_screen(treatment, limits, now)
            .or_else(|| self.judge_readiness(treatment, limits, now))
            .or_else(|| self.judge_silence(treatment, limits, now).filter(|_| !looking))
    }

    /// Judges a screen that stands still.
    fn judge_screen(&mut self, treatment: &Treatment, limits: &Limits, now: &Now) -> Option<Judgement> {
        let looped = self.repeats_since.map(|since| now.awake.since(since)).filter(|span| *span >= limits.loop_after);
        if let Some(span) = looped {
            let detail = format!("the same lines for {span}");
            return Some(Judgement { signal: Signal::Loop, rule: "repeats", detail, ..Judgement::nothing() });
        }
        let still = now.awake.since(self.stirred_at(treatment)) >= limits.settle;
        let (seen, text) = self.unread(treatment).filter(|_| still)?;
        let reading = screen::read(text);
        let line = crate::base::text::one_line(&reading.line);
        self.judged = Some(seen);
        let (signal, answer) = match reading.sign {
            Sign::Prompt { answer } => (Signal::Prompt, Some(answer)),
            Sign::Dialog => (Signal::Dialog, None),
            Sign::Trouble | Sign::ShellPrompt | Sign::Plain => return None,
        };
        let (rule, detail, line, screen) = (reading.rule, line.clone(), Some(line), Some(seen));
        Some(Judgement { signal, rule, detail, line, screen, answer, ..Judgement::nothing() })
    }

    /// Judges whether an agent that waits for its prompt takes input.
    fn judge_readiness(&self, treatment: &Treatment, limits: &Limits, now: &Now) -> Option<Judgement> {
        treatment.delivery.filter(|delivery| delivery.step == DeliveryStep::Waits)?;
        let still = now.awake.since(self.stirred_at(treatment));
        let screen = self.current();
        if screen.is_some() && still >= self.readiness_after(limits) {
            let detail = format!("its screen stands still for {still}");
            return Some(Judgement {
                signal: Signal::Ready,
                rule: "stands-still",
                detail,
                screen,
                ..Judgement::nothing()
            });
        }
        let waited = now.awake.since(treatment.launched_at);
        let late = waited >= limits.suspect_after;
        late.then(|| Judgement {
            signal: Signal::Undelivered,
            rule: "never-still",
            detail: format!("its screen did not stand still for {waited}"),
            screen,
            ..Judgement::nothing()
        })
    }

    /// How long a screen must stand still before it takes the prompt.
    fn readiness_after(&self, limits: &Limits) -> Millis {
        if self.is_blank() { limits.ready_after.max(BLANK) } else { limits.ready_after }
    }

    /// Whether nothing was seen on the screen.
    pub(crate) fn is_blank(&self) -> bool {
        self.text().is_none_or(|text| text.trim().is_empty())
    }

    /// Judges silence, once its next stage is reached.
    fn judge_silence(&self, treatment: &Treatment, limits: &Limits, now: &Now) -> Option<Judgement> {
        let silent = now.awake.since(self.changed_at);
        if silent < self.next_stage(treatment, limits) || self.looked_at.is_none() {
            return None;
        }
        Some(Judgement {
            signal: Signal::Silent,
            rule: "silence",
            detail: format!("nothing changed for {silent}"),
            line: self.text().map(|text| crate::base::text::one_line(&screen::read(text).line)),
            screen: self.screen.as_ref().map(|(seen, _)| *seen),
            answer: None,
            silent,
            line_input: self.takes_a_line(),
        })
    }

    /// When the next judgement is due if nothing changes, and what for.
    pub(crate) fn deadlines(&self, treatment: &Treatment, limits: &Limits) -> Vec<(AwakeMs, &'static str)> {
        let mut due = vec![(self.changed_at + self.next_stage(treatment, limits), "silence")];
        if self.unread(treatment).is_some() {
            due.push((self.stirred_at(treatment) + limits.settle, "settle"));
        }
        due.extend(self.repeats_since.map(|since| (since + limits.loop_after, "loop")));
        if treatment.delivery.is_some_and(|delivery| delivery.step == DeliveryStep::Waits) {
            due.push((self.stirred_at(treatment) + self.readiness_after(limits), "ready"));
            due.push((treatment.launched_at + limits.suspect_after, "undelivered"));
        }
        due
    }

    /// When the screen last had a reason to change.
    pub(crate) fn stirred_at(&self, treatment: &Treatment) -> AwakeMs {
        treatment.typed_at.unwrap_or_default().max(self.changed_at)
    }

    /// The screen, if it was neither judged nor answered since it last changed.
    fn unread(&self, treatment: &Treatment) -> Option<(Fingerprint, &str)> {
        let (seen, text) = self.screen.as_ref().filter(|_| !self.dirty)?;
        let answered = treatment.answered == Some(*seen) && treatment.typed_at.is_some_and(|at| at >= self.changed_at);
        if answered || self.judged == Some(*seen) { None } else { Some((*seen, text.as_deref()?)) }
    }

    /// The length of silence at which the next thing is done about it.
    fn next_stage(&self, treatment: &Treatment, limits: &Limits) -> Millis {
        let poked_at = treatment.typed_at.map_or(Millis(0), |at| at.since(self.changed_at));
        let stage = match (treatment.suspected, treatment.pokes) {
            (false, _) => limits.suspect_after,
            (true, 0) => limits.poke_after,
            // A program that draws itself anew gets the time to do so before its line input is trusted.
            (true, 1) if self.takes_a_line() => Millis(poked_at.0 + ECHO.0).max(limits.poke_after),
            (true, _) => limits.restart_after,
        };
        stage.min(limits.restart_after)
    }

    /// Whether the screen takes plain line input, so that keys do what they say.
    fn takes_a_line(&self) -> bool {
        self.text().is_some_and(|text| matches!(screen::read(text).sign, Sign::ShellPrompt | Sign::Plain))
    }
}

impl Judgement {
    /// Puts what was seen into a case; `asked` is the line of the prompt answered last, and how often.
    pub(crate) fn fill(self, case: &mut Case, asked: Option<(Fingerprint, u32)>) {
        let line = self.line.as_deref().map(Fingerprint::of).filter(|_| self.signal != Signal::Silent);
        case.same_prompt = asked.filter(|(prompt, _)| Some(*prompt) == line).map_or(0, |(_, count)| count);
        (case.signal, case.detail, case.answer) = (self.signal, self.detail, self.answer);
        (case.silent, case.line_input) = (self.silent, self.line_input);
    }

    /// A prompt was typed, and Enter changed nothing.
    pub(crate) fn unheard() -> Self {
        let detail = "Enter changed nothing on its screen".to_owned();
        Self { signal: Signal::Undelivered, rule: "no-reaction", detail, ..Self::nothing() }
    }

    fn nothing() -> Self {
        Self {
            signal: Signal::Silent,
            rule: "",
            detail: String::new(),
            line: None,
            screen: None,
            answer: None,
            silent: Millis(0),
            line_input: false,
        }
    }
}
