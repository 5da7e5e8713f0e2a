//! What people say.

use super::cast::{
    branch, commits, good, id, is_verify, many, mins, one, plan, play, secs, solo, task, task_of, verified,
};
use super::{Case, cases, told};
use crate::base::id::Seq;
use crate::base::time::Timestamp;
use crate::journal::effect::Effect;
use crate::journal::record::{Entry, Record, UserVerb};
use crate::plan::status::Status;
use crate::ports::EndMode;
use crate::testkit::{Scenario, Script};

pub(super) const CASES: &[Case] = cases![
    killed_and_retried,
    killed_twice,
    all_killed,
    killed_while_paused,
    all_killed_while_paused,
    all_killed_while_published_work_is_verified,
    killed_while_prepared,
    skipped_and_taken_back,
    skipped_while_prepared,
    skipped_when_published,
    retried_while_alive,
    fixed_by_hand,
    paused_and_resumed,
    everything_paused,
    paused_while_prompted,
    paused_after_its_end,
    paused_for_good,
    person_types_into_it,
    merged_is_final,
    three_lines_at_once,
];

fn slow() -> Script {
    Script::new().print("working").wait(mins(4)).print("\nmore").wait(mins(4)).work(commits).exit(0)
}

fn first_slow(attempt: u32) -> Script {
    if attempt == 1 { slow() } else { good() }
}

fn killed_and_retried() -> Scenario {
    solo(first_slow).say(mins(1), Some("t1"), UserVerb::Kill).say(mins(20), Some("t1"), UserVerb::Retry)
}

#[test]
fn a_killed_task_needs_a_person_until_retry() {
    insta::assert_snapshot!(told(killed_and_retried()), @r"
    00:00:00 the orchestrator takes over
    00:00:00 t1 pending -> running (attempt 1)
    00:01:00 t1 a person says Kill
    00:01:00 t1 running -> error: killed by a person
    00:20:00 t1 a person says Retry
    00:20:00 t1 error -> running (attempt 2)
    00:21:00 t1 claimsDone => verify: 1 commit over the start, clean, at 3853c61d7b
    00:21:00 t1 verified => accept: committed and clean; no verify command is set
    00:21:00 t1 running -> complete
    00:21:00 t1 complete -> pr_open
    00:21:00 t1 pr_open -> merged
    Goal
    ");
}

fn killed_while_paused() -> Scenario {
    solo(|_| slow()).say(mins(1), Some("t1"), UserVerb::Pause).say(mins(2), Some("t1"), UserVerb::Kill)
}

fn all_killed_while_paused() -> Scenario {
    play(many(2), |_| slow()).say(mins(1), None, UserVerb::Pause).say(mins(2), None, UserVerb::Kill)
}

#[test]
fn a_persons_kill_goes_before_a_pause() {
    for scenario in [killed_while_paused(), all_killed_while_paused()] {
        let story = scenario.run().expect("no cycle");
        for (id, task) in &story.state.tasks {
            assert_eq!((task.status, task.needs_human, &task.session), (Status::Error, true, &None), "{id}\n{story}");
        }
        assert!(story.journal.last().is_some_and(|entry| entry.timestamp <= at_minutes(&story, 3)), "{story}");
    }
}

/// The base moves while the agent works, so that its open pull request is verified once more, in vain.
fn all_killed_while_published_work_is_verified() -> Scenario {
    play(verified(one()), super::cast::diligent)
        .at(secs(30), |world| {
            world.repository().publish(&branch("main"), &[("theirs.txt", "x")]);
        })
        .say(secs(75), None, UserVerb::Kill)
}

#[test]
fn a_kill_of_all_reaches_verify_commands_of_published_work() {
    let story = all_killed_while_published_work_is_verified().run().expect("no cycle");
    let task = &story.state.tasks[&id("t1")];
    assert_eq!((task.status, task.needs_human, &task.session), (Status::Error, true, &None), "{story}");
}

#[test]
fn a_kill_of_all_leaves_alone_what_ended_by_itself() {
    let story = play(verified(one()), super::cast::diligent).run().expect("no cycle");
    let mut verified = None;
    let mut state = crate::state::State::default();
    for entry in &story.journal {
        state.apply(entry);
        let task = state.tasks.get(&id("t1"));
        // The verify command ended; its session is only cleared away.
        if task.is_some_and(|task| task.status == Status::Complete && task.session.is_some()) {
            verified = Some((state.clone(), entry.clone()));
        }
    }
    let (mut state, last) = verified.expect("complete before the session is forgotten");
    let record = Record::User { verb: UserVerb::Kill };
    state.apply(&Entry { seq: Seq(last.seq.0 + 1), task: None, record, ..last });
    let task = &state.tasks[&id("t1")];
    assert_eq!((task.needs_human, task.todo), (false, None), "{task:?}");
}

#[test]
fn a_pause_alone_ends_nothing() {
    let story = solo(|_| slow()).say(mins(1), Some("t1"), UserVerb::Pause).run().expect("no cycle");
    let ended = |record: &Record| matches!(record, Record::Effect { effect: Effect::End { mode: EndMode::Ask, .. } });
    assert!(!story.journal.iter().any(|entry| ended(&entry.record)), "{story}");
}

/// A moment after the story began.
fn at_minutes(story: &crate::testkit::Story, count: u64) -> Timestamp {
    story.journal[0].timestamp + mins(count)
}

fn killed_twice() -> Scenario {
    solo(|_| Script::new().deaf().print("working").hang()).say(mins(1), Some("t1"), UserVerb::Kill).say(
        secs(61),
        Some("t1"),
        UserVerb::Kill,
    )
}

#[test]
fn a_second_kill_skips_the_grace() {
    let story = killed_twice().run().expect("no cycle");
    let gone = story.journal.last().expect("records").timestamp.since(story.journal[0].timestamp);
    assert_eq!(gone, secs(61), "{story}");
    insta::assert_snapshot!(told(killed_twice()), @r"
    00:00:00 the orchestrator takes over
    00:00:00 t1 pending -> running (attempt 1)
    00:01:00 t1 a person says Kill
    00:01:00 t1 running -> error: killed by a person
    00:01:01 t1 a person says Kill
    NeedsPerson
    ");
}

fn all_killed() -> Scenario {
    play(many(3), |_| slow()).say(mins(1), None, UserVerb::Kill)
}

#[test]
fn all_agents_can_be_ended() {
    insta::assert_snapshot!(told(all_killed()), @r"
    00:00:00 the orchestrator takes over
    00:00:00 t1 pending -> running (attempt 1)
    00:00:00 t2 pending -> running (attempt 1)
    00:00:00 t3 pending -> running (attempt 1)
    00:01:00 a person says Kill
    00:01:00 t1 running -> error: killed by a person
    00:01:00 t2 running -> error: killed by a person
    00:01:00 t3 running -> error: killed by a person
    NeedsPerson
    ");
}

fn killed_while_prepared() -> Scenario {
    let scenario = solo(|_| good());
    scenario.world().fail(crate::testkit::Operation::Prepare, 1, crate::testkit::Failure::Unreachable);
    scenario.say(secs(5), Some("t1"), UserVerb::Kill)
}

#[test]
fn a_task_can_be_killed_before_its_agent_starts() {
    insta::assert_snapshot!(told(killed_while_prepared()), @r"
    00:00:00 the orchestrator takes over
    00:00:00 t1 pending -> running (attempt 1)
    00:00:00 t1 delayed => wait: prepare: the remote cannot be reached: a fault on order; trying again
    00:00:05 t1 a person says Kill
    00:00:05 t1 running -> error: killed by a person
    NeedsPerson
    ");
}

fn skipped_and_taken_back() -> Scenario {
    let tasks = vec![task("t1", 0, &[], &[]), task("t2", 0, &[], &["t1"])];
    play(plan(tasks), |spec| match (task_of(spec), super::cast::attempt(spec)) {
        ("t1", 1) => slow(),
        _ => good(),
    })
    .say(mins(1), Some("t1"), UserVerb::Skip)
    .say(mins(20), Some("t1"), UserVerb::Retry)
}

#[test]
fn retry_takes_a_skip_back() {
    insta::assert_snapshot!(told(skipped_and_taken_back()), @r"
    00:00:00 the orchestrator takes over
    00:00:00 t2 pending -> blocked: waits for t1 (dependsOn)
    00:00:00 t1 pending -> running (attempt 1)
    00:01:00 t1 a person says Skip
    00:01:00 t1 running -> error: skipped by a person
    00:01:00 t2 blocked -> pending
    00:01:00 t2 pending -> running (attempt 1)
    00:02:00 t2 claimsDone => verify: 1 commit over the start, clean, at d413c2384f
    00:02:00 t2 verified => accept: committed and clean; no verify command is set
    00:02:00 t2 running -> complete
    00:02:00 t2 complete -> pr_open
    00:02:00 t2 pr_open -> merged
    00:20:00 t1 a person says Retry
    00:20:00 t1 error -> running (attempt 2)
    00:21:00 t1 claimsDone => verify: 1 commit over the start, clean, at 3853c61d7b
    00:21:00 t1 verified => accept: committed and clean; no verify command is set
    00:21:00 t1 running -> complete
    00:21:00 t1 complete -> pr_open
    00:21:00 t1 verified => accept: committed and clean; no verify command is set
    00:21:00 t1 pr_open -> merged
    Goal
    ");
}

fn skipped_while_prepared() -> Scenario {
    let scenario = play(many(2), |_| good());
    scenario.world().fail(crate::testkit::Operation::Prepare, 1, crate::testkit::Failure::Unreachable);
    scenario.say(secs(5), Some("t1"), UserVerb::Skip)
}

#[test]
fn a_task_can_be_skipped_before_its_agent_starts() {
    insta::assert_snapshot!(told(skipped_while_prepared()), @r"
    00:00:00 the orchestrator takes over
    00:00:00 t1 pending -> running (attempt 1)
    00:00:00 t2 pending -> running (attempt 1)
    00:00:00 t1 delayed => wait: prepare: the remote cannot be reached: a fault on order; trying again
    00:00:05 t1 a person says Skip
    00:00:05 t1 running -> error: skipped by a person
    00:01:00 t2 claimsDone => verify: 1 commit over the start, clean, at 0c5337ccfa
    00:01:00 t2 verified => accept: committed and clean; no verify command is set
    00:01:00 t2 running -> complete
    00:01:00 t2 complete -> pr_open
    00:01:00 t2 pr_open -> merged
    Goal
    ");
}

fn skipped_when_published() -> Scenario {
    play(many(2), |_| good())
        .merged_by_hand()
        .say(mins(5), Some("t1"), UserVerb::Skip)
        .at(mins(10), |world| _ = world.repository().merge_by_hand(&branch("task/t1"), &branch("main")))
        .at(mins(20), |world| _ = world.repository().merge_by_hand(&branch("task/t2"), &branch("main")))
}

#[test]
fn a_skipped_pull_request_is_still_followed() {
    insta::assert_snapshot!(told(skipped_when_published()), @r"
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
    00:05:00 t1 a person says Skip
    00:10:00 t1 pullMerged => accept: its work is in the base
    00:10:00 t1 pr_open -> merged
    00:20:00 t2 pullMerged => accept: its work is in the base
    00:20:00 t2 pr_open -> merged
    Goal
    ");
}

fn retried_while_alive() -> Scenario {
    solo(first_slow).say(mins(1), Some("t1"), UserVerb::Retry)
}

#[test]
fn retry_of_a_live_attempt_is_a_new_one() {
    insta::assert_snapshot!(told(retried_while_alive()), @r"
    00:00:00 the orchestrator takes over
    00:00:00 t1 pending -> running (attempt 1)
    00:01:00 t1 a person says Retry
    00:01:00 t1 running -> error: a person asked for another attempt
    00:01:00 t1 error -> running (attempt 2)
    00:02:00 t1 claimsDone => verify: 1 commit over the start, clean, at 074b733920
    00:02:00 t1 verified => accept: committed and clean; no verify command is set
    00:02:00 t1 running -> complete
    00:02:00 t1 complete -> pr_open
    00:02:00 t1 pr_open -> merged
    Goal
    ");
}

fn fixed_by_hand() -> Scenario {
    play(verified(one()), |spec| match (is_verify(spec), spec.env["ORCH_ATTEMPT"].as_str()) {
        (false, "1") => good(),
        (true, "1") => Script::new().wait(secs(5)).exit(1),
        (true, _) => Script::new().wait(secs(5)).exit(0),
        (false, _) => Script::new().work(|world, _| world.append_file("/agent".into(), b"started")).hang(),
    })
    .limits(|limits| limits.max_attempts = 1)
    .at(mins(10), |world| {
        world.repository().commit_files("/work/task-t1".into(), "by hand", &[("fix.txt", "x")]);
    })
    .say(mins(11), Some("t1"), UserVerb::Retry)
}

#[test]
fn what_a_person_fixed_is_verified_without_an_agent() {
    let story = fixed_by_hand().run().expect("no cycle");
    assert_eq!(story.world.read_file("/agent".into()), None, "{story}");
    insta::assert_snapshot!(told(fixed_by_hand()), @r"
    00:00:00 the orchestrator takes over
    00:00:00 t1 pending -> running (attempt 1)
    00:01:00 t1 claimsDone => verify: 1 commit over the start, clean, at a4153b671d
    00:01:05 t1 verifyFailed => escalate: the verify command ended with exit 1; 1 of 1 attempts failed
    00:01:05 t1 running -> error: the verify command ended with exit 1; 1 of 1 attempts failed
    00:11:00 t1 a person says Retry
    00:11:00 t1 error -> running (attempt 2)
    00:11:00 t1 claimsDone => verify: a person committed up to 7033e7d63b
    00:11:05 t1 verified => accept: the verify command passed at 7033e7d63b
    00:11:05 t1 running -> complete
    00:11:05 t1 complete -> pr_open
    00:11:05 t1 pr_open -> merged
    Goal
    ");
}

fn paused_and_resumed() -> Scenario {
    play(many(2), |spec| if task_of(spec) == "t1" { slow() } else { good() })
        .say(mins(1), Some("t1"), UserVerb::Pause)
        .say(mins(60), Some("t1"), UserVerb::Resume)
}

#[test]
fn a_paused_task_does_nothing_until_resumed() {
    insta::assert_snapshot!(told(paused_and_resumed()), @r"
    00:00:00 the orchestrator takes over
    00:00:00 t1 pending -> running (attempt 1)
    00:00:00 t2 pending -> running (attempt 1)
    00:01:00 t1 a person says Pause
    00:01:00 t2 claimsDone => verify: 1 commit over the start, clean, at 0c5337ccfa
    00:01:00 t2 verified => accept: committed and clean; no verify command is set
    00:01:00 t2 running -> complete
    00:01:00 t2 complete -> pr_open
    00:01:00 t2 pr_open -> merged
    00:08:00 t1 claimsDone => verify: 1 commit over the start, clean, at 759e296ea4
    01:00:00 t1 a person says Resume
    01:00:00 t1 verified => accept: committed and clean; no verify command is set
    01:00:00 t1 running -> complete
    01:00:00 t1 complete -> pr_open
    01:00:00 t1 verified => accept: committed and clean; no verify command is set
    01:00:00 t1 pr_open -> merged
    Goal
    ");
}

fn everything_paused() -> Scenario {
    let mut plan = many(2);
    plan.settings.max_parallel = 1;
    play(plan, |_| good()).say(secs(30), None, UserVerb::Pause).say(mins(60), None, UserVerb::Resume)
}

#[test]
fn everything_can_be_paused() {
    insta::assert_snapshot!(told(everything_paused()), @r"
    00:00:00 the orchestrator takes over
    00:00:00 t1 pending -> running (attempt 1)
    00:00:30 a person says Pause
    00:01:00 t1 claimsDone => verify: 1 commit over the start, clean, at a4153b671d
    01:00:00 a person says Resume
    01:00:00 t1 verified => accept: committed and clean; no verify command is set
    01:00:00 t1 running -> complete
    01:00:00 t2 pending -> running (attempt 1)
    01:00:00 t1 complete -> pr_open
    01:00:00 t1 pr_open -> merged
    01:01:00 t2 claimsDone => verify: 1 commit over the start, clean, at fa30a47e79
    01:01:00 t2 verified => accept: committed and clean; no verify command is set
    01:01:00 t2 running -> complete
    01:01:00 t2 complete -> pr_open
    01:01:00 t2 verified => accept: committed and clean; no verify command is set
    01:01:00 t2 pr_open -> merged
    Goal
    ");
}

fn paused_while_prompted() -> Scenario {
    solo(|_| Script::new().wait(mins(2)).ask("Continue? [y/n]", "y\r").wait(secs(5)).work(commits).exit(0))
        .say(mins(1), Some("t1"), UserVerb::Pause)
        .say(mins(30), Some("t1"), UserVerb::Resume)
}

#[test]
fn no_key_is_pressed_for_a_paused_task() {
    insta::assert_snapshot!(told(paused_while_prompted()), @r"
    00:00:00 the orchestrator takes over
    00:00:00 t1 pending -> running (attempt 1)
    00:01:00 t1 a person says Pause
    00:30:00 t1 a person says Resume
    00:30:00 t1 prompt => answer: answered: Continue? [y/n]
    00:30:00 t1 running -> stuck: answered: Continue? [y/n]
    00:30:05 t1 claimsDone => verify: 1 commit over the start, clean, at 3868d64c11
    00:30:05 t1 stuck -> running
    00:30:05 t1 verified => accept: committed and clean; no verify command is set
    00:30:05 t1 running -> complete
    00:30:05 t1 complete -> pr_open
    00:30:05 t1 pr_open -> merged
    Goal
    ");
}

fn paused_after_its_end() -> Scenario {
    solo(|attempt| if attempt == 1 { Script::new().wait(mins(2)).exit(1) } else { good() })
        .say(mins(1), Some("t1"), UserVerb::Pause)
        .say(mins(30), Some("t1"), UserVerb::Resume)
}

#[test]
fn exits_are_taken_in_while_paused() {
    insta::assert_snapshot!(told(paused_after_its_end()), @r"
    00:00:00 the orchestrator takes over
    00:00:00 t1 pending -> running (attempt 1)
    00:01:00 t1 a person says Pause
    00:02:00 t1 failed => restart: exit 1; 1 of 3 attempts failed, a new one begins
    00:02:00 t1 running -> error: exit 1
    00:30:00 t1 a person says Resume
    00:30:00 t1 error -> running (attempt 2)
    00:31:00 t1 claimsDone => verify: 1 commit over the start, clean, at 2eac17ddda
    00:31:00 t1 verified => accept: committed and clean; no verify command is set
    00:31:00 t1 running -> complete
    00:31:00 t1 complete -> pr_open
    00:31:00 t1 pr_open -> merged
    Goal
    ");
}

fn paused_for_good() -> Scenario {
    solo(|_| slow()).say(mins(1), Some("t1"), UserVerb::Pause)
}

#[test]
fn a_run_goes_on_while_a_paused_agent_works() {
    insta::assert_snapshot!(told(paused_for_good()), @r"
    00:00:00 the orchestrator takes over
    00:00:00 t1 pending -> running (attempt 1)
    00:01:00 t1 a person says Pause
    00:08:00 t1 claimsDone => verify: 1 commit over the start, clean, at 759e296ea4
    NeedsPerson
    ");
}

fn person_types_into_it() -> Scenario {
    solo(|_| Script::new().ask("Continue? [y/n]", "n\r").print("\nall right").wait(secs(90)).work(commits).exit(0))
        .limits(|limits| limits.settle = secs(30))
        .say(secs(10), Some("t1"), UserVerb::Send { text: "n".into() })
}

#[test]
fn nothing_is_typed_after_a_person_did() {
    insta::assert_snapshot!(told(person_types_into_it()), @r#"
    00:00:00 the orchestrator takes over
    00:00:00 t1 pending -> running (attempt 1)
    00:00:10 t1 a person says Send { text: "n" }
    00:01:40 t1 claimsDone => verify: 1 commit over the start, clean, at a89872d7b9
    00:01:40 t1 verified => accept: committed and clean; no verify command is set
    00:01:40 t1 running -> complete
    00:01:40 t1 complete -> pr_open
    00:01:40 t1 pr_open -> merged
    Goal
    "#);
}

fn merged_is_final() -> Scenario {
    solo(|_| good()).say(mins(10), Some("t1"), UserVerb::Retry).say(mins(10), Some("t1"), UserVerb::Kill).say(
        mins(10),
        Some("t1"),
        UserVerb::Skip,
    )
}

#[test]
fn nothing_moves_a_merged_task() {
    let story = merged_is_final().run().expect("no cycle");
    assert_eq!(story.state.tasks[&id("t1")].status, Status::Merged);
    insta::assert_snapshot!(told(merged_is_final()), @r"
    00:00:00 the orchestrator takes over
    00:00:00 t1 pending -> running (attempt 1)
    00:01:00 t1 claimsDone => verify: 1 commit over the start, clean, at a4153b671d
    00:01:00 t1 verified => accept: committed and clean; no verify command is set
    00:01:00 t1 running -> complete
    00:01:00 t1 complete -> pr_open
    00:01:00 t1 pr_open -> merged
    Goal
    ");
}

/// Three lines are sent in the same moment; the agent waits for all of them.
fn three_lines_at_once() -> Scenario {
    let send = |text: &str| UserVerb::Send { text: text.into() };
    solo(|_| Script::new().ask("go on?!", "one\rtwo\rthree\r").wait(secs(5)).work(commits).exit(0))
        .say(secs(10), Some("t1"), send("one"))
        .say(secs(10), Some("t1"), send("two"))
        .say(secs(10), Some("t1"), send("three"))
}

#[test]
fn no_line_that_was_sent_is_lost() {
    let story = three_lines_at_once().run().expect("no cycle");
    assert!(story.state.tasks.values().all(|task| task.status == Status::Merged), "{story}");
}
