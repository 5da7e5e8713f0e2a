//! Tasks to plan with.

use crate::files::FileSet;
use crate::id::{BranchName, TaskId};
use crate::plan::TaskSpec;

/// A task on a branch of its own that says nothing else.
///
/// # Panics
/// If the name, a file or a dependency is none.
pub fn planned(name: &str, phase: usize, files: &[&str], depends_on: &[&str]) -> TaskSpec {
    let id = |name: &str| TaskId::parse(name).expect("a task id");
    let files: Vec<String> = files.iter().map(ToString::to_string).collect();
    TaskSpec {
        id: id(name),
        phase,
        issue: None,
        title: format!("Task {name}"),
        files: FileSet::parse(&files).expect("valid files"),
        depends_on: depends_on.iter().map(|name| id(name)).collect(),
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
