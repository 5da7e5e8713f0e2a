//! All tasks that need what is down wait together: no attempt, no slot, one of them goes first.

use super::cast::{branch, commits, good, is_verify, many, mins, play, secs, task_of};
use super::{Case, cases, told};
use crate::base::time::Millis;
use crate::engine::Outlook;
use crate::journal::effect::Effect;
use crate::journal::record::Record;
use crate::plan::status::Status;
use crate::ports::LaunchSpec;
use crate::testkit::{Failure, Operation, Scenario, Script, Story};

pub(super) const CASES: &[Case] = cases![
    provider_is_down,
    provider_is_down_for_two_days,
    limit_resets_late,
    remote_is_down_for_all,
    pull_requests_cannot_be_seen,
    pull_requests_are_refused,
];

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

/// Two published tasks, whose pull requests nobody sees for some looks; a person merges them by hand.
fn unseen(times: usize, failure: Failure) -> Scenario {
    play(many(2), |_| good()).merged_by_hand().notify().at(mins(10), move |world| {
        world.fail(Operation::Find, times, failure);
    })
}

fn pull_requests_cannot_be_seen() -> Scenario {
    unseen(5, Failure::Unreachable).at(mins(30), merged("task/t1")).at(mins(40), merged("task/t2"))
}

fn pull_requests_are_refused() -> Scenario {
    unseen(100, Failure::Refused)
}

fn merged(head: &'static str) -> impl FnOnce(&crate::testkit::World) {
    move |world| _ = world.repository().merge_by_hand(&branch(head), &branch("main"))
}

#[test]
fn looks_that_fail_are_one_wait_for_all_and_end_when_something_is_seen() {
    insta::assert_snapshot!(told(pull_requests_cannot_be_seen()), @r"
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
    00:10:00 t1 delayed => wait: pull requests cannot be seen: the forge cannot be reached: a fault on order; trying again
    00:10:30 t1 delayed => wait: pull requests cannot be seen: the forge cannot be reached: a fault on order; trying again
    00:11:30 t1 delayed => wait: pull requests cannot be seen: the forge cannot be reached: a fault on order; trying again
    00:13:30 t1 delayed => wait: pull requests cannot be seen: the forge cannot be reached: a fault on order; trying again
    00:17:30 t1 delayed => wait: pull requests cannot be seen: the forge cannot be reached: a fault on order; trying again
    00:25:30 pull requests can be seen again
    00:30:00 t1 pullMerged => accept: its work is in the base
    00:30:00 t1 pr_open -> merged
    00:40:00 t2 pullMerged => accept: its work is in the base
    00:40:00 t2 pr_open -> merged
    Goal
    ");
}

#[test]
fn looks_that_are_refused_end_at_a_person_who_is_told_once() {
    let story = pull_requests_are_refused().run().expect("no cycle");
    super::proof::check(&story);
    assert_eq!(story.outlook, Outlook::NeedsPerson, "{story}");
    assert!(story.state.tasks.values().all(|task| task.needs_human), "{story}");
    let calls = story.journal.iter().filter(|entry| match &entry.record {
        Record::Effect { effect: Effect::Notify(notice) } => notice.title.contains("needs a person"),
        _ => false,
    });
    assert_eq!(calls.count(), 1, "{story}");
}

#[test]
fn credentials_that_are_refused_are_a_persons_at_once() {
    use crate::ports::{Failure, FailureKind};
    let story = pull_requests_cannot_be_seen().run().expect("no cycle");
    let published = |state: &crate::state::State| state.tasks.values().all(|task| task.status == Status::PrOpen);
    let mut state = crate::state::State::default();
    for entry in &story.journal {
        if published(&state) && !state.tasks.is_empty() {
            break;
        }
        state.apply(entry);
    }
    let config = play(many(2), |_| good()).config().clone();
    let policy = std::sync::Arc::new(crate::heal::DefaultPolicy);
    let mut engine = crate::engine::Orchestrator::new(state, config, policy).expect("it can be worked on");
    let now = story.world.now();
    engine.start(&now);
    let refused = Failure::new(FailureKind::NeedsPerson, "the forge does not accept our credentials");
    let all = ["t1", "t2"].map(|task| (super::cast::id(task), Err(refused.clone())));
    engine.handle(crate::engine::Input::Seen(crate::engine::Seen::Pulls(all.into())), &now);
    let state = engine.state();
    assert!(state.tasks.values().all(|task| task.needs_human && task.waits_to_publish()), "{:?}", state.tasks);
}
