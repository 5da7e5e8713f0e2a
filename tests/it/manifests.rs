//! Manifests that are wrong, and manifests that a person edits.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use camino::Utf8PathBuf;
use orch::core::plan::Status;
use serde_json::json;

use crate::fleet::Fleet;

/// Every file below the root with a digest of what it holds, the logs of these runs aside.
fn snapshot(fleet: &Fleet) -> BTreeMap<Utf8PathBuf, u64> {
    let mut found = BTreeMap::new();
    let mut rooms = vec![fleet.root.clone()];
    while let Some(room) = rooms.pop() {
        for entry in room.read_dir_utf8().expect("a directory").flatten() {
            let path = entry.into_path();
            if path.is_dir() {
                found.insert(path.clone(), 0);
                rooms.push(path);
            } else if !path.starts_with(fleet.root.join("out")) {
                let mut hasher = DefaultHasher::new();
                std::fs::read(&path).unwrap_or_default().hash(&mut hasher);
                found.insert(path, hasher.finish());
            }
        }
    }
    found
}

/// Fails unless a manifest is refused with exit 2 and every one of `told`, and nothing changes on disk.
fn assert_refused(what: &str, text: &[u8], told: &[&str]) {
    let fleet = Fleet::bare();
    fleet.write("w/manifest.json", text);
    let before = snapshot(&fleet);
    for verb in [&["run"][..], &["tick"], &["run", "--detach"]] {
        let ended = fleet.orch(verb);
        assert_eq!(ended.status.code(), Some(2), "{what}: {}", ended.said.chars().take(2000).collect::<String>());
        for part in told {
            assert!(ended.said.contains(part), "{what} does not tell of {part:?}: {}", ended.said);
        }
        assert!(!ended.said.contains("panicked"), "{what}: {}", ended.said);
    }
    let after = snapshot(&fleet);
    let changed: Vec<_> = after.iter().filter(|(path, digest)| before.get(*path) != Some(digest)).collect();
    assert_eq!((changed.len(), before.len()), (0, after.len()), "{what} changed {changed:?}");
}

#[test]
fn bad_manifests_are_refused_with_places_and_cures() {
    let task = |fields: &str| {
        format!("{{\"project\":\"p\",\"phases\":[{{\"name\":\"a\",\"tasks\":[{{\"id\":\"t1\"{fields}}}]}}]}}")
    };
    let two = |second: &str| {
        format!(
            "{{\"project\":\"p\",\"phases\":[\n {{\"name\":\"a\",\"tasks\":[\n  {{\"id\":\"t1\"}},\n  {second}\n ]}}]}}"
        )
    };
    let cases: [(&str, String, &[&str]); 12] = [
        ("no JSON", "nothing".to_owned(), &[":1:1", "help:"]),
        ("an unknown dependency", two("{\"id\":\"t2\",\"dependsOn\":[\"t9\"]}"), &["manifest.json:4:", "t9", "help:"]),
        ("a dependency on itself", two("{\"id\":\"t2\",\"dependsOn\":[\"t2\"]}"), &["itself", "help:"]),
        (
            "a cycle",
            two("{\"id\":\"t2\",\"dependsOn\":[\"t1\"]}").replace("\"t1\"}", "\"t1\",\"dependsOn\":[\"t2\"]}"),
            &["t1", "t2", "help:"],
        ),
        ("a duplicate id", two("{\"id\":\"T1\"}"), &["manifest.json:4:", "help:"]),
        ("a duplicate key", task(",\"id\":\"t2\""), &["id", "help:"]),
        ("a path out of the repository", task(",\"files\":[\"../x\"]"), &["files", "help:"]),
        ("an absolute path", task(",\"files\":[\"/etc/passwd\"]"), &["files", "help:"]),
        ("a status that is none", task(",\"status\":\"done\""), &["status", "help:"]),
        ("a bad id", two("{\"id\":\"../x\"}"), &["help:"]),
        ("no parallelism", "{\"project\":\"p\",\"maxParallel\":0,\"phases\":[]}".to_owned(), &["maxParallel", "help:"]),
        ("two BOMs", format!("\u{feff}\u{feff}{}", task("")), &["help:"]),
    ];
    for (what, text, told) in cases {
        assert_refused(what, text.as_bytes(), told);
    }
}

#[test]
fn all_problems_are_told_at_once() {
    let text = "{\"project\":\"p\",\n\"maxParallel\":0,\n\"phases\":[{\"name\":\"a\",\"tasks\":[\n{\"id\":\"t1\",\"files\":[\"/x\"]},\n{\"id\":\"t1\"},\n{\"id\":\"t2\",\"status\":\"done\",\"dependsOn\":[\"nobody\"]}]}]}";
    assert_refused("five problems", text.as_bytes(), &[":2:", ":4:", ":5:", ":6:", "nobody", "done", "maxParallel"]);
}

#[test]
fn input_that_is_no_text_or_too_deep_ends_in_an_error() {
    assert_refused("bytes that are no UTF-8", b"{\"project\":\"\xff\xfe\",\"phases\":[]}", &["UTF-8", "help:"]);
    assert_refused("binary", &[0u8; 4096], &["help:"]);
    let deep = 100_000;
    assert_refused("deep lists", "[".repeat(deep).as_bytes(), &["help:"]);
    assert_refused("deep objects", "{\"a\":".repeat(deep).as_bytes(), &["help:"]);
    let inside = format!("{{\"project\":\"p\",\"extra\":{}{},\"phases\":[]}}", "[".repeat(deep), "]".repeat(deep));
    assert_refused("deep lists in a field", inside.as_bytes(), &["help:"]);
}

#[test]
#[expect(clippy::print_stdout, reason = "the figure is what `--nocapture` is for")]
fn a_hundred_megabytes_of_problems_end_in_an_error_with_the_places() {
    let fleet = Fleet::bare();
    let mut text = String::from("{\"project\":\"p\",\"phases\":[");
    let filler = "x".repeat(200);
    while text.len() < 100_000_000 {
        text.push_str(&format!("{{\"note\":\"{filler}\",\"tasks\":[{{\"id\":\"-\"}}]}},\n"));
    }
    text.push_str("{\"name\":0}]}");
    let phases = text.lines().count();
    fleet.write("w/manifest.json", text.as_bytes());
    let before = snapshot(&fleet);
    let began = std::time::Instant::now();
    let run = fleet.start(&["run"]);
    let peak = run.peak_memory();
    let ended = run.end();
    println!("{} MB of {phases} bad phases: {:?}, {peak} MB at most", text.len() / 1_000_000, began.elapsed());
    let said: String = ended.said.chars().take(2000).collect();
    assert_eq!(ended.status.code(), Some(2), "{:?} {said}", ended.status);
    for told in ["manifest.json:1:", "manifest.json:2:", "$.phases[1].tasks[0].id", "help:", "panicked"] {
        assert_eq!(said.contains(told), told != "panicked", "{told}: {said}");
    }
    assert!(
        ended.said.contains(&format!("manifest.json:{phases}:")),
        "the last one is of another kind and is told too"
    );
    assert!(peak < 2_000, "it took {peak} MB");
    assert_eq!(snapshot(&fleet), before, "nothing is changed");
}

/// A fleet with one agent that works until the test says `end`, and a task that waits for it.
fn held() -> Fleet {
    let fleet = Fleet::new(&json!({"phases": [{"name": "one", "tasks": [
        {"id": "t1", "files": ["a.txt"]}, {"id": "t2", "dependsOn": ["t1"]}]}]}));
    fleet.plan("t1", "work a.txt; hold end");
    fleet
}

fn edit(fleet: &Fleet, change: impl FnOnce(&mut serde_json::Value)) -> Vec<u8> {
    let mut manifest = fleet.manifest();
    change(&mut manifest);
    let text = serde_json::to_vec_pretty(&manifest).expect("JSON");
    fleet.write("w/edited", &text);
    std::fs::rename(fleet.root.join("w/edited"), fleet.root.join("w/manifest.json")).expect("an edit");
    text
}

#[test]
fn tasks_added_by_hand_to_a_running_fleet_are_taken_in() {
    let fleet = held();
    let run = fleet.start(&["run", "--until", "merged"]);
    fleet.wait_started("t1", 1);
    fleet.wait("the checkpoint shows it", |fleet| fleet.manifest()["phases"][0]["tasks"][0]["status"] == "running");
    edit(&fleet, |manifest| {
        let tasks = manifest["phases"][0]["tasks"].as_array_mut().expect("tasks");
        tasks.push(json!({"id": "t3", "files": ["c.txt"]}));
        tasks[1]["title"] = "another title".into();
    });
    fleet.orch_exits(&["tick"], 0);
    fleet.wait_started("t3", 1);
    fleet.go("end");
    run.end().assert_code(0, &fleet.workdir());
    let journal = fleet.audit();
    assert_eq!(journal.statuses().len(), 3);
    assert!(journal.statuses().values().all(|status| *status == Status::Merged), "{:?}", journal.statuses());
    assert_eq!(fleet.manifest()["phases"][0]["tasks"][1]["title"], "another title");
}

#[test]
fn edits_that_cannot_be_taken_are_kept_beside_and_told() {
    type Change = fn(&mut serde_json::Value);
    let cases: [(&str, Change, &str); 3] = [
        ("a task that began", |manifest| manifest["phases"][0]["tasks"][0]["files"] = json!(["other.txt"]), "t1"),
        ("a state field", |manifest| manifest["phases"][0]["tasks"][1]["status"] = json!("merged"), "t2"),
        ("nonsense", |manifest| manifest["maxParallel"] = json!(0), "maxParallel"),
    ];
    for (what, change, named) in cases {
        let fleet = held();
        let run = fleet.start(&["run", "--until", "merged"]);
        fleet.wait_started("t1", 1);
        fleet.wait("the checkpoint shows it", |fleet| fleet.manifest()["phases"][0]["tasks"][0]["status"] == "running");
        let text = edit(&fleet, change);
        fleet.orch_exits(&["tick"], 0);
        fleet.wait("the edit is refused", |fleet| fleet.workdir().join("manifest.rejected-1.json").exists());
        fleet.go("end");
        let ended = run.end();
        ended.assert_code(0, &fleet.workdir());
        assert!(
            ended.said.contains("manifest.rejected-1.json") && ended.said.contains(named),
            "{what}: {}",
            ended.said
        );
        assert_eq!(fleet.read("w/manifest.rejected-1.json").as_bytes(), text, "{what}");
        assert!(!fleet.workdir().join("manifest.rejected-2.json").exists(), "{what}");
        let journal = fleet.audit();
        assert!(journal.statuses().values().all(|status| *status == Status::Merged), "{what}");
    }
}

#[test]
fn a_goal_short_of_a_gate_is_refused_before_anything_starts() {
    let fleet = Fleet::new(&json!({"gate": "pr_open", "phases": [
        {"name": "one", "tasks": [{"id": "t1"}]}, {"name": "two", "tasks": [{"id": "t2"}]}]}));
    let refused = fleet.orch_exits(&["run", "--until", "complete"], 2);
    assert!(refused.said.contains("\"gate\": \"pr_open\""), "{}", refused.said);
    assert!(refused.said.contains("--until pr_open"), "{}", refused.said);
    assert!(!fleet.workdir().join("events.jsonl").exists(), "nothing was begun");
}
