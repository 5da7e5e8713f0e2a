use std::fs;

use orch_core::base::{PullNumber, Sha};
use orch_core::ports::{
    Checks, Forge, ForgeError, MergeMethod, MergeSpec, MergeState, Pull, PullChange, PullSpec, PullState, Vcs,
};

use crate::lab::{Lab, branch, commit, git, head, push_spec, raw_git, sha, write};

/// Makes a pull request one that is refused.
type Spoil = fn(&mut PullSpec);

fn pull(id: &str, tip: &Sha) -> PullSpec {
    PullSpec {
        head: branch(&format!("task/{id}")),
        sha: tip.clone(),
        base: branch("main"),
        title: format!("fix: {id}"),
        body: "## Changes\n".to_owned(),
        draft: false,
    }
}

fn merge(number: u64, tip: &Sha, method: MergeMethod) -> MergeSpec {
    MergeSpec { number: PullNumber(number), expected_head: tip.clone(), method }
}

fn why(result: Result<Pull, ForgeError>) -> String {
    result.expect_err("it refuses").to_string()
}

fn base_log(lab: &Lab) -> String {
    git(&lab.origin(), &["log", "--first-parent", "--format=%s", "main"])
}

#[tokio::test]
async fn a_pull_request_is_opened_found_and_merged_once() {
    let lab = Lab::new().await;
    let forge = lab.forge().await;
    let tip = lab.pushed("t1", "a", "1\n").await;
    let opened = forge.open(&pull("t1", &tip)).await.expect("it opens");
    assert_eq!(
        (opened.number, opened.state, &opened.merge_state),
        (PullNumber(1), PullState::Open, &MergeState::Clean)
    );
    assert_eq!(opened.head_sha, Some(tip.clone()));
    assert_eq!(lab.forge().await.open(&pull("t1", &tip)).await, Ok(opened.clone()), "no second one");
    assert_eq!(forge.find(&[branch("task/t1"), branch("task/t9")]).await, Ok(vec![opened]));

    let merged = forge.merge(&merge(1, &tip, MergeMethod::Merge)).await.expect("it merges");
    assert_eq!(merged.state, PullState::Merged);
    let tip_of_base = sha(&git(&lab.origin(), &["rev-parse", "main"]));
    assert_eq!(merged.merge_sha, Some(tip_of_base.clone()));
    assert_eq!(git(&lab.origin(), &["rev-parse", "main^2"]), tip.as_str(), "a merge commit, no fast-forward");
    assert_eq!(forge.merge(&merge(1, &tip, MergeMethod::Merge)).await, Ok(merged.clone()));
    assert_eq!(lab.forge().await.open(&pull("t1", &tip)).await, Ok(merged.clone()));
    assert_eq!(base_log(&lab), "Merge pull request #1 from task/t1\nfirst");
    let change = PullChange { base: Some(branch("main")), ..PullChange::default() };
    assert_eq!(forge.update(PullNumber(1), &change).await, Ok(merged));

    for _ in 0..2 {
        assert_eq!(forge.delete_branch(&branch("task/t1")).await, Ok(()));
        assert_eq!(lab.vcs.remote_tip(&branch("task/t1")).await, Ok(None));
    }
    assert_eq!(git(&lab.origin(), &["rev-parse", "refs/pull/1/head"]), tip.as_str());
    let kept = fs::read_to_string(lab.root.join("pulls.json")).expect("a file");
    let kept: serde_json::Value = serde_json::from_str(&kept).expect("JSON");
    let expected = serde_json::json!({"pulls": [{
        "number": 1, "head": "task/t1", "base": "main", "title": "fix: t1", "body": "## Changes\n",
        "state": "merged", "headSha": tip, "mergeSha": tip_of_base,
    }]});
    assert_eq!(kept, expected);
}

#[tokio::test]
async fn checks_and_reviews_in_the_file_are_seen_and_kept() {
    let lab = Lab::new().await;
    let forge = lab.forge().await;
    let tip = lab.pushed("t1", "a", "1\n").await;
    forge.open(&pull("t1", &tip)).await.expect("it opens");
    let file = lab.root.join("pulls.json");
    let mut pulls: serde_json::Value = serde_json::from_slice(&fs::read(&file).expect("a file")).expect("JSON");
    pulls["pulls"][0]["checks"] = serde_json::json!([{"name": "ci", "state": "failed", "excerpt": "a.rs:1: no\n"}]);
    pulls["pulls"][0]["reviews"] = serde_json::json!([{"author": "ann", "state": "changesRequested", "text": "no tabs",
        "comments": [{"path": "src/a.rs", "line": 3, "text": "here"}]}]);
    fs::write(&file, pulls.to_string()).expect("written");
    let seen = forge.find(&[branch("task/t1")]).await.expect("found").remove(0);
    assert_eq!((seen.checks(), seen.check_runs[0].excerpt.as_str()), (Checks::Failed, "a.rs:1: no\n"));
    let review = &seen.reviews[0];
    assert!(review.asks_for_changes() && !review.id.is_empty(), "{review:?}");
    assert_eq!((review.comments[0].path.as_str(), review.comments[0].line), ("src/a.rs", Some(3)));
    forge.update(PullNumber(1), &PullChange { draft: Some(true), ..PullChange::default() }).await.expect("updated");
    assert_eq!(forge.find(&[branch("task/t1")]).await.expect("found")[0].reviews, seen.reviews);
}

#[tokio::test]
async fn what_github_refuses_is_refused() {
    let lab = Lab::new().await;
    let forge = lab.forge().await;
    let tip = lab.done("t1", "src/a.txt", "one\n").await;
    assert!(why(forge.open(&pull("t1", &tip)).await).contains("there is no branch task/t1"));
    lab.vcs.push(&push_spec("t1", &tip)).await.expect("it pushes");
    let cases: [(&str, Spoil); 4] = [
        ("there is no branch nowhere", |spec| spec.base = branch("nowhere")),
        ("merged into itself", |spec| spec.base = spec.head.clone()),
        ("no title", |spec| spec.title = " ".to_owned()),
        ("expected 1111111111", |spec| spec.sha = sha(&"1".repeat(40))),
    ];
    for (text, spoil) in cases {
        let mut spec = pull("t1", &tip);
        spoil(&mut spec);
        let said = why(forge.open(&spec).await);
        assert!(said.contains(text), "{said}");
    }
    let base = lab.prepare("t2").await.start;
    git(&lab.repo(), &["push", "--quiet", "origin", "main:refs/heads/task/t2"]);
    assert!(why(forge.open(&pull("t2", &base)).await).contains("no commits over main"));

    let mut draft = pull("t1", &tip);
    draft.draft = true;
    assert!(forge.open(&draft).await.expect("it opens").draft);
    assert!(why(forge.merge(&merge(1, &tip, MergeMethod::Merge)).await).contains("draft"));
    let ready = PullChange { draft: Some(false), ..PullChange::default() };
    assert!(!forge.update(PullNumber(1), &ready).await.expect("it changes").draft);
    let stale = ForgeError::Stale { number: PullNumber(1), found: Some(tip.clone()), expected: base.clone() };
    assert_eq!(forge.merge(&merge(1, &base, MergeMethod::Merge)).await, Err(stale));
    assert_eq!(
        forge.merge(&merge(7, &tip, MergeMethod::Merge)).await,
        Err(ForgeError::NotFound { number: PullNumber(7) })
    );
    assert!(forge.delete_branch(&branch("task/t1")).await.is_err(), "not merged yet");

    lab.move_base("src/a.txt", "two\n");
    let seen = forge.find(&[branch("task/t1")]).await.expect("it finds");
    assert_eq!(seen[0].merge_state, MergeState::Dirty);
    for method in [MergeMethod::Merge, MergeMethod::Squash, MergeMethod::Rebase] {
        let conflict =
            ForgeError::Conflict { number: PullNumber(1), base: branch("main"), files: vec!["src/a.txt".to_owned()] };
        assert_eq!(forge.merge(&merge(1, &tip, method)).await, Err(conflict));
    }
}

#[tokio::test]
async fn a_rebase_brings_what_was_verified_whatever_merges_are_in_it() {
    for (base_text, log) in [("mine\n", "t1: own\nbase: f\nfirst"), ("theirs\n", "fix: t1 (#1)\nbase: f\nfirst")] {
        let lab = Lab::new().await;
        let forge = lab.forge().await;
        lab.done("t1", "f", "mine\n").await;
        lab.edit("t1", "own", "1\n");
        lab.move_base("f", base_text);
        lab.vcs.base_tip(&branch("main")).await.expect("a tip");
        let tree = lab.tree("t1");
        raw_git(&tree, &["merge", "--quiet", "--no-commit", "origin/main"]);
        let tip = commit(&tree, "f", "mine\n", "taken in");
        lab.vcs.push(&push_spec("t1", &tip)).await.expect("it pushes");
        forge.open(&pull("t1", &tip)).await.expect("it opens");
        forge.merge(&merge(1, &tip, MergeMethod::Rebase)).await.expect("it merges");
        assert_eq!(base_log(&lab), log, "{base_text}: what the base has is not replayed; a resolution is kept");
        assert_eq!(git(&lab.origin(), &["rev-parse", "main^{tree}"]), git(&tree, &["rev-parse", "HEAD^{tree}"]));
    }
}

#[tokio::test]
async fn every_method_makes_what_it_says() {
    for (method, log) in [
        (MergeMethod::Merge, "Merge pull request #1 from task/t1\nbase: other\nfirst"),
        (MergeMethod::Squash, "fix: t1 (#1)\nbase: other\nfirst"),
        (MergeMethod::Rebase, "t1: b\nt1: a\nbase: other\nfirst"),
    ] {
        let lab = Lab::new().await;
        let forge = lab.forge().await;
        lab.done("t1", "a", "1\n").await;
        let tip = lab.edit("t1", "b", "2\n");
        lab.vcs.push(&push_spec("t1", &tip)).await.expect("it pushes");
        lab.move_base("other", "x\n");
        forge.open(&pull("t1", &tip)).await.expect("it opens");
        for _ in 0..2 {
            let merged = forge.merge(&merge(1, &tip, method)).await.expect("it merges");
            assert_eq!(merged.merge_sha, Some(sha(&git(&lab.origin(), &["rev-parse", "main"]))));
            assert_eq!(base_log(&lab), log);
            assert_eq!(git(&lab.origin(), &["show", "main:b"]), "2");
        }
        if method == MergeMethod::Rebase {
            assert_eq!(git(&lab.origin(), &["log", "-1", "--format=%an %cn", "main"]), "Agent Ann");
        }
        assert_eq!(lab.vcs.remove(&lab.remove_spec("t1")).await, Ok(()), "its head is on the remote");
    }
}

#[tokio::test]
async fn a_crash_between_the_merge_and_its_record_is_recognised() {
    for method in [MergeMethod::Merge, MergeMethod::Squash, MergeMethod::Rebase] {
        let lab = Lab::new().await;
        let tip = lab.pushed("t1", "a", "1\n").await;
        lab.forge().await.open(&pull("t1", &tip)).await.expect("it opens");
        lab.move_base("other", "x\n");
        lab.forge().await.merge(&merge(1, &tip, method)).await.expect("it merges");
        let log = base_log(&lab);
        // What is on disk right after the base moved: the merge is announced, the state still open.
        let file = lab.root.join("pulls.json");
        let text = fs::read_to_string(&file).expect("a file").replace("\"merged\"", "\"open\"");
        fs::write(&file, text).expect("a file");
        lab.move_base("later", "y\n");
        let merged = lab.forge().await.merge(&merge(1, &tip, method)).await.expect("it merges");
        assert_eq!(merged.state, PullState::Merged);
        assert_eq!(base_log(&lab), format!("base: later\n{log}"), "never twice");
        // And right before: announced, but the base did not move.
        git(&lab.origin(), &["update-ref", "refs/heads/main", "main~2"]);
        let text = fs::read_to_string(&file).expect("a file").replace("\"merged\"", "\"open\"");
        fs::write(&file, text).expect("a file");
        lab.forge().await.merge(&merge(1, &tip, method)).await.expect("it merges");
        assert_eq!(base_log(&lab).lines().count(), log.lines().count());
    }
}

#[tokio::test]
async fn what_a_person_merged_is_seen() {
    let lab = Lab::new().await;
    let forge = lab.forge().await;
    let tip = lab.pushed("t1", "a", "1\n").await;
    forge.open(&pull("t1", &tip)).await.expect("it opens");
    git(&lab.root, &["clone", "--quiet", lab.origin().as_str(), "person"]);
    let person = lab.root.join("person");
    git(&person, &["merge", "--quiet", "--no-ff", "-m", "by hand", "origin/task/t1"]);
    git(&person, &["push", "--quiet", "origin", "main", ":task/t1"]);
    let by_hand = head(&person);
    lab.move_base("later", "x\n");
    let seen = forge.find(&[branch("task/t1")]).await.expect("it finds");
    assert_eq!((seen[0].state, seen[0].merge_sha.as_ref()), (PullState::Merged, Some(&by_hand)));
    assert_eq!(forge.merge(&merge(1, &tip, MergeMethod::Squash)).await, Ok(seen[0].clone()));
}

#[tokio::test]
async fn a_branch_that_was_only_set_back_is_not_merged() {
    let lab = Lab::new().await;
    let forge = lab.forge().await;
    let tip = lab.pushed("t1", "a", "1\n").await;
    forge.open(&pull("t1", &tip)).await.expect("it opens");
    git(&lab.origin(), &["update-ref", "refs/heads/task/t1", "main"]);
    let seen = forge.find(&[branch("task/t1")]).await.expect("it finds");
    assert_eq!(seen[0].state, PullState::Open);
    git(&lab.origin(), &["update-ref", "-d", "refs/heads/task/t1"]);
    let seen = forge.find(&[branch("task/t1")]).await.expect("it finds");
    let gone = MergeState::Blocked("there is no branch task/t1".to_owned());
    assert_eq!((seen[0].state, &seen[0].merge_state, seen[0].head_sha.as_ref()), (PullState::Open, &gone, None));
}

#[tokio::test]
async fn a_stack_is_retargeted_and_merged_in_order() {
    let lab = Lab::new().await;
    let forge = lab.forge().await;
    let one = lab.pushed("t1", "a", "1\n").await;
    let mut after = lab.spec("t2");
    after.predecessors = vec![crate::lab::predecessor("t1", &one)];
    lab.vcs.prepare(&after).await.expect("it prepares");
    let two = lab.pushed("t2", "b", "2\n").await;
    forge.open(&pull("t1", &one)).await.expect("it opens");
    let mut stacked = pull("t2", &two);
    stacked.base = branch("task/t1");
    forge.open(&stacked).await.expect("it opens");
    forge.merge(&merge(1, &one, MergeMethod::Merge)).await.expect("it merges");
    let change = PullChange { base: Some(branch("main")), ..PullChange::default() };
    for _ in 0..2 {
        assert_eq!(forge.update(PullNumber(2), &change).await.map(|pull| pull.base), Ok(branch("main")));
    }
    forge.delete_branch(&branch("task/t1")).await.expect("it goes");
    forge.merge(&merge(2, &two, MergeMethod::Merge)).await.expect("it merges");
    assert_eq!(git(&lab.origin(), &["show", "main:b"]), "2");
}

#[tokio::test]
async fn a_base_that_is_checked_out_moves_with_its_tree_or_waits_for_a_person() {
    let lab = Lab::alone().await;
    let forge = lab.forge().await;
    let one = lab.pushed("t1", "a", "1\n").await;
    let two = lab.pushed("t2", "b", "2\n").await;
    for (id, tip) in [("t1", &one), ("t2", &two)] {
        forge.open(&pull(id, tip)).await.expect("it opens");
    }
    write(&lab.repo(), "untracked", "stays\n");
    forge.merge(&merge(1, &one, MergeMethod::Merge)).await.expect("it merges");
    assert_eq!(fs::read_to_string(lab.repo().join("a")).expect("a file"), "1\n");
    assert_eq!(git(&lab.repo(), &["status", "--porcelain"]), "?? untracked");
    assert_eq!(lab.vcs.remove(&lab.remove_spec("t1")).await, Ok(()));
    assert_eq!(forge.delete_branch(&branch("task/t1")).await, Ok(()));

    let before = head(&lab.repo());
    write(&lab.repo(), "b", "in the way\n");
    let refused = forge.merge(&merge(2, &two, MergeMethod::Merge)).await;
    assert!(matches!(&refused, Err(ForgeError::Busy { why }) if why.contains('b')), "{refused:?}");
    assert_eq!(head(&lab.repo()), before);
    assert_eq!(fs::read_to_string(lab.repo().join("b")).expect("a file"), "in the way\n");
    fs::remove_file(lab.repo().join("b")).expect("a file");
    write(&lab.repo(), ".git/index.lock", "");
    let refused = forge.merge(&merge(2, &two, MergeMethod::Merge)).await;
    assert!(matches!(&refused, Err(ForgeError::Busy { .. })), "{refused:?}");
    fs::remove_file(lab.repo().join(".git/index.lock")).expect("a file");
    write(&lab.repo(), "README", "changed by somebody, and not by the merge\n");
    forge.merge(&merge(2, &two, MergeMethod::Squash)).await.expect("it merges");
    assert_eq!(fs::read_to_string(lab.repo().join("b")).expect("a file"), "2\n");
    assert_eq!(git(&lab.repo(), &["status", "--porcelain"]), " M README\n?? untracked");
    assert_eq!(lab.vcs.remove(&lab.remove_spec("t2")).await, Ok(()), "the forge keeps a squashed head");
}

#[tokio::test]
async fn a_base_is_not_moved_under_a_persons_rebase_or_bisect() {
    let lab = Lab::alone().await;
    commit(&lab.repo(), "README", "two\n", "two");
    commit(&lab.repo(), "README", "three\n", "three");
    let forge = lab.forge().await;
    let tip = lab.pushed("t1", "a", "1\n").await;
    forge.open(&pull("t1", &tip)).await.expect("it opens");
    let before = head(&lab.repo());
    let begins: [&[&str]; 2] = [
        &["-c", "sequence.editor=sed -i 1s/pick/edit/", "rebase", "-q", "-i", "HEAD~2"],
        &["bisect", "start", "HEAD", "HEAD~2"],
    ];
    let ends: [&[&str]; 2] = [&["-c", "core.editor=true", "rebase", "--continue"], &["bisect", "reset"]];
    for (begin, end) in begins.into_iter().zip(ends) {
        git(&lab.repo(), begin);
        let refused = forge.merge(&merge(1, &tip, MergeMethod::Merge)).await;
        assert!(
            matches!(&refused, Err(ForgeError::Busy { why }) if why.contains("of its base is under way")),
            "{refused:?}"
        );
        assert_eq!(git(&lab.repo(), &["rev-parse", "main"]), before.as_str());
        git(&lab.repo(), end);
    }
    forge.merge(&merge(1, &tip, MergeMethod::Merge)).await.expect("it merges");
}

#[tokio::test]
async fn merged_is_what_is_in_the_base_whatever_the_file_says() {
    let lab = Lab::new().await;
    let forge = lab.forge().await;
    let tip = lab.pushed("t1", "a", "1\n").await;
    forge.open(&pull("t1", &tip)).await.expect("it opens");
    let file = lab.root.join("pulls.json");
    let text = fs::read_to_string(&file).expect("a file").replace("\"open\"", "\"merged\"");
    fs::write(&file, text).expect("a file");
    let seen = forge.find(&[branch("task/t1")]).await.expect("it finds");
    assert_eq!(seen[0].state, PullState::Open, "nobody merged it");
    forge.merge(&merge(1, &tip, MergeMethod::Merge)).await.expect("it merges");
    git(&lab.origin(), &["update-ref", "refs/heads/main", "main~1"]);
    let seen = forge.find(&[branch("task/t1")]).await.expect("it finds");
    assert_eq!(seen[0].state, PullState::Open, "the base was set back");
}

#[tokio::test]
async fn histories_without_a_common_commit_are_said_and_not_waited_for() {
    let lab = Lab::new().await;
    let forge = lab.forge().await;
    let tip = lab.pushed("t1", "a", "1\n").await;
    forge.open(&pull("t1", &tip)).await.expect("it opens");
    let orphan =
        git(&lab.origin(), &["-c", "user.name=A", "-c", "user.email=a@b", "commit-tree", "main^{tree}", "-m", "anew"]);
    git(&lab.origin(), &["update-ref", "refs/heads/main", &orphan]);
    let seen = forge.find(&[branch("task/t1")]).await.expect("it finds");
    assert_eq!(seen[0].merge_state, MergeState::Dirty);
    let refused = forge.merge(&merge(1, &tip, MergeMethod::Merge)).await;
    assert!(
        matches!(&refused, Err(ForgeError::NeedsPerson { why, .. }) if why.contains("unrelated histories")),
        "{refused:?}"
    );
}

#[tokio::test]
async fn records_of_others_survive_and_damage_needs_a_person() {
    let lab = Lab::new().await;
    let forge = lab.forge().await;
    let file = lab.root.join("pulls.json");
    let theirs = r#"{"note":"x","pulls":[{"number":41,"head":"old","base":"main","title":"t","body":"","state":"closed","labels":["l"]}]}"#;
    fs::write(&file, theirs).expect("a file");
    let tip = lab.pushed("t1", "a", "1\n").await;
    assert_eq!(forge.open(&pull("t1", &tip)).await.map(|pull| pull.number), Ok(PullNumber(42)));
    let kept: serde_json::Value = serde_json::from_slice(&fs::read(&file).expect("a file")).expect("JSON");
    assert_eq!((&kept["note"], &kept["pulls"][0]["labels"][0]), (&"x".into(), &"l".into()));
    fs::write(&file, "{\"pulls\":[").expect("a file");
    let refused = forge.find(&[branch("task/t1")]).await;
    assert!(matches!(refused, Err(ForgeError::NeedsPerson { .. })), "{refused:?}");
    assert_eq!(fs::read_to_string(&file).expect("a file"), "{\"pulls\":[", "nothing is overwritten");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_at_once_get_one_pull_request_each() {
    let lab = Lab::new().await;
    let mut tips = Vec::new();
    for id in ["t1", "t2", "t3"] {
        tips.push((id, lab.pushed(id, id, "x\n").await));
    }
    let mut tasks = tokio::task::JoinSet::new();
    for round in 0..12 {
        let (id, tip) = tips[round % 3].clone();
        let forge = lab.forge().await;
        tasks.spawn(async move { (id, forge.open(&pull(id, &tip)).await.expect("it opens").number) });
    }
    let mut numbers = std::collections::BTreeMap::new();
    while let Some(result) = tasks.join_next().await {
        let (id, number) = result.expect("no panic");
        assert_eq!(*numbers.entry(id).or_insert(number), number);
    }
    assert_eq!(
        numbers.into_values().map(|number| number.0).collect::<std::collections::BTreeSet<_>>(),
        [1, 2, 3].into()
    );
    let tip = commit(&lab.tree("t1"), "t1", "y\n", "more");
    assert!(lab.forge().await.merge(&merge(9, &tip, MergeMethod::Merge)).await.is_err());
}
