//! What an agent can put into a repository, and that none of it runs.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use camino::Utf8Path;
use orch_core::ports::{SyncSource, SyncSpec, Vcs, VcsError};

use crate::lab::{Lab, branch, git, push_spec, raw_git, write};

/// Makes a program that leaves a trace.
pub(crate) fn script(path: &Utf8Path, trace: &Utf8Path) {
    fs::create_dir_all(path.parent().expect("a parent")).expect("directories");
    fs::write(path, format!("#!/bin/sh\necho ran >> '{trace}'\ncat\nexit 0\n")).expect("a script");
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("a mode");
}

/// Settings through which git starts programs; `{}` is the program.
const SETTINGS: &[(&str, &str)] = &[
    ("core.sshCommand", "{}"),
    ("core.gitProxy", "{}"),
    ("filter.evil.clean", "{}"),
    ("filter.evil.smudge", "{}"),
    ("filter.evil.process", "{}"),
    ("diff.evil.textconv", "{}"),
    ("diff.evil.command", "{}"),
    ("merge.evil.driver", "{}"),
    ("credential.helper", "!{}"),
    ("url.ext::{}.insteadOf", "/"),
    ("remote.origin.pushurl", "ext::{}"),
    ("remote.origin.uploadpack", "{}"),
    ("remote.origin.receivepack", "{}"),
    ("remote.other.uploadpack", "{}"),
    ("remote.other.promisor", "true"),
    ("extensions.partialClone", "other"),
    ("lfs.customtransfer.evil.path", "{}"),
    ("includeIf.gitdir:/.path", "{dir}/included"),
];

/// Settings that install scripts write, and that each of orch's calls overrides or none reads.
const HARMLESS: &[(&str, &str)] = &[
    ("core.hooksPath", "{dir}"),
    ("core.fsmonitor", "{}"),
    ("core.editor", "{}"),
    ("core.pager", "{}"),
    ("core.sparseCheckout", "true"),
    ("diff.external", "{}"),
    ("gpg.program", "{}"),
    ("extensions.worktreeConfig", "true"),
    ("remote.origin.gh-resolved", "base"),
    ("remote.fork.url", "ext::{}"),
    ("remote.fork.fetch", "+refs/heads/*:refs/remotes/fork/*"),
    ("lfs.repositoryformatversion", "0"),
    ("filter.lfs.process", "git-lfs filter-process"),
];

#[tokio::test]
async fn what_install_scripts_write_stops_nothing_and_runs_nothing() {
    let lab = Lab::new().await;
    let start = lab.prepare("t1").await.start;
    let (evil, trace) = (lab.root.join("evil/reference-transaction"), lab.root.join("trace"));
    for name in ["reference-transaction", "post-checkout", "pre-push", "pre-commit", "post-index-change"] {
        script(&lab.root.join("evil").join(name), &trace);
        script(&lab.repo().join(".git/hooks").join(name), &trace);
    }
    for (key, value) in HARMLESS {
        let fill = |text: &str| text.replace("{dir}", lab.root.join("evil").as_str()).replace("{}", evil.as_str());
        raw_git(&lab.tree("t1"), &["-c", "core.hooksPath=/dev/null", "config", key, &fill(value)]);
    }
    write(&lab.tree("t1"), "README", "changed\n");
    let sha = lab.vcs.commit(&lab.commit_spec("t1", &[])).await.expect("it commits");
    lab.vcs.push(&push_spec("t1", &sha)).await.expect("it pushes");
    lab.vcs.base_tip(&branch("main")).await.expect("it fetches");
    lab.vcs.prepare(&lab.spec("t2")).await.expect("it prepares");
    lab.work("t1", &start).await;
    lab.vcs.remove(&lab.remove_spec("t1")).await.expect("it goes");
    assert!(!trace.exists(), "something ran");
    assert_eq!(lab.vcs.configuration_changes().await, Ok(Vec::new()));
}

#[tokio::test]
async fn what_a_harmless_include_brings_is_watched() {
    let lab = Lab::new().await;
    let included = lab.root.join("included");
    fs::write(&included, "[alias]\n\tx = status\n").expect("a file");
    git(&lab.repo(), &["config", "include.path", included.as_str()]);
    lab.vcs.check_configuration().await.expect("nothing of it counts");
    lab.vcs.check_configuration().await.expect("nor when it is looked at again");
    fs::write(&included, "[core]\n\tsshCommand = evil\n").expect("a file");
    let refused = lab.vcs.check_configuration().await;
    assert!(
        matches!(&refused, Err(VcsError::Tampered { detail, .. }) if detail.contains("core.sshcommand")),
        "{refused:?}"
    );
}

#[tokio::test]
async fn changes_are_shown_from_what_to_what_and_accepted_beside_a_running_one() {
    let lab = Lab::new().await;
    git(&lab.repo(), &["config", "remote.origin.pushurl", "https://user:secret@example.org/x"]);
    let beside = lab.reopened().await;
    let changes = beside.configuration_changes().await.expect("it can be read");
    let shown: Vec<String> = changes.iter().map(ToString::to_string).collect();
    assert_eq!(shown, ["remote.origin.pushurl: not set → \"https://…@example.org/x\""]);
    assert!(lab.vcs.check_configuration().await.is_err());
    beside.baseline().await.expect("a person said yes");
    lab.vcs.check_configuration().await.expect("it is heard of at once");
}

#[tokio::test]
async fn a_missing_record_is_no_reason_to_trust() {
    let lab = Lab::new().await;
    fs::remove_file(lab.root.join("baseline.json")).expect("a record");
    let refused = lab.vcs.check_configuration().await;
    assert!(matches!(&refused, Err(VcsError::Tampered { detail, .. }) if detail.contains("missing")), "{refused:?}");
    let again = lab.reopened_after_a_run().await;
    let refused = again.check_configuration().await;
    assert!(matches!(&refused, Err(VcsError::Tampered { detail, .. }) if detail.contains("missing")), "{refused:?}");
    let named: Vec<String> = again.configuration_changes().await.expect("a list").into_iter().map(|c| c.name).collect();
    assert_eq!(named, ["remote.origin.url"], "all that counts is shown as new");
    again.baseline().await.expect("a person said yes");
    again.check_configuration().await.expect("from then on it is right");
}

#[tokio::test]
async fn tampered_settings_are_named_and_nothing_of_them_runs() {
    let lab = Lab::new().await;
    let start = lab.pushed("t1", "a", "1\n").await;
    let tree = lab.tree("t1");
    write(&tree, ".gitattributes", "* filter=evil diff=evil merge=evil\n");
    write(&tree, "README", "dirty\n");
    let (evil, trace) = (lab.root.join("evil/reference-transaction"), lab.root.join("trace"));
    for name in ["reference-transaction", "post-checkout", "pre-push", "pre-commit", "post-index-change"] {
        script(&lab.root.join("evil").join(name), &trace);
    }
    for (key, value) in SETTINGS {
        let fill = |text: &str| text.replace("{dir}", lab.root.join("evil").as_str()).replace("{}", evil.as_str());
        let (key, value) = (fill(key), fill(value));
        let config = fs::read(lab.repo().join(".git/config")).expect("a file");
        git(&tree, &["config", &key, &value]);
        let sync = SyncSpec {
            worktree: tree.clone(),
            branch: branch("task/t1"),
            sources: vec![SyncSource { label: "x".to_owned(), tip: start.clone(), merge_base: None, left_by: None }],
        };
        let results = [
            lab.vcs.work(&lab.work_spec("t1", &start)).await.map(drop),
            lab.vcs.commit(&lab.commit_spec("t1", &["*"])).await.map(drop),
            lab.vcs.push(&push_spec("t1", &start)).await,
            lab.vcs.sync(&sync).await.map(drop),
            lab.vcs.prepare(&lab.spec("t2")).await.map(drop),
            lab.vcs.base_tip(&branch("main")).await.map(drop),
            lab.vcs.remote_tip(&branch("main")).await.map(drop),
            lab.vcs.remove(&lab.remove_spec("t1")).await,
        ];
        for result in results {
            let named = matches!(&result, Err(VcsError::Tampered { detail, .. })
                if detail.to_lowercase().contains(&key.to_lowercase()));
            assert!(named, "{key}: {result:?}");
        }
        lab.vcs.save(&lab.save_spec("t1")).await.expect("saving still works").expect("something");
        assert!(!trace.exists(), "{key} ran");
        fs::write(lab.repo().join(".git/config"), config).expect("a file");
    }
    lab.vcs.check_configuration().await.expect("as it was, it is right again");
}

#[tokio::test]
async fn even_accepted_settings_start_no_hooks_monitors_or_editors() {
    let lab = Lab::new().await;
    let trace = lab.root.join("trace");
    let evil = lab.root.join("evil/any");
    script(&evil, &trace);
    for name in ["pre-commit", "commit-msg", "post-commit", "pre-push", "post-checkout", "post-merge"] {
        script(&lab.repo().join(".git/hooks").join(name), &trace);
    }
    for name in ["reference-transaction", "post-index-change", "pre-auto-gc", "push-to-checkout"] {
        script(&lab.repo().join(".git/hooks").join(name), &trace);
    }
    for key in ["core.fsmonitor", "core.editor", "core.pager", "diff.external", "gpg.program"] {
        git(&lab.repo(), &["config", key, evil.as_str()]);
    }
    git(&lab.repo(), &["config", "commit.gpgSign", "true"]);
    for name in ["status", "rev-parse", "add", "commit", "push", "fetch", "worktree"] {
        git(&lab.repo(), &["config", &format!("alias.{name}"), &format!("!{evil}")]);
    }
    fs::remove_file(&trace).ok();
    lab.vcs.baseline().await.expect("a person said yes");
    let start = lab.prepare("t1").await.start;
    write(&lab.tree("t1"), "README", "changed\n");
    lab.vcs.save(&lab.save_spec("t1")).await.expect("it saves");
    let sha = lab.vcs.commit(&lab.commit_spec("t1", &[])).await.expect("it commits");
    lab.vcs.push(&push_spec("t1", &sha)).await.expect("it pushes");
    lab.work("t1", &start).await;
    lab.vcs.remove(&lab.remove_spec("t1")).await.expect("it goes");
    assert!(!trace.exists());
}

#[tokio::test]
async fn hooks_attributes_and_worktree_links_are_watched() {
    let lab = Lab::with(orch_git::Remote::Named("origin".to_owned()), true).await;
    let start = lab.prepare("t1").await.start;
    let trace = lab.root.join("trace");
    let check = async |what: &str| {
        let refused = lab.vcs.work(&lab.work_spec("t1", &start)).await;
        assert!(
            matches!(&refused, Err(VcsError::Tampered { what: found, .. }) if found == what),
            "{what}: {refused:?}"
        );
    };
    let hook = lab.repo().join(".git/hooks/post-commit");
    script(&hook, &trace);
    check("hooks").await;
    fs::remove_file(hook).expect("a hook");
    write(&lab.repo(), ".git/info/attributes", "* filter=evil\n");
    check("attributes").await;
    git(&lab.repo(), &["config", "filter.evil.clean", trace.as_str()]);
    write(&lab.tree("t1"), "README", "as\r\nit is\n");
    let saved = lab.vcs.save(&lab.save_spec("t1")).await.expect("saving still works").expect("something");
    assert_eq!(raw_git(&lab.repo(), &["show", &format!("{}:README", saved.reference)]).stdout, b"as\r\nit is\n");
    git(&lab.tree("t1"), &["checkout", "--quiet", "README"]);
    git(&lab.repo(), &["config", "--remove-section", "filter.evil"]);
    fs::remove_file(lab.repo().join(".git/info/attributes")).expect("a file");
    lab.work("t1", &start).await;

    let link = lab.tree("t1").join(".git");
    let text = fs::read_to_string(&link).expect("a link");
    fs::remove_file(&link).expect("a link");
    git(&lab.tree("t1"), &["init", "--quiet"]);
    let refused = lab.vcs.work(&lab.work_spec("t1", &start)).await;
    assert!(matches!(refused, Err(VcsError::Missing { .. })), "{refused:?}");
    write(&lab.tree("t1"), "kept", "x\n");
    let saved = lab.vcs.save(&lab.save_spec("t1")).await.expect("saving still works").expect("something");
    assert_eq!(git(&lab.repo(), &["show", &format!("{}:kept", saved.reference)]), "x");
    fs::remove_dir_all(&link).expect("a repository");
    fs::write(&link, text).expect("a link");
    lab.work("t1", &start).await;
}

#[tokio::test]
async fn the_record_outlives_the_process() {
    let lab = Lab::new().await;
    git(&lab.repo(), &["config", "core.sshCommand", "evil"]);
    let again = lab.reopened().await;
    let refused = again.check_configuration().await;
    assert!(
        matches!(&refused, Err(VcsError::Tampered { detail, .. }) if detail.contains("core.sshcommand")),
        "{refused:?}"
    );
    again.baseline().await.expect("a person said yes");
    assert_eq!(lab.reopened().await.check_configuration().await, Ok(()));
}

#[tokio::test]
async fn settings_of_agents_that_start_nothing_are_theirs() {
    let lab = Lab::new().await;
    let start = lab.prepare("t1").await.start;
    for (key, value) in [("user.name", "Agent"), ("branch.task/t1.remote", "origin"), ("pull.rebase", "true")] {
        git(&lab.tree("t1"), &["config", key, value]);
    }
    lab.work("t1", &start).await;
}

#[tokio::test]
async fn replaced_and_redirected_objects_mislead_nobody() {
    let lab = Lab::new().await;
    let start = lab.prepare("t1").await.start;
    let real = lab.edit("t1", "a", "1\n");
    let fake = git(&lab.tree("t1"), &["commit-tree", "HEAD^{tree}", "-m", "orphan"]);
    git(&lab.tree("t1"), &["replace", real.as_str(), &fake]);
    assert_eq!(lab.vcs.contains(&start, &real).await, Ok(true));
    assert_eq!(lab.work("t1", &start).await.commits.len(), 1);
}
