//! The manifest as a projection of the state: written now and then, and read again when someone edits it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::ErrorKind;
use std::time::{Duration, Instant, SystemTime};

use camino::Utf8PathBuf;
use orch_core::base::{EffectId, TaskId};
use orch_core::engine::Orchestrator;
use orch_core::journal::{Entry, Record};
use orch_core::plan::{ExecutorKind, Manifest, ProjectedTask, Projection};
use orch_core::state::TakenEdit;
use serde_json::Value;

use crate::atomic::{replace_file, replace_unchanged};
use crate::edits::{AddError, changing, judge_manifest, told, with_tasks};
use crate::file_error::{Context, FileError};
use crate::journal::{Journal, read_journal};
use crate::workdir::Workdir;

/// The least time between two writes while things change.
const INTERVAL: Duration = Duration::from_millis(500);
/// Writing takes at most one part in so many of the time.
const SHARE: u32 = 20;
/// How long a file that cannot be read as a manifest may be one that is still being written.
const UNFINISHED: Duration = Duration::from_secs(2);

/// What a look at the manifest brought.
pub(super) enum Edit {
    /// Nobody edited it.
    None,
    /// An edit that the engine takes in, unless it changes nothing of the plan.
    Taken(Box<TakenEdit>),
    /// An edit that cannot be taken, and what to tell about it.
    Rejected(String),
}

/// The manifest on disk and what was written there last.
pub(super) struct Checkpoint {
    path: Utf8PathBuf,
    manifest: Manifest,
    executor: ExecutorKind,
    socket: Option<String>,
    /// What the file held when it was written or taken in last; `None` when it was not there.
    text: Option<Vec<u8>>,
    stamp: Option<(SystemTime, u64)>,
    /// What was written last of each task's state.
    projected: BTreeMap<TaskId, ProjectedTask>,
    /// Tasks whose state may show something else now; `None` when all may.
    touched: Option<BTreeSet<TaskId>>,
    /// The document is not on disk as it is to be, whatever the states.
    changed: bool,
    written_at: Instant,
    /// How long the last write took.
    cost: Duration,
    names: BTreeMap<EffectId, &'static str>,
}

impl Checkpoint {
    pub(super) fn new(workdir: &Workdir, plan: super::ManifestFile) -> Self {
        let super::ManifestFile { manifest, text, executor, socket } = plan;
        let path = workdir.manifest();
        let projected = manifest.imported().iter().map(|task| (task.id.clone(), task.state.clone())).collect();
        // An edit that was made since it was read is seen by its text.
        let stamp = None;
        Self {
            path,
            manifest,
            executor,
            socket,
            text: Some(text),
            stamp,
            projected,
            touched: None,
            changed: true,
            written_at: Instant::now(),
            cost: Duration::ZERO,
            names: BTreeMap::new(),
        }
    }

    /// Notes that records were written.
    pub(super) fn note(&mut self, records: &[Entry]) {
        for entry in records {
            match &entry.record {
                Record::Effect { effect } => {
                    self.names.insert(EffectId(entry.seq.0), effect.name());
                }
                Record::Done { effect, .. } => {
                    self.names.remove(effect);
                }
                Record::Plan { .. } | Record::PlanChanged { .. } | Record::User { .. } if entry.task.is_none() => {
                    self.touched = None;
                }
                _ => {}
            }
            if let (Some(touched), Some(task)) = (&mut self.touched, &entry.task) {
                touched.insert(task.clone());
            }
        }
    }

    pub(super) fn note_open(&mut self, engine: &Orchestrator) {
        self.names = engine.state().open.iter().map(|(id, open)| (*id, open.effect.name())).collect();
    }

    /// The name of an effect that is under way.
    pub(super) fn effect_name(&self, id: EffectId) -> &'static str {
        self.names.get(&id).copied().unwrap_or("unknown")
    }

    /// How long until the next write is due.
    pub(super) fn due(&self) -> Duration {
        let waiting =
            self.changed || self.stamp.is_none() || self.touched.as_ref().is_none_or(|tasks| !tasks.is_empty());
        if waiting { self.interval().saturating_sub(self.written_at.elapsed()) } else { Duration::from_secs(3600) }
    }

    fn interval(&self) -> Duration {
        INTERVAL.max(self.cost * SHARE)
    }

    pub(super) fn write_if_due(&mut self, engine: &Orchestrator, journal: &Journal<Entry>) -> Result<(), FileError> {
        if self.due() > Duration::ZERO {
            return Ok(());
        }
        self.written_at = Instant::now();
        if self.shows_news(engine) { self.write(engine, journal).map(|_| ()) } else { Ok(()) }
    }

    /// Whether the file would show something else than it does, but for how far in the journal that is.
    fn shows_news(&mut self, engine: &Orchestrator) -> bool {
        let Some(touched) = self.touched.take() else { return true };
        let (tasks, layout) = (&engine.state().tasks, &engine.config().layout);
        let news = touched.iter().any(|id| {
            let now = tasks.get(id).map(|task| task.project(id, layout, self.executor));
            now.as_ref() != self.projected.get(id)
        });
        self.touched = Some(if news { touched } else { BTreeSet::new() });
        news || self.changed
    }

    /// Writes the manifest; its state fields show everything that the journal holds now. An edit that
    /// was not looked at yet stays as it is, and `false` says so.
    pub(super) fn write(&mut self, engine: &Orchestrator, journal: &Journal<Entry>) -> Result<bool, FileError> {
        let begun = Instant::now();
        let tasks = engine.state().project(&engine.config().layout, self.executor);
        let cursor = journal.cursor();
        let journal = Some((cursor.seq, cursor.offset));
        let mut projection = Projection::default();
        (projection.tasks, projection.socket, projection.journal) = (tasks, self.socket.clone(), journal);
        let text = self.manifest.render(&projection).into_bytes();
        if Some(&text) != self.text.as_ref() {
            if !replace_unchanged(&self.path, &text, 0o600, self.text.as_deref())? {
                self.stamp = None;
                return Ok(false);
            }
            self.text = Some(text);
        }
        // Someone may be faster than the stamp: their edit must not pass for what was written here.
        let stamp = stamp(&self.path);
        self.stamp = stamp.filter(|_| !self.differs());
        self.projected = projection.tasks;
        self.touched = Some(BTreeSet::new());
        self.changed = false;
        self.written_at = Instant::now();
        self.cost = begun.elapsed();
        Ok(true)
    }

    /// Adds tasks to the manifest and writes it, before the engine knows of them: whatever comes between, they
    /// are then found there as somebody's edit. What to say of it.
    ///
    /// # Errors
    /// [`AddError`]; nothing was changed.
    pub(super) fn add(
        &mut self,
        engine: &Orchestrator,
        journal: &Journal<Entry>,
        phase: Option<usize>,
        tasks: &[Value],
    ) -> Result<TakenEdit, AddError> {
        let (manifest, added) = with_tasks(&self.manifest, phase, tasks)?;
        engine.state().edit(manifest.plan(), true).map_err(|refusal| AddError::Refused(refusal.to_string()))?;
        let added: Vec<&str> = added.iter().map(TaskId::as_str).collect();
        let change = Some(format!("added {}", added.join(", ")));
        let before = std::mem::replace(&mut self.manifest, manifest.clone());
        self.changed = true;
        match self.write(engine, journal) {
            Ok(true) => Ok(TakenEdit { manifest, change }),
            Ok(false) => {
                self.manifest = before;
                Err(AddError::Refused(changing(&self.path)))
            }
            Err(error) => {
                self.manifest = before;
                Err(error.into())
            }
        }
    }

    /// Looks whether someone else changed the manifest since it was written last.
    pub(super) fn edited(
        &mut self,
        engine: &Orchestrator,
        journal: &Journal<Entry>,
        workdir: &Workdir,
    ) -> Result<Edit, super::DriveError> {
        let found = stamp(&self.path);
        if found.is_some() && found == self.stamp {
            return Ok(Edit::None);
        }
        let bytes = match fs::read(&self.path) {
            Err(e) if e.kind() == ErrorKind::NotFound => {
                self.changed |= self.text.take().is_some();
                return Ok(Edit::None);
            }
            bytes => bytes.doing("read", &self.path)?,
        };
        if Some(&bytes) == self.text.as_ref() {
            self.stamp = found;
            return Ok(Edit::None);
        }
        let file = match Manifest::parse(&bytes) {
            Ok(parsed) => parsed.manifest,
            // An editor that writes in place is not done yet.
            Err(_) if is_fresh(found) => return Ok(Edit::None),
            Err(problems) => return Ok(self.reject(workdir, bytes, &told(&problems))?),
        };
        let records = read_journal(journal.path())?.records;
        match judge_manifest(file, &records, engine.state(), workdir, true) {
            Err(refusal) => Ok(self.reject(workdir, bytes, &refusal.to_string())?),
            Ok(taken) => {
                self.manifest = taken.manifest.clone();
                self.text = Some(bytes);
                self.stamp = found;
                self.changed = true;
                Ok(Edit::Taken(Box::new(taken)))
            }
        }
    }

    /// Whether the file is there and holds something else than what was written or taken in last.
    fn differs(&self) -> bool {
        fs::read(&self.path).is_ok_and(|bytes| Some(bytes) != self.text)
    }

    fn reject(&mut self, workdir: &Workdir, bytes: Vec<u8>, why: &str) -> Result<Edit, FileError> {
        let mut n = 1;
        while workdir.rejected_manifest(n).exists() {
            n += 1;
        }
        let path = workdir.rejected_manifest(n);
        replace_file(&path, &bytes, 0o600)?;
        // What is kept beside may be replaced, and nothing else.
        self.text = Some(bytes);
        self.changed = true;
        Ok(Edit::Rejected(format!("an edit of manifest.json was not taken and is kept as {path}: {why}")))
    }
}

fn stamp(path: &Utf8PathBuf) -> Option<(SystemTime, u64)> {
    let meta = fs::metadata(path).ok()?;
    Some((meta.modified().ok()?, meta.len()))
}

/// Whether a file was written so lately that it may not be whole.
fn is_fresh(stamp: Option<(SystemTime, u64)>) -> bool {
    stamp.is_some_and(|(at, _)| at.elapsed().is_ok_and(|age| age < UNFINISHED))
}
