//! What passes between an agent and those who talk to it.

use crate::base::id::LaunchId;
use crate::ports::{Fingerprint, SessionInput};

/// What passes between an agent and those who talk to it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Conversation {
    /// The launch that began it.
    pub launch: Option<LaunchId>,
    /// The line of the prompt answered last in this attempt, and how often.
    pub answered: Option<(Fingerprint, u32)>,
    /// What is typed next.
    pub typing: Option<Typing>,
    /// What a person said and that has not begun to be typed, in order.
    pub unsent: Vec<Typing>,
}

/// Input that a remedy or a person decided on and that has not begun.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Typing {
    /// The session.
    pub launch: LaunchId,
    /// What is typed.
    pub input: SessionInput,
    /// The screen that justified it; none for what a person says.
    pub expected: Option<Fingerprint>,
}
