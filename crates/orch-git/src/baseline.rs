//! What of a repository's configuration can make git start programs or talk to other remotes, as it was when
//! orch began, and whether it still is.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;

use camino::{Utf8Path, Utf8PathBuf};
use orch_core::VcsError;
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;

use crate::files::replace_file;
use crate::git::{Repo, printable};

/// Sections, with their dot, in which every key counts.
const SECTIONS: &[&str] =
    &["core.", "include.", "includeif.", "filter.", "diff.", "url.", "credential.", "remote.", "gpg.", "extensions."];

/// What a worktree's own configuration may hold beyond what it was made with.
const SPARSE: &[&str] = &["core.sparsecheckout", "core.sparsecheckoutcone"];

/// The watched part of a repository, recorded once and compared before every call that could be misled.
#[derive(Debug)]
pub(crate) struct Baseline {
    file: Utf8PathBuf,
    common: Utf8PathBuf,
    /// Calls outside any repository: a broken configuration must not keep us from reading it.
    outside: Repo,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    recorded: Snapshot,
    /// The stamps under which everything was found as recorded.
    good: Option<Vec<Stamp>>,
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

impl Baseline {
    /// Loads the record, or makes it now where there is none.
    pub(crate) async fn open(file: &Utf8Path, common: &Utf8Path, outside: Repo) -> Result<Self, VcsError> {
        let state = Mutex::new(State { recorded: Snapshot::default(), good: None });
        let baseline = Self { file: file.to_owned(), common: common.to_owned(), outside, state };
        match fs::read(file) {
            Ok(bytes) => {
                let recorded = serde_json::from_slice(&bytes).map_err(|error| baseline.unusable(error))?;
                baseline.state.lock().await.recorded = recorded;
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => baseline.record().await?,
            Err(error) => return Err(baseline.unusable(error)),
        }
        Ok(baseline)
    }

    /// Takes what is there now as right.
    pub(crate) async fn record(&self) -> Result<(), VcsError> {
        let snapshot = self.snapshot().await?;
        let bytes = serde_json::to_vec_pretty(&snapshot).map_err(|error| self.unusable(error))?;
        replace_file(&self.file, &bytes).map_err(|error| self.unusable(error))?;
        *self.state.lock().await = State { recorded: snapshot, good: None };
        Ok(())
    }

    /// Compares everything; with `worktree` (its git directory) also that worktree's own configuration.
    pub(crate) async fn check(&self, worktree: Option<&Utf8Path>) -> Result<(), VcsError> {
        let mut state = self.state.lock().await;
        let stamps = self.stamps(&state.recorded);
        if state.good.as_ref() != Some(&stamps) {
            compare(&state.recorded, &self.snapshot().await?)?;
            state.good = Some(stamps);
        }
        match worktree {
            Some(git_dir) => self.check_worktree(&state.recorded, git_dir).await,
            None => Ok(()),
        }
    }

    /// Compares `info/attributes` alone: what a call that reads no other attributes needs.
    pub(crate) async fn check_attributes(&self) -> Result<(), VcsError> {
        let recorded = &self.state.lock().await.recorded.attributes;
        changed("attributes", recorded, &self.attributes())
    }

    /// A worktree's own configuration counts only where the repository was set up for it.
    async fn check_worktree(&self, recorded: &Snapshot, git_dir: &Utf8Path) -> Result<(), VcsError> {
        let file = git_dir.join("config.worktree");
        if !file.exists() || !recorded.configuration.contains_key("extensions.worktreeconfig") {
            return Ok(());
        }
        let (mut found, _) = self.configuration(&file).await?;
        found.retain(|key, values| {
            !SPARSE.contains(&key.as_str()) && recorded.configuration.get(&format!("worktree {key}")) != Some(values)
        });
        changed("configuration", &BTreeMap::new(), &found)
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
            if is_watched(key) {
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

    fn stamps(&self, recorded: &Snapshot) -> Vec<Stamp> {
        let mut files = self.hook_files();
        files.extend(["config", "config.worktree", "hooks", "info/attributes"].map(|name| self.common.join(name)));
        files.extend(recorded.sources.iter().map(Utf8PathBuf::from));
        files.into_iter().map(|file| (file.clone(), stamp(&file))).collect()
    }

    fn unusable(&self, error: impl std::fmt::Display) -> VcsError {
        VcsError::Git { command: "config".to_owned(), stderr: format!("{}: {error}", self.file) }
    }
}

fn is_watched(key: &str) -> bool {
    SECTIONS.iter().any(|section| key.starts_with(section)) || key.starts_with("merge.") && key.ends_with(".driver")
}

fn compare(recorded: &Snapshot, found: &Snapshot) -> Result<(), VcsError> {
    changed("configuration", &recorded.configuration, &found.configuration)?;
    changed("hooks", &recorded.hooks, &found.hooks)?;
    changed("attributes", &recorded.attributes, &found.attributes)
}

/// The names whose values differ, as an error.
fn changed<T: PartialEq>(
    what: &str,
    recorded: &BTreeMap<String, T>,
    found: &BTreeMap<String, T>,
) -> Result<(), VcsError> {
    let mut names: Vec<&str> = recorded
        .keys()
        .chain(found.keys())
        .filter(|name| recorded.get(*name) != found.get(*name))
        .map(String::as_str)
        .collect();
    names.sort_unstable();
    names.dedup();
    if names.is_empty() { Ok(()) } else { Err(tampered(what, &names.join(", "))) }
}

fn tampered(what: &str, detail: &str) -> VcsError {
    VcsError::Tampered { what: what.to_owned(), detail: printable(detail) }
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
