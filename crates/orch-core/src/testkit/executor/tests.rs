//! The mock keeps the contract that it is used to test others with, and does what scripts say.

use crate::base::id::LaunchId;
use crate::base::time::Millis;
use crate::ports::{EndMode, EndSpec, Executor, ExecutorError, ExecutorEvent, LaunchSpec, SessionInput, SessionState};
use crate::testkit::harness::{MockExecutorHarness, block_on};
use crate::testkit::{Failure, Operation, Script, Step, World, run_executor_contract};

#[test]
fn the_mock_keeps_the_contract() {
    let report =
        block_on(run_executor_contract(&MockExecutorHarness::default())).unwrap_or_else(|broken| panic!("{broken}"));
    assert_eq!(report.skipped, []);
    assert!(report.passed.len() > 50, "{report:?}");
}

fn spec(launch: u64) -> LaunchSpec {
    LaunchSpec {
        launch: LaunchId(launch),
        name: format!("task-{launch}"),
        argv: vec!["agent".to_owned()],
        cwd: "/w".into(),
        env: [("ORCH_TASK_ID".to_owned(), format!("t{launch}"))].into(),
        stdin: None,
        log: format!("/log-{launch}").into(),
        size: (80, 24),
    }
}

/// Launches 1 and 2 with the script, then gives the states after each of the spans.
fn timeline(script: impl Fn(&LaunchSpec) -> Script + Send + Sync + 'static, spans: &[u64]) -> String {
    let world = World::new();
    world.on_launch(script);
    let executor = world.executor();
    let mut lines = Vec::new();
    for launch in [1, 2] {
        block_on(executor.launch(&spec(launch))).expect("launch");
    }
    for span in spans {
        world.advance(Millis(*span));
        let seen = block_on(executor.list()).expect("list").into_iter().map(|info| {
            let text = block_on(executor.look(&[info.launch])).expect("look").remove(0).text;
            format!("{} {:?} {text:?}", info.launch, info.state)
        });
        lines.push(format!("{} {}", world.now().awake.0, seen.collect::<Vec<_>>().join(" | ")));
    }
    lines.join("\n")
}

#[test]
fn steps_are_played_in_virtual_time() {
    let script = |spec: &LaunchSpec| match spec.env["ORCH_TASK_ID"].as_str() {
        "t1" => Script::new().print("a\n").wait(Millis(100)).screen("b").wait(Millis(50)).exit(3),
        _ => Script::new().wait(Millis(120)).print("late").hang(),
    };
    insta::assert_snapshot!(timeline(script, &[0, 99, 1, 30, 1000]), @r#"
    0 1 Running "a\n" | 2 Running ""
    99 1 Running "a\n" | 2 Running ""
    100 1 Running "b" | 2 Running ""
    130 1 Running "b" | 2 Running "late"
    1130 1 Exited(ExitStatus { code: Some(3), signal: None }) "b" | 2 Running "late"
    "#);
}

#[test]
fn prompts_wait_for_their_answer() {
    let world = World::new();
    world.on_launch(|_| Script::new().ask("Continue? ", "y\r").print("on\n").step(Step::EchoTyping).hang());
    let executor = world.executor();
    block_on(executor.launch(&spec(1))).expect("launch");
    let text = || {
        world.advance(Millis(1));
        block_on(executor.look(&[LaunchId(1)])).expect("look").remove(0).text
    };
    let mut seen = vec![text()];
    for typed in ["n\r", "y", "\r", "draft"] {
        let input = SessionInput { text: Some(typed.to_owned()), keys: Vec::new() };
        block_on(executor.input(LaunchId(1), &input, None)).expect("input");
        seen.push(text());
    }
    assert_eq!(seen, ["Continue?", "Continue?", "Continue?", "Continue? on\n", "Continue? on\ndraft"]);
    assert_eq!(world.typed(LaunchId(1)), "n\ry\rdraft");
}

#[test]
fn faults_come_in_the_order_asked_for() {
    let world = World::new();
    world.fail(Operation::Launch, 1, Failure::Unreachable);
    world.fail(Operation::Launch, 1, Failure::Refused);
    world.fail(Operation::Launch, 1, Failure::AnswerLost);
    let executor = world.executor();
    let launch = || block_on(executor.launch(&spec(1)));
    assert!(matches!(launch(), Err(ExecutorError::Unavailable { .. })));
    assert!(matches!(launch(), Err(ExecutorError::Refused { .. })));
    assert_eq!(block_on(executor.list()), Ok(Vec::new()));
    assert!(matches!(launch(), Err(ExecutorError::Unavailable { .. })));
    assert_eq!(block_on(executor.list()).expect("list").len(), 1);
    world.fail(Operation::Input, 1, Failure::Ignored);
    world.fail(Operation::Input, 1, Failure::Stale);
    let input = SessionInput { text: Some("x".to_owned()), keys: Vec::new() };
    assert_eq!(block_on(executor.input(LaunchId(1), &input, None)), Ok(()));
    assert_eq!(block_on(executor.input(LaunchId(1), &input, None)), Err(ExecutorError::Stale { launch: LaunchId(1) }));
    assert_eq!(world.typed(LaunchId(1)), "");
    world.fail(Operation::End, 1, Failure::Ignored);
    let end = EndSpec { launch: LaunchId(1), process: None, mode: EndMode::Kill, patience: Millis(0) };
    assert_eq!([block_on(executor.end(&end)), block_on(executor.end(&end))], [Ok(false), Ok(true)]);
    assert_eq!(world.calls().iter().filter(|call| call.operation == Operation::Launch).count(), 3);
}

#[test]
fn losses_come_when_ordered() {
    let world = World::new();
    world.on_launch(|_| Script::new().wait(Millis(10)).exit(1));
    let executor = world.executor();
    world.lose_exit_status(LaunchId(1));
    block_on(executor.launch(&spec(1))).expect("launch");
    world.advance(Millis(10));
    let listed = block_on(executor.list()).expect("list");
    assert_eq!(listed[0].state, SessionState::Exited(crate::ports::ExitStatus::default()));
    world.lose_executor_in(Millis(5));
    block_on(executor.launch(&spec(2))).expect("launch");
    world.advance(Millis(5));
    assert_eq!(block_on(executor.list()), Ok(Vec::new()));
    let events = block_on(executor.events());
    assert_eq!(events, [ExecutorEvent::Exited(LaunchId(1)), ExecutorEvent::Lost]);
}
