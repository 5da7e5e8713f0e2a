//! A run without a terminal, and a terminal beside a run.

use std::os::unix::fs::PermissionsExt;

use orch::core::plan::Status;
use rustix::process::Signal;
use serde_json::json;

use crate::fleet::{Fleet, send};
use crate::terminal::Terminal;

/// A run that went into the background; ended with the test.
struct Background(i32);

impl Drop for Background {
    fn drop(&mut self) {
        if std::thread::panicking() {
            send(self.0, Signal::KILL);
        }
    }
}

/// One agent that works until the test says `end`.
fn held() -> Fleet {
    let fleet = Fleet::new(&json!({"phases": [{"name": "one", "tasks": [{"id": "t1", "files": ["a.txt"]}]}]}));
    fleet.plan("t1", "work a.txt; echo a screen to see; hold end");
    fleet
}

#[test]
fn a_detached_run_outlives_its_terminal() {
    let fleet = held();
    let terminal = Terminal::run(&fleet, "orch run --until merged --detach; echo ended with $?");
    terminal.wait("ended with 0");
    let orchestrator = fleet.json(&["status"])["orchestrator"].clone();
    assert_eq!(orchestrator["running"], true, "{}", terminal.screen());
    let pid = i32::try_from(orchestrator["pid"].as_i64().expect("a process")).expect("a process id");
    let _background = Background(pid);
    assert!(terminal.screen().contains(&pid.to_string()), "it says which: {}", terminal.screen());
    fleet.wait_started("t1", 1);
    drop(terminal);

    let held = fleet.orch_exits(&["run", "--detach"], 4);
    assert!(held.said.contains(&pid.to_string()), "{}", held.said);
    assert_eq!(fleet.json(&["status"])["orchestrator"]["pid"], pid);
    let mode = |path: &str| std::fs::metadata(fleet.root.join(path)).expect(path).permissions().mode() & 0o777;
    assert_eq!((mode("w"), mode("w/control.sock")), (0o700, 0o600), "others cannot talk to it");
    fleet.go("end");
    fleet.wait("the run ends by itself", |fleet| fleet.json(&["status"])["orchestrator"]["running"] == false);
    assert_eq!(fleet.audit().statuses()["t1"], Status::Merged);
    let log = fleet.read("w/logs/orchestrator.log");
    assert!(log.contains("t1") && log.contains("done: 1 merged"), "{log}");
    let again = fleet.orch_exits(&["run", "--until", "merged", "--detach"], 0);
    assert!(!again.said.contains("in the background") || fleet.json(&["status"])["counts"]["merged"] == 1);
}

#[test]
fn a_detached_run_that_cannot_begin_says_why_and_changes_nothing() {
    let fleet = held();
    fleet.write("w/orch.toml", b"[heal]\nbakoff = \"1s\"\n");
    let refused = fleet.orch_exits(&["run", "--detach"], 2);
    assert!(refused.said.contains("bakoff"), "{}", refused.said);
    assert!(!fleet.workdir().join("logs").exists());
    fleet.settings("");
    fleet.git("origin.git", &["branch", "-m", "main", "elsewhere"]);
    fleet.git("origin.git", &["symbolic-ref", "HEAD", "refs/heads/none"]);
    let failed = fleet.orch(&["run", "--detach"]);
    assert!(!failed.status.success() && failed.said.contains("error"), "{}", failed.said);
}

#[test]
fn a_person_attaches_types_and_leaves_and_the_agent_goes_on() {
    let fleet = held();
    fleet.plan("t1", "work a.txt; echo a screen to see; IFS= read -r line; echo \"heard: $line\"; hold end");
    let run = fleet.start(&["run", "--until", "merged"]);
    fleet.wait_started("t1", 1);
    fleet.wait_status("t1", "running");
    let refused = fleet.orch_exits(&["attach", "t1"], 2);
    assert!(refused.said.contains("terminal") && refused.said.contains("orch logs"), "{}", refused.said);

    let terminal = Terminal::run(&fleet, "orch attach t1; echo detached with $?; orch attach t9; echo refused with $?");
    terminal.wait("a screen to see");
    terminal.press(&["hello there", "Enter"]);
    terminal.wait("heard: hello there");
    terminal.press(&["C-b"]);
    terminal.press(&["d"]);
    terminal.wait("detached with 0");
    terminal.wait("refused with 2");
    assert!(fleet.is_agent(fleet.stamps()[0].pid), "the agent goes on");
    drop(terminal);
    let attached = |fleet: &Fleet| fleet.read("w/events.jsonl").contains("\"verb\":\"attach\"");
    assert!(attached(&fleet), "the engine knows that a person is there");
    fleet.go("end");
    run.end().assert_code(0, &fleet.workdir());
    let journal = fleet.audit();
    assert_eq!((journal.statuses()["t1"], journal.task("t1").attempt.number.0), (Status::Merged, 1));
    assert_eq!(journal.remedies("t1"), Vec::<&str>::new(), "nothing was done about a person's words");
}
