use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::plan::spec::TaskSpec;
use crate::testkit::{planned, planned_task};

fn id(text: &str) -> TaskId {
    TaskId::parse(text).expect("a task id")
}

/// A task from `PHASE ID: FILE FILE < DEPENDENCY DEPENDENCY`.
fn task(line: &str) -> TaskSpec {
    let (head, after) = line.split_once('<').unwrap_or((line, ""));
    let (name, files) = head.split_once(':').unwrap_or((head, ""));
    let (phase, name) = name.trim().split_once(' ').expect("phase and id");
    let files: Vec<&str> = files.split_whitespace().collect();
    let depends_on: Vec<&str> = after.split_whitespace().collect();
    planned_task(name, phase.parse().expect("a number"), &files, &depends_on)
}

fn plan(same_file: SameFile, lines: &str) -> Plan {
    let mut plan = planned(lines.lines().filter(|line| !line.trim().is_empty()).map(task).collect());
    plan.settings.same_file = same_file;
    plan
}

fn graph(lines: &str) -> TaskGraph {
    TaskGraph::build(&plan(SameFile::Serialize, lines)).expect("acyclic")
}

/// `from>to` for dependencies, `from~to` for files, with what they share.
fn edges(graph: &TaskGraph) -> String {
    let show = |edge: Edge<'_>| {
        let arrow = if edge.kind() == EdgeKind::File { '~' } else { '>' };
        format!("{}{arrow}{}[{}]", edge.from(), edge.to(), edge.files().join(","))
    };
    graph.edges().into_iter().map(show).collect::<Vec<_>>().join(" ")
}

const EXAMPLE: &str = "
    0 t1: ceo_root_manager.js
    0 t2: ceo_root_manager.js < t1
    0 t3: workspace_validator.js
    1 t4: kill_switch.js container_executor.js
    1 t5: kill_switch.js < t4
    1 t6: ceo_root_manager.js < t2
    1 t7: container_executor.js
    1 t8: container_executor.js egress_proxy.js < t7";

#[test]
fn the_example_is_drawn() {
    insta::assert_snapshot!(graph(EXAMPLE).to_text(), @r"
    8 tasks, 2 phases, at most 3 at once

    Rounds, by the earliest start
      1: t1, t3
      2: t2
      3: t4, t6
      4: t5, t7
      5: t8

    Order
      t2 after t1: dependsOn, and both touch ceo_root_manager.js
      t5 after t4: dependsOn, and both touch kill_switch.js
      t6 after t2: dependsOn, and both touch ceo_root_manager.js
      t7 after t4: both touch container_executor.js
      t8 after t7: dependsOn, and both touch container_executor.js

    Gates
      Phase 1 starts when all of Phase 0 is complete

    Critical path
      t1 -> t2 -> t4 -> t7 -> t8
    ");
    insta::assert_snapshot!(graph(EXAMPLE).to_dot(), @r#"
    digraph plan {
      rankdir=LR;
      node [shape=box];
      subgraph cluster_0 {
        label="Phase 0";
        "t1";
        "t2";
        "t3";
      }
      subgraph cluster_1 {
        label="Phase 1";
        "t4";
        "t5";
        "t6";
        "t7";
        "t8";
      }
      "t1" -> "t2" [style=solid, label="dependsOn, and both touch ceo_root_manager.js"];
      "t4" -> "t5" [style=solid, label="dependsOn, and both touch kill_switch.js"];
      "t2" -> "t6" [style=solid, label="dependsOn, and both touch ceo_root_manager.js"];
      "t4" -> "t7" [style=dashed, label="both touch container_executor.js"];
      "t7" -> "t8" [style=solid, label="dependsOn, and both touch container_executor.js"];
      gate_0 [shape=diamond, label="complete"];
      "t2" -> gate_0 [style=dotted];
      "t3" -> gate_0 [style=dotted];
      gate_0 -> "t4" [style=dotted];
      gate_0 -> "t6" [style=dotted];
    }
    "#);
    insta::assert_snapshot!(graph(EXAMPLE).to_mermaid(), @r#"
    flowchart LR
      subgraph p0["Phase 0"]
        n0["t1"]
        n1["t2"]
        n2["t3"]
      end
      subgraph p1["Phase 1"]
        n3["t4"]
        n4["t5"]
        n5["t6"]
        n6["t7"]
        n7["t8"]
      end
      n0 -->|"dependsOn, and both touch ceo_root_manager.js"| n1
      n3 -->|"dependsOn, and both touch kill_switch.js"| n4
      n1 -->|"dependsOn, and both touch ceo_root_manager.js"| n5
      n3 -.->|"both touch container_executor.js"| n6
      n6 -->|"dependsOn, and both touch container_executor.js"| n7
      g0{"complete"}
      n1 -.- g0
      n2 -.- g0
      g0 -.-> n3
      g0 -.-> n5
    "#);
}

#[test]
fn the_view_is_the_contract_s_json() {
    let view = serde_json::to_string(&graph("0 a: x.rs\n 0 b: ./x.rs\n 1 c < a").view()).expect("serialises");
    insta::assert_snapshot!(view, @r#"{"nodes":[{"id":"a","phase":0,"files":["x.rs"]},{"id":"b","phase":0,"files":["x.rs"]},{"id":"c","phase":1,"files":[]}],"edges":[{"from":"a","to":"b","kind":"file","files":["x.rs"]},{"from":"a","to":"c","kind":"dependsOn","files":[]}],"gates":[{"phase":1,"after":0}],"waves":[["a"],["b"],["c"]],"criticalPath":["a","b","c"],"peakParallel":1}"#);
}

#[test]
fn explicit_leaves_files_out_of_the_order() {
    let explicit = TaskGraph::build(&plan(SameFile::Explicit, EXAMPLE)).expect("acyclic");
    assert_eq!(
        edges(&explicit),
        "t1>t2[ceo_root_manager.js] t4>t5[kill_switch.js] t2>t6[ceo_root_manager.js] t7>t8[container_executor.js]"
    );
    let waves: Vec<Vec<&str>> =
        explicit.waves().into_iter().map(|wave| wave.into_iter().map(TaskId::as_str).collect()).collect();
    assert_eq!(waves, [vec!["t1", "t3"], vec!["t2"], vec!["t4", "t6", "t7"], vec!["t5", "t8"]]);
    assert_eq!(explicit.peak_parallel(), 3);
}

#[test]
fn file_edges_are_as_few_as_can_be() {
    for (lines, expected) in [
        ("0 a: f\n 0 b: f\n 0 c: f\n 0 d: f", "a~b[f] b~c[f] c~d[f]"),
        ("0 a: f g\n 0 b: f g", "a~b[f,g]"),
        ("0 a: f\n 0 b: g < a\n 0 c: f < b", "a>b[] b>c[]"),
        ("0 a: f\n 0 b: f < a\n 0 c: f < a b", "a>b[f] a>c[f] b>c[f]"),
        ("0 a: src/x.rs\n 0 b: src/y.rs\n 0 c: src/\n 0 d: src/x.rs", "a~c[src/x.rs] b~c[src/y.rs] c~d[src/x.rs]"),
        ("0 a: **/*.rs\n 0 b: src/\n 0 c: src/x.rs", "a~b[**/*.rs] b~c[src/x.rs]"),
        ("0 a: f < b\n 0 b: f", "b>a[f]"),
        ("0 a: f\n 1 b: f\n 1 c: g", "a~b[f]"),
        ("0 a\n 0 b", ""),
        ("0 a: docs/\n 0 b: docs\n 0 c: docs/x", "a~b[docs] b~c[docs/x]"),
    ] {
        assert_eq!(edges(&graph(lines)), expected, "{lines}");
    }
}

#[test]
fn cycles_are_printed_whole() {
    for (lines, expected) in [
        ("0 a < a", "a -> a"),
        ("0 t1 < t2\n 0 t2 < t1", "t1 -> t2 -> t1"),
        ("0 x\n 0 a < b x\n 0 b < c\n 0 c < a", "a -> b -> c -> a"),
        ("0 a < b\n 1 b", "a -> b -> a"),
        ("0 a < b\n 0 b < a c\n 0 c < b", "a -> b -> a"),
    ] {
        let cycle = TaskGraph::build(&plan(SameFile::Serialize, lines)).expect_err("a cycle");
        assert_eq!(cycle.to_string(), format!("{expected} (each waits for the next)"), "{lines}");
    }
    let two = plan(SameFile::Serialize, "0 a < b\n 0 b < a\n 0 c < d\n 0 d < c");
    assert_eq!(cycles(&two.tasks), [[0, 1], [2, 3]]);
}

#[test]
fn long_chains_do_not_exhaust_the_stack() {
    let ring = |first: &str| {
        let rest = (1..50_000).map(|n| format!("0 t{n} < t{}", n - 1)).collect::<Vec<_>>().join("\n");
        plan(SameFile::Serialize, &format!("0 t0{first}\n{rest}"))
    };
    let graph = TaskGraph::build(&ring("")).expect("acyclic");
    assert_eq!(graph.waves().len(), 50_000);
    let cycle = TaskGraph::build(&ring(" < t49999")).expect_err("a cycle");
    assert_eq!(cycle.tasks.len(), 50_000);
}

#[test]
fn the_critical_path_counts_estimates() {
    let mut plan = plan(SameFile::Serialize, "0 a\n 0 b\n 0 c < b\n 1 d\n 1 e");
    plan.tasks[0].estimate_minutes = Some(30.0);
    plan.tasks[4].estimate_minutes = Some(2.5);
    let graph = TaskGraph::build(&plan).expect("acyclic");
    assert_eq!(graph.critical_path(), [&id("a"), &id("e")]);
    assert!(
        TaskGraph::build(&super::tests::plan(SameFile::Serialize, "")).expect("acyclic").critical_path().is_empty()
    );
}

#[test]
fn empty_phases_are_no_gates() {
    let plan = plan(SameFile::Serialize, "0 a\n 3 b");
    let graph = TaskGraph::build(&plan).expect("acyclic");
    assert_eq!(graph.gates(), [GateView { phase: 3, after: 0 }]);
}

/// Random plans of up to 14 tasks in up to 3 phases, with overlapping files and backward dependencies.
fn random_plan() -> impl Strategy<Value = Plan> {
    let entry = prop_oneof![Just("a"), Just("b"), Just("d/"), Just("d/x"), Just("d/*"), Just("**/x"), Just("c")];
    let files = proptest::collection::vec(entry, 0..3);
    let row = (files, proptest::collection::vec(any::<prop::sample::Index>(), 0..3), 0_usize..3, any::<bool>());
    proptest::collection::vec(row, 1..14).prop_map(|mut rows| {
        rows.sort_by_key(|row| row.2);
        let mut tasks: Vec<TaskSpec> = Vec::new();
        for (at, (files, before, phase, _)) in rows.iter().enumerate() {
            let dependencies: BTreeSet<usize> = before.iter().filter(|_| at > 0).map(|index| index.index(at)).collect();
            let names: Vec<String> = dependencies.iter().map(|n| format!("t{n}")).collect();
            tasks.push(task(&format!("{phase} t{at}: {} < {}", files.join(" "), names.join(" "))));
        }
        // Within a phase the manifest may list a task before what it depends on.
        for at in 1..tasks.len() {
            if rows[at].3 && tasks[at].phase == tasks[at - 1].phase {
                tasks.swap(at - 1, at);
            }
        }
        planned(tasks)
    })
}

/// Whether a path of edges leads from one task to another, one edge left out.
fn path(graph: &TaskGraph, from: &TaskId, to: &TaskId, without: Option<(&TaskId, &TaskId)>) -> bool {
    let (mut stack, mut seen) = (vec![from.clone()], BTreeSet::new());
    while let Some(at) = stack.pop() {
        for edge in graph.successors(&at) {
            if Some((edge.from(), edge.to())) == without {
                continue;
            }
            if edge.to() == to {
                return true;
            }
            if seen.insert(edge.to().clone()) {
                stack.push(edge.to().clone());
            }
        }
    }
    false
}

/// The largest antichain within one phase, by trying all subsets.
fn brute_width(graph: &TaskGraph, plan: &Plan) -> usize {
    let tasks = &plan.tasks;
    let apart = |a: usize, b: usize| {
        let (left, right) = (&tasks[a].id, &tasks[b].id);
        tasks[a].phase == tasks[b].phase && !path(graph, left, right, None) && !path(graph, right, left, None)
    };
    let count = tasks.len();
    let free: Vec<Vec<bool>> = (0..count).map(|a| (0..count).map(|b| a == b || apart(a, b)).collect()).collect();
    let fits = |set: u32| (0..count).all(|a| set >> a & 1 == 0 || (0..count).all(|b| set >> b & 1 == 0 || free[a][b]));
    (0..1_u32 << count).filter(|&set| fits(set)).map(|set| set.count_ones() as usize).max().unwrap_or(0)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn plans_keep_their_promises(plan in random_plan()) {
        let graph = TaskGraph::build(&plan).expect("dependencies lead backwards");
        let order: Vec<&TaskId> = graph.order().collect();
        let place: BTreeMap<&TaskId, usize> = order.iter().enumerate().map(|(at, id)| (*id, at)).collect();
        prop_assert_eq!(order.len(), plan.tasks.len());
        for pair in order.windows(2) {
            let phase = |id: &TaskId| plan.task(id).expect("a task").phase;
            prop_assert!(phase(pair[0]) <= phase(pair[1]), "gates");
        }
        for edge in graph.edges() {
            prop_assert!(place[edge.from()] < place[edge.to()], "{:?}", edge);
            let shared = plan.task(edge.from()).expect("a task").files.shared(&plan.task(edge.to()).expect("a task").files);
            prop_assert_eq!(edge.files(), shared);
            if edge.kind() == EdgeKind::File {
                prop_assert!(!edge.files().is_empty());
                let another = path(&graph, edge.from(), edge.to(), Some((edge.from(), edge.to())));
                prop_assert!(!another, "redundant {:?}", edge);
            }
        }
        for (at, left) in order.iter().enumerate() {
            for right in &order[at + 1..] {
                let (a, b) = (plan.task(left).expect("a task"), plan.task(right).expect("a task"));
                if a.files.overlaps(&b.files) {
                    prop_assert!(path(&graph, left, right, None), "{} and {} overlap", left, right);
                }
            }
        }
    }

    #[test]
    fn the_peak_is_the_largest_antichain(plan in random_plan()) {
        let graph = TaskGraph::build(&plan).expect("dependencies lead backwards");
        prop_assert_eq!(graph.peak_parallel(), brute_width(&graph, &plan));
        prop_assert!(graph.waves().iter().all(|wave| wave.len() <= graph.peak_parallel()));
    }
}
