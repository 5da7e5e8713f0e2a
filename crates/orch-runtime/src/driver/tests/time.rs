use std::sync::Arc;
use std::time::{Duration, Instant};

use orch_core::agents::PromptVia;
use orch_core::base::{LaunchId, Millis, TaskId};
use orch_core::journal::UserVerb;
use orch_core::plan::Status;
use orch_core::ports::ExecutorEvent;
use orch_core::testkit::{Operation, Script, Step};
use serde_json::json;

use super::bench::Bench;
use super::panics::Talks;
use crate::Mode;
use crate::driver::{Ending, Request};
use crate::journal::NoFaults;

fn launch(bench: &Bench) -> LaunchId {
    let task = TaskId::parse("a").expect("an id");
    bench.state().tasks.get(&task).and_then(|task| Some(task.session.as_ref()?.launch)).expect("a session")
}

#[tokio::test]
async fn an_executor_that_never_falls_silent_holds_up_no_kill() {
    let mut bench = Bench::new(&json!([{"id": "a"}]));
    bench.limits.ask_grace = Millis(200);
    bench.world.on_launch(|_| Script::new().deaf().hang());
    let events = || async {
        tokio::task::yield_now().await;
        (1..500).map(|launch| ExecutorEvent::Output(LaunchId(launch))).collect()
    };
    bench.ports.executor = Arc::new(Talks { inner: bench.world.executor(), events });
    let process = bench.start();
    bench.wait_status("a", Status::Running).await;
    bench.wait("it has begun", |bench| !bench.world.running().is_empty()).await;
    bench.world.advance(Millis(10));
    let launch = launch(&bench);
    let asked = Instant::now();
    process.ask(Request::User { task: TaskId::parse("a").ok(), verb: UserVerb::Kill }).await;
    bench.wait("the deaf agent is gone", |bench| !bench.world.running().contains(&launch)).await;
    assert!(asked.elapsed() < Duration::from_secs(3), "it took {:?}", asked.elapsed());
    bench.see_out(process).await;
}

#[tokio::test]
async fn one_heartbeat_answers_a_prompt_that_stands_on_the_screen() {
    let bench = Bench::new(&json!([{"id": "a"}]));
    bench.world.on_launch(|_| Script::new().ask("Continue? [y/n] ", "y\r").print("going on").hang());
    assert_eq!(bench.see_out(bench.start_with(Mode::Pass, Arc::new(NoFaults))).await, Ending::Pass);
    assert_eq!(bench.world.typed(launch(&bench)), "y\r", "with the thresholds that users have");
}

#[tokio::test]
async fn one_heartbeat_pastes_and_enters_a_prompt() {
    let mut bench = Bench::new(&json!([{"id": "a", "prompt": "do it"}]));
    bench.via = PromptVia::Paste;
    let took = Step::listen(|typed| typed.ends_with('\r').then(|| vec![Step::Print("taken".to_owned()), Step::Hang]));
    bench.world.on_launch(move |_| Script::new().print("> ").step(Step::EchoTyping).step(took.clone()));
    assert_eq!(bench.see_out(bench.start_with(Mode::Pass, Arc::new(NoFaults))).await, Ending::Pass);
    let typed = bench.world.typed(launch(&bench));
    assert!(typed.contains("do it") && typed.ends_with('\r'), "{typed:?}");
}

#[tokio::test]
async fn a_heartbeat_does_not_wait_for_screens_that_never_stand_still() {
    let bench = Bench::new(&json!([{"id": "a"}]));
    bench.world.on_launch(|_| {
        let lines = (0..100_000).flat_map(|n| [Step::Print(format!("line {n}\n")), Step::Wait(Millis(100))]);
        lines.collect()
    });
    let begun = Instant::now();
    assert_eq!(bench.see_out(bench.start_with(Mode::Pass, Arc::new(NoFaults))).await, Ending::Pass);
    assert!(begun.elapsed() < Duration::from_secs(18), "{:?}", begun.elapsed());
    let begun = Instant::now();
    assert_eq!(bench.see_out(bench.start_with(Mode::Word, Arc::new(NoFaults))).await, Ending::Pass);
    assert!(begun.elapsed() < Duration::from_secs(3), "what a person said is done at once: {:?}", begun.elapsed());
}

#[tokio::test]
async fn a_person_s_kill_is_carried_out_by_the_process_that_was_told() {
    let mut bench = Bench::new(&json!([{"id": "a"}]));
    bench.limits.ask_grace = Millis(300);
    bench.world.on_launch(|_| Script::new().deaf().hang());
    let process = bench.start();
    bench.wait("it has begun", |bench| !bench.world.running().is_empty()).await;
    bench.wait_status("a", Status::Running).await;
    process.stop().await;
    bench.world.advance(Millis(10));
    let process = bench.start_with(Mode::Word, Arc::new(NoFaults));
    process.tell(Request::User { task: TaskId::parse("a").ok(), verb: UserVerb::Kill }).await;
    bench.see_out(process).await;
    assert_eq!(bench.world.running(), [], "it ignores what asks it to end, and is ended all the same");
    let ends = bench.world.calls().into_iter().filter(|call| call.operation == Operation::End).count();
    assert!(ends >= 2, "asked, then killed: {ends}");
}
