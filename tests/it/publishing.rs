//! Pull requests: published and followed by hand, pushed early, merged by every method.

use std::os::unix::fs::PermissionsExt as _;

use orch::core::plan::Status;
use serde_json::{Value, json};

use crate::fleet::Fleet;

/// What the forge says of the pull request of a branch.
fn pull(fleet: &Fleet, head: &str) -> Value {
    let pulls = fleet.pulls();
    pulls.iter().find(|pull| pull["head"] == head).unwrap_or_else(|| panic!("{head}: {pulls:?}")).clone()
}

/// Changes the state of a pull request as a person at the forge does.
fn set_state(fleet: &Fleet, head: &str, state: &str) {
    let mut file: Value = serde_json::from_str(&fleet.read("w/pulls.json")).expect("JSON");
    let pulls = file["pulls"].as_array_mut().expect("pulls");
    pulls.iter_mut().find(|pull| pull["head"] == head).expect("a pull request")["state"] = state.into();
    fleet.write("w/pulls.json", &serde_json::to_vec(&file).expect("JSON"));
}

/// Commits to the base, or merges into it, as somebody else does.
fn by_somebody(fleet: &Fleet, args: &[&str]) {
    let clone = fleet.root.join("somebody");
    if !clone.exists() {
        fleet.git(".", &["clone", "-q", "origin.git", "somebody"]);
    }
    fleet.git("somebody", &["pull", "-q"]);
    fleet.git("somebody", args);
    fleet.git("somebody", &["push", "-q", "origin", "HEAD:main"]);
}

#[test]
fn what_is_complete_is_published_and_followed_by_hand() {
    let fleet = Fleet::new(&json!({"verify": ["sh", "check.sh"], "phases": [{"name": "one", "tasks": [
        {"id": "t1", "issue": 5, "title": "First", "files": ["a.txt"]}, {"id": "t2", "files": ["b.txt"]},
        {"id": "t3", "files": ["c.txt"]}, {"id": "t4", "files": ["d.txt"]}]}]}));
    fleet.plan("t4", "hold never");
    let run = fleet.start(&["run", "--until", "complete"]);
    for task in ["t1", "t2", "t3"] {
        fleet.wait_status(task, "complete");
    }
    fleet.orch_exits(&["kill", "t4"], 0);
    run.end().assert_code(3, &fleet.workdir());
    assert!(!fleet.workdir().join("pulls.json").exists(), "complete is short of a pull request");

    let told = fleet.orch_exits(&["pr", "t1"], 0);
    assert!(told.said.contains("t1 is pr_open, pull request"), "{}", told.said);
    let first = pull(&fleet, "fix/issue-5");
    assert_eq!((&first["title"], &first["state"]), (&json!("fix: Issue #5 - First"), &json!("open")));
    let body = first["body"].as_str().expect("a body");
    for part in ["Closes #5", "## Changes", "## Testing", "check.sh"] {
        assert!(body.contains(part), "{part}: {body}");
    }
    assert!(fleet.orch_exits(&["pr", "t4"], 2).said.contains("orch why t4"));
    assert!(fleet.orch_exits(&["pr", "t9"], 2).said.contains("t9"));
    for _ in 0..2 {
        fleet.orch_exits(&["pr"], 0);
    }
    assert_eq!(fleet.pulls().len(), 3, "each is opened once: {:?}", fleet.pulls());
    followed_by_hand(&fleet);
}

/// One is merged beside the forge, one is closed and opened again, and the base moves under the rest.
fn followed_by_hand(fleet: &Fleet) {
    by_somebody(fleet, &["merge", "-q", "--no-ff", "-m", "By hand", "origin/fix/issue-5"]);
    set_state(fleet, "task/t2", "closed");
    fleet.orch_exits(&["sync"], 0);
    assert_eq!(fleet.task("t1")["status"], "merged", "it was merged by hand");
    let closed = fleet.task("t2");
    let reason = closed["reason"].as_str().unwrap_or_default();
    assert!(closed["needsHuman"] == true && reason.contains("closed"), "{closed}");
    fleet.orch_exits(&["sync"], 0);
    assert_eq!(pull(fleet, "task/t2")["state"], "closed", "orch never opens it again");
    set_state(fleet, "task/t2", "open");
    fleet.orch_exits(&["sync"], 0);
    assert_eq!(
        (fleet.task("t2")["status"].clone(), fleet.task("t2")["needsHuman"].clone()),
        (json!("pr_open"), json!(false))
    );

    by_somebody(fleet, &["commit", "-q", "--allow-empty", "-m", "The base moves"]);
    fleet.orch_exits(&["skip", "t4"], 0);
    fleet.orch_exits(&["run", "--until", "merged"], 0);
    let journal = fleet.audit();
    for task in ["t1", "t2", "t3"] {
        assert_eq!((journal.statuses()[task], journal.task(task).attempt.number.0), (Status::Merged, 1), "{task}");
    }
    let subjects = fleet.git("origin.git", &["log", "--format=%s", "main"]);
    assert!(subjects.contains("The base moves") && subjects.contains("By hand"), "{subjects}");
    for task in ["t1", "t2", "t3"] {
        assert_eq!(fleet.git("origin.git", &["show", &format!("main:{task}.txt")]), format!("{task} 1"));
    }
}

#[test]
fn stacks_on_one_file_are_merged_by_every_method() {
    for (method, second_parents, subjects) in [
        ("merge", 4, None),
        ("squash", 0, Some(["seed", "fix: Issue #1 - One", "Work on t2", "Work on t3", "Work on t4"])),
        ("rebase", 0, Some(["seed", "Work on t1", "Work on t2", "Work on t3", "Work on t4"])),
    ] {
        let fleet = Fleet::new(&json!({"mergeMethod": method, "verify": ["sh", "check.sh"], "phases": [
            {"name": "one", "tasks": [{"id": "t1", "issue": 1, "title": "One", "files": ["f.txt"]},
                {"id": "t2", "files": ["f.txt"]}, {"id": "t3", "files": ["f.txt"], "dependsOn": ["t1"]}]},
            {"name": "two", "tasks": [{"id": "t4", "files": ["f.txt"]}]}]}));
        fleet.plan("default", "work f.txt");
        fleet.orch_exits(&["run", "--until", "merged"], 0);
        let journal = fleet.audit();
        assert!(
            journal.statuses().values().all(|status| *status == Status::Merged),
            "{method}: {:?}",
            journal.statuses()
        );
        assert!(journal.attempts().values().all(|attempt| *attempt == 1), "{method}: {:?}", journal.attempts());
        let lines = fleet.git("origin.git", &["show", "main:f.txt"]);
        assert_eq!(lines, "t1 1\nt2 1\nt3 1\nt4 1", "{method}: in the order of the plan");
        let log = fleet.git("origin.git", &["log", "--reverse", "--first-parent", "--format=%s|%P", "main"]);
        let merges = log.lines().filter(|line| line.split('|').next_back().is_some_and(|p| p.contains(' '))).count();
        assert_eq!(merges, second_parents, "{method}: {log}");
        // A squash says its number; so does a rebase of a branch that took its base in by more than its commits say.
        let told: Vec<&str> = log.lines().filter_map(|line| line.split(['|', '(']).next()).map(str::trim).collect();
        if let Some(subjects) = subjects {
            assert_eq!(told, subjects, "{method}: one commit a task");
        }
        let bases: Vec<Value> = fleet.pulls().iter().map(|pull| pull["base"].clone()).collect();
        assert_eq!(bases, vec![json!("main"); 4], "{method}: all were retargeted");
    }
}

#[test]
fn work_is_pushed_as_it_appears_unless_the_manifest_says_otherwise() {
    for (push, early) in [("early", true), ("complete", false)] {
        let fleet = Fleet::new(&json!({"push": push, "phases": [{"name": "one", "tasks": [{"id": "t1"}]}]}));
        fleet.plan("t1", "work a.txt; hold more; work b.txt; hold end");
        let run = fleet.start(&["run", "--until", "pr_open"]);
        let branches =
            |fleet: &Fleet| fleet.git("origin.git", &["for-each-ref", "--format=%(refname:short)", "refs/heads"]);
        let tip = |fleet: &Fleet| fleet.git("w/task-t1", &["rev-parse", "HEAD"]);
        let is_pushed = |fleet: &Fleet| {
            branches(fleet).contains("task/t1") && fleet.git("origin.git", &["rev-parse", "task/t1"]) == tip(fleet)
        };
        fleet.wait_started("t1", 1);
        for gate in ["more", "end"] {
            if early {
                fleet.wait("the commit is at the remote", is_pushed);
            } else {
                fleet.orch_exits(&["tick"], 0);
                assert_eq!(branches(&fleet), "main", "nothing is pushed before it is verified");
            }
            assert_eq!(fleet.task("t1")["status"], "running", "{push}");
            fleet.go(gate);
        }
        run.end().assert_code(0, &fleet.workdir());
        assert!(is_pushed(&fleet), "{push}");
        assert_eq!(fleet.audit().statuses()["t1"], Status::PrOpen, "{push}");
    }
}

#[test]
fn contents_that_a_hook_uploads_are_not_left_behind() {
    let fleet = Fleet::new(&json!({"phases": [{"name": "one", "tasks": [{"id": "t1"}]}]}));
    fleet.write("seed/.gitattributes", b"*.psd filter=lfs\n");
    fleet.git("seed", &["add", "."]);
    fleet.git("seed", &["commit", "-q", "-m", "contents elsewhere"]);
    fleet.git("seed", &["push", "-q", "../origin.git", "main"]);
    fleet.git(".", &["clone", "-q", "origin.git", "w/repo"]);
    let hook = fleet.root.join("w/repo/.git/hooks/pre-push");
    fleet.write("w/repo/.git/hooks/pre-push", format!("#!/bin/sh\ncat >>'{}/out/uploaded'\n", fleet.root).as_bytes());
    std::fs::set_permissions(&hook, std::fs::Permissions::from_mode(0o755)).expect("a mode");
    for verb in ["run", "tick"] {
        let refused = fleet.orch_exits(&[verb], 2);
        assert!(refused.said.contains("filter=lfs") && refused.said.contains("hooks = true"), "{}", refused.said);
    }
    let doctor = fleet.json(&["doctor"]).to_string();
    assert!(doctor.contains("filter=lfs"), "{doctor}");
    assert_eq!(fleet.stamps(), [], "no agent ran");
    fleet.settings("[git]\nhooks = true\n");
    fleet.orch_exits(&["run", "--until", "merged"], 0);
    assert!(fleet.read("out/uploaded").contains("refs/heads/task/t1"), "{}", fleet.read("out/uploaded"));
}
