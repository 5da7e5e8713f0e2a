//! What stacks cost with real repositories: a verification a task.

use orch::core::plan::Status;
use serde_json::{Value, json};

use crate::fleet::Fleet;

/// A chain in which each builds on the one before it and changes the same file; what is verified is counted.
fn chain(tasks: usize, method: &str) -> Fleet {
    let task = |n: usize| {
        let before: Vec<String> = (n > 1).then(|| format!("t{}", n - 1)).into_iter().collect();
        json!({"id": format!("t{n}"), "files": ["a.txt"], "dependsOn": before})
    };
    let tasks: Vec<Value> = (1..=tasks).map(task).collect();
    let fleet = Fleet::new(&json!({"executor": "pty", "merge": "auto", "mergeMethod": method,
        "phases": [{"name": "one", "tasks": tasks}]}));
    let count = format!("echo . >>{}/out/verified; sh check.sh", fleet.root);
    let mut manifest = fleet.manifest();
    manifest["verify"] = json!(["sh", "-c", count]);
    fleet.write("w/manifest.json", &serde_json::to_vec(&manifest).expect("JSON"));
    fleet.plan("default", "work a.txt");
    fleet
}

fn verifications(fleet: &Fleet) -> usize {
    fleet.read("out/verified").lines().count()
}

#[test]
fn a_stack_that_stands_is_merged_without_being_verified_again() {
    for method in ["merge", "squash"] {
        let fleet = chain(5, method);
        fleet.orch_exits(&["run", "--until", "pr_open"], 0);
        assert_eq!(verifications(&fleet), 5);
        fleet.orch_exits(&["run", "--until", "merged"], 0);
        assert_eq!(verifications(&fleet), 5, "{method}");
        let journal = fleet.audit();
        assert!(journal.statuses().values().all(|status| *status == Status::Merged), "{:?}", journal.statuses());
        assert_eq!(fleet.git("origin.git", &["show", "main:a.txt"]), "t1 1\nt2 1\nt3 1\nt4 1\nt5 1", "{method}");
    }
}
