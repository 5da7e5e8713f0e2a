//! The orchestrator, its tmux server or session host, or its person goes away; agents stay.

use std::collections::BTreeMap;
use std::time::Duration;

use orch::core::plan::Status;
use rustix::process::Signal;
use serde_json::json;

use crate::fleet::{EXECUTORS, Fleet};

/// Two agents that work until the test says `end`.
fn long_lived(executor: &str) -> Fleet {
    let fleet = Fleet::new(&json!({"executor": executor, "phases": [{"name": "one", "tasks": [
        {"id": "t1", "files": ["a.txt"]}, {"id": "t2", "files": ["b.txt"]}]}]}));
    fleet.plan("t1", "work a.txt; hold end");
    fleet.plan("t2", "work b.txt; hold end");
    fleet
}

fn pids(fleet: &Fleet) -> BTreeMap<String, Vec<i32>> {
    let mut pids: BTreeMap<String, Vec<i32>> = BTreeMap::new();
    for stamp in fleet.stamps().into_iter().filter(|stamp| stamp.what == "start") {
        pids.entry(stamp.task).or_default().push(stamp.pid);
    }
    pids
}

fn assert_merged_in_one_attempt(fleet: &Fleet) {
    let journal = fleet.audit();
    assert!(journal.statuses().values().all(|status| *status == Status::Merged), "{:?}", journal.statuses());
    assert!(journal.attempts().values().all(|attempt| *attempt == 1), "{:?}", journal.attempts());
}

#[test]
fn killed_again_and_again_agents_go_on_and_are_adopted() {
    for executor in EXECUTORS {
        let fleet = long_lived(executor);
        let mut seed: u64 = 0x5eed;
        let mut next = |below: u64| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) % below
        };
        for round in 0..12 {
            let run = fleet.start(&["run", "--until", "merged"]);
            std::thread::sleep(Duration::from_millis(next(250)));
            let ended = run.kill();
            assert!(ended.was_killed(), "round {round}: {}", ended.said);
        }
        let run = fleet.start(&["run", "--until", "merged"]);
        fleet.wait_started("t1", 1);
        fleet.wait_started("t2", 1);
        let before = pids(&fleet);
        for _ in 0..4 {
            let run = fleet.start(&["run", "--until", "merged"]);
            std::thread::sleep(Duration::from_millis(next(250)));
            run.kill();
        }
        assert_eq!(pids(&fleet), before, "no agent was started a second time");
        run.kill();
        fleet.go("end");
        fleet.orch_exits(&["run", "--until", "merged"], 0);
        assert_eq!(pids(&fleet), before, "no agent was started a second time");
        assert!(before.values().all(|pids| pids.len() == 1), "{before:?}");
        assert_merged_in_one_attempt(&fleet);
    }
}

#[test]
fn interrupted_it_leaves_and_the_next_run_adopts() {
    for executor in EXECUTORS {
        let fleet = long_lived(executor);
        for signal in [Signal::INT, Signal::TERM] {
            let run = fleet.start(&["run", "--until", "merged"]);
            fleet.wait_started("t1", 1);
            fleet.wait_started("t2", 1);
            fleet.wait_driving(&run);
            run.signal(signal);
            run.end().assert_code(130, &fleet.workdir());
        }
        let before = pids(&fleet);
        assert!(before.values().flatten().all(|pid| fleet.is_agent(*pid)), "agents live: {before:?}");
        fleet.go("end");
        fleet.orch_exits(&["run", "--until", "merged"], 0);
        assert_eq!(pids(&fleet), before);
        assert_merged_in_one_attempt(&fleet);
    }
}

#[test]
fn a_second_run_is_refused_while_one_holds_the_workdir() {
    for executor in EXECUTORS {
        let fleet = long_lived(executor);
        let run = fleet.start(&["run", "--until", "merged"]);
        fleet.wait_started("t1", 1);
        let refused = fleet.orch_exits(&["run"], 4);
        assert!(refused.said.contains(&run.pid().to_string()), "it names the holder: {}", refused.said);
        fleet.orch_exits(&["tick"], 0);
        fleet.go("end");
        run.end().assert_code(0, &fleet.workdir());
        assert_merged_in_one_attempt(&fleet);
    }
}

#[test]
fn agents_that_outlive_their_executor_are_ended_before_they_are_started_again() {
    for executor in EXECUTORS {
        let fleet = long_lived(executor);
        fleet.plan("t1", "trap '' HUP\nif [ \"$nth\" = 1 ]; then hold never; fi\nwork a.txt");
        fleet.plan("t2", "if [ \"$nth\" = 1 ]; then hold never; fi\nwork b.txt");
        let run = fleet.start(&["run", "--until", "merged"]);
        fleet.wait_started("t1", 1);
        fleet.wait_started("t2", 1);
        let launched = |fleet: &Fleet| fleet.read("w/events.jsonl").matches("\"launched\"").count() == 2;
        fleet.wait("both launches are recorded", launched);
        run.kill();
        let first = pids(&fleet)["t1"][0];
        fleet.kill_executor(executor);
        fleet.orch_exits(&["run", "--until", "merged"], 0);
        assert!(!fleet.is_agent(first), "the agent that ignores SIGHUP is gone");
        assert_merged_in_one_attempt(&fleet);
    }
}

#[test]
fn an_executor_that_dies_under_a_run_costs_no_attempt() {
    for executor in EXECUTORS {
        let fleet = long_lived(executor);
        fleet.plan("t1", "if [ \"$nth\" = 1 ]; then trap '' HUP; hold never; fi\nwork a.txt");
        fleet.plan("t2", "if [ \"$nth\" = 1 ]; then hold never; fi\nwork b.txt");
        let run = fleet.start(&["run", "--until", "merged"]);
        fleet.wait_started("t1", 1);
        fleet.wait_started("t2", 1);
        fleet.kill_executor(executor);
        run.end().assert_code(0, &fleet.workdir());
        assert_merged_in_one_attempt(&fleet);
    }
}
