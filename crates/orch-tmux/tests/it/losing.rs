use orch_core::base::LaunchId;
use orch_core::ports::{Executor, ExecutorEvent, SessionInput, SessionState};
use orch_process::{Signal, alive, identify, signal};

use crate::world::{World, event, kill, ready, session, until};

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_server_is_told_and_its_survivors_can_be_ended() {
    let world = World::new();
    let tmux = world.connect().await;
    let launched = ready(&world, &tmux, 1, "trap '' HUP TERM; echo ready; while :; do sleep 1; done").await;
    let process = launched.process.expect("identified");
    let server = identify(world.server_pid()).expect("it lives");
    assert!(signal(&server, Signal::KILL));
    event(&tmux, ExecutorEvent::Lost).await;
    assert_eq!(tmux.list().await.expect("an empty list, not an error"), []);
    assert!(alive(&process), "it ignores hang-ups");
    assert!(tmux.end(&kill(1, Some(process.clone()))).await.expect("ended"));
    assert!(!alive(&process));
    ready(&world, &tmux, 2, "echo ready; exec sleep 600").await;
    assert_eq!(session(&tmux, 2).await.map(|info| info.state), Some(SessionState::Running));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_launch_is_found_by_its_marks_alone() {
    let world = World::new();
    let tmux = world.connect().await;
    let launched = ready(&world, &tmux, 1, "trap '' HUP TERM; echo ready; while :; do sleep 1; done").await;
    let process = launched.process.expect("identified");
    signal(&identify(world.server_pid()).expect("it lives"), Signal::KILL);
    event(&tmux, ExecutorEvent::Lost).await;
    let other = World::new();
    let elsewhere = other.connect().await;
    assert!(elsewhere.end(&kill(1, None)).await.expect("nothing there"));
    assert!(alive(&process), "another workdir's launch 1 is another launch");
    assert!(tmux.end(&kill(1, None)).await.expect("ended"));
    assert!(!alive(&process));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_launch_done_again_ends_what_survived_of_it_first() {
    let world = World::new();
    let tmux = world.connect().await;
    let script = "trap '' HUP TERM; echo ready; while :; do sleep 1; done";
    let first = ready(&world, &tmux, 1, script).await.process.expect("identified");
    signal(&identify(world.server_pid()).expect("it lives"), Signal::KILL);
    event(&tmux, ExecutorEvent::Lost).await;
    assert!(alive(&first), "it ignores hang-ups");
    let second = ready(&world, &tmux, 1, script).await.process.expect("identified");
    assert!(!alive(&first), "two would run at once");
    assert!(alive(&second));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_connection_is_made_anew_and_nothing_is_lost() {
    let world = World::new();
    let tmux = world.connect().await;
    ready(&world, &tmux, 1, "echo ready; while read -r l; do echo \"got $l\"; done").await;
    for round in 0..3 {
        let client = world.ask_tmux(&["list-clients", "-F", "#{client_pid}"]).parse().expect("one client");
        let client = identify(client).expect("it lives");
        assert!(signal(&client, Signal::KILL));
        until("the client's end", || async { (!alive(&client)).then_some(()) }).await;
        let text = SessionInput { text: Some(format!("round {round}\n")), keys: Vec::new() };
        until("a way to type", || async { tmux.input(LaunchId(1), &text, None).await.ok() }).await;
        event(&tmux, ExecutorEvent::Output(LaunchId(1))).await;
    }
    assert_eq!(session(&tmux, 1).await.map(|info| info.state), Some(SessionState::Running));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_keeper_that_somebody_killed_is_made_anew() {
    let world = World::new();
    let tmux = world.connect().await;
    ready(&world, &tmux, 1, "echo ready; while read -r l; do echo \"got $l\"; done").await;
    world.tmux(&["kill-session", "-t", "=orch-keeper"]);
    until("the keeper", || async { world.tmux(&["has-session", "-t", "=orch-keeper"]).status.success().then_some(()) })
        .await;
    until("its link", || async {
        let linked = world.ask_tmux(&["list-windows", "-t", "=orch-keeper", "-F", "x"]);
        (linked.lines().count() == 2).then_some(())
    })
    .await;
    world.tmux(&["send-keys", "-t", "=task-t1-1:", "x", "Enter"]);
    event(&tmux, ExecutorEvent::Output(LaunchId(1))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_that_was_swept_away_is_brought_back() {
    let world = World::new();
    let first = world.connect().await;
    ready(&world, &first, 1, "echo ready; exec sleep 600").await;
    drop(first);
    std::fs::remove_file(world.path("orchestrator.sock")).expect("removed");
    let tmux = world.connect().await;
    assert_eq!(session(&tmux, 1).await.map(|info| info.state), Some(SessionState::Running));
}
