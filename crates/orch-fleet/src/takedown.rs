use std::io::ErrorKind;
use std::sync::Arc;

use camino::{Utf8Path, Utf8PathBuf};
use orch_core::ports::Vcs;
use orch_runtime::{Cleared, FileError};

use crate::error::FleetError;
use crate::fleet::Fleet;

/// What orch itself puts into a workdir; nothing else is ever removed.
const OWN: [&str; 16] = [
    ".orch-workdir",
    "identity",
    "manifest.json",
    "events.jsonl",
    "orch.toml",
    "orch.lock",
    "effects.lock",
    "pulls.json",
    "pulls.json.lock",
    "git-baseline.json",
    "repo",
    "prompts",
    "logs",
    "hooks",
    "sessions",
    "tmux",
];

/// How much is taken down.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TakeDown {
    /// Live agents too; their uncommitted work is saved under `refs/orch/saved` first.
    pub force: bool,
    /// The workdir with everything in it, once nothing is left that would be lost.
    pub purge: bool,
}

/// What was taken down.
#[derive(Debug, Clone, Default)]
pub struct TakenDown {
    /// Sessions and worktrees.
    pub cleared: Cleared,
    /// Whether nothing runs any more: the server, sockets and locks are gone.
    pub idle: bool,
    /// With `purge`: why the workdir is still there.
    pub spared: Option<String>,
}

impl Fleet {
    /// Takes down finished sessions, worktrees, locks, sockets and the server or host: what `orch cleanup` does. What would
    /// be lost stays, and is told.
    ///
    /// # Errors
    /// [`FleetError`] when a step could not be recorded (it was not taken then) or a file not be removed.
    pub async fn take_down(mut self, how: TakeDown) -> Result<TakenDown, FleetError> {
        let cleared = self.clear(how.force).await?;
        let at_risk = if how.purge { self.at_risk(&cleared).await? } else { None };
        let (vcs, root) = (Arc::clone(&self.vcs), self.workdir.root().to_owned());
        let idle = self.close().await?;
        let spared = match (how.purge, cleared.kept.is_empty() && idle, at_risk) {
            (false, _, _) => None,
            (true, false, _) => Some("not everything could be taken down".to_owned()),
            (true, true, Some(risk)) => Some(risk),
            (true, true, None) => {
                vcs.disown().await?;
                purge(&root)?
            }
        };
        Ok(TakenDown { cleared, idle, spared })
    }

    /// Takes down sessions and worktrees.
    async fn clear(&mut self, force: bool) -> Result<Cleared, FleetError> {
        let (state, layout) = (self.engine.state().clone(), self.workdir.layout());
        Ok(orch_runtime::clear(&mut self.journal, state, &self.surroundings.ports, &layout, force).await?)
    }

    /// What a clone inside of the workdir holds that would go with it.
    async fn at_risk(&self, cleared: &Cleared) -> Result<Option<String>, FleetError> {
        let repo = self.workdir.repo();
        if !repo.exists() {
            return Ok(None);
        }
        let before = self.engine.state().tasks.values().flat_map(|task| &task.work.saved);
        let saved: Vec<&str> = before.chain(&cleared.saved).map(String::as_str).collect();
        if !saved.is_empty() {
            return Ok(Some(format!("{repo} holds saved work: {}; fetch it from there first", saved.join(", "))));
        }
        self.vcs.base_tip(&self.engine.config().base).await?;
        let lost = self.vcs.unpublished().await?;
        Ok(lost.map(|what| format!("{repo} holds commits that its remote lacks ({what}); push them first")))
    }

    /// Ends the tmux server or the session host and removes sockets and locks, unless something still runs; whether
    /// nothing did.
    async fn close(self) -> Result<bool, FleetError> {
        let idle = self.place.shutdown().await?;
        self.server.close().await;
        if !idle {
            return Ok(false);
        }
        let socket = self.plan.socket.map(Utf8PathBuf::from);
        // Whoever starts the server anew writes its settings anew.
        for room in [self.workdir.root().join("tmux"), self.workdir.sessions()] {
            let _ = std::fs::remove_dir_all(room);
        }
        let pulls = self.workdir.root().join("pulls.json.lock");
        for path in socket.into_iter().chain([pulls, self.workdir.effects_lock(), self.workdir.lock()]) {
            match std::fs::remove_file(&path) {
                Err(source) if source.kind() != ErrorKind::NotFound => {
                    return Err(FileError { action: "remove", path, source }.into());
                }
                _ => {}
            }
        }
        Ok(true)
    }
}

/// Removes what orch put there, and the directory if nothing else is in it; says what else is.
fn purge(root: &Utf8Path) -> Result<Option<String>, FleetError> {
    let cannot = |source| FileError { action: "remove", path: root.to_owned(), source };
    let mut others = Vec::new();
    for entry in root.read_dir_utf8().map_err(cannot)? {
        let entry = entry.map_err(cannot)?;
        let (name, kind) = (entry.file_name(), entry.file_type().map_err(cannot)?);
        let own = OWN.contains(&name) || name.starts_with("manifest.rejected-");
        match (own, kind.is_dir()) {
            (false, _) => others.push(name.to_owned()),
            (true, true) => std::fs::remove_dir_all(entry.path()).map_err(cannot)?,
            (true, false) => std::fs::remove_file(entry.path()).map_err(cannot)?,
        }
    }
    if others.is_empty() {
        std::fs::remove_dir(root).map_err(cannot)?;
        return Ok(None);
    }
    others.sort();
    Ok(Some(format!("it holds files that orch did not make: {}", others.join(", "))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_purge_takes_only_what_orch_made() {
        let dir = tempfile::tempdir().expect("a directory");
        let root = Utf8PathBuf::from_path_buf(dir.path().join("w")).expect("UTF-8");
        std::fs::create_dir_all(root.join("logs")).expect("made");
        for name in ["manifest.json", "manifest.rejected-1.json", "logs/t1-1.log", "notes.txt"] {
            std::fs::write(root.join(name), "").expect("written");
        }
        let spared = purge(&root).expect("removed");
        assert_eq!(spared.as_deref(), Some("it holds files that orch did not make: notes.txt"));
        assert!(root.join("notes.txt").exists() && !root.join("manifest.json").exists() && !root.join("logs").exists());
        std::fs::remove_file(root.join("notes.txt")).expect("removed");
        assert_eq!(purge(&root).expect("removed"), None);
        assert!(!root.exists());
    }
}
