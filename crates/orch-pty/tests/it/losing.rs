use orch_core::ports::{Executor, ExecutorEvent, SessionState};
use orch_process::{Signal, alive, signal};

use crate::world::{World, event, kill, ready, session};

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_host_is_told_and_its_survivors_can_be_ended() {
    let world = World::new();
    let pty = world.connect().await;
    let launched = ready(&world, &pty, 1, "trap '' HUP TERM; echo ready; while :; do sleep 1; done").await;
    let process = launched.process.expect("identified");
    let server = world.host();
    assert!(signal(&server, Signal::KILL));
    event(&pty, ExecutorEvent::Lost).await;
    assert_eq!(pty.list().await.expect("an empty list, not an error"), []);
    assert!(alive(&process), "it ignores hang-ups");
    assert!(pty.end(&kill(1, Some(process.clone()))).await.expect("ended"));
    assert!(!alive(&process));
    ready(&world, &pty, 2, "echo ready; exec sleep 600").await;
    assert_eq!(session(&pty, 2).await.map(|info| info.state), Some(SessionState::Running));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_launch_is_found_by_its_marks_alone() {
    let world = World::new();
    let pty = world.connect().await;
    let launched = ready(&world, &pty, 1, "trap '' HUP TERM; echo ready; while :; do sleep 1; done").await;
    let process = launched.process.expect("identified");
    signal(&world.host(), Signal::KILL);
    event(&pty, ExecutorEvent::Lost).await;
    let other = World::new();
    let elsewhere = other.connect().await;
    assert!(elsewhere.end(&kill(1, None)).await.expect("nothing there"));
    assert!(alive(&process), "another workdir's launch 1 is another launch");
    assert!(pty.end(&kill(1, None)).await.expect("ended"));
    assert!(!alive(&process));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_launch_done_again_ends_what_survived_of_it_first() {
    let world = World::new();
    let pty = world.connect().await;
    let script = "trap '' HUP TERM; echo ready; while :; do sleep 1; done";
    let first = ready(&world, &pty, 1, script).await.process.expect("identified");
    signal(&world.host(), Signal::KILL);
    event(&pty, ExecutorEvent::Lost).await;
    assert!(alive(&first), "it ignores hang-ups");
    let second = ready(&world, &pty, 1, script).await.process.expect("identified");
    assert!(!alive(&first), "two would run at once");
    assert!(alive(&second));
}
