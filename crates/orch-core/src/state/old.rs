//! Journals that earlier versions wrote fold to what those versions said of them.

use crate::journal::record::Entry;
use crate::state::State;

/// A journal's tasks, as `orch status` shows them: status, attempt, pull request, what a person is needed for.
fn table(journal: &str) -> String {
    let entries: Vec<Entry> =
        journal.lines().map(|line| serde_json::from_str(line).expect("a line that is still read")).collect();
    let state = State::fold(&entries);
    let row = |(id, task): (&crate::base::id::TaskId, &crate::state::TaskState)| {
        let pull = task.publication.pull.as_ref().map_or("-".to_owned(), |pull| pull.number.to_string());
        let person = if task.needs_human { " person" } else { "" };
        let skipped = if task.skipped { " skipped" } else { "" };
        format!("{id} {} {} {pull}{person}{skipped}\n", task.status, task.attempt.number)
    };
    state.tasks.iter().map(row).collect()
}

#[test]
fn a_demo_of_the_first_version() {
    insta::assert_snapshot!(table(include_str!("old/demo.jsonl")), @r"
    t1 merged 1 1
    t2 merged 1 3
    t3 merged 2 2
    t4 merged 1 5
    t5 merged 1 7
    t6 merged 2 4
    t7 merged 2 6
    t8 merged 1 8
    ");
}

#[test]
fn send_skip_pause_kill_retry_and_early_pushes_of_the_first_version() {
    insta::assert_snapshot!(table(include_str!("old/verbs.jsonl")), @r"
    after merged 1 3
    asks merged 1 2
    early merged 1 4
    fails merged 3 5
    plain merged 1 1
    skipped blocked 0 - skipped
    slow running 2 -
    ");
}

#[test]
fn a_kill_of_all_and_work_that_no_task_names_of_the_first_version() {
    insta::assert_snapshot!(table(include_str!("old/killed.jsonl")), @r"
    after merged 1 3
    asks merged 1 5
    early merged 1 4
    fails merged 3 6
    plain merged 1 1
    skipped merged 1 2
    slow error 2 - person
    ");
}
