use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use orch_fleet::{Answer, Fleet, PATIENCE, Request, Workdir};
use orch_runtime::{ControlError, LockError, ask, holder, tail_text};

use super::Run;
use crate::failure::{Exit, Failure};

/// How often the start is looked at.
const BEAT: Duration = Duration::from_millis(20);

/// How many lines of the log are shown of a run that ended at once.
const LAST_WORDS: usize = 20;

impl Run {
    /// Starts the same run in a process group of its own, its words in `logs/orchestrator.log`, and waits until it
    /// drives. What it would be refused for is said here, before anything is changed.
    pub(super) async fn detach(self, workdir: &Workdir) -> Result<Exit, Failure> {
        if let Some(owner) = holder(workdir)? {
            let (pid, since) = (Some(owner.process.pid), Some(owner.since));
            return Err(LockError::Held { root: workdir.root().to_owned(), pid, since, control: owner.control }.into());
        }
        Fleet::builder(workdir.clone()).check()?;
        workdir.make_rooms()?;
        let program = std::env::current_exe().map_err(|e| Failure::other(format!("cannot find this program: {e}")))?;
        let path = workdir.root().join("logs/orchestrator.log");
        let open = || std::fs::OpenOptions::new().create(true).append(true).open(&path);
        let log = open().and_then(|log| Ok((log.try_clone()?, log)));
        let (out, err) = log.map_err(|e| Failure::other(format!("cannot write {path}: {e}")))?;
        let mut command = tokio::process::Command::new(program);
        command.args(["--workdir", workdir.root().as_str(), "run"]);
        if let Some(until) = self.until {
            command.args(["--until", until.as_str()]);
        }
        if let Some(n) = self.max_parallel {
            command.args(["--max-parallel", &n.to_string()]);
        }
        command.stdin(Stdio::null()).stdout(out).stderr(err).process_group(0);
        let mut child = command.spawn().map_err(|e| Failure::other(format!("cannot start in the background: {e}")))?;
        let pid = child.id().unwrap_or_default();
        let mut beat = tokio::time::interval(BEAT);
        loop {
            beat.tick().await;
            if let Ok(Some(status)) = child.try_wait() {
                let said = tail_text(&path, LAST_WORDS).unwrap_or_default();
                crate::output::notice(&format!("it ended at once; {path} says:\n{said}\n"));
                return Ok(exit_of(status));
            }
            if answers(workdir, pid).await? {
                let told = "`orch status` shows it, `orch stop` ends it";
                crate::output::notice(&format!("orch runs in the background as process {pid}; {told}\n"));
                return Ok(Exit::Done);
            }
        }
    }
}

/// Whether the orchestrator of that process is past everything that could refuse it, and drives.
async fn answers(workdir: &Workdir, pid: u32) -> Result<bool, Failure> {
    let owner = holder(workdir)?.filter(|owner| owner.process.pid == pid);
    let Some(control) = owner.and_then(|owner| owner.control) else { return Ok(false) };
    match ask::<_, Answer>(&control, &Request::Wake, PATIENCE).await {
        Ok(_) => Ok(true),
        // It does not listen yet, or not any more: it is seen again, or its end is.
        Err(ControlError::NotRunning { .. } | ControlError::NoAnswer { .. } | ControlError::Refused(_)) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// How this command ends when the run did so before it was left alone.
fn exit_of(status: ExitStatus) -> Exit {
    let exits = [Exit::Done, Exit::Input, Exit::NeedsPerson, Exit::Held, Exit::Interrupted];
    exits.into_iter().find(|exit| status.code() == Some(*exit as i32)).unwrap_or(Exit::Failed)
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;

    use super::*;

    #[test]
    fn it_ends_as_the_run_ended() {
        for (code, exit) in
            [(0, Exit::Done), (1, Exit::Failed), (3, Exit::NeedsPerson), (4, Exit::Held), (77, Exit::Failed)]
        {
            assert_eq!(exit_of(ExitStatus::from_raw(code << 8)), exit, "{code}");
        }
        assert_eq!(exit_of(ExitStatus::from_raw(9)), Exit::Failed, "killed");
    }
}
