//! What a remedy changes of its task.

use super::{Delay, Plea, TaskState, Typing};
use crate::base::time::{AwakeMs, Timestamp};
use crate::heal::{Remedy, Signal};
use crate::journal::effect::Purpose;
use crate::journal::record::{Todo, Verdict};
use crate::ports::{Fingerprint, SessionInput};

impl TaskState {
    pub(super) fn remedy(
        &mut self,
        signal: Signal,
        remedy: &Remedy,
        reason: &str,
        (awake, when): (AwakeMs, Timestamp),
    ) {
        let verdict = self.unanswered.take();
        if signal.sends_back() {
            self.sent_back.clone_from(&verdict);
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
            session.teardown = true;
        }
        match remedy {
            Remedy::Answer { input } => {
                let line = verdict.as_ref().and_then(|v| v.evidence.line.as_deref()).map(Fingerprint::of);
                let before = self.prompt.filter(|(seen, _)| Some(*seen) == line).map_or(0, |(_, count)| count);
                self.prompt = line.map(|line| (line, before + 1));
                self.trouble = Some(awake);
                self.will_type(verdict.as_ref(), input);
            }
            Remedy::Deliver => {
                let screen = verdict.as_ref().and_then(|verdict| verdict.evidence.screen);
                self.each_session(|session| session.deliver(screen, awake));
            }
            Remedy::Look => {
                self.trouble = Some(awake);
                self.each_session(|session| session.suspected = true);
            }
            Remedy::Poke { input } => {
                self.trouble = Some(awake);
                self.each_session(|session| (session.suspected, session.pokes) = (true, session.pokes + 1));
                self.will_type(verdict.as_ref(), input);
            }
            Remedy::Resume { at, counted } => {
                self.trouble = Some(awake);
                self.relaunches += u32::from(*counted);
                let purpose = self.session.as_ref().map_or(Purpose::Work, |session| session.purpose);
                self.todo = Some(Todo::Launch { purpose, resume: purpose == Purpose::Work });
                self.not_before = Some(*at);
            }
            Remedy::Restart { at } => {
                self.failures += 1;
                self.close_attempt(verdict, *at);
            }
            Remedy::Rework { at } => {
                self.feedback_rounds += 1;
                self.failures = 0;
                self.close_attempt(verdict, *at);
            }
            Remedy::AskCommit => {
                self.trouble = None;
                self.asked_to_commit = true;
                self.todo = Some(Todo::Launch { purpose: Purpose::AskCommit, resume: true });
            }
            Remedy::Commit => {
                self.trouble = None;
                self.todo = Some(Todo::Commit);
            }
            Remedy::Verify => {
                self.trouble = None;
                self.verifying.clone_from(&self.head);
                self.todo = Some(Todo::Launch { purpose: Purpose::Verify, resume: false });
            }
            Remedy::Accept if signal == Signal::PullMerged => self.in_base = true,
            Remedy::Accept => {
                self.verified = self.verifying.take();
                self.note_verified();
                self.relaunches = 0;
                self.todo = None;
            }
            Remedy::Wait { at } => {
                self.delays += 1;
                self.delay(verdict.as_ref(), reason, *at, when);
                match self.session.as_mut().filter(|session| session.teardown) {
                    Some(session) => session.end_at = Some(*at),
                    None => self.not_before = Some(*at),
                }
            }
            Remedy::Escalate => {
                self.needs_human = true;
                self.calls += 1;
                self.reason = Some(reason.to_owned());
                self.trouble = Some(awake);
                self.plea = verdict.as_ref().map(|v| Plea { signal, line: v.evidence.line.clone() });
                // What cannot be saved or ended now is not tried again before a person says so.
                let rule = verdict.as_ref().map(|verdict| verdict.rule.as_str());
                let stays = signal == Signal::Delayed && matches!(rule, Some("save" | "end"));
                self.each_session(|session| session.hopeless |= stays);
                if self.session.as_ref().is_none_or(|session| session.teardown) {
                    self.lesson = verdict.or(self.lesson.take());
                    self.todo = Some(Todo::EndAttempt);
                }
            }
        }
    }

    /// Notes what is waited for: the same as before, for longer, or something new.
    fn delay(&mut self, verdict: Option<&Verdict>, reason: &str, until: Timestamp, now: Timestamp) {
        let what = verdict.map_or_else(String::new, |verdict| verdict.rule.clone());
        let since = self.delayed.as_ref().filter(|delay| delay.what == what).map_or(now, |delay| delay.since);
        self.delayed = Some(Delay { what, why: reason.to_owned(), since, until });
    }

    fn will_type(&mut self, verdict: Option<&Verdict>, input: &SessionInput) {
        let launch = verdict.and_then(|verdict| verdict.launch);
        let expected = verdict.and_then(|verdict| verdict.evidence.screen);
        self.typing = launch.map(|launch| Typing { launch, input: input.clone(), expected });
    }

    fn close_attempt(&mut self, verdict: Option<Verdict>, at: Timestamp) {
        self.needs_human = false;
        self.reason = None;
        self.lesson = verdict;
        self.not_before = Some(at);
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
