//! What went wrong with a task, and what a remedy changes of it.

use super::{Delay, PULLS, SESSIONS, TaskState, Typing};
use crate::base::time::{AwakeMs, Timestamp};
use crate::heal::{Remedy, Signal};
use crate::journal::effect::{Effect, Purpose};
use crate::journal::record::{Todo, Verdict};
use crate::ports::{Failure, Fingerprint, SessionInput};

/// What went wrong with a task and what was done about it.
#[derive(Debug, Clone, Default)]
pub struct Healing {
    /// An effect that failed and that no verdict has judged yet.
    pub setback: Option<Box<Setback>>,
    /// A verdict that no remedy has answered yet.
    pub unanswered: Option<Verdict>,
    /// What the forge or the base sent the work back for last, until it is verified anew.
    pub sent_back: Option<Verdict>,
    /// What the last failed attempt came to: the retry context.
    pub lesson: Option<Verdict>,
    /// A remedy waits for progress after this awake time.
    pub trouble: Option<AwakeMs>,
    /// How often a person was called.
    pub calls: u32,
    /// What others were called for at the same time, if a person is told of it once for all.
    pub shared_call: Option<String>,
    /// When a person was called last.
    pub called_at: Option<Timestamp>,
    /// What a person was called for while the session lives.
    pub plea: Option<Plea>,
    /// Remedies so far, for reports.
    pub remedies: Vec<RemedyTaken>,
}

/// An effect that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setback {
    /// What was to be done.
    pub effect: Effect,
    /// Why it could not be done.
    pub failure: Failure,
}

/// What a person was called for, to know when nobody is needed any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plea {
    /// What the evidence meant.
    pub signal: Signal,
    /// The line of the screen that decided.
    pub line: Option<String>,
}

/// A remedy that was decided on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemedyTaken {
    /// When.
    pub at: Timestamp,
    /// Against what.
    pub signal: Signal,
    /// What.
    pub remedy: &'static str,
    /// Why.
    pub reason: String,
}

impl TaskState {
    pub(super) fn remedy(
        &mut self,
        signal: Signal,
        remedy: &Remedy,
        reason: &str,
        (awake, when): (AwakeMs, Timestamp),
    ) {
        let verdict = self.healing.unanswered.take();
        if signal.sends_back() {
            self.healing.sent_back.clone_from(&verdict);
        }
        let ends_session = !matches!(
            remedy,
            Remedy::Answer { .. }
                | Remedy::Deliver
                | Remedy::Look
                | Remedy::Poke { .. }
                | Remedy::Escalate
                | Remedy::Wait { .. }
        );
        // An agent is left to the person who is called; a verify command is of no use to anyone.
        let ends_session = ends_session || signal == Signal::VerifyTimedOut;
        if let Some(session) = self.session.as_mut().filter(|_| ends_session) {
            session.end();
        }
        match remedy {
            Remedy::Answer { input } => {
                let line = verdict.as_ref().and_then(|v| v.evidence.line.as_deref()).map(Fingerprint::of);
                let before =
                    self.conversation.answered.filter(|(seen, _)| Some(*seen) == line).map_or(0, |(_, count)| count);
                self.conversation.answered = line.map(|line| (line, before + 1));
                self.healing.trouble = Some(awake);
                self.will_type(verdict.as_ref(), input);
            }
            Remedy::Deliver => {
                let screen = verdict.as_ref().and_then(|verdict| verdict.evidence.screen);
                self.each_session(|session| session.each_delivery(|delivery| delivery.is_due(screen, awake)));
            }
            Remedy::Look => {
                self.healing.trouble = Some(awake);
                self.each_session(|session| session.suspected = true);
            }
            Remedy::Poke { input } => {
                self.healing.trouble = Some(awake);
                self.each_session(|session| (session.suspected, session.pokes) = (true, session.pokes + 1));
                self.will_type(verdict.as_ref(), input);
            }
            Remedy::Resume { at, counted } => {
                self.healing.trouble = Some(awake);
                self.attempt.relaunches += u32::from(*counted);
                let purpose = self.session.as_ref().map_or(Purpose::Work, |session| session.purpose);
                self.todo = Some(Todo::Launch { purpose, resume: purpose == Purpose::Work });
                self.waits.not_before = Some(*at);
            }
            Remedy::Restart { at } => {
                self.retries.failures += 1;
                self.close_attempt(verdict, *at);
            }
            Remedy::Rework { at } => {
                self.retries.feedback_rounds += 1;
                self.retries.failures = 0;
                self.close_attempt(verdict, *at);
            }
            Remedy::AskCommit => {
                self.healing.trouble = None;
                self.attempt.asked_to_commit = true;
                self.todo = Some(Todo::Launch { purpose: Purpose::AskCommit, resume: true });
            }
            Remedy::Commit => {
                self.healing.trouble = None;
                self.todo = Some(Todo::Commit);
            }
            Remedy::Verify => {
                self.healing.trouble = None;
                self.work.verifying.clone_from(&self.work.head);
                self.todo = Some(Todo::Launch { purpose: Purpose::Verify, resume: false });
            }
            Remedy::Accept if signal == Signal::PullMerged => self.publication.in_base = true,
            Remedy::Accept => {
                self.work.verified = self.work.verifying.take();
                self.note_verified();
                self.attempt.relaunches = 0;
                self.todo = None;
            }
            Remedy::Wait { at } => {
                self.delay(verdict.as_ref(), reason, *at, when);
                match self.session.as_mut().and_then(|session| session.ending.as_mut()) {
                    Some(ending) => ending.not_before = Some(*at),
                    None => self.waits.not_before = Some(*at),
                }
            }
            Remedy::Escalate => {
                self.needs_human = true;
                (self.healing.calls, self.healing.called_at) = (self.healing.calls + 1, Some(when));
                self.reason = Some(reason.to_owned());
                self.healing.trouble = Some(awake);
                self.healing.plea = verdict.as_ref().map(|v| Plea { signal, line: v.evidence.line.clone() });
                let looks = |it: &&Verdict| [PULLS, SESSIONS].contains(&it.case.provider.as_str());
                self.healing.shared_call = verdict.as_ref().filter(looks).map(|it| {
                    let since = it.case.outage.as_ref().map_or(when, |outage| outage.since);
                    format!("{} since {since}", it.case.provider)
                });
                // What cannot be saved or ended now is not tried again before a person says so.
                let rule = verdict.as_ref().map(|verdict| verdict.rule.as_str());
                let stays = signal == Signal::Delayed && matches!(rule, Some("save" | "end"));
                self.while_ending(|ending| ending.hopeless |= stays);
                if self.session.as_ref().is_none_or(|session| session.ending.is_some()) {
                    self.healing.lesson = verdict.or(self.healing.lesson.take());
                    self.todo = Some(Todo::EndAttempt);
                }
            }
        }
    }

    /// Notes what is waited for: the same as before, for longer, or something new.
    fn delay(&mut self, verdict: Option<&Verdict>, reason: &str, until: Timestamp, now: Timestamp) {
        let what = verdict.map_or_else(String::new, |verdict| verdict.rule.clone());
        let since = self.waits.delay.as_ref().filter(|delay| delay.what == what).map_or(now, |delay| delay.since);
        let times = self.waits.delays() + 1;
        // Nothing is broken where a merge was put off: others come first.
        let in_turn = verdict.is_some_and(|it| it.rule == "mergePull" && !it.case.local && it.case.provider.is_empty());
        self.waits.delay = Some(Delay { what, why: reason.to_owned(), in_turn, times, since, until });
    }

    fn will_type(&mut self, verdict: Option<&Verdict>, input: &SessionInput) {
        let launch = verdict.and_then(|verdict| verdict.launch);
        let expected = verdict.and_then(|verdict| verdict.evidence.screen);
        self.conversation.typing = launch.map(|launch| Typing { launch, input: input.clone(), expected });
    }

    fn close_attempt(&mut self, verdict: Option<Verdict>, at: Timestamp) {
        self.needs_human = false;
        self.reason = None;
        self.healing.lesson = verdict;
        self.waits.not_before = Some(at);
        self.todo = Some(Todo::EndAttempt);
    }
}

impl Remedy {
    /// The remedy's name, as in the journal.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Answer { .. } => "answer",
            Self::Deliver => "deliver",
            Self::Look => "look",
            Self::Poke { .. } => "poke",
            Self::Resume { .. } => "resume",
            Self::Restart { .. } => "restart",
            Self::Rework { .. } => "rework",
            Self::AskCommit => "askCommit",
            Self::Commit => "commit",
            Self::Verify => "verify",
            Self::Accept => "accept",
            Self::Wait { .. } => "wait",
            Self::Escalate => "escalate",
        }
    }
}
