use std::fs;

use orch_core::base::TaskId;
use orch_core::journal::UserVerb;
use orch_core::plan::Status;
use serde_json::{Value, json};

use super::bench::{Bench, Process};
use crate::driver::{Answer, Request};

fn two() -> Bench {
    Bench::new(&json!([{"id": "a"}, {"id": "b", "dependsOn": ["a"]}]))
}

/// A driver whose first task runs, shown so by the manifest.
async fn at_work(bench: &Bench) -> Process {
    let process = bench.start();
    bench.wait_status("a", Status::Running).await;
    bench.wait("the manifest shows it", |bench| shown(bench, 0)["status"] == "running").await;
    process
}

fn shown(bench: &Bench, index: usize) -> Value {
    bench.manifest()["phases"][0]["tasks"][index].clone()
}

fn edited(bench: &Bench, change: impl FnOnce(&mut Value)) -> Vec<u8> {
    let mut manifest = bench.manifest();
    change(&mut manifest);
    serde_json::to_vec_pretty(&manifest).expect("JSON")
}

fn add_n(manifest: &mut Value) {
    manifest["phases"][0]["tasks"].as_array_mut().expect("tasks").push(json!({"id": "n"}));
}

fn rejected(bench: &Bench) -> bool {
    bench.workdir.rejected_manifest(1).exists()
}

#[tokio::test]
async fn tasks_added_are_in_the_plan_whatever_instant_the_process_dies_at() {
    for point in ["journal.before-write", "journal.written", "journal.synced"] {
        let bench = two();
        let process = at_work(&bench).await;
        process.stop().await;
        let process =
            bench.start_with(crate::Mode::Run, std::sync::Arc::new(DiesAtPlan(point, bench.workdir.journal())));
        bench.wait_status("a", Status::Running).await;
        let tasks = vec![json!({"id": "n", "title": "new", "x-mine": 7, "dependsOn": ["a"]})];
        process.tell(Request::Add { phase: None, tasks }).await;
        process.died().await;
        let process = bench.start();
        bench.wait("it is in the plan", |bench| bench.planned() == ["a", "b", "n"]).await;
        bench.wait("the manifest has it", |bench| shown(bench, 2)["status"] == "blocked").await;
        assert_eq!((&shown(&bench, 2)["title"], &shown(&bench, 2)["x-mine"]), (&json!("new"), &json!(7)), "{point}");
        process.stop().await;
        assert_eq!(bench.planned(), ["a", "b", "n"], "{point}");
        assert!(!rejected(&bench), "{point}");
    }
}

/// Dies at a point of the journal once the manifest on disk has the task that is added.
struct DiesAtPlan(&'static str, camino::Utf8PathBuf);

impl crate::Faults for DiesAtPlan {
    fn at(&self, point: &str) {
        let manifest = self.1.with_file_name("manifest.json");
        let added = fs::read_to_string(manifest).is_ok_and(|text| text.contains("x-mine"));
        assert!(!(added && point == self.0), "it dies here");
    }
}

#[tokio::test]
async fn a_manifest_from_before_an_addition_that_the_journal_knows_removes_nothing() {
    let bench = two();
    let process = at_work(&bench).await;
    let before = bench.text();
    assert!(matches!(process.add(json!([{"id": "n", "body": "B"}])).await, Answer::Done(_)));
    process.kill().await;
    // What was on disk while an editor had the file open, or before a crash.
    bench.save(&before);
    let process = bench.start();
    bench.wait("the manifest has it again", |bench| shown(bench, 2)["body"] == "B").await;
    process.stop().await;
    assert_eq!(bench.planned(), ["a", "b", "n"]);
}

#[tokio::test]
async fn an_edit_from_before_the_states_moved_is_taken() {
    let bench = two();
    let process = at_work(&bench).await;
    let mut text = bench.manifest();
    let pause = Request::User { task: Some(TaskId::parse("a").expect("an id")), verb: UserVerb::Pause };
    process.ask(pause).await;
    bench.wait("the manifest shows it", |bench| shown(bench, 0)["paused"] == true).await;
    text["phases"][0]["tasks"][1]["title"] = "by hand".into();
    add_n(&mut text);
    bench.save(text.to_string().as_bytes());
    process.ask(Request::Wake).await;
    bench.wait("it is in the plan", |bench| bench.planned() == ["a", "b", "n"]).await;
    bench.wait("states are written anew", |bench| shown(bench, 0)["paused"] == true).await;
    assert_eq!(shown(&bench, 1)["title"], "by hand");
    process.stop().await;
    assert!(!rejected(&bench));
}

#[tokio::test]
async fn states_that_never_were_are_refused_and_kept_beside() {
    let bench = two();
    let process = at_work(&bench).await;
    let text = edited(&bench, |manifest| manifest["phases"][0]["tasks"][1]["status"] = "merged".into());
    bench.save(&text);
    process.ask(Request::Wake).await;
    bench.wait("it is kept", rejected).await;
    assert_eq!(fs::read(bench.workdir.rejected_manifest(1)).expect("kept"), text);
    bench.wait("the manifest is right again", |bench| shown(bench, 1)["status"] == "blocked").await;
    assert!(matches!(process.add(json!([{"id": "n", "status": "merged"}])).await, Answer::Refused(_)));
    process.stop().await;
    assert_eq!(bench.planned(), ["a", "b"]);
}

#[tokio::test]
async fn an_edit_saved_right_before_an_addition_is_taken_too() {
    let bench = two();
    let process = at_work(&bench).await;
    let text = edited(&bench, |manifest| {
        manifest["phases"][0]["tasks"][1]["title"] = "by hand".into();
        manifest["phases"][0]["tasks"][1]["x-mine"] = 1.into();
    });
    bench.save(&text);
    assert!(matches!(process.add(json!([{"id": "n"}])).await, Answer::Done(_)));
    let task = shown(&bench, 1);
    assert_eq!((&task["title"], &task["x-mine"]), (&json!("by hand"), &json!(1)));
    assert_eq!(bench.planned(), ["a", "b", "n"]);
    process.stop().await;
    assert_eq!(shown(&bench, 1)["title"], "by hand");
}

#[tokio::test]
async fn a_file_that_is_still_being_written_is_waited_for() {
    let bench = two();
    let process = at_work(&bench).await;
    let text = edited(&bench, add_n);
    fs::write(bench.workdir.manifest(), &text[..text.len() / 2]).expect("half");
    for _ in 0..3 {
        process.ask(Request::Wake).await;
    }
    assert!(matches!(process.add(json!([{"id": "m"}])).await, Answer::Refused(_)), "nothing is written over it");
    fs::write(bench.workdir.manifest(), &text).expect("whole");
    bench.wait("it is in the plan", |bench| bench.planned() == ["a", "b", "n"]).await;
    process.stop().await;
    assert!(!rejected(&bench));
}
