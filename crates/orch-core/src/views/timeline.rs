//! What ran beside what.

use std::collections::{BTreeMap, BTreeSet};

use crate::base::id::TaskId;
use crate::journal::record::{Entry, Record};

/// For each task that was ever open, the tasks that were open at the same time.
pub fn beside(entries: &[Entry]) -> BTreeMap<TaskId, BTreeSet<TaskId>> {
    let mut open: BTreeSet<TaskId> = BTreeSet::new();
    let mut met: BTreeMap<TaskId, BTreeSet<TaskId>> = BTreeMap::new();
    for entry in entries {
        let (Some(task), Record::Status(change)) = (&entry.task, &entry.record) else { continue };
        if !change.to.is_open() {
            open.remove(task);
            continue;
        }
        for other in open.iter().filter(|other| *other != task) {
            met.entry(other.clone()).or_default().insert(task.clone());
            met.entry(task.clone()).or_default().insert(other.clone());
        }
        met.entry(task.clone()).or_default();
        open.insert(task.clone());
    }
    met
}
