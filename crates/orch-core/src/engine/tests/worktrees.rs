//! Worktrees that are taken away, and work that cannot be saved.

use super::cast::{commits, is_verify, many, mins, play, secs, solo, verified};
use super::{Case, cases, told};
use crate::journal::record::UserVerb;
use crate::ports::LaunchSpec;
use crate::testkit::{Failure, Operation, Scenario, Script, World};

pub(super) const CASES: &[Case] = cases![
    removed_by_its_agent,
    removed_by_its_agent_again_and_again,
    removed_before_a_retry,
    removed_while_published,
    killed_and_not_to_be_saved,
    killed_after_it_could_not_be_saved,
];

fn loses(world: &World, spec: &LaunchSpec) {
    world.repository().lose_worktree(&spec.cwd);
}

fn removed_by_its_agent() -> Scenario {
    solo(|attempt| match attempt {
        1 => Script::new().wait(secs(5)).work(commits).work(loses),
        _ => Script::new().wait(secs(5)).work(commits),
    })
}

#[test]
fn a_worktree_that_its_agent_removed_is_made_anew_on_its_branch() {
    insta::assert_snapshot!(told(removed_by_its_agent()), @r"
    00:00:00 the orchestrator takes over
    00:00:00 t1 pending -> running (attempt 1)
    00:00:15 t1 worktreeLost => restart: its worktree is gone: worktree /work/task-t1 does not exist; 1 of 3 attempts failed, a new one begins
    00:00:15 t1 running -> error: its worktree is gone: worktree /work/task-t1 does not exist
    00:00:25 t1 error -> running (attempt 2)
    00:00:30 t1 claimsDone => verify: 2 commits over the start, clean, at f5c463da90
    00:00:30 t1 verified => accept: committed and clean; no verify command is set
    00:00:30 t1 running -> complete
    00:00:30 t1 complete -> pr_open
    00:00:30 t1 pr_open -> merged
    Goal
    ");
}

fn removed_by_its_agent_again_and_again() -> Scenario {
    solo(|_| Script::new().wait(secs(5)).work(commits).work(loses))
}

#[test]
fn an_agent_that_always_removes_its_worktree_needs_a_person() {
    insta::assert_snapshot!(told(removed_by_its_agent_again_and_again()), @r"
    00:00:00 the orchestrator takes over
    00:00:00 t1 pending -> running (attempt 1)
    00:00:15 t1 worktreeLost => restart: its worktree is gone: worktree /work/task-t1 does not exist; 1 of 3 attempts failed, a new one begins
    00:00:15 t1 running -> error: its worktree is gone: worktree /work/task-t1 does not exist
    00:00:25 t1 error -> running (attempt 2)
    00:00:40 t1 worktreeLost => restart: its worktree is gone: worktree /work/task-t1 does not exist; 2 of 3 attempts failed, a new one begins
    00:00:40 t1 running -> error: its worktree is gone: worktree /work/task-t1 does not exist
    00:01:00 t1 error -> running (attempt 3)
    00:01:15 t1 worktreeLost => escalate: its worktree is gone: worktree /work/task-t1 does not exist; 3 of 3 attempts failed
    00:01:15 t1 running -> error: its worktree is gone: worktree /work/task-t1 does not exist; 3 of 3 attempts failed
    NeedsPerson
    ");
}

fn removed_before_a_retry() -> Scenario {
    solo(|attempt| match attempt {
        1 => Script::new().wait(secs(5)).exit(1),
        _ => Script::new().wait(secs(5)).work(commits),
    })
    .limits(|limits| limits.max_attempts = 1)
    .at(mins(5), |world| world.repository().lose_worktree("/work/task-t1".into()))
    .say(mins(6), Some("t1"), UserVerb::Retry)
}

#[test]
fn a_retry_makes_a_lost_worktree_anew() {
    insta::assert_snapshot!(told(removed_before_a_retry()), @r"
    00:00:00 the orchestrator takes over
    00:00:00 t1 pending -> running (attempt 1)
    00:00:05 t1 failed => escalate: exit 1; 1 of 1 attempts failed
    00:00:05 t1 running -> error: exit 1; 1 of 1 attempts failed
    00:06:00 t1 a person says Retry
    00:06:00 t1 error -> running (attempt 2)
    00:06:05 t1 claimsDone => verify: 1 commit over the start, clean, at 383d048e30
    00:06:05 t1 verified => accept: committed and clean; no verify command is set
    00:06:05 t1 running -> complete
    00:06:05 t1 complete -> pr_open
    00:06:05 t1 pr_open -> merged
    Goal
    ");
}

fn removed_while_published() -> Scenario {
    let scenario = play(verified(many(2)), |spec| {
        if is_verify(spec) { Script::new().wait(secs(10)) } else { Script::new().wait(secs(5)).work(commits) }
    });
    scenario.world().fail(Operation::Sync, 1, Failure::Unreachable);
    scenario.at(secs(30), |world| world.repository().lose_worktree("/work/task-t2".into()))
}

#[test]
fn what_is_verified_is_merged_without_its_old_worktree() {
    insta::assert_snapshot!(told(removed_while_published()), @r"
    00:00:00 the orchestrator takes over
    00:00:00 t1 pending -> running (attempt 1)
    00:00:00 t2 pending -> running (attempt 1)
    00:00:05 t1 claimsDone => verify: 1 commit over the start, clean, at c266e13747
    00:00:05 t2 claimsDone => verify: 1 commit over the start, clean, at fe06d18ce9
    00:00:15 t1 verified => accept: the verify command passed at c266e13747
    00:00:15 t1 running -> complete
    00:00:15 t1 complete -> pr_open
    00:00:15 t1 pr_open -> merged
    00:00:25 t2 verified => accept: the verify command passed at fe06d18ce9
    00:00:25 t2 running -> complete
    00:00:25 t2 complete -> pr_open
    00:00:25 t2 delayed => wait: sync: the remote cannot be reached: a fault on order; trying again
    00:00:37 t2 delayed => wait: sync: worktree /work/task-t2 does not exist; trying again
    00:01:11 t2 verified => accept: the verify command passed at 2aa4e0bad9
    00:01:11 t2 pr_open -> merged
    Goal
    ");
}

fn half(world: &World, spec: &LaunchSpec) {
    world.repository().write(&spec.cwd, "a.txt", "half");
}

fn killed_and_not_to_be_saved() -> Scenario {
    let scenario = solo(|_| Script::new().work(half).wait(mins(60)));
    scenario.world().fail(Operation::Save, 9, Failure::Refused);
    scenario.say(mins(1), Some("t1"), UserVerb::Kill)
}

#[test]
fn a_person_ends_an_agent_whose_work_cannot_be_saved() {
    let story = killed_and_not_to_be_saved().run().expect("no cycle");
    super::proof::check(&story);
    let task = &story.state.tasks[&super::cast::id("t1")];
    assert!(task.session.is_none());
    insta::assert_snapshot!(task.reason.as_deref().unwrap_or_default(), @r"
    killed by a person; not saved, so it stays in the worktree: the remote refused Save: a fault on order
    ");
    insta::assert_snapshot!(format!("\n{story}"), @r"
    00:00:00 the orchestrator takes over
    00:00:00 t1 pending -> running (attempt 1)
    00:01:00 t1 a person says Kill
    00:01:00 t1 running -> error: killed by a person
    NeedsPerson
    ");
}

fn killed_after_it_could_not_be_saved() -> Scenario {
    let scenario = solo(|attempt| match attempt {
        1 => Script::new().wait(secs(5)).work(half).exit(1),
        _ => Script::new().wait(secs(5)),
    });
    scenario.world().fail(Operation::Save, 2, Failure::Refused);
    scenario.say(mins(1), Some("t1"), UserVerb::Kill).say(mins(2), Some("t1"), UserVerb::Retry)
}

#[test]
fn a_kill_moves_what_could_not_be_saved_before() {
    insta::assert_snapshot!(told(killed_after_it_could_not_be_saved()), @r"
    00:00:00 the orchestrator takes over
    00:00:00 t1 pending -> running (attempt 1)
    00:00:05 t1 failed => restart: exit 1; 1 of 3 attempts failed, a new one begins
    00:00:05 t1 running -> error: exit 1
    00:00:05 t1 broken => escalate: save: the remote refused Save: a fault on order
    00:01:00 t1 a person says Kill
    00:02:00 t1 a person says Retry
    00:02:00 t1 error -> running (attempt 2)
    00:02:05 t1 uncommitted => askCommit: not committed: a.txt; the agent is asked once to commit
    00:02:10 t1 uncommitted => commit: not committed: a.txt; asked before, so orch commits it
    00:02:10 t1 claimsDone => verify: 1 commit over the start, clean, at fbbdfe97fa
    00:02:10 t1 verified => accept: committed and clean; no verify command is set
    00:02:10 t1 running -> complete
    00:02:10 t1 complete -> pr_open
    00:02:10 t1 pr_open -> merged
    Goal
    ");
}
