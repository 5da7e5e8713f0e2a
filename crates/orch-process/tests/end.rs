//! Ending a launch's processes, on real processes.
#![cfg(target_os = "linux")]

use std::process::Stdio;
use std::time::Duration;

use orch_core::{LaunchId, Millis, ProcessId};
use orch_process::{Exit, Mark, Target, alive, identify};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

const PATIENCE: Millis = Millis(5000);

/// Starts a script in a session of its own and returns it with the pids that it prints, one a line.
async fn start(script: &str, launch: u64, worktree: &str, pids: usize) -> (Child, ProcessId, Vec<ProcessId>) {
    let mut child = Command::new("setsid")
        .args(["-w", "sh", "-c", script])
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("ORCH_LAUNCH", launch.to_string())
        .env("ORCH_WORKTREE", worktree)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("setsid starts");
    let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    let mut found = Vec::new();
    for _ in 0..=pids {
        let line = timeout(Duration::from_secs(10), lines.next_line()).await.expect("in time").expect("readable");
        let pid = line.expect("a pid").trim().parse().expect("a number");
        found.push(identify(pid).expect("it lives"));
    }
    let leader = found.remove(0);
    (child, leader, found)
}

fn target(process: Option<&ProcessId>, launch: u64, marks: &[(&str, &str)]) -> Target {
    let marks = marks.iter().map(|(name, value)| Mark::Is((*name).to_owned(), (*value).to_owned())).collect();
    Target { process: process.cloned(), launch: LaunchId(launch), marks }
}

#[tokio::test]
async fn everything_a_launch_started_is_killed_and_nothing_else() {
    // A child that ignores hang-ups, one in a session of its own, and one that dropped its environment.
    let script = "echo $$
        (trap '' HUP TERM; while :; do sleep 1; done) & echo $!
        setsid sleep 600 & echo $!
        env -i sleep 600 & echo $!
        wait";
    let (_child, leader, children) = start(script, 7001, "/w/one", 3).await;
    let (_other, foreign, _) = start("echo $$; exec sleep 600", 7001, "/w/two", 0).await;
    let all = target(Some(&leader), 7001, &[]);
    assert!(all.processes().len() >= 4, "{:?}", all.processes());
    assert!(all.kill(PATIENCE).await);
    for process in children.iter().chain([&leader]) {
        assert!(!alive(process), "{process:?}");
    }
    assert!(alive(&foreign), "the same launch number in another worktree is another launch");
    assert!(target(Some(&foreign), 7001, &[]).kill(PATIENCE).await);
}

#[tokio::test]
async fn a_dead_leaders_children_are_found_by_their_marks_only() {
    let script = "echo $$; setsid sleep 600 & echo $!; exit 0";
    let (mut child, leader, children) = start(script, 7002, "/w/three", 1).await;
    child.wait().await.expect("reaped");
    assert!(!alive(&leader));
    assert!(target(Some(&leader), 7002, &[]).kill(PATIENCE).await, "nothing is proved to belong to it");
    assert!(target(Some(&leader), 7002, &[("ORCH_WORKTREE", "/w/four")]).kill(PATIENCE).await);
    assert!(target(Some(&leader), 7003, &[("ORCH_WORKTREE", "/w/three")]).kill(PATIENCE).await);
    assert!(alive(&children[0]), "other marks do not reach it");
    assert!(target(None, 7002, &[("ORCH_WORKTREE", "/w/three")]).kill(PATIENCE).await);
    assert!(!alive(&children[0]));
}

#[tokio::test]
async fn a_reused_pid_is_never_touched() {
    let (_child, leader, _) = start("echo $$; exec sleep 600", 7004, "/w/five", 0).await;
    let earlier = ProcessId { started: leader.started - 1, ..leader.clone() };
    assert!(target(Some(&earlier), 7004, &[]).kill(PATIENCE).await, "the one meant is gone");
    assert!(target(Some(&earlier), 7004, &[]).ask());
    assert!(alive(&leader));
    assert!(target(Some(&leader), 7004, &[]).kill(PATIENCE).await);
}

#[tokio::test]
async fn asking_ends_the_willing_and_leaves_the_stubborn() {
    let (_a, willing, _) = start("echo $$; exec sleep 600", 7005, "/w/six", 0).await;
    let (_b, stubborn, _) = start("trap '' HUP TERM; echo $$; while :; do sleep 0.1; done", 7006, "/w/six", 0).await;
    let exit = Exit::watch(&willing).expect("it lives");
    assert!(!target(Some(&willing), 7005, &[]).ask());
    timeout(Duration::from_secs(5), exit.wait()).await.expect("it ends");
    assert!(target(Some(&willing), 7005, &[]).ask(), "nobody is left to ask");
    assert!(!target(Some(&stubborn), 7006, &[]).ask());
    assert!(alive(&stubborn));
    assert!(target(Some(&stubborn), 7006, &[]).kill(PATIENCE).await);
    assert!(!alive(&stubborn));
}
