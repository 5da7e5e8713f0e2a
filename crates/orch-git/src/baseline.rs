//! What of a repository's configuration can make git start programs or talk to other remotes, as it was when
//! orch began, and whether it still is.

mod watched;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::MetadataExt;

use camino::{Utf8Path, Utf8PathBuf};
use orch_core::ports::VcsError;
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;

use crate::files::replace_file;
use crate::git::{Repo, printable};
use watched::Use;

/// The watched part of a repository, recorded once and compared before every call that could be misled.
#[derive(Debug)]
pub(crate) struct Baseline {
    file: Utf8PathBuf,
    common: Utf8PathBuf,
    /// Calls outside any repository: a broken configuration must not keep us from reading it.
    outside: Repo,
    used: Use,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// `None` where the record is missing: then nothing is as recorded.
    recorded: Option<Snapshot>,
    /// The record's file as it was read.
    read_at: Option<[i64; 4]>,
    /// The stamps under which everything was found as recorded.
    good: Option<Vec<Stamp>>,
    /// Files that the configuration was last read from.
    sources: Vec<String>,
}

/// A setting, hook or attributes file that is not as it was recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigChange {
    /// `configuration`, `hooks` or `attributes`.
    pub what: &'static str,
    /// The key or the file.
    pub name: String,
    /// As recorded; `None` where it was not there. Digests of hooks and attributes.
    pub old: Option<String>,
    /// As it is.
    pub new: Option<String>,
}

/// Setting or file name to its values or digest.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
struct Snapshot {
    configuration: BTreeMap<String, Vec<String>>,
    hooks: BTreeMap<String, String>,
    attributes: BTreeMap<String, String>,
    /// Files that the configuration was read from, included ones too.
    sources: Vec<String>,
}

/// Path, then modification and change time in ns, size and inode; zeros where there is no such file.
type Stamp = (Utf8PathBuf, [i64; 4]);

impl std::fmt::Display for ConfigChange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { what, name, old, new } = self;
        match (*what, old, new) {
            ("configuration", old, new) => {
                let shown = |value: &Option<String>| {
                    value.as_ref().map_or("not set".to_owned(), |value| format!("{:?}", without_secrets(value)))
                };
                write!(f, "{name}: {} → {}", shown(old), shown(new))
            }
            (what, None, _) => write!(f, "{what}: {name} is new"),
            (what, _, None) => write!(f, "{what}: {name} is gone"),
            (what, _, _) => write!(f, "{what}: {name} changed"),
        }
    }
}

impl Baseline {
    /// Loads the record; where there is none, it is made now if `make` says so, and missing otherwise.
    pub(crate) async fn open(
        file: &Utf8Path,
        common: &Utf8Path,
        outside: Repo,
        used: (Option<&str>, bool),
        make: bool,
    ) -> Result<Self, VcsError> {
        let used = Use { remote: used.0.map(str::to_owned), hooks: used.1 };
        let (file, common) = (file.to_owned(), common.to_owned());
        let baseline = Self { file, common, outside, used, state: Mutex::default() };
        let missing = baseline.load(&mut *baseline.state.lock().await)?;
        if missing && make {
            baseline.record().await?;
        }
        Ok(baseline)
    }

    /// Reads the record if it was written since it was last read: a person may have accepted a change. Returns
    /// whether it is missing.
    fn load(&self, state: &mut State) -> Result<bool, VcsError> {
        let read_at = Some(stamp(&self.file));
        if state.read_at != read_at {
            state.recorded = match fs::read(&self.file) {
                Ok(bytes) => Some(serde_json::from_slice(&bytes).map_err(|error| self.unusable(error))?),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
                Err(error) => return Err(self.unusable(error)),
            };
            (state.read_at, state.good) = (read_at, None);
        }
        Ok(state.recorded.is_none())
    }

    /// Takes what is there now as right.
    pub(crate) async fn record(&self) -> Result<(), VcsError> {
        let snapshot = self.snapshot().await?;
        let bytes = serde_json::to_vec_pretty(&snapshot).map_err(|error| self.unusable(error))?;
        replace_file(&self.file, &bytes).map_err(|error| self.unusable(error))?;
        *self.state.lock().await =
            State { recorded: Some(snapshot), read_at: Some(stamp(&self.file)), ..State::default() };
        Ok(())
    }

    /// Compares everything; with `worktree` (its git directory) also that worktree's own configuration.
    pub(crate) async fn check(&self, worktree: Option<&Utf8Path>) -> Result<(), VcsError> {
        let mut state = self.state.lock().await;
        self.load(&mut state)?;
        let Some(recorded) = state.recorded.as_ref() else { return Err(self.missing()) };
        let stamps = self.stamps(&state.sources);
        if state.good.as_ref() != Some(&stamps) {
            let found = self.snapshot().await?;
            refuse(&self.differences(recorded, &found))?;
            // What was included may be another file by now: it is stamped as it was before it was read.
            let known = found.sources == state.sources;
            state.sources = found.sources;
            state.good = known.then_some(stamps);
        }
        match (worktree, &state.recorded) {
            (Some(git_dir), Some(recorded)) => self.check_worktree(recorded, git_dir).await,
            _ => Ok(()),
        }
    }

    /// All that is not as recorded; all that counts at all where there is no record.
    pub(crate) async fn changes(&self) -> Result<Vec<ConfigChange>, VcsError> {
        let found = self.snapshot().await?;
        let mut state = self.state.lock().await;
        self.load(&mut state)?;
        Ok(self.differences(state.recorded.as_ref().unwrap_or(&Snapshot::default()), &found))
    }

    fn differences(&self, recorded: &Snapshot, found: &Snapshot) -> Vec<ConfigChange> {
        let watched = |settings: &BTreeMap<String, Vec<String>>| -> BTreeMap<String, String> {
            let counts = |(key, values): &(&String, &Vec<String>)| {
                self.used.is_watched(key.strip_prefix("worktree ").unwrap_or(key), values)
            };
            settings.iter().filter(counts).map(|(key, values)| (key.clone(), values.join(", "))).collect()
        };
        let mut changes = changed("configuration", &watched(&recorded.configuration), &watched(&found.configuration));
        if self.used.hooks {
            changes.extend(changed("hooks", &recorded.hooks, &found.hooks));
        }
        changes.extend(changed("attributes", &recorded.attributes, &found.attributes));
        changes
    }

    /// A worktree's own configuration, as if the repository were set up for it.
    async fn check_worktree(&self, recorded: &Snapshot, git_dir: &Utf8Path) -> Result<(), VcsError> {
        let file = git_dir.join("config.worktree");
        if !file.exists() {
            return Ok(());
        }
        let (mut found, _) = self.configuration(&file).await?;
        found.retain(|key, values| {
            self.used.is_watched(key, values) && recorded.configuration.get(&format!("worktree {key}")) != Some(values)
        });
        let found = found.into_iter().map(|(key, values)| (key, values.join(", "))).collect();
        refuse(&changed("configuration", &BTreeMap::new(), &found))
    }

    async fn snapshot(&self) -> Result<Snapshot, VcsError> {
        let (mut configuration, mut sources) = self.configuration(&self.common.join("config")).await?;
        let own = self.common.join("config.worktree");
        if own.exists() {
            let (settings, more) = self.configuration(&own).await?;
            configuration.extend(settings.into_iter().map(|(key, values)| (format!("worktree {key}"), values)));
            sources.extend(more);
        }
        sources.sort();
        sources.dedup();
        Ok(Snapshot { configuration, hooks: self.hooks(), attributes: self.attributes(), sources })
    }

    /// The watched settings of one file and all that it includes, and the files that they came from.
    async fn configuration(&self, file: &Utf8Path) -> Result<(BTreeMap<String, Vec<String>>, Vec<String>), VcsError> {
        let args = ["config", "--file", file.as_str(), "--includes", "--show-origin", "-z", "--list"];
        let output = self.outside.read(args).run().await?;
        if output.status != 0 {
            return Err(tampered("configuration", &format!("{file} cannot be read: {}", output.stderr)));
        }
        let (mut settings, mut sources) = (BTreeMap::<String, Vec<String>>::new(), vec![file.to_string()]);
        for pair in output.names().chunks_exact(2) {
            let (key, value) = pair[1].split_once('\n').unwrap_or((&pair[1], ""));
            sources.extend(pair[0].strip_prefix("file:").map(str::to_owned));
            if key == "include.path" {
                // Also one that is not there yet: it counts from the moment that somebody makes it.
                sources.push(self.common.join(value).into_string());
            }
            if is_kept(key) {
                settings.entry(key.to_owned()).or_default().push(value.to_owned());
            }
        }
        sources.sort();
        sources.dedup();
        Ok((settings, sources))
    }

    fn hooks(&self) -> BTreeMap<String, String> {
        let files = self.hook_files();
        files.iter().map(|file| (file.file_name().unwrap_or_default().to_owned(), digest(file))).collect()
    }

    fn hook_files(&self) -> Vec<Utf8PathBuf> {
        let Ok(entries) = self.common.join("hooks").read_dir_utf8() else { return Vec::new() };
        let mut files: Vec<_> = entries.flatten().map(camino::Utf8DirEntry::into_path).collect();
        files.retain(|file| file.extension() != Some("sample"));
        files.sort();
        files
    }

    fn attributes(&self) -> BTreeMap<String, String> {
        let file = self.common.join("info/attributes");
        let found = file.exists().then(|| ("info/attributes".to_owned(), digest(&file)));
        found.into_iter().collect()
    }

    fn stamps(&self, sources: &[String]) -> Vec<Stamp> {
        let mut files = self.hook_files();
        files.extend(["config", "config.worktree", "hooks", "info/attributes"].map(|name| self.common.join(name)));
        files.extend(sources.iter().map(Utf8PathBuf::from));
        files.into_iter().map(|file| (file.clone(), stamp(&file))).collect()
    }

    fn missing(&self) -> VcsError {
        tampered("configuration", &format!("its record {} is missing", self.file))
    }

    fn unusable(&self, error: impl std::fmt::Display) -> VcsError {
        VcsError::Git { command: "config".to_owned(), stderr: format!("{}: {error}", self.file) }
    }
}

/// What a record holds: more than is compared, so that one which was written before is understood after.
fn is_kept(key: &str) -> bool {
    const SECTIONS: [&str; 11] = [
        "core.",
        "include.",
        "includeif.",
        "filter.",
        "diff.",
        "url.",
        "credential.",
        "remote.",
        "gpg.",
        "extensions.",
        "lfs.",
    ];
    SECTIONS.iter().any(|section| key.starts_with(section)) || key.starts_with("merge.") && key.ends_with(".driver")
}

/// What differs, by name.
fn changed(
    what: &'static str,
    recorded: &BTreeMap<String, String>,
    found: &BTreeMap<String, String>,
) -> Vec<ConfigChange> {
    let names: BTreeSet<&String> = recorded.keys().chain(found.keys()).collect();
    let change = |name: &String| {
        let (old, new) = (recorded.get(name).cloned(), found.get(name).cloned());
        (old != new).then(|| ConfigChange { what, name: name.clone(), old, new })
    };
    names.into_iter().filter_map(change).collect()
}

/// An address without the user and password that may stand in it.
fn without_secrets(value: &str) -> String {
    let Some((scheme, rest)) = value.split_once("://") else { return value.to_owned() };
    let host = rest.split('/').next().unwrap_or_default();
    match host.rsplit_once('@') {
        Some((secret, _)) => format!("{scheme}://…{}", &rest[secret.len()..]),
        None => value.to_owned(),
    }
}

/// The settings that a record holds; `None` where there is none.
pub(crate) fn recorded_keys(record: &Utf8Path) -> Result<Option<BTreeSet<String>>, VcsError> {
    let unusable = |error: String| VcsError::Git { command: "config".to_owned(), stderr: format!("{record}: {error}") };
    let bytes = match fs::read(record) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unusable(error.to_string())),
    };
    let snapshot: Snapshot = serde_json::from_slice(&bytes).map_err(|error| unusable(error.to_string()))?;
    Ok(Some(snapshot.configuration.into_keys().collect()))
}

fn refuse(changes: &[ConfigChange]) -> Result<(), VcsError> {
    let Some(first) = changes.first() else { return Ok(()) };
    let names: Vec<&str> = changes.iter().filter(|c| c.what == first.what).map(|c| c.name.as_str()).collect();
    Err(tampered(first.what, &names.join(", ")))
}

fn tampered(what: &str, detail: &str) -> VcsError {
    let help = "`orch doctor` shows it, `orch sync --accept-config` accepts it";
    VcsError::Tampered { what: what.to_owned(), detail: format!("{} ({help})", printable(detail)) }
}

fn digest(file: &Utf8Path) -> String {
    let hashed = fs::read(file).ok().and_then(|bytes| git2::Oid::hash_object(git2::ObjectType::Blob, &bytes).ok());
    hashed.map_or_else(|| "unreadable".to_owned(), |oid| oid.to_string())
}

/// The change time is in it because a program can set the modification time back, but not that one.
fn stamp(file: &Utf8Path) -> [i64; 4] {
    let Ok(found) = fs::metadata(file) else { return [0; 4] };
    let nanos = |secs: i64, nanos: i64| secs.saturating_mul(1_000_000_000).saturating_add(nanos);
    [
        nanos(found.mtime(), found.mtime_nsec()),
        nanos(found.ctime(), found.ctime_nsec()),
        found.size().cast_signed(),
        found.ino().cast_signed(),
    ]
}
