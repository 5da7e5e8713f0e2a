use std::fs;

use serde_json::json;

use super::*;
use crate::testdir::TestDir;

fn workdir(dir: &TestDir) -> Workdir {
    let workdir = Workdir::create(&dir.path().join("w")).expect("made");
    let text = json!({"project": "p", "phases": [{"name": "one", "tasks": [{"id": "a"}]}]}).to_string();
    fs::write(workdir.manifest(), text).expect("written");
    workdir
}

#[tokio::test]
async fn tasks_are_added_under_the_lock_and_states_are_not() {
    let dir = TestDir::new();
    let workdir = workdir(&dir);
    let lock = WorkdirLock::acquire(&workdir, None).await.expect("free");
    let added = add_tasks(&workdir, None, &[json!({"id": "b", "x": 1})], &lock).expect("added");
    assert_eq!(added.iter().map(TaskId::as_str).collect::<Vec<_>>(), ["b"]);
    let before = fs::read_to_string(workdir.manifest()).expect("there");
    assert!(before.contains("\"x\": 1"), "{before}");
    let refused = [json!({"id": "c", "status": "merged"}), json!({"id": "b"}), json!({"id": "c", "dependsOn": ["z"]})];
    for task in refused {
        add_tasks(&workdir, None, std::slice::from_ref(&task), &lock).expect_err("refused");
        assert_eq!(fs::read_to_string(workdir.manifest()).expect("there"), before, "{task}");
    }
}
