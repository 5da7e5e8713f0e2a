//! What agents claim is believed only when it is seen.

use orch::core::plan::Status;
use serde_json::json;

use crate::fleet::Fleet;

/// A fleet of t1, whose agent does `script`, and of t2, which works; t3 waits for t1.
fn fleet(script: &str) -> Fleet {
    let fleet = Fleet::new(&json!({"verify": ["sh", "check.sh"], "phases": [{"name": "one", "tasks": [
        {"id": "t1", "files": ["a.txt"]}, {"id": "t2", "files": ["b.txt"]}, {"id": "t3", "dependsOn": ["t1"]}]}]}));
    fleet.plan("t1", script);
    fleet
}

#[test]
fn what_always_fails_is_tried_three_times_and_left_to_a_person() {
    let cases = [
        ("claims without a commit", "echo 'All tests passed'", "no commit and nothing changed"),
        ("ends with an error", "echo 'error: no luck'; exit 7", "7"),
        ("breaks the tests", "work broken a.txt; echo \"$nth\" >>\"$out/again\"", "verify"),
        ("leaves files of others", "echo x >elsewhere.txt", "elsewhere.txt"),
    ];
    for (what, script, reason) in cases {
        let fleet = fleet(script);
        let ended = fleet.orch_exits(&["run", "--until", "merged"], 3);
        let journal = fleet.audit();
        let statuses = journal.statuses();
        assert_ne!(statuses["t1"], Status::Complete, "{what}");
        assert_eq!((statuses["t2"], statuses["t3"]), (Status::Merged, Status::Blocked), "{what}");
        let task = journal.task("t1");
        let told = task.reason.clone().unwrap_or_default();
        assert!(task.needs_human && told.contains(reason), "{what}: {told}");
        assert!(ended.said.contains("t1 needs a person"), "{what}: {}", ended.said);
        let why = fleet.orch_exits(&["why", "t1"], 0).said;
        assert!(why.contains(reason), "{what}: {why}");
        let attempts = if what == "leaves files of others" { 1 } else { 3 };
        assert_eq!(task.attempt.number.0, attempts, "{what}");
        assert_eq!(fleet.manifest()["phases"][0]["tasks"][0]["needsHuman"], true, "{what}");
        assert_eq!(fleet.merged(), ["t2"], "{what}");
    }
}

#[test]
fn a_retry_knows_what_went_wrong_and_is_believed_when_it_is_right() {
    let fleet = fleet("printf %s \"$prompt\" >\"$out/prompt-$attempt\"; echo 'assertion one of seven'; exit 1");
    fleet.plan("t1-2", "printf %s \"$prompt\" >\"$out/prompt-2\"; work a.txt");
    fleet.orch_exits(&["run", "--until", "merged"], 0);
    let journal = fleet.audit();
    assert_eq!((journal.task("t1").attempt.number.0, journal.statuses()["t1"]), (2, Status::Merged));
    assert_eq!(journal.remedies("t1"), ["restart"]);
    assert!(!fleet.read("out/prompt-1").contains("previous attempt"));
    assert!(fleet.read("out/prompt-2").contains("assertion one of seven"), "{}", fleet.read("out/prompt-2"));
    assert!(fleet.read("w/logs/t1-1-error.log").contains("assertion one of seven"));
}

#[test]
fn uncommitted_work_is_asked_for_once_and_then_committed_by_orch() {
    let fleet = fleet("printf %s \"$prompt\" >\"$out/prompt-$nth\"; echo mine >a.txt");
    fleet.orch_exits(&["run", "--until", "merged"], 0);
    let journal = fleet.audit();
    assert_eq!(journal.remedies("t1"), ["askCommit", "commit"]);
    assert_eq!(journal.task("t1").attempt.number.0, 1);
    assert!(fleet.read("out/prompt-2").contains("not committed"), "{}", fleet.read("out/prompt-2"));
    assert_eq!(fleet.git("origin.git", &["show", "main:a.txt"]), "mine");
}
