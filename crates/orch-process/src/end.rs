use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use orch_core::base::{LaunchId, Millis};
use orch_core::ports::ProcessId;
use tokio::time::{Instant, timeout, timeout_at};

use crate::exit::Exit;
use crate::identity::{Signal, alive, identity, signal};
use crate::table::{self, Entry};

/// The longest wait between two sweeps: what was forked behind a sweep's back is found by the next.
const SWEEP: Duration = Duration::from_millis(200);

/// A variable of a process's environment that says whose it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mark {
    /// The variable has exactly this value.
    Is(String, String),
    /// The variable's value begins with this text.
    Begins(String, String),
}

/// The processes of one launch: its leader, the leader's session, process group and descendants, and
/// whoever carries `ORCH_LAUNCH` of this launch together with one of the marks.
///
/// `ORCH_LAUNCH` alone proves nothing: every workdir counts its launches from 1. A living leader's own
/// `ORCH_WORKTREE` is taken as a further mark. When the leader is gone, its session's number may
/// belong to somebody else, so only marked processes count. The calling process never counts.
#[derive(Debug, Clone)]
pub struct Target {
    /// The process that was launched, if known; a session leader.
    pub process: Option<ProcessId>,
    /// Which launch it is.
    pub launch: LaunchId,
    /// What proves, besides `ORCH_LAUNCH`, that a process belongs to it; any one is enough.
    pub marks: Vec<Mark>,
}

impl Target {
    /// Asks the living processes to end: hang-up, terminate and continue, and comes back at once.
    /// Returns whether there was nobody left to ask. Children that left the session are not asked.
    pub fn ask(&self) -> bool {
        let mut members = self.members();
        if let Some(leader) = self.process.as_ref().filter(|leader| alive(leader)) {
            members.retain(|entry| entry.session == leader.pid);
        }
        for process in members.iter().map(identity) {
            for wish in [Signal::HUP, Signal::TERM, Signal::CONT] {
                signal(&process, wish);
            }
        }
        members.is_empty()
    }

    /// Kills all of them, again and again until none is left; `false` when `patience` ran out first.
    pub async fn kill(&self, patience: Millis) -> bool {
        let deadline = Instant::now() + Duration::from_millis(patience.0);
        let mut seen: Vec<ProcessId> = Vec::new();
        loop {
            let (target, before) = (self.clone(), seen);
            let swept = tokio::task::spawn_blocking(move || target.sweep(before)).await;
            // A sweep that panicked or was cancelled with the runtime has proved nothing.
            let Ok(left) = swept else { return false };
            if left.is_empty() {
                return true;
            }
            let pause = deadline.min(Instant::now() + SWEEP);
            for process in &left {
                if let Some(exit) = Exit::watch(process) {
                    // Running into the bound only means that the next sweep looks again.
                    timeout_at(pause, exit.wait()).await.unwrap_or_default();
                }
            }
            seen = left;
            if Instant::now() >= deadline {
                let last = self.clone();
                let look = tokio::task::spawn_blocking(move || last.living(seen).is_empty());
                return matches!(timeout(SWEEP, look).await, Ok(Ok(true)));
            }
        }
    }

    /// The processes of this launch that live now.
    pub fn processes(&self) -> Vec<ProcessId> {
        self.members().iter().map(identity).collect()
    }

    /// Kills whoever lives, the leader last: while it lives, its session proves who belongs to it.
    fn sweep(&self, seen: Vec<ProcessId>) -> Vec<ProcessId> {
        let mut living = self.living(seen);
        living.sort_by_key(|process| self.process.as_ref() == Some(process));
        for process in &living {
            signal(process, Signal::KILL);
        }
        living
    }

    fn living(&self, mut seen: Vec<ProcessId>) -> Vec<ProcessId> {
        seen.retain(alive);
        for process in self.processes() {
            if !seen.contains(&process) {
                seen.push(process);
            }
        }
        seen
    }

    fn members(&self) -> Vec<Entry> {
        let own = std::process::id();
        let mut table = table::all();
        table.retain(|entry| !entry.gone && entry.pid != own && entry.pid > 1);
        let leader = self.process.as_ref().filter(|leader| alive(leader)).map(|leader| leader.pid);
        let marks = self.all_marks(leader);
        let of_leader =
            |entry: &Entry| leader.is_some_and(|pid| entry.pid == pid || entry.session == pid || entry.group == pid);
        let mut chosen: BTreeSet<u32> = table
            .iter()
            .filter(|entry| of_leader(entry) || self.is_marked(entry.pid, &marks))
            .map(|entry| entry.pid)
            .collect();
        add_descendants(&table, &mut chosen);
        table.retain(|entry| chosen.contains(&entry.pid));
        table
    }

    fn all_marks(&self, leader: Option<u32>) -> Vec<Mark> {
        let mut marks = self.marks.clone();
        let environment = leader.and_then(table::environment).unwrap_or_default();
        let worktree = environment.iter().find_map(|var| var.strip_prefix(b"ORCH_WORKTREE="));
        if let Some(path) = worktree.and_then(|path| std::str::from_utf8(path).ok()) {
            marks.push(Mark::Is("ORCH_WORKTREE".to_owned(), path.to_owned()));
        }
        marks
    }

    fn is_marked(&self, pid: u32, marks: &[Mark]) -> bool {
        if marks.is_empty() {
            return false;
        }
        let launch = format!("ORCH_LAUNCH={}", self.launch);
        table::environment(pid).is_some_and(|vars| {
            vars.iter().any(|var| var == launch.as_bytes())
                && marks.iter().any(|mark| vars.iter().any(|var| mark.matches(var)))
        })
    }
}

impl Mark {
    fn matches(&self, var: &[u8]) -> bool {
        let (Self::Is(name, _) | Self::Begins(name, _)) = self;
        let value = var.strip_prefix(name.as_bytes()).and_then(|rest| rest.strip_prefix(b"="));
        value.is_some_and(|value| match self {
            Self::Is(_, whole) => value == whole.as_bytes(),
            Self::Begins(_, start) => value.starts_with(start.as_bytes()),
        })
    }
}

fn add_descendants(table: &[Entry], chosen: &mut BTreeSet<u32>) {
    let mut children: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for entry in table {
        children.entry(entry.parent).or_default().push(entry.pid);
    }
    let mut todo: Vec<u32> = chosen.iter().copied().collect();
    while let Some(pid) = todo.pop() {
        todo.extend(children.get(&pid).into_iter().flatten().filter(|child| chosen.insert(**child)));
    }
}
