//! All tasks that need what is down wait together: no attempt, no slot, one of them goes first.

use super::cast::{commits, good, is_verify, many, mins, play, secs, task_of};
use super::{Case, cases, told};
use crate::base::time::Millis;
use crate::engine::Outlook;
use crate::journal::effect::Effect;
use crate::journal::record::Record;
use crate::plan::status::Status;
use crate::ports::LaunchSpec;
use crate::testkit::{Failure, Operation, Scenario, Script, Story};

pub(super) const CASES: &[Case] =
    cases![provider_is_down, provider_is_down_for_two_days, limit_resets_late, remote_is_down_for_all];

fn limited() -> Script {
    Script::new().print("ERROR: 429 Too Many Requests: rate limit reached").wait(secs(5)).exit(1)
}

/// An agent that works once the provider is up again, so long after the start.
fn down_for(span: Millis, scenario: impl FnOnce() -> Scenario) -> Scenario {
    let scenario = scenario();
    let world = scenario.world().clone();
    let began = world.now().wall;
    world.clone().on_launch(move |spec: &LaunchSpec| {
        let other = task_of(spec) == "t3";
        if is_verify(spec) || other || world.now().wall.since(began) >= span { good() } else { limited() }
    });
    scenario
}

/// Four tasks of one agent, and one of another, two at once.
fn fleet() -> Scenario {
    let mut plan = many(5);
    plan.settings.max_parallel = 2;
    for task in &mut plan.tasks {
        task.agent = Some(if task.id.as_str() == "t3" { "other" } else { "bot" }.to_owned());
    }
    play(plan, |_| good())
}

fn provider_is_down() -> Scenario {
    down_for(mins(40), fleet)
}

fn launches(story: &Story) -> usize {
    let launch = |record: &Record| matches!(record, Record::Effect { effect: Effect::Launch { .. } });
    story.journal.iter().filter(|entry| launch(&entry.record)).count()
}

#[test]
fn an_outage_is_one_event_for_all_its_tasks() {
    insta::assert_snapshot!(told(provider_is_down()), @r"
    00:00:00 the orchestrator takes over
    00:00:00 t1 pending -> running (attempt 1)
    00:00:00 t2 pending -> running (attempt 1)
    00:00:05 t1 limited => resume: ERROR: 429 Too Many Requests: rate limit reached; no attempt is used up
    00:00:05 t1 running -> stuck: ERROR: 429 Too Many Requests: rate limit reached; no attempt is used up
    00:00:05 t2 limited => resume: ERROR: 429 Too Many Requests: rate limit reached; no attempt is used up
    00:00:05 t2 running -> stuck: ERROR: 429 Too Many Requests: rate limit reached; no attempt is used up
    00:00:05 t3 pending -> running (attempt 1)
    00:00:15 t1 stuck -> running
    00:00:20 t1 limited => resume: ERROR: 429 Too Many Requests: rate limit reached; no attempt is used up
    00:00:20 t1 running -> stuck: ERROR: 429 Too Many Requests: rate limit reached; no attempt is used up
    00:00:41 t1 stuck -> running
    00:00:46 t1 limited => resume: ERROR: 429 Too Many Requests: rate limit reached; no attempt is used up
    00:00:46 t1 running -> stuck: ERROR: 429 Too Many Requests: rate limit reached; no attempt is used up
    00:01:05 t3 claimsDone => verify: 1 commit over the start, clean, at 9560d5d288
    00:01:05 t3 verified => accept: committed and clean; no verify command is set
    00:01:05 t3 running -> complete
    00:01:05 t3 complete -> pr_open
    00:01:05 t3 pr_open -> merged
    00:01:27 t1 stuck -> running
    00:01:32 t1 limited => resume: ERROR: 429 Too Many Requests: rate limit reached; no attempt is used up
    00:01:32 t1 running -> stuck: ERROR: 429 Too Many Requests: rate limit reached; no attempt is used up
    00:02:55 t1 stuck -> running
    00:03:00 t1 limited => resume: ERROR: 429 Too Many Requests: rate limit reached; no attempt is used up
    00:03:00 t1 running -> stuck: ERROR: 429 Too Many Requests: rate limit reached; no attempt is used up
    00:05:46 t1 stuck -> running
    00:05:51 t1 limited => resume: ERROR: 429 Too Many Requests: rate limit reached; no attempt is used up
    00:05:51 t1 running -> stuck: ERROR: 429 Too Many Requests: rate limit reached; no attempt is used up
    00:11:23 t1 stuck -> running
    00:11:28 t1 limited => resume: ERROR: 429 Too Many Requests: rate limit reached; no attempt is used up
    00:11:28 t1 running -> stuck: ERROR: 429 Too Many Requests: rate limit reached; no attempt is used up
    00:22:32 t1 stuck -> running
    00:22:36 t1 limited => resume: ERROR: 429 Too Many Requests: rate limit reached; no attempt is used up
    00:22:36 t1 running -> stuck: ERROR: 429 Too Many Requests: rate limit reached; no attempt is used up
    00:44:44 t1 stuck -> running
    00:45:44 t1 claimsDone => verify: 1 commit over the start, clean, at 0278b98fc1
    00:45:44 t1 verified => accept: committed and clean; no verify command is set
    00:45:44 t1 running -> complete
    00:45:44 t4 pending -> running (attempt 1)
    00:45:44 t1 complete -> pr_open
    00:45:44 t1 verified => accept: committed and clean; no verify command is set
    00:45:44 t1 pr_open -> merged
    00:45:44 t2 stuck -> running
    00:46:44 t2 claimsDone => verify: 1 commit over the start, clean, at 5f45ca91b7
    00:46:44 t4 claimsDone => verify: 1 commit over the start, clean, at ee6a126066
    00:46:44 t2 verified => accept: committed and clean; no verify command is set
    00:46:44 t2 running -> complete
    00:46:44 t5 pending -> running (attempt 1)
    00:46:44 t4 verified => accept: committed and clean; no verify command is set
    00:46:44 t4 running -> complete
    00:46:44 t2 complete -> pr_open
    00:46:44 t4 complete -> pr_open
    00:46:44 t2 verified => accept: committed and clean; no verify command is set
    00:46:44 t2 pr_open -> merged
    00:46:44 t4 verified => accept: committed and clean; no verify command is set
    00:46:44 t4 pr_open -> merged
    00:47:44 t5 claimsDone => verify: 1 commit over the start, clean, at 3585854940
    00:47:44 t5 verified => accept: committed and clean; no verify command is set
    00:47:44 t5 running -> complete
    00:47:44 t5 complete -> pr_open
    00:47:44 t5 verified => accept: committed and clean; no verify command is set
    00:47:44 t5 pr_open -> merged
    Goal
    ");
    let story = provider_is_down().run().expect("no cycle");
    assert!(story.state.tasks.values().all(|task| task.attempt.number.0 == 1), "attempts were used\n{story}");
    assert!(launches(&story) <= 16, "{} launches\n{story}", launches(&story));
}

fn provider_is_down_for_two_days() -> Scenario {
    down_for(mins(48 * 60), fleet).horizon(mins(30 * 60))
}

#[test]
fn a_person_is_called_when_an_outage_lasts_too_long() {
    let story = provider_is_down_for_two_days().run().expect("no cycle");
    let called: Vec<&str> = story.state.tasks.values().filter_map(|task| task.reason.as_deref()).collect();
    let called: Vec<&&str> = called.iter().filter(|why| why.contains("did not end within")).collect();
    assert_eq!(called, [&"ERROR: 429 Too Many Requests: rate limit reached; it did not end within 24h"], "{story}");
    assert!(launches(&story) < 50, "{} launches\n{story}", launches(&story));
    assert_eq!(story.outlook, Outlook::Working, "the others wait on\n{story}");
}

fn limit_resets_late() -> Scenario {
    play(many(1), |_| {
        Script::new().print("usage limit reached, try again in 30 hours").wait(secs(5)).work(commits).exit(1)
    })
}

#[test]
fn a_limit_that_resets_too_late_needs_a_person() {
    insta::assert_snapshot!(told(limit_resets_late()), @r"
    00:00:00 the orchestrator takes over
    00:00:00 t1 pending -> running (attempt 1)
    00:00:05 t1 limited => escalate: usage limit reached, try again in 30 hours; it resets only in 30h, later than 24h
    00:00:05 t1 running -> error: usage limit reached, try again in 30 hours; it resets only in 30h, later than 24h
    NeedsPerson
    ");
}

fn remote_is_down_for_all() -> Scenario {
    let mut plan = many(4);
    plan.settings.max_parallel = 2;
    let scenario = play(plan, |_| good());
    scenario.world().fail(Operation::Prepare, 12, Failure::Unreachable);
    scenario
}

#[test]
fn a_remote_that_is_down_stops_new_starts() {
    let story = remote_is_down_for_all().run().expect("no cycle");
    let prepares =
        story.journal.iter().filter(|entry| matches!(&entry.record, Record::Effect { effect: Effect::Prepare(_) }));
    assert!(prepares.count() <= 16, "{story}");
    assert!(story.state.tasks.values().all(|task| task.status == Status::Merged), "{story}");
}
