use std::sync::Arc;

use camino::Utf8Path;
use orch_core::base::{TaskId, escape_line};
use orch_core::cleanup::KeptBecause;
use orch_core::ports::Vcs;
use orch_runtime::{Cleared, Kept, Workdir};
use serde_json::{Value, json};

use super::Act;
use crate::failure::{Exit, Failure};
use crate::shell::{Shell, block_on};
use crate::world::{Fleet, Wishes};

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

/// Take down finished sessions, worktrees, locks, sockets and the tmux server
///
/// Keeps the manifest, the journal, logs and pull requests. Ends with 3 when something stays because its work is on
/// no remote and no saved ref.
#[derive(Debug, clap::Args)]
pub(crate) struct Cleanup {
    /// End live agents too; their uncommitted work is saved under refs/orch/saved first
    #[arg(long)]
    force: bool,
    /// Remove the workdir with everything in it, once nothing is left that would be lost
    #[arg(long)]
    purge: bool,
}

/// What came of it.
#[derive(Debug, Default)]
struct Outcome {
    cleared: Cleared,
    /// Whether nothing runs any more: the server, sockets and locks are gone.
    idle: bool,
    /// With `--purge`: why the workdir is still there.
    spared: Option<String>,
}

impl Act for Cleanup {
    fn act(self, shell: &mut Shell) -> Result<Exit, Failure> {
        let workdir = shell.workdir()?;
        let outcome = block_on(self.clear(&workdir))?;
        if shell.json() {
            shell.document(&outcome.json(self.purge))?;
        } else {
            shell.text(&outcome.text(self.purge))?;
        }
        Ok(outcome.exit())
    }
}

impl Cleanup {
    async fn clear(&self, workdir: &Workdir) -> Result<Outcome, Failure> {
        let mut fleet = Fleet::open(workdir.clone(), Wishes::default()).await?;
        let cleared = fleet.clear(self.force).await?;
        let at_risk = if self.purge { at_risk(&fleet, &cleared).await? } else { None };
        let vcs = Arc::clone(fleet.vcs());
        let idle = fleet.close().await?;
        let spared = match (self.purge, cleared.kept.is_empty() && idle, at_risk) {
            (false, _, _) => None,
            (true, false, _) => Some("not everything could be taken down".to_owned()),
            (true, true, Some(risk)) => Some(risk),
            (true, true, None) => {
                vcs.disown().await?;
                purge(workdir.root())?
            }
        };
        Ok(Outcome { cleared, idle, spared })
    }
}

/// What a clone inside of the workdir holds that would go with it.
async fn at_risk(fleet: &Fleet, cleared: &Cleared) -> Result<Option<String>, Failure> {
    let repo = fleet.workdir().repo();
    if !repo.exists() {
        return Ok(None);
    }
    let before = fleet.engine().state().tasks.values().flat_map(|task| &task.work.saved);
    let saved: Vec<&str> = before.chain(&cleared.saved).map(String::as_str).collect();
    if !saved.is_empty() {
        return Ok(Some(format!("{repo} holds saved work: {}; fetch it from there first", saved.join(", "))));
    }
    let vcs = fleet.vcs();
    vcs.base_tip(&fleet.engine().config().base).await?;
    let lost = vcs.unpublished().await?;
    Ok(lost.map(|what| format!("{repo} holds commits that its remote lacks ({what}); push them first")))
}

/// Removes what orch put there, and the directory if nothing else is in it; says what else is.
fn purge(root: &Utf8Path) -> Result<Option<String>, Failure> {
    let cannot = |error: std::io::Error| Failure::other(format!("cannot remove {root}: {error}"));
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

impl Outcome {
    fn exit(&self) -> Exit {
        let at_work = |kept: &Kept| kept.because == KeptBecause::AtWork;
        let done = self.spared.is_none() && self.cleared.kept.iter().all(at_work);
        if done { Exit::Done } else { Exit::NeedsPerson }
    }

    fn json(&self, purge: bool) -> Value {
        let Cleared { ended, removed, saved, kept } = &self.cleared;
        let kept: Vec<Value> =
            kept.iter().map(|kept| json!({"task": kept.task, "why": kept.because.to_string()})).collect();
        json!({"ended": ended, "removed": removed, "saved": saved, "kept": kept, "serverEnded": self.idle,
            "purged": purge && self.spared.is_none(), "why": self.spared})
    }

    fn text(&self, purge: bool) -> String {
        let Cleared { ended, removed, saved, kept } = &self.cleared;
        let names = |tasks: &[TaskId]| tasks.iter().map(TaskId::as_str).collect::<Vec<_>>().join(", ");
        let mut text = String::new();
        let mut say = |line: String| text.push_str(&format!("{line}\n"));
        if !ended.is_empty() {
            say(format!("ended the agents of {}", names(ended)));
        }
        if !removed.is_empty() {
            say(format!("removed the worktrees of {}", names(removed)));
        }
        for reference in saved {
            say(format!("saved {}", escape_line(reference)));
        }
        for Kept { task, because } in kept {
            let whose = task.as_ref().map_or("a session that the journal does not know", TaskId::as_str);
            say(format!("kept {whose}: {}", escape_line(&because.to_string())));
            if *because == KeptBecause::AtWork && task.is_some() {
                say("  help: `orch cleanup --force` saves its work and ends it".to_owned());
            }
        }
        if self.idle {
            say("sessions, sockets and locks are gone".to_owned());
        }
        match &self.spared {
            Some(why) => say(format!("the workdir stays: {}", escape_line(why))),
            None if purge => say("the workdir is gone".to_owned()),
            None => {}
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use camino::Utf8PathBuf;

    use super::*;

    fn kept(because: KeptBecause) -> Outcome {
        let task = Some(TaskId::parse("t1").expect("a task id"));
        let cleared = Cleared { kept: vec![Kept { task, because }], ..Cleared::default() };
        Outcome { cleared, ..Outcome::default() }
    }

    #[test]
    fn only_work_that_would_be_lost_needs_a_person() {
        assert_eq!(Outcome::default().exit(), Exit::Done);
        assert_eq!(kept(KeptBecause::AtWork).exit(), Exit::Done);
        assert_eq!(kept(KeptBecause::NotRemoved("x".to_owned())).exit(), Exit::NeedsPerson);
        assert_eq!(Outcome { spared: Some("x".to_owned()), ..Outcome::default() }.exit(), Exit::NeedsPerson);
    }

    #[test]
    fn what_stays_is_said_with_its_reason() {
        insta::assert_snapshot!(kept(KeptBecause::AtWork).text(false), @r"
        kept t1: its agent is at work
          help: `orch cleanup --force` saves its work and ends it
        ");
        let lost = Outcome {
            spared: Some("it holds\u{1b} x".to_owned()),
            idle: true,
            ..kept(KeptBecause::NotRemoved("c0ffee is nowhere else".to_owned()))
        };
        insta::assert_snapshot!(lost.text(true), @r"
        kept t1: its worktree cannot be removed: c0ffee is nowhere else
        sessions, sockets and locks are gone
        the workdir stays: it holds\u{1b} x
        ");
    }

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
