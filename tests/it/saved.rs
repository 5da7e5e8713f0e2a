//! Uncommitted work outlives the agent that is killed and the worktree that is cleaned up.

use std::collections::BTreeMap;
use std::process::Command;

use camino::Utf8Path;
use serde_json::json;

use crate::fleet::Fleet;

/// What an agent leaves behind.
const CASES: [(&str, &str); 5] = [
    (
        "untracked and changed files",
        "printf 'new\\nfile' >untracked; printf 'changed\\r\\n' >README; mkdir -p deep/er; printf '\\001\\377' >deep/er/bytes; printf x >'a b\n\"c'; ln -s nowhere link; chmod +x untracked",
    ),
    (
        "a file that is staged, then changed again",
        "printf staged >both; git add both; printf 'and more' >both; printf only >staged; git add staged",
    ),
    ("staged only, then deleted", "printf only >gone; git add gone; rm gone; rm README"),
    (
        "a merge half done",
        "git checkout -q -b other; printf theirs >README; git commit -qam theirs\n\
         git checkout -q -; printf ours >README; git commit -qam ours; git merge -q other || true\n\
         printf resolving >README",
    ),
    (
        "a detached HEAD with a commit of its own",
        "git checkout -q --detach; printf lonely >lonely; git add lonely; git commit -qm lonely; printf dirt >dirt",
    ),
];

/// Every file of a worktree with its bytes, what git says of them, and what is being merged.
fn contents(fleet: &Fleet, tree: &str) -> (BTreeMap<String, Vec<u8>>, Vec<String>) {
    let root = fleet.root.join(tree);
    let (mut files, mut rooms) = (BTreeMap::new(), vec![root.clone()]);
    while let Some(room) = rooms.pop() {
        for entry in room.read_dir_utf8().expect("a directory").flatten() {
            let (path, kind) = (entry.path().to_owned(), entry.file_type().expect("a kind"));
            let bytes = || std::fs::read(&path).expect("a file");
            let link = || path.read_link_utf8().expect("a link").into_string().into_bytes();
            match entry.file_name() {
                ".git" => {}
                _ if kind.is_dir() => rooms.push(path),
                _ => {
                    let name = path.strip_prefix(&root).expect("below").to_string();
                    files.insert(name, if kind.is_symlink() { link() } else { bytes() });
                }
            }
        }
    }
    let asked: [&[&str]; 4] = [
        &["status", "--porcelain", "-z"],
        &["ls-files", "--stage", "-z"],
        &["rev-parse", "HEAD"],
        &["for-each-ref", "--format=%(refname)", "refs/heads/nowhere"],
    ];
    let mut told: Vec<String> = asked.iter().map(|args| fleet.git(tree, args)).collect();
    let merge = Utf8Path::new(&fleet.git(tree, &["rev-parse", "--git-path", "MERGE_HEAD"])).to_owned();
    told.push(std::fs::read_to_string(root.join(merge)).unwrap_or_default());
    (files, told)
}

/// Restores saved work as the README says, into `look` beside the clone.
fn restore(fleet: &Fleet, reference: &str, place: &str) {
    let readme = include_str!("../../README.md");
    let script = readme.split("```").find_map(|block| block.strip_prefix("sh\nset -e; ref=$1")).expect("a script");
    fleet.write("restore.sh", format!("set -e; ref=$1{script}").as_bytes());
    let mut sh = Command::new("sh");
    sh.args(["../../restore.sh", reference, &format!("../../{place}")]).current_dir(fleet.root.join("w/repo"));
    let done = fleet.surround(&mut sh).output().expect("a shell");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

#[test]
fn what_a_killed_agent_left_comes_back_byte_for_byte() {
    for (what, script) in CASES {
        let fleet = Fleet::new(&json!({"phases": [{"name": "one", "tasks": [{"id": "t1"}]}]}));
        fleet.plan("t1", &format!("{script}\ntouch \"$out/ready\"\nhold never"));
        let run = fleet.start(&["run", "--until", "merged"]);
        fleet.wait("the work is there", |fleet| fleet.root.join("out/ready").exists());
        let agent = fleet.stamps()[0].pid;
        let before = contents(&fleet, "w/task-t1");
        fleet.orch_exits(&["kill", "t1"], 0);
        run.end().assert_code(3, &fleet.workdir());
        assert!(!fleet.is_agent(agent), "{what}: the agent is gone");
        let refs = fleet.git("w/repo", &["for-each-ref", "--format=%(refname)", "refs/orch/saved"]);
        assert_eq!(refs, "refs/orch/saved/t1/1", "{what}");
        assert_eq!(fleet.audit().task("t1").work.saved, ["refs/orch/saved/t1/1"], "{what}");

        fleet.orch_exits(&["cleanup"], 0);
        assert!(!fleet.workdir().join("task-t1").exists(), "{what}: what is saved may go");
        fleet.git("w/repo", &["reflog", "expire", "--expire=now", "--all"]);
        fleet.git("w/repo", &["gc", "--quiet", "--prune=now"]);
        restore(&fleet, &refs, "look");
        assert_eq!(contents(&fleet, "look"), before, "{what}");
    }
}

#[test]
fn cleanup_saves_what_nobody_saved_and_a_purge_keeps_it() {
    let fleet = Fleet::new(&json!({"push": "complete", "phases": [{"name": "one", "tasks": [
        {"id": "t1", "files": ["a.txt"]}, {"id": "t2", "files": ["b.txt"]}, {"id": "t3", "files": ["c.txt"]}]}]}));
    fleet.plan("t1", "echo mine >a.txt; exit 1");
    fleet.plan("t2", "[ -e b.txt ] || work b.txt; exit 1");
    fleet.orch_exits(&["run", "--until", "merged"], 3);
    fleet.write("w/task-t1/later.txt", b"a person's");
    fleet.write("w/task-t2/later.txt", b"a person's too");
    let cleared = fleet.json(&["cleanup"]);
    assert_eq!((&cleared["kept"], &cleared["removed"]), (&json!([]), &json!(["t1", "t2"])), "{cleared}");
    assert_eq!(cleared["saved"], json!(["refs/orch/saved/t1/3-2", "refs/orch/saved/t2/3"]), "{cleared}");
    let show = |what: &str| fleet.git("w/repo", &["show", what]);
    assert_eq!(show("refs/orch/saved/t1/3-2:later.txt"), "a person's");
    assert_eq!(show("refs/orch/saved/t1/3:a.txt"), "mine");
    assert_eq!(
        (show("task/t2:b.txt"), show("refs/orch/saved/t2/3:later.txt")),
        ("t2 1".into(), "a person's too".into())
    );
    assert!(fleet.orch_exits(&["cleanup", "--purge"], 3).said.contains("refs/orch/saved/t1/3"));

    for reference in fleet.git("w/repo", &["for-each-ref", "--format=%(refname)", "refs/orch/saved"]).lines() {
        fleet.git("w/repo", &["update-ref", "-d", reference]);
    }
    let spared = fleet.orch_exits(&["cleanup", "--purge"], 3);
    assert!(spared.said.contains("refs/orch/saved") || spared.said.contains("task/t2"), "{}", spared.said);
    assert_eq!(show("task/t2:b.txt"), "t2 1", "a commit that was never pushed stays");
    audit_retry(&fleet);
}

/// What was cleaned up is made anew by a retry, on the branch as it was left.
fn audit_retry(fleet: &Fleet) {
    fleet.plan("t1", "work a.txt");
    fleet.plan("t2", "grep -q 't2 1' b.txt; work b.txt");
    for task in ["t1", "t2"] {
        fleet.orch(&["retry", task]);
    }
    fleet.orch_exits(&["run", "--until", "merged"], 0);
    let journal = fleet.audit();
    assert!(
        journal.statuses().values().all(|status| *status == orch::core::plan::Status::Merged),
        "{:?}",
        journal.statuses()
    );
}
