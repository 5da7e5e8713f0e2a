//! A fleet that nothing drives but `tick`, again and again, as cron does.

use orch::core::plan::Status;
use serde_json::json;

use crate::fleet::Fleet;

#[test]
fn tick_alone_answers_heals_and_merges() {
    let fleet = Fleet::new(&json!({"merge": "auto", "phases": [{"name": "one", "tasks": [
        {"id": "asks", "files": ["a.txt"]},
        {"id": "fails", "files": ["b.txt"]},
        {"id": "silent", "files": ["c.txt"]},
        {"id": "next", "dependsOn": ["asks", "fails", "silent"]}]}]}));
    fleet.plan("asks", "printf 'Continue? [y/n] '\nread -r answer\n[ \"$answer\" = y ]\nwork a.txt");
    fleet.plan("fails", "exit 9");
    fleet.plan("fails-2", "work b.txt");
    fleet.plan("silent", "if [ \"$nth\" = 1 ]; then hold never; fi\nwork c.txt");
    fleet.settings(
        "[heal]\nsuspect_after = \"500ms\"\npoke_after = \"1s\"\nrestart_after = \"3s\"\nbackoff = \"100ms\"\n\
         settle = \"50ms\"\nscreen_interval = \"50ms\"\nheartbeat = \"100ms\"\nask_grace = \"300ms\"\npull_interval = \"100ms\"\n",
    );
    let merged = |fleet: &Fleet| fleet.journal().statuses().values().all(|status| *status == Status::Merged);
    let mut ticks = 0;
    while ticks == 0 || !merged(&fleet) {
        assert!(ticks < 120, "not done after {ticks} ticks: {:?}", fleet.journal().statuses());
        fleet.orch_exits(&["tick"], 0);
        ticks += 1;
        std::thread::sleep(std::time::Duration::from_millis(200));
    }
    let journal = fleet.audit();
    assert!(journal.remedies("asks").contains(&"answer"), "{:?}", journal.remedies("asks"));
    assert_eq!(journal.task("fails").attempt.number.0, 2);
    assert!(journal.remedies("silent").contains(&"resume"), "{:?}", journal.remedies("silent"));
    assert_eq!(journal.task("silent").attempt.number.0, 1, "a resume is no new attempt");
}
