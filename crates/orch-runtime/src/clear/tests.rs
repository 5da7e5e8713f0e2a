use std::sync::Arc;

use orch_core::base::Millis;
use orch_core::heal::DefaultPolicy;
use orch_core::plan::{Manifest, Status};
use orch_core::ports::LaunchSpec;
use orch_core::testkit::{Scenario, Script, World};
use orch_core::views::replay;

use super::*;
use crate::testdir::TestDir;

/// A fleet that worked for ten minutes: `done` has its pull request, `busy` is at work on an uncommitted
/// file, `failed` gave up with a commit that was never pushed and an uncommitted file, `late` never began.
struct Fleet {
    world: World,
    dir: TestDir,
    state: State,
}

impl Fleet {
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
            _ => Script::new().work(commits).work(writes).exit(1),
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
        runtime.block_on(orch_core::ports::Executor::list(&executor)).expect("listed").len()
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
fn live_agents_stay_and_what_failed_goes_once_it_is_saved() {
    let mut fleet = Fleet::new();
    let cleared = fleet.clear(false);
    assert_eq!((names(&cleared.ended), names(&cleared.removed)), (vec![], vec!["done", "failed"]));
    assert_eq!(kept(&cleared), ["busy: its agent is at work"]);
    assert_eq!(fleet.sessions(), 1);
    assert_eq!(cleared.saved, ["refs/orch/saved/failed/3"]);
    let repository = fleet.world.repository();
    let saved = repository.resolve("refs/orch/saved/failed/3").expect("it is there");
    assert_eq!(repository.show(&saved, "draft").as_deref(), Some("half"));
    let branch = repository.resolve("refs/heads/task/failed").expect("the branch stays");
    assert_eq!(repository.show(&branch, "failed").as_deref(), Some("x"));
}

#[test]
fn with_force_agents_end_and_their_work_is_saved_first() {
    let mut fleet = Fleet::new();
    let cleared = fleet.clear(true);
    assert_eq!((names(&cleared.ended), names(&cleared.removed)), (vec!["busy"], vec!["done", "busy", "failed"]));
    assert_eq!(cleared.saved, ["refs/orch/saved/busy/1", "refs/orch/saved/failed/3"]);
    let saved = fleet.world.repository().resolve("refs/orch/saved/busy/1").expect("it is there");
    assert_eq!(fleet.world.repository().show(&saved, "draft").as_deref(), Some("half"));
    assert_eq!((kept(&cleared).len(), fleet.sessions()), (0, 0), "{cleared:?}");
    let busy = &fleet.state.tasks[&TaskId::parse("busy").expect("a task id")];
    assert!(busy.session.is_none() && !busy.worktree.is_there() && busy.needs_human, "{busy:?}");
    assert_eq!((busy.status, busy.reason.as_deref()), (Status::Error, Some("killed by a person")));
}

#[test]
fn a_second_time_there_is_nothing_to_do() {
    let mut fleet = Fleet::new();
    fleet.clear(true);
    let again = fleet.clear(true);
    assert_eq!((again.ended.len(), again.removed.len(), again.saved.len()), (0, 0, 0));
}
