use std::time::{Duration, Instant};

use orch_core::base::LaunchId;
use orch_core::ports::{Executor, ExecutorEvent};
use tokio::time::timeout;

use crate::world::{World, event, exit_of, kill, ready};

#[tokio::test(flavor = "multi_thread")]
async fn output_and_exit_are_announced_when_they_happen() {
    let world = World::new();
    let tmux = world.connect().await;
    let one = LaunchId(1);
    let launched = ready(&world, &tmux, 1, "echo ready; while read -r l; do echo \"got $l\"; done").await;
    event(&tmux, ExecutorEvent::Output(one)).await;
    while timeout(Duration::from_millis(100), tmux.events()).await.is_ok() {}
    world.tmux(&["send-keys", "-t", "=task-t1-1:", "x", "Enter"]);
    event(&tmux, ExecutorEvent::Output(one)).await;
    let process = launched.process.expect("identified");
    while timeout(Duration::from_millis(100), tmux.events()).await.is_ok() {}
    let begun = Instant::now();
    orch_process::signal(&process, orch_process::Signal::KILL);
    event(&tmux, ExecutorEvent::Exited(one)).await;
    let late = begun.elapsed();
    assert!(late < Duration::from_millis(50), "the exit was announced after {late:?}");
    assert_eq!(exit_of(&tmux, 1).await.signal, Some(9));
}

#[tokio::test(flavor = "multi_thread")]
async fn exits_that_nobody_waited_for_are_kept() {
    let world = World::new();
    let tmux = world.connect().await;
    for launch in 1..=20 {
        tmux.launch(&world.script(launch, "exit 0")).await.expect("launched");
    }
    let mut missing: Vec<LaunchId> = (1..=20).map(LaunchId).collect();
    while !missing.is_empty() {
        let events = timeout(Duration::from_secs(20), tmux.events()).await.expect("all exits are announced");
        missing.retain(|launch| !events.contains(&ExecutorEvent::Exited(*launch)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn silent_sessions_wake_nobody() {
    let world = World::new();
    let tmux = world.connect().await;
    for launch in 1..=10 {
        ready(&world, &tmux, launch, "echo ready; exec sleep 600").await;
    }
    while timeout(Duration::from_millis(200), tmux.events()).await.is_ok() {}
    assert!(timeout(Duration::from_millis(1500), tmux.events()).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn exits_of_an_earlier_executors_sessions_are_announced() {
    let world = World::new();
    let first = world.connect().await;
    let launched = ready(&world, &first, 1, "echo ready; exec sleep 600").await;
    drop(first);
    let tmux = world.connect().await;
    assert!(tmux.end(&kill(1, launched.process)).await.expect("ended"));
    event(&tmux, ExecutorEvent::Exited(LaunchId(1))).await;
}
