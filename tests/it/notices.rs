//! People are told by a command of their own, which the fleet never waits for.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::fleet::{Ended, Fleet};

/// A fleet of two phases that tells people with `command`.
fn fleet(command: &Value, t2: &str) -> Fleet {
    let fleet = Fleet::new(&json!({"project": "a $(touch canary) `b` \"c\"", "phases": [
        {"name": "; touch canary", "tasks": [{"id": "t1", "files": ["a.txt"]}]},
        {"name": "two", "tasks": [{"id": "t2", "files": ["b.txt"]}]}]}));
    fleet.plan("t2", t2);
    fleet.settings(&format!("[notify]\ncommand = {command}\n"));
    fleet
}

/// A command that writes its arguments and its input down, each time into a file of its own.
fn clerk() -> Value {
    let script = "exec >$(mktemp \"$0/told-XXXXXX\"); for word; do echo \"[$word]\"; done; cat; echo; echo over";
    json!(["sh", "-c", script, "OUT", "{title}", "{text}", "$HOME `x` {no}"])
}

/// What the clerk was told, by event.
fn told(fleet: &Fleet) -> Vec<(String, String)> {
    let mut told = Vec::new();
    for entry in fleet.root.join("out").read_dir_utf8().expect("a directory").flatten() {
        if !entry.file_name().starts_with("told-") {
            continue;
        }
        let text = std::fs::read_to_string(entry.path()).expect("text");
        let event = text.lines().find(|line| line.starts_with('{')).unwrap_or_else(|| panic!("no event: {text}"));
        let event: Value = serde_json::from_str(event).expect("JSON on its input");
        let words = ["title", "text"].map(|key| format!("[{}]", event[key].as_str().expect("words")));
        assert!(text.starts_with(&format!("{}\n{}\n[$HOME `x` {{no}}]\n", words[0], words[1])), "{text}");
        assert!(text.ends_with("over\n"), "it had the time to end: {text}");
        told.push((event["event"].as_str().expect("an event").to_owned(), text));
    }
    told.sort();
    told
}

fn run_with_clerk(t2: &str, code: i32) -> (Fleet, Vec<(String, String)>) {
    let mut command = clerk();
    let fleet = fleet(&json!([]), t2);
    command[3] = json!(fleet.root.join("out"));
    fleet.settings(&format!("[notify]\ncommand = {command}\n"));
    fleet.orch_exits(&["run", "--until", "merged"], code);
    let told = told(&fleet);
    (fleet, told)
}

#[test]
fn people_hear_of_phases_ends_and_escalations_in_words_that_nothing_acts_on() {
    let (fleet, heard) = run_with_clerk("work b.txt", 0);
    let events: Vec<&str> = heard.iter().map(|(event, _)| event.as_str()).collect();
    assert_eq!(events, ["finished", "phaseDone", "phaseDone"]);
    assert!(heard.iter().all(|(_, text)| text.contains("[a $(touch canary) `b` \"c\": ")), "{heard:?}");
    assert!(heard.iter().any(|(_, text)| text.contains("[; touch canary]")), "{heard:?}");
    fleet.orch_exits(&["run", "--until", "merged"], 0);
    assert_eq!(told(&fleet).len(), 3, "each once");

    let (fleet, heard) = run_with_clerk("echo 'no $(touch canary)'; exit 3", 3);
    let events: BTreeSet<&str> = heard.iter().map(|(event, _)| event.as_str()).collect();
    assert_eq!(events, ["escalation", "phaseDone"].into());
    let (_, escalation) = &heard[0];
    assert!(escalation.contains("t2 needs a person") && escalation.contains("exit 3"), "{escalation}");
    for place in [".", "w", "out", "home"] {
        assert!(!fleet.root.join(place).join("canary").exists(), "{place}");
    }
}

#[test]
fn a_run_that_breaks_off_is_told_too() {
    let mut command = clerk();
    let fleet = fleet(&json!([]), "hold end; work b.txt");
    command[3] = json!(fleet.root.join("out"));
    fleet.settings(&format!("[notify]\ncommand = {command}\n"));
    let run = fleet.start(&["run", "--until", "merged"]);
    fleet.wait_started("t2", 1);
    // Nothing can be written where a directory stands.
    let (manifest, aside) = (fleet.root.join("w/manifest.json"), fleet.root.join("aside"));
    std::fs::rename(&manifest, &aside).expect("moved");
    std::fs::create_dir(&manifest).expect("a directory");
    fleet.go("end");
    run.end().assert_code(1, &fleet.workdir());
    let heard = told(&fleet);
    let failed = heard.iter().find(|(event, _)| event == "failed").unwrap_or_else(|| panic!("{heard:?}"));
    assert!(failed.1.contains("the orchestrator failed") && failed.1.contains("manifest.json"), "{}", failed.1);
    std::fs::remove_dir(&manifest).expect("removed");
    std::fs::rename(&aside, &manifest).expect("moved back");
    fleet.orch_exits(&["run", "--until", "merged"], 0);
}

#[test]
fn a_command_that_hangs_or_fails_holds_nothing_up() {
    let merged = |command: &Value| -> (Fleet, Ended) {
        let fleet = fleet(command, "work b.txt");
        let ended = fleet.orch_exits(&["run", "--until", "merged"], 0);
        (fleet, ended)
    };
    for command in [json!(["sh", "-c", "exit 3"]), json!(["/no/such/program", "{title}"])] {
        let (fleet, ended) = merged(&command);
        assert!(ended.said.contains("notify command"), "it is said: {}", ended.said);
        fleet.audit();
    }
    let mark = format!("{}.25", 100_000 + std::process::id());
    let (fleet, ended) = merged(&json!(["sh", "-c", format!("sleep {mark} & sleep {mark}; cat")]));
    // Had the run waited for it, the command's own bound would have ended it, with other words.
    assert!(ended.said.contains("did not end before the run did"), "{}", ended.said);
    fleet.audit();
    let alive = |_: &Fleet| {
        let ps = std::process::Command::new("ps").args(["-eo", "args"]).output().expect("ps runs");
        String::from_utf8_lossy(&ps.stdout).contains(&format!("sleep {mark}"))
    };
    fleet.wait("the command and its children are gone", |fleet| !alive(fleet));
    assert!(fleet.journal().state.open.is_empty(), "it is not told again");
}
