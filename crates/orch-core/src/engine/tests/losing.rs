//! Sessions, executors and answers that get lost; processes that do not want to go.

use super::cast::{attempt, commits, good, many, mins, play, secs, solo};
use super::{Case, cases, told};
use crate::journal::record::UserVerb;
use crate::ports::LaunchSpec;
use crate::testkit::{Failure, Operation, Scenario, Script, World};

pub(super) const CASES: &[Case] = cases![
    executor_is_lost,
    executor_is_lost_with_deaf_agents,
    machine_reboots,
    exit_status_is_lost,
    sessions_are_lost_again_and_again,
    launch_answer_is_lost,
    executor_is_away_for_a_while,
    deaf_agent,
    process_that_cannot_be_ended,
    list_fails,
    screens_cannot_be_looked_at,
    input_is_stale,
    work_cannot_be_saved_yet,
    session_cannot_be_forgotten_yet,
    launches_fail_for_long,
];

fn long() -> Script {
    Script::new().print("working").wait(mins(3)).print("\nmore").wait(mins(3)).work(commits).exit(0)
}

fn executor_is_lost() -> Scenario {
    play(many(2), |_| long()).at(mins(4), crate::testkit::World::lose_executor)
}

#[test]
fn a_lost_executor_uses_no_attempt() {
    insta::assert_snapshot!(told(executor_is_lost()), @r"
    00:00:00 the orchestrator takes over
    00:00:00 t1 pending -> running (attempt 1)
    00:00:00 t2 pending -> running (attempt 1)
    00:04:00 t1 lost => resume: the session is gone: it ended without an exit status; the same attempt goes on
    00:04:00 t1 running -> stuck: the session is gone: it ended without an exit status; the same attempt goes on
    00:04:00 t2 lost => resume: the session is gone: it ended without an exit status; the same attempt goes on
    00:04:00 t2 running -> stuck: the session is gone: it ended without an exit status; the same attempt goes on
    00:04:00 t1 stuck -> running
    00:04:00 t2 stuck -> running
    00:10:00 t1 claimsDone => verify: 1 commit over the start, clean, at fc5cb6130d
    00:10:00 t2 claimsDone => verify: 1 commit over the start, clean, at 281edf8f86
    00:10:00 t1 verified => accept: committed and clean; no verify command is set
    00:10:00 t1 running -> complete
    00:10:00 t2 verified => accept: committed and clean; no verify command is set
    00:10:00 t2 running -> complete
    00:10:00 t1 complete -> pr_open
    00:10:00 t2 complete -> pr_open
    00:10:00 t1 pr_open -> merged
    00:10:00 t2 verified => accept: committed and clean; no verify command is set
    00:10:00 t2 pr_open -> merged
    Goal
    ");
}

fn executor_is_lost_with_deaf_agents() -> Scenario {
    play(many(2), |_| Script::new().deaf().print("working").wait(mins(8)).work(commits).exit(0))
        .at(mins(4), crate::testkit::World::lose_executor)
}

#[test]
fn what_survives_a_lost_executor_is_ended_first() {
    insta::assert_snapshot!(told(executor_is_lost_with_deaf_agents()), @r"
    00:00:00 the orchestrator takes over
    00:00:00 t1 pending -> running (attempt 1)
    00:00:00 t2 pending -> running (attempt 1)
    00:04:00 t1 lost => resume: the session is gone: it ended without an exit status; the same attempt goes on
    00:04:00 t1 running -> stuck: the session is gone: it ended without an exit status; the same attempt goes on
    00:04:00 t2 lost => resume: the session is gone: it ended without an exit status; the same attempt goes on
    00:04:00 t2 running -> stuck: the session is gone: it ended without an exit status; the same attempt goes on
    00:04:00 t1 stuck -> running
    00:04:00 t2 stuck -> running
    00:09:00 t1 silent => look: nothing changed for 5m: suspected
    00:09:00 t1 running -> stuck: nothing changed for 5m: suspected
    00:09:00 t2 silent => look: nothing changed for 5m: suspected
    00:09:00 t2 running -> stuck: nothing changed for 5m: suspected
    00:12:00 t1 claimsDone => verify: 1 commit over the start, clean, at b7dd8c593b
    00:12:00 t1 stuck -> running
    00:12:00 t2 claimsDone => verify: 1 commit over the start, clean, at c19a0d763e
    00:12:00 t2 stuck -> running
    00:12:00 t1 verified => accept: committed and clean; no verify command is set
    00:12:00 t1 running -> complete
    00:12:00 t2 verified => accept: committed and clean; no verify command is set
    00:12:00 t2 running -> complete
    00:12:00 t1 complete -> pr_open
    00:12:00 t2 complete -> pr_open
    00:12:00 t1 pr_open -> merged
    00:12:00 t2 verified => accept: committed and clean; no verify command is set
    00:12:00 t2 pr_open -> merged
    Goal
    ");
}

fn machine_reboots() -> Scenario {
    solo(|_| long()).at(mins(4), crate::testkit::World::reboot)
}

#[test]
fn a_reboot_is_a_lost_executor() {
    insta::assert_snapshot!(told(machine_reboots()), @r"
    00:00:00 the orchestrator takes over
    00:00:00 t1 pending -> running (attempt 1)
    00:08:00 t1 lost => resume: the session is gone: it ended without an exit status; the same attempt goes on
    00:08:00 t1 running -> stuck: the session is gone: it ended without an exit status; the same attempt goes on
    00:08:00 t1 stuck -> running
    00:14:00 t1 claimsDone => verify: 1 commit over the start, clean, at b27bc8ef83
    00:14:00 t1 verified => accept: committed and clean; no verify command is set
    00:14:00 t1 running -> complete
    00:14:00 t1 complete -> pr_open
    00:14:00 t1 pr_open -> merged
    Goal
    ");
}

fn exit_status_is_lost() -> Scenario {
    let scenario = solo(|_| Script::new());
    let world = scenario.world().clone();
    world.clone().on_launch(move |spec| {
        if super::cast::again(&world, spec) {
            return good();
        }
        Script::new().print("working").wait(mins(2)).work(|world, spec| {
            world.append_file("/first".into(), format!("{}\n", super::cast::task_of(spec)).as_bytes());
            world.lose_exit_status(spec.launch);
        })
    });
    scenario
}

#[test]
fn a_lost_exit_status_is_a_lost_session() {
    insta::assert_snapshot!(told(exit_status_is_lost()), @r"
    00:00:00 the orchestrator takes over
    00:00:00 t1 pending -> running (attempt 1)
    00:02:00 t1 lost => resume: the session is gone: it ended and nobody knows how; the same attempt goes on
    00:02:00 t1 running -> stuck: the session is gone: it ended and nobody knows how; the same attempt goes on
    00:02:00 t1 stuck -> running
    00:03:00 t1 claimsDone => verify: 1 commit over the start, clean, at 016a71cfa3
    00:03:00 t1 verified => accept: committed and clean; no verify command is set
    00:03:00 t1 running -> complete
    00:03:00 t1 complete -> pr_open
    00:03:00 t1 pr_open -> merged
    Goal
    ");
}

fn sessions_are_lost_again_and_again() -> Scenario {
    solo(|_| Script::new().print("starting").wait(secs(1)).work(|world, spec| world.lose_exit_status(spec.launch)))
        .limits(|limits| (limits.relaunch_limit, limits.max_attempts) = (2, 2))
}

#[test]
fn sessions_lost_in_vain_count_in_the_end() {
    insta::assert_snapshot!(told(sessions_are_lost_again_and_again()), @r"
    00:00:00 the orchestrator takes over
    00:00:00 t1 pending -> running (attempt 1)
    00:00:01 t1 lost => resume: the session is gone: it ended and nobody knows how; the same attempt goes on
    00:00:01 t1 running -> stuck: the session is gone: it ended and nobody knows how; the same attempt goes on
    00:00:01 t1 stuck -> running
    00:00:02 t1 lost => resume: the session is gone: it ended and nobody knows how; the same attempt goes on
    00:00:02 t1 running -> stuck: the session is gone: it ended and nobody knows how; the same attempt goes on
    00:00:02 t1 stuck -> running
    00:00:03 t1 lost => restart: it ended and nobody knows how; 1 of 2 attempts failed, a new one begins
    00:00:03 t1 running -> error: it ended and nobody knows how
    00:00:13 t1 error -> running (attempt 2)
    00:00:14 t1 lost => resume: the session is gone: it ended and nobody knows how; the same attempt goes on
    00:00:14 t1 running -> stuck: the session is gone: it ended and nobody knows how; the same attempt goes on
    00:00:14 t1 stuck -> running
    00:00:15 t1 lost => resume: the session is gone: it ended and nobody knows how; the same attempt goes on
    00:00:15 t1 running -> stuck: the session is gone: it ended and nobody knows how; the same attempt goes on
    00:00:15 t1 stuck -> running
    00:00:16 t1 lost => escalate: it ended and nobody knows how; 2 of 2 attempts failed
    00:00:16 t1 running -> error: it ended and nobody knows how; 2 of 2 attempts failed
    NeedsPerson
    ");
}

fn launch_answer_is_lost() -> Scenario {
    let scenario = solo(|_| good());
    scenario.world().fail(Operation::Launch, 2, Failure::AnswerLost);
    scenario
}

#[test]
fn a_launch_without_an_answer_is_ended_before_another() {
    insta::assert_snapshot!(told(launch_answer_is_lost()), @r"
    00:00:00 the orchestrator takes over
    00:00:00 t1 pending -> running (attempt 1)
    00:00:00 t1 delayed => wait: launch: mock is not available: a fault on order; trying again
    00:00:10 t1 delayed => wait: launch: mock is not available: a fault on order; trying again
    00:01:31 t1 claimsDone => verify: 1 commit over the start, clean, at 232f56dce1
    00:01:31 t1 verified => accept: committed and clean; no verify command is set
    00:01:31 t1 running -> complete
    00:01:31 t1 complete -> pr_open
    00:01:31 t1 pr_open -> merged
    Goal
    ");
}

fn executor_is_away_for_a_while() -> Scenario {
    let scenario = solo(|attempt| if attempt == 1 { Script::new().wait(secs(5)).exit(1) } else { good() });
    for operation in [Operation::Launch, Operation::End, Operation::Forget] {
        scenario.world().fail(operation, 3, Failure::Unreachable);
    }
    scenario
}

#[test]
fn an_executor_that_is_away_is_waited_for() {
    insta::assert_snapshot!(told(executor_is_away_for_a_while()), @r"
    00:00:00 the orchestrator takes over
    00:00:00 t1 pending -> running (attempt 1)
    00:00:00 t1 delayed => wait: launch: mock is not available: a fault on order; trying again
    00:00:10 t1 delayed => wait: end: mock is not available: a fault on order; trying again
    00:00:31 t1 delayed => wait: end: mock is not available: a fault on order; trying again
    00:01:12 t1 delayed => wait: end: mock is not available: a fault on order; trying again
    00:02:35 t1 delayed => wait: forget: mock is not available: a fault on order; trying again
    00:02:45 t1 delayed => wait: forget: mock is not available: a fault on order; trying again
    00:03:06 t1 delayed => wait: forget: mock is not available: a fault on order; trying again
    00:03:48 t1 delayed => wait: launch: mock is not available: a fault on order; trying again
    00:04:08 t1 delayed => wait: launch: mock is not available: a fault on order; trying again
    00:04:55 t1 failed => restart: exit 1; 1 of 3 attempts failed, a new one begins
    00:04:55 t1 running -> error: exit 1
    00:05:05 t1 error -> running (attempt 2)
    00:06:05 t1 claimsDone => verify: 1 commit over the start, clean, at 6348f390b7
    00:06:05 t1 verified => accept: committed and clean; no verify command is set
    00:06:05 t1 running -> complete
    00:06:05 t1 complete -> pr_open
    00:06:05 t1 pr_open -> merged
    Goal
    ");
}

fn deaf_agent() -> Scenario {
    solo(|attempt| if attempt == 1 { Script::new().deaf().print("thinking").hang() } else { good() })
        .limits(|limits| limits.relaunch_limit = 0)
}

#[test]
fn an_agent_that_does_not_listen_is_killed() {
    insta::assert_snapshot!(told(deaf_agent()), @r"
    00:00:00 the orchestrator takes over
    00:00:00 t1 pending -> running (attempt 1)
    00:05:00 t1 silent => look: nothing changed for 5m: suspected
    00:05:00 t1 running -> stuck: nothing changed for 5m: suspected
    00:10:00 t1 silent => poke: nothing changed for 10m: asked to redraw
    00:10:02 t1 silent => poke: nothing changed for 10m 2s: poked
    00:20:00 t1 silent => restart: nothing changed for 20m; 1 of 3 attempts failed, a new one begins
    00:20:00 t1 stuck -> error: nothing changed for 20m
    00:20:10 t1 error -> running (attempt 2)
    00:21:10 t1 claimsDone => verify: 1 commit over the start, clean, at 1a37225d8d
    00:21:10 t1 verified => accept: committed and clean; no verify command is set
    00:21:10 t1 running -> complete
    00:21:10 t1 complete -> pr_open
    00:21:10 t1 pr_open -> merged
    Goal
    ");
}

fn process_that_cannot_be_ended() -> Scenario {
    let scenario = solo(|attempt| if attempt == 1 { Script::new().wait(secs(5)).exit(1) } else { good() });
    scenario.world().fail(Operation::End, 1, Failure::Ignored);
    scenario.say(mins(30), Some("t1"), UserVerb::Retry)
}

#[test]
fn a_process_that_cannot_be_ended_needs_a_person() {
    insta::assert_snapshot!(told(process_that_cannot_be_ended()), @r"
    00:00:00 the orchestrator takes over
    00:00:00 t1 pending -> running (attempt 1)
    00:00:05 t1 failed => restart: exit 1; 1 of 3 attempts failed, a new one begins
    00:00:05 t1 running -> error: exit 1
    00:00:05 t1 broken => escalate: end: its processes could not be proved gone
    00:30:00 t1 a person says Retry
    00:30:00 t1 error -> running (attempt 2)
    00:31:00 t1 claimsDone => verify: 1 commit over the start, clean, at 2eac17ddda
    00:31:00 t1 verified => accept: committed and clean; no verify command is set
    00:31:00 t1 running -> complete
    00:31:00 t1 complete -> pr_open
    00:31:00 t1 pr_open -> merged
    Goal
    ");
}

fn list_fails() -> Scenario {
    let scenario = play(many(2), |_| long());
    scenario.world().fail(Operation::List, 3, Failure::Unreachable);
    scenario
}

#[test]
fn a_list_that_fails_is_no_evidence() {
    insta::assert_snapshot!(told(list_fails()), @r"
    00:00:00 the orchestrator takes over
    00:00:00 t1 pending -> running (attempt 1)
    00:00:00 t2 pending -> running (attempt 1)
    00:02:00 t1 delayed => wait: sessions cannot be seen: mock is not available: a fault on order; trying again
    00:04:00 t1 delayed => wait: sessions cannot be seen: mock is not available: a fault on order; trying again
    00:06:00 sessions can be seen again
    00:06:00 t1 claimsDone => verify: 1 commit over the start, clean, at 14b5c571d2
    00:06:00 t2 claimsDone => verify: 1 commit over the start, clean, at 028fbcb6c4
    00:06:00 t1 verified => accept: committed and clean; no verify command is set
    00:06:00 t1 running -> complete
    00:06:00 t2 verified => accept: committed and clean; no verify command is set
    00:06:00 t2 running -> complete
    00:06:00 t1 complete -> pr_open
    00:06:00 t2 complete -> pr_open
    00:06:00 t1 pr_open -> merged
    00:06:00 t2 verified => accept: committed and clean; no verify command is set
    00:06:00 t2 pr_open -> merged
    Goal
    ");
}

fn screens_cannot_be_looked_at() -> Scenario {
    let scenario = solo(|_| Script::new().ask("Continue? [y/n]", "y\r").work(commits).exit(0));
    scenario.world().fail(Operation::Look, 5, Failure::Unreachable);
    scenario
}

#[test]
fn screens_are_looked_at_again() {
    insta::assert_snapshot!(told(screens_cannot_be_looked_at()), @r"
    00:00:00 the orchestrator takes over
    00:00:00 t1 pending -> running (attempt 1)
    00:00:01 t1 prompt => answer: answered: Continue? [y/n]
    00:00:01 t1 running -> stuck: answered: Continue? [y/n]
    00:00:01 t1 claimsDone => verify: 1 commit over the start, clean, at 6ef42429cb
    00:00:01 t1 stuck -> running
    00:00:01 t1 verified => accept: committed and clean; no verify command is set
    00:00:01 t1 running -> complete
    00:00:01 t1 complete -> pr_open
    00:00:01 t1 pr_open -> merged
    Goal
    ");
}

fn input_is_stale() -> Scenario {
    let scenario = solo(|_| Script::new().ask("Continue? [y/n]", "y\r").work(commits).exit(0));
    scenario.world().fail(Operation::Input, 2, Failure::Stale);
    scenario
}

#[test]
fn a_stale_answer_is_judged_anew() {
    insta::assert_snapshot!(told(input_is_stale()), @r"
    00:00:00 the orchestrator takes over
    00:00:00 t1 pending -> running (attempt 1)
    00:00:00 t1 prompt => answer: answered: Continue? [y/n]
    00:00:00 t1 running -> stuck: answered: Continue? [y/n]
    00:00:01 t1 prompt => answer: answered: Continue? [y/n]
    00:00:01 t1 prompt => answer: answered: Continue? [y/n]
    00:00:01 t1 claimsDone => verify: 1 commit over the start, clean, at 6ef42429cb
    00:00:01 t1 stuck -> running
    00:00:01 t1 verified => accept: committed and clean; no verify command is set
    00:00:01 t1 running -> complete
    00:00:01 t1 complete -> pr_open
    00:00:01 t1 pr_open -> merged
    Goal
    ");
}

fn work_cannot_be_saved_yet() -> Scenario {
    let leaves = |world: &World, spec: &LaunchSpec| world.repository().write(&spec.cwd, "a.txt", "half");
    let tidies = |world: &World, spec: &LaunchSpec| {
        world.repository().commit_files(&spec.cwd, "whole", &[("a.txt", "whole")]);
    };
    let scenario = solo(move |n| match n {
        1 => Script::new().wait(secs(5)).work(leaves).exit(1),
        _ => Script::new().wait(secs(60)).work(tidies).exit(0),
    });
    scenario.world().fail(Operation::Save, 2, Failure::Unreachable);
    scenario
}

#[test]
fn nothing_is_ended_before_its_work_is_saved() {
    insta::assert_snapshot!(told(work_cannot_be_saved_yet()), @r"
    00:00:00 the orchestrator takes over
    00:00:00 t1 pending -> running (attempt 1)
    00:00:05 t1 failed => restart: exit 1; 1 of 3 attempts failed, a new one begins
    00:00:05 t1 running -> error: exit 1
    00:00:05 t1 delayed => wait: save: the remote cannot be reached: a fault on order; trying again
    00:00:15 t1 delayed => wait: save: the remote cannot be reached: a fault on order; trying again
    00:00:36 t1 error -> running (attempt 2)
    00:01:36 t1 claimsDone => verify: 1 commit over the start, clean, at 6fce6bda96
    00:01:36 t1 verified => accept: committed and clean; no verify command is set
    00:01:36 t1 running -> complete
    00:01:36 t1 complete -> pr_open
    00:01:36 t1 pr_open -> merged
    Goal
    ");
}

fn session_cannot_be_forgotten_yet() -> Scenario {
    let scenario = play(many(1), |spec| if attempt(spec) == 1 { Script::new().exit(3) } else { good() });
    scenario.world().fail(Operation::Forget, 2, Failure::Unreachable);
    scenario
}

#[test]
fn a_session_is_forgotten_in_the_end() {
    insta::assert_snapshot!(told(session_cannot_be_forgotten_yet()), @r"
    00:00:00 the orchestrator takes over
    00:00:00 t1 pending -> running (attempt 1)
    00:00:00 t1 failed => restart: exit 3; 1 of 3 attempts failed, a new one begins
    00:00:00 t1 running -> error: exit 3
    00:00:00 t1 delayed => wait: forget: mock is not available: a fault on order; trying again
    00:00:10 t1 delayed => wait: forget: mock is not available: a fault on order; trying again
    00:00:31 t1 error -> running (attempt 2)
    00:01:31 t1 claimsDone => verify: 1 commit over the start, clean, at 5d2a6ca6de
    00:01:31 t1 verified => accept: committed and clean; no verify command is set
    00:01:31 t1 running -> complete
    00:01:31 t1 complete -> pr_open
    00:01:31 t1 pr_open -> merged
    Goal
    ");
}

fn launches_fail_for_long() -> Scenario {
    let scenario = solo(|_| good());
    scenario.world().fail(Operation::Launch, 8, Failure::Unreachable);
    scenario
}

#[test]
fn a_launch_that_stays_unavailable_is_tried_later_and_later() {
    let story = launches_fail_for_long().run().expect("no cycle");
    let launches: Vec<u64> = story
        .world
        .calls()
        .iter()
        .filter(|call| call.operation == Operation::Launch)
        .map(|call| call.at.since(story.journal[0].timestamp).0 / 1000)
        .collect();
    assert_eq!(launches, [0, 10, 31, 72, 155, 321, 653, 1316, 2644], "{story}");
}

#[test]
fn work_of_a_session_that_no_record_knows_is_saved_before_it_is_ended() {
    use crate::base::id::LaunchId;
    use crate::engine::{Input, Orchestrator, Seen, SeenSession};
    use crate::journal::effect::{Effect, Outcome};
    use crate::journal::record::Record;
    let story = play(many(1), |_| good()).run().expect("no cycle");
    let plan = |entry: &&crate::journal::record::Entry| matches!(entry.record, Record::Plan { .. });
    let state = crate::state::State::fold(story.journal.iter().filter(plan));
    let config = play(many(1), |_| good()).config().clone();
    let policy = std::sync::Arc::new(crate::heal::DefaultPolicy);
    let mut engine = Orchestrator::new(state, config, policy).expect("it can be worked on");
    let now = story.world.now();
    engine.start(&now);
    let launched = crate::ports::Launched { session: "task-t1".to_owned(), process: None };
    let stray = SeenSession { launch: LaunchId(4711), launched, exit: None, activity: 0 };
    let effects = |step: crate::engine::Step| -> Vec<(u64, Effect)> {
        let effect = |entry: crate::journal::record::Entry| match entry.record {
            Record::Effect { effect } => Some((entry.seq.0, effect)),
            _ => None,
        };
        step.records.into_iter().filter_map(effect).collect()
    };
    let ends = |effects: &[(u64, Effect)]| effects.iter().any(|(_, effect)| matches!(effect, Effect::End { .. }));
    let first = effects(engine.handle(Input::Seen(Seen::Sessions(vec![stray])), &now));
    assert!(!ends(&first), "{first:?}");
    let save = first.iter().find(|(_, effect)| matches!(effect, Effect::Save { .. })).expect("it is saved").0;
    let saved = Input::Done { effect: crate::base::id::EffectId(save), outcome: Outcome::Saved(None) };
    assert!(ends(&effects(engine.handle(saved, &now))));
}
