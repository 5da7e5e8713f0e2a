//! What counts as merged: the verified commit is in the base, or the forge merged exactly it.

use super::cast::{branch, good, id, mins, plan, play, pull, secs, solo, task, task_of, writes};
use super::{Case, cases, told};
use crate::plan::status::Status;
use crate::ports::{MergeMethod, PullSpec, PullState};
use crate::testkit::{Operation, Scenario, Script, Story, World};

pub(super) const CASES: &[Case] = cases![
    reviewer_merges_what_is_reworked,
    reviewer_squashes_what_is_reworked,
    branch_name_was_merged_before,
    merged_into_a_branch_that_was_merged,
    merged_into_a_branch_that_is_merged_later,
    merged_with_commits_of_others,
    squashed_with_commits_of_others,
];

/// The calls by which work was published, with what they were about.
fn published(story: &Story) -> String {
    let kinds = [Operation::Sync, Operation::Push, Operation::Open, Operation::Update, Operation::Merge];
    let calls = story.world.calls().into_iter().filter(|call| kinds.contains(&call.operation));
    let subject = |call: &crate::testkit::Call| call.subject.split(' ').next().unwrap_or_default().to_owned();
    calls.map(|call| format!("{:?} {}\n", call.operation, subject(&call))).collect()
}

/// Changes one file, a line more in each attempt.
fn improves(attempt: u32) -> Script {
    let content = if attempt == 1 { "first" } else { "first, and better" };
    Script::new().print("working").wait(secs(60)).step(writes("a.txt", content)).exit(0)
}

fn by_forge(number: u64, method: MergeMethod) -> impl FnOnce(&World) {
    move |world| world.forge().merge_by_person(pull(number), method)
}

/// Changes are requested, and the reviewer merges what there is while they are made.
fn reworked_and_merged(method: MergeMethod) -> Scenario {
    solo(improves)
        .merged_by_hand()
        .at(mins(3), |world| world.forge().request_changes(pull(1), Some("better")))
        .at(secs(210), by_forge(1, method))
        .at(mins(20), by_forge(2, method))
}

fn reviewer_merges_what_is_reworked() -> Scenario {
    reworked_and_merged(MergeMethod::Merge)
}

fn reviewer_squashes_what_is_reworked() -> Scenario {
    reworked_and_merged(MergeMethod::Squash)
}

#[test]
fn a_merge_of_the_old_head_leaves_the_rework_to_a_second_pull_request() {
    for scenario in [reviewer_merges_what_is_reworked, reviewer_squashes_what_is_reworked] {
        let story = scenario().run().expect("no cycle");
        super::proof::check(&story);
        assert_eq!(story.state.tasks[&id("t1")].status, Status::Merged, "{story}");
        let states: Vec<PullState> = story.world.forge().pulls().iter().map(|pull| pull.state).collect();
        assert_eq!(states, [PullState::Merged, PullState::Merged], "{story}");
        let main = story.world.repository().remote_files(&branch("main"));
        assert_eq!(main["a.txt"], "first, and better", "{story}");
    }
}

/// A pull request of the same branch name was merged long ago, and its branch deleted.
fn branch_name_was_merged_before() -> Scenario {
    let scenario = solo(improves);
    let (world, head) = (scenario.world(), branch("task/t1"));
    let sha = world.repository().publish(&head, &[("old.txt", "old")]);
    let (title, body) = ("old".to_owned(), String::new());
    let spec = PullSpec { head: head.clone(), sha, base: branch("main"), title, body, draft: false };
    let forge = world.forge();
    forge.open_by_person(&spec).expect("it opens");
    forge.merge_by_person(pull(1), MergeMethod::Merge);
    world.repository().set_remote(&head, None);
    scenario
}

#[test]
fn an_old_merge_of_the_same_branch_name_is_history() {
    insta::assert_snapshot!(told(branch_name_was_merged_before()), @r"
    00:00:00 the orchestrator takes over
    00:00:00 t1 pending -> running (attempt 1)
    00:01:00 t1 claimsDone => verify: 1 commit over the start, clean, at 4101c240f0
    00:01:00 t1 verified => accept: committed and clean; no verify command is set
    00:01:00 t1 running -> complete
    00:01:00 t1 complete -> pr_open
    00:01:00 t1 pr_open -> merged
    Goal
    ");
    let story = branch_name_was_merged_before().run().expect("no cycle");
    assert_eq!(story.world.repository().remote_files(&branch("main"))["a.txt"], "first", "{story}");
}

fn two_stacked() -> Scenario {
    let plan = plan(vec![task("t1", 0, &["a.txt"], &[]), task("t2", 0, &["a.txt"], &[])]);
    play(plan, |spec| {
        let content = if task_of(spec) == "t1" { "one" } else { "one two" };
        Script::new().print("working").wait(secs(60)).step(writes("a.txt", content)).exit(0)
    })
    .merged_by_hand()
}

/// The lower pull request is merged, and before anybody retargets it the upper one into the lower's branch.
fn merged_into_a_branch_that_was_merged() -> Scenario {
    two_stacked()
        .at(mins(10), by_forge(1, MergeMethod::Merge))
        .at(mins(10), by_forge(2, MergeMethod::Merge))
        .at(mins(20), by_forge(3, MergeMethod::Merge))
}

#[test]
fn what_was_merged_into_a_branch_that_goes_nowhere_gets_a_second_pull_request() {
    let story = merged_into_a_branch_that_was_merged().run().expect("no cycle");
    super::proof::check(&story);
    insta::assert_snapshot!(published(&story), @r"
    Push task/t1
    Open task/t1
    Push task/t2
    Open task/t2
    Open task/t2
    ");
    assert_eq!(story.world.repository().remote_files(&branch("main"))["a.txt"], "one two", "{story}");
}

/// The upper one is merged into the lower's branch, and then that one into the base.
fn merged_into_a_branch_that_is_merged_later() -> Scenario {
    two_stacked().at(mins(10), by_forge(2, MergeMethod::Merge)).at(mins(20), by_forge(1, MergeMethod::Merge))
}

#[test]
fn what_was_merged_into_a_predecessors_branch_is_merged_with_it() {
    insta::assert_snapshot!(told(merged_into_a_branch_that_is_merged_later()), @r"
    00:00:00 the orchestrator takes over
    00:00:00 t2 pending -> blocked: waits for t1 (both touch a.txt)
    00:00:00 t1 pending -> running (attempt 1)
    00:01:00 t1 claimsDone => verify: 1 commit over the start, clean, at b868df0cc7
    00:01:00 t1 verified => accept: committed and clean; no verify command is set
    00:01:00 t1 running -> complete
    00:01:00 t2 blocked -> pending
    00:01:00 t2 pending -> running (attempt 1)
    00:01:00 t1 complete -> pr_open
    00:02:00 t2 claimsDone => verify: 1 commit over the start, clean, at cfd49f4f48
    00:02:00 t2 verified => accept: committed and clean; no verify command is set
    00:02:00 t2 running -> complete
    00:02:00 t2 complete -> pr_open
    00:10:00 t1 broken => escalate: someone pushed to its branch: it is at 71b9181865 and was not verified
    00:10:00 t1 pr_open -> error: someone pushed to its branch: it is at 71b9181865 and was not verified
    00:20:00 t1 pullMerged => accept: its work is in the base
    00:20:00 t1 error -> merged
    00:20:00 t2 pullMerged => accept: its work is in the base
    00:20:00 t2 pr_open -> merged
    Goal
    ");
}

/// Someone adds a commit and merges both, before orch looks.
fn merged_with_more(method: MergeMethod) -> Scenario {
    solo(|_| good()).merged_by_hand().at(mins(3), move |world| {
        world.repository().publish(&branch("task/t1"), &[("extra.txt", "theirs")]);
        world.forge().merge_by_person(pull(1), method);
    })
}

fn merged_with_commits_of_others() -> Scenario {
    merged_with_more(MergeMethod::Merge)
}

fn squashed_with_commits_of_others() -> Scenario {
    merged_with_more(MergeMethod::Squash)
}

#[test]
fn what_was_squashed_with_more_than_was_verified_needs_a_person() {
    let story = merged_with_commits_of_others().run().expect("no cycle");
    assert_eq!(story.state.tasks[&id("t1")].status, Status::Merged, "{story}");
    insta::assert_snapshot!(told(squashed_with_commits_of_others()), @r"
    00:00:00 the orchestrator takes over
    00:00:00 t1 pending -> running (attempt 1)
    00:01:00 t1 claimsDone => verify: 1 commit over the start, clean, at a4153b671d
    00:01:00 t1 verified => accept: committed and clean; no verify command is set
    00:01:00 t1 running -> complete
    00:01:00 t1 complete -> pr_open
    00:03:00 t1 broken => escalate: pull request 1 was merged at 7a171542d8, with commits that were not verified
    00:03:00 t1 pr_open -> error: pull request 1 was merged at 7a171542d8, with commits that were not verified
    NeedsPerson
    ");
}
