//! The verbs that read: real binary, no agents, no orchestrator.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

const MANIFEST: &str = r#"{"project":"demo","forge":"local","phases":[
  {"name":"One","tasks":[{"id":"t1","title":"First \u001b[31m","files":["a.js"]},
                         {"id":"t2","files":["a.js"],"dependsOn":["t1"]}]},
  {"name":"Two","tasks":[{"id":"t3"}]}]}"#;

fn orch(cwd: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_orch"));
    command.args(args).current_dir(cwd).stdin(Stdio::null());
    command.env("XDG_CONFIG_HOME", cwd).env_remove("ORCH_WORKDIR");
    command.output().expect("orch runs")
}

fn git(cwd: &Path, args: &[&str]) {
    let identity = ["-c", "user.name=me", "-c", "user.email=me@localhost"];
    let status = Command::new("git").args(identity).args(args).current_dir(cwd).status();
    assert!(status.expect("git runs").success(), "git {args:?}");
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {output:?}"))
}

/// A repository with a commit and a workdir for it, with a manifest of three tasks.
fn workplace() -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a directory");
    git(dir.path(), &["init", "-q", "-b", "main"]);
    git(dir.path(), &["commit", "-q", "--allow-empty", "-m", "one"]);
    let init = orch(dir.path(), &["init", "--agent", "shell"]);
    assert!(init.status.success(), "{init:?}");
    std::fs::write(dir.path().join(".orch/manifest.json"), MANIFEST).expect("written");
    dir
}

#[test]
fn init_makes_a_private_workdir_that_git_does_not_see_and_never_twice() {
    use std::os::unix::fs::PermissionsExt;

    let dir = workplace();
    let mode = std::fs::metadata(dir.path().join(".orch")).expect("there").permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    let status = Command::new("git").args(["status", "--porcelain"]).current_dir(dir.path()).output().expect("git");
    assert!(status.stdout.is_empty(), "{status:?}");
    assert_eq!(orch(dir.path(), &["init"]).status.code(), Some(2));
    assert_eq!(std::fs::read_to_string(dir.path().join(".orch/manifest.json")).expect("there"), MANIFEST);
}

#[test]
fn init_clones_into_a_place_of_its_own() {
    let dir = workplace();
    git(dir.path(), &["clone", "-q", "--bare", ".", "origin.git"]);
    let made = orch(dir.path(), &["--json", "init", "--repo", "origin.git"]);
    assert_eq!(made.status.code(), Some(0), "{made:?}");
    assert!(dir.path().join("origin.orch/repo/.git").exists());
    assert_eq!(json(&made)["project"], "origin");
    git(dir.path(), &["remote", "add", "origin", "https://gitlab.com/me/it.git"]);
    std::fs::remove_dir_all(dir.path().join(".orch")).expect("removed");
    let refused = orch(dir.path(), &["init"]);
    assert_eq!(refused.status.code(), Some(2), "{refused:?}");
    assert!(!dir.path().join(".orch").exists());
}

#[test]
fn status_why_and_report_read_the_manifest_before_there_is_a_journal() {
    let dir = workplace();
    let below = dir.path().join("src/deep");
    std::fs::create_dir_all(&below).expect("made");
    let status = json(&orch(&below, &["status", "--json"]));
    assert_eq!(status["orchestrator"]["running"], false);
    assert_eq!(status["tasks"][1]["blockedBy"][0]["kind"], "dependsOn");
    assert_eq!(status["tasks"][2]["blockedBy"].as_array().map(Vec::len), Some(2));
    let text = String::from_utf8(orch(&below, &["status"]).stdout).expect("UTF-8");
    assert!(!text.contains('\u{1b}'), "{text}");
    let why = json(&orch(&below, &["why", "t2", "--json"]));
    let wait = "t1 (dependsOn; both touch a.js); until it is complete, or skipped by `orch skip`";
    assert_eq!(why["waits"][0], wait);
    assert_eq!(json(&orch(&below, &["report", "--json"]))["tasks"].as_array().map(Vec::len), Some(3));
    assert_eq!(orch(&below, &["why", "t9"]).status.code(), Some(2));
    assert_eq!(orch(&below, &["logs", "t1"]).status.code(), Some(2));
}

#[test]
fn validate_and_graph_answer_by_exit_code() {
    let dir = workplace();
    std::fs::write(dir.path().join("bad.json"), r#"{"project":"p","phases":[{"name":"x","tasks":[{"id":"-"}]}]}"#)
        .expect("written");
    let bad = orch(dir.path(), &["validate", "bad.json", "--json"]);
    assert_eq!(bad.status.code(), Some(2));
    let bad = json(&bad);
    assert_eq!((&bad["ok"], &bad["errors"][0]["line"]), (&Value::Bool(false), &Value::from(1)));
    assert_eq!(orch(dir.path(), &["validate"]).status.code(), Some(0));
    assert_eq!(json(&orch(dir.path(), &["graph", "--json"]))["waves"][0][0], "t1");
    assert_eq!(orch(dir.path(), &["graph", "bad.json"]).status.code(), Some(2));
    let dot = orch(dir.path(), &["graph", "--format", "dot"]);
    assert!(dot.stdout.starts_with(b"digraph"), "{dot:?}");
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let dir = workplace();
    let mut child = Command::new(env!("CARGO_BIN_EXE_orch"));
    child.args(["schema"]).current_dir(dir.path()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = child.spawn().expect("orch runs");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
}
