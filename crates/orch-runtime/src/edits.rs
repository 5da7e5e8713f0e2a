//! The manifest on disk against the journal: what people changed in it, and tasks that are added to it.

use camino::Utf8Path;
use orch_core::base::TaskId;
use orch_core::engine::{Input, Seen};
use orch_core::journal::Entry;
use orch_core::plan::{Manifest, Problem};
use orch_core::state::{EditRefusal, State, TakenEdit};
use serde_json::Value;

use crate::atomic::replace_unchanged;
use crate::file_error::{Context, FileError};
use crate::journal::{JournalError, read_journal};
use crate::lock::WorkdirLock;
use crate::workdir::Workdir;

/// How often tasks are added anew to a manifest that somebody else changes meanwhile.
const TRIES: usize = 10;

/// Judges a manifest by one rule: what was changed by hand is what differs from the plan and the states as
/// of the manifest's own mark, see [`State::judge_edit`]. `records` is the whole journal, `state` its fold.
///
/// # Errors
/// [`EditRefusal`] with everything that cannot be taken.
pub fn judge_manifest(
    file: Manifest,
    records: &[Entry],
    state: &State,
    workdir: &Workdir,
    running: bool,
) -> Result<TakenEdit, EditRefusal> {
    let then = file.journal_mark().map(|(seq, _)| State::fold(records.iter().take_while(|entry| entry.seq.0 <= seq)));
    state.judge_edit(then.as_ref(), file, &workdir.layout(), running)
}

/// What the engine is told of an edit; `None` when it changes nothing of the plan.
pub fn edit_input(taken: &TakenEdit, first: bool) -> Option<Input> {
    let why = taken.change.clone()?;
    let imported = taken.manifest.imported().iter().filter(|_| first);
    let states = imported.filter_map(|task| Some((task.id.clone(), task.import()?))).collect();
    Some(Input::Seen(Seen::Plan { plan: Box::new(taken.manifest.plan().clone()), states, why }))
}

/// Why tasks could not be added; nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum AddError {
    /// The manifest as it is, or as it would be, has faults.
    #[error("{}", told(.0))]
    Manifest(Vec<Problem>),
    /// An edit that is in the manifest cannot be taken, or the tasks cannot be added to it.
    #[error("{0}")]
    Refused(String),
    /// The journal cannot be read.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// A file could not be read or written.
    #[error(transparent)]
    File(#[from] FileError),
}

/// Adds tasks to the manifest of a workdir in which no orchestrator runs; the next one takes them in. The
/// ids of the tasks added.
///
/// # Errors
/// [`AddError`].
pub fn add_tasks(
    workdir: &Workdir,
    phase: Option<usize>,
    tasks: &[Value],
    _held: &WorkdirLock,
) -> Result<Vec<TaskId>, AddError> {
    let records = read_journal::<Entry>(&workdir.journal())?.records;
    let state = State::fold(&records);
    let path = workdir.manifest();
    for _ in 0..TRIES {
        let text = std::fs::read(&path).doing("read", &path)?;
        let file = Manifest::parse(&text).map_err(AddError::Manifest)?.manifest;
        let taken = judge_manifest(file, &records, &state, workdir, false)
            .map_err(|refusal| AddError::Refused(format!("an edit of {path} cannot be taken: {refusal}")))?;
        let (manifest, added) = with_tasks(&taken.manifest, phase, tasks)?;
        state.edit(manifest.plan(), false).map_err(|refusal| AddError::Refused(refusal.to_string()))?;
        let new = manifest.render(&orch_core::plan::Projection::default());
        if replace_unchanged(&path, new.as_bytes(), 0o600, Some(&text))? {
            return Ok(added);
        }
    }
    Err(AddError::Refused(changing(&path)))
}

/// A manifest with tasks added, and which.
pub(crate) fn with_tasks(
    manifest: &Manifest,
    phase: Option<usize>,
    tasks: &[Value],
) -> Result<(Manifest, Vec<TaskId>), AddError> {
    let new = manifest.with_tasks_added(phase, tasks).map_err(AddError::Manifest)?;
    let before: std::collections::BTreeSet<&TaskId> = manifest.plan().tasks.iter().map(|task| &task.id).collect();
    let states = new.imported().iter().filter(|task| !before.contains(&task.id));
    let (begun, fresh): (Vec<_>, Vec<_>) = states.partition(|task| task.import().is_some());
    if let Some(task) = begun.first() {
        let id = &task.id;
        let why = format!("{id} is to be added with state fields, which are orch's: leave status and the like out");
        return Err(AddError::Refused(why));
    }
    let added = fresh.into_iter().map(|task| task.id.clone()).collect();
    Ok((new, added))
}

pub(crate) fn changing(path: &Utf8Path) -> String {
    format!("{path} is being changed just now; try again when it is saved")
}

pub(crate) fn told(problems: &[Problem]) -> String {
    let lines: Vec<String> = problems.iter().take(5).map(ToString::to_string).collect();
    lines.join("; ")
}

#[cfg(test)]
mod tests;
