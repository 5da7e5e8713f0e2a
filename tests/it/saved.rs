//! Uncommitted work outlives the agent that is killed.

use serde_json::json;

use crate::fleet::Fleet;

/// What an agent leaves behind, and what of it `git` must give back from the saved ref.
struct Left {
    what: &'static str,
    script: &'static str,
    /// Paths and what they hold.
    files: &'static [(&'static str, &'static str)],
}

const CASES: [Left; 4] = [
    Left {
        what: "untracked and changed files",
        script: "printf 'new\\nfile' >untracked; printf changed >README; mkdir -p deep/er; printf '\\001\\377' >deep/er/bytes",
        files: &[("untracked", "new\nfile"), ("README", "changed"), ("deep/er/bytes", "\u{1}\u{fffd}")],
    },
    Left {
        what: "a file that is staged, then changed again",
        script: "printf staged >both; git add both; printf 'and more' >both; printf only >staged; git add staged",
        files: &[("both", "and more"), ("staged", "only")],
    },
    Left {
        what: "a merge half done",
        script: "git checkout -q -b other; printf theirs >README; git commit -qam theirs\n\
                 git checkout -q -; printf ours >README; git commit -qam ours; git merge -q other || true\n\
                 printf resolving >README",
        files: &[("README", "resolving")],
    },
    Left {
        what: "a detached HEAD with a commit of its own",
        script: "git checkout -q --detach; printf lonely >lonely; git add lonely; git commit -qm lonely; printf dirt >dirt",
        files: &[("lonely", "lonely"), ("dirt", "dirt")],
    },
];

#[test]
fn what_a_killed_agent_left_is_restored_from_its_saved_ref() {
    for Left { what, script, files } in CASES {
        let fleet = Fleet::new(&json!({"phases": [{"name": "one", "tasks": [{"id": "t1"}]}]}));
        fleet.plan("t1", &format!("{script}\ntouch \"$out/ready\"\nhold never"));
        let run = fleet.start(&["run", "--until", "merged"]);
        fleet.wait("the work is there", |fleet| fleet.root.join("out/ready").exists());
        let agent = fleet.stamps()[0].pid;
        fleet.orch_exits(&["kill", "t1"], 0);
        run.end().assert_code(3, &fleet.workdir());
        assert!(!fleet.is_agent(agent), "{what}: the agent is gone");
        let journal = fleet.audit();
        let refs = fleet.git("w/repo", &["for-each-ref", "--format=%(refname)", "refs/orch/saved"]);
        assert_eq!(refs, "refs/orch/saved/t1/1", "{what}");
        assert_eq!(journal.task("t1").saved, ["refs/orch/saved/t1/1"], "{what}");
        for (path, holds) in files {
            assert_eq!(fleet.git("w/repo", &["show", &format!("{refs}:{path}")]), *holds, "{what}: {path}");
        }
    }
}
