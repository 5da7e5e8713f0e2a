//! Repositories inside a worktree, and whatever else orch cannot commit for an agent.

use super::cast::{commits, is_verify, mins, one, play, secs, solo, verified};
use super::{Case, cases, told};
use crate::journal::record::UserVerb;
use crate::testkit::{Scenario, Script};

pub(super) const CASES: &[Case] =
    cases![repository_inside, repository_inside_is_dissolved, made_while_verified, commit_in_vain];

/// The work of the first launch holds a repository that nobody else has.
fn nests() -> Script {
    Script::new().wait(secs(5)).work(commits).work(|world, spec| world.repository().nest(&spec.cwd, "app", "precious"))
}

fn repository_inside() -> Scenario {
    solo(|_| nests()).at(mins(10), |world| world.repository().unnest("/work/task-t1".into(), "app")).say(
        mins(11),
        Some("t1"),
        UserVerb::Retry,
    )
}

#[test]
fn work_in_a_repository_inside_is_asked_about_and_never_published() {
    insta::assert_snapshot!(told(repository_inside()), @r"
    00:00:00 the orchestrator takes over
    00:00:00 t1 pending -> running (attempt 1)
    00:00:05 t1 uncommitted => askCommit: not committed: app (its commits are only here); the agent is asked once to commit
    00:00:10 t1 uncommitted => escalate: a repository inside the worktree has work that nobody else could get: app (its commits are only here)
    00:00:10 t1 running -> error: a repository inside the worktree has work that nobody else could get: app (its commits are only here)
    00:11:00 t1 a person says Retry
    00:11:00 t1 error -> running (attempt 2)
    00:11:00 t1 claimsDone => verify: a person committed up to 3e1f4bca6e
    00:11:00 t1 verified => accept: committed and clean; no verify command is set
    00:11:00 t1 running -> complete
    00:11:00 t1 complete -> pr_open
    00:11:00 t1 pr_open -> merged
    Goal
    ");
}

fn repository_inside_is_dissolved() -> Scenario {
    solo(|_| {
        Script::new().wait(secs(5)).work(|world, spec| {
            let asked = spec.env.get("ORCH_PROMPT_FILE").and_then(|file| world.read_file(file.as_str().into()));
            let asked = String::from_utf8_lossy(&asked.unwrap_or_default()).into_owned();
            if asked.contains("- app (its commits are only here)") {
                world.repository().unnest(&spec.cwd, "app");
                world.repository().commit_files(&spec.cwd, "app", &[("app/inside.txt", "precious")]);
            } else {
                world.repository().nest(&spec.cwd, "app", "precious");
            }
        })
    })
}

#[test]
fn an_agent_is_told_how_to_publish_the_files_of_a_repository_inside() {
    insta::assert_snapshot!(told(repository_inside_is_dissolved()), @r"
    00:00:00 the orchestrator takes over
    00:00:00 t1 pending -> running (attempt 1)
    00:00:05 t1 uncommitted => askCommit: not committed: app (its commits are only here); the agent is asked once to commit
    00:00:10 t1 claimsDone => verify: 1 commit over the start, clean, at d206575ebf
    00:00:10 t1 verified => accept: committed and clean; no verify command is set
    00:00:10 t1 running -> complete
    00:00:10 t1 complete -> pr_open
    00:00:10 t1 pr_open -> merged
    Goal
    ");
}

fn made_while_verified() -> Scenario {
    play(verified(one()), |spec| {
        if is_verify(spec) {
            Script::new().wait(secs(5)).work(|world, spec| world.repository().nest(&spec.cwd, "lib", "built"))
        } else {
            Script::new().wait(secs(5)).work(commits)
        }
    })
}

#[test]
fn what_a_verify_command_leaves_in_a_repository_inside_is_saved_before_the_worktree_goes() {
    let story = made_while_verified().run().expect("no cycle");
    super::proof::check(&story);
    let saved = story.world.repository().resolve("refs/orch/saved/t1/1").expect("a saved ref");
    assert_eq!(story.world.repository().show(&saved, "lib/inside.txt").as_deref(), Some("built"));
    insta::assert_snapshot!(format!("\n{story}"), @r"
    00:00:00 the orchestrator takes over
    00:00:00 t1 pending -> running (attempt 1)
    00:00:05 t1 claimsDone => verify: 1 commit over the start, clean, at c266e13747
    00:00:10 t1 verified => accept: the verify command passed at c266e13747
    00:00:10 t1 running -> complete
    00:00:10 t1 complete -> pr_open
    00:00:10 t1 pr_open -> merged
    Goal
    ");
}

fn commit_in_vain() -> Scenario {
    solo(|_| Script::new().wait(secs(5)).work(|world, spec| world.repository().write_stubborn(&spec.cwd, "a.txt")))
}

#[test]
fn what_stays_uncommitted_after_orch_committed_is_a_persons() {
    insta::assert_snapshot!(told(commit_in_vain()), @r"
    00:00:00 the orchestrator takes over
    00:00:00 t1 pending -> running (attempt 1)
    00:00:05 t1 uncommitted => askCommit: not committed: a.txt; the agent is asked once to commit
    00:00:10 t1 uncommitted => commit: not committed: a.txt; asked before, so orch commits it
    00:00:10 t1 uncommitted => escalate: not committed: a.txt, although orch committed all that it may
    00:00:10 t1 running -> error: not committed: a.txt, although orch committed all that it may
    NeedsPerson
    ");
}
