//! Faults that are planted at the border between engine and world, one for each law; the rest of them stands where
//! records are seen ([`super::laws`]) and effects are performed ([`super::stage`]).

use super::laws::Law;
use crate::base::{TaskId, Timestamp};
use crate::engine::{Input, Seen};
use crate::heal::{Case, Decision, DefaultPolicy, HealPolicy, Limits, Remedy};
use crate::plan::{Plan, SameFile};
use crate::ports::PullState;

/// The plan that the engine is given.
pub(super) fn plan(planted: Option<Law>, plan: &Plan) -> Plan {
    let mut plan = plan.clone();
    match planted {
        Some(Law::Overlap) => plan.settings.same_file = SameFile::Explicit,
        Some(Law::Order) => {
            if let Some(task) = plan.tasks.iter_mut().rev().find(|task| !task.depends_on.is_empty()) {
                task.depends_on.pop();
            }
        }
        Some(Law::Fair) => {
            let ids: Vec<TaskId> = plan.tasks.iter().map(|task| task.id.clone()).collect();
            if let Some((last, before)) = ids.split_last()
                && let Some(task) = plan.tasks.iter_mut().find(|task| task.id == *last)
            {
                task.depends_on = before.to_vec();
            }
        }
        _ => {}
    }
    plan
}

/// Says of every open pull request that it is merged.
pub(super) fn lie_of_merges(input: &mut Input) {
    let Input::Seen(Seen::Pulls(all)) = input else { return };
    for seen in all.iter_mut().filter_map(|(_, seen)| seen.as_mut().ok()) {
        let Some(pull) = seen.pull.as_mut().filter(|pull| pull.state == PullState::Open) else { continue };
        pull.state = PullState::Merged;
        pull.merge_sha.clone_from(&pull.head_sha);
        (seen.head_in_base, seen.merge_in_base) = (true, true);
    }
}

/// A policy that never waits.
pub(super) struct Hasty;

impl HealPolicy for Hasty {
    fn name(&self) -> &'static str {
        "hasty"
    }

    fn decide(&self, case: &Case, limits: &Limits, now: Timestamp) -> Decision {
        let mut decision = DefaultPolicy.decide(case, limits, now);
        if let Remedy::Wait { at } | Remedy::Restart { at } | Remedy::Rework { at } = &mut decision.remedy {
            *at = now;
        }
        decision
    }
}
