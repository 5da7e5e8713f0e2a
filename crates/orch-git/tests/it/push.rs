use std::fs;

use orch_core::ports::{Vcs, VcsError};
use orch_git::Remote;

use crate::hostile::script;
use crate::lab::{Lab, branch, commit, git, push_spec, sha};

#[tokio::test]
async fn exactly_one_commit_reaches_exactly_one_branch() {
    let lab = Lab::new().await;
    let first = lab.done("t1", "a", "1\n").await;
    lab.edit("t1", "a", "2\n");
    git(&lab.tree("t1"), &["tag", "v1"]);
    assert_eq!(lab.vcs.remote_tip(&branch("task/t1")).await, Ok(None));
    for _ in 0..2 {
        assert_eq!(lab.vcs.push(&push_spec("t1", &first)).await, Ok(()));
        assert_eq!(lab.vcs.remote_tip(&branch("task/t1")).await, Ok(Some(first.clone())));
    }
    let refs = git(&lab.origin(), &["for-each-ref", "--format=%(refname)"]);
    assert_eq!(refs, "refs/heads/main\nrefs/heads/task/t1");
}

#[tokio::test]
async fn a_branch_with_other_work_is_never_overwritten() {
    let lab = Lab::new().await;
    let own = lab.pushed("t1", "a", "1\n").await;
    let clone = lab.root.join("person");
    git(&lab.root, &["clone", "--quiet", "--branch", "task/t1", lab.origin().as_str(), "person"]);
    let theirs = commit(&clone, "fix", "x\n", "a person's fix");
    git(&clone, &["push", "--quiet", "origin", "task/t1"]);
    let next = lab.edit("t1", "a", "2\n");
    for expected in [next, own] {
        let moved =
            VcsError::Moved { branch: branch("task/t1"), found: Some(theirs.clone()), expected: expected.clone() };
        assert_eq!(lab.vcs.push(&push_spec("t1", &expected)).await, Err(moved));
    }
    assert_eq!(lab.vcs.remote_tip(&branch("task/t1")).await, Ok(Some(theirs)));
}

#[tokio::test]
async fn the_base_is_never_pushed_to() {
    let lab = Lab::new().await;
    let own = lab.done("t1", "a", "1\n").await;
    let mut spec = push_spec("t1", &own);
    spec.branch = branch("main");
    let refused = lab.vcs.push(&spec).await;
    assert!(matches!(refused, Err(VcsError::Refused { .. })), "{refused:?}");
    git(&lab.repo(), &["remote", "set-head", "origin", "main"]);
    spec.base = branch("release");
    let refused = lab.vcs.push(&spec).await;
    assert!(matches!(refused, Err(VcsError::Refused { .. })), "{refused:?}");
}

#[tokio::test]
async fn refusals_and_absences_are_told_apart() {
    let lab = Lab::new().await;
    let own = lab.done("t1", "a", "1\n").await;
    let hook = lab.origin().join("hooks/pre-receive");
    fs::write(&hook, "#!/bin/sh\necho 'no force here' >&2\nexit 1\n").expect("a hook");
    script(&hook, &lab.root.join("unused"));
    fs::write(&hook, "#!/bin/sh\necho 'not on a friday' >&2\nexit 1\n").expect("a hook");
    let refused = lab.vcs.push(&push_spec("t1", &own)).await;
    assert!(matches!(&refused, Err(VcsError::Refused { why, .. }) if why.contains("not on a friday")), "{refused:?}");
    fs::rename(lab.origin(), lab.root.join("gone")).expect("it moves");
    let gone = lab.vcs.push(&push_spec("t1", &own)).await;
    assert!(matches!(gone, Err(VcsError::Unreachable { .. })), "{gone:?}");
    let gone = lab.vcs.remote_tip(&branch("task/t1")).await;
    assert!(matches!(gone, Err(VcsError::Unreachable { .. })), "{gone:?}");
    let nowhere = sha(&"1".repeat(40));
    let missing = VcsError::Missing { what: format!("commit {nowhere}") };
    assert_eq!(lab.vcs.push(&push_spec("t1", &nowhere)).await, Err(missing));
}

#[tokio::test]
async fn without_a_remote_the_branch_is_where_it_belongs() {
    let lab = Lab::alone().await;
    let own = lab.done("t1", "a", "1\n").await;
    assert_eq!(lab.vcs.push(&push_spec("t1", &own)).await, Ok(()));
    let other = lab.done("t2", "b", "1\n").await;
    let moved = VcsError::Moved { branch: branch("task/t1"), found: Some(own), expected: other.clone() };
    assert_eq!(lab.vcs.push(&push_spec("t1", &other)).await, Err(moved));
}

#[tokio::test]
async fn a_pre_push_hook_that_the_user_wants_decides_before_the_push() {
    let lab = Lab::with(Remote::Named("origin".to_owned()), true).await;
    let own = lab.done("t1", "a", "1\n").await;
    let (hook, ran) = (lab.repo().join(".git/hooks/pre-push"), lab.root.join("hook-ran"));
    script(&hook, &ran);
    let text = format!("#!/bin/sh\ncat > '{ran}'\nexit 1\n");
    fs::write(&hook, text).expect("a hook");
    lab.vcs.baseline().await.expect("the user's own hook");
    let refused = lab.vcs.push(&push_spec("t1", &own)).await;
    assert!(matches!(refused, Err(VcsError::Refused { .. })), "{refused:?}");
    let seen = fs::read_to_string(&ran).expect("it ran");
    assert_eq!(seen, format!("refs/heads/task/t1 {own} refs/heads/task/t1 {}\n", "0".repeat(40)));
    assert_eq!(lab.vcs.remote_tip(&branch("task/t1")).await, Ok(None));
}

#[tokio::test]
async fn a_name_in_the_way_at_the_remote_is_no_outage() {
    let lab = Lab::new().await;
    let own = lab.done("t1", "a", "1\n").await;
    git(&lab.origin(), &["update-ref", "refs/heads/task", "main"]);
    let refused = lab.vcs.push(&push_spec("t1", &own)).await;
    assert!(matches!(&refused, Err(VcsError::Refused { why, .. }) if why.contains("cannot create")), "{refused:?}");
}

#[tokio::test]
async fn a_lock_here_is_said_to_be_one() {
    let lab = Lab::new().await;
    let lock = lab.repo().join(".git/refs/remotes/origin/main.lock");
    fs::write(&lock, "").expect("a lock");
    lab.move_base("b", "1\n");
    let refused = lab.vcs.base_tip(&branch("main")).await;
    assert!(matches!(&refused, Err(VcsError::Busy { why }) if why.contains("main.lock")), "{refused:?}");
    fs::remove_file(lock).expect("a lock");
    lab.vcs.base_tip(&branch("main")).await.expect("it fetches");
}
