//! Many sessions, much output, programs that do not read.

use std::time::{Duration, Instant};

use orch_core::base::LaunchId;
use orch_core::ports::{Executor, ExecutorError, SessionInput};
use orch_pty::{PtyExecutor, PtySettings, PtyState};

use crate::world::{World, exit_of, ready, session, shows, type_line, until};

/// Bytes of output; without optimisation the emulator takes a hundred times as long for each.
const FLOOD: u64 = if cfg!(debug_assertions) { 9_000_000 } else { 100_000_000 };

fn text(text: String) -> SessionInput {
    SessionInput { text: Some(text), keys: Vec::new() }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_sessions_start_and_are_listed_at_once() {
    let world = World::new();
    let pty = world.connect().await;
    let begun = Instant::now();
    let mut launches = tokio::task::JoinSet::new();
    for launch in 1..=200 {
        let (pty, spec) = (pty.clone(), world.script(launch, "echo ready; exec sleep 600"));
        launches.spawn(async move { pty.launch(&spec).await });
    }
    for launched in launches.join_all().await {
        launched.expect("launched");
    }
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(20), "200 starts took {took:?}");
    let begun = Instant::now();
    let sessions = pty.sessions().await.expect("listed");
    let took = begun.elapsed();
    assert_eq!(sessions.iter().filter(|session| session.state == PtyState::Running).count(), 200);
    assert!(took < Duration::from_secs(2), "the list took {took:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_one_session_neither_drowns_nor_grows_the_others() {
    let world = World::new();
    let settings = PtySettings { log_limit: FLOOD / 3 * 2, ..world.settings() };
    let pty = PtyExecutor::connect(settings).await.expect("connected");
    ready(&world, &pty, 1, "echo ready; while read -r l; do echo \"got $l\"; done").await;
    let flood = world.script(2, &format!("yes 'a line of a flood, of some length' | head -c {FLOOD}; echo over"));
    pty.launch(&flood).await.expect("launched");
    shows(&pty, 2, "flood").await;
    let mut slowest = Duration::ZERO;
    for round in 0..10 {
        let begun = Instant::now();
        type_line(&pty, 1, &format!("round {round}")).await;
        shows(&pty, 1, &format!("got round {round}")).await;
        slowest = slowest.max(begun.elapsed());
    }
    assert!(slowest < Duration::from_secs(3), "an echo took {slowest:?} beside the flood");
    assert_eq!(exit_of(&pty, 2).await.code, Some(0));
    let info = pty.sessions().await.expect("listed").remove(1);
    assert!(info.printed >= FLOOD, "{info:?}");
    let logged = ["2.log", "2.log.1"].map(|name| std::fs::metadata(world.path(name)).map_or(0, |meta| meta.len()));
    assert!(logged.iter().all(|size| *size <= FLOOD / 3 * 2), "{logged:?}");
    assert_eq!(logged.iter().sum::<u64>(), info.printed, "rotated, and nothing lost");
    let status = std::fs::read_to_string(format!("/proc/{}/status", world.host().pid)).expect("its status");
    let resident = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a size");
    let kilobytes: u64 = resident.trim().trim_end_matches(" kB").parse().expect("a number");
    assert!(kilobytes < 60_000, "the host took {kilobytes} kB");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_takes_nothing_holds_nobody_up() {
    if !std::path::Path::new("/dev/full").exists() {
        return;
    }
    let world = World::new();
    let pty = world.connect().await;
    let mut spec = world.script(1, "i=0; while [ $i -lt 2000 ]; do echo \"line $i\"; i=$((i+1)); done; exit 6");
    spec.log = "/dev/full".into();
    pty.launch(&spec).await.expect("launched");
    assert_eq!(exit_of(&pty, 1).await.code, Some(6));
    let info = pty.sessions().await.expect("listed").remove(0);
    assert!(info.log_lost == info.printed && info.printed > 10_000, "{info:?}");
    shows(&pty, 1, "line 1999").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_reader_gets_every_byte_of_a_long_prompt() {
    let world = World::new();
    let pty = world.connect().await;
    let script = "stty raw -echo; echo ready; while dd bs=700 count=1 >>typed 2>/dev/null; do sleep 0.03; done";
    ready(&world, &pty, 1, script).await;
    let prompt: String = (0..600).map(|line| format!("{line:04} it's $x `y`;\n")).collect();
    assert!(prompt.len() > 9_000);
    pty.input(LaunchId(1), &text(prompt.clone()), None).await.expect("typed");
    pty.input(LaunchId(1), &text("end".to_owned()), None).await.expect("typed");
    let wanted = format!("{prompt}end");
    until("the prompt", || async { (world.read("typed").len() >= wanted.len()).then_some(()) }).await;
    assert_eq!(String::from_utf8_lossy(&world.read("typed")), wanted);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_never_reads_is_an_error_in_bounded_time() {
    let world = World::new();
    let pty = world.connect().await;
    ready(&world, &pty, 1, "stty raw -echo; echo ready; exec sleep 600").await;
    let begun = Instant::now();
    let refused = pty.input(LaunchId(1), &text("x".repeat(200_000)), None).await.expect_err("it does not read");
    assert!(begun.elapsed() < Duration::from_secs(60), "{:?}", begun.elapsed());
    assert!(
        matches!(refused, ExecutorError::Refused { .. }) && refused.to_string().contains("does not read"),
        "{refused}"
    );
    // A line longer than a terminal's would be cut off without a word.
    ready(&world, &pty, 2, "echo ready; read -r l; exec sleep 600").await;
    let long = pty.input(LaunchId(2), &text("x".repeat(5000)), None).await.expect_err("too long");
    assert!(long.to_string().contains("4095"), "{long}");
    assert!(session(&pty, 2).await.is_some());
}
