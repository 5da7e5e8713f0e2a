//! How sessions end: what an exit means, and when one that was asked to end is killed.

use crate::agents::screen::{self, Complaint};
use crate::base::text::one_line;
use crate::base::time::{AwakeMs, Millis};
use crate::heal::Signal;
use crate::ports::ExitStatus;

/// What an end that was not a good one means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct End {
    pub(crate) rule: &'static str,
    pub(crate) signal: Signal,
    pub(crate) detail: String,
    /// For [`Signal::Limited`]: when the limit is over, where that was said.
    pub(crate) reset: Option<Millis>,
}

impl End {
    /// Judges an exit status by the last words beside it.
    pub(crate) fn of(exit: ExitStatus, tail: &[String]) -> Self {
        let end = |rule, signal, detail| Self { rule, signal, detail, reset: None };
        if exit == ExitStatus::default() {
            return end("exit-unknown", Signal::Lost, "it ended and nobody knows how".to_owned());
        }
        match screen::complaint(tail) {
            Some((Complaint::Credentials, line)) => end("credentials", Signal::Credentials, one_line(line)),
            Some((Complaint::Limited(reset), line)) => {
                Self { reset, ..end("limited", Signal::Limited, one_line(line)) }
            }
            None => end("exit-status", Signal::Failed, exit.to_string()),
        }
    }
}

/// What is due to end a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndStep {
    /// It is asked to end.
    Ask,
    /// It was asked, and has until then.
    Wait(AwakeMs),
    /// It is killed, and what is left of it proved gone.
    Kill,
}

/// What is due to end a process: one that has ended gets no grace, and neither does one that was asked `grace` ago.
pub fn end_step(ended: bool, asked_at: Option<AwakeMs>, grace: Millis, now: AwakeMs) -> EndStep {
    match asked_at.map(|asked| asked + grace) {
        _ if ended => EndStep::Kill,
        None => EndStep::Ask,
        Some(until) if until > now => EndStep::Wait(until),
        Some(_) => EndStep::Kill,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_asked_has_a_grace_and_what_has_ended_has_none() {
        let due = |ended, asked: Option<u64>| end_step(ended, asked.map(AwakeMs), Millis(10), AwakeMs(20));
        assert_eq!(due(false, None), EndStep::Ask);
        assert_eq!(due(false, Some(15)), EndStep::Wait(AwakeMs(25)));
        assert_eq!(due(false, Some(10)), EndStep::Kill);
        assert_eq!((due(true, None), due(true, Some(15))), (EndStep::Kill, EndStep::Kill));
    }
}
