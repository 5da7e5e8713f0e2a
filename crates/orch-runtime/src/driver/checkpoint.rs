//! The manifest as a projection of the state: written now and then, and read again when someone edits it.

use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, Instant, SystemTime};

use camino::Utf8PathBuf;
use orch_core::{
    EffectId, Entry, ExecutorKind, Input, Manifest, Orchestrator, Plan, Problem, ProjectedTask, Projection, Record,
    Seen, TaskId,
};

use crate::atomic::replace_file;
use crate::file_error::FileError;
use crate::journal::Journal;
use crate::workdir::Workdir;

/// The least time between two writes while things change.
const INTERVAL: Duration = Duration::from_millis(500);

/// What a look at the manifest brought.
pub(super) enum Edit {
    /// Nobody edited it.
    None,
    /// An edit that the engine takes in.
    Taken(Box<Input>),
    /// An edit that cannot be taken, and what to tell about it.
    Rejected(String),
}

/// The manifest on disk and what was written there last.
pub(super) struct Checkpoint {
    path: Utf8PathBuf,
    manifest: Manifest,
    executor: ExecutorKind,
    socket: Option<String>,
    /// What the file held when it was written or taken in last.
    text: Vec<u8>,
    stamp: Option<(SystemTime, u64)>,
    projected: BTreeMap<TaskId, ProjectedTask>,
    dirty: bool,
    written_at: Instant,
    names: BTreeMap<EffectId, &'static str>,
}

impl Checkpoint {
    pub(super) fn new(workdir: &Workdir, plan: super::PlanFile) -> Self {
        let super::PlanFile { manifest, text, executor, socket } = plan;
        let path = workdir.manifest();
        let projected = manifest.imported().iter().map(|task| (task.id.clone(), task.state.clone())).collect();
        let stamp = stamp(&path);
        Self {
            path,
            manifest,
            executor,
            socket,
            text,
            stamp,
            projected,
            dirty: true,
            written_at: Instant::now(),
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
                _ => {}
            }
        }
        self.dirty |= !records.is_empty();
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
        if self.dirty { INTERVAL.saturating_sub(self.written_at.elapsed()) } else { Duration::from_secs(3600) }
    }

    pub(super) fn write_if_due(&mut self, engine: &Orchestrator, journal: &Journal<Entry>) -> Result<(), FileError> {
        if self.dirty && self.written_at.elapsed() >= INTERVAL {
            self.write(engine, journal)?;
        }
        Ok(())
    }

    /// Writes the manifest; its state fields show everything that the journal holds now. An edit that
    /// was not looked at yet stays as it is.
    pub(super) fn write(&mut self, engine: &Orchestrator, journal: &Journal<Entry>) -> Result<(), FileError> {
        if stamp(&self.path) != self.stamp && self.differs() {
            return Ok(());
        }
        let tasks = engine.state().project(&engine.config().layout, self.executor);
        let cursor = journal.cursor();
        let projection = Projection {
            tasks: tasks.clone(),
            socket: self.socket.clone(),
            journal: Some((cursor.seq, cursor.offset)),
            added: Vec::new(),
        };
        let text = self.manifest.render(&projection).into_bytes();
        if text != self.text {
            replace_file(&self.path, &text, 0o600)?;
            self.text = text;
        }
        self.stamp = stamp(&self.path);
        if self.differs() {
            // Someone was faster than the stamp: their edit must not pass for what was written here.
            self.stamp = None;
        }
        self.projected = tasks;
        self.dirty = false;
        self.written_at = Instant::now();
        Ok(())
    }

    /// The plan with tasks added, and what to say of it.
    pub(super) fn with_added(
        &mut self,
        phase: Option<usize>,
        tasks: &[serde_json::Value],
    ) -> Result<(Plan, String), String> {
        let manifest = self.manifest.with_tasks_added(phase, tasks).map_err(|problems| told(&problems))?;
        let before: Vec<&TaskId> = self.manifest.plan().tasks.iter().map(|task| &task.id).collect();
        let added = manifest.plan().tasks.iter().filter(|task| !before.contains(&&task.id));
        let added: Vec<String> = added.map(|task| task.id.to_string()).collect();
        let why = format!("added {}", added.join(", "));
        let plan = manifest.plan().clone();
        self.manifest = manifest;
        Ok((plan, why))
    }

    /// Looks whether someone else changed the manifest since it was written last.
    pub(super) fn edited(&mut self, engine: &Orchestrator, workdir: &Workdir) -> Result<Edit, FileError> {
        let found = stamp(&self.path);
        if found == self.stamp {
            return Ok(Edit::None);
        }
        self.stamp = found;
        let Ok(bytes) = fs::read(&self.path) else {
            self.dirty = true;
            self.text.clear();
            return Ok(Edit::None);
        };
        if bytes == self.text {
            return Ok(Edit::None);
        }
        let parsed = match Manifest::parse(&bytes) {
            Ok(parsed) => parsed.manifest,
            Err(problems) => return self.reject(workdir, &bytes, &told(&problems)),
        };
        if let Some(task) = self.changed_state(&parsed) {
            let why = format!(
                "the state fields of {task} are orch's; `orch retry|skip|pause|kill {task}` change what they show"
            );
            return self.reject(workdir, &bytes, &why);
        }
        match engine.state().edit(parsed.plan(), true) {
            Err(refusal) => self.reject(workdir, &bytes, &refusal.to_string()),
            Ok(change) => {
                let plan = parsed.plan().clone();
                self.manifest = parsed;
                self.text = bytes;
                self.dirty = true;
                let seen = |why| Input::Seen(Seen::Plan { plan: Box::new(plan), states: Vec::new(), why });
                Ok(change.map_or(Edit::None, |what| Edit::Taken(Box::new(seen(format!("edited by hand: {what}"))))))
            }
        }
    }

    /// Whether the file is there and holds something else than what was written or taken in last.
    fn differs(&self) -> bool {
        fs::read(&self.path).is_ok_and(|bytes| bytes != self.text)
    }

    /// A task whose state fields are not what was written last.
    fn changed_state(&self, edited: &Manifest) -> Option<TaskId> {
        let differs = |task: &&orch_core::ImportedTask| {
            self.projected.get(&task.id).map_or_else(|| task.import().is_some(), |before| *before != task.state)
        };
        edited.imported().iter().find(differs).map(|task| task.id.clone())
    }

    fn reject(&mut self, workdir: &Workdir, bytes: &[u8], why: &str) -> Result<Edit, FileError> {
        let mut n = 1;
        while workdir.rejected_manifest(n).exists() {
            n += 1;
        }
        let path = workdir.rejected_manifest(n);
        replace_file(&path, bytes, 0o600)?;
        self.text.clear();
        self.dirty = true;
        Ok(Edit::Rejected(format!("an edit of manifest.json was not taken and is kept as {path}: {why}")))
    }
}

fn stamp(path: &Utf8PathBuf) -> Option<(SystemTime, u64)> {
    let meta = fs::metadata(path).ok()?;
    Some((meta.modified().ok()?, meta.len()))
}

fn told(problems: &[Problem]) -> String {
    let lines: Vec<String> = problems.iter().take(5).map(ToString::to_string).collect();
    lines.join("; ")
}
