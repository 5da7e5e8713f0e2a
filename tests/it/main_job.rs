//! A backlog to merged pull requests.

use std::collections::BTreeSet;

use orch::core::plan::{Manifest, Status, TaskGraph};

use crate::fleet::{EXECUTORS, Fleet};

#[test]
fn the_example_is_merged_in_an_order_that_its_plan_allows() {
    EXECUTORS.into_iter().for_each(merge_the_example);
}

fn merge_the_example(executor: &str) {
    let fleet = Fleet::bare();
    let example = include_bytes!("../../examples/manifests/security-framework.json");
    let mut manifest: serde_json::Value = serde_json::from_slice(example).expect("JSON");
    manifest["agent"] = "bot".into();
    manifest["executor"] = executor.into();
    manifest["maxParallel"] = 2.into();
    manifest["verify"] = serde_json::json!(["sh", "check.sh"]);
    let text = serde_json::to_vec_pretty(&manifest).expect("JSON");
    fleet.write("w/manifest.json", &text);
    fleet.git("w", &["clone", "-q", "../origin.git", "repo"]);
    let plan = Manifest::parse(&text).expect("a good manifest").manifest.plan().clone();
    for task in &plan.tasks {
        fleet.plan(
            task.id.as_str(),
            &format!(
                "ls >\"$out/saw-$task\"\ngit ls-tree -r --name-only HEAD >>\"$out/saw-$task\"\nwork did-$task {}",
                task.files.entries().join(" ")
            ),
        );
    }

    fleet.orch_exits(&["run", "--until", "merged"], 0);

    let journal = fleet.audit();
    assert!(journal.statuses().values().all(|status| *status == Status::Merged), "{:?}", journal.statuses());
    let merged = fleet.merged();
    assert_eq!(merged.iter().collect::<BTreeSet<_>>().len(), plan.tasks.len(), "one merge per task: {merged:?}");
    assert_eq!(merged.len(), plan.tasks.len(), "{merged:?}");
    let graph = TaskGraph::build(&plan).expect("no cycle");
    let place = |task: &str| merged.iter().position(|other| other == task).expect("merged");
    for task in &plan.tasks {
        for edge in graph.predecessors(&task.id) {
            let (from, to) = (edge.from().as_str(), edge.to().as_str());
            assert!(place(from) < place(to), "{from} before {to}: {merged:?}");
            assert!(
                fleet.read(&format!("out/saw-{to}")).lines().any(|line| line == format!("did-{from}")),
                "{to} saw what {from} did"
            );
        }
    }
    let mut live: BTreeSet<String> = BTreeSet::new();
    for stamp in fleet.stamps() {
        if stamp.what == "end" {
            live.remove(&stamp.task);
            continue;
        }
        let files = |id: &str| &plan.tasks.iter().find(|task| task.id.as_str() == id).expect("known").files;
        assert!(live.iter().all(|other| !files(other).overlaps(files(&stamp.task))), "{live:?} and {}", stamp.task);
        live.insert(stamp.task);
        assert!(live.len() <= 2, "more than maxParallel: {live:?}");
    }
    assert!(live.is_empty(), "agents ended: {live:?}");
    assert!(!fleet.workdir().join("task-t1").exists(), "the worktree of a merged task goes");
    assert_cleaned_up(&fleet);
}

/// Fails unless `cleanup` leaves the records and nothing that lives.
fn assert_cleaned_up(fleet: &Fleet) {
    let socket = fleet.socket();
    fleet.orch_exits(&["cleanup"], 0);
    assert_eq!(fleet.tmux(&["list-sessions"]), None, "the tmux server is gone");
    assert_eq!(fleet.hosts(), Vec::<i32>::new(), "the session host is gone");
    assert!(!fleet.workdir().join("sessions").exists());
    assert!(!socket.exists(), "{socket}");
    let left: BTreeSet<String> = fleet
        .workdir()
        .read_dir_utf8()
        .expect("the workdir")
        .map(|entry| entry.expect("an entry").file_name().to_owned())
        .collect();
    let ends = |name: &str| [".sock", ".lock"].iter().any(|end| name.strip_suffix(end).is_some());
    let gone = |name: &&String| name.starts_with("task-") || ends(name);
    assert_eq!(left.iter().filter(gone).collect::<Vec<_>>(), Vec::<&String>::new(), "{left:?}");
    for kept in ["manifest.json", "events.jsonl", "logs", "pulls.json"] {
        assert!(left.contains(kept), "{kept} is kept: {left:?}");
    }
    fleet.orch_exits(&["replay", fleet.workdir().join("events.jsonl").as_str()], 0);
    fleet.orch_exits(&["why", "t2"], 0);
}
