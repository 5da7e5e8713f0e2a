//! What one session does, and what is to be done about it: the same rules for tasks' sessions and for those on their own.
//!
//! [`Observed`] judges what a session shows; the engine asks it for tasks and remembers in the journal what was done.
//! [`Monitor`] does that for a session that belongs to no task, and remembers by itself.

mod end;
mod observed;

pub(crate) use end::End;
pub use end::{EndStep, end_step};
pub(crate) use observed::{BLANK, Judgement, Observed};

use crate::base::time::{AwakeMs, Millis, Now};
use crate::heal::{Case, Decision, HealPolicy, Limits, Remedy, Signal};
use crate::ports::{ExitStatus, Fingerprint, Key, ScreenView, SessionInput};
use crate::state::{Delivery, Plea, Treatment, Wanted};

/// Watches one session: what it shows goes in, what is to be done about it comes out.
///
/// Call [`Monitor::see`] with each look at its screen and [`Monitor::judge`] whenever
/// [`Monitor::deadline`] is due. What [`Monitor::judge`] decides counts as done.
#[derive(Debug, Clone)]
pub struct Monitor {
    observed: Observed,
    treatment: Treatment,
    asked: Option<(Fingerprint, u32)>,
    relaunches: u32,
    /// Resumes in a row that waited for something outside.
    delays: u32,
    poke: SessionInput,
    /// What it is to be told first.
    prompt: Option<String>,
    /// What a person was called for, and when.
    plea: Option<(Plea, AwakeMs)>,
}

/// What was seen of a session, and what is to be done about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What it means.
    pub signal: Signal,
    /// The rule that said so.
    pub rule: &'static str,
    /// The evidence in one line.
    pub detail: String,
    /// The screen that it is about: an input that was decided on is only for this one.
    pub screen: Option<Fingerprint>,
    /// What to do, and why.
    pub decision: Decision,
}

impl Monitor {
    /// A session that begins to be watched now; `poke` is what wakes its agent.
    pub fn new(poke: SessionInput, now: &Now) -> Self {
        let observed = Observed::new(now.awake, None);
        let treatment = Treatment { launched_at: now.awake, ..Treatment::default() };
        Self { observed, treatment, asked: None, relaunches: 0, delays: 0, poke, prompt: None, plea: None }
    }

    /// The session is to be told this, once it stands still: [`Monitor::types`] says what is typed and when.
    #[must_use]
    pub fn with_prompt(mut self, text: String, resume: bool) -> Self {
        self.treatment.delivery = Some(Delivery::new(resume));
        self.prompt = Some(text);
        self
    }

    /// The session goes on in another process, because of a remedy.
    #[must_use]
    pub fn resumed(mut self, remedy: &Remedy) -> Self {
        let waited = matches!(remedy, Remedy::Resume { counted: false, .. });
        (self.relaunches, self.delays) =
            if waited { (self.relaunches, self.delays + 1) } else { (self.relaunches + 1, 0) };
        self
    }

    /// That process was started: all else is measured anew.
    #[must_use]
    pub fn started(self, now: &Now) -> Self {
        Self { relaunches: self.relaunches, delays: self.delays, ..Self::new(self.poke, now) }
    }

    /// It printed something.
    pub fn printed(&mut self) {
        self.observed.dirty = true;
    }

    /// Whether its screen is to be looked at now.
    pub fn wants_look(&self, limits: &Limits, now: &Now) -> bool {
        self.observed.wants_look(limits, now)
    }

    /// Notes a look at its screen; whether it got on.
    pub fn see(&mut self, view: &ScreenView, now: &Now) -> bool {
        let changed = self.observed.see(view, &self.treatment, now);
        if changed {
            (self.treatment.suspected, self.treatment.pokes) = (false, 0);
            let shown_at = self.observed.changed_at;
            self.treatment.delivery = self.treatment.delivery.filter(|delivery| !delivery.is_confirmed(shown_at));
        }
        changed
    }

    /// Since when nothing changed.
    pub fn silent_for(&self, now: &Now) -> Millis {
        now.awake.since(self.observed.changed_at)
    }

    /// Decides what is to be done by what its screen shows; nothing as long as a person is needed.
    pub fn judge(&mut self, policy: &dyn HealPolicy, limits: &Limits, now: &Now) -> Option<Finding> {
        if let Some((plea, since)) = &self.plea {
            if !self.observed.needs_nobody(plea, *since, limits, now) {
                return None;
            }
            self.plea = None;
        }
        let judgement =
            self.observed.judge(&self.treatment, limits, now, false).or_else(|| self.unheard(limits, now))?;
        let (rule, screen, detail) = (judgement.rule, judgement.screen, judgement.detail.clone());
        let said = judgement.line.clone();
        let line = said.as_deref().map(Fingerprint::of);
        let mut case = self.case(judgement.signal);
        judgement.fill(&mut case, self.asked);
        let decision = policy.decide(&case, limits, now.wall);
        self.treat(&decision.remedy, screen, line, now);
        if decision.remedy == Remedy::Escalate {
            self.plea = Some((Plea { signal: case.signal, line: said }, now.awake));
        }
        Some(Finding { signal: case.signal, rule, detail, screen, decision })
    }

    /// Whether it still has to be told its prompt.
    pub fn is_to_be_told(&self) -> bool {
        self.treatment.delivery.is_some()
    }

    /// What the delivery of its prompt wants typed now, and over which screen; [`Monitor::typed`] is told of it.
    pub fn types(&self, limits: &Limits, now: &Now) -> Option<(SessionInput, Option<Fingerprint>)> {
        match self.wanted(limits)? {
            Wanted::Paste(screen) => Some((SessionInput { text: self.prompt.clone(), keys: Vec::new() }, screen)),
            Wanted::Enter(at) if at <= now.awake && !self.observed.dirty => {
                Some((SessionInput { text: None, keys: vec![Key::Enter] }, None))
            }
            Wanted::Enter(_) | Wanted::GiveUp(_) => None,
        }
    }

    /// What [`Monitor::types`] wanted was typed, or was not because the screen was another one by then.
    pub fn typed(&mut self, input: &SessionInput, done: bool, now: &Now) {
        if let Some(delivery) = &mut self.treatment.delivery {
            delivery.begin(input, now.awake);
            delivery.end(input, Some(done), now.awake);
        }
        if input.text.is_some() {
            self.treatment.typed_at = Some(now.awake);
        }
        self.observed.look_again(!done);
    }

    fn wanted(&self, limits: &Limits) -> Option<Wanted> {
        self.treatment.delivery?.wanted(limits.enter_after, limits.confirm_after)
    }

    /// Its prompt was typed, and nothing shows that it was taken.
    fn unheard(&self, limits: &Limits, now: &Now) -> Option<Judgement> {
        match self.wanted(limits)? {
            Wanted::GiveUp(at) if at <= now.awake => Some(Judgement::unheard()),
            _ => None,
        }
    }

    /// Decides what is to be done about its end, by the last lines that it showed; `None` when it ended well.
    pub fn ended(
        &self,
        exit: Option<ExitStatus>,
        tail: &[String],
        policy: &dyn HealPolicy,
        limits: &Limits,
        now: &Now,
    ) -> Option<Finding> {
        let exit = exit.unwrap_or_default();
        if exit.code == Some(0) {
            return None;
        }
        let End { rule, signal, detail, reset } = End::of(exit, tail);
        let reset_at = reset.map(|reset| now.wall + reset);
        let case = Case { detail: detail.clone(), reset_at, ..self.case(signal) };
        let decision = policy.decide(&case, limits, now.wall);
        Some(Finding { signal, rule, detail, screen: None, decision })
    }

    /// When it is to be judged or looked at again, if nothing happens.
    pub fn deadline(&self, limits: &Limits, now: &Now) -> Millis {
        let look = self.observed.dirty.then(|| self.observed.looked_at.unwrap_or_default() + limits.screen_interval);
        let due: Vec<AwakeMs> = if self.plea.is_some() {
            self.observed.gone_at(limits).into_iter().collect()
        } else {
            let types = self.wanted(limits).map(|wanted| match wanted {
                Wanted::Paste(_) => now.awake,
                Wanted::Enter(at) | Wanted::GiveUp(at) => at,
            });
            let judged = self.observed.deadlines(&self.treatment, limits);
            judged.into_iter().map(|(at, _)| at).chain(types).collect()
        };
        let soonest = due.into_iter().chain(look).min().unwrap_or(now.awake + limits.heartbeat);
        soonest.since(now.awake).min(limits.heartbeat)
    }

    fn treat(&mut self, remedy: &Remedy, screen: Option<Fingerprint>, line: Option<Fingerprint>, now: &Now) {
        match remedy {
            Remedy::Answer { .. } => {
                let before = self.asked.filter(|(seen, _)| Some(*seen) == line).map_or(0, |(_, count)| count);
                self.asked = line.map(|line| (line, before + 1));
                (self.treatment.typed_at, self.treatment.answered) = (Some(now.awake), screen);
            }
            Remedy::Deliver => {
                if let Some(delivery) = &mut self.treatment.delivery {
                    delivery.is_due(screen, now.awake);
                }
            }
            Remedy::Look => self.treatment.suspected = true,
            Remedy::Poke { .. } => {
                self.treatment.suspected = true;
                self.treatment.pokes += 1;
                self.treatment.typed_at = Some(now.awake);
                self.observed.look_again(false);
            }
            _ => self.observed.rebase(now),
        }
    }

    fn case(&self, signal: Signal) -> Case {
        let (relaunches, delays, pokes) = (self.relaunches, self.delays, self.treatment.pokes);
        Case { relaunches, delays, pokes, poke: self.poke.clone(), ..Case::new(signal, "") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::id::LaunchId;
    use crate::base::time::{AwakeMs, BootId, Timestamp};
    use crate::heal::DefaultPolicy;

    fn at(secs: u64) -> Now {
        let wall = Timestamp::from_millis(0) + Millis::from_secs(secs);
        Now { wall, awake: AwakeMs(secs * 1000), boot: BootId("boot".into()) }
    }

    fn screen(text: &str) -> ScreenView {
        let (title, process) = (String::new(), String::new());
        ScreenView { launch: LaunchId(1), text: text.into(), title, process, cursor_row: None }
    }

    /// Plays what a session shows, second by second, and tells what was decided.
    fn told(shows: &[(u64, &str)], until: u64) -> String {
        let limits = Limits::default();
        let mut monitor = Monitor::new(SessionInput { text: None, keys: vec![Key::Enter] }, &at(0));
        let mut told = String::from("\n");
        let mut shows = shows.iter().peekable();
        let mut shown = "";
        for second in 0..=until {
            let now = at(second);
            if let Some((_, text)) = shows.next_if(|(due, _)| *due == second) {
                shown = text;
                monitor.printed();
            }
            if monitor.wants_look(&limits, &now) {
                monitor.see(&screen(shown), &now);
            }
            while let Some(found) = monitor.judge(&DefaultPolicy, &limits, &now) {
                told += &format!("{second:>4} {} => {}\n", found.signal, found.decision.reason);
            }
        }
        told
    }

    #[test]
    fn prompts_are_answered_and_dialogs_left_to_a_person() {
        let shows = [(1, "working"), (3, "Continue? [y/n]"), (5, "working on"), (8, "Password:")];
        insta::assert_snapshot!(told(&shows, 20), @r"
        4 prompt => answered: Continue? [y/n]
        9 dialog => a dialog that no blind key may answer: Password:
        ");
    }

    #[test]
    fn silence_is_suspected_poked_and_ended() {
        insta::assert_snapshot!(told(&[(1, "thinking")], 1300), @r"
         301 silent => nothing changed for 5m: suspected
         601 silent => nothing changed for 10m: asked to redraw
         603 silent => nothing changed for 10m 2s: poked
        1201 silent => no progress: nothing changed for 20m; the same attempt goes on
        ");
    }

    #[test]
    fn the_same_lines_again_and_again_are_a_loop() {
        let lines = "one\ntwo\n".repeat(20);
        insta::assert_snapshot!(told(&[(1, &lines)], 400), @r"
        300 silent => nothing changed for 5m: suspected
        301 loop => the same output again and again: the same lines for 5m; the same attempt goes on
        ");
    }

    #[test]
    fn a_good_end_needs_nothing() {
        let monitor = Monitor::new(SessionInput::default(), &at(0));
        let end = |code, signal| {
            let exit = Some(ExitStatus { code, signal });
            monitor.ended(exit, &[], &DefaultPolicy, &Limits::default(), &at(1)).map(|found| found.signal)
        };
        assert_eq!(end(Some(0), None), None);
        assert_eq!(end(Some(3), None), Some(Signal::Failed));
        assert_eq!(end(None, Some(9)), Some(Signal::Failed));
        assert_eq!(end(None, None), Some(Signal::Lost));
    }

    #[test]
    fn what_it_said_last_tells_limits_and_credentials_from_failures() {
        let monitor = Monitor::new(SessionInput::default(), &at(0));
        let end = |line: &str| {
            let exit = Some(ExitStatus { code: Some(1), signal: None });
            let tail = [line.to_owned()];
            let found = monitor.ended(exit, &tail, &DefaultPolicy, &Limits::default(), &at(1));
            found.map(|found| (found.signal, found.decision.remedy.name()))
        };
        assert_eq!(end("error: rate limit exceeded"), Some((Signal::Limited, "resume")));
        assert_eq!(end("invalid api key"), Some((Signal::Credentials, "escalate")));
        assert_eq!(end("assertion failed"), Some((Signal::Failed, "restart")));
    }

    /// Plays a program that is to be told `hello`, second by second, and tells what was typed and decided.
    fn delivered(answers: bool, asks: bool) -> String {
        let limits = Limits::default();
        let mut monitor = Monitor::new(SessionInput::default(), &at(0)).with_prompt("hello".to_owned(), false);
        let (mut told, mut shown) = (String::from("\n"), String::from(if asks { "Overwrite? [y/n]" } else { "ready" }));
        for second in 0..60 {
            let now = at(second);
            if monitor.wants_look(&limits, &now) {
                monitor.see(&screen(&shown), &now);
            }
            if let Some(found) = monitor.judge(&DefaultPolicy, &limits, &now) {
                told += &format!("{second:>4} {} => {}\n", found.signal, found.decision.remedy.name());
                if matches!(found.signal, Signal::Prompt | Signal::Undelivered) {
                    break;
                }
            }
            while let Some((input, expected)) = monitor.types(&limits, &now) {
                monitor.typed(&input, true, &now);
                told += &format!("{second:>4} {:?} {:?} {}\n", input.text, input.keys, expected.is_some());
                match input.text {
                    Some(text) => shown += &text,
                    None if answers => shown += "\nworking",
                    None => {}
                }
            }
            if !monitor.is_to_be_told() {
                return told + &format!("{second:>4} told\n");
            }
        }
        told
    }

    #[test]
    fn a_prompt_is_pasted_entered_and_confirmed() {
        insta::assert_snapshot!(delivered(true, false), @r#"
        2 ready => deliver
        2 Some("hello") [] true
        3 None [Enter] false
        4 told
        "#);
    }

    #[test]
    fn a_prompt_that_changes_nothing_is_entered_thrice_and_given_up() {
        insta::assert_snapshot!(delivered(false, false), @r#"
         2 ready => deliver
         2 Some("hello") [] true
         3 None [Enter] false
         5 None [Enter] false
         9 None [Enter] false
        17 undelivered => resume
        "#);
    }

    #[test]
    fn a_question_is_not_answered_by_a_prompt() {
        insta::assert_snapshot!(delivered(true, true), @"1 dialog => escalate");
    }
}
