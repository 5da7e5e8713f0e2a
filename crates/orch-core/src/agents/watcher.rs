//! Watches sessions that belong to no task, by the rules and the policy of tasks' agents.

use crate::agents::sight::Sight;
use crate::base::id::AttemptNo;
use crate::base::time::{Millis, Now};
use crate::heal::{Case, Decision, HealPolicy, Limits, Remedy, Signal};
use crate::ports::{ExitStatus, Fingerprint, ScreenView, SessionInput};
use crate::state::Treatment;

/// Watches one session: what it shows goes in, what is to be done about it comes out.
///
/// Call [`Watcher::see`] with each look at its screen and [`Watcher::judge`] whenever
/// [`Watcher::deadline`] is due. What [`Watcher::judge`] decides counts as done.
#[derive(Debug, Clone)]
pub struct Watcher {
    sight: Sight,
    treatment: Treatment,
    asked: Option<(Fingerprint, u32)>,
    relaunches: u32,
    poke: SessionInput,
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

impl Watcher {
    /// A session that begins to be watched now; `poke` is what wakes its agent.
    pub fn new(poke: SessionInput, now: &Now) -> Self {
        let sight = Sight::new(now.awake, None);
        Self { sight, treatment: Treatment::default(), asked: None, relaunches: 0, poke }
    }

    /// The session goes on in another process, which conversation `relaunches` of it were started before.
    #[must_use]
    pub fn resumed(self, now: &Now) -> Self {
        Self { relaunches: self.relaunches + 1, ..Self::new(self.poke, now) }
    }

    /// It printed something.
    pub fn printed(&mut self) {
        self.sight.dirty = true;
    }

    /// Whether its screen is to be looked at now.
    pub fn wants_look(&self, limits: &Limits, now: &Now) -> bool {
        self.sight.wants_look(limits, now)
    }

    /// Notes a look at its screen; whether it got on.
    pub fn see(&mut self, view: &ScreenView, now: &Now) -> bool {
        let changed = self.sight.see(view, &self.treatment, now);
        if changed {
            (self.treatment.suspected, self.treatment.pokes) = (false, 0);
        }
        changed
    }

    /// Since when nothing changed.
    pub fn silent_for(&self, now: &Now) -> Millis {
        now.awake.since(self.sight.changed_at)
    }

    /// Decides what is to be done by what its screen shows.
    pub fn judge(&mut self, policy: &dyn HealPolicy, limits: &Limits, now: &Now) -> Option<Finding> {
        let judgement = self
            .sight
            .judge_screen(&self.treatment, limits, now)
            .or_else(|| self.sight.judge_silence(&self.treatment, limits, now))?;
        let (rule, screen, detail) = (judgement.rule, judgement.screen, judgement.detail.clone());
        let line = judgement.line.as_deref().map(Fingerprint::of);
        let mut case = self.case(judgement.signal);
        judgement.fill(&mut case, self.asked);
        let decision = policy.decide(&case, limits, now.wall);
        self.treat(&decision.remedy, screen, line, now);
        Some(Finding { signal: case.signal, rule, detail, screen, decision })
    }

    /// Decides what is to be done about its end; `None` when it ended well.
    pub fn ended(
        &self,
        exit: Option<ExitStatus>,
        policy: &dyn HealPolicy,
        limits: &Limits,
        now: &Now,
    ) -> Option<Finding> {
        let (signal, rule, detail) = match exit {
            Some(ExitStatus { code: Some(0), .. }) => return None,
            None | Some(ExitStatus { code: None, signal: None }) => {
                (Signal::Lost, "exit-unknown", "it ended and nobody knows how".to_owned())
            }
            Some(exit) => (Signal::Failed, "exit-status", exit.to_string()),
        };
        let case = Case { detail: detail.clone(), ..self.case(signal) };
        let decision = policy.decide(&case, limits, now.wall);
        Some(Finding { signal, rule, detail, screen: None, decision })
    }

    /// When it is to be judged or looked at again, if nothing happens.
    pub fn deadline(&self, limits: &Limits, now: &Now) -> Millis {
        let look = self.sight.dirty.then(|| self.sight.looked_at.unwrap_or_default() + limits.screen_interval);
        let judge = self.sight.deadlines(&self.treatment, limits).into_iter().map(|(at, _)| at);
        let soonest = judge.chain(look).min().unwrap_or(now.awake + limits.heartbeat);
        soonest.since(now.awake).min(limits.heartbeat)
    }

    fn treat(&mut self, remedy: &Remedy, screen: Option<Fingerprint>, line: Option<Fingerprint>, now: &Now) {
        match remedy {
            Remedy::Answer { .. } => {
                let before = self.asked.filter(|(seen, _)| Some(*seen) == line).map_or(0, |(_, count)| count);
                self.asked = line.map(|line| (line, before + 1));
                (self.treatment.typed_at, self.treatment.answered) = (Some(now.awake), screen);
            }
            Remedy::Look => self.treatment.suspected = true,
            Remedy::Poke { .. } => {
                self.treatment.suspected = true;
                self.treatment.pokes += 1;
                self.treatment.typed_at = Some(now.awake);
                self.sight.look_again(false);
            }
            _ => self.sight.rebase(now),
        }
    }

    fn case(&self, signal: Signal) -> Case {
        Case {
            signal,
            detail: String::new(),
            attempt: AttemptNo(1),
            failures: 1,
            feedback_rounds: 0,
            relaunches: self.relaunches,
            local: false,
            delays: 0,
            same_prompt: 0,
            answer: None,
            poke: self.poke.clone(),
            silent: Millis(0),
            pokes: self.treatment.pokes,
            line_input: false,
            asked_to_commit: false,
            committed: 0,
            nested: Vec::new(),
            foreign_dirt: Vec::new(),
            reset_at: None,
            provider: String::new(),
            outage: None,
            spread: 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::id::LaunchId;
    use crate::base::time::{AwakeMs, BootId, Timestamp};
    use crate::heal::DefaultPolicy;
    use crate::ports::Key;

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
        let mut watcher = Watcher::new(SessionInput { text: None, keys: vec![Key::Enter] }, &at(0));
        let mut told = String::from("\n");
        let mut shows = shows.iter().peekable();
        let mut shown = "";
        for second in 0..=until {
            let now = at(second);
            if let Some((_, text)) = shows.next_if(|(due, _)| *due == second) {
                shown = text;
                watcher.printed();
            }
            if watcher.wants_look(&limits, &now) {
                watcher.see(&screen(shown), &now);
            }
            while let Some(found) = watcher.judge(&DefaultPolicy, &limits, &now) {
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
        let watcher = Watcher::new(SessionInput::default(), &at(0));
        let end = |code, signal| {
            let exit = Some(ExitStatus { code, signal });
            watcher.ended(exit, &DefaultPolicy, &Limits::default(), &at(1)).map(|found| found.signal)
        };
        assert_eq!(end(Some(0), None), None);
        assert_eq!(end(Some(3), None), Some(Signal::Failed));
        assert_eq!(end(None, Some(9)), Some(Signal::Failed));
        assert_eq!(end(None, None), Some(Signal::Lost));
    }
}
