//! One launched process, as remembered.

use super::Delivery;
use crate::base::id::LaunchId;
use crate::journal::effect::Purpose;
use crate::journal::record::Marks;
use crate::ports::{ExitStatus, Fingerprint, Launched, ProcessId};

use crate::base::time::{AwakeMs, Millis, Timestamp};

/// One launched process.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Session {
    /// Its launch.
    pub launch: LaunchId,
    /// What it is for.
    pub purpose: Purpose,
    /// Awake time of the launch.
    pub launched_at: AwakeMs,
    /// Its name and process, once started.
    pub launched: Option<Launched>,
    /// How it ended, once judged.
    pub ended: Option<ExitStatus>,
    /// It is to be taken down, and how far that got.
    pub ending: Option<Ending>,
    /// Marks of life.
    pub marks: Marks,
    /// It was suspected in this silence.
    pub suspected: bool,
    /// How often it was poked in this silence.
    pub pokes: u32,
    /// Awake time of the last input by orch.
    pub typed_at: Option<AwakeMs>,
    /// The screen that this input answered, once it was typed.
    pub answered: Option<Fingerprint>,
    /// Awake time of the last input by a person.
    pub person_at: Option<AwakeMs>,
    /// A prompt that is to be pasted and is not confirmed yet.
    pub delivery: Option<Delivery>,
    /// Of a verify command: what is run, as long as the plan says so.
    pub command: Vec<String>,
}

/// The end of a session: save, ask, kill, prove, forget.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ending {
    /// A person's word ends it, which no pause holds up.
    pub by_hand: bool,
    /// It gets no grace.
    pub force: bool,
    /// Its uncommitted work is saved.
    pub saved: bool,
    /// Awake time at which it was asked to end.
    pub asked_at: Option<AwakeMs>,
    /// Ending it failed and is tried again at this time.
    pub not_before: Option<Timestamp>,
    /// It could not be taken down: a person must look.
    pub hopeless: bool,
    /// Its processes are proved gone.
    pub gone: bool,
}

impl Session {
    /// Whether it is started, not ended and not to be taken down.
    pub fn is_live(&self) -> bool {
        self.launched.is_some() && self.ended.is_none() && self.ending.is_none()
    }

    pub(crate) fn treatment(&self) -> Treatment {
        Treatment {
            suspected: self.suspected,
            pokes: self.pokes,
            typed_at: self.typed_at,
            answered: self.answered,
            delivery: self.delivery,
            launched_at: self.launched_at,
        }
    }

    /// Whether a person's word ends it.
    pub(crate) fn ends_by_hand(&self) -> bool {
        self.ending.as_ref().is_some_and(|ending| ending.by_hand)
    }

    /// The process recorded at launch.
    pub fn process(&self) -> Option<&ProcessId> {
        self.launched.as_ref()?.process.as_ref()
    }
}

impl Session {
    pub(crate) fn starting(launch: LaunchId, purpose: Purpose, awake: AwakeMs) -> Self {
        Self {
            launch,
            purpose,
            launched_at: awake,
            launched: None,
            ended: None,
            ending: None,
            marks: Marks { launch, activity: 0, changed_at: awake, screen: None, head: None },
            suspected: false,
            pokes: 0,
            typed_at: None,
            answered: None,
            person_at: None,
            delivery: None,
            command: Vec::new(),
        }
    }

    /// It is to be taken down.
    pub(super) fn end(&mut self) -> &mut Ending {
        self.ending.get_or_insert_default()
    }

    /// Changes how far the delivery of its prompt got, if there is one.
    pub(super) fn each_delivery(&mut self, change: impl FnOnce(&mut Delivery)) {
        if let Some(delivery) = &mut self.delivery {
            change(delivery);
        }
    }

    /// Changes how far its end got, if it is to end at all.
    pub(super) fn while_ending(&mut self, change: impl FnOnce(&mut Ending)) {
        if let Some(ending) = &mut self.ending {
            change(ending);
        }
    }

    /// Measures all silence from now on.
    pub(super) fn rebase(&mut self, awake: AwakeMs) {
        self.launched_at = awake;
        self.marks.changed_at = awake;
        self.suspected = false;
        self.pokes = 0;
        self.while_ending(|ending| ending.asked_at = ending.asked_at.map(|_| awake));
        self.typed_at = None;
        self.person_at = None;
        self.each_delivery(|delivery| delivery.rebase(awake));
    }

    /// Does not count a time in which nobody could see anything.
    pub(super) fn unseen_for(&mut self, span: Millis) {
        self.marks.changed_at = self.marks.changed_at + span;
        self.launched_at = self.launched_at + span;
    }

    /// Begins a new measure of silence.
    pub(super) fn is_awake(&mut self) {
        (self.suspected, self.pokes) = (false, 0);
    }
}

/// What was done about a session in its present silence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Treatment {
    /// It was suspected.
    pub(crate) suspected: bool,
    /// How often it was poked.
    pub(crate) pokes: u32,
    /// When orch typed last.
    pub(crate) typed_at: Option<AwakeMs>,
    /// The screen that this answered.
    pub(crate) answered: Option<Fingerprint>,
    /// A prompt that is to be pasted and is not confirmed yet.
    pub(crate) delivery: Option<Delivery>,
    /// When the session was launched.
    pub(crate) launched_at: AwakeMs,
}

impl Treatment {
    /// Whether Enter was pressed after a paste, and the screen is to show that it was taken.
    pub(crate) fn entered(&self) -> bool {
        self.delivery.is_some_and(|delivery| delivery.entered_at().is_some())
    }
}
