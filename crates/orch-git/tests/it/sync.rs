use orch_core::base::Sha;
use orch_core::ports::{SyncSource, SyncSpec, Vcs, VcsError};

use crate::lab::{Lab, branch, git, head, write};

fn spec(lab: &Lab, id: &str, sources: &[(&str, &Sha, Option<&Sha>)]) -> SyncSpec {
    let source = |(label, tip, base): &(&str, &Sha, Option<&Sha>)| SyncSource {
        label: (*label).to_owned(),
        tip: (*tip).clone(),
        merge_base: base.cloned(),
        left_by: None,
    };
    let sources = sources.iter().map(source).collect();
    SyncSpec { worktree: lab.tree(id), branch: branch(&format!("task/{id}")), sources }
}

#[tokio::test]
async fn tips_are_merged_once_and_the_worktree_follows() {
    let lab = Lab::new().await;
    let own = lab.done("t1", "mine.txt", "m\n").await;
    let other = lab.done("t2", "two.txt", "2\n").await;
    lab.move_base("base.txt", "b\n");
    let base = lab.vcs.base_tip(&branch("main")).await.expect("a tip");
    write(&lab.tree("t1"), "untracked.txt", "stays\n");
    let sync = spec(&lab, "t1", &[("main", &base, None), ("t2", &other, None)]);
    let made = lab.vcs.sync(&sync).await.expect("it takes them in");
    assert_eq!(head(&lab.tree("t1")), made);
    for file in ["mine.txt", "two.txt", "base.txt", "untracked.txt"] {
        assert!(lab.tree("t1").join(file).exists(), "{file}");
    }
    let parents = git(&lab.tree("t1"), &["log", "--first-parent", "--format=%P", "-2"]);
    assert!(parents.ends_with(&format!("{own} {base}")), "the branch's own line comes first: {parents}");
    assert_eq!(git(&lab.tree("t1"), &["status", "--porcelain"]), "?? untracked.txt");
    assert_eq!(lab.vcs.sync(&sync).await, Ok(made));
}

#[tokio::test]
async fn a_squashed_predecessor_is_taken_in_by_its_old_tip() {
    let lab = Lab::new().await;
    let old = lab.done("t1", "src/a.txt", "1\n2 by t1\n3\n4\n5\n").await;
    let mut after = lab.spec("t2");
    after.predecessors = vec![crate::lab::predecessor("t1", &old)];
    lab.vcs.prepare(&after).await.expect("it prepares");
    lab.edit("t2", "src/a.txt", "1\n2 by t1, then t2\n3\n4\n5\n");
    lab.move_base("src/a.txt", "1\n2 by t1\n3\n4\n5\n");
    let base = lab.vcs.base_tip(&branch("main")).await.expect("a tip");
    let plain = lab.vcs.sync(&spec(&lab, "t2", &[("main", &base, None)])).await;
    let conflict = VcsError::Conflict { with: "main".to_owned(), files: vec!["src/a.txt".to_owned()] };
    assert_eq!(plain, Err(conflict), "history alone shows a conflict");
    lab.vcs.sync(&spec(&lab, "t2", &[("main", &base, Some(&old))])).await.expect("with the old tip it is clean");
    let text = std::fs::read_to_string(lab.tree("t2").join("src/a.txt")).expect("a file");
    assert_eq!(text, "1\n2 by t1, then t2\n3\n4\n5\n");
}

#[tokio::test]
async fn a_stack_takes_in_an_unfetched_squash_and_the_branch_between_that_took_it_in_too() {
    let lab = Lab::new().await;
    let lines = |last: usize| (1..=last).map(|n| format!("line of t{n}\n")).collect::<String>();
    let mut tips = Vec::new();
    for n in 1..=3 {
        let id = format!("t{n}");
        let mut spec = lab.spec(&id);
        spec.predecessors =
            tips.iter().enumerate().map(|(n, tip)| crate::lab::predecessor(&format!("t{}", n + 1), tip)).collect();
        lab.vcs.prepare(&spec).await.expect("it prepares");
        tips.push(lab.edit(&id, "f.txt", &lines(n)));
    }
    let squashed = lab.move_base("f.txt", &lines(1));
    let second = spec(&lab, "t2", &[("t1", &squashed, Some(&tips[0]))]);
    let grown = lab.vcs.sync(&second).await.expect("the second takes the squash in");
    let third = spec(&lab, "t3", &[("t1", &squashed, Some(&tips[0])), ("t2", &grown, Some(&tips[1]))]);
    let made = lab.vcs.sync(&third).await.expect("the third takes both in");
    let text = std::fs::read_to_string(lab.tree("t3").join("f.txt")).expect("a file");
    assert_eq!(text, lines(3));
    for tip in [&squashed, &grown] {
        assert_eq!(lab.vcs.contains(tip, &made).await, Ok(true));
    }
}

#[tokio::test]
async fn nothing_that_is_not_committed_is_touched() {
    let lab = Lab::new().await;
    let own = lab.done("t1", "mine.txt", "m\n").await;
    lab.move_base("README", "from the base\n");
    lab.move_base("new.txt", "from the base\n");
    let base = lab.vcs.base_tip(&branch("main")).await.expect("a tip");
    let sync = spec(&lab, "t1", &[("main", &base, None)]);
    let dirty = [("README", "dirty\n"), ("new.txt", "untracked, in the way\n")];
    for (file, text) in dirty {
        write(&lab.tree("t1"), file, text);
        let refused = lab.vcs.sync(&sync).await;
        assert!(matches!(refused, Err(VcsError::Unsafe { .. })), "{file}: {refused:?}");
        assert_eq!(head(&lab.tree("t1")), own);
        assert_eq!(std::fs::read_to_string(lab.tree("t1").join(file)).expect("a file"), text);
        git(&lab.tree("t1"), &["checkout", "--quiet", "."]);
    }
}
