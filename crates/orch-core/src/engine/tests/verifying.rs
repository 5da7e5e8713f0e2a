//! A claim is checked by the verify command at one commit.

use super::cast::{commits, diligent, good, is_verify, many, mins, one, play, secs, verified};
use super::{Case, cases, told};
use crate::journal::record::{Record, UserVerb};
use crate::testkit::{Failure, Operation, Scenario, Script};

pub(super) const CASES: &[Case] = cases![
    claim_holds,
    claim_fails_once,
    verify_takes_too_long,
    verify_never_ends,
    one_verifies_at_a_time,
    twelve_claim_at_once,
    lane_verifies_first,
    verify_is_lost,
    tree_changes_while_verified,
    paused_after_its_verification,
];

fn claim_holds() -> Scenario {
    play(verified(one()), diligent)
}

#[test]
fn a_claim_holds_when_verified() {
    insta::assert_snapshot!(told(claim_holds()), @r"
    00:00:00 the orchestrator takes over
    00:00:00 t1 pending -> running (attempt 1)
    00:01:00 t1 claimsDone => verify: 1 commit over the start, clean, at a4153b671d
    00:01:10 t1 verified => accept: the verify command passed at a4153b671d
    00:01:10 t1 running -> complete
    00:01:10 t1 complete -> pr_open
    00:01:10 t1 pr_open -> merged
    Goal
    ");
}

fn claim_fails_once() -> Scenario {
    play(verified(one()), |spec| match (is_verify(spec), spec.env["ORCH_ATTEMPT"].as_str()) {
        (true, "1") => Script::new().print("test failed: a").wait(secs(10)).exit(1),
        (true, _) => Script::new().exit(0),
        (false, _) => good(),
    })
}

#[test]
fn a_claim_that_does_not_hold_is_a_new_attempt() {
    insta::assert_snapshot!(told(claim_fails_once()), @r"
    00:00:00 the orchestrator takes over
    00:00:00 t1 pending -> running (attempt 1)
    00:01:00 t1 claimsDone => verify: 1 commit over the start, clean, at a4153b671d
    00:01:10 t1 verifyFailed => restart: the verify command ended with exit 1; 1 of 3 attempts failed, a new one begins
    00:01:10 t1 running -> error: the verify command ended with exit 1
    00:01:20 t1 error -> running (attempt 2)
    00:02:20 t1 claimsDone => verify: 2 commits over the start, clean, at f92c7796d6
    00:02:20 t1 verified => accept: the verify command passed at f92c7796d6
    00:02:20 t1 running -> complete
    00:02:20 t1 complete -> pr_open
    00:02:20 t1 pr_open -> merged
    Goal
    ");
}

#[test]
fn an_agent_is_told_what_the_verify_command_printed_and_where_the_rest_is() {
    let lines: String = (1..=60).map(|n| format!("  test {n} failed\n")).collect();
    let story = play(verified(one()), move |spec| match (is_verify(spec), spec.env["ORCH_ATTEMPT"].as_str()) {
        (true, "1") => Script::new().print(&lines).exit(1),
        (true, _) => Script::new().exit(0),
        (false, _) => good(),
    });
    let story = story.run().expect("no cycle");
    let prompt = story.world.read_file("/work/prompts/t1-2.md".into()).expect("a prompt");
    let prompt = String::from_utf8_lossy(&prompt).into_owned();
    assert!(prompt.contains("\n  test 1 failed\n") && prompt.contains("\n  test 60 failed\n"), "{prompt}");
    assert!(prompt.contains("All of it is in /work/logs/t1-verify-"), "{prompt}");
}

fn verify_takes_too_long() -> Scenario {
    play(verified(one()), |spec| match (is_verify(spec), spec.env["ORCH_ATTEMPT"].as_str()) {
        (true, "1") => Script::new().print("testing").hang(),
        (true, _) => Script::new().exit(0),
        (false, _) => good(),
    })
}

#[test]
fn a_verify_command_has_its_time() {
    insta::assert_snapshot!(told(verify_takes_too_long()), @r"
    00:00:00 the orchestrator takes over
    00:00:00 t1 pending -> running (attempt 1)
    00:01:00 t1 claimsDone => verify: 1 commit over the start, clean, at a4153b671d
    00:31:00 t1 verifyTimedOut => restart: the verify command did not end within 30m; 1 of 3 attempts failed, a new one begins
    00:31:00 t1 running -> error: the verify command did not end within 30m
    00:31:10 t1 error -> running (attempt 2)
    00:32:10 t1 claimsDone => verify: 2 commits over the start, clean, at 0e02e8249f
    00:32:10 t1 verified => accept: the verify command passed at 0e02e8249f
    00:32:10 t1 running -> complete
    00:32:10 t1 complete -> pr_open
    00:32:10 t1 pr_open -> merged
    Goal
    ");
}

fn verify_never_ends() -> Scenario {
    play(verified(one()), |spec| if is_verify(spec) { Script::new().print("testing").hang() } else { good() })
        .limits(|limits| limits.max_attempts = 1)
        .at(mins(40), |_| ())
        .horizon(mins(60))
}

#[test]
fn a_verify_command_that_never_ends_is_ended_before_a_person_looks() {
    insta::assert_snapshot!(told(verify_never_ends()), @r"
    00:00:00 the orchestrator takes over
    00:00:00 t1 pending -> running (attempt 1)
    00:01:00 t1 claimsDone => verify: 1 commit over the start, clean, at a4153b671d
    00:31:00 t1 verifyTimedOut => escalate: the verify command did not end within 30m; 1 of 1 attempts failed
    00:31:00 t1 running -> error: the verify command did not end within 30m; 1 of 1 attempts failed
    NeedsPerson
    ");
}

fn one_verifies_at_a_time() -> Scenario {
    play(verified(many(3)), |spec| if is_verify(spec) { Script::new().wait(mins(10)).exit(0) } else { good() })
        .goal(crate::plan::status::Status::PrOpen)
}

#[test]
fn verify_commands_run_one_at_a_time() {
    insta::assert_snapshot!(told(one_verifies_at_a_time()), @r"
    00:00:00 the orchestrator takes over
    00:00:00 t1 pending -> running (attempt 1)
    00:00:00 t2 pending -> running (attempt 1)
    00:00:00 t3 pending -> running (attempt 1)
    00:01:00 t1 claimsDone => verify: 1 commit over the start, clean, at a4153b671d
    00:01:00 t2 claimsDone => verify: 1 commit over the start, clean, at 0c5337ccfa
    00:01:00 t3 claimsDone => verify: 1 commit over the start, clean, at 6627659282
    00:11:00 t1 verified => accept: the verify command passed at a4153b671d
    00:11:00 t1 running -> complete
    00:11:00 t1 complete -> pr_open
    00:21:00 t2 verified => accept: the verify command passed at 0c5337ccfa
    00:21:00 t2 running -> complete
    00:21:00 t2 complete -> pr_open
    00:31:00 t3 verified => accept: the verify command passed at 6627659282
    00:31:00 t3 running -> complete
    00:31:00 t3 complete -> pr_open
    Goal
    ");
}

fn twelve_claim_at_once() -> Scenario {
    let mut plan = verified(many(12));
    plan.settings.max_parallel = 12;
    play(plan, diligent).goal(crate::plan::status::Status::PrOpen)
}

#[test]
fn turns_to_verify_come_in_the_order_of_the_plan() {
    let story = twelve_claim_at_once().run().expect("no cycle");
    assert_eq!(completed(&story), (1..=12).map(|n| format!("t{n}")).collect::<Vec<_>>(), "{story}");
}

/// The tasks in the order in which they were verified first.
fn completed(story: &crate::testkit::Story) -> Vec<String> {
    let complete = |entry: &crate::journal::record::Entry| match &entry.record {
        Record::Status(change) if change.to == crate::plan::status::Status::Complete => entry.task.clone(),
        _ => None,
    };
    story.journal.iter().filter_map(complete).map(|task| task.to_string()).collect()
}

fn lane_verifies_first() -> Scenario {
    play(verified(many(4)), |spec| if is_verify(spec) { Script::new().wait(mins(10)).exit(0) } else { good() })
}

#[test]
fn who_holds_up_merges_is_verified_before_new_claims() {
    insta::assert_snapshot!(told(lane_verifies_first()), @r"
    00:00:00 the orchestrator takes over
    00:00:00 t1 pending -> running (attempt 1)
    00:00:00 t2 pending -> running (attempt 1)
    00:00:00 t3 pending -> running (attempt 1)
    00:00:00 t4 pending -> running (attempt 1)
    00:01:00 t1 claimsDone => verify: 1 commit over the start, clean, at a4153b671d
    00:01:00 t2 claimsDone => verify: 1 commit over the start, clean, at 0c5337ccfa
    00:01:00 t3 claimsDone => verify: 1 commit over the start, clean, at 6627659282
    00:01:00 t4 claimsDone => verify: 1 commit over the start, clean, at 01ea26d7ab
    00:11:00 t1 verified => accept: the verify command passed at a4153b671d
    00:11:00 t1 running -> complete
    00:11:00 t1 complete -> pr_open
    00:11:00 t1 pr_open -> merged
    00:21:00 t2 verified => accept: the verify command passed at 0c5337ccfa
    00:21:00 t2 running -> complete
    00:21:00 t2 complete -> pr_open
    00:31:00 t3 verified => accept: the verify command passed at 6627659282
    00:31:00 t3 running -> complete
    00:31:00 t3 complete -> pr_open
    00:41:00 t2 verified => accept: the verify command passed at fa10f74877
    00:41:00 t2 pr_open -> merged
    00:51:00 t4 verified => accept: the verify command passed at 01ea26d7ab
    00:51:00 t4 running -> complete
    00:51:00 t4 complete -> pr_open
    01:01:00 t3 verified => accept: the verify command passed at 0f2c0dfd3b
    01:01:00 t3 pr_open -> merged
    01:11:00 t4 verified => accept: the verify command passed at cf4a201e06
    01:11:00 t4 pr_open -> merged
    Goal
    ");
}

fn verify_is_lost() -> Scenario {
    play(verified(one()), |spec| if is_verify(spec) { Script::new().wait(secs(90)).exit(0) } else { good() })
        .at(mins(2), crate::testkit::World::lose_executor)
}

#[test]
fn a_lost_verify_command_is_run_again() {
    insta::assert_snapshot!(told(verify_is_lost()), @r"
    00:00:00 the orchestrator takes over
    00:00:00 t1 pending -> running (attempt 1)
    00:01:00 t1 claimsDone => verify: 1 commit over the start, clean, at a4153b671d
    00:02:00 t1 lost => resume: the session is gone: it ended without an exit status; the same attempt goes on
    00:02:00 t1 running -> stuck: the session is gone: it ended without an exit status; the same attempt goes on
    00:03:30 t1 verified => accept: the verify command passed at a4153b671d
    00:03:30 t1 stuck -> complete
    00:03:30 t1 complete -> pr_open
    00:03:30 t1 pr_open -> merged
    Goal
    ");
}

fn tree_changes_while_verified() -> Scenario {
    play(verified(one()), |spec| match (is_verify(spec), spec.env["ORCH_ATTEMPT"].as_str()) {
        (true, "1") => Script::new().work(commits).work(|world, spec| {
            world.repository().commit_files(&spec.cwd, "sneaky", &[("sneaky.txt", "x")]);
        }),
        (true, _) => Script::new(),
        (false, _) => good(),
    })
}

#[test]
fn what_was_verified_is_what_counts() {
    insta::assert_snapshot!(told(tree_changes_while_verified()), @r"
    00:00:00 the orchestrator takes over
    00:00:00 t1 pending -> running (attempt 1)
    00:01:00 t1 claimsDone => verify: 1 commit over the start, clean, at a4153b671d
    00:01:00 t1 verifyFailed => restart: the tree changed while it was verified; 1 of 3 attempts failed, a new one begins
    00:01:00 t1 running -> error: the tree changed while it was verified
    00:01:10 t1 error -> running (attempt 2)
    00:02:10 t1 claimsDone => verify: 4 commits over the start, clean, at b33a56f10f
    00:02:10 t1 verified => accept: the verify command passed at b33a56f10f
    00:02:10 t1 running -> complete
    00:02:10 t1 complete -> pr_open
    00:02:10 t1 pr_open -> merged
    Goal
    ");
}

fn paused_after_its_verification() -> Scenario {
    play(verified(many(2)), diligent).say(secs(65), Some("t1"), UserVerb::Pause)
}

#[test]
fn a_paused_task_gives_its_turn_to_verify_back() {
    insta::assert_snapshot!(told(paused_after_its_verification()), @r"
    00:00:00 the orchestrator takes over
    00:00:00 t1 pending -> running (attempt 1)
    00:00:00 t2 pending -> running (attempt 1)
    00:01:00 t1 claimsDone => verify: 1 commit over the start, clean, at a4153b671d
    00:01:00 t2 claimsDone => verify: 1 commit over the start, clean, at 0c5337ccfa
    00:01:05 t1 a person says Pause
    00:01:10 t1 verified => accept: the verify command passed at a4153b671d
    00:01:10 t1 running -> complete
    00:01:20 t2 verified => accept: the verify command passed at 0c5337ccfa
    00:01:20 t2 running -> complete
    00:01:20 t2 complete -> pr_open
    00:01:20 t2 pr_open -> merged
    NeedsPerson
    ");
}

/// Not among the cases: after a crash another call than the one meant would fail.
fn verification_that_cannot_be_ended() -> Scenario {
    play(verified(many(2)), diligent).at(secs(65), |world| world.fail(Operation::End, 1, Failure::Refused))
}

#[test]
fn who_needs_a_person_gives_the_turn_to_verify_back() {
    insta::assert_snapshot!(told(verification_that_cannot_be_ended()), @r"
    00:00:00 the orchestrator takes over
    00:00:00 t1 pending -> running (attempt 1)
    00:00:00 t2 pending -> running (attempt 1)
    00:01:00 t1 claimsDone => verify: 1 commit over the start, clean, at a4153b671d
    00:01:00 t2 claimsDone => verify: 1 commit over the start, clean, at 0c5337ccfa
    00:01:10 t1 verified => accept: the verify command passed at a4153b671d
    00:01:10 t1 running -> complete
    00:01:10 t1 broken => escalate: end: End was refused: a fault on order
    00:01:10 t1 complete -> error: end: End was refused: a fault on order
    00:01:20 t2 verified => accept: the verify command passed at 0c5337ccfa
    00:01:20 t2 running -> complete
    00:01:20 t2 complete -> pr_open
    00:01:20 t2 pr_open -> merged
    NeedsPerson
    ");
}
