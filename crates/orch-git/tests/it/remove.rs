use std::fs;
use std::os::unix::fs::PermissionsExt;

use orch_core::ports::{Vcs, VcsError};

use crate::lab::{Lab, git, write};

fn is_gone(lab: &Lab, id: &str) -> bool {
    let refs = git(&lab.repo(), &["for-each-ref", "--format=%(refname)"]);
    let ours = [format!("heads/task/{id}"), format!("orch/start/{id}"), format!("orch/base/{id}")];
    !lab.tree(id).exists()
        && !refs.lines().any(|name| ours.iter().any(|own| name == format!("refs/{own}")))
        && !git(&lab.repo(), &["worktree", "list"]).contains(&format!("task-{id}"))
}

#[tokio::test]
async fn published_work_may_go_and_goes_once() {
    let lab = Lab::new().await;
    lab.pushed("t1", "a", "1\n").await;
    for _ in 0..2 {
        assert_eq!(lab.vcs.remove(&lab.remove_spec("t1")).await, Ok(()));
        assert!(is_gone(&lab, "t1"));
    }
    lab.prepare("t2").await;
    assert_eq!(lab.vcs.remove(&lab.remove_spec("t2")).await, Ok(()), "nothing was done in it");
    assert!(is_gone(&lab, "t2"));
    assert_eq!(lab.vcs.remove(&lab.remove_spec("never-made")).await, Ok(()));
}

#[tokio::test]
async fn work_that_is_nowhere_else_stays() {
    let lab = Lab::new().await;
    lab.done("t1", "a", "1\n").await;
    let refuse = async |id: &str| {
        let refused = lab.vcs.remove(&lab.remove_spec(id)).await;
        assert!(matches!(refused, Err(VcsError::Unsafe { .. })), "{refused:?}");
        assert!(lab.tree(id).join("README").exists());
    };
    refuse("t1").await;
    let mut spec = lab.remove_spec("t1");
    spec.delete_branch = false;
    assert_eq!(lab.vcs.remove(&spec).await, Ok(()), "the branch keeps it");
    assert_eq!(git(&lab.repo(), &["show", "task/t1:a"]), "1");
    let refused = lab.vcs.remove(&lab.remove_spec("t1")).await;
    assert!(matches!(refused, Err(VcsError::Unsafe { .. })), "the branch alone counts too: {refused:?}");

    lab.pushed("t2", "a", "1\n").await;
    write(&lab.tree("t2"), "untracked", "x");
    refuse("t2").await;
    fs::remove_file(lab.tree("t2").join("untracked")).expect("a file");
    git(&lab.repo(), &["worktree", "lock", "--reason", "mine", lab.tree("t2").as_str()]);
    refuse("t2").await;
    git(&lab.repo(), &["worktree", "unlock", lab.tree("t2").as_str()]);
    git(&lab.tree("t2"), &["checkout", "--quiet", "--detach"]);
    lab.edit("t2", "b", "on a detached head\n");
    refuse("t2").await;
    let saved = lab.vcs.save(&lab.save_spec("t2")).await.expect("it saves").expect("something");
    assert_eq!(lab.vcs.remove(&lab.remove_spec("t2")).await, Ok(()), "{} keeps it", saved.reference);
}

#[tokio::test]
async fn discarding_takes_whatever_is_there() {
    let lab = Lab::new().await;
    for id in ["dirty", "locked", "readonly", "unlinked", "half", "gone"] {
        lab.done(id, "a", "1\n").await;
        write(&lab.tree(id), "dir/untracked", "x");
    }
    git(&lab.repo(), &["worktree", "lock", lab.tree("locked").as_str()]);
    fs::set_permissions(lab.tree("readonly").join("dir"), fs::Permissions::from_mode(0o500)).expect("a mode");
    fs::remove_file(lab.tree("unlinked").join(".git")).expect("the link");
    write(&lab.repo(), ".git/worktrees/task-half/locked", "initializing");
    fs::remove_dir_all(lab.tree("gone")).expect("a directory");
    for id in ["dirty", "locked", "readonly", "unlinked", "half", "gone"] {
        let mut spec = lab.remove_spec(id);
        spec.discard = true;
        assert_eq!(lab.vcs.remove(&spec).await, Ok(()), "{id}");
        assert!(is_gone(&lab, id), "{id}");
    }
}

#[tokio::test]
async fn what_is_not_a_worktree_is_never_removed() {
    let lab = Lab::new().await;
    write(&lab.tree("t1"), "precious", "x");
    let mut spec = lab.remove_spec("t1");
    spec.discard = true;
    let refused = lab.vcs.remove(&spec).await;
    assert!(matches!(refused, Err(VcsError::Unsafe { .. })), "{refused:?}");
    assert!(lab.tree("t1").join("precious").exists());
}

#[tokio::test]
async fn what_the_remote_lacks_is_named() {
    let lab = Lab::new().await;
    assert_eq!(lab.vcs.unpublished().await, Ok(None));
    lab.pushed("t1", "a", "1\n").await;
    lab.prepare("t2").await;
    assert_eq!(lab.vcs.unpublished().await, Ok(None));
    lab.done("t3", "b", "1\n").await;
    assert_eq!(lab.vcs.unpublished().await, Ok(Some("branch task/t3".to_owned())));
    git(&lab.tree("t3"), &["checkout", "--quiet", "--detach"]);
    git(&lab.repo(), &["branch", "--quiet", "-D", "task/t3"]);
    let lost = lab.vcs.unpublished().await.expect("an answer").expect("a detached head counts");
    assert!(lost.starts_with("commit "), "{lost}");
    let alone = Lab::alone().await;
    assert!(alone.vcs.unpublished().await.expect("an answer").is_some(), "it is the origin itself");
}
