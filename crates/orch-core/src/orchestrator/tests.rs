use crate::backend::LaunchSpec;
use crate::files::FileSet;
use crate::id::{BranchName, TaskId};
use crate::orchestrator::Outlook;
use crate::plan::{Plan, PlanSettings, TaskSpec};
use crate::testkit::{Scenario, Script, Story, World};
use crate::time::Millis;

fn task(id: &str, phase: usize, files: &[&str], depends_on: &[&str]) -> TaskSpec {
    let parse = |id: &str| TaskId::parse(id).expect("a task id");
    TaskSpec {
        id: parse(id),
        phase,
        issue: None,
        title: format!("Task {id}"),
        files: FileSet::parse(&files.iter().map(ToString::to_string).collect::<Vec<_>>()).expect("files"),
        depends_on: depends_on.iter().map(|id| parse(id)).collect(),
        body: None,
        prompt: None,
        agent: None,
        model: None,
        priority: None,
        role: None,
        verify: None,
        estimate_minutes: None,
        branch: BranchName::parse(&format!("task/{id}")).expect("a branch"),
    }
}

fn plan(tasks: Vec<TaskSpec>) -> Plan {
    let settings = PlanSettings { project: "demo".into(), agent: "bot".into(), ..PlanSettings::default() };
    let phases = tasks.iter().map(|task| task.phase).max().map_or(0, |last| last + 1);
    Plan { settings, phases: (0..phases).map(|n| format!("Phase {n}")).collect(), tasks }
}

fn seed() -> Plan {
    plan(vec![
        task("t1", 0, &["ceo.js"], &[]),
        task("t2", 0, &["ceo.js"], &["t1"]),
        task("t3", 0, &["validator.js"], &[]),
        task("t4", 1, &["kill.js", "container.js"], &[]),
        task("t5", 1, &["kill.js"], &["t4"]),
        task("t6", 1, &["ceo.js"], &["t2"]),
        task("t7", 1, &["container.js"], &[]),
        task("t8", 1, &["container.js", "egress.js"], &["t7"]),
    ])
}

fn attempt(spec: &LaunchSpec) -> u32 {
    spec.env["ORCH_ATTEMPT"].parse().expect("a number")
}

fn commits(world: &World, spec: &LaunchSpec) {
    let file = format!("{}-{}.txt", spec.env["ORCH_TASK_ID"], spec.env["ORCH_ATTEMPT"]);
    world.repository().commit_files(&spec.cwd, "work", &[(&file, "done")]);
}

fn good() -> Script {
    Script::new().print("working").wait(Millis::from_secs(60)).work(commits).exit(0)
}

fn play(plan: Plan, cast: impl Fn(&LaunchSpec) -> Script + Send + Sync + 'static) -> Story {
    Scenario::new(plan, cast).run().expect("no cycle")
}

#[test]
fn the_seeds_example_is_merged_in_an_allowed_order() {
    let story = play(seed(), |_| good());
    assert_eq!(story.outlook, Outlook::Goal, "{story}");
}

#[test]
fn trouble() {
    let story = play(plan(vec![task("t1", 0, &["a"], &[])]), |spec| match attempt(spec) {
        1 => Script::new().print("error: no").wait(Millis::from_secs(5)).exit(1),
        2 => Script::new().wait(Millis::from_secs(5)).exit(0),
        _ => Script::new().ask("Continue? [y/n]", "y\r").work(commits).exit(0),
    });
    assert_eq!(story.outlook, Outlook::Goal, "{story}");
}
