//! People steer a fleet, beside a running orchestrator and without one.

use orch::core::plan::Status;
use serde_json::json;

use crate::fleet::Fleet;

/// How often an agent of a task began.
fn starts(fleet: &Fleet, task: &str) -> usize {
    fleet.stamps().iter().filter(|stamp| stamp.what == "start" && stamp.task == task).count()
}

fn assert_merged(fleet: &Fleet) {
    let journal = fleet.audit();
    assert!(journal.statuses().values().all(|status| *status == Status::Merged), "{:?}", journal.statuses());
}

/// `a` and `c` each work until the test says so, `b` works at once; one at a time.
fn one_at_a_time() -> Fleet {
    let fleet = Fleet::new(&json!({"maxParallel": 1, "phases": [{"name": "one", "tasks": [
        {"id": "a", "files": ["a.txt"]}, {"id": "b", "files": ["b.txt"]}, {"id": "c", "dependsOn": ["a"]}]}]}));
    fleet.plan("a", "work a.txt; hold a");
    fleet.plan("c", "work c.txt; hold c");
    fleet
}

#[test]
fn paused_beside_a_run_nothing_begins_and_what_ends_is_taken_in() {
    let fleet = one_at_a_time();
    let run = fleet.start(&["run", "--until", "merged"]);
    fleet.wait_started("a", 1);
    fleet.orch_exits(&["pause", "b"], 0);
    assert_eq!(fleet.task("b")["paused"], true);
    fleet.go("a");
    fleet.wait_started("c", 1);
    fleet.wait_status("a", "merged");
    assert_eq!(starts(&fleet, "b"), 0, "it was its turn after a");

    fleet.orch_exits(&["pause"], 0);
    fleet.orch_exits(&["resume", "b"], 0);
    for _ in 0..3 {
        fleet.orch_exits(&["tick"], 0);
    }
    assert_eq!(starts(&fleet, "b"), 0, "the whole fleet is paused");
    assert_eq!(fleet.json(&["status"])["orchestrator"]["pid"], run.pid(), "a run with live agents goes on");
    fleet.orch_exits(&["resume"], 0);
    fleet.go("c");
    run.end().assert_code(0, &fleet.workdir());
    assert_merged(&fleet);
}

#[test]
fn paused_without_a_run_it_stays_paused_for_the_next_ones() {
    let fleet = one_at_a_time();
    fleet.go("c");
    fleet.orch_exits(&["pause"], 0);
    assert_eq!(fleet.stamps(), [], "the pass of a pause starts nothing");
    fleet.orch_exits(&["tick"], 3);
    let ended = fleet.orch_exits(&["run", "--until", "merged"], 3);
    assert!(ended.said.contains("orch resume"), "it says how to go on: {}", ended.said);
    assert_eq!(fleet.stamps(), []);
    fleet.orch_exits(&["pause", "b"], 0);
    fleet.orch_exits(&["resume"], 0);
    fleet.wait_started("a", 1);
    fleet.orch_exits(&["pause"], 0);
    let run = fleet.start(&["run", "--until", "merged"]);
    fleet.wait_driving(&run);
    fleet.go("a");
    run.end().assert_code(3, &fleet.workdir());
    assert_eq!((starts(&fleet, "c"), &fleet.task("a")["prNumber"]), (0, &json!(null)), "its end is seen, no more");
    fleet.orch_exits(&["resume"], 0);
    let ended = fleet.orch_exits(&["run", "--until", "merged"], 3);
    assert!(ended.said.contains("orch resume b"), "{}", ended.said);
    assert_eq!((starts(&fleet, "b"), starts(&fleet, "c")), (0, 1));
    fleet.orch_exits(&["resume", "b"], 0);
    fleet.orch_exits(&["run", "--until", "merged"], 0);
    assert_merged(&fleet);
    for (verb, code) in [("kill", 2), ("retry", 2), ("skip", 2), ("pause", 0)] {
        let ended = fleet.orch_exits(&[verb, "a"], code);
        assert!(code == 0 || ended.said.contains("merged"), "{verb}: {}", ended.said);
        assert!(fleet.orch_exits(&[verb, "t9"], 2).said.contains("t9"), "{verb}");
    }
}

#[test]
fn a_skipped_task_lets_others_pass_and_a_retry_undoes_it() {
    let fleet = Fleet::new(&json!({"phases": [
        {"name": "one", "tasks": [{"id": "t1", "files": ["a.txt"]}]},
        {"name": "two", "tasks": [{"id": "t2", "files": ["a.txt", "b.txt"]}]}]}));
    fleet.plan("t1", "echo draft >a.txt; hold never");
    fleet.plan("t2", "test ! -e a.txt; work b.txt");
    let run = fleet.start(&["run", "--until", "merged"]);
    fleet.wait_started("t1", 1);
    fleet.wait("its draft is there", |fleet| fleet.read("w/task-t1/a.txt") == "draft\n");
    let agent = fleet.stamps()[0].pid;
    fleet.orch_exits(&["skip", "t1"], 0);
    run.end().assert_code(0, &fleet.workdir());
    assert!(!fleet.is_agent(agent), "its agent is gone");
    let journal = fleet.audit();
    assert_eq!((journal.statuses()["t1"], journal.statuses()["t2"]), (Status::Error, Status::Merged));
    assert_eq!(fleet.git("w/repo", &["show", "refs/orch/saved/t1/1:a.txt"]), "draft");
    assert!(fleet.task("t1")["skipped"] == true && fleet.task("t1")["needsHuman"] == false, "{}", fleet.task("t1"));

    fleet.plan("t1", "work a.txt");
    fleet.orch_exits(&["retry", "t1"], 0);
    fleet.orch_exits(&["run", "--until", "merged"], 0);
    assert_merged(&fleet);
}

#[test]
fn who_gave_up_waits_for_a_person_who_skips_retries_or_kills() {
    let fleet = Fleet::new(&json!({"phases": [{"name": "one", "tasks": [
        {"id": "t1", "files": ["a.txt"]}, {"id": "t2", "dependsOn": ["t1"]}, {"id": "t3"}, {"id": "t4"}]}]}));
    fleet.plan("t1", "echo mine >a.txt; exit 1");
    fleet.plan("t3", "exit 1");
    fleet.orch_exits(&["run", "--until", "merged"], 3);
    let gave_up = |fleet: &Fleet, task: &str| (fleet.task(task)["needsHuman"].clone(), starts(fleet, task));
    for task in ["t1", "t3"] {
        assert_eq!(gave_up(&fleet, task), (json!(true), 3));
    }
    // Nobody runs: the verb is a pass of its own, which lets t2 begin.
    fleet.orch_exits(&["skip", "t1"], 0);
    fleet.wait_started("t2", 1);
    fleet.plan("t3", "work b.txt; hold never");
    let run = fleet.start(&["run", "--until", "merged"]);
    fleet.wait_status("t2", "merged");
    fleet.orch_exits(&["retry", "t3"], 0);
    fleet.wait_started("t3", 4);
    fleet.wait_status("t3", "running");
    assert_eq!(fleet.task("t3")["needsHuman"], false);
    fleet.orch_exits(&["kill", "--all"], 0);
    run.end().assert_code(3, &fleet.workdir());
    assert_eq!(gave_up(&fleet, "t3"), (json!(true), 4), "no retry by itself after a kill");
    assert!(fleet.orch_exits(&["kill", "t3"], 2).said.contains("no agent"), "there is nothing left to kill");

    fleet.plan("t1", "work a.txt");
    fleet.plan("t3", "work b.txt");
    fleet.orch(&["retry", "t1"]);
    fleet.orch(&["retry", "t3"]);
    fleet.orch_exits(&["run", "--until", "merged"], 0);
    assert_merged(&fleet);
}

#[test]
fn what_a_person_sends_arrives_as_it_is() {
    let lines = [
        "plain",
        "\"quotes' and \\ backslash\\",
        "$(touch $HOME/canary) `touch $HOME/canary` ~ * ?",
        "; kill-server ; #{pane_pid} #(date) %1 C-c Enter",
        "-l -- leading dash",
        "trailing semicolon;",
        "  spaces around  ",
        "ünïcödé 漢字 \u{1f680}",
        "",
    ];
    let long = "0123456789 ".repeat(90);
    let fleet = Fleet::new(&json!({"phases": [{"name": "one", "tasks": [{"id": "t1", "files": ["a.txt"]}]}]}));
    let count = lines.len() + 1;
    fleet.plan(
        "t1",
        &format!(
            "for n in $(seq {count}); do IFS= read -r line; printf '%s\\n' \"$line\" >>\"$out/got\"; done\nwork a.txt"
        ),
    );
    let run = fleet.start(&["run", "--until", "merged"]);
    fleet.wait_started("t1", 1);
    fleet.wait_status("t1", "running");
    let mut expected = String::new();
    for line in lines.into_iter().chain([long.as_str()]) {
        fleet.wait("the session takes words", |fleet| fleet.orch(&["send", "t1", "--", line]).status.success());
        expected.push_str(line);
        expected.push('\n');
        fleet.wait(&format!("{line:?} arrives"), |fleet| fleet.read("out/got").len() >= expected.len());
        assert_eq!(fleet.read("out/got"), expected);
    }
    run.end().assert_code(0, &fleet.workdir());
    assert_merged(&fleet);
    assert!(!fleet.root.join("home/canary").exists());
    let refused = fleet.orch_exits(&["send", "t1", "too late"], 2);
    assert!(refused.said.contains("no live session"), "{}", refused.said);
}
