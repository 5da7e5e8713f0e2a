//! Warnings about the order of a sound plan.

use crate::plan::graph::{Edge, EdgeKind, TaskGraph};
use crate::plan::spec::{Plan, SameFile};

use super::check::Checker;
use super::problem::{ProblemKind, quoted};

impl Checker<'_, '_> {
    /// Names same-file orders that nobody declared: each file edge within a phase, also when `explicit`
    /// leaves them out of the order.
    pub(super) fn undeclared(&mut self, plan: &Plan, graph: &TaskGraph) {
        let explicit = plan.settings.same_file == SameFile::Explicit;
        let serialized = if explicit { TaskGraph::build_as(plan, SameFile::Serialize).ok() } else { None };
        for edge in serialized.as_ref().unwrap_or(graph).edges() {
            let (from, to) = edge.indices();
            let crosses_gate = plan.tasks[from].phase != plan.tasks[to].phase;
            if edge.kind() != EdgeKind::File || crosses_gate || self.problems.only_counts(ProblemKind::UndeclaredOrder)
            {
                continue;
            }
            let (message, help) = if explicit { left_out(&edge) } else { put_in(&edge) };
            self.at_task(&self.contents.tasks[to], "files", |problems, at, offset| {
                problems.add(ProblemKind::UndeclaredOrder, at, offset, message, help);
            });
        }
    }

    /// Names tasks that no chain of edges connects with an earlier phase: the gate orders them in time,
    /// but they start from the base without what is not merged there yet.
    pub(super) fn lacking(&mut self, plan: &Plan, graph: &TaskGraph) {
        let first = plan.tasks.first().map(|task| task.phase);
        let mut connected = vec![false; plan.tasks.len()];
        for index in graph.order_indices() {
            let task = &plan.tasks[index];
            let mut sources = graph.sources(index);
            connected[index] = sources.any(|source| plan.tasks[source].phase < task.phase || connected[source]);
            if Some(task.phase) == first || connected[index] || self.problems.only_counts(ProblemKind::LacksEarlierWork)
            {
                continue;
            }
            let (id, gate) = (&task.id, plan.settings.gate);
            let message = format!(
                "{id} starts once all before its phase is {gate}, but from a base without their work as far as that is not merged yet: only the gate puts {id} after them"
            );
            let help = format!("add the tasks that {id} builds on to its dependsOn, or set \"gate\": \"merged\"");
            self.at_task(&self.contents.tasks[index], "dependsOn", |problems, at, offset| {
                problems.add(ProblemKind::LacksEarlierWork, at, offset, message, help);
            });
        }
    }
}

fn put_in(edge: &Edge<'_>) -> (String, String) {
    let (earlier, later, files) = (edge.from(), edge.to(), files(edge));
    let message = format!("{later} will wait for {earlier}, which nobody declared: both touch {files}");
    let help = format!(
        "add {earlier} to dependsOn of {later} to say so, or set \"sameFile\": \"explicit\" to let them run together"
    );
    (message, help)
}

fn left_out(edge: &Edge<'_>) -> (String, String) {
    let (earlier, later, files) = (edge.from(), edge.to(), files(edge));
    let message = format!("{earlier} and {later} both touch {files} and nothing orders them: their work may conflict");
    (message, format!("add {earlier} to dependsOn of {later}, or leave \"sameFile\" out"))
}

fn files(edge: &Edge<'_>) -> String {
    let files: Vec<String> = edge.files().iter().map(|file| quoted(file)).collect();
    files.join(", ")
}
