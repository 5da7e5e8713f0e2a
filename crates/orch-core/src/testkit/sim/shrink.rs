//! Leaves out of a tale what its breach does not need.

use std::sync::Arc;

use super::account::Account;
use super::act::Act;
use super::laws::Law;
use super::tale::{Pace, Rules, Tale};
use crate::heal::HealPolicy;

/// So many times a tale is played to find a shorter one.
const PATIENCE: usize = 600;

impl Tale {
    /// The shortest tale found that breaks the same law, with the same fault planted.
    #[must_use]
    pub fn shrunk(&self, planted: Option<Law>) -> Self {
        self.shrunk_as(|tale| tale.play_with(planted))
    }

    /// The shortest tale found that breaks the same law under this policy.
    #[must_use]
    pub fn shrunk_under(&self, policy: &Arc<dyn HealPolicy>) -> Self {
        self.shrunk_as(|tale| tale.play_under(policy))
    }

    fn shrunk_as(&self, play: impl Fn(&Self) -> Account) -> Self {
        let Some(law) = play(self).breach.map(|breach| breach.law) else { return self.clone() };
        let mut best = self.clone();
        let mut plays = 0;
        let mut shorter = true;
        while shorter {
            shorter = false;
            for candidate in best.shorter() {
                plays += 1;
                if plays > PATIENCE {
                    return best;
                }
                if play(&candidate).breach.is_some_and(|breach| breach.law == law) {
                    best = candidate;
                    shorter = true;
                    break;
                }
            }
        }
        best
    }

    /// Tales with one thing less, those that lose most first.
    fn shorter(&self) -> Vec<Self> {
        let mut tales = Vec::new();
        let mut with = |change: &dyn Fn(&mut Self)| {
            let mut tale = self.clone();
            change(&mut tale);
            if tale != *self {
                tales.push(tale);
            }
        };
        for number in (0..self.parts.len()).rev() {
            with(&|tale| {
                let gone = tale.parts.remove(number).name;
                tale.parts.iter_mut().for_each(|part| part.depends_on.retain(|before| *before != gone));
            });
        }
        with(&|tale| tale.lives.clear());
        with(&|tale| tale.pace = Pace::Instant);
        with(&|tale| tale.pace = Pace::Brisk);
        with(&|tale| tale.tidied = false);
        for part in [2, 4] {
            let len = self.happenings.len() / part;
            for from in (0..part).map(|number| number * len) {
                with(&|tale| _ = tale.happenings.drain(from..from + len));
            }
        }
        for number in (0..self.happenings.len()).rev() {
            with(&|tale| _ = tale.happenings.remove(number));
        }
        with(&|tale| tale.rules = Rules::plain());
        for number in (0..self.lives.len()).rev() {
            with(&|tale| _ = tale.lives.remove(number));
        }
        for number in 0..self.parts.len() {
            with(&|tale| tale.parts[number].acts = vec![Act::Works]);
            with(&|tale| tale.parts[number].acts.truncate(1));
            with(&|tale| tale.parts[number].depends_on.clear());
            with(&|tale| tale.parts[number].files.clear());
            with(&|tale| tale.parts.iter_mut().for_each(|part| part.phase = 0));
        }
        let plain = Rules::plain();
        with(&|tale| tale.rules.verify = plain.verify);
        with(&|tale| tale.rules.push = plain.push);
        with(&|tale| tale.rules.merge_method = plain.merge_method);
        with(&|tale| tale.rules.max_parallel = plain.max_parallel);
        with(&|tale| tale.rules.same_file = plain.same_file);
        with(&|tale| tale.rules.notify = plain.notify);
        with(&|tale| {
            (tale.rules.gate, tale.rules.goal, tale.rules.auto_merge) = (plain.gate, plain.goal, plain.auto_merge);
        });
        tales.retain(|tale| !tale.parts.is_empty());
        tales
    }
}
