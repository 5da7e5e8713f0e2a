//! What happens around the orchestrator.

use super::act::main;
use crate::base::id::TaskId;
use crate::base::time::Millis;
use crate::journal::record::UserVerb;
use crate::plan::spec::{Plan, TaskSpec};
use crate::ports::{Check, CheckState, MergeMethod, Pull, PullState};
use crate::testkit::fault::{Failure, Operation};
use crate::testkit::planned_task;
use crate::testkit::world::World;

/// Something that happens at a time, whatever the orchestrator does. Numbers choose among what is there then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Happening {
    Said(Option<usize>, UserVerb),
    Fails(Operation, usize, Failure),
    ExecutorDies,
    AgentIsKilled(usize),
    MachineReboots,
    MachineSleeps(Millis),
    /// By so many seconds, forwards or backwards.
    ClockJumps(i64),
    BaseMoves,
    /// A file that a task declares changes in the base.
    BaseConflicts(usize),
    PersonMerges(usize, MergeMethod),
    PersonCloses(usize),
    PersonReopens(usize),
    BranchIsDeleted(usize),
    ChecksFail(usize),
    ChecksRun(usize),
    ChangesRequested(usize),
    SomeonePushes(usize),
    TaskIsAdded,
    TaskIsEdited(usize),
    TaskIsRemoved(usize),
    /// The orchestrator is killed, whatever it is doing.
    Crash,
    /// A person looks after everything that waits for people: goes on, approves, merges.
    Tidies,
}

impl Happening {
    /// Its kind, for the table of what was covered.
    pub(super) fn label(&self) -> &'static str {
        match self {
            Self::Said(_, verb) => verb.name(),
            Self::Fails(_, _, Failure::Unreachable) => "unreachable",
            Self::Fails(_, _, Failure::Refused) => "refused",
            Self::Fails(_, _, Failure::AnswerLost) => "answer lost",
            Self::Fails(_, _, Failure::Ignored) => "ignored",
            Self::Fails(_, _, Failure::Stale) => "stale",
            Self::Fails(_, _, Failure::Panics) => "panics",
            Self::Fails(_, _, Failure::Busy) => "busy",
            Self::Fails(_, _, Failure::Limited) => "limited",
            Self::ExecutorDies => "executor dies",
            Self::AgentIsKilled(_) => "agent killed",
            Self::MachineReboots => "reboot",
            Self::MachineSleeps(_) => "sleep",
            Self::ClockJumps(_) => "clock jumps",
            Self::BaseMoves => "base moves",
            Self::BaseConflicts(_) => "base conflicts",
            Self::PersonMerges(_, MergeMethod::Merge) => "merged by hand",
            Self::PersonMerges(..) => "squashed by hand",
            Self::PersonCloses(_) => "closed",
            Self::PersonReopens(_) => "reopened",
            Self::BranchIsDeleted(_) => "branch deleted",
            Self::ChecksFail(_) => "checks fail",
            Self::ChecksRun(_) => "checks run",
            Self::ChangesRequested(_) => "changes asked",
            Self::SomeonePushes(_) => "pushed by hand",
            Self::TaskIsAdded | Self::TaskIsEdited(_) | Self::TaskIsRemoved(_) => "plan edited",
            Self::Crash => "crash",
            Self::Tidies => "tidied",
        }
    }

    /// Lets it happen, if it is something that happens to the world alone.
    pub(super) fn befall(&self, world: &World, plan: &Plan) {
        let forge = world.forge();
        let nth = |number: usize, state: PullState| -> Option<Pull> {
            let pulls: Vec<Pull> = forge.pulls().into_iter().filter(|pull| pull.state == state).collect();
            pulls.get(number % pulls.len().max(1)).cloned()
        };
        let open = |number| nth(number, PullState::Open);
        match self {
            Self::Fails(operation, times, failure) => world.fail(*operation, *times, *failure),
            Self::ExecutorDies => world.lose_executor(),
            Self::AgentIsKilled(number) => {
                let running = world.running();
                if let Some(launch) = running.get(number % running.len().max(1)) {
                    world.fail_process(*launch);
                }
            }
            Self::ClockJumps(seconds) => world.set_clock(*seconds),
            Self::BaseMoves => {
                let text = world.now().wall.to_string();
                world.repository().publish(&main(), &[("base.txt", &text)]);
            }
            Self::BaseConflicts(number) => {
                let task = plan.tasks.get(number % plan.tasks.len().max(1));
                if let Some(file) = task.and_then(|task| task.files.entries().first().cloned()) {
                    world.repository().publish(&main(), &[(&file, "the base's own")]);
                }
            }
            Self::PersonMerges(number, method) => {
                if let Some(pull) = open(*number) {
                    forge.merge_by_person(pull.number, *method);
                }
            }
            Self::PersonCloses(number) => {
                if let Some(pull) = open(*number) {
                    forge.close(pull.number);
                }
            }
            Self::PersonReopens(number) => {
                if let Some(pull) = nth(*number, PullState::Closed) {
                    forge.reopen(pull.number);
                }
            }
            Self::BranchIsDeleted(number) => {
                if let Some(pull) = open(*number) {
                    world.repository().set_remote(&pull.head, None);
                }
            }
            Self::ChecksFail(number) => {
                if let Some(pull) = open(*number) {
                    forge.set_checks(pull.number, [Check::new("lint", CheckState::Failed)]);
                }
            }
            Self::ChecksRun(number) => {
                if let Some(pull) = open(*number) {
                    forge.set_checks(pull.number, [Check::new("lint", CheckState::Pending)]);
                }
            }
            Self::ChangesRequested(number) => {
                if let Some(pull) = open(*number) {
                    forge.request_changes(pull.number, Some("more tests"));
                }
            }
            Self::SomeonePushes(number) => {
                if let Some(pull) = open(*number) {
                    world.repository().publish(&pull.head, &[("theirs.txt", "theirs")]);
                }
            }
            Self::Said(..)
            | Self::MachineReboots
            | Self::MachineSleeps(_)
            | Self::TaskIsAdded
            | Self::TaskIsEdited(_)
            | Self::TaskIsRemoved(_)
            | Self::Crash
            | Self::Tidies => {}
        }
    }

    /// The plan as a person would save it, if this is an edit of it.
    pub(super) fn edit(&self, plan: &Plan, nth: u64) -> Option<Plan> {
        let mut plan = plan.clone();
        let number = |index: usize| index % plan.tasks.len().max(1);
        match self {
            Self::TaskIsAdded => {
                let phase = plan.phases.len().saturating_sub(1);
                let mut task: TaskSpec = planned_task(&format!("n{nth}"), phase, &[format!("n{nth}.txt")], &[""; 0]);
                task.depends_on.extend(plan.tasks.last().map(|last| last.id.clone()));
                plan.tasks.push(task);
            }
            Self::TaskIsEdited(index) => {
                let at = number(*index);
                plan.tasks.get_mut(at)?.title = format!("Edited {nth}");
            }
            Self::TaskIsRemoved(index) => {
                let at = number(*index);
                let gone: TaskId = plan.tasks.get(at)?.id.clone();
                plan.tasks.remove(at);
                for task in &mut plan.tasks {
                    task.depends_on.retain(|before| *before != gone);
                }
            }
            _ => return None,
        }
        Some(plan)
    }
}
