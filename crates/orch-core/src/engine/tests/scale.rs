//! Thousands of tasks in one manifest: the state stays exact.

use std::collections::BTreeMap;

use super::cast::{attempt, id, plan, play, task, task_of};
use super::proof::check;
use crate::base::id::TaskId;
use crate::engine::Outlook;
use crate::journal::record::Record;
use crate::plan::graph::TaskGraph;
use crate::plan::status::Status;
use crate::testkit::{Script, Story};

const TASKS: usize = 2000;
/// Tasks that share a file run one after another: so many rows of them.
const LANES: usize = 40;

fn lane(number: usize) -> String {
    format!("lane-{:02}.txt", number % LANES)
}

/// Agents that do nothing but commit, at once; one in seven fails the first time.
fn run() -> Story {
    let named = |number: usize| task(&format!("t{number}"), 0, &[&lane(number)], &[]);
    let mut plan = plan((0..TASKS).map(named).collect());
    plan.settings.max_parallel = 16;
    play(plan, |spec| {
        let number: usize = task_of(spec)[1..].parse().expect("a number");
        if number.is_multiple_of(7) && attempt(spec) == 1 {
            return Script::new().exit(1);
        }
        Script::new().work(move |world, spec| {
            world.repository().commit_files(&spec.cwd, "work", &[(&lane(number), task_of(spec))]);
        })
    })
    .run()
    .expect("no cycle")
}

/// The position in the journal at which each task was merged; fails if one was twice.
fn merges(story: &Story) -> BTreeMap<&TaskId, usize> {
    let mut merges = BTreeMap::new();
    for (at, entry) in story.journal.iter().enumerate() {
        if let (Record::Status(change), Some(task)) = (&entry.record, &entry.task)
            && change.to == Status::Merged
        {
            assert_eq!(merges.insert(task, at), None, "{task} is merged twice");
        }
    }
    merges
}

#[test]
fn thousands_of_tasks_are_merged_once_each_in_order() {
    let story = run();
    check(&story);
    let stopped: Vec<&TaskId> =
        story.state.tasks.iter().filter(|(_, task)| task.needs_human).map(|(id, _)| id).collect();
    if let Some(first) = stopped.first() {
        panic!("{} of {TASKS} need a person\n{}", stopped.len(), story.of(first.as_str()));
    }
    assert_eq!(story.outlook, Outlook::Goal);
    let merges = merges(&story);
    assert_eq!(merges.len(), TASKS);
    let graph = TaskGraph::build(story.state.plan.as_ref().expect("a plan")).expect("no cycle");
    for edge in graph.edges() {
        assert!(merges[edge.from()] < merges[edge.to()], "{edge:?}");
    }
    let attempts = |number: usize| story.state.tasks[&id(&format!("t{number}"))].attempt.number.0;
    assert!((0..TASKS).all(|number| attempts(number) == if number.is_multiple_of(7) { 2 } else { 1 }));
    assert_eq!(story.world.forge().pulls().len(), TASKS);
    assert_eq!(story.state.parallel_peak, 16);
}
