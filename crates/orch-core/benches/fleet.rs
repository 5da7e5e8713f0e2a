//! What the engine costs as plans grow: `cargo bench -p orch-core --features testkit --bench fleet`.
//!
//! Whole orchestrations in virtual time: agents commit at once, one in seven fails the first time, all
//! is merged. What the engine takes is told apart from what the world in memory takes.

#![expect(clippy::disallowed_types, reason = "a bench measures time")]

use std::collections::{BTreeMap, VecDeque};
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use orch_core::agents::AgentProfile;
use orch_core::base::{BranchName, Layout, Millis};
use orch_core::engine::{Config, Input, Orchestrator, Outlook, Ports, Seen, Step};
use orch_core::heal::DefaultPolicy;
use orch_core::plan::{Plan, Status};
use orch_core::state::State;
use orch_core::testkit::{Script, World, planned, planned_task};

/// Tasks that share a file run one after another: so many rows of them.
const LANES: usize = 40;

/// How many records are told apart from a large plan's whole run.
const SAMPLE: usize = 20_000;

struct Run {
    engine: Orchestrator,
    ports: Ports,
    world: World,
    inputs: VecDeque<Input>,
    records: usize,
    deciding: Duration,
}

fn lane(number: usize) -> String {
    format!("lane-{:02}.txt", number % LANES)
}

fn plan(count: usize) -> Plan {
    let none: &[&str] = &[];
    let mut plan = planned((0..count).map(|n| planned_task(&format!("t{n}"), 0, &[lane(n)], none)).collect());
    plan.settings.max_parallel = 16;
    plan
}

fn world() -> World {
    let world = World::new();
    world.on_launch(|spec| {
        let number: usize = spec.env["ORCH_TASK_ID"][1..].parse().expect("a number");
        if number.is_multiple_of(7) && spec.env["ORCH_ATTEMPT"] == "1" {
            return Script::new().exit(1);
        }
        Script::new().work(move |world, spec| {
            world.repository().commit_files(&spec.cwd, "work", &[(&lane(number), &spec.env["ORCH_TASK_ID"])]);
        })
    });
    world
}

impl Run {
    fn new() -> Self {
        let world = world();
        let ports =
            Ports { executor: Arc::new(world.executor()), vcs: Arc::new(world.vcs()), forge: Arc::new(world.forge()) };
        let base = BranchName::parse("main").expect("a branch name");
        let mut config = Config::new("bench", Layout::new("/work"), base);
        config.agents.insert("bot".into(), AgentProfile::of_command("bot", vec!["bot".into()]));
        (config.goal, config.auto_merge) = (Status::Merged, true);
        let engine = Orchestrator::new(State::default(), config, Arc::new(DefaultPolicy)).expect("no cycle");
        Self { engine, ports, world, inputs: VecDeque::new(), records: 0, deciding: Duration::ZERO }
    }

    fn decide(&mut self, decide: impl FnOnce(&mut Orchestrator, &World) -> Step) {
        let start = Instant::now();
        let step = decide(&mut self.engine, &self.world);
        self.deciding += start.elapsed();
        self.records += step.records.len();
        for job in step.jobs(&self.engine) {
            let done = self.ports.carry_out(job, |draft| draft.spec(BTreeMap::new()));
            self.inputs.extend(ready(done).expect("mocks do not wait"));
        }
    }

    /// Takes a plan in.
    fn begin(&mut self, plan: Plan) {
        self.decide(|engine, world| engine.start(&world.now()));
        let seen = Seen::Plan { plan: Box::new(plan), states: Vec::new(), why: "bench".into() };
        self.decide(|engine, world| engine.handle(Input::Seen(seen), &world.now()));
    }

    /// Goes on until all is merged, or for so many records.
    fn go_on(&mut self, records: usize) {
        let end = self.records.saturating_add(records);
        while self.records < end {
            if let Some(input) = self.inputs.pop_front() {
                self.decide(|engine, world| engine.handle(input, &world.now()));
                continue;
            }
            let start = Instant::now();
            let outlook = self.engine.outlook();
            let deadline = self.engine.next_deadline(&self.world.now()).map(|deadline| deadline.after);
            self.deciding += start.elapsed();
            if outlook != Outlook::Working {
                assert_eq!(outlook, Outlook::Goal);
                return;
            }
            self.world.advance(deadline.unwrap_or(Millis(1000)).min(Millis(1000)));
            self.inputs.extend([Input::Seen(Seen::Stirred), Input::Tick]);
        }
    }
}

/// The value of a future that does not wait.
fn ready<T>(future: impl Future<Output = T>) -> Option<T> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}

#[expect(clippy::print_stdout, reason = "a bench prints its figures")]
fn main() {
    println!("the first {SAMPLE} records of a large plan");
    for count in [1_000, 10_000, 100_000] {
        let mut run = Run::new();
        run.begin(plan(count));
        let taken_in = std::mem::take(&mut run.deciding);
        run.records = 0;
        run.go_on(SAMPLE);
        let each = run.deciding / u32::try_from(run.records).expect("small");
        println!("{count} tasks: taken in within {taken_in:?}, then {each:?} a record");
    }
    println!("whole fleets");
    for count in [1_000, 2_000, 4_000, 10_000] {
        let mut run = Run::new();
        let start = Instant::now();
        run.begin(plan(count));
        run.go_on(usize::MAX);
        println!(
            "{count} tasks: {:?} a task, {:?} a record ({} records); {:?} with the world",
            run.deciding / u32::try_from(count).expect("small"),
            run.deciding / u32::try_from(run.records).expect("small"),
            run.records,
            start.elapsed()
        );
    }
}
