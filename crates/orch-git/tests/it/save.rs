use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

use camino::Utf8Path;
use orch_core::base::AttemptNo;
use orch_core::ports::{Saved, Vcs, VcsError};
use orch_git::RESTORE;

use crate::lab::{Lab, git, head, raw_git, write};

/// Every file of a worktree with its bytes, and everything that its index says.
fn contents(tree: &Utf8Path) -> (BTreeMap<String, Vec<u8>>, String) {
    let mut files = BTreeMap::new();
    let mut open = vec![tree.to_owned()];
    while let Some(dir) = open.pop() {
        for entry in dir.read_dir_utf8().expect("a directory") {
            let path = entry.expect("an entry").into_path();
            let name = path.strip_prefix(tree).expect("below").to_string();
            if name == ".git" {
                continue;
            }
            let kind = path.symlink_metadata().expect("there");
            if kind.is_dir() {
                open.push(path);
            } else if kind.is_symlink() {
                files.insert(name, path.read_link_utf8().expect("a link").into_string().into_bytes());
            } else {
                files.insert(name, fs::read(&path).expect("a file"));
            }
        }
    }
    (files, git(tree, &["ls-files", "--stage"]))
}

/// Saves the task's work, discards it, restores it as documented and compares.
async fn comes_back(lab: &Lab, id: &str) -> Saved {
    let tree = lab.tree(id);
    let (before, at) = (contents(&tree), head(&tree));
    let index = fs::read(lab.repo().join(format!(".git/worktrees/task-{id}/index"))).expect("an index");
    let status = git(&tree, &["status", "--porcelain"]);
    let saved = lab.vcs.save(&lab.save_spec(id)).await.expect("it saves").expect("there is something");
    assert_eq!(contents(&tree), before, "the worktree stays as it is");
    let after = fs::read(lab.repo().join(format!(".git/worktrees/task-{id}/index"))).expect("an index");
    assert!(index == after || status == git(&tree, &["status", "--porcelain"]), "the index stays as it is");

    let mut discard = lab.remove_spec(id);
    discard.discard = true;
    lab.vcs.remove(&discard).await.expect("it goes");
    git(&lab.repo(), &["reflog", "expire", "--expire=now", "--all"]);
    git(&lab.repo(), &["gc", "--quiet", "--prune=now"]);
    let place = lab.root.join(format!("restored-{id}"));
    let done = Command::new("sh")
        .args(["-c", RESTORE, "restore", &saved.reference, place.as_str()])
        .current_dir(lab.repo())
        .output()
        .expect("a shell");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    assert_eq!(contents(&place), before, "byte for byte");
    assert_eq!((head(&place), git(&place, &["status", "--porcelain"])), (at, status));
    git(&place, &["fsck", "--no-dangling"]);
    saved
}

#[test]
fn the_readme_gives_the_script_that_restores() {
    assert!(include_str!("../../../../README.md").contains(&format!("```sh\n{RESTORE}```\n")));
}

#[tokio::test]
async fn nothing_uncommitted_is_nothing_to_save() {
    let lab = Lab::new().await;
    lab.prepare("t1").await;
    assert_eq!(lab.vcs.save(&lab.save_spec("t1")).await, Ok(None));
    lab.edit("t1", "b.txt", "b\n");
    assert_eq!(lab.vcs.save(&lab.save_spec("t1")).await, Ok(None));
}

#[tokio::test]
async fn untracked_changed_deleted_and_staged_only_contents_come_back() {
    let lab = Lab::new().await;
    lab.prepare("t1").await;
    let tree = lab.tree("t1");
    write(&tree, "deep/new \"file\"\n.txt", "untracked\r\n\0binary");
    write(&tree, "src/a.txt", "changed\n");
    fs::remove_file(tree.join("README")).expect("a file");
    write(&tree, "staged-only.txt", "only in the index\n");
    git(&tree, &["add", "staged-only.txt"]);
    write(&tree, "staged-only.txt", "and then changed\n");
    write(&tree, "staged-then-gone.txt", "nowhere but in the index\n");
    git(&tree, &["add", "staged-then-gone.txt"]);
    fs::remove_file(tree.join("staged-then-gone.txt")).expect("a file");
    std::os::unix::fs::symlink("/nowhere", tree.join("link")).expect("a link");
    let saved = comes_back(&lab, "t1").await;
    assert_eq!(saved.reference, "refs/orch/saved/t1/1");
}

#[tokio::test]
async fn the_middle_of_a_merge_comes_back() {
    let lab = Lab::new().await;
    let start = lab.prepare("t1").await.start;
    let tree = lab.tree("t1");
    git(&tree, &["checkout", "--quiet", "-b", "other", start.as_str()]);
    let theirs = lab.edit("t1", "src/a.txt", "theirs\n");
    git(&tree, &["checkout", "--quiet", "task/t1"]);
    lab.edit("t1", "src/a.txt", "ours\n");
    assert!(!raw_git(&tree, &["merge", "other"]).status.success());
    let saved = comes_back(&lab, "t1").await;
    let restored = lab.root.join("restored-t1");
    assert_eq!(git(&restored, &["rev-parse", "MERGE_HEAD"]), theirs.as_str());
    assert_eq!(git(&restored, &["rev-parse", &format!("{}^3", saved.reference)]), theirs.as_str());
    assert!(git(&restored, &["ls-files", "--unmerged"]).lines().count() == 3);
}

#[tokio::test]
async fn a_detached_head_comes_back_even_when_everything_is_committed() {
    let lab = Lab::new().await;
    lab.prepare("t1").await;
    git(&lab.tree("t1"), &["checkout", "--quiet", "--detach"]);
    assert_eq!(lab.vcs.save(&lab.save_spec("t1")).await, Ok(None), "a branch still has it");
    lab.edit("t1", "lost.txt", "nearly\n");
    comes_back(&lab, "t1").await;
}

#[tokio::test]
async fn line_endings_and_assumed_files_do_not_hide_anything() {
    let lab = Lab::new().await;
    lab.prepare("t1").await;
    let tree = lab.tree("t1");
    write(&tree, ".gitattributes", "*.txt text eol=lf\n*.bad working-tree-encoding=UTF-16\n");
    write(&tree, "crlf.txt", "a\r\nb\r\n");
    write(&tree, "x.bad", "odd");
    git(&tree, &["update-index", "--assume-unchanged", "README"]);
    write(&tree, "README", "hidden change\n");
    lab.vcs.save(&lab.save_spec("t1")).await.expect("it saves").expect("something");
    let show = |file: &str| git(&lab.repo(), &["cat-file", "blob", &format!("refs/orch/saved/t1/1:{file}")]);
    assert_eq!(show("crlf.txt"), "a\r\nb\r");
    assert_eq!(show("x.bad"), "odd");
    assert_eq!(show("README"), "hidden change");
}

#[tokio::test]
async fn the_same_work_is_saved_once_and_other_work_beside_it() {
    let lab = Lab::new().await;
    lab.prepare("t1").await;
    write(&lab.tree("t1"), "b.txt", "one\n");
    let save = async |attempt| {
        let mut spec = lab.save_spec("t1");
        spec.attempt = AttemptNo(attempt);
        lab.vcs.save(&spec).await.expect("it saves").expect("something")
    };
    let first = save(1).await;
    assert_eq!(save(1).await, first);
    write(&lab.tree("t1"), "b.txt", "one\n");
    assert_eq!(save(1).await, first, "a touched file is the same work");
    write(&lab.tree("t1"), "b.txt", "two\n");
    assert_eq!(save(1).await.reference, "refs/orch/saved/t1/1-2");
    git(&lab.tree("t1"), &["add", "b.txt"]);
    assert_eq!(save(1).await.reference, "refs/orch/saved/t1/1-3", "staged is another state");
    assert_eq!(save(1).await.reference, "refs/orch/saved/t1/1-3");
    assert_eq!(save(2).await.reference, "refs/orch/saved/t1/2");
    write(&lab.tree("t1"), "b.txt", "one\n");
    git(&lab.tree("t1"), &["reset", "--quiet"]);
    assert_eq!(save(1).await, first, "back to the first state");
}

#[tokio::test]
async fn repositories_inside_and_a_missing_index_do_not_stop_it() {
    let lab = Lab::new().await;
    lab.prepare("t1").await;
    let tree = lab.tree("t1");
    git(&tree, &["init", "--quiet", "inner"]);
    write(&tree, "inner/x", "x\n");
    write(&tree, "b.txt", "b\n");
    fs::remove_file(lab.repo().join(".git/worktrees/task-t1/index")).expect("an index");
    lab.vcs.save(&lab.save_spec("t1")).await.expect("it saves").expect("something");
    assert_eq!(git(&lab.repo(), &["cat-file", "blob", "refs/orch/saved/t1/1:b.txt"]), "b");
    assert_eq!(git(&lab.repo(), &["cat-file", "blob", "refs/orch/saved/t1/1:README"]), "hello");
    let absent = lab.vcs.save(&lab.save_spec("t2")).await;
    assert!(matches!(absent, Err(VcsError::Missing { .. })), "{absent:?}");
}

#[tokio::test]
async fn a_branch_without_commits_is_saved_too() {
    let lab = Lab::new().await;
    lab.prepare("t1").await;
    git(&lab.tree("t1"), &["checkout", "--quiet", "--orphan", "fresh"]);
    lab.vcs.save(&lab.save_spec("t1")).await.expect("it saves").expect("something");
    assert_eq!(git(&lab.repo(), &["cat-file", "blob", "refs/orch/saved/t1/1:README"]), "hello");
}
