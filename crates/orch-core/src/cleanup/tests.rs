use super::*;
use crate::base::id::{LaunchId, Sha};
use crate::base::time::AwakeMs;
use crate::journal::effect::Purpose;
use crate::plan::manifest::Manifest;
use crate::ports::{Prepared, Saved};
use crate::state::{Attempt, Session, Worktree};

/// What the world answers, and what a whole clearing then does.
struct Row {
    what: &'static str,
    status: Status,
    session: bool,
    worktree: bool,
    force: bool,
    /// Outcomes of its effects in order; `Ok` from there on.
    outcomes: Vec<Outcome>,
    told: &'static str,
}

fn sha() -> Sha {
    Sha::parse(&"a".repeat(40)).expect("a commit")
}

fn saved() -> Outcome {
    Outcome::Saved(Some(Saved { reference: "refs/orch/saved/t1/1".to_owned(), sha: sha(), missing: Vec::new() }))
}

fn in_part() -> Outcome {
    let reference = "refs/orch/saved/t1/1".to_owned();
    Outcome::Saved(Some(Saved { reference, sha: sha(), missing: vec!["secret".to_owned()] }))
}

fn failed(kind: FailureKind) -> Outcome {
    Outcome::Failed(Failure::new(kind, "no"))
}

/// The steps of a clearing, and why it broke off if it did.
fn story(row: &Row) -> String {
    let text = br#"{"project":"demo","phases":[{"name":"One","tasks":[{"id":"t1"}]}]}"#;
    let plan = Manifest::parse(text).expect("a manifest").manifest.plan().clone();
    let task = TaskState {
        status: row.status,
        attempt: Attempt { number: AttemptNo(2), ..Attempt::default() },
        worktree: if row.worktree {
            Worktree::Ready(Prepared { base: sha(), start: sha(), unfilled: Vec::new() })
        } else {
            Worktree::NotMade
        },
        session: row.session.then(|| Session::starting(LaunchId(7), Purpose::Work, AwakeMs(0))),
        ..TaskState::default()
    };
    let mut clearing = match Clearing::of(&plan.tasks[0], &task, &Layout::new("/work"), row.force) {
        Ok(clearing) => clearing,
        Err(because) => return format!("kept: {because}"),
    };
    let mut told = Vec::new();
    let mut outcomes = row.outcomes.iter();
    while let Some(record) = clearing.step() {
        told.push(match &record {
            Record::Effect { effect: Effect::Remove(spec) } => {
                let discard = if spec.discard { " discard" } else { "" };
                let branch = if spec.delete_branch { " branch" } else { "" };
                format!("remove{discard}{branch}")
            }
            Record::Effect { effect } => effect.name().to_owned(),
            Record::Status(change) => format!("{} -> {}", change.from, change.to),
            _ => "kill".to_owned(),
        });
        if let Record::Effect { effect } = &record
            && let Err(because) = clearing.judge(effect, outcomes.next().unwrap_or(&Outcome::Ok))
        {
            told.push(format!("kept: {because}"));
        }
    }
    told.join(", ")
}

fn row(what: &'static str, status: Status, outcomes: Vec<Outcome>, told: &'static str) -> Row {
    Row { what, status, session: false, worktree: true, force: false, outcomes, told }
}

#[test]
fn what_may_go_goes_saved_first_and_what_may_not_stays_with_its_reason() {
    let forced = |row: Row| Row { session: true, force: true, ..row };
    let nothing = || Outcome::Saved(None);
    let ended = || Outcome::Ended(true);
    let rows = [
        Row { worktree: false, ..row("never began", Status::Pending, vec![], "") },
        Row { session: true, ..row("at work", Status::Running, vec![], "kept: its agent is at work") },
        row("failed with dirt", Status::Error, vec![saved()], "save, remove discard"),
        row("failed and clean", Status::Error, vec![nothing()], "save, remove"),
        row("published with leftovers", Status::PrOpen, vec![saved()], "save, remove discard"),
        row("merged", Status::Merged, vec![nothing()], "save, remove branch"),
        row("merged with leftovers", Status::Merged, vec![saved()], "save, remove discard"),
        row(
            "not to be saved",
            Status::Error,
            vec![failed(FailureKind::Refused)],
            "save, kept: its work cannot be saved: no",
        ),
        row("taken away by hand", Status::Error, vec![failed(FailureKind::Missing)], "save, remove"),
        row(
            "not to be removed",
            Status::Error,
            vec![nothing(), failed(FailureKind::Refused)],
            "save, remove, kept: its worktree cannot be removed: no",
        ),
        row(
            "nobody knows",
            Status::Error,
            vec![Outcome::Unknown],
            "save, kept: its work cannot be saved: what came of it is not known",
        ),
        forced(row(
            "ended by force",
            Status::Running,
            vec![saved(), ended(), Outcome::Ok, saved()],
            "kill, save, end, forget, running -> error, save, remove discard",
        )),
        forced(row(
            "wrote only while it died",
            Status::Stuck,
            vec![nothing(), ended(), Outcome::Ok, saved()],
            "kill, save, end, forget, stuck -> error, save, remove discard",
        )),
        forced(row(
            "tidied up while it died",
            Status::Running,
            vec![saved(), ended(), Outcome::Ok, nothing()],
            "kill, save, end, forget, running -> error, save, remove",
        )),
        forced(row(
            "gone already",
            Status::Running,
            vec![saved(), failed(FailureKind::Missing), Outcome::Ok, saved()],
            "kill, save, end, forget, running -> error, save, remove discard",
        )),
        forced(row(
            "does not die",
            Status::Running,
            vec![saved(), Outcome::Ended(false)],
            "kill, save, end, kept: its processes cannot be ended: they are still there",
        )),
        forced(row(
            "not to be ended",
            Status::Running,
            vec![saved(), failed(FailureKind::Refused)],
            "kill, save, end, kept: its processes cannot be ended: no",
        )),
        forced(row(
            "not to be saved before its end",
            Status::Running,
            vec![failed(FailureKind::Refused), ended(), Outcome::Ok, failed(FailureKind::Refused)],
            "kill, save, end, forget, running -> error, save, kept: its work cannot be saved: no",
        )),
        forced(row(
            "saved in part before its end",
            Status::Running,
            vec![in_part(), ended(), Outcome::Ok, in_part()],
            "kill, save, end, forget, running -> error, save, kept: its work cannot be saved: secret",
        )),
        forced(row(
            "saved after its end only",
            Status::Running,
            vec![failed(FailureKind::Refused), ended(), Outcome::Ok, saved()],
            "kill, save, end, forget, running -> error, save, remove discard",
        )),
        Row {
            worktree: false,
            ..forced(row("a session without a worktree", Status::Error, vec![ended()], "kill, end, forget"))
        },
    ];
    for row in rows {
        assert_eq!(story(&row), row.told, "{}", row.what);
    }
}
