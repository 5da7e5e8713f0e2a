//! Worktrees that their agents removed, moved or broke: made whole on the branch that is still there.

use std::fs;
use std::os::unix::net::UnixListener;

use orch_core::ports::{Vcs, VcsError};

use crate::lab::{Lab, git, head, write};

/// Prepares again, and finds the same branch with its commit and whatever else was in the tree.
async fn whole(lab: &Lab, files: &[(&str, &str)]) {
    let tip = git(&lab.repo(), &["rev-parse", "task/t1"]);
    let start = lab.prepare("t1").await.start;
    let tree = lab.tree("t1");
    assert_eq!(head(&tree).as_str(), tip);
    assert_eq!(git(&tree, &["symbolic-ref", "HEAD"]), "refs/heads/task/t1");
    for (file, text) in files {
        assert_eq!(fs::read_to_string(tree.join(file)).expect("a file"), *text, "{file}");
    }
    let work = lab.work("t1", &start).await;
    assert_eq!(work.commits.len(), 1);
    git(&lab.repo(), &["worktree", "prune"]);
    git(&tree, &["status"]);
}

#[tokio::test]
async fn a_removed_worktree_is_made_anew_however_it_was_removed() {
    let lab = Lab::new().await;
    lab.done("t1", "a.txt", "a\n").await;
    for _ in 0..2 {
        fs::remove_dir_all(lab.tree("t1")).expect("a directory");
        whole(&lab, &[("a.txt", "a\n")]).await;
    }
    fs::remove_dir_all(lab.tree("t1")).expect("a directory");
    git(&lab.repo(), &["worktree", "prune", "--expire=now"]);
    whole(&lab, &[("a.txt", "a\n")]).await;
    git(&lab.repo(), &["worktree", "remove", "--force", lab.tree("t1").as_str()]);
    whole(&lab, &[("a.txt", "a\n")]).await;
}

#[tokio::test]
async fn a_moved_worktree_comes_back_with_what_is_uncommitted() {
    let lab = Lab::new().await;
    lab.done("t1", "a.txt", "a\n").await;
    write(&lab.tree("t1"), "draft.txt", "draft\n");
    git(&lab.repo(), &["worktree", "move", lab.tree("t1").as_str(), lab.root.join("away").as_str()]);
    whole(&lab, &[("a.txt", "a\n"), ("draft.txt", "draft\n")]).await;
    assert!(!lab.root.join("away").exists());
}

#[tokio::test]
async fn a_branch_that_the_user_checked_out_is_left_to_the_user() {
    let lab = Lab::new().await;
    lab.done("t1", "a.txt", "a\n").await;
    git(&lab.repo(), &["worktree", "remove", "--force", lab.tree("t1").as_str()]);
    git(&lab.repo(), &["checkout", "--quiet", "task/t1"]);
    let refused = lab.vcs.prepare(&lab.spec("t1")).await;
    assert!(matches!(&refused, Err(VcsError::Unsafe { what, .. }) if what.contains("checked out")), "{refused:?}");
}

#[tokio::test]
async fn a_lost_or_replaced_link_is_made_again() {
    let lab = Lab::new().await;
    lab.done("t1", "a.txt", "a\n").await;
    let tree = lab.tree("t1");
    write(&tree, "draft.txt", "draft\n");
    fs::remove_file(tree.join(".git")).expect("a link");
    whole(&lab, &[("draft.txt", "draft\n")]).await;
    fs::write(tree.join(".git"), "gitdir: /nowhere\n").expect("a link");
    whole(&lab, &[("draft.txt", "draft\n")]).await;
    fs::remove_file(tree.join(".git")).expect("a link");
    git(&tree, &["init", "--quiet"]);
    let theirs = crate::lab::commit(&tree, "theirs.txt", "x\n", "in a repository of its own");
    whole(&lab, &[("draft.txt", "draft\n"), ("theirs.txt", "x\n")]).await;
    let kept = git(&lab.repo(), &["ls-tree", "-r", "--name-only", "refs/orch/saved/t1/1-2^2", "inner/"]);
    assert!(kept.contains("inner/1/git/HEAD"), "{kept}");
    let object = format!("inner/1/git/objects/{}/{}", &theirs.as_str()[..2], &theirs.as_str()[2..]);
    assert!(kept.contains(&object), "{kept}");
}

#[tokio::test]
async fn a_directory_that_git_forgot_is_a_worktree_again() {
    let lab = Lab::new().await;
    lab.done("t1", "a.txt", "a\n").await;
    write(&lab.tree("t1"), "draft.txt", "draft\n");
    fs::remove_dir_all(lab.repo().join(".git/worktrees/task-t1")).expect("a directory");
    assert!(matches!(lab.vcs.save(&lab.save_spec("t1")).await, Err(VcsError::Missing { .. })));
    whole(&lab, &[("draft.txt", "draft\n")]).await;
}

#[tokio::test]
async fn a_strangers_directory_is_left_alone() {
    let lab = Lab::new().await;
    lab.done("t1", "a.txt", "a\n").await;
    git(&lab.repo(), &["worktree", "remove", "--force", lab.tree("t1").as_str()]);
    git(&lab.root, &["init", "--quiet", lab.tree("t1").as_str()]);
    let refused = lab.vcs.prepare(&lab.spec("t1")).await;
    assert!(matches!(refused, Err(VcsError::Unsafe { .. })), "{refused:?}");
}

#[tokio::test]
async fn what_cannot_be_read_is_named_and_the_rest_saved_on_a_persons_word() {
    let lab = Lab::new().await;
    lab.prepare("t1").await;
    let tree = lab.tree("t1");
    fs::remove_file(tree.join("README")).expect("a file");
    let _socket = UnixListener::bind(tree.join("README")).expect("a socket where a file was");
    write(&tree, "draft.txt", "draft\n");
    let refused = lab.vcs.save(&lab.save_spec("t1")).await;
    assert!(matches!(&refused, Err(VcsError::Unsafe { what, .. }) if what.contains("README")), "{refused:?}");
    let mut spec = lab.save_spec("t1");
    spec.partial = true;
    let saved = lab.vcs.save(&spec).await.expect("it saves").expect("something");
    assert_eq!(saved.missing, ["README"]);
    assert_eq!(git(&lab.repo(), &["show", &format!("{}:draft.txt", saved.reference)]), "draft");
}

#[tokio::test]
async fn a_broken_index_keeps_nothing_from_being_saved() {
    let lab = Lab::new().await;
    lab.prepare("t1").await;
    write(&lab.tree("t1"), "draft.txt", "draft\n");
    fs::write(lab.repo().join(".git/worktrees/task-t1/index"), "nonsense").expect("an index");
    let saved = lab.vcs.save(&lab.save_spec("t1")).await.expect("it saves").expect("something");
    assert_eq!(git(&lab.repo(), &["show", &format!("{}:draft.txt", saved.reference)]), "draft");
}
