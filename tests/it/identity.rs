//! Whom commits are by, with and without an identity of the user's.

use orch::core::plan::Status;
use serde_json::json;

use crate::fleet::Fleet;

#[test]
fn commits_are_by_the_user_or_by_orch() {
    for (config, by, health) in [
        ("", "orch <orch@localhost>", "warning"),
        ("[user]\nname = Ann\nemail = ann@example.org\n", "Ann <ann@example.org>", "ok"),
    ] {
        let fleet = Fleet::new(&json!({"verify": ["sh", "check.sh"], "phases": [{"name": "one", "tasks": [
            {"id": "works", "files": ["a.txt"]}, {"id": "leaves", "files": ["b.txt"]},
            {"id": "next", "dependsOn": ["works", "leaves"]}]}]}));
        fleet.plan("leaves", "echo mine >b.txt");
        let (home, global) = (fleet.root.join("home"), fleet.root.join("home/.gitconfig"));
        fleet.write("home/.gitconfig", config.as_bytes());
        let env = [
            ("HOME", home.as_str()),
            ("GIT_CONFIG_GLOBAL", global.as_str()),
            ("GIT_CONFIG_NOSYSTEM", "1"),
            ("EMAIL", "nobody@example.org"),
        ];
        let ended = fleet.start_with(&["run", "--until", "merged"], &env).end();
        ended.assert_code(0, &fleet.workdir());
        let journal = fleet.audit();
        assert!(journal.statuses().values().all(|status| *status == Status::Merged), "{by}: {:?}", journal.statuses());
        assert_eq!(journal.remedies("leaves"), ["askCommit", "commit"], "orch itself commits too");
        let log = fleet.git("origin.git", &["log", "--format=%an <%ae>|%cn <%ce>|%s", "main"]);
        for line in log.lines().filter(|line| !line.ends_with("|seed")) {
            assert!(line.starts_with(&format!("{by}|{by}|")), "{by}: {log}");
        }
        assert!(log.lines().count() >= 7, "commits of agents, of orch and of merges: {log}");
        let doctor = fleet.start_with(&["doctor"], &env).end();
        let line = doctor.said.lines().find(|line| line.contains(" identity ")).unwrap_or_default();
        assert!(line.starts_with(health) && line.contains(by), "{by}: {}", doctor.said);
    }
}
