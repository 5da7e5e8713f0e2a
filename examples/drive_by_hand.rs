//! The loop in thirty lines: an engine, three ports, a journal in memory. The ports here are the
//! test kit's; bring your own.
//!
//! `cargo run --example drive_by_hand`

#![expect(clippy::print_stdout, reason = "an example shows its result by printing")]

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use orch_core::agents::AgentProfile;
use orch_core::base::{BranchName, Layout, Millis};
use orch_core::engine::{Config, Input, Orchestrator, Outlook, Ports, Seen};
use orch_core::heal::DefaultPolicy;
use orch_core::plan::{Manifest, Status};
use orch_core::state::State;
use orch_core::testkit::{Script, World};

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let world = World::new();
    world.on_launch(|_| {
        let commit = |world: &World, spec: &orch_core::ports::LaunchSpec| {
            world.repository().commit_files(&spec.cwd, "work", &[("done.txt", "yes")]);
        };
        Script::new().print("working").wait(Millis::from_secs(5)).work(commit).exit(0)
    });
    let ports =
        Ports { executor: Arc::new(world.executor()), vcs: Arc::new(world.vcs()), forge: Arc::new(world.forge()) };
    let manifest = br#"{"project": "example", "agent": "bot", "phases": [{"name": "one", "tasks": [{"id": "t1"}]}]}"#;
    let plan = Manifest::parse(manifest).expect("a good manifest").manifest.plan().clone();
    let mut engine = Orchestrator::new(State::default(), config(), Arc::new(DefaultPolicy)).expect("no cycle");

    let (mut journal, mut inputs) = (Vec::new(), VecDeque::new());
    inputs.push_back(Input::Seen(Seen::Plan { plan: Box::new(plan), states: Vec::new(), why: "by hand".into() }));
    let mut step = engine.start(&world.now());
    loop {
        journal.append(&mut step.records); // durable, in a real driver, before anything below
        for job in step.jobs(&engine) {
            inputs.extend(ports.carry_out(job, |draft| draft.spec(BTreeMap::new())).await);
        }
        if inputs.is_empty() && engine.outlook() != Outlook::Working {
            break;
        }
        if inputs.is_empty() {
            let deadline = engine.next_deadline(&world.now()).map_or(Millis::from_secs(1), |deadline| deadline.after);
            world.advance(deadline.min(Millis::from_secs(1))); // a real driver waits for events here
            inputs.push_back(Input::Seen(Seen::Stirred));
        }
        let input = inputs.pop_front().unwrap_or(Input::Tick);
        step = engine.handle(input, &world.now());
    }
    println!("{} records, {:?}", journal.len(), engine.outlook());
}

fn config() -> Config {
    let mut config = Config::new("example", Layout::new("/work"), BranchName::parse("main").expect("a branch name"));
    config.agents.insert("bot".into(), AgentProfile::of_command("bot", vec!["bot".into()]));
    (config.goal, config.auto_merge) = (Status::Merged, true);
    config
}
