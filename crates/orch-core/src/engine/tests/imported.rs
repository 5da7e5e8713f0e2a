//! States that a manifest without a journal gives to tasks: taken as facts, and looked at before they are believed.

use super::cast::{good, id, many, play};
use super::{Case, cases, told};
use crate::base::id::{AttemptNo, PullNumber};
use crate::journal::record::ImportedState;
use crate::plan::status::Status;
use crate::testkit::Scenario;

pub(super) const CASES: &[Case] = cases![every_status_imported];

fn state(status: Status) -> ImportedState {
    ImportedState {
        status,
        attempt: AttemptNo(1),
        pull: (status == Status::PrOpen).then_some(PullNumber(7)),
        needs_human: false,
        reason: None,
        skipped: false,
        paused: false,
    }
}

fn every_status_imported() -> Scenario {
    let statuses = [Status::Running, Status::Stuck, Status::Error, Status::Complete, Status::PrOpen, Status::Merged];
    let names = (1..).map(|n| id(&format!("t{n}")));
    play(many(6), |_| good()).imported(names.zip(statuses.map(state)).collect())
}

#[test]
fn imported_states_are_looked_at() {
    insta::assert_snapshot!(told(every_status_imported()), @r"
    00:00:00 the orchestrator takes over
    00:00:00 t2 stuck -> running
    00:00:00 t3 error -> running (attempt 2)
    00:00:00 t4 nothingDone => restart: it ended well, with no commit and nothing changed; 1 of 3 attempts failed, a new one begins
    00:00:00 t4 complete -> error: it ended well, with no commit and nothing changed
    00:00:00 t5 nothingDone => restart: it ended well, with no commit and nothing changed; 1 of 3 attempts failed, a new one begins
    00:00:00 t5 pr_open -> error: it ended well, with no commit and nothing changed
    00:00:10 t4 error -> running (attempt 2)
    00:01:00 t1 claimsDone => verify: 1 commit over the start, clean, at a4153b671d
    00:01:00 t2 claimsDone => verify: 1 commit over the start, clean, at 0c5337ccfa
    00:01:00 t3 claimsDone => verify: 1 commit over the start, clean, at c626aadd9b
    00:01:00 t1 verified => accept: committed and clean; no verify command is set
    00:01:00 t1 running -> complete
    00:01:00 t5 error -> running (attempt 2)
    00:01:00 t2 verified => accept: committed and clean; no verify command is set
    00:01:00 t2 running -> complete
    00:01:00 t3 verified => accept: committed and clean; no verify command is set
    00:01:00 t3 running -> complete
    00:01:00 t1 complete -> pr_open
    00:01:00 t2 complete -> pr_open
    00:01:00 t3 complete -> pr_open
    00:01:00 t1 pr_open -> merged
    00:01:00 t2 verified => accept: committed and clean; no verify command is set
    00:01:00 t2 pr_open -> merged
    00:01:00 t3 verified => accept: committed and clean; no verify command is set
    00:01:00 t3 pr_open -> merged
    00:01:10 t4 claimsDone => verify: 1 commit over the start, clean, at 14a3e9f444
    00:01:10 t4 verified => accept: committed and clean; no verify command is set
    00:01:10 t4 running -> complete
    00:01:10 t4 complete -> pr_open
    00:01:10 t4 verified => accept: committed and clean; no verify command is set
    00:01:10 t4 pr_open -> merged
    00:02:00 t5 claimsDone => verify: 1 commit over the start, clean, at 09570a1ba9
    00:02:00 t5 verified => accept: committed and clean; no verify command is set
    00:02:00 t5 running -> complete
    00:02:00 t5 complete -> pr_open
    00:02:00 t5 verified => accept: committed and clean; no verify command is set
    00:02:00 t5 pr_open -> merged
    Goal
    ");
}
