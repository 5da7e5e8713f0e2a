use std::fs;
use std::os::unix::ffi::OsStrExt;

use orch_core::ports::{SyncSource, SyncSpec, Vcs, VcsError};

use crate::lab::{Lab, branch, commit, git, head, raw_git, sha, write};

#[tokio::test]
async fn evidence_lists_commits_files_and_dirt() {
    let lab = Lab::new().await;
    let start = lab.prepare("t1").await.start;
    let fresh = lab.work("t1", &start).await;
    assert!(fresh.commits.is_empty() && fresh.changed.is_empty() && fresh.dirt.is_clean());
    assert_eq!((&fresh.head, fresh.last_commit_at), (&start, None));

    lab.edit("t1", "b.txt", "b\n");
    lab.edit("t1", "src/a.txt", "changed\n");
    write(&lab.tree("t1"), "README", "dirty\n");
    write(&lab.tree("t1"), "staged.txt", "s\n");
    git(&lab.tree("t1"), &["add", "staged.txt"]);
    write(&lab.tree("t1"), "new/untracked.txt", "u\n");
    let work = lab.work("t1", &start).await;
    assert_eq!(work.branch, Some(branch("task/t1")));
    let subjects: Vec<&str> = work.commits.iter().map(|commit| commit.subject.as_str()).collect();
    assert_eq!(subjects, ["t1: b.txt", "t1: src/a.txt"]);
    assert_eq!(work.changed, ["b.txt", "src/a.txt"]);
    assert_eq!(work.dirt.tracked, ["README", "staged.txt"]);
    assert_eq!(work.dirt.untracked, ["new/untracked.txt"]);
    assert_eq!(work.dirt.operation, None);
    assert!(work.last_commit_at.is_some());

    let mut spec = lab.work_spec("t1", &start);
    spec.ignore_untracked = true;
    let seen = lab.vcs.work(&spec).await.expect("evidence");
    assert!(seen.dirt.untracked.is_empty());
}

#[tokio::test]
async fn what_a_sync_brings_in_is_not_the_tasks_work() {
    let lab = Lab::new().await;
    let start = lab.prepare("t1").await.start;
    lab.edit("t1", "mine.txt", "m\n");
    lab.move_base("theirs.txt", "t\n");
    let tip = lab.vcs.base_tip(&branch("main")).await.expect("a tip");
    let sources = vec![SyncSource { label: "main".to_owned(), tip, merge_base: None, left_by: None }];
    lab.vcs
        .sync(&SyncSpec { worktree: lab.tree("t1"), branch: branch("task/t1"), sources })
        .await
        .expect("it takes it in");
    lab.edit("t1", "more.txt", "m\n");
    let work = lab.work("t1", &start).await;
    let subjects: Vec<&str> = work.commits.iter().map(|commit| commit.subject.as_str()).collect();
    assert_eq!(subjects, ["t1: mine.txt", "t1: more.txt"]);
}

#[tokio::test]
async fn an_agents_own_side_branch_counts() {
    let lab = Lab::new().await;
    let start = lab.prepare("t1").await.start;
    git(&lab.tree("t1"), &["checkout", "--quiet", "-b", "side"]);
    lab.edit("t1", "side.txt", "s\n");
    git(&lab.tree("t1"), &["checkout", "--quiet", "task/t1"]);
    git(&lab.tree("t1"), &["merge", "--quiet", "--no-ff", "--no-edit", "side"]);
    assert_eq!(lab.work("t1", &start).await.commits.len(), 1);
}

#[tokio::test]
async fn operations_half_done_are_named() {
    let lab = Lab::new().await;
    let start = lab.prepare("t1").await.start;
    let tree = lab.tree("t1");
    let ours = lab.edit("t1", "src/a.txt", "ours\n");
    git(&tree, &["checkout", "--quiet", "-b", "other", start.as_str()]);
    let theirs = lab.edit("t1", "src/a.txt", "theirs\n");
    git(&tree, &["checkout", "--quiet", "task/t1"]);
    let cases: [(&[&str], &str, &[&str]); 4] = [
        (&["merge", "other"], "merge", &["merge", "--abort"]),
        (&["cherry-pick", theirs.as_str()], "cherry-pick", &["cherry-pick", "--abort"]),
        (&["rebase", "other"], "rebase", &["rebase", "--abort"]),
        (&["bisect", "start"], "bisect", &["bisect", "reset"]),
    ];
    for (begin, operation, end) in cases {
        raw_git(&tree, begin);
        assert_eq!(lab.work("t1", &start).await.dirt.operation.as_deref(), Some(operation));
        git(&tree, end);
        assert_eq!(lab.work("t1", &start).await.dirt.operation, None, "{operation}");
    }
    assert_eq!(head(&tree), ours);
    git(&tree, &["checkout", "--quiet", "--detach"]);
    assert_eq!(lab.work("t1", &start).await.branch, None);
}

#[tokio::test]
async fn names_of_any_kind_are_listed() {
    let lab = Lab::new().await;
    let start = lab.prepare("t1").await.start;
    let names = ["-dash", "a \"b\" 'c'", "line\nbreak", "tab\t", "ünï — 日本", "$(touch pwned)", "%s", ":(top)x", "*"];
    for name in names {
        write(&lab.tree("t1"), name, "x\n");
    }
    let mut expected: Vec<String> = names.map(str::to_owned).into();
    expected.sort();
    assert_eq!(lab.work("t1", &start).await.dirt.untracked, expected);
    git(&lab.tree("t1"), &["add", "--all"]);
    git(&lab.tree("t1"), &["commit", "--quiet", "-m", "-m \"x\" $(y)\n\nbody"]);
    let work = lab.work("t1", &start).await;
    assert_eq!(work.changed, expected);
    assert_eq!(work.commits[0].subject, "-m \"x\" $(y)");

    let raw = lab.tree("t1").as_std_path().join(std::ffi::OsStr::from_bytes(b"no-utf8-\xff"));
    fs::write(raw, "x").expect("a file");
    assert_eq!(lab.work("t1", &start).await.dirt.untracked, ["no-utf8-\u{fffd}"]);
}

#[tokio::test]
async fn what_is_missing_is_said() {
    let lab = Lab::new().await;
    let start = lab.prepare("t1").await.start;
    let nowhere = sha(&"0".repeat(40));
    let unknown = lab.vcs.work(&lab.work_spec("t1", &nowhere)).await;
    assert_eq!(unknown, Err(VcsError::Missing { what: format!("commit {nowhere}") }));
    let absent = lab.vcs.work(&lab.work_spec("t2", &start)).await;
    assert_eq!(absent, Err(VcsError::Missing { what: format!("worktree {}", lab.tree("t2")) }));
    assert_eq!(lab.vcs.contains(&nowhere, &start).await, Err(VcsError::Missing { what: format!("commit {nowhere}") }));
}

#[tokio::test]
async fn containment_is_told_both_ways() {
    let lab = Lab::new().await;
    let start = lab.prepare("t1").await.start;
    let next = lab.edit("t1", "b.txt", "b\n");
    let cases = [(&start, &next, true), (&next, &start, false), (&next, &next, true)];
    for (ancestor, descendant, expected) in cases {
        assert_eq!(lab.vcs.contains(ancestor, descendant).await, Ok(expected));
    }
}

#[tokio::test]
async fn what_a_merge_of_the_base_brought_is_others_work() {
    let lab = Lab::new().await;
    let start = lab.prepare("t1").await.start;
    let tree = lab.tree("t1");
    commit(&tree, "mine", "1\n", "mine");
    lab.move_base("theirs", "1\n");
    lab.move_base("both", "theirs\n");
    lab.vcs.base_tip(&branch("main")).await.expect("the base");
    git(&tree, &["merge", "--quiet", "--no-edit", "refs/remotes/origin/main"]);
    commit(&tree, "both", "both\n", "mine again");
    git(&tree, &["checkout", "--quiet", "-b", "helper"]);
    commit(&tree, "helped", "1\n", "a helper's");
    git(&tree, &["checkout", "--quiet", "task/t1"]);
    git(&tree, &["merge", "--quiet", "--no-ff", "--no-edit", "helper"]);
    let work = lab.work("t1", &start).await;
    assert_eq!(work.changed, ["both", "helped", "mine"]);
    let subjects: Vec<&str> = work.commits.iter().map(|commit| commit.subject.as_str()).collect();
    assert_eq!(subjects, ["mine", "mine again", "a helper's"]);
}
