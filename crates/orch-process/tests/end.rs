//! Ending a launch's processes, on real processes.
#![cfg(target_os = "linux")]

use std::process::Stdio;
use std::time::Duration;

use orch_core::base::{LaunchId, Millis};
use orch_core::ports::ProcessId;
use orch_process::{Exit, Mark, Signal, Target, alive, identify, signal};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

const PATIENCE: Millis = Millis(5000);

/// A script in a session of its own; whatever is left of it is killed when dropped.
struct Launch {
    child: Child,
    leader: ProcessId,
    children: Vec<ProcessId>,
    all: Target,
}

impl Drop for Launch {
    fn drop(&mut self) {
        for process in self.all.processes() {
            signal(&process, Signal::KILL);
        }
    }
}

/// Starts a script that prints its own pid and those of so many children, one a line.
async fn start(script: &str, launch: u64, worktree: &str, children: usize) -> Launch {
    let mut child = Command::new("setsid")
        .args(["-w", "sh", "-c", script])
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("ORCH_LAUNCH", launch.to_string())
        .env("ORCH_WORKTREE", worktree)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .expect("setsid starts");
    let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    let mut found = Vec::new();
    for _ in 0..=children {
        let line = timeout(Duration::from_secs(10), lines.next_line()).await.expect("in time").expect("readable");
        let pid = line.expect("a pid").trim().parse().expect("a number");
        found.push(identify(pid).expect("it lives"));
    }
    let all = target(None, launch, &[("ORCH_WORKTREE", worktree)]);
    Launch { child, leader: found.remove(0), children: found, all }
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
    let one = start(script, 7001, "/w/one", 3).await;
    let other = start("echo $$; exec sleep 600", 7001, "/w/two", 0).await;
    let all = target(Some(&one.leader), 7001, &[]);
    assert!(all.processes().len() >= 4, "{:?}", all.processes());
    assert!(all.kill(PATIENCE).await);
    for process in one.children.iter().chain([&one.leader]) {
        assert!(!alive(process), "{process:?}");
    }
    assert!(alive(&other.leader), "the same launch number in another worktree is another launch");
    assert!(target(Some(&other.leader), 7001, &[]).kill(PATIENCE).await);
}

#[tokio::test]
async fn a_dead_leaders_children_are_found_by_their_marks_only() {
    let mut launch = start("echo $$; setsid sleep 600 & echo $!; read -r end; exit 0", 7002, "/w/three", 1).await;
    drop(launch.child.stdin.take());
    launch.child.wait().await.expect("reaped");
    let (leader, child) = (&launch.leader, &launch.children[0]);
    assert!(!alive(leader));
    assert!(target(Some(leader), 7002, &[]).kill(PATIENCE).await, "nothing is proved to belong to it");
    assert!(target(Some(leader), 7002, &[("ORCH_WORKTREE", "/w/four")]).kill(PATIENCE).await);
    assert!(target(Some(leader), 7003, &[("ORCH_WORKTREE", "/w/three")]).kill(PATIENCE).await);
    assert!(alive(child), "other marks do not reach it");
    assert!(target(None, 7002, &[("ORCH_WORKTREE", "/w/three")]).kill(PATIENCE).await);
    assert!(!alive(child));
}

#[tokio::test]
async fn a_reused_pid_is_never_touched() {
    let launch = start("echo $$; exec sleep 600", 7004, "/w/five", 0).await;
    let earlier = ProcessId { started: launch.leader.started - 1, ..launch.leader.clone() };
    assert!(target(Some(&earlier), 7004, &[]).kill(PATIENCE).await, "the one meant is gone");
    assert!(target(Some(&earlier), 7004, &[]).ask());
    assert!(alive(&launch.leader));
    assert!(target(Some(&launch.leader), 7004, &[]).kill(PATIENCE).await);
}

#[tokio::test]
async fn asking_ends_the_willing_and_leaves_the_stubborn() {
    let one = start("echo $$; exec sleep 600", 7005, "/w/six", 0).await;
    let two = start("trap '' HUP TERM; echo $$; while :; do sleep 0.1; done", 7006, "/w/six", 0).await;
    let (willing, stubborn) = (&one.leader, &two.leader);
    let exit = Exit::watch(willing).expect("it lives");
    assert!(!target(Some(willing), 7005, &[]).ask());
    timeout(Duration::from_secs(5), exit.wait()).await.expect("it ends");
    assert!(target(Some(willing), 7005, &[]).ask(), "nobody is left to ask");
    assert!(!target(Some(stubborn), 7006, &[]).ask());
    assert!(alive(stubborn));
    assert!(target(Some(stubborn), 7006, &[]).kill(PATIENCE).await);
    assert!(!alive(stubborn));
}
