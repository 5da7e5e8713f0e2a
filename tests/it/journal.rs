//! What the journal of a fleet holds, as a test reads it.

use std::collections::BTreeMap;

use camino::Utf8Path;
use orch::core::base::TaskId;
use orch::core::heal::DefaultPolicy;
use orch::core::journal::{Entry, Record};
use orch::core::plan::Status;
use orch::core::state::State;
use orch::core::views::replay;

/// The records of a journal whose every line was checked.
pub(crate) struct Journal {
    /// The records in order.
    pub(crate) entries: Vec<Entry>,
    /// The fold of all of them.
    pub(crate) state: State,
}

impl Journal {
    /// Reads a journal: every line is whole and a record, and `seq` grows by one from 1.
    pub(crate) fn read(path: &Utf8Path) -> Self {
        let text = std::fs::read_to_string(path).expect("the journal is there and UTF-8");
        assert!(text.ends_with('\n'), "the last record is torn: {:?}", text.lines().last());
        let entry = |(at, line): (usize, &str)| {
            let entry: Entry = serde_json::from_str(line).unwrap_or_else(|e| panic!("line {}: {e}: {line}", at + 1));
            assert_eq!(entry.seq.0, at as u64 + 1, "{line}");
            entry
        };
        let entries: Vec<Entry> = text.lines().enumerate().map(entry).collect();
        let state = State::fold(&entries);
        Self { entries, state }
    }

    /// Fails unless the engine, asked again, decides all of it in the same way.
    pub(crate) fn assert_replays(&self) {
        let replay = replay(&self.entries, &DefaultPolicy);
        let told: Vec<String> = replay.differences.iter().map(ToString::to_string).collect();
        assert!(told.is_empty(), "replay decides otherwise:\n{}", told.join("\n"));
    }

    /// The status of every task.
    pub(crate) fn statuses(&self) -> BTreeMap<&str, Status> {
        self.state.tasks.iter().map(|(id, task)| (id.as_str(), task.status)).collect()
    }

    /// The last attempt of every task.
    pub(crate) fn attempts(&self) -> BTreeMap<String, u32> {
        self.state.tasks.iter().map(|(id, task)| (id.to_string(), task.attempt.number.0)).collect()
    }

    /// The names of a task's remedies in order, those aside that every good ending has.
    pub(crate) fn remedies(&self, task: &str) -> Vec<&'static str> {
        let is_remedy = |entry: &Entry| match &entry.record {
            Record::Remedy { decision, .. } if entry.task.as_ref().is_some_and(|id| id.as_str() == task) => {
                Some(decision.remedy.name())
            }
            _ => None,
        };
        let plain = |name: &&str| !matches!(*name, "accept" | "verify");
        self.entries.iter().filter_map(is_remedy).filter(plain).collect()
    }

    /// A task's state.
    pub(crate) fn task(&self, id: &str) -> &orch::core::state::TaskState {
        &self.state.tasks[&TaskId::parse(id).expect("a task id")]
    }
}
