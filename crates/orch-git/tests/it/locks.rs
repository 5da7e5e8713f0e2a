use std::fs::{self, File};
use std::time::{Duration, SystemTime};

use orch_core::ports::{Vcs, VcsError};

use crate::lab::{Lab, write};

/// Makes a lock that was taken an hour ago, and returns it open.
fn old_lock(path: &camino::Utf8Path) -> File {
    let file = File::create(path).expect("a lock");
    file.set_modified(SystemTime::now() - Duration::from_secs(3600)).expect("a time");
    file
}

#[tokio::test]
async fn locks_of_the_dead_are_removed_and_those_of_the_living_are_not() {
    let lab = Lab::new().await;
    lab.prepare("t1").await;
    let git_dir = lab.repo().join(".git/worktrees/task-t1");
    write(&lab.tree("t1"), "README", "changed\n");

    let young = git_dir.join("index.lock");
    fs::write(&young, "").expect("a lock");
    let refused = lab.vcs.commit(&lab.commit_spec("t1", &[])).await;
    assert!(matches!(refused, Err(VcsError::Busy { .. })), "young: {refused:?}");

    let held = old_lock(&young);
    let refused = lab.vcs.commit(&lab.commit_spec("t1", &[])).await;
    assert!(matches!(refused, Err(VcsError::Busy { .. })), "held: {refused:?}");
    assert!(young.exists());

    drop(held);
    drop(old_lock(&git_dir.join("HEAD.lock")));
    drop(old_lock(&lab.repo().join(".git/refs/heads/task/t1.lock")));
    lab.vcs.commit(&lab.commit_spec("t1", &[])).await.expect("it commits");
    assert!(!young.exists());
}

#[tokio::test]
async fn children_that_change_something_hold_the_effects_lock() {
    let lab = Lab::new().await;
    lab.prepare("t1").await;
    let lock = File::options().write(true).open(lab.root.join("effects.lock")).expect("it was made");
    lock.try_lock().expect("nobody holds it between calls");
    let spec = lab.spec("t2");
    let waited = tokio::time::timeout(Duration::from_millis(300), lab.vcs.prepare(&spec)).await;
    assert!(waited.is_err(), "an effect waits for whoever takes over");
    let start = lab.vcs.work(&lab.work_spec("t1", &crate::lab::head(&lab.tree("t1")))).await;
    assert!(start.is_ok(), "a look does not");
    let tip = lab.vcs.remote_tip(&crate::lab::branch("main")).await;
    assert!(tip.is_ok(), "nor a look at the remote");
    lock.unlock().expect("it unlocks");
    lab.prepare("t2").await;
}
