//! `push`, `remote_tip` and `contains`: one commit to one branch, never by force.

use super::VcsHarness;
use super::bench::{branch, commits, desk, main_branch};
use crate::base::id::Sha;
use crate::ports::{PushSpec, Vcs, VcsError};
use crate::testkit::contract::{CaseResult, HOLDS, Outcome, ensure, ensure_eq, ensure_matches};

pub(super) async fn push_publishes_exactly_one_commit<H: VcsHarness>(h: &H) -> CaseResult {
    let vcs = h.fresh().await;
    let desk = desk(h, &vcs, "t1").await?;
    let base = h.tip(&main_branch()?).await;
    let first = commits(h, &desk, "one", &[("src/a.txt", "1\n")]).await;
    let second = commits(h, &desk, "two", &[("src/a.txt", "2\n")]).await;
    for sha in [&first, &second] {
        vcs.push(&desk.push_spec(sha)?).await?;
        ensure_eq!(h.tip(&desk.branch).await.as_ref(), Some(sha), "the branch at the remote");
    }
    ensure_eq!(h.tip(&main_branch()?).await, base, "the base at the remote");
    HOLDS
}

pub(super) async fn push_again_is_done<H: VcsHarness>(h: &H) -> CaseResult {
    let vcs = h.fresh().await;
    let desk = desk(h, &vcs, "t1").await?;
    let sha = commits(h, &desk, "one", &[("src/a.txt", "1\n")]).await;
    vcs.push(&desk.push_spec(&sha)?).await?;
    vcs.push(&desk.push_spec(&sha)?).await?;
    let vcs = h.restart(vcs).await;
    vcs.push(&desk.push_spec(&sha)?).await?;
    ensure_eq!(h.tip(&desk.branch).await, Some(sha), "the branch at the remote");
    HOLDS
}

pub(super) async fn push_never_forces<H: VcsHarness>(h: &H) -> CaseResult {
    let vcs = h.fresh().await;
    let desk = desk(h, &vcs, "t1").await?;
    let sha = commits(h, &desk, "one", &[("src/a.txt", "1\n")]).await;
    let theirs = h.publish(&desk.branch, &[("theirs.txt", "x\n")]).await;
    let refused = vcs.push(&desk.push_spec(&sha)?).await;
    ensure_eq!(h.tip(&desk.branch).await, Some(theirs), "someone else's commit at the remote");
    ensure_matches!(refused, Err(VcsError::Moved { .. } | VcsError::Refused { .. }), "a push onto it");
    HOLDS
}

pub(super) async fn push_never_goes_back<H: VcsHarness>(h: &H) -> CaseResult {
    let vcs = h.fresh().await;
    let desk = desk(h, &vcs, "t1").await?;
    let first = commits(h, &desk, "one", &[("src/a.txt", "1\n")]).await;
    let second = commits(h, &desk, "two", &[("src/a.txt", "2\n")]).await;
    vcs.push(&desk.push_spec(&second)?).await?;
    let refused = vcs.push(&desk.push_spec(&first)?).await;
    ensure_eq!(h.tip(&desk.branch).await, Some(second), "the branch after an older push gave {refused:?}");
    HOLDS
}

pub(super) async fn push_leaves_behind_what_it_is_told_to<H: VcsHarness>(h: &H) -> CaseResult {
    let vcs = h.fresh().await;
    let desk = desk(h, &vcs, "t1").await?;
    let first = commits(h, &desk, "one", &[("src/a.txt", "1\n")]).await;
    vcs.push(&desk.push_spec(&first)?).await?;
    h.rewind(&desk.path, &desk.start).await;
    let amended = commits(h, &desk, "one, better", &[("src/a.txt", "2\n")]).await;
    let refused = vcs.push(&desk.push_spec(&amended)?).await;
    ensure_matches!(refused, Err(VcsError::Moved { found: Some(found), .. }) if *found == first, "a plain push");
    let spec = PushSpec { leaves: Some(desk.left(&first)), ..desk.push_spec(&amended)? };
    vcs.push(&spec).await?;
    vcs.push(&spec).await?;
    ensure_eq!(h.tip(&desk.branch).await, Some(amended), "the branch at the remote");
    ensure_eq!(h.resolve("refs/orch/saved/t1/pushed-1").await, Some(first), "what was left behind");
    ensure_eq!(h.resolve("refs/orch/saved/t1/pushed-2").await, None, "what the second push left behind");
    HOLDS
}

pub(super) async fn push_leaves_nothing_else_behind<H: VcsHarness>(h: &H) -> CaseResult {
    let vcs = h.fresh().await;
    let desk = desk(h, &vcs, "t1").await?;
    let first = commits(h, &desk, "one", &[("src/a.txt", "1\n")]).await;
    vcs.push(&desk.push_spec(&first)?).await?;
    let theirs = h.publish(&desk.branch, &[("theirs.txt", "x\n")]).await;
    h.rewind(&desk.path, &desk.start).await;
    let amended = commits(h, &desk, "one, better", &[("src/a.txt", "2\n")]).await;
    let refused = vcs.push(&PushSpec { leaves: Some(desk.left(&first)), ..desk.push_spec(&amended)? }).await;
    ensure_eq!(h.tip(&desk.branch).await, Some(theirs), "someone else's commit at the remote");
    ensure_matches!(refused, Err(VcsError::Moved { .. } | VcsError::Refused { .. }), "a push onto it");
    HOLDS
}

pub(super) async fn push_never_touches_the_base<H: VcsHarness>(h: &H) -> CaseResult {
    let vcs = h.fresh().await;
    let main = main_branch()?;
    let desk = desk(h, &vcs, "t1").await?;
    let sha = commits(h, &desk, "one", &[("src/a.txt", "1\n")]).await;
    let refused = vcs.push(&PushSpec { branch: main.clone(), sha, base: main.clone(), leaves: None }).await;
    ensure_eq!(h.tip(&main).await, Some(desk.start), "the base at the remote");
    ensure_matches!(refused, Err(VcsError::Refused { .. }), "a push to the base");
    HOLDS
}

pub(super) async fn push_of_an_unknown_commit_fails<H: VcsHarness>(h: &H) -> CaseResult {
    let vcs = h.fresh().await;
    let desk = desk(h, &vcs, "t1").await?;
    let unknown = Sha::parse(&"5".repeat(40))?;
    ensure!(vcs.push(&desk.push_spec(&unknown)?).await.is_err(), "a push of no commit succeeds");
    ensure_eq!(h.tip(&desk.branch).await, None, "the branch at the remote");
    HOLDS
}

pub(super) async fn push_to_an_unreachable_remote_may_be_tried_again<H: VcsHarness>(h: &H) -> CaseResult {
    let vcs = h.fresh().await;
    let desk = desk(h, &vcs, "t1").await?;
    let sha = commits(h, &desk, "one", &[("src/a.txt", "1\n")]).await;
    if !h.cut_off(true).await {
        return Ok(Outcome::Skipped("the remote cannot be cut off"));
    }
    ensure_matches!(vcs.push(&desk.push_spec(&sha)?).await, Err(VcsError::Unreachable { .. }), "a push to nowhere");
    ensure_matches!(vcs.remote_tip(&desk.branch).await, Err(VcsError::Unreachable { .. }), "a look at nowhere");
    h.cut_off(false).await;
    vcs.push(&desk.push_spec(&sha)?).await?;
    ensure_eq!(h.tip(&desk.branch).await, Some(sha), "the branch at the remote");
    HOLDS
}

pub(super) async fn remote_tips_are_as_the_remote_has_them<H: VcsHarness>(h: &H) -> CaseResult {
    let vcs = h.fresh().await;
    let ten = branch("fix/issue-10")?;
    let theirs = h.publish(&ten, &[("x.txt", "1\n")]).await;
    ensure_eq!(vcs.remote_tip(&branch("fix/issue-1")?).await?, None, "a branch that is not there");
    ensure_eq!(vcs.remote_tip(&branch("issue-10")?).await?, None, "the end of a branch's name");
    ensure_eq!(vcs.remote_tip(&ten).await?, Some(theirs), "someone else's branch");
    let newer = h.publish(&ten, &[("x.txt", "2\n")]).await;
    ensure_eq!(vcs.remote_tip(&ten).await?, Some(newer), "the branch after someone pushed");
    HOLDS
}

pub(super) async fn contains_follows_history<H: VcsHarness>(h: &H) -> CaseResult {
    let vcs = h.fresh().await;
    let (one, two) = (desk(h, &vcs, "t1").await?, desk(h, &vcs, "t2").await?);
    let first = commits(h, &one, "one", &[("src/a.txt", "1\n")]).await;
    let second = commits(h, &two, "two", &[("src/b.txt", "2\n")]).await;
    for (ancestor, descendant, expected) in
        [(&first, &first, true), (&one.start, &first, true), (&first, &one.start, false), (&first, &second, false)]
    {
        let found = vcs.contains(ancestor, descendant).await?;
        ensure_eq!(found, expected, "whether {} is in {}", ancestor.short(), descendant.short());
    }
    HOLDS
}
