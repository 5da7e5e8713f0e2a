//! What read verbs see: the fold of the journal, or the manifest where none has begun; never the lock.

use std::fs::File;
use std::io::Read;

use camino::Utf8Path;
use orch_core::base::{Layout, TaskId};
use orch_core::journal::Entry;
use orch_core::plan::{ImportedTask, Manifest, Parsed, Plan, Problem, TaskGraph, diff};
use orch_core::state::State;
use orch_core::views::FleetView;
use orch_runtime::{Workdir, holder, read_journal};

use crate::failure::Failure;
use crate::shell::Shell;

/// One byte more than a manifest may have: the parser says so then.
const LONGEST: u64 = 256 * 1024 * 1024 + 1;

/// A workdir as it was read.
pub(crate) struct Reading {
    pub(crate) workdir: Workdir,
    pub(crate) entries: Vec<Entry>,
    pub(crate) state: State,
    pub(crate) graph: TaskGraph,
    imported: Vec<ImportedTask>,
}

impl Reading {
    /// Reads the workdir that the command line means.
    pub(crate) fn open(shell: &Shell) -> Result<Self, Failure> {
        let workdir = shell.workdir()?;
        let entries = read_journal::<Entry>(&workdir.journal())?.records;
        let state = State::fold(&entries);
        if let Some(plan) = &state.plan {
            let graph = TaskGraph::build(plan)?;
            return Ok(Self { workdir, entries, state, graph, imported: Vec::new() });
        }
        let path = workdir.manifest();
        let manifest = manifest(&path, &read_file(&path)?)?.manifest;
        let (state, graph) = (State::from_manifest(&manifest), manifest.graph().clone());
        Ok(Self { workdir, entries, state, graph, imported: manifest.imported().to_vec() })
    }

    /// Where things lie.
    pub(crate) fn layout(&self) -> Layout {
        self.workdir.layout()
    }

    /// The fleet as it is now.
    pub(crate) fn fleet(&self) -> Result<FleetView, Failure> {
        let driver = holder(&self.workdir)?.map(|owner| owner.process.pid);
        let view = FleetView::new(&self.state, &self.graph, &self.layout(), driver);
        Ok(view.with_imported(&self.imported))
    }

    /// Checks that the plan has a task.
    pub(crate) fn require(&self, task: &TaskId) -> Result<(), Failure> {
        if self.state.tasks.contains_key(task) {
            return Ok(());
        }
        let known = self.state.plan.iter().flat_map(|plan: &Plan| &plan.tasks).map(|spec| spec.id.clone()).collect();
        Err(Failure::UnknownTask { task: task.clone(), known })
    }

    /// What the manifest says now that the journal does not know yet, for people.
    pub(crate) fn pending_edit(&self) -> Option<String> {
        let known = self.state.plan.as_ref().filter(|_| !self.entries.is_empty())?;
        let bytes = read_file(&self.workdir.manifest()).ok()?;
        match Manifest::parse(&bytes) {
            Err(problems) => {
                Some(format!("manifest.json has {} errors now; `orch validate` lists them", problems.len()))
            }
            Ok(parsed) if diff(known, parsed.manifest.plan()).is_empty() => None,
            Ok(_) => Some("manifest.json has edits that the next `orch run` or `orch tick` takes in".to_owned()),
        }
    }
}

/// Reads a file that somebody named.
pub(crate) fn read_file(path: &Utf8Path) -> Result<Vec<u8>, Failure> {
    let cannot = |error| Failure::input(format!("cannot read {path}: {error}"));
    let mut bytes = Vec::new();
    File::open(path).map_err(cannot)?.take(LONGEST).read_to_end(&mut bytes).map_err(cannot)?;
    Ok(bytes)
}

/// Parses a manifest.
pub(crate) fn manifest(path: &Utf8Path, bytes: &[u8]) -> Result<Parsed, Failure> {
    Manifest::parse(bytes).map_err(|problems: Vec<Problem>| Failure::problems(path, problems))
}
