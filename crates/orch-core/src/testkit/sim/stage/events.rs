//! What happens beside the orchestrator while it lives, and the person who tidies up.

use super::{Life, Over, Stage};
use crate::base::{Millis, TaskId};
use crate::engine::{Input, Seen};
use crate::journal::UserVerb;
use crate::ports::{Check, CheckState, PullState};
use crate::testkit::sim::act::main;
use crate::testkit::sim::happening::Happening;
use crate::testkit::sim::planted;

impl Stage<'_> {
    pub(super) fn happen(&mut self, life: &mut Life, happening: &Happening) -> Result<(), Over> {
        self.coverage.befell(happening.label());
        self.laws.world_changed();
        match happening {
            Happening::Said(number, verb) => {
                let task = number.map(|number| self.plan.tasks[number % self.plan.tasks.len()].id.clone());
                self.feed(life, Input::User { task, verb: verb.clone() })
            }
            Happening::Crash => Err(Over::Crashed),
            Happening::MachineReboots => {
                self.world.reboot();
                Err(Over::Crashed)
            }
            Happening::MachineSleeps(span) => {
                self.world.suspend(*span);
                self.elapsed = Millis(self.elapsed.0 + span.0);
                Ok(())
            }
            Happening::Tidies => self.tidy(life),
            Happening::TaskIsAdded | Happening::TaskIsEdited(_) | Happening::TaskIsRemoved(_) => {
                self.edits += 1;
                let Some(edited) = happening.edit(&self.plan, self.edits) else { return Ok(()) };
                let old = std::mem::replace(&mut self.plan, edited);
                let given = planted::plan(self.planted, &self.plan);
                let Ok(Some(why)) = life.engine.state().edit(&given, true) else {
                    self.plan = old;
                    return Ok(());
                };
                self.laws.plan_changed(self.plan.clone());
                self.feed(life, Input::Seen(Seen::Plan { plan: Box::new(given), states: Vec::new(), why }))
            }
            _ => {
                happening.befall(&self.world, &self.plan);
                Ok(())
            }
        }
    }

    /// A person goes through everything that waits for people.
    fn tidy(&mut self, life: &mut Life) -> Result<(), Over> {
        let before = self.journal.len();
        let forge = self.world.forge();
        for pull in forge.pulls().into_iter().filter(|pull| pull.state == PullState::Open) {
            if !pull.check_runs.is_empty() {
                forge.set_checks(pull.number, [Check::new("lint", CheckState::Passed)]);
            }
            forge.request_changes(pull.number, None);
            if !self.tale.rules.auto_merge && pull.base == main() {
                forge.merge_by_person(pull.number, self.tale.rules.merge_method);
            }
        }
        let mut words: Vec<(Option<TaskId>, UserVerb)> = Vec::new();
        if life.engine.state().paused {
            words.push((None, UserVerb::Resume));
        }
        for (id, task) in &life.engine.state().tasks {
            if task.paused {
                words.push((Some(id.clone()), UserVerb::Resume));
            }
            if task.needs_human && self.retries_left > 0 {
                words.push((Some(id.clone()), UserVerb::Retry));
            }
        }
        self.retries_left = self.retries_left.saturating_sub(1);
        let said = !words.is_empty();
        for (task, verb) in words {
            self.feed(life, Input::User { task, verb })?;
        }
        self.tidied_at = if said || self.journal.len() != before { usize::MAX } else { before };
        Ok(())
    }
}
