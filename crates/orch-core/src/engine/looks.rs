//! Looks that are under way.

use std::collections::{BTreeMap, BTreeSet};

use crate::base::time::{AwakeMs, Millis, Now};
use crate::journal::effect::Look;

/// A look that was not answered for so long is lost: it is asked for again. Longer than any port takes.
const LOST: Millis = Millis::from_mins(15);

/// The looks that this process asked for and that nothing answered yet.
#[derive(Debug, Default)]
pub(super) struct Looks {
    /// Since when each is under way.
    asked: BTreeMap<Look, AwakeMs>,
    /// The same, by time.
    asked_at: BTreeSet<(AwakeMs, Look)>,
    /// Looks under way that may have been made before something that they are to show.
    outdated: BTreeSet<Look>,
}

impl Looks {
    /// Notes that a look is wanted; `false` when it is under way already.
    pub(super) fn ask(&mut self, look: &Look, now: &Now) -> bool {
        if self.is_asked(look) {
            return false;
        }
        self.asked.insert(look.clone(), now.awake);
        self.asked_at.insert((now.awake, look.clone()));
        true
    }

    pub(super) fn is_asked(&self, look: &Look) -> bool {
        self.asked.contains_key(look)
    }

    pub(super) fn answered(&mut self, look: &Look) {
        if let Some(at) = self.asked.remove(look) {
            self.asked_at.remove(&(at, look.clone()));
        }
    }

    /// A look that is under way, if one is, may have been made too early to show what just happened.
    pub(super) fn outdate(&mut self, look: Look) {
        if self.is_asked(&look) {
            self.outdated.insert(look);
        }
    }

    /// Whether what was just seen may have been looked at too early.
    pub(super) fn was_outdated(&mut self, look: &Look) -> bool {
        self.outdated.remove(look)
    }

    /// When the look that is under way longest counts as lost.
    pub(super) fn lost_at(&self) -> Option<AwakeMs> {
        self.asked_at.first().map(|(at, _)| *at + LOST)
    }

    /// The looks that are lost, asked for again.
    pub(super) fn ask_again(&mut self, now: &Now) -> Vec<Look> {
        let mut lost = Vec::new();
        while let Some((_, look)) = self.asked_at.first().filter(|(at, _)| *at + LOST <= now.awake).cloned() {
            self.answered(&look);
            self.ask(&look, now);
            lost.push(look);
        }
        lost
    }
}
