//! Who plays which launch.

use super::act::Act;
use super::laws::Law;
use super::ledger::Ledger;
use super::tale::Tale;
use crate::ports::LaunchSpec;
use crate::testkit::script::Script;

/// The script of a launch: of a task's agent by the number of the launch, or of its verify command.
pub(super) fn cast(tale: &Tale, ledger: &Ledger, planted: Option<Law>, spec: &LaunchSpec) -> Script {
    let task = spec.env.get("ORCH_TASK_ID").map_or("", String::as_str);
    let part = tale.parts.iter().find(|part| part.name == task);
    let acts = part.map_or(&[][..], |part| &part.acts);
    let act_of = |number: usize| acts.get(number.min(acts.len().saturating_sub(1))).copied().unwrap_or(Act::Works);
    if spec.name.starts_with("verify-") {
        if planted == Some(Law::Verified) {
            return Script::new();
        }
        let launches = ledger.open().launches.get(task).map_or(0, Vec::len);
        return act_of(launches.saturating_sub(1)).verifies(ledger);
    }
    let number = ledger.number(task, spec.launch);
    // A set of files may be a pattern: the agent's own file lies in it.
    let own = match part.and_then(|part| part.files.first()) {
        Some(file) if file.ends_with('/') => format!("{file}{task}.rs"),
        Some(file) if file.contains('*') => file.replace('*', task),
        Some(file) => (*file).to_owned(),
        None => format!("{task}.txt"),
    };
    act_of(number).script(&own, number, ledger)
}
