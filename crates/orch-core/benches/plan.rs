//! What a large plan costs: `cargo bench -p orch-core --features testkit --bench plan`.

#![expect(clippy::disallowed_types, reason = "a bench measures time")]

use std::time::Instant;

use orch_core::plan::{Manifest, Plan, Projection, TaskGraph};
use orch_core::testkit::{planned, planned_task};

/// A linear congruential generator: the same plan on every machine.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap_or(0) % limit.max(1)
    }
}

fn plan(count: usize, files: impl Fn(&mut Dice, usize) -> Vec<String>, dependencies: usize) -> Plan {
    let mut dice = Dice(7);
    let tasks = (0..count).map(|number| {
        let before: Vec<String> = (0..dependencies.min(number)).map(|_| format!("t{}", dice.below(number))).collect();
        planned_task(&format!("t{number}"), 0, &files(&mut dice, number), &before)
    });
    planned(tasks.collect())
}

#[expect(clippy::print_stdout, reason = "a bench prints its figures")]
fn measure(name: &str, plan: &Plan) {
    let start = Instant::now();
    let graph = TaskGraph::build(plan).expect("acyclic");
    let built = start.elapsed();
    println!("{name}: build {built:?}, {} edges", graph.edges().len());
}

/// A manifest's text with everything that planners write.
fn manifest_text(count: usize) -> String {
    let mut dice = Dice(7);
    let task = |number: usize| {
        let files: Vec<String> = (0..3).map(|_| format!("src/f{}.rs", dice.below(5000))).collect();
        let depends_on: Vec<String> = (0..3.min(number)).map(|_| format!("t{}", dice.below(number))).collect();
        serde_json::json!({
            "id": format!("t{number}"), "issue": number + 1, "title": "Fix the thing", "files": files,
            "dependsOn": depends_on, "status": "pending", "worktree": null, "tmuxSession": null, "startedAt": null,
            "lastProgress": null, "completedAt": null, "prNumber": null,
        })
    };
    let tasks: Vec<serde_json::Value> = (0..count).map(task).collect();
    let document = serde_json::json!({"project": "bench", "phases": [{"name": "one", "tasks": tasks}]});
    format!("{document:#}")
}

#[expect(clippy::print_stdout, reason = "a bench prints its figures")]
fn measure_manifest(count: usize) {
    let text = manifest_text(count);
    let start = Instant::now();
    let anchor: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let serde = start.elapsed();
    drop(anchor);
    let start = Instant::now();
    let parsed = Manifest::parse(text.as_bytes()).expect("sound");
    let parse = start.elapsed();
    let start = Instant::now();
    let rendered = parsed.manifest.render(&Projection::default());
    println!(
        "{count} tasks, {} bytes: parse with graph {parse:?}, serde_json alone {serde:?}, render {:?}",
        rendered.len(),
        start.elapsed()
    );
}

/// Inputs made to hurt: time must stay linear.
#[expect(clippy::print_stdout, reason = "a bench prints its figures")]
fn measure_hostile(name: &str, text: &str) {
    let start = Instant::now();
    let problems =
        Manifest::parse(text.as_bytes()).map_or_else(|problems| problems.len(), |parsed| parsed.warnings.len());
    println!("{name}, {} bytes: {problems} problems in {:?}", text.len(), start.elapsed());
}

fn main() {
    measure_hostile("nested arrays", &"[".repeat(100_000_000));
    measure_hostile("array of numbers", &format!("{{\"phases\": [{}1]}}", "1,".repeat(20_000_000)));
    measure_hostile("one key two million times", &format!("{{{}\"a\":1}}", "\"a\":1,".repeat(2_000_000)));
    measure_hostile("one long string", &format!("{{\"project\": \"{}\"", "x".repeat(100_000_000)));
    for count in [1_000, 10_000, 100_000] {
        measure_manifest(count);
    }
    let random = |dice: &mut Dice, _| (0..3).map(|_| format!("src/f{}.rs", dice.below(5000))).collect();
    for count in [1_000, 10_000, 100_000] {
        measure(&format!("{count} tasks, 3 deps, 3 of 5000 files"), &plan(count, random, 3));
    }
    measure("100000 tasks, no deps, 3 of 5000 files", &plan(100_000, random, 0));
    let hub = |dice: &mut Dice, _| vec!["Cargo.toml".to_owned(), format!("src/f{}.rs", dice.below(50_000))];
    measure("100000 tasks through one hub file", &plan(100_000, hub, 0));
    let lanes =
        |dice: &mut Dice, number: usize| vec![format!("lane{}", number % 2), format!("src/f{}", dice.below(50_000))];
    measure("100000 tasks in two lanes", &plan(100_000, lanes, 0));
    let globs = |dice: &mut Dice, number: usize| {
        if number.is_multiple_of(100) {
            vec![format!("src/d{}/**/*.rs", dice.below(50))]
        } else {
            vec![format!("src/d{}/f{}.rs", dice.below(50), dice.below(1000))]
        }
    };
    measure("100000 tasks, one in a hundred a glob", &plan(100_000, globs, 1));
    let all = |dice: &mut Dice, number: usize| {
        if number.is_multiple_of(10) {
            vec!["**/*.rs".to_owned()]
        } else {
            vec![format!("src/f{}.rs", dice.below(100_000))]
        }
    };
    measure("100000 tasks, one in ten touches every .rs", &plan(100_000, all, 0));
    let distinct = |_: &mut Dice, number: usize| vec![format!("src/f{number}.rs"), format!("**/f{}.*", number % 20)];
    measure("20000 tasks with distinct files and 20 root globs", &plan(20_000, distinct, 0));
}
