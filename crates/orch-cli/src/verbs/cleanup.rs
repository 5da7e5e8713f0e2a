use orch_core::base::{TaskId, escape_line};
use orch_core::cleanup::KeptBecause;
use orch_fleet::{Fleet, TakeDown, TakenDown, Workdir};
use orch_runtime::{Cleared, Kept};
use serde_json::{Value, json};

use super::Act;
use crate::failure::{Exit, Failure};
use crate::shell::{Shell, block_on};

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
struct Outcome(TakenDown);

impl Act for Cleanup {
    fn act(self, shell: &mut Shell) -> Result<Exit, Failure> {
        let workdir = shell.workdir()?;
        let outcome = block_on(self.clear(workdir))?;
        if shell.json() {
            shell.document(&outcome.json(self.purge))?;
        } else {
            shell.text(&outcome.text(self.purge))?;
        }
        Ok(outcome.exit())
    }
}

impl Cleanup {
    async fn clear(&self, workdir: Workdir) -> Result<Outcome, Failure> {
        let how = TakeDown { force: self.force, purge: self.purge };
        Ok(Outcome(Fleet::builder(workdir).open().await?.take_down(how).await?))
    }
}

impl Outcome {
    fn exit(&self) -> Exit {
        let at_work = |kept: &Kept| kept.because == KeptBecause::AtWork;
        let done = self.0.spared.is_none() && self.0.cleared.kept.iter().all(at_work);
        if done { Exit::Done } else { Exit::NeedsPerson }
    }

    fn json(&self, purge: bool) -> Value {
        let Cleared { ended, removed, saved, kept } = &self.0.cleared;
        let kept: Vec<Value> =
            kept.iter().map(|kept| json!({"task": kept.task, "why": kept.because.to_string()})).collect();
        json!({"ended": ended, "removed": removed, "saved": saved, "kept": kept, "serverEnded": self.0.idle,
            "purged": purge && self.0.spared.is_none(), "why": self.0.spared})
    }

    fn text(&self, purge: bool) -> String {
        let Cleared { ended, removed, saved, kept } = &self.0.cleared;
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
        if self.0.idle {
            say("sessions, sockets and locks are gone".to_owned());
        }
        match &self.0.spared {
            Some(why) => say(format!("the workdir stays: {}", escape_line(why))),
            None if purge => say("the workdir is gone".to_owned()),
            None => {}
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(because: KeptBecause) -> Outcome {
        let task = Some(TaskId::parse("t1").expect("a task id"));
        let cleared = Cleared { kept: vec![Kept { task, because }], ..Cleared::default() };
        Outcome(TakenDown { cleared, ..TakenDown::default() })
    }

    #[test]
    fn only_work_that_would_be_lost_needs_a_person() {
        assert_eq!(Outcome::default().exit(), Exit::Done);
        assert_eq!(kept(KeptBecause::AtWork).exit(), Exit::Done);
        assert_eq!(kept(KeptBecause::NotRemoved("x".to_owned())).exit(), Exit::NeedsPerson);
        let spared = Outcome(TakenDown { spared: Some("x".to_owned()), ..TakenDown::default() });
        assert_eq!(spared.exit(), Exit::NeedsPerson);
    }

    #[test]
    fn what_stays_is_said_with_its_reason() {
        insta::assert_snapshot!(kept(KeptBecause::AtWork).text(false), @r"
        kept t1: its agent is at work
          help: `orch cleanup --force` saves its work and ends it
        ");
        let lost = Outcome(TakenDown {
            spared: Some("it holds\u{1b} x".to_owned()),
            idle: true,
            ..kept(KeptBecause::NotRemoved("c0ffee is nowhere else".to_owned())).0
        });
        insta::assert_snapshot!(lost.text(true), @r"
        kept t1: its worktree cannot be removed: c0ffee is nowhere else
        sessions, sockets and locks are gone
        the workdir stays: it holds\u{1b} x
        ");
    }
}
