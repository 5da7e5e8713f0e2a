//! What a repository needs besides its commits is seen before agents work on it, and before anything is pushed.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use orch_core::Vcs;
use orch_core::ports::VcsError;
use orch_git::{GitVcs, Remote, Survey};

use crate::lab::{Lab, commit, git, push_spec, write};

/// A hook that notes what it uploads.
fn uploads(lab: &Lab, path: &str) {
    let hook = lab.root.join(path);
    fs::create_dir_all(hook.parent().expect("a parent")).expect("directories");
    fs::write(&hook, format!("#!/bin/sh\ncat >> '{}'\n", lab.root.join("uploaded"))).expect("a hook");
    fs::set_permissions(&hook, fs::Permissions::from_mode(0o755)).expect("a mode");
}

async fn unrun(vcs: &GitVcs) -> Option<String> {
    vcs.survey().await.expect("a survey").unrun_hook
}

#[tokio::test]
async fn a_branch_whose_contents_a_hook_uploads_is_not_pushed_without_it() {
    let lab = Lab::new().await;
    assert_eq!(lab.vcs.survey().await, Ok(Survey::default()));
    uploads(&lab, "repo/.git/hooks/pre-push");
    assert_eq!(unrun(&lab.vcs).await, None, "a hook alone carries nothing");
    let plain = lab.done("t1", "a.txt", "a\n").await;
    lab.vcs.push(&push_spec("t1", &plain)).await.expect("it pushes");
    let sha = lab.edit("t1", "art/.gitattributes", "*.psd filter=lfs -text\n");
    let refused = lab.vcs.push(&push_spec("t1", &sha)).await;
    let told = |why: &str| why.contains("art/.gitattributes says filter=lfs") && why.contains("hooks = true");
    assert!(matches!(&refused, Err(VcsError::Refused { why, .. }) if told(why)), "{refused:?}");
    assert!(!lab.root.join("uploaded").exists());
    let with_hooks = Lab::open(&lab.root, &lab.remote, true).await.expect("it opens");
    with_hooks.baseline().await.expect("a person accepts the hook");
    with_hooks.push(&push_spec("t1", &sha)).await.expect("it pushes");
    assert!(fs::read_to_string(lab.root.join("uploaded")).expect("a trace").contains(sha.as_str()));
}

#[tokio::test]
async fn such_a_repository_is_known_before_anything_begins() {
    let lab = Lab::new().await;
    commit(&lab.repo(), ".gitattributes", "*.psd filter=lfs\n", "lfs");
    assert_eq!(unrun(&lab.vcs).await, None, "without a hook nobody uploads");
    uploads(&lab, "elsewhere/pre-push");
    git(&lab.repo(), &["config", "core.hooksPath", lab.root.join("elsewhere").as_str()]);
    assert!(unrun(&lab.vcs).await.is_some_and(|hook| hook.contains("elsewhere/pre-push")));
    let with_hooks = Lab::open(&lab.root, &Remote::Named("origin".to_owned()), true).await.expect("it opens");
    assert_eq!(unrun(&with_hooks).await, None);
}

#[tokio::test]
async fn submodules_that_will_be_empty_are_named() {
    let lab = Lab::new().await;
    git(&lab.root, &["init", "--quiet", "--initial-branch=main", "lib"]);
    commit(&lab.root.join("lib"), "lib.c", "one\n", "lib");
    let (url, allow) = (lab.root.join("lib"), "protocol.file.allow=always");
    git(&lab.repo(), &["-c", allow, "submodule", "--quiet", "add", url.as_str(), "third/lib"]);
    commit(&lab.repo(), "with.txt", "x\n", "with lib");
    assert_eq!(lab.vcs.survey().await, Ok(Survey::default()));
    fs::remove_dir_all(lab.repo().join(".git/modules")).expect("a directory");
    write(&lab.repo(), "third/lib/left.txt", "x\n");
    assert_eq!(lab.vcs.survey().await.expect("a survey").empty_submodules, ["third/lib"]);
}
