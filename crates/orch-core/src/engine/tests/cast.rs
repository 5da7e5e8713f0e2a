//! Plans and agents to play with.

use crate::base::id::{BranchName, PullNumber, TaskId};
use crate::base::time::Millis;
use crate::plan::spec::{Plan, TaskSpec};
use crate::ports::{Check, CheckState, LaunchSpec};
pub(super) use crate::testkit::planned as plan;
use crate::testkit::{Scenario, Script, Step, World, planned_task};

pub(super) fn secs(count: u64) -> Millis {
    Millis::from_secs(count)
}

pub(super) fn mins(count: u64) -> Millis {
    Millis::from_mins(count)
}

pub(super) fn id(text: &str) -> TaskId {
    TaskId::parse(text).expect("a task id")
}

pub(super) fn branch(text: &str) -> BranchName {
    BranchName::parse(text).expect("a branch name")
}

pub(super) fn pull(number: u64) -> PullNumber {
    PullNumber(number)
}

pub(super) fn task(name: &str, phase: usize, files: &[&str], depends_on: &[&str]) -> TaskSpec {
    planned_task(name, phase, files, depends_on)
}

/// One task that touches `a.txt`.
pub(super) fn one() -> Plan {
    plan(vec![task("t1", 0, &["a.txt"], &[])])
}

/// Independent tasks `t1`, `t2` …
pub(super) fn many(count: usize) -> Plan {
    plan((1..=count).map(|n| task(&format!("t{n}"), 0, &[&format!("f{n}.txt")], &[])).collect())
}

/// The same plan with a verify command.
pub(super) fn verified(mut plan: Plan) -> Plan {
    plan.settings.verify = vec!["check".to_owned()];
    plan
}

pub(super) fn is_verify(spec: &LaunchSpec) -> bool {
    spec.name.starts_with("verify-")
}

pub(super) fn task_of(spec: &LaunchSpec) -> &str {
    &spec.env["ORCH_TASK_ID"]
}

pub(super) fn attempt(spec: &LaunchSpec) -> u32 {
    spec.env["ORCH_ATTEMPT"].parse().expect("a number")
}

/// Commits a file named after the task and the attempt.
pub(super) fn commits(world: &World, spec: &LaunchSpec) {
    let file = format!("{}-{}.txt", task_of(spec), attempt(spec));
    world.repository().commit_files(&spec.cwd, "work", &[(&file, "done")]);
}

/// Commits one file with a content.
pub(super) fn writes(file: &'static str, content: &'static str) -> Step {
    Step::act(move |world, spec| {
        world.repository().commit_files(&spec.cwd, &format!("change {file}"), &[(file, content)]);
    })
}

/// Works for a minute, commits and ends well.
pub(super) fn good() -> Script {
    Script::new().print("working").wait(secs(60)).work(commits).exit(0)
}

/// Works like [`good`] on every launch, and verifies at once.
pub(super) fn diligent(spec: &LaunchSpec) -> Script {
    if is_verify(spec) { Script::new().wait(secs(10)).exit(0) } else { good() }
}

pub(super) fn check(state: CheckState) -> [Check; 1] {
    [Check::new("ci", state)]
}

pub(super) fn play(plan: Plan, cast: impl Fn(&LaunchSpec) -> Script + Send + Sync + 'static) -> Scenario {
    Scenario::new(plan, cast)
}

/// A plan of one task and an agent that behaves by its attempt; verify commands agree at once.
pub(super) fn solo(cast: impl Fn(u32) -> Script + Send + Sync + 'static) -> Scenario {
    Scenario::new(one(), move |spec| if is_verify(spec) { Script::new() } else { cast(attempt(spec)) })
}

/// The agent's launches within one attempt, told apart by what its worktree remembers.
pub(super) fn again(world: &World, spec: &LaunchSpec) -> bool {
    world.read_file("/first".into()).is_some_and(|seen| {
        let seen = String::from_utf8_lossy(&seen);
        seen.lines().any(|line| line == task_of(spec))
    })
}
