//! Merges by orch, one at a time, of what was verified on top of the base as it is; stacks of them.

use super::cast::{
    branch, diligent, good, id, is_verify, many, mins, one, plan, play, pull, secs, task, task_of, verified, writes,
};
use super::{Case, cases, told};
use crate::journal::effect::Effect;
use crate::journal::record::Record;
use crate::plan::status::Status;
use crate::ports::MergeMethod;
use crate::testkit::{Failure, Operation, Scenario, Script, Story};

pub(super) const CASES: &[Case] = cases![
    two_merge_one_after_another,
    base_is_moved_by_others,
    base_moves_just_before_the_merge,
    merge_is_refused,
    merge_conflicts_at_the_forge,
    stack_of_three,
    squashed_stack,
    rebased_stack,
    builds_on_two,
    predecessor_is_reworked,
    base_conflicts_and_is_resolved,
    rebased_after_a_conflict,
    base_conflicts_where_a_person_merges,
    base_conflicts_for_ever,
    sync_breaks_what_was_verified,
    merge_answer_is_lost,
];

fn two_merge_one_after_another() -> Scenario {
    play(verified(many(2)), diligent)
}

#[test]
fn each_is_verified_on_top_of_the_other() {
    insta::assert_snapshot!(told(two_merge_one_after_another()), @r"
    00:00:00 the orchestrator takes over
    00:00:00 t1 pending -> running (attempt 1)
    00:00:00 t2 pending -> running (attempt 1)
    00:01:00 t1 claimsDone => verify: 1 commit over the start, clean, at a4153b671d
    00:01:00 t2 claimsDone => verify: 1 commit over the start, clean, at 0c5337ccfa
    00:01:10 t1 verified => accept: the verify command passed at a4153b671d
    00:01:10 t1 running -> complete
    00:01:10 t1 complete -> pr_open
    00:01:10 t1 pr_open -> merged
    00:01:20 t2 verified => accept: the verify command passed at 0c5337ccfa
    00:01:20 t2 running -> complete
    00:01:20 t2 complete -> pr_open
    00:01:30 t2 verified => accept: the verify command passed at 47bb24aa42
    00:01:30 t2 pr_open -> merged
    Goal
    ");
}

/// The calls that change what others see, in order.
fn published(story: &Story) -> String {
    let kinds = [Operation::Sync, Operation::Push, Operation::Open, Operation::Update, Operation::Merge];
    let calls = story.world.calls().into_iter().filter(|call| kinds.contains(&call.operation));
    let subject = |call: &crate::testkit::Call| call.subject.split(' ').next().unwrap_or_default().to_owned();
    calls.map(|call| format!("{:?} {}\n", call.operation, subject(&call))).collect()
}

#[test]
fn what_others_see_happens_in_order() {
    let story = two_merge_one_after_another().run().expect("no cycle");
    insta::assert_snapshot!(published(&story), @r"
    Push task/t1
    Open task/t1
    Merge 1
    Push task/t2
    Open task/t2
    Sync task/t2
    Push task/t2
    Merge 2
    ");
}

fn base_is_moved_by_others() -> Scenario {
    play(verified(one()), diligent).at(secs(30), |world| {
        world.repository().publish(&branch("main"), &[("theirs.txt", "x")]);
    })
}

#[test]
fn a_base_that_moved_is_taken_in_and_verified_again() {
    let story = base_is_moved_by_others().run().expect("no cycle");
    insta::assert_snapshot!(published(&story), @r"
    Push task/t1
    Open task/t1
    Sync task/t1
    Push task/t1
    Merge 1
    ");
    assert_eq!(story.state.tasks[&id("t1")].status, Status::Merged, "{story}");
}

fn base_moves_just_before_the_merge() -> Scenario {
    let scenario = play(one(), |_| good());
    scenario.world().fail(Operation::Merge, 2, Failure::Unreachable);
    scenario.at(secs(65), |world| {
        world.repository().publish(&branch("main"), &[("theirs.txt", "x")]);
    })
}

#[test]
fn the_base_is_looked_at_before_every_merge() {
    let story = base_moves_just_before_the_merge().run().expect("no cycle");
    insta::assert_snapshot!(published(&story), @r"
    Push task/t1
    Open task/t1
    Merge 1
    Sync task/t1
    Push task/t1
    Merge 1
    Merge 1
    ");
}

fn merge_is_refused() -> Scenario {
    let scenario = play(many(2), |_| good());
    scenario.world().fail(Operation::Merge, 1, Failure::Refused);
    scenario
}

#[test]
fn a_refused_merge_needs_a_person_and_holds_nobody_up() {
    insta::assert_snapshot!(told(merge_is_refused()), @r"
    00:00:00 the orchestrator takes over
    00:00:00 t1 pending -> running (attempt 1)
    00:00:00 t2 pending -> running (attempt 1)
    00:01:00 t1 claimsDone => verify: 1 commit over the start, clean, at a4153b671d
    00:01:00 t2 claimsDone => verify: 1 commit over the start, clean, at 0c5337ccfa
    00:01:00 t1 verified => accept: committed and clean; no verify command is set
    00:01:00 t1 running -> complete
    00:01:00 t2 verified => accept: committed and clean; no verify command is set
    00:01:00 t2 running -> complete
    00:01:00 t1 complete -> pr_open
    00:01:00 t2 complete -> pr_open
    00:01:00 t1 publishRefused => escalate: mergePull: the forge refused Merge: a fault on order
    00:01:00 t1 pr_open -> error: mergePull: the forge refused Merge: a fault on order
    00:01:00 t2 pr_open -> merged
    NeedsPerson
    ");
}

/// Someone changes the same file on the base while the forge is asked to merge.
fn merge_conflicts_at_the_forge() -> Scenario {
    play(one(), |spec| match super::cast::attempt(spec) {
        1 => Script::new().wait(secs(60)).step(writes("a.txt", "mine")),
        _ => resolves(),
    })
    .at(secs(30), |world| {
        world.repository().publish(&branch("main"), &[("a.txt", "theirs")]);
    })
}

fn resolves() -> Script {
    Script::new().wait(secs(60)).work(|world, spec| {
        let main = world.repository().remote_tip(&branch("main")).expect("a base");
        world.repository().merge_keeping_ours(&spec.cwd, &main);
    })
}

#[test]
fn a_conflict_with_the_base_goes_back_to_the_agent() {
    insta::assert_snapshot!(told(merge_conflicts_at_the_forge()), @r"
    00:00:00 the orchestrator takes over
    00:00:00 t1 pending -> running (attempt 1)
    00:01:00 t1 claimsDone => verify: 1 commit over the start, clean, at 36d0f1553a
    00:01:00 t1 verified => accept: committed and clean; no verify command is set
    00:01:00 t1 running -> complete
    00:01:00 t1 complete -> pr_open
    00:01:00 t1 conflict => rework: base branch main conflicts in a.txt: merge 705216bc8f1d5d6aff63849bb278e97a49b1aa0c into the branch and resolve it; round 1 of 3
    00:01:00 t1 pr_open -> error: base branch main conflicts in a.txt: merge 705216bc8f1d5d6aff63849bb278e97a49b1aa0c into the branch and resolve it
    00:01:00 t1 error -> running (attempt 2)
    00:02:00 t1 claimsDone => verify: 1 commit over the start, clean, at e53e577de9
    00:02:00 t1 verified => accept: committed and clean; no verify command is set
    00:02:00 t1 running -> complete
    00:02:00 t1 complete -> pr_open
    00:02:00 t1 pr_open -> merged
    Goal
    ");
}

fn stack(method: MergeMethod) -> Scenario {
    let tasks = vec![task("t1", 0, &["a.txt"], &[]), task("t2", 0, &["a.txt"], &[]), task("t3", 0, &["a.txt"], &[])];
    let mut plan = plan(tasks);
    plan.settings.merge_method = method;
    play(plan, |spec| {
        let content = match task_of(spec) {
            "t1" => "one",
            "t2" => "one two",
            _ => "one two three",
        };
        Script::new().print("working").wait(secs(60)).step(writes("a.txt", content))
    })
    .merged_by_hand()
    .at(mins(10), by_forge(1, method))
    .at(mins(20), by_forge(2, method))
    .at(mins(30), by_forge(3, method))
}

/// A person merges a pull request at the forge.
fn by_forge(number: u64, method: MergeMethod) -> impl FnOnce(&crate::testkit::World) {
    move |world| world.forge().merge_by_person(pull(number), method)
}

fn stack_of_three() -> Scenario {
    stack(MergeMethod::Merge)
}

#[test]
fn stacked_pull_requests_are_retargeted() {
    let story = stack_of_three().run().expect("no cycle");
    insta::assert_snapshot!(published(&story), @r"
    Push task/t1
    Open task/t1
    Push task/t2
    Open task/t2
    Push task/t3
    Open task/t3
    Update 2
    Update 3
    ");
}

fn squashed_stack() -> Scenario {
    stack(MergeMethod::Squash)
}

#[test]
fn squashed_predecessors_are_taken_in() {
    let story = squashed_stack().run().expect("no cycle");
    insta::assert_snapshot!(published(&story), @r"
    Push task/t1
    Open task/t1
    Push task/t2
    Open task/t2
    Push task/t3
    Open task/t3
    Update 2
    Sync task/t2
    Push task/t2
    Update 3
    Sync task/t3
    Push task/t3
    ");
    let main = story.world.repository().remote_files(&branch("main"));
    assert_eq!(main["a.txt"], "one two three", "{story}");
}

fn rebased_stack() -> Scenario {
    stack(MergeMethod::Rebase)
}

#[test]
fn rebased_predecessors_are_taken_in() {
    let story = rebased_stack().run().expect("no cycle");
    let main = story.world.repository().remote_files(&branch("main"));
    assert_eq!(main["a.txt"], "one two three", "{story}");
}

fn builds_on_two() -> Scenario {
    let tasks = vec![task("t1", 0, &[], &[]), task("t2", 0, &[], &[]), task("t3", 0, &[], &["t1", "t2"])];
    play(plan(tasks), |_| good())
        .merged_by_hand()
        .at(mins(10), by_forge(1, MergeMethod::Merge))
        .at(mins(20), by_forge(2, MergeMethod::Merge))
        .at(mins(30), by_forge(3, MergeMethod::Merge))
}

#[test]
fn what_builds_on_two_is_a_draft_until_one_is_merged() {
    let story = builds_on_two().run().expect("no cycle");
    insta::assert_snapshot!(published(&story), @r"
    Push task/t1
    Push task/t2
    Open task/t1
    Open task/t2
    Push task/t3
    Open task/t3
    Update 3
    Update 3
    ");
    assert_eq!(story.state.tasks[&id("t3")].status, Status::Merged, "{story}");
}

/// `t1` is sent back after `t2` was built on it.
fn predecessor_is_reworked() -> Scenario {
    let tasks = vec![task("t1", 0, &["a.txt"], &[]), task("t2", 0, &["a.txt"], &[])];
    play(plan(tasks), |spec| match (task_of(spec), super::cast::attempt(spec)) {
        ("t1", 1) => Script::new().wait(secs(60)).step(writes("a.txt", "one")),
        ("t1", _) => Script::new().wait(secs(60)).step(writes("b.txt", "better")),
        _ => Script::new().wait(secs(60)).step(writes("a.txt", "one two")),
    })
    .merged_by_hand()
    .at(mins(5), |world| world.forge().request_changes(pull(1), Some("more")))
    .at(mins(20), by_forge(1, MergeMethod::Merge))
    .at(mins(30), by_forge(2, MergeMethod::Merge))
}

#[test]
fn who_builds_on_reworked_work_takes_it_in() {
    let story = predecessor_is_reworked().run().expect("no cycle");
    insta::assert_snapshot!(published(&story), @r"
    Push task/t1
    Open task/t1
    Push task/t2
    Open task/t2
    Push task/t1
    Update 2
    ");
    assert_eq!(story.state.tasks[&id("t2")].status, Status::Merged, "{story}");
}

fn base_conflicts_and_is_resolved() -> Scenario {
    conflicts_and_is_resolved(MergeMethod::Merge)
}

fn conflicts_and_is_resolved(method: MergeMethod) -> Scenario {
    let mut plan = many(2);
    plan.settings.merge_method = method;
    play(plan, |spec| match (task_of(spec), super::cast::attempt(spec)) {
        ("t1", _) => Script::new().wait(secs(60)).step(writes("shared.txt", "one")),
        (_, 1) => Script::new().wait(secs(60)).step(writes("shared.txt", "two")),
        _ => resolves(),
    })
}

fn rebased_after_a_conflict() -> Scenario {
    conflicts_and_is_resolved(MergeMethod::Rebase)
}

#[test]
fn what_cannot_be_replayed_onto_its_base_is_squashed() {
    insta::assert_snapshot!(told(rebased_after_a_conflict()), @r"
    00:00:00 the orchestrator takes over
    00:00:00 t1 pending -> running (attempt 1)
    00:00:00 t2 pending -> running (attempt 1)
    00:01:00 t1 claimsDone => verify: 1 commit over the start, clean, at f440734013
    00:01:00 t2 claimsDone => verify: 1 commit over the start, clean, at 93fdc38d77
    00:01:00 t1 verified => accept: committed and clean; no verify command is set
    00:01:00 t1 running -> complete
    00:01:00 t2 verified => accept: committed and clean; no verify command is set
    00:01:00 t2 running -> complete
    00:01:00 t1 complete -> pr_open
    00:01:00 t2 complete -> pr_open
    00:01:00 t1 pr_open -> merged
    00:01:00 t2 conflict => rework: base branch main conflicts in shared.txt: merge f440734013ce6be1972038100ebe5911aa085fbc into the branch and resolve it; round 1 of 3
    00:01:00 t2 pr_open -> error: base branch main conflicts in shared.txt: merge f440734013ce6be1972038100ebe5911aa085fbc into the branch and resolve it
    00:01:00 t2 error -> running (attempt 2)
    00:02:00 t2 claimsDone => verify: 1 commit over the start, clean, at c58847a694
    00:02:00 t2 verified => accept: committed and clean; no verify command is set
    00:02:00 t2 running -> complete
    00:02:00 t2 complete -> pr_open
    00:02:00 t2 delayed => wait: mergePull: pull request 2 conflicts with main in shared.txt; unless its base moved it is squashed; trying again
    00:02:12 t2 pr_open -> merged
    Goal
    ");
    let story = rebased_after_a_conflict().run().expect("a plan");
    let methods: Vec<MergeMethod> = story
        .journal
        .iter()
        .filter_map(|entry| match &entry.record {
            Record::Effect { effect: Effect::MergePull(spec) } => Some(spec.method),
            _ => None,
        })
        .collect();
    assert_eq!(methods, [MergeMethod::Rebase, MergeMethod::Rebase, MergeMethod::Squash]);
}

#[test]
fn an_undeclared_conflict_is_resolved_by_the_later_agent() {
    insta::assert_snapshot!(told(base_conflicts_and_is_resolved()), @r"
    00:00:00 the orchestrator takes over
    00:00:00 t1 pending -> running (attempt 1)
    00:00:00 t2 pending -> running (attempt 1)
    00:01:00 t1 claimsDone => verify: 1 commit over the start, clean, at f440734013
    00:01:00 t2 claimsDone => verify: 1 commit over the start, clean, at 93fdc38d77
    00:01:00 t1 verified => accept: committed and clean; no verify command is set
    00:01:00 t1 running -> complete
    00:01:00 t2 verified => accept: committed and clean; no verify command is set
    00:01:00 t2 running -> complete
    00:01:00 t1 complete -> pr_open
    00:01:00 t2 complete -> pr_open
    00:01:00 t1 pr_open -> merged
    00:01:00 t2 conflict => rework: base branch main conflicts in shared.txt: merge bbd8d5f042609ed59ad346e032ccd825a3a589ae into the branch and resolve it; round 1 of 3
    00:01:00 t2 pr_open -> error: base branch main conflicts in shared.txt: merge bbd8d5f042609ed59ad346e032ccd825a3a589ae into the branch and resolve it
    00:01:00 t2 error -> running (attempt 2)
    00:02:00 t2 claimsDone => verify: 1 commit over the start, clean, at 76845b766b
    00:02:00 t2 verified => accept: committed and clean; no verify command is set
    00:02:00 t2 running -> complete
    00:02:00 t2 complete -> pr_open
    00:02:00 t2 pr_open -> merged
    Goal
    ");
}

fn base_conflicts_where_a_person_merges() -> Scenario {
    let cast = |spec: &crate::ports::LaunchSpec| match super::cast::attempt(spec) {
        _ if is_verify(spec) => Script::new().wait(secs(10)).exit(0),
        1 => Script::new().wait(secs(60)).step(writes("shared.txt", "ours")),
        _ => resolves(),
    };
    play(verified(one()), cast)
        .merged_by_hand()
        .at(mins(10), |world| {
            world.repository().publish(&branch("main"), &[("shared.txt", "theirs")]);
        })
        .at(mins(20), |world| _ = world.repository().merge_by_hand(&branch("task/t1"), &branch("main")))
        .horizon(mins(60))
}

#[test]
fn a_conflict_is_seen_where_a_person_merges_and_goes_to_the_agent() {
    insta::assert_snapshot!(told(base_conflicts_where_a_person_merges()), @r"
    00:00:00 the orchestrator takes over
    00:00:00 t1 pending -> running (attempt 1)
    00:01:00 t1 claimsDone => verify: 1 commit over the start, clean, at 54870a7b1b
    00:01:10 t1 verified => accept: the verify command passed at 54870a7b1b
    00:01:10 t1 running -> complete
    00:01:10 t1 complete -> pr_open
    00:10:10 t1 conflict => rework: base branch main conflicts in shared.txt: merge 5fa6e01c85515e888eb0e05d5b4dca7890af9b48 into the branch and resolve it; round 1 of 3
    00:10:10 t1 pr_open -> error: base branch main conflicts in shared.txt: merge 5fa6e01c85515e888eb0e05d5b4dca7890af9b48 into the branch and resolve it
    00:10:10 t1 error -> running (attempt 2)
    00:11:10 t1 claimsDone => verify: 1 commit over the start, clean, at c3e3e54c56
    00:11:10 t1 verified => accept: the verify command passed before at what c3e3e54c56 holds
    00:11:10 t1 running -> complete
    00:11:10 t1 complete -> pr_open
    00:20:10 t1 pullMerged => accept: its work is in the base
    00:20:10 t1 pr_open -> merged
    Goal
    ");
}

#[test]
fn a_base_that_moved_without_conflict_costs_nothing_where_a_person_merges() {
    let story = play(verified(one()), diligent)
        .merged_by_hand()
        .at(mins(10), |world| {
            world.repository().publish(&branch("main"), &[("theirs.txt", "x")]);
        })
        .horizon(mins(60));
    let story = story.run().expect("no cycle");
    insta::assert_snapshot!(published(&story), @r"
    Push task/t1
    Open task/t1
    ");
}

fn base_conflicts_for_ever() -> Scenario {
    play(many(2), |spec| match task_of(spec) {
        "t1" => Script::new().wait(secs(60)).step(writes("shared.txt", "one")),
        _ => Script::new().wait(secs(60)).step(writes("shared.txt", "two")),
    })
}

#[test]
fn a_conflict_that_nobody_resolves_needs_a_person() {
    insta::assert_snapshot!(told(base_conflicts_for_ever()), @r"
    00:00:00 the orchestrator takes over
    00:00:00 t1 pending -> running (attempt 1)
    00:00:00 t2 pending -> running (attempt 1)
    00:01:00 t1 claimsDone => verify: 1 commit over the start, clean, at f440734013
    00:01:00 t2 claimsDone => verify: 1 commit over the start, clean, at 93fdc38d77
    00:01:00 t1 verified => accept: committed and clean; no verify command is set
    00:01:00 t1 running -> complete
    00:01:00 t2 verified => accept: committed and clean; no verify command is set
    00:01:00 t2 running -> complete
    00:01:00 t1 complete -> pr_open
    00:01:00 t2 complete -> pr_open
    00:01:00 t1 pr_open -> merged
    00:01:00 t2 conflict => rework: base branch main conflicts in shared.txt: merge bbd8d5f042609ed59ad346e032ccd825a3a589ae into the branch and resolve it; round 1 of 3
    00:01:00 t2 pr_open -> error: base branch main conflicts in shared.txt: merge bbd8d5f042609ed59ad346e032ccd825a3a589ae into the branch and resolve it
    00:01:00 t2 error -> running (attempt 2)
    00:02:00 t2 claimsDone => verify: 2 commits over the start, clean, at c86207e98e
    00:02:00 t2 verified => accept: committed and clean; no verify command is set
    00:02:00 t2 running -> complete
    00:02:00 t2 complete -> pr_open
    00:02:00 t2 conflict => rework: base branch main conflicts in shared.txt: merge bbd8d5f042609ed59ad346e032ccd825a3a589ae into the branch and resolve it; round 2 of 3
    00:02:00 t2 pr_open -> error: base branch main conflicts in shared.txt: merge bbd8d5f042609ed59ad346e032ccd825a3a589ae into the branch and resolve it
    00:02:00 t2 error -> running (attempt 3)
    00:03:00 t2 claimsDone => verify: 3 commits over the start, clean, at 97766fa5f9
    00:03:00 t2 verified => accept: committed and clean; no verify command is set
    00:03:00 t2 running -> complete
    00:03:00 t2 complete -> pr_open
    00:03:00 t2 conflict => rework: base branch main conflicts in shared.txt: merge bbd8d5f042609ed59ad346e032ccd825a3a589ae into the branch and resolve it; round 3 of 3
    00:03:00 t2 pr_open -> error: base branch main conflicts in shared.txt: merge bbd8d5f042609ed59ad346e032ccd825a3a589ae into the branch and resolve it
    00:03:00 t2 error -> running (attempt 4)
    00:04:00 t2 claimsDone => verify: 4 commits over the start, clean, at 7e52ff27c2
    00:04:00 t2 verified => accept: committed and clean; no verify command is set
    00:04:00 t2 running -> complete
    00:04:00 t2 complete -> pr_open
    00:04:00 t2 conflict => escalate: base branch main conflicts in shared.txt: merge bbd8d5f042609ed59ad346e032ccd825a3a589ae into the branch and resolve it; 3 of 3 rounds are used up
    00:04:00 t2 pr_open -> error: base branch main conflicts in shared.txt: merge bbd8d5f042609ed59ad346e032ccd825a3a589ae into the branch and resolve it; 3 of 3 rounds are used up
    NeedsPerson
    ");
}

/// The base breaks what was verified without it.
fn sync_breaks_what_was_verified() -> Scenario {
    play(verified(one()), |spec| {
        let fixed = super::cast::attempt(spec) > 1;
        if is_verify(spec) {
            let broken = Script::new().work(|world, spec| {
                let broken = world.repository().read(&spec.cwd, "theirs.txt").is_some();
                if broken {
                    world.append_file("/broken".into(), b"x");
                }
            });
            return broken.step(crate::testkit::Step::act(move |world, spec| {
                if !fixed && world.read_file("/broken".into()).is_some() {
                    world.fail_process(spec.launch);
                }
            }));
        }
        good()
    })
    .at(secs(30), |world| {
        world.repository().publish(&branch("main"), &[("theirs.txt", "x")]);
    })
}

#[test]
fn what_breaks_on_the_new_base_goes_back() {
    insta::assert_snapshot!(told(sync_breaks_what_was_verified()), @r"
    00:00:00 the orchestrator takes over
    00:00:00 t1 pending -> running (attempt 1)
    00:01:00 t1 claimsDone => verify: 1 commit over the start, clean, at a4153b671d
    00:01:00 t1 verified => accept: the verify command passed at a4153b671d
    00:01:00 t1 running -> complete
    00:01:00 t1 complete -> pr_open
    00:01:00 t1 verifyFailed => restart: the verify command ended with exit 1; 1 of 3 attempts failed, a new one begins
    00:01:00 t1 pr_open -> error: the verify command ended with exit 1
    00:01:10 t1 error -> running (attempt 2)
    00:02:10 t1 claimsDone => verify: 2 commits over the start, clean, at fde672bcec
    00:02:10 t1 verified => accept: the verify command passed at fde672bcec
    00:02:10 t1 running -> complete
    00:02:10 t1 complete -> pr_open
    00:02:10 t1 pr_open -> merged
    Goal
    ");
}

fn merge_answer_is_lost() -> Scenario {
    let scenario = play(many(2), |_| good());
    for operation in [Operation::Merge, Operation::Open, Operation::Push, Operation::Sync, Operation::Prepare] {
        scenario.world().fail(operation, 1, Failure::AnswerLost);
    }
    scenario
}

#[test]
fn a_lost_answer_is_found_out() {
    insta::assert_snapshot!(told(merge_answer_is_lost()), @r"
    00:00:00 the orchestrator takes over
    00:00:00 t1 pending -> running (attempt 1)
    00:00:00 t2 pending -> running (attempt 1)
    00:00:00 t1 delayed => wait: prepare: the remote cannot be reached: a fault on order; trying again
    00:01:00 t2 claimsDone => verify: 1 commit over the start, clean, at 0c5337ccfa
    00:01:00 t2 verified => accept: committed and clean; no verify command is set
    00:01:00 t2 running -> complete
    00:01:00 t2 delayed => wait: push: the remote cannot be reached: a fault on order; trying again
    00:01:10 t1 claimsDone => verify: 1 commit over the start, clean, at 7b95cf2687
    00:01:10 t1 verified => accept: committed and clean; no verify command is set
    00:01:10 t1 running -> complete
    00:01:10 t1 delayed => wait: openPull: the forge cannot be reached: a fault on order; trying again
    00:01:12 t2 complete -> pr_open
    00:01:12 t2 delayed => wait: mergePull: the forge cannot be reached: a fault on order; trying again
    00:01:12 t2 pullMerged => accept: its work is in the base
    00:01:12 t2 pr_open -> merged
    00:01:20 t1 complete -> pr_open
    00:01:20 t1 delayed => wait: sync: the remote cannot be reached: a fault on order; trying again
    00:01:31 t1 verified => accept: committed and clean; no verify command is set
    00:01:31 t1 pr_open -> merged
    Goal
    ");
}
