//! A prompt on its way into a terminal: pasted, entered, confirmed.

use crate::base::time::{AwakeMs, Millis};
use crate::ports::{Fingerprint, Key, SessionInput};

/// How often Enter is pressed before the prompt counts as undelivered.
const ENTERS: u32 = 3;

/// A prompt that is to be pasted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delivery {
    /// The launch resumed a conversation.
    pub resume: bool,
    /// How far it got.
    pub step: DeliveryStep,
    /// The screen over which a paste was begun of which nobody knows whether it took place.
    pub doubt: Option<Fingerprint>,
}

/// How far the delivery of a prompt got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeliveryStep {
    /// The agent is waited for until it takes input.
    Waits,
    /// The text is to be pasted over this screen.
    Due(Option<Fingerprint>),
    /// The text was pasted at this time; Enter is next.
    Pasted(AwakeMs),
    /// Enter was pressed so many times, the last time then; the screen has yet to confirm it.
    Entered(AwakeMs, u32),
}

/// What a delivery wants typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// The prompt, over this screen.
    Paste(Option<Fingerprint>),
    /// Enter, at this time.
    Enter(AwakeMs),
    /// Nothing more: it is given up at this time.
    GiveUp(AwakeMs),
}

impl Delivery {
    pub(crate) fn new(resume: bool) -> Self {
        Self { resume, step: DeliveryStep::Waits, doubt: None }
    }

    /// What is to be typed next; `None` while the agent is waited for.
    pub(crate) fn wanted(&self, enter_after: Millis, confirm_after: Millis) -> Option<Wanted> {
        match self.step {
            DeliveryStep::Waits => None,
            DeliveryStep::Due(screen) => Some(Wanted::Paste(screen)),
            DeliveryStep::Pasted(at) => Some(Wanted::Enter(at + enter_after)),
            DeliveryStep::Entered(at, times) => {
                let due = at + Millis(confirm_after.0 << times.saturating_sub(1));
                Some(if times < ENTERS { Wanted::Enter(due) } else { Wanted::GiveUp(due) })
            }
        }
    }

    /// The agent stands still at a screen and is to get its prompt. After a paste in doubt, another
    /// screen is one that shows it.
    pub(crate) fn is_due(&mut self, screen: Option<Fingerprint>, awake: AwakeMs) {
        let pasted = self.doubt.take().is_some_and(|before| Some(before) != screen);
        self.step = if pasted { DeliveryStep::Pasted(awake) } else { DeliveryStep::Due(screen) };
    }

    /// Something begins to be typed.
    pub(crate) fn begin(&mut self, input: &SessionInput, awake: AwakeMs) {
        match self.step {
            DeliveryStep::Due(screen) if input.text.is_some() => {
                (self.step, self.doubt) = (DeliveryStep::Waits, screen);
            }
            DeliveryStep::Pasted(_) if is_enter(input) => self.step = DeliveryStep::Entered(awake, 1),
            DeliveryStep::Entered(_, times) if is_enter(input) => {
                self.step = DeliveryStep::Entered(awake, times + 1);
            }
            _ => {}
        }
    }

    /// Something was typed; `None` if nobody knows whether it was.
    pub(crate) fn end(&mut self, input: &SessionInput, typed: Option<bool>, awake: AwakeMs) {
        // What a person says meanwhile is not the prompt.
        let pasting = self.step == DeliveryStep::Waits && self.doubt.is_some() && input.text.is_some();
        match typed {
            _ if !pasting => {}
            Some(true) => (self.step, self.doubt) = (DeliveryStep::Pasted(awake), None),
            Some(false) => self.doubt = None,
            None => {}
        }
    }

    /// Measures all time from now on.
    pub(super) fn rebase(&mut self, awake: AwakeMs) {
        if let DeliveryStep::Pasted(at) | DeliveryStep::Entered(at, _) = &mut self.step {
            *at = awake;
        }
    }

    /// Whether a screen that changed then shows that the agent took its prompt.
    pub(crate) fn is_confirmed(&self, changed_at: AwakeMs) -> bool {
        self.entered_at().is_some_and(|entered| changed_at > entered)
    }

    /// Since when the screen has to change to confirm it.
    pub(crate) fn entered_at(&self) -> Option<AwakeMs> {
        match self.step {
            DeliveryStep::Entered(at, _) => Some(at),
            DeliveryStep::Waits | DeliveryStep::Due(_) | DeliveryStep::Pasted(_) => None,
        }
    }
}

fn is_enter(input: &SessionInput) -> bool {
    input.text.is_none() && input.keys == [Key::Enter]
}
