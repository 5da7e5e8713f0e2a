//! `commit`: tracked and covered files, on the right branch, and nothing else.

use super::VcsHarness;
use super::bench::{Desk, desk};
use crate::base::files::FileSet;
use crate::ports::{CommitSpec, Vcs};
use crate::testkit::contract::{CaseResult, HOLDS, Why, ensure, ensure_eq};

fn spec(desk: &Desk, files: &[&str]) -> Result<CommitSpec, Why> {
    let entries: Vec<String> = files.iter().map(|&entry| entry.to_owned()).collect();
    let files = FileSet::parse(&entries).map_err(|faults| Why(format!("bad entries of the case: {faults:?}")))?;
    let message = "fix: \"it's\" $(x)\n\nbody; -m".to_owned();
    Ok(CommitSpec { worktree: desk.path.clone(), branch: desk.branch.clone(), message, files })
}

pub(super) async fn commit_takes_tracked_and_covered_files<H: VcsHarness>(h: &H) -> CaseResult {
    let vcs = h.fresh().await;
    let desk = desk(h, &vcs, "t1").await?;
    h.write(&desk.path, "shared.txt", "changed\n").await;
    h.delete(&desk.path, "src/b.txt").await;
    h.write(&desk.path, "src/new.txt", "covered\n").await;
    h.write(&desk.path, "docs/-x.md", "covered\n").await;
    h.write(&desk.path, "notes.txt", "not covered\n").await;
    h.write(&desk.path, "src/out.tmp", "ignored\n").await;
    let sha = vcs.commit(&spec(&desk, &["src/", "docs/*.md"])?).await?;
    let work = desk.work(&vcs).await?;
    ensure_eq!(work.head, sha, "the head");
    ensure_eq!(work.changed, ["docs/-x.md", "shared.txt", "src/b.txt", "src/new.txt"], "files in the commit");
    ensure_eq!(work.dirt.tracked, [""; 0], "tracked files left over");
    ensure_eq!(work.dirt.untracked, ["notes.txt"], "untracked files left over");
    let subjects: Vec<&str> = work.commits.iter().map(|commit| commit.subject.as_str()).collect();
    ensure_eq!(subjects, ["fix: \"it's\" $(x)"], "commits");
    ensure_eq!(h.resolve("refs/heads/task/t1").await, Some(sha), "the branch");
    HOLDS
}

pub(super) async fn commit_of_nothing_gives_the_head<H: VcsHarness>(h: &H) -> CaseResult {
    let vcs = h.fresh().await;
    let desk = desk(h, &vcs, "t1").await?;
    ensure_eq!(vcs.commit(&spec(&desk, &["src/"])?).await?, desk.start, "a commit of nothing");
    h.write(&desk.path, "notes.txt", "not covered\n").await;
    ensure_eq!(vcs.commit(&spec(&desk, &["src/"])?).await?, desk.start, "a commit of nothing covered");
    ensure_eq!(vcs.commit(&spec(&desk, &[])?).await?, desk.start, "a commit when nothing is covered");
    h.write(&desk.path, "src/new.txt", "covered\n").await;
    let sha = vcs.commit(&spec(&desk, &["src/"])?).await?;
    ensure_eq!(vcs.commit(&spec(&desk, &["src/"])?).await?, sha, "the same commit again");
    HOLDS
}

pub(super) async fn commit_on_another_branch_is_refused<H: VcsHarness>(h: &H) -> CaseResult {
    let vcs = h.fresh().await;
    let desk = desk(h, &vcs, "t1").await?;
    h.detach(&desk.path).await;
    h.write(&desk.path, "src/a.txt", "changed\n").await;
    let before = h.status(&desk.path).await;
    ensure!(vcs.commit(&spec(&desk, &["src/"])?).await.is_err(), "a commit on a detached HEAD is not refused");
    ensure_eq!(h.status(&desk.path).await, before, "the worktree's state after it");
    HOLDS
}
