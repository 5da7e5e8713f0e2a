//! Which moves of the status machine happened after which faults and verbs.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::plan::{Status, TRANSITIONS};

/// How often each move of the status table happened in a story after each kind of fault and verb.
#[derive(Debug, Clone, Default)]
pub struct Coverage {
    befallen: BTreeSet<&'static str>,
    cells: BTreeMap<(Status, Status, &'static str), u64>,
}

/// The columns: faults, then what people say.
const COLUMNS: [&str; 37] = [
    "nothing",
    "unreachable",
    "refused",
    "busy",
    "answer lost",
    "ignored",
    "stale",
    "look lost",
    "answered twice",
    "never answered",
    "crash",
    "executor dies",
    "agent killed",
    "reboot",
    "sleep",
    "clock jumps",
    "base moves",
    "base conflicts",
    "merged by hand",
    "squashed by hand",
    "closed",
    "reopened",
    "branch deleted",
    "checks fail",
    "checks run",
    "changes asked",
    "pushed by hand",
    "plan edited",
    "tidied",
    "kill",
    "retry",
    "publish",
    "pause",
    "resume",
    "skip",
    "send",
    "attach",
];

/// Why some cells stay empty however many stories are played.
const UNREACHABLE: [(Status, Status, &str, &str); 4] = [
    (
        Status::Stuck,
        Status::Complete,
        "nothing",
        "work is verified while its task is stuck only if an answer comes late",
    ),
    (Status::Complete, Status::Merged, "nothing", "its pull request must be merged by hand before it is seen open"),
    (Status::Error, Status::PrOpen, "nothing", "it takes a person who reopens a pull request, or says retry"),
    (Status::Error, Status::Merged, "nothing", "it takes a person who merges what failed"),
];

impl Coverage {
    pub(super) fn befell(&mut self, what: &'static str) {
        self.befallen.insert(what);
    }

    pub(super) fn moved(&mut self, from: Status, to: Status) {
        if self.befallen.is_empty() {
            *self.cells.entry((from, to, "nothing")).or_default() += 1;
        }
        for what in &self.befallen {
            *self.cells.entry((from, to, what)).or_default() += 1;
        }
    }

    /// Adds what another story covered.
    pub fn add(&mut self, other: &Self) {
        for (cell, times) in &other.cells {
            *self.cells.entry(*cell).or_default() += times;
        }
    }

    /// The cells that no story reached: from, to, after what, and why no story can, if that is so.
    pub fn empty_cells(&self) -> Vec<(Status, Status, &'static str, Option<&'static str>)> {
        let rows = TRANSITIONS.iter().map(|row| (row.from, row.to));
        let cells = rows.flat_map(|(from, to)| COLUMNS.map(|column| (from, to, column)));
        let empty = cells.filter(|cell| !self.cells.contains_key(cell));
        let why = |cell| UNREACHABLE.iter().find(|row| (row.0, row.1, row.2) == cell).map(|row| row.3);
        empty.map(|cell| (cell.0, cell.1, cell.2, why(cell))).collect()
    }
}

impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, column) in COLUMNS.iter().enumerate() {
            writeln!(f, "{:>2} {column}", number + 1)?;
        }
        write!(f, "{:<22}", "move \\ after")?;
        for number in 1..=COLUMNS.len() {
            write!(f, "{number:>7}")?;
        }
        writeln!(f)?;
        for row in TRANSITIONS {
            write!(f, "{:<22}", format!("{} -> {}", row.from, row.to))?;
            for column in COLUMNS {
                match self.cells.get(&(row.from, row.to, column)) {
                    Some(times) => write!(f, "{times:>7}")?,
                    None => write!(f, "{:>7}", "-")?,
                }
            }
            writeln!(f)?;
        }
        Ok(())
    }
}
