//! What an agent can put into a repository, and that none of it runs.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use camino::Utf8Path;
use orch_core::{SyncSource, SyncSpec, Vcs, VcsError};

use crate::lab::{Lab, branch, git, push_spec, write};

/// Makes a program that leaves a trace.
pub(crate) fn script(path: &Utf8Path, trace: &Utf8Path) {
    fs::create_dir_all(path.parent().expect("a parent")).expect("directories");
    fs::write(path, format!("#!/bin/sh\necho ran >> '{trace}'\ncat\nexit 0\n")).expect("a script");
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("a mode");
}

/// Settings through which git starts programs; `{}` is the program.
const SETTINGS: &[(&str, &str)] = &[
    ("core.hooksPath", "{dir}"),
    ("core.fsmonitor", "{}"),
    ("core.editor", "{}"),
    ("core.pager", "{}"),
    ("core.sshCommand", "{}"),
    ("core.gitProxy", "{}"),
    ("filter.evil.clean", "{}"),
    ("filter.evil.smudge", "{}"),
    ("filter.evil.process", "{}"),
    ("diff.external", "{}"),
    ("diff.evil.textconv", "{}"),
    ("diff.evil.command", "{}"),
    ("merge.evil.driver", "{}"),
    ("gpg.program", "{}"),
    ("credential.helper", "!{}"),
    ("url.ext::{}.insteadOf", "/"),
    ("remote.origin.pushurl", "ext::{}"),
    ("remote.origin.uploadpack", "{}"),
    ("remote.origin.receivepack", "{}"),
    ("include.path", "{dir}/included"),
];

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
    let lab = Lab::new().await;
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
    let refused = lab.vcs.save(&lab.save_spec("t1")).await;
    assert!(matches!(refused, Err(VcsError::Tampered { .. })), "{refused:?}");
    fs::remove_file(lab.repo().join(".git/info/attributes")).expect("a file");
    lab.work("t1", &start).await;

    let link = lab.tree("t1").join(".git");
    let text = fs::read_to_string(&link).expect("a link");
    fs::remove_file(&link).expect("a link");
    git(&lab.tree("t1"), &["init", "--quiet"]);
    check("worktree link").await;
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
    let tampered = VcsError::Tampered { what: "configuration".to_owned(), detail: "core.sshcommand".to_owned() };
    assert_eq!(again.check_configuration().await, Err(tampered));
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
