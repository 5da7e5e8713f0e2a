use orch_core::ports::{Vcs, VcsError};
use orch_git::Remote;

use crate::lab::{Lab, git, head, raw_git, write};

#[tokio::test]
async fn tracked_changes_and_covered_files_are_committed_once() {
    let lab = Lab::new().await;
    lab.prepare("t1").await;
    let tree = lab.tree("t1");
    write(&tree, "src/a.txt", "changed\n");
    write(&tree, "docs/new \"page\"\n.md", "n\n");
    write(&tree, "-dash.md", "d\n");
    write(&tree, "other.txt", "o\n");
    std::fs::remove_file(tree.join("README")).expect("a file");
    let spec = lab.commit_spec("t1", &["docs/", "*.md"]);
    let made = lab.vcs.commit(&spec).await.expect("it commits");
    assert_eq!(head(&tree), made);
    let changed = git(&tree, &["show", "--name-status", "--format=%s %an", "-z", "HEAD"]);
    assert_eq!(changed, "t1: left over Ann\0\nA\0-dash.md\0D\0README\0A\0docs/new \"page\"\n.md\0M\0src/a.txt\0");
    assert_eq!(git(&tree, &["status", "--porcelain"]), "?? other.txt", "a matter for a person");
    assert_eq!(lab.vcs.commit(&spec).await, Ok(made), "the second time there is nothing to do");
}

#[tokio::test]
async fn it_refuses_to_commit_elsewhere_than_on_the_branch() {
    let lab = Lab::new().await;
    let start = lab.prepare("t1").await.start;
    let tree = lab.tree("t1");
    lab.edit("t1", "src/a.txt", "ours\n");
    git(&tree, &["checkout", "--quiet", "-b", "other", start.as_str()]);
    lab.edit("t1", "src/a.txt", "theirs\n");
    let check = async |what: &str| {
        let before = git(&tree, &["for-each-ref"]);
        let refused = lab.vcs.commit(&lab.commit_spec("t1", &["*"])).await;
        let expected = VcsError::Unsafe { worktree: tree.clone(), what: what.to_owned() };
        assert_eq!(refused, Err(expected));
        assert_eq!(git(&tree, &["for-each-ref"]), before);
    };
    check("other is checked out instead of task/t1").await;
    git(&tree, &["checkout", "--quiet", "--detach"]);
    check("HEAD is detached, not on task/t1").await;
    git(&tree, &["checkout", "--quiet", "task/t1"]);
    assert!(!raw_git(&tree, &["merge", "other"]).status.success());
    check("a merge is half done").await;
}

#[tokio::test]
async fn commits_are_by_the_user_and_without_an_identity_by_orch() {
    for (name, by) in [("Ann", "Ann <ann@example.org> Ann"), ("", "orch <orch@localhost> orch")] {
        let lab = Lab::new().await;
        lab.prepare("t1").await;
        // A blank name hides the one that this machine's user may have for all repositories.
        git(&lab.repo(), &["config", "user.name", name]);
        let identity = lab.vcs.identity().await.expect("an identity");
        assert_eq!(identity.configured, !name.is_empty(), "{identity:?}");
        write(&lab.tree("t1"), "README", "changed\n");
        lab.vcs.commit(&lab.commit_spec("t1", &[])).await.expect("it commits");
        assert_eq!(git(&lab.tree("t1"), &["log", "-1", "--format=%an <%ae> %cn"]), by);
        write(&lab.tree("t1"), "README", "unsaved\n");
        let saved = lab.vcs.save(&lab.save_spec("t1")).await.expect("it saves").expect("something");
        assert_eq!(git(&lab.repo(), &["log", "-1", "--format=%an <%ae> %cn", saved.sha.as_str()]), by);
    }
}

#[tokio::test]
async fn hooks_run_only_where_the_user_wants_them() {
    for wanted in [false, true] {
        let lab = Lab::with(Remote::Named("origin".to_owned()), wanted).await;
        lab.prepare("t1").await;
        let ran = lab.root.join("hook-ran");
        crate::hostile::script(&lab.repo().join(".git/hooks/pre-commit"), &ran);
        lab.vcs.baseline().await.expect("the user's own hook");
        write(&lab.tree("t1"), "README", "changed\n");
        lab.vcs.commit(&lab.commit_spec("t1", &[])).await.expect("it commits");
        assert_eq!(ran.exists(), wanted);
    }
}
