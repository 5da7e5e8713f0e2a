//! Which tasks may start: order, gates, leases, slots, start points.

use std::collections::BTreeMap;

use super::cast::{branch, commits, good, id, many, mins, plan, play, secs, task, task_of, writes};
use super::{Case, cases, told};
use crate::base::id::PullNumber;
use crate::journal::record::{Record, UserVerb};
use crate::plan::spec::{Gate, Plan, SameFile};
use crate::plan::status::Status;
use crate::ports::{Check, CheckState};
use crate::testkit::{Scenario, Script, Story};

pub(super) const CASES: &[Case] = cases![
    example_of_two_phases,
    slots,
    explicit_order,
    person_gives_slot_back,
    gate_at_complete,
    gate_at_pull_request,
    gate_at_merge,
    start_point_conflicts,
    predecessor_is_skipped_while_running,
    published_predecessor_is_skipped,
    conflicting_predecessor_is_skipped,
    predecessor_is_skipped_under_a_stack,
    rework_waits_for_the_lease,
    lease_is_held_for_a_person,
    slot_is_held_by_a_paused_task,
];

fn example_of_two_phases() -> Scenario {
    let tasks = vec![
        task("t1", 0, &["ceo.js"], &[]),
        task("t2", 0, &["ceo.js"], &["t1"]),
        task("t3", 0, &["validator.js"], &[]),
        task("t4", 1, &["kill.js", "container.js"], &[]),
        task("t5", 1, &["kill.js"], &["t4"]),
        task("t6", 1, &["ceo.js"], &["t2"]),
        task("t7", 1, &["container.js"], &[]),
        task("t8", 1, &["container.js", "egress.js"], &["t7"]),
    ];
    play(plan(tasks), |_| good())
}

/// When each task's first attempt opened, in whole seconds.
fn starts(story: &Story) -> BTreeMap<String, u64> {
    let began = story.journal[0].timestamp;
    let mut starts = BTreeMap::new();
    for entry in &story.journal {
        if let (Record::Status(change), Some(task)) = (&entry.record, &entry.task)
            && change.to == Status::Running
        {
            starts.entry(task.to_string()).or_insert(entry.timestamp.since(began).0 / 1000);
        }
    }
    starts
}

#[test]
fn an_example_of_two_phases_runs_in_waves() {
    let story = example_of_two_phases().run().expect("no cycle");
    insta::assert_snapshot!(format!("{:?} {:?}", starts(&story), story.outlook), @r#"{"t1": 0, "t2": 60, "t3": 0, "t4": 120, "t5": 180, "t6": 120, "t7": 180, "t8": 240} Goal"#);
}

fn slots() -> Scenario {
    let mut plan = many(5);
    plan.settings.max_parallel = 2;
    play(plan, |_| good())
}

#[test]
fn no_more_run_than_there_are_slots() {
    let story = slots().run().expect("no cycle");
    assert_eq!(story.state.parallel_peak, 2);
    insta::assert_snapshot!(format!("{:?}", starts(&story)), @r#"{"t1": 0, "t2": 0, "t3": 60, "t4": 60, "t5": 120}"#);
}

fn explicit_order() -> Scenario {
    let mut plan = plan(vec![
        task("t1", 0, &["src/**"], &[]),
        task("t2", 0, &["src/a.rs"], &[]),
        task("t3", 0, &["docs/"], &[]),
        task("t4", 0, &["src/b.rs", "docs/x.md"], &[]),
    ]);
    plan.settings.same_file = SameFile::Explicit;
    play(plan, |_| good())
}

#[test]
fn explicit_plans_order_nothing_by_files() {
    let story = explicit_order().run().expect("no cycle");
    insta::assert_snapshot!(format!("{:?}", starts(&story)), @r#"{"t1": 0, "t2": 0, "t3": 0, "t4": 0}"#);
}

fn person_gives_slot_back() -> Scenario {
    let mut plan = many(2);
    plan.settings.max_parallel = 1;
    play(plan, |spec| match task_of(spec) {
        "t1" => Script::new().ask("Log in to go on?", "x\r").print("\nthanks").wait(secs(5)).work(commits).exit(0),
        _ => good(),
    })
    .say(mins(30), Some("t1"), UserVerb::Send { text: "x".into() })
}

#[test]
fn who_waits_for_a_person_gives_the_slot_back() {
    insta::assert_snapshot!(told(person_gives_slot_back()), @r#"
    00:00:00 the orchestrator takes over
    00:00:00 t1 pending -> running (attempt 1)
    00:00:00 t1 dialog => escalate: a dialog that no blind key may answer: Log in to go on?
    00:00:00 t1 running -> stuck: a dialog that no blind key may answer: Log in to go on?
    00:00:00 t2 pending -> running (attempt 1)
    00:01:00 t2 claimsDone => verify: 1 commit over the start, clean, at 5362f11f26
    00:01:00 t2 verified => accept: committed and clean; no verify command is set
    00:01:00 t2 running -> complete
    00:01:00 t2 complete -> pr_open
    00:01:00 t2 pr_open -> merged
    00:30:00 t1 a person says Send { text: "x" }
    00:30:00 t1 stuck -> running
    00:30:05 t1 claimsDone => verify: 1 commit over the start, clean, at cb5ee0ecc5
    00:30:05 t1 verified => accept: committed and clean; no verify command is set
    00:30:05 t1 running -> complete
    00:30:05 t1 complete -> pr_open
    00:30:05 t1 verified => accept: committed and clean; no verify command is set
    00:30:05 t1 pr_open -> merged
    Goal
    "#);
}

fn phases(gate: Gate) -> Plan {
    let mut plan = plan(vec![task("t1", 0, &[], &[]), task("t2", 0, &[], &[]), task("t3", 1, &[], &[])]);
    plan.settings.gate = gate;
    plan
}

fn gated(gate: Gate) -> Scenario {
    play(phases(gate), |spec| match task_of(spec) {
        "t2" => Script::new().print("working").wait(mins(3)).work(commits).exit(0),
        _ => good(),
    })
}

fn gate_at_complete() -> Scenario {
    gated(Gate::Complete).goal(Status::Complete)
}

#[test]
fn a_phase_begins_when_all_before_it_are_complete() {
    insta::assert_snapshot!(told(gate_at_complete()), @r"
    00:00:00 the orchestrator takes over
    00:00:00 t3 pending -> blocked: waits for t1 (earlier phase), t2 (earlier phase)
    00:00:00 t1 pending -> running (attempt 1)
    00:00:00 t2 pending -> running (attempt 1)
    00:01:00 t1 claimsDone => verify: 1 commit over the start, clean, at a4153b671d
    00:01:00 t1 verified => accept: committed and clean; no verify command is set
    00:01:00 t1 running -> complete
    00:03:00 t2 claimsDone => verify: 1 commit over the start, clean, at 0e05cefbbb
    00:03:00 t2 verified => accept: committed and clean; no verify command is set
    00:03:00 t2 running -> complete
    00:03:00 t3 blocked -> pending
    00:03:00 t3 pending -> running (attempt 1)
    00:04:00 t3 claimsDone => verify: 1 commit over the start, clean, at 0cea793f96
    00:04:00 t3 verified => accept: committed and clean; no verify command is set
    00:04:00 t3 running -> complete
    Goal
    ");
}

fn gate_at_pull_request() -> Scenario {
    gated(Gate::PrOpen).goal(Status::PrOpen)
}

#[test]
fn a_phase_begins_when_all_before_it_are_published() {
    insta::assert_snapshot!(told(gate_at_pull_request()), @r"
    00:00:00 the orchestrator takes over
    00:00:00 t3 pending -> blocked: waits for t1 (earlier phase), t2 (earlier phase)
    00:00:00 t1 pending -> running (attempt 1)
    00:00:00 t2 pending -> running (attempt 1)
    00:01:00 t1 claimsDone => verify: 1 commit over the start, clean, at a4153b671d
    00:01:00 t1 verified => accept: committed and clean; no verify command is set
    00:01:00 t1 running -> complete
    00:01:00 t1 complete -> pr_open
    00:03:00 t2 claimsDone => verify: 1 commit over the start, clean, at 0e05cefbbb
    00:03:00 t2 verified => accept: committed and clean; no verify command is set
    00:03:00 t2 running -> complete
    00:03:00 t2 complete -> pr_open
    00:03:00 t3 blocked -> pending
    00:03:00 t3 pending -> running (attempt 1)
    00:04:00 t3 claimsDone => verify: 1 commit over the start, clean, at 0cea793f96
    00:04:00 t3 verified => accept: committed and clean; no verify command is set
    00:04:00 t3 running -> complete
    00:04:00 t3 complete -> pr_open
    Goal
    ");
}

fn gate_at_merge() -> Scenario {
    gated(Gate::Merged).merged_by_hand().at(mins(10), merge("t1")).at(mins(20), merge("t2")).at(mins(40), merge("t3"))
}

fn merge(task: &'static str) -> impl FnOnce(&crate::testkit::World) {
    move |world| _ = world.repository().merge_by_hand(&branch(&format!("task/{task}")), &branch("main"))
}

#[test]
fn a_phase_begins_when_all_before_it_are_merged() {
    insta::assert_snapshot!(told(gate_at_merge()), @r"
    00:00:00 the orchestrator takes over
    00:00:00 t3 pending -> blocked: waits for t1 (earlier phase), t2 (earlier phase)
    00:00:00 t1 pending -> running (attempt 1)
    00:00:00 t2 pending -> running (attempt 1)
    00:01:00 t1 claimsDone => verify: 1 commit over the start, clean, at a4153b671d
    00:01:00 t1 verified => accept: committed and clean; no verify command is set
    00:01:00 t1 running -> complete
    00:01:00 t1 complete -> pr_open
    00:03:00 t2 claimsDone => verify: 1 commit over the start, clean, at 0e05cefbbb
    00:03:00 t2 verified => accept: committed and clean; no verify command is set
    00:03:00 t2 running -> complete
    00:03:00 t2 complete -> pr_open
    00:10:00 t1 pullMerged => accept: its work is in the base
    00:10:00 t1 pr_open -> merged
    00:20:00 t2 pullMerged => accept: its work is in the base
    00:20:00 t2 pr_open -> merged
    00:20:00 t3 blocked -> pending
    00:20:00 t3 pending -> running (attempt 1)
    00:21:00 t3 claimsDone => verify: 1 commit over the start, clean, at 16eca49a1b
    00:21:00 t3 verified => accept: committed and clean; no verify command is set
    00:21:00 t3 running -> complete
    00:21:00 t3 complete -> pr_open
    00:40:00 t3 pullMerged => accept: its work is in the base
    00:40:00 t3 pr_open -> merged
    Goal
    ");
}

/// `t1` and `t2` change the same file without saying so; `t3` builds on both.
fn start_point_conflicts() -> Scenario {
    let tasks = vec![task("t1", 0, &[], &[]), task("t2", 0, &[], &[]), task("t3", 0, &[], &["t1", "t2"])];
    play(plan(tasks), |spec| match (task_of(spec), spec.env["ORCH_ATTEMPT"].as_str()) {
        ("t1", _) => Script::new().print("working").wait(secs(60)).step(writes("shared.txt", "one")),
        ("t2", "1") => Script::new().print("working").wait(secs(60)).step(writes("shared.txt", "two")),
        ("t2", _) => Script::new().wait(secs(60)).work(|world, spec| {
            let main = world.repository().remote_tip(&branch("main")).expect("a base");
            world.repository().merge_keeping_ours(&spec.cwd, &main);
        }),
        _ => good(),
    })
    .merged_by_hand()
    .at(mins(10), merge("t1"))
    .at(mins(11), |world| {
        // A person resolves the conflict by hand, as a new commit on the base.
        world.repository().publish(&branch("main"), &[("shared.txt", "two")]);
    })
    .at(mins(20), merge("t2"))
    .at(mins(40), merge("t3"))
}

#[test]
fn a_start_point_that_conflicts_waits_for_a_merge() {
    insta::assert_snapshot!(told(start_point_conflicts()), @r"
    00:00:00 the orchestrator takes over
    00:00:00 t3 pending -> blocked: waits for t1 (dependsOn), t2 (dependsOn)
    00:00:00 t1 pending -> running (attempt 1)
    00:00:00 t2 pending -> running (attempt 1)
    00:01:00 t1 claimsDone => verify: 1 commit over the start, clean, at f440734013
    00:01:00 t2 claimsDone => verify: 1 commit over the start, clean, at 93fdc38d77
    00:01:00 t1 verified => accept: committed and clean; no verify command is set
    00:01:00 t1 running -> complete
    00:01:00 t2 verified => accept: committed and clean; no verify command is set
    00:01:00 t2 running -> complete
    00:01:00 t3 blocked -> pending
    00:01:00 t3 pending -> running (attempt 1)
    00:01:00 t3 running -> blocked (attempt 0): the work that it builds on conflicts in shared.txt
    00:01:00 t1 complete -> pr_open
    00:01:00 t2 complete -> pr_open
    00:10:00 t1 pullMerged => accept: its work is in the base
    00:10:00 t1 pr_open -> merged
    00:10:00 t3 blocked -> pending
    00:10:00 t3 pending -> running (attempt 1)
    00:10:00 t3 running -> blocked (attempt 0): the work that it builds on conflicts in shared.txt
    00:10:00 t2 conflict => rework: base branch main conflicts in shared.txt: merge 08ecc3403ae89db2fa3aa9770346a5a2a1a74712 into the branch and resolve it; round 1 of 3
    00:10:00 t2 pr_open -> error: base branch main conflicts in shared.txt: merge 08ecc3403ae89db2fa3aa9770346a5a2a1a74712 into the branch and resolve it
    00:10:00 t2 error -> running (attempt 2)
    00:11:00 t2 claimsDone => verify: 1 commit over the start, clean, at 20239849f4
    00:11:00 t2 verified => accept: committed and clean; no verify command is set
    00:11:00 t2 running -> complete
    00:11:00 t2 complete -> pr_open
    00:20:00 t2 pullMerged => accept: its work is in the base
    00:20:00 t2 pr_open -> merged
    00:20:00 t3 blocked -> pending
    00:20:00 t3 pending -> running (attempt 1)
    00:21:00 t3 claimsDone => verify: 1 commit over the start, clean, at 1121741d82
    00:21:00 t3 verified => accept: committed and clean; no verify command is set
    00:21:00 t3 running -> complete
    00:21:00 t3 complete -> pr_open
    00:40:00 t3 pullMerged => accept: its work is in the base
    00:40:00 t3 pr_open -> merged
    Goal
    ");
}

/// `t2` begins after `t1`, which is published, was skipped; `t3` keeps it from beginning earlier.
fn published_predecessor_is_skipped() -> Scenario {
    let tasks = vec![task("t1", 0, &[], &[]), task("t3", 0, &[], &[]), task("t2", 0, &[], &["t1", "t3"])];
    play(plan(tasks), |spec| match task_of(spec) {
        "t3" => Script::new().print("working").wait(mins(4)).step(writes("t3.txt", "done")),
        name => Script::new().wait(secs(60)).step(writes(if name == "t1" { "t1.txt" } else { "t2.txt" }, "done")),
    })
    .merged_by_hand()
    .say(mins(2), Some("t1"), UserVerb::Skip)
    .at(mins(20), merge("t3"))
    .at(mins(30), merge("t2"))
}

#[test]
fn skipped_work_is_left_out_of_what_comes_after() {
    let story = published_predecessor_is_skipped().run().expect("no cycle");
    let [first, second] = ["t1", "t2"].map(|task| &story.state.tasks[&super::cast::id(task)]);
    assert_eq!((first.status, second.status), (Status::PrOpen, Status::Merged), "{story}");
    assert!(!second.work.contains.contains_key(&super::cast::id("t1")), "{story}");
    assert_eq!(
        second.publication.pull.as_ref().map(|pull| (pull.base.as_str(), pull.draft)),
        Some(("main", false)),
        "{story}"
    );
    let skipped = first.work.verified.as_ref().expect("verified");
    let main = story.world.repository().remote_tip(&branch("main")).expect("a base");
    assert!(!story.world.repository().contains(skipped, &main), "the skipped work is in the base\n{story}");
}

/// `t2` builds on `t1`, whose checks never end; `t1` is skipped once both are published. Orch merges.
fn predecessor_is_skipped_under_a_stack() -> Scenario {
    let tasks = vec![task("t1", 0, &[], &[]), task("t2", 0, &[], &["t1"])];
    let scenario = play(plan(tasks), |_| good());
    scenario.world().forge().set_new_checks([Check::new("lint", CheckState::Pending)]);
    scenario
        .at(mins(5), |world| world.forge().set_checks(PullNumber(2), [Check::new("lint", CheckState::Passed)]))
        .say(mins(10), Some("t1"), UserVerb::Skip)
        .horizon(mins(120))
}

#[test]
fn skipped_work_is_not_merged_by_what_was_built_on_it() {
    let story = predecessor_is_skipped_under_a_stack().run().expect("no cycle");
    let [first, second] = ["t1", "t2"].map(|task| &story.state.tasks[&super::cast::id(task)]);
    assert_eq!((first.status, second.status), (Status::PrOpen, Status::PrOpen), "{story}");
    let skipped = first.work.verified.as_ref().expect("verified");
    let main = story.world.repository().remote_tip(&branch("main")).expect("a base");
    assert!(!story.world.repository().contains(skipped, &main), "the skipped work is in the base\n{story}");
    assert_eq!(second.publication.pull.as_ref().map(|pull| pull.base.as_str()), Some("task/t1"), "{story}");
}

/// The work of `t1` and `t2` conflicts, and `t2` is skipped: `t3` starts on `t1` alone.
fn conflicting_predecessor_is_skipped() -> Scenario {
    let tasks = vec![task("t1", 0, &[], &[]), task("t2", 0, &[], &[]), task("t3", 0, &[], &["t1", "t2"])];
    play(plan(tasks), |spec| match task_of(spec) {
        "t1" => Script::new().print("working").wait(secs(60)).step(writes("shared.txt", "one")),
        "t2" => Script::new().print("working").wait(secs(60)).step(writes("shared.txt", "two")),
        _ => good(),
    })
    .merged_by_hand()
    .say(mins(5), Some("t2"), UserVerb::Skip)
    .at(mins(20), merge("t1"))
    .at(mins(30), merge("t3"))
}

#[test]
fn a_skip_resolves_a_conflict_at_the_start_once() {
    let story = conflicting_predecessor_is_skipped().run().expect("no cycle");
    let third = &story.state.tasks[&super::cast::id("t3")];
    assert_eq!((third.status, third.attempt.number.0), (Status::Merged, 1), "{story}");
    assert!(story.journal.len() < 120, "{} records\n{story}", story.journal.len());
}

fn predecessor_is_skipped_while_running() -> Scenario {
    let tasks = vec![task("t1", 0, &[], &[]), task("t2", 0, &[], &["t1"])];
    play(plan(tasks), |spec| match task_of(spec) {
        "t1" => Script::new().print("working").wait(mins(9)).work(commits).exit(0),
        _ => good(),
    })
    .say(mins(2), Some("t1"), UserVerb::Skip)
}

#[test]
fn a_skipped_task_lets_others_pass() {
    insta::assert_snapshot!(told(predecessor_is_skipped_while_running()), @r"
    00:00:00 the orchestrator takes over
    00:00:00 t2 pending -> blocked: waits for t1 (dependsOn)
    00:00:00 t1 pending -> running (attempt 1)
    00:02:00 t1 a person says Skip
    00:02:00 t1 running -> error: skipped by a person
    00:02:00 t2 blocked -> pending
    00:02:00 t2 pending -> running (attempt 1)
    00:03:00 t2 claimsDone => verify: 1 commit over the start, clean, at 0e05cefbbb
    00:03:00 t2 verified => accept: committed and clean; no verify command is set
    00:03:00 t2 running -> complete
    00:03:00 t2 complete -> pr_open
    00:03:00 t2 pr_open -> merged
    Goal
    ");
}

/// `t2` runs on `t1`'s file when `t1` is sent back.
fn rework_waits_for_the_lease() -> Scenario {
    let tasks = vec![task("t1", 0, &["a"], &[]), task("t2", 0, &["a"], &[])];
    play(plan(tasks), |spec| match task_of(spec) {
        "t2" => Script::new().print("working").wait(mins(4)).print("\nmore").wait(mins(4)).work(commits).exit(0),
        _ => good(),
    })
    .merged_by_hand()
    .at(mins(3), |world| world.forge().request_changes(super::cast::pull(1), Some("no tabs")))
    .at(mins(30), merge("t1"))
    .at(mins(40), merge("t2"))
}

#[test]
fn rework_waits_for_files_that_others_work_on() {
    insta::assert_snapshot!(told(rework_waits_for_the_lease()), @r"
    00:00:00 the orchestrator takes over
    00:00:00 t2 pending -> blocked: waits for t1 (both touch a)
    00:00:00 t1 pending -> running (attempt 1)
    00:01:00 t1 claimsDone => verify: 1 commit over the start, clean, at a4153b671d
    00:01:00 t1 verified => accept: committed and clean; no verify command is set
    00:01:00 t1 running -> complete
    00:01:00 t2 blocked -> pending
    00:01:00 t2 pending -> running (attempt 1)
    00:01:00 t1 complete -> pr_open
    00:03:00 t1 changesRequested => rework: changes were requested: no tabs; round 1 of 3
    00:03:00 t1 pr_open -> error: changes were requested: no tabs
    00:09:00 t2 claimsDone => verify: 1 commit over the start, clean, at daf56022ff
    00:09:00 t2 verified => accept: committed and clean; no verify command is set
    00:09:00 t2 running -> complete
    00:09:00 t1 error -> running (attempt 2)
    00:09:00 t2 complete -> pr_open
    00:10:00 t1 claimsDone => verify: 2 commits over the start, clean, at 92b9dd7250
    00:10:00 t1 verified => accept: committed and clean; no verify command is set
    00:10:00 t1 running -> complete
    00:10:00 t1 complete -> pr_open
    00:30:00 t1 pullMerged => accept: its work is in the base
    00:30:00 t1 pr_open -> merged
    00:40:00 t2 pullMerged => accept: its work is in the base
    00:40:00 t2 pr_open -> merged
    Goal
    ");
}

/// `t1` is sent back while `t2`, on the same file, waits for a person.
fn lease_is_held_for_a_person() -> Scenario {
    let tasks = vec![task("t1", 0, &["a"], &[]), task("t2", 0, &["a"], &[])];
    play(plan(tasks), |spec| match task_of(spec) {
        "t2" => Script::new().ask("Delete everything? [y/n]", "n\r").exit(0),
        _ => good(),
    })
    .goal(Status::PrOpen)
    .at(mins(2), |world| world.forge().request_changes(super::cast::pull(1), Some("no tabs")))
}

#[test]
fn nobody_waits_for_a_lease_that_a_person_must_free() {
    insta::assert_snapshot!(told(lease_is_held_for_a_person()), @r"
    00:00:00 the orchestrator takes over
    00:00:00 t2 pending -> blocked: waits for t1 (both touch a)
    00:00:00 t1 pending -> running (attempt 1)
    00:01:00 t1 claimsDone => verify: 1 commit over the start, clean, at a4153b671d
    00:01:00 t1 verified => accept: committed and clean; no verify command is set
    00:01:00 t1 running -> complete
    00:01:00 t2 blocked -> pending
    00:01:00 t2 pending -> running (attempt 1)
    00:01:00 t1 complete -> pr_open
    00:01:00 t2 dialog => escalate: a dialog that no blind key may answer: Delete everything? [y/n]
    00:01:00 t2 running -> stuck: a dialog that no blind key may answer: Delete everything? [y/n]
    00:02:00 t1 changesRequested => rework: changes were requested: no tabs; round 1 of 3
    00:02:00 t1 pr_open -> error: changes were requested: no tabs
    NeedsPerson
    ");
}

fn slot_is_held_by_a_paused_task() -> Scenario {
    let mut plan = many(2);
    plan.settings.max_parallel = 1;
    play(plan, |_| good()).say(secs(30), Some("t1"), UserVerb::Pause)
}

#[test]
fn nobody_waits_for_a_slot_that_a_person_must_free() {
    insta::assert_snapshot!(told(slot_is_held_by_a_paused_task()), @r"
    00:00:00 the orchestrator takes over
    00:00:00 t1 pending -> running (attempt 1)
    00:00:30 t1 a person says Pause
    00:01:00 t1 claimsDone => verify: 1 commit over the start, clean, at a4153b671d
    NeedsPerson
    ");
}

#[test]
fn what_holds_a_task_is_said() {
    let story = gate_at_merge().horizon(mins(5)).run().expect("no cycle");
    assert_eq!(
        story.state.tasks[&id("t3")].reason.as_deref(),
        Some("waits for t1 (earlier phase), t2 (earlier phase)")
    );
}
