use orch_core::base::Millis;
use orch_core::ports::{EndMode, EndSpec, Executor, ExitStatus, ProcessId, SessionState};
use orch_process::{alive, identify};

use crate::world::{World, exit_of, kill, ready, session};

#[tokio::test(flavor = "multi_thread")]
async fn exits_are_told_as_they_were() {
    let world = World::new();
    let pty = world.connect().await;
    let cases = [
        ("exit 0", Some(0), None),
        ("exit 7", Some(7), None),
        ("kill -9 $$; sleep 9", None, Some(9)),
        ("kill -15 $$; sleep 9", None, Some(15)),
        // The terminal closes long before the end.
        ("trap '' HUP; exec <&- >&- 2>&-; sleep 0.3; exit 4", Some(4), None),
        // A child holds the terminal open for long after the end.
        ("(trap '' HUP; exec sleep 600) & exit 3", Some(3), None),
    ];
    for (launch, (script, ..)) in (1..).zip(cases) {
        pty.launch(&world.script(launch, script)).await.expect("launched");
    }
    for (launch, (script, code, signal)) in (1..).zip(cases) {
        assert_eq!(exit_of(&pty, launch).await, ExitStatus { code, signal }, "{script}");
    }
    assert!(pty.end(&kill(6, None)).await.expect("its child is ended too"));
}

#[tokio::test(flavor = "multi_thread")]
async fn killing_ends_the_deaf_and_their_children_and_is_proved() {
    let world = World::new();
    let pty = world.connect().await;
    let script = "trap '' HUP INT TERM; setsid sh -c 'trap \"\" HUP TERM; echo $$ >child; exec sleep 600' </dev/null \
        >/dev/null 2>&1 & while [ ! -s child ]; do sleep 0.01; done; echo ready; exec sleep 600";
    let launched = ready(&world, &pty, 1, script).await;
    ready(&world, &pty, 2, "echo ready; exec sleep 600").await;
    let leader = launched.process.expect("identified");
    let child = String::from_utf8(world.read("child")).expect("text").trim().parse().expect("a pid");
    let child = identify(child).expect("it lives");
    let ask = EndSpec { mode: EndMode::Ask, ..kill(1, Some(leader.clone())) };
    assert!(!pty.end(&ask).await.expect("asked"));
    assert!(alive(&leader));
    assert!(pty.end(&kill(1, Some(leader.clone()))).await.expect("ended"));
    assert!(!alive(&leader) && !alive(&child));
    let info = session(&pty, 1).await.expect("still listed");
    assert_eq!(info.state, SessionState::Exited(ExitStatus { code: None, signal: Some(9) }));
    assert!(pty.end(&kill(1, Some(leader))).await.expect("again"));
    assert_eq!(session(&pty, 2).await.map(|info| info.state), Some(SessionState::Running));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_ended_agent_left_behind_is_ended_too() {
    let world = World::new();
    let pty = world.connect().await;
    let script = "setsid sh -c 'trap \"\" HUP TERM; echo $$ >child; exec sleep 600' </dev/null >/dev/null 2>&1 & \
        while [ ! -s child ]; do sleep 0.01; done; exit 0";
    let launched = pty.launch(&world.script(1, script)).await.expect("launched");
    exit_of(&pty, 1).await;
    let child = String::from_utf8(world.read("child")).expect("text").trim().parse().expect("a pid");
    let child = identify(child).expect("it outlived the agent");
    assert!(pty.end(&kill(1, launched.process)).await.expect("ended"));
    assert!(!alive(&child));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reused_pid_is_not_touched() {
    let world = World::new();
    let pty = world.connect().await;
    let launched = ready(&world, &pty, 1, "echo ready; exec sleep 600").await;
    let process = launched.process.expect("identified");
    let earlier = ProcessId { started: process.started - 1, ..process.clone() };
    let spec = EndSpec { patience: Millis(2000), ..kill(9, Some(earlier)) };
    assert!(pty.end(&spec).await.expect("the one meant is gone"));
    assert!(alive(&process));
}
