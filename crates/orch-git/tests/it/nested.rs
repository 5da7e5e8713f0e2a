//! Repositories inside a worktree: nothing in them is lost, published half, or run.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::process::Command;

use camino::{Utf8Path, Utf8PathBuf};
use orch_core::base::Sha;
use orch_core::ports::{Saved, SyncSource, SyncSpec, Vcs, VcsError};
use orch_git::RESTORE;

use crate::hostile::script;
use crate::lab::{Lab, branch, commit, git, head, raw_git, write};

/// A repository that nobody else has, with one commit.
fn scaffold(tree: &Utf8Path, name: &str) -> Sha {
    git(tree, &["init", "--quiet", name]);
    commit(&tree.join(name), "main.c", "precious\n", "scaffold")
}

/// A lab whose base has a submodule `lib`, checked out in the user's clone.
async fn with_submodule() -> Lab {
    let lab = Lab::new().await;
    git(&lab.root, &["init", "--quiet", "--initial-branch=main", "lib"]);
    commit(&lab.root.join("lib"), "lib.c", "one\n", "lib");
    let url = lab.root.join("lib");
    let allow = "protocol.file.allow=always";
    git(&lab.repo(), &["-c", allow, "submodule", "--quiet", "add", url.as_str(), "lib"]);
    git(&lab.repo(), &["commit", "--quiet", "-m", "with lib"]);
    git(&lab.repo(), &["push", "--quiet", "origin", "HEAD:main"]);
    lab
}

/// Discards a worktree after saving it, and restores it as documented.
async fn restored(lab: &Lab, id: &str) -> Utf8PathBuf {
    let saved: Saved = lab.vcs.save(&lab.save_spec(id)).await.expect("it saves").expect("there is something");
    assert_eq!(lab.vcs.save(&lab.save_spec(id)).await, Ok(Some(saved.clone())), "the same again");
    let mut discard = lab.remove_spec(id);
    discard.discard = true;
    lab.vcs.remove(&discard).await.expect("it goes");
    git(&lab.repo(), &["gc", "--quiet", "--prune=now"]);
    git(&lab.repo(), &["fsck", "--no-dangling", "--connectivity-only"]);
    let place = lab.root.join(format!("restored-{id}"));
    let done = Command::new("sh")
        .args(["-c", RESTORE, "restore", &saved.reference, place.as_str()])
        .current_dir(lab.repo())
        .output()
        .expect("a shell");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    place
}

async fn nested(lab: &Lab, id: &str, start: &Sha) -> Vec<(String, String)> {
    let found = lab.work(id, start).await.dirt.nested;
    found.into_iter().map(|nested| (nested.path, nested.why)).collect()
}

async fn stays(lab: &Lab, id: &str) {
    let refused = lab.vcs.remove(&lab.remove_spec(id)).await;
    assert!(matches!(refused, Err(VcsError::Unsafe { .. })), "{refused:?}");
    assert!(lab.tree(id).is_dir());
}

#[tokio::test]
async fn a_link_to_a_commit_that_nobody_else_has_is_not_done_and_not_lost() {
    let lab = Lab::new().await;
    let start = lab.prepare("t1").await.start;
    let tree = lab.tree("t1");
    let inside = scaffold(&tree, "app");
    let sha = commit(&tree, "README", "more\n", "add the app");
    lab.vcs.push(&crate::lab::push_spec("t1", &sha)).await.expect("it pushes");
    let why = "a link to a repository that .gitmodules does not name";
    assert_eq!(nested(&lab, "t1", &start).await, [("app".to_owned(), why.to_owned())]);
    stays(&lab, "t1").await;
    let place = restored(&lab, "t1").await;
    assert_eq!(head(&place.join("app")), inside);
    assert_eq!(fs::read_to_string(place.join("app/main.c")).expect("a file"), "precious\n");
    assert_eq!(git(&place, &["status", "--porcelain"]), "");
}

#[tokio::test]
async fn untracked_ignored_and_unborn_repositories_come_back_with_all_that_is_in_them() {
    let lab = Lab::new().await;
    let start = lab.prepare("t1").await.start;
    let tree = lab.tree("t1");
    let data = scaffold(&tree, "data");
    write(&tree, "data/draft.txt", "uncommitted\n");
    write(&tree, "data/.gitignore", "*.o\n");
    write(&tree, "data/x.o", "ignored\n");
    commit(&tree, ".gitignore", "vendor/\n", "ignore");
    let vendor = scaffold(&tree, "vendor/deep/it's é");
    git(&tree.join("vendor/deep/it's é"), &["stash", "list"]);
    git(&tree, &["init", "--quiet", "new"]);
    write(&tree, "new/first.txt", "not even a commit\n");
    let found = nested(&lab, "t1", &start).await;
    let names: Vec<&str> = found.iter().map(|(path, _)| path.as_str()).collect();
    assert_eq!(names, ["data", "new"]);
    assert_eq!(lab.work("t1", &start).await.dirt.untracked, [""; 0]);
    stays(&lab, "t1").await;
    let place = restored(&lab, "t1").await;
    assert_eq!(head(&place.join("data")), data);
    assert_eq!(git(&place.join("data"), &["status", "--porcelain"]), "?? .gitignore\n?? draft.txt");
    assert!(!place.join("data/x.o").exists());
    assert_eq!(head(&place.join("vendor/deep/it's é")), vendor);
    assert_eq!(git(&place.join("new"), &["status", "--porcelain"]), "?? first.txt");
}

#[tokio::test]
async fn an_ignored_clone_that_adds_nothing_is_nobodys_work() {
    let lab = Lab::new().await;
    let start = lab.prepare("t1").await.start;
    let tree = lab.tree("t1");
    commit(&tree, ".gitignore", "reference/\n", "ignore");
    git(&tree, &["clone", "--quiet", lab.origin().as_str(), "reference"]);
    assert_eq!(nested(&lab, "t1", &start).await, []);
    assert_eq!(lab.vcs.save(&lab.save_spec("t1")).await, Ok(None));
    let mut leave = lab.remove_spec("t1");
    leave.delete_branch = false;
    lab.vcs.remove(&leave).await.expect("it goes");
}

#[tokio::test]
async fn a_clone_with_a_commit_of_its_own_and_a_stash_are_work() {
    let lab = Lab::new().await;
    lab.prepare("t1").await;
    let tree = lab.tree("t1");
    commit(&tree, ".gitignore", "reference/\n", "ignore");
    git(&tree, &["clone", "--quiet", lab.origin().as_str(), "reference"]);
    write(&tree, "reference/README", "stashed\n");
    git(&tree.join("reference"), &["stash", "--quiet"]);
    stays(&lab, "t1").await;
    let place = restored(&lab, "t1").await;
    assert_eq!(git(&place.join("reference"), &["stash", "list"]).lines().count(), 1);
}

#[tokio::test]
async fn submodules_are_filled_from_the_users_clone_and_said_to_be_empty_otherwise() {
    let lab = with_submodule().await;
    fs::rename(lab.root.join("lib"), lab.root.join("away")).expect("no network");
    let prepared = lab.prepare("t1").await;
    assert_eq!(prepared.unfilled, [""; 0]);
    let lib = lab.tree("t1").join("lib");
    assert_eq!(fs::read_to_string(lib.join("lib.c")).expect("a file"), "one\n");
    assert_eq!(git(&lib, &["remote", "get-url", "origin"]), lab.root.join("lib").as_str());
    assert_eq!(git(&lab.tree("t1"), &["status", "--porcelain"]), "");
    assert!(git(&lab.tree("t1"), &["submodule", "status"]).starts_with(' '));
    assert_eq!(nested(&lab, "t1", &prepared.start).await, []);
    let mut leave = lab.remove_spec("t1");
    leave.delete_branch = false;
    lab.vcs.remove(&leave).await.expect("there is nothing of its own in it");
    // Half made: the link that makes it a repository comes last.
    lab.prepare("t2").await;
    fs::remove_file(lab.tree("t2").join("lib/.git")).expect("a link");
    lab.prepare("t2").await;
    assert_eq!(git(&lab.tree("t2"), &["submodule", "status"]).chars().next(), Some(' '));
    fs::remove_dir_all(lab.repo().join(".git/modules")).expect("the user's");
    assert_eq!(lab.prepare("t3").await.unfilled, ["lib"]);
}

#[tokio::test]
async fn commits_and_changes_in_a_submodule_are_neither_published_nor_lost() {
    let lab = with_submodule().await;
    let start = lab.prepare("t1").await.start;
    let (tree, lib) = (lab.tree("t1"), lab.tree("t1").join("lib"));
    write(&lib, "lib.c", "changed\n");
    assert_eq!(nested(&lab, "t1", &start).await, [("lib".to_owned(), "uncommitted: lib.c".to_owned())]);
    let inside = commit(&lib, "lib.c", "two\n", "in lib");
    let why = "the commit checked out there is not the one that is committed";
    assert_eq!(nested(&lab, "t1", &start).await, [("lib".to_owned(), why.to_owned())]);
    commit(&tree, "README", "more\n", "with a new lib");
    assert_eq!(git(&tree, &["status", "--porcelain"]), "");
    let why = format!("a link to commit {:.10}, which no remote has", inside.as_str());
    assert_eq!(nested(&lab, "t1", &start).await, [("lib".to_owned(), why)]);
    stays(&lab, "t1").await;
    let place = restored(&lab, "t1").await;
    assert_eq!(head(&place.join("lib")), inside);
    assert_eq!(git(&place, &["status", "--porcelain"]), "");
}

#[tokio::test]
async fn a_commit_that_the_submodules_remote_has_may_be_linked_to() {
    let lab = with_submodule().await;
    let start = lab.prepare("t1").await.start;
    let (tree, lib) = (lab.tree("t1"), lab.tree("t1").join("lib"));
    commit(&lib, "lib.c", "two\n", "in lib");
    git(&lib, &["push", "--quiet", "origin", "HEAD:refs/heads/feature"]);
    commit(&tree, "README", "more\n", "with a new lib");
    assert_eq!(nested(&lab, "t1", &start).await, []);
}

#[tokio::test]
async fn a_base_that_moves_its_submodule_moves_it_here_too() {
    let lab = with_submodule().await;
    lab.prepare("t1").await;
    lab.edit("t1", "mine.txt", "x\n");
    let inside = commit(&lab.root.join("lib"), "lib.c", "two\n", "newer");
    git(&lab.repo().join("lib"), &["pull", "--quiet", "origin", "main"]);
    git(&lab.repo(), &["commit", "--quiet", "--all", "-m", "newer lib"]);
    git(&lab.repo(), &["push", "--quiet", "origin", "HEAD:main"]);
    let source = SyncSource { label: "base".to_owned(), tip: head(&lab.repo()), merge_base: None, left_by: None };
    let spec = SyncSpec { worktree: lab.tree("t1"), branch: branch("task/t1"), sources: vec![source] };
    lab.vcs.sync(&spec).await.expect("it merges");
    assert_eq!(head(&lab.tree("t1").join("lib")), inside);
    assert_eq!(git(&lab.tree("t1"), &["status", "--porcelain"]), "");
}

#[tokio::test]
async fn nothing_that_a_repository_inside_configures_runs() {
    let lab = with_submodule().await;
    let start = lab.prepare("t1").await.start;
    let (tree, lib) = (lab.tree("t1"), lab.tree("t1").join("lib"));
    let (evil, trace) = (lab.root.join("evil"), lab.root.join("trace"));
    script(&evil, &trace);
    scaffold(&tree, "app");
    for place in [&lib, &tree.join("app")] {
        for key in ["filter.evil.clean", "filter.evil.smudge", "core.fsmonitor", "core.sshCommand", "diff.external"] {
            git(place, &["config", key, evil.as_str()]);
        }
        write(place, ".gitattributes", "* filter=evil\n");
        write(place, "new.c", "new\n");
    }
    write(&lib, "lib.c", "changed\n");
    write(&tree, "README", "changed\n");
    write(&tree, "src/new.txt", "new\n");
    lab.work("t1", &start).await;
    let sha = lab.vcs.commit(&lab.commit_spec("t1", &["src/", "app/", "lib/", "README"])).await.expect("it commits");
    let shown = git(&lab.repo(), &["show", "--format=", "--name-only", sha.as_str()]);
    assert_eq!(shown, "README\nsrc/new.txt");
    lab.vcs.save(&lab.save_spec("t1")).await.expect("it saves").expect("something");
    stays(&lab, "t1").await;
    assert!(!trace.exists(), "{}", fs::read_to_string(&trace).unwrap_or_default());
}

#[tokio::test]
async fn names_that_are_no_utf8_are_committed_as_they_are() {
    let lab = Lab::new().await;
    let start = lab.prepare("t1").await.start;
    let name = OsStr::from_bytes(b"th\xe9.txt");
    fs::create_dir(lab.tree("t1").join("data")).expect("a directory");
    fs::write(lab.tree("t1").join("data").as_std_path().join(name), "x").expect("a file");
    lab.vcs.commit(&lab.commit_spec("t1", &["data/"])).await.expect("it commits");
    assert!(lab.work("t1", &start).await.dirt.is_clean());
    let listed = raw_git(&lab.tree("t1"), &["ls-tree", "-z", "--name-only", "HEAD", "data/"]).stdout;
    assert_eq!(listed, b"data/th\xe9.txt\0");
}

#[tokio::test]
async fn a_tracked_file_that_became_a_repository_is_committed_as_gone() {
    let lab = Lab::new().await;
    lab.prepare("t1").await;
    fs::remove_file(lab.tree("t1").join("README")).expect("a file");
    scaffold(&lab.tree("t1"), "README");
    lab.vcs.commit(&lab.commit_spec("t1", &["README", "README/"])).await.expect("it commits");
    assert_eq!(git(&lab.tree("t1"), &["ls-tree", "-r", "--name-only", "HEAD"]), "src/a.txt");
}
