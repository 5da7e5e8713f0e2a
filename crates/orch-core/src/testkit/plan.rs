//! Plans to play with.

use crate::base::files::FileSet;
use crate::base::id::{BranchName, TaskId};
use crate::plan::spec::{Plan, PlanSettings, TaskSpec};

/// A plan of these tasks that says nothing else: agent `bot`, phases by number.
pub fn planned(tasks: Vec<TaskSpec>) -> Plan {
    let settings = PlanSettings { project: "demo".to_owned(), agent: "bot".to_owned(), ..PlanSettings::default() };
    let phases = tasks.iter().map(|task| task.phase + 1).max().unwrap_or(0);
    Plan { settings, phases: (0..phases).map(|number| format!("Phase {number}")).collect(), tasks }
}

/// A task on a branch of its own that says nothing else.
///
/// # Panics
/// If the name, a file or a dependency is none.
pub fn planned_task(name: &str, phase: usize, files: &[impl AsRef<str>], depends_on: &[impl AsRef<str>]) -> TaskSpec {
    let id = |name: &str| TaskId::parse(name).expect("a task id");
    let files: Vec<String> = files.iter().map(|file| file.as_ref().to_owned()).collect();
    TaskSpec {
        id: id(name),
        phase,
        issue: None,
        title: format!("Task {name}"),
        files: FileSet::parse(&files).expect("valid files"),
        depends_on: depends_on.iter().map(|name| id(name.as_ref())).collect(),
        body: None,
        prompt: None,
        agent: None,
        model: None,
        priority: None,
        role: None,
        verify: None,
        estimate_minutes: None,
        branch: BranchName::parse(&format!("task/{name}")).expect("a branch"),
    }
}
