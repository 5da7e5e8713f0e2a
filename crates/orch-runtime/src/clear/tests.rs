use std::sync::Arc;

use orch_core::testkit::{Scenario, Script, World};
use orch_core::{DefaultPolicy, LaunchSpec, Manifest, Millis, replay};

use super::*;
use crate::testdir::TestDir;

/// A fleet that worked for ten minutes: `done` has its pull request, `busy` is at work on an uncommitted
/// file, `failed` gave up with a commit that is nowhere else, `late` never began.
struct Yard {
    world: World,
    dir: TestDir,
    state: State,
}

impl Yard {
    fn new() -> Self {
        let plan = Manifest::parse(
            br#"{"project":"demo","push":"complete","phases":[{"name":"One","tasks":[{"id":"done"},{"id":"busy"},{"id":"failed"}]},
                {"name":"Two","tasks":[{"id":"late"}]}]}"#,
        );
        let plan = plan.expect("a manifest").manifest.plan().clone();
        let commits = |world: &World, spec: &LaunchSpec| {
            world.repository().commit_files(&spec.cwd, "work", &[(&spec.env["ORCH_TASK_ID"], "x")]);
        };
        let writes = |world: &World, spec: &LaunchSpec| world.repository().write(&spec.cwd, "draft", "half");
        let scenario = Scenario::new(plan, move |spec| match spec.env["ORCH_TASK_ID"].as_str() {
            "done" => Script::new().work(commits).exit(0),
            "busy" => Script::new().work(writes).hang(),
            _ => Script::new().work(commits).exit(1),
        });
        let scenario = scenario.goal(Status::PrOpen).limits(|limits| limits.suspect_after = Millis::from_mins(600));
        let world = scenario.world().clone();
        let story = scenario.horizon(Millis::from_mins(10)).run().expect("no cycle");
        let dir = TestDir::new();
        let mut journal = Journal::open(&dir.path().join("events.jsonl")).expect("opened").journal;
        journal.append(&story.journal).expect("written");
        Self { world, dir, state: story.state }
    }

    fn clear(&mut self, force: bool) -> Cleared {
        let ports = Ports {
            executor: Arc::new(self.world.executor()),
            vcs: Arc::new(self.world.vcs()),
            forge: Arc::new(self.world.forge()),
        };
        let opened = Journal::<Entry>::open(&self.dir.path().join("events.jsonl")).expect("opened");
        let (mut journal, state) = (opened.journal, State::fold(&opened.records));
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let layout = Layout::new("/work");
        let cleared = runtime.block_on(clear(&mut journal, state, &ports, &layout, force)).expect("recorded");
        let records = Journal::<Entry>::open(&self.dir.path().join("events.jsonl")).expect("opened").records;
        assert_eq!(replay(&records, &DefaultPolicy).differences, Vec::new());
        self.state = State::fold(&records);
        assert!(self.state.open.is_empty(), "every effect has its outcome: {:?}", self.state.open);
        cleared
    }

    fn sessions(&self) -> usize {
        let executor = self.world.executor();
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(orch_core::Executor::list(&executor)).expect("listed").len()
    }
}

fn names(tasks: &[TaskId]) -> Vec<&str> {
    tasks.iter().map(TaskId::as_str).collect()
}

fn kept(cleared: &Cleared) -> Vec<String> {
    let name = |kept: &Kept| kept.task.as_ref().map_or("?", TaskId::as_str).to_owned();
    cleared.kept.iter().map(|kept| format!("{}: {}", name(kept), kept.because)).collect()
}

#[test]
fn live_agents_and_work_that_is_nowhere_else_stay() {
    let mut yard = Yard::new();
    let cleared = yard.clear(false);
    assert_eq!((names(&cleared.ended), names(&cleared.removed)), (vec![], vec!["done"]));
    let kept = kept(&cleared);
    assert_eq!(kept.len(), 2, "{kept:?}");
    assert_eq!(kept[0], "busy: its agent is at work");
    assert!(kept[1].starts_with("failed: its worktree cannot be removed: "), "{kept:?}");
    assert_eq!(yard.sessions(), 1);
}

#[test]
fn with_force_agents_end_and_their_work_is_saved_first() {
    let mut yard = Yard::new();
    let cleared = yard.clear(true);
    assert_eq!((names(&cleared.ended), names(&cleared.removed)), (vec!["busy"], vec!["done", "busy"]));
    assert_eq!(cleared.saved, ["refs/orch/saved/busy/1"]);
    let saved = yard.world.repository().resolve("refs/orch/saved/busy/1").expect("it is there");
    assert_eq!(yard.world.repository().show(&saved, "draft").as_deref(), Some("half"));
    assert_eq!(kept(&cleared).len(), 1, "the commit that is nowhere else stays: {cleared:?}");
    assert_eq!(yard.sessions(), 0);
    let busy = &yard.state.tasks[&TaskId::parse("busy").expect("a task id")];
    assert!(busy.session.is_none() && busy.removed && busy.needs_human, "{busy:?}");
    assert_eq!((busy.status, busy.reason.as_deref()), (Status::Error, Some("killed by a person")));
}

#[test]
fn a_second_time_there_is_nothing_to_do() {
    let mut yard = Yard::new();
    yard.clear(true);
    let again = yard.clear(true);
    assert_eq!((again.ended.len(), again.removed.len(), again.saved.len()), (0, 0, 0));
}
