use std::fs;

use orch_core::ports::{RemoveSpec, Vcs, VcsError};

use crate::lab::{Lab, branch, commit, git, head, predecessor, write};

#[tokio::test]
async fn a_worktree_starts_at_the_remotes_base_and_is_made_once() {
    let lab = Lab::new().await;
    let base = lab.move_base("new.txt", "from the remote\n");
    let first = lab.prepare("t1").await;
    assert_eq!((&first.base, &first.start), (&base, &base));
    assert_eq!(head(&lab.tree("t1")), base);
    assert_eq!(git(&lab.tree("t1"), &["branch", "--show-current"]), "task/t1");
    assert_eq!(git(&lab.tree("t1"), &["status", "--porcelain"]), "");

    let done = lab.edit("t1", "mine.txt", "work\n");
    lab.move_base("newer.txt", "x\n");
    assert_eq!(lab.prepare("t1").await, first, "the base moving on changes nothing");
    assert_eq!(lab.reopened().await.prepare(&lab.spec("t1")).await, Ok(first));
    assert_eq!(head(&lab.tree("t1")), done);
    let config = git(&lab.repo(), &["config", "--local", "--list"]);
    assert!(!config.contains("branch."), "no tracking configuration: {config}");
}

#[tokio::test]
async fn predecessors_are_merged_into_the_same_start_each_time() {
    let lab = Lab::new().await;
    let one = lab.done("t1", "one.txt", "1\n").await;
    let two = lab.done("t2", "two.txt", "2\n").await;
    let mut spec = lab.spec("t3");
    spec.predecessors = vec![predecessor("t1", &one), predecessor("t2", &two)];
    let made = lab.vcs.prepare(&spec).await.expect("it prepares");
    for file in ["one.txt", "two.txt", "README"] {
        assert!(lab.tree("t3").join(file).exists(), "{file}");
    }
    let mut discard = lab.remove_spec("t3");
    discard.discard = true;
    lab.vcs.remove(&discard).await.expect("it goes");
    assert_eq!(lab.vcs.prepare(&spec).await, Ok(made), "made anew, it is the same commit");

    let mut only = lab.spec("t4");
    only.predecessors = vec![predecessor("t1", &one)];
    assert_eq!(lab.vcs.prepare(&only).await.map(|made| made.start), Ok(one), "one predecessor needs no merge");
}

#[tokio::test]
async fn predecessors_that_conflict_leave_nothing_behind() {
    let lab = Lab::new().await;
    let one = lab.done("t1", "src/a.txt", "one\n").await;
    let two = lab.done("t2", "src/a.txt", "two\n").await;
    let mut spec = lab.spec("t3");
    spec.predecessors = vec![predecessor("t1", &one), predecessor("t2", &two)];
    let conflict = VcsError::Conflict { with: "t2".to_owned(), files: vec!["src/a.txt".to_owned()] };
    assert_eq!(lab.vcs.prepare(&spec).await, Err(conflict));
    assert!(!lab.tree("t3").exists());
    assert_eq!(git(&lab.repo(), &["for-each-ref", "refs/heads/task/t3", "refs/orch/of/lab/start/t3"]), "");
}

#[tokio::test]
async fn a_branch_of_somebody_else_is_left_alone() {
    let lab = Lab::new().await;
    git(&lab.repo(), &["branch", "task/t1"]);
    let tip = head(&lab.repo());
    let taken = VcsError::BranchTaken { branch: branch("task/t1"), tip };
    assert_eq!(lab.vcs.prepare(&lab.spec("t1")).await, Err(taken.clone()));
    assert_eq!(lab.vcs.prepare(&lab.spec("t1")).await, Err(taken), "also the second time");
}

#[tokio::test]
async fn a_half_made_worktree_is_made_again() {
    let lab = Lab::new().await;
    let made = lab.prepare("t1").await;
    // What a git that was killed in the middle of `worktree add` leaves.
    write(&lab.repo(), ".git/worktrees/task-t1/locked", "initializing");
    fs::remove_file(lab.repo().join(".git/worktrees/task-t1/index")).expect("the index");
    fs::remove_file(lab.tree("t1").join("README")).expect("a file");
    assert_eq!(lab.prepare("t1").await, made);
    assert_eq!(git(&lab.tree("t1"), &["status", "--porcelain"]), "");

    // One step earlier: recorded, but no branch yet.
    git(&lab.repo(), &["worktree", "remove", "--force", lab.tree("t1").as_str()]);
    git(&lab.repo(), &["branch", "-D", "task/t1"]);
    assert_eq!(lab.prepare("t1").await, made);
    assert_eq!(git(&lab.tree("t1"), &["status", "--porcelain"]), "");
}

#[tokio::test]
async fn a_worktree_that_somebody_deleted_comes_back_with_its_commits() {
    let lab = Lab::new().await;
    let made = lab.prepare("t1").await;
    let done = lab.edit("t1", "mine.txt", "work\n");
    fs::remove_dir_all(lab.tree("t1")).expect("it goes");
    assert_eq!(lab.prepare("t1").await, made);
    assert_eq!(head(&lab.tree("t1")), done);
}

#[tokio::test]
async fn what_is_in_the_way_stays() {
    let lab = Lab::new().await;
    write(&lab.tree("t1"), "precious", "x");
    let refused = lab.vcs.prepare(&lab.spec("t1")).await;
    assert!(matches!(refused, Err(VcsError::Unsafe { .. })), "{refused:?}");
    assert!(lab.tree("t1").join("precious").exists());

    fs::create_dir(lab.tree("t2")).expect("a directory");
    lab.prepare("t2").await;
}

#[tokio::test]
async fn a_branch_that_vanished_under_its_worktree_is_not_made_anew() {
    let lab = Lab::new().await;
    let made = lab.prepare("t1").await;
    git(&lab.tree("t1"), &["checkout", "--quiet", "--detach"]);
    git(&lab.tree("t1"), &["branch", "-D", "task/t1"]);
    let moved = VcsError::Moved { branch: branch("task/t1"), found: None, expected: made.start };
    assert_eq!(lab.vcs.prepare(&lab.spec("t1")).await, Err(moved));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn twelve_tasks_start_at_once() {
    let lab = Lab::new().await;
    let base = lab.move_base("new.txt", "x\n");
    let mut tasks = tokio::task::JoinSet::new();
    for n in 1..=12 {
        let (vcs, spec) = (lab.vcs.clone(), lab.spec(&format!("t{n}")));
        tasks.spawn(async move { vcs.prepare(&spec).await });
    }
    let mut made = 0;
    while let Some(result) = tasks.join_next().await {
        assert_eq!(result.expect("no panic").expect("it prepares").start, base);
        made += 1;
    }
    assert_eq!(made, 12);
    git(&lab.repo(), &["fsck", "--strict"]);
    assert_eq!(lab.vcs.worktrees().await.expect("a list").len(), 13);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_task_twice_at_once_is_one() {
    let lab = Lab::new().await;
    let spec = lab.spec("t1");
    let (one, two) = tokio::join!(lab.vcs.prepare(&spec), lab.vcs.prepare(&spec));
    assert_eq!(one.expect("it prepares"), two.expect("it prepares"));
}

#[tokio::test]
async fn a_base_that_is_missing_or_a_remote_that_is_gone_is_said() {
    let lab = Lab::new().await;
    let mut spec = lab.spec("t1");
    spec.base = branch("nowhere");
    assert_eq!(lab.vcs.prepare(&spec).await, Err(VcsError::Missing { what: "base branch nowhere".to_owned() }));
    fs::rename(lab.origin(), lab.root.join("gone")).expect("it moves");
    let gone = lab.vcs.prepare(&lab.spec("t1")).await;
    assert!(matches!(gone, Err(VcsError::Unreachable { .. })), "{gone:?}");
}

#[tokio::test]
async fn a_repository_can_be_its_own_origin() {
    let lab = Lab::alone().await;
    let base = commit(&lab.repo(), "later.txt", "x\n", "later");
    assert_eq!(lab.prepare("t1").await.start, base);
    assert_eq!(lab.vcs.default_base().await, Ok(branch("main")));
    assert_eq!(lab.vcs.base_tip(&branch("main")).await, Ok(base.clone()));
    assert_eq!(lab.vcs.remote_tip(&branch("task/t1")).await, Ok(Some(base)));
}

#[tokio::test]
async fn a_branch_that_another_workdir_made_is_a_persons() {
    let lab = Lab::new().await;
    let old = lab.pushed("t1", "old.txt", "never approved\n").await;
    lab.vcs.remove(&RemoveSpec { delete_branch: false, ..lab.remove_spec("t1") }).await.expect("it goes");
    let other = lab.of_another_workdir().await;
    let taken = Err(VcsError::BranchTaken { branch: branch("task/t1"), tip: old.clone() });
    assert_eq!(other.prepare(&lab.spec("t1")).await, taken);
    git(&lab.repo(), &["branch", "-D", "task/t1"]);
    assert_eq!(other.prepare(&lab.spec("t1")).await, taken, "the remote has it still");
    git(&lab.origin(), &["branch", "-D", "task/t1"]);
    let made = other.prepare(&lab.spec("t1")).await.expect("it is free now");
    assert!(!lab.tree("t1").join("old.txt").exists());
    assert_eq!(other.prepare(&lab.spec("t1")).await, Ok(made));
    other.disown().await.expect("it forgets");
    assert_eq!(git(&lab.repo(), &["for-each-ref", "refs/orch/of/another/"]), "");
}

#[tokio::test]
async fn a_workdir_that_was_deleted_by_hand_leaves_nothing_in_the_way() {
    let lab = Lab::new().await;
    lab.done("t1", "old.txt", "never approved\n").await;
    std::fs::remove_dir_all(lab.tree("t1")).expect("a directory");
    let other = lab.of_another_workdir().await;
    assert!(matches!(other.prepare(&lab.spec("t1")).await, Err(VcsError::BranchTaken { .. })));
    git(&lab.repo(), &["update-ref", "-d", "refs/heads/task/t1"]);
    other.prepare(&lab.spec("t1")).await.expect("it is free now");
    assert!(!lab.tree("t1").join("old.txt").exists());
}
