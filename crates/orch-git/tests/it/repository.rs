use std::collections::BTreeSet;
use std::fs;

use orch_core::ports::{Vcs, VcsError};
use orch_git::{GitVersion, RemoteInfo, clone, detect_remote, git_version};

use crate::lab::{Lab, branch, git, task};

#[tokio::test]
async fn a_clone_appears_whole_or_not_at_all() {
    let lab = Lab::new().await;
    let dest = lab.root.join("cloned");
    clone(lab.origin().as_str(), &dest, None).await.expect("it clones");
    assert_eq!(git(&dest, &["log", "--format=%s"]), "first");
    let origin = RemoteInfo { name: "origin".to_owned(), url: lab.origin().into_string() };
    assert_eq!(detect_remote(&dest).await, Ok(Some(origin)));
    let again = clone(lab.origin().as_str(), &dest, None).await;
    assert!(matches!(again, Err(VcsError::Refused { .. })), "{again:?}");
    for source in ["/nowhere", "--upload-pack=touch pwned", "ext::sh -c 'touch pwned'"] {
        let dest = lab.root.join("never");
        let failed = clone(source, &dest, None).await;
        assert!(failed.is_err(), "{source}");
        assert!(!dest.exists() && !lab.root.join("pwned").exists());
    }
    let left: Vec<_> = fs::read_dir(&lab.root).expect("a directory").flatten().map(|entry| entry.file_name()).collect();
    assert!(!left.iter().any(|name| name.to_string_lossy().starts_with(".orch-clone")), "{left:?}");
}

#[tokio::test]
async fn remotes_are_found_or_their_absence_is_said() {
    let lab = Lab::alone().await;
    assert_eq!(detect_remote(&lab.repo()).await, Ok(None));
    git(&lab.repo(), &["remote", "add", "upstream", "https://example.org/x"]);
    let found = detect_remote(&lab.repo()).await.expect("a remote").expect("one");
    assert_eq!(found.name, "upstream");
    git(&lab.repo(), &["remote", "add", "fork", "https://example.org/y"]);
    let several = detect_remote(&lab.repo()).await;
    assert!(matches!(several, Err(VcsError::Refused { .. })), "{several:?}");
    let nowhere = detect_remote(&lab.root).await;
    assert!(matches!(nowhere, Err(VcsError::Missing { .. })), "{nowhere:?}");
}

#[tokio::test]
async fn the_default_base_is_the_remotes_head() {
    let lab = Lab::new().await;
    assert_eq!(lab.vcs.default_base().await, Ok(branch("main")));
    git(&lab.origin(), &["branch", "trunk/v2", "main"]);
    git(&lab.origin(), &["symbolic-ref", "HEAD", "refs/heads/trunk/v2"]);
    assert_eq!(lab.vcs.default_base().await, Ok(branch("trunk/v2")));
}

#[tokio::test]
async fn worktrees_of_unknown_tasks_are_orphans() {
    let lab = Lab::new().await;
    lab.prepare("t1").await;
    lab.prepare("t2").await;
    let known = BTreeSet::from([task("t1")]);
    let orphans = lab.vcs.list_orphan_worktrees(&lab.root.join("work"), &known).await.expect("a list");
    let paths: Vec<_> = orphans.into_iter().map(|worktree| worktree.path).collect();
    assert_eq!(paths, [lab.tree("t2")]);
}

#[tokio::test]
async fn this_machines_git_is_new_enough() {
    assert!(git_version().await.expect("git") >= GitVersion::OLDEST);
    let lab = Lab::new().await;
    let identity = lab.vcs.identity().await.expect("an identity");
    assert_eq!(
        (identity.name.as_str(), identity.email.as_str(), identity.configured),
        ("Ann", "ann@example.org", true)
    );
}

#[tokio::test]
async fn where_no_branch_is_it_is_said_why_and_what_to_do() {
    let lab = Lab::alone().await;
    git(&lab.repo(), &["worktree", "add", "--quiet", "-b", "feature", "../linked"]);
    assert_eq!(orch_git::head_branch(&lab.root.join("linked")).await, Ok(Some(branch("feature"))));
    git(&lab.repo(), &["checkout", "--quiet", "--detach"]);
    assert_eq!(orch_git::head_branch(&lab.repo()).await, Ok(None));
    let said = lab.vcs.default_base().await.expect_err("no branch").to_string();
    assert!(said.contains("detached") && said.contains("--base"), "{said}");
    git(&lab.repo(), &["checkout", "--quiet", "--orphan", "new"]);
    let said = lab.vcs.base_tip(&branch("new")).await.expect_err("no commit").to_string();
    assert!(said.contains("no commit yet"), "{said}");
}

#[tokio::test]
async fn a_remote_that_was_added_later_is_not_published_to() {
    let lab = Lab::alone().await;
    let record = lab.root.join("baseline.json");
    git(&lab.repo(), &["remote", "add", "fork", "/elsewhere"]);
    assert_eq!(orch_git::recorded_remote(&lab.repo(), &record).await, Ok(None));
    lab.vcs.baseline().await.expect("a person said yes");
    let named = orch_git::recorded_remote(&lab.repo(), &record).await.expect("a remote").map(|remote| remote.name);
    assert_eq!(named.as_deref(), Some("fork"));
}
