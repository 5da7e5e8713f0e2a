//! The program is killed at every point of every effect, and the next run ends as if nothing had been.

use std::collections::BTreeMap;

use orch::core::journal::Effect;
use orch::core::plan::Status;
use serde_json::json;

use crate::fleet::Fleet;

/// What a fault point is called before an effect, after it, and after its outcome was recorded.
const MOMENTS: [&str; 3] = ["before", "after", "recorded"];

/// A fleet whose way to the merge has every kind of effect in it.
///
/// `ask` asks a question and is answered; `left` leaves its work uncommitted; `next` depends on `ask`, so its
/// pull request moves; whatever is merged second takes the base in; `left` has dirt to save; the end is notified.
fn fleet(executor: &str) -> Fleet {
    let fleet =
        Fleet::new(&json!({"executor": executor, "verify": ["sh", "check.sh"], "phases": [{"name": "one", "tasks": [
        {"id": "ask", "files": ["ask.txt"]},
        {"id": "left", "files": ["left.txt"]},
        {"id": "next", "files": ["next.txt"], "dependsOn": ["ask"]}]}]}));
    fleet.plan("ask", "work ask.txt\nprintf 'Continue? [y/n] '\nread -r answer\n[ \"$answer\" = y ]");
    fleet.plan("left", "echo mine >left.txt");
    fleet.plan("next", "cat ask.txt >/dev/null\nwork next.txt");
    fleet.settings("");
    let notify = format!("[notify]\ncommand = [\"sh\", \"-c\", \"echo told >>{}/out/told\"]\n", fleet.root);
    fleet.settings(&notify);
    fleet
}

/// Runs the fleet until pull requests are open, then until they are merged, once with a fault and then without;
/// whether the fault struck.
fn live_through(fleet: &Fleet, fault: &str) -> bool {
    let mut struck = false;
    for goal in ["pr_open", "merged"] {
        let args = ["run", "--until", goal];
        if !struck {
            let ended = fleet.start_with(&args, &[("ORCH_FAULT", fault)]).end();
            struck = ended.was_killed();
            if !struck {
                ended.assert_code(0, &fleet.workdir());
                continue;
            }
        }
        let ended = fleet.orch(&args);
        assert_eq!(
            ended.status.code(),
            Some(0),
            "{fault}, then {goal}: {}\n{}",
            ended.said,
            crate::fleet::tail(&fleet.workdir())
        );
    }
    struck
}

fn assert_whole(fleet: &Fleet, fault: &str) {
    let journal = fleet.audit();
    assert!(journal.statuses().values().all(|status| *status == Status::Merged), "{fault}: {:?}", journal.statuses());
    let once: BTreeMap<String, u32> = ["ask", "left", "next"].map(|task| (task.to_owned(), 1)).into();
    assert_eq!(journal.attempts(), once, "{fault}: attempts are as without a crash");
    assert_eq!(fleet.pulls().len(), 3, "{fault}: {:?}", fleet.pulls());
    assert_eq!(fleet.merged().len(), 3, "{fault}: each is merged once");
    let base = |file: &str| fleet.git("origin.git", &["show", &format!("main:{file}")]);
    assert_eq!((base("left.txt"), base("next.txt")), ("mine".to_owned(), "next 1".to_owned()), "{fault}");
}

/// Kills at each moment of some effects, prints which cells were hit and fails on an empty one.
#[expect(clippy::print_stdout, reason = "the matrix is what `--nocapture` is for")]
fn matrix(executor: &str, effects: &[&str]) {
    let mut empty = Vec::new();
    for effect in effects {
        let mut row = format!("{executor:<5}{effect:<12}");
        for moment in MOMENTS {
            let fault = format!("{effect}.{moment}");
            let fleet = fleet(executor);
            let struck = live_through(&fleet, &fault);
            assert_whole(&fleet, &fault);
            row.push_str(if struck { "  x" } else { "  -" });
            if !struck {
                empty.push(fault);
            }
        }
        println!("{row}   ({})", MOMENTS.join(", "));
    }
    assert!(empty.is_empty(), "never came to {}", empty.join(", "));
}

#[test]
fn killed_while_worktrees_and_agents_begin() {
    matrix("tmux", &Effect::NAMES[..3]);
}

#[test]
fn killed_while_agents_end() {
    matrix("tmux", &Effect::NAMES[3..7]);
}

#[test]
fn killed_while_agents_begin_on_ptys() {
    matrix("pty", &Effect::NAMES[1..3]);
}

#[test]
fn killed_while_agents_end_on_ptys() {
    matrix("pty", &Effect::NAMES[3..6]);
}

#[test]
fn killed_while_work_is_published() {
    matrix("tmux", &Effect::NAMES[7..11]);
}

#[test]
fn killed_while_work_is_merged() {
    matrix("tmux", &Effect::NAMES[11..]);
}

#[test]
fn killed_while_the_journal_is_written() {
    for point in ["before-write", "written", "synced"] {
        for times in [1, 30] {
            let fault = format!("journal.{point}:{times}");
            let fleet = fleet("tmux");
            assert!(live_through(&fleet, &fault), "never came to {fault}");
            assert_whole(&fleet, &fault);
        }
    }
}
