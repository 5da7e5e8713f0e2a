use std::fs::File;
use std::io::Read;

use camino::{Utf8Path, Utf8PathBuf};
use orch_core::base::{AttemptNo, Layout, TaskId, escape_block, escape_line};
use orch_runtime::tail_text;
use serde_json::json;

use super::Act;
use crate::failure::{Exit, Failure};
use crate::reading::Reading;
use crate::shell::{Shell, follow, task_id};
use crate::tail::Tail;

/// Show what a task's last attempt printed
///
/// As plain text: colours and other terminal sequences are taken out, repeated lines are shown once.
#[derive(Debug, clap::Args)]
pub(crate) struct Logs {
    /// The task
    #[arg(value_parser = task_id)]
    task: TaskId,
    /// Go on with what is printed from now on, in later attempts too
    #[arg(short, long)]
    follow: bool,
    /// How many lines of the end
    #[arg(short = 'n', long, value_name = "N", default_value_t = 100)]
    lines: usize,
    /// What the last verify command printed
    #[arg(long)]
    verify: bool,
    /// The whole log as it was printed, terminal sequences included
    #[arg(long, conflicts_with_all = ["json", "lines"])]
    raw: bool,
}

impl Act for Logs {
    fn act(self, shell: &mut Shell) -> Result<Exit, Failure> {
        let reading = Reading::open(shell)?;
        reading.require(&self.task)?;
        let attempt = reading.state.tasks.get(&self.task).map(|task| task.attempt.number).unwrap_or_default();
        let layout = reading.layout();
        let log = self.newest(&layout, attempt);
        let Some(path) =
            log.filter(|path| path.exists()).or_else(|| self.follow.then(|| layout.log(&self.task, attempt)))
        else {
            let what = if self.verify { "no verify command has run for it" } else { "no attempt has printed anything" };
            return Err(Failure::input(format!("{} has no log yet: {what}", self.task))
                .help("`orch why` says what it waits for"));
        };
        let begun = std::fs::metadata(&path).map_or(0, |meta| meta.len());
        if path.exists() {
            self.show(shell, &path, attempt)?;
        }
        if !self.follow {
            return Ok(Exit::Done);
        }
        let mut at = (attempt, Tail::new(path, begun));
        follow(|| self.more(shell, &layout, &mut at))
    }
}

impl Logs {
    /// The log that is meant, if there can be one.
    fn newest(&self, layout: &Layout, attempt: AttemptNo) -> Option<Utf8PathBuf> {
        if self.verify {
            return newest_verify(layout, &self.task);
        }
        (attempt.0 > 0).then(|| layout.log(&self.task, attempt))
    }

    fn show(&self, shell: &mut Shell, path: &Utf8Path, attempt: AttemptNo) -> Result<(), Failure> {
        if self.raw {
            let mut file = File::open(path).map_err(|error| Failure::other(format!("cannot open {path}: {error}")))?;
            let mut bytes = vec![0; 64 * 1024];
            loop {
                match file.read(&mut bytes).map_err(|error| Failure::other(format!("cannot read {path}: {error}")))? {
                    0 => return Ok(()),
                    count => shell.bytes(&bytes[..count])?,
                }
            }
        }
        let text = tail_text(path, self.lines)?;
        if !shell.json() {
            return shell.text(&escape_block(&text));
        }
        if self.follow {
            return text.lines().try_for_each(|line| self.json_line(shell, attempt, line));
        }
        let lines: Vec<&str> = text.lines().collect();
        shell.document(&json!({"task": self.task, "attempt": attempt, "path": path, "lines": lines}))
    }

    fn json_line(&self, shell: &mut Shell, attempt: AttemptNo, line: &str) -> Result<(), Failure> {
        shell.json_line(&json!({"task": self.task, "attempt": attempt, "line": line}))
    }

    /// Shows what was printed since, and goes on to the log of the next attempt when there is one.
    fn more(&self, shell: &mut Shell, layout: &Layout, at: &mut (AttemptNo, Tail)) -> Result<(), Failure> {
        loop {
            let (attempt, tail) = at;
            let bytes = tail.read()?;
            if !bytes.is_empty() {
                if self.raw {
                    shell.bytes(&bytes)?;
                } else {
                    for line in tail.lines(bytes) {
                        if shell.json() {
                            self.json_line(shell, *attempt, &line)?;
                        } else {
                            shell.text(&escape_line(&line))?;
                        }
                    }
                }
                continue;
            }
            let next = if self.verify {
                newest_verify(layout, &self.task).map(|path| (path, *attempt))
            } else {
                let attempt = AttemptNo(attempt.0 + 1);
                Some((layout.log(&self.task, attempt), attempt)).filter(|(path, _)| path.exists())
            };
            match next.filter(|(path, _)| *path != tail.path()) {
                Some((path, attempt)) => *at = (attempt, Tail::new(path, 0)),
                None => return Ok(()),
            }
        }
    }
}

/// The log of the last verify command: `logs/<id>-verify-<n>.log` with the greatest `n`.
fn newest_verify(layout: &Layout, task: &TaskId) -> Option<Utf8PathBuf> {
    let prefix = format!("{task}-verify-");
    let logs = layout.root().join("logs");
    let number = |name: &str| name.strip_prefix(&prefix)?.strip_suffix(".log")?.parse::<u64>().ok();
    let entries = logs.read_dir_utf8().ok()?.flatten();
    let newest = entries.filter_map(|entry| Some((number(entry.file_name())?, entry.path().to_owned()))).max()?;
    Some(newest.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_verify_log_is_that_of_the_last_launch() {
        let dir = tempfile::tempdir().expect("a directory");
        let layout = Layout::new(Utf8PathBuf::from_path_buf(dir.path().to_owned()).expect("UTF-8"));
        let task = TaskId::parse("t1").expect("a task id");
        assert_eq!(newest_verify(&layout, &task), None);
        std::fs::create_dir(layout.root().join("logs")).expect("made");
        for name in ["t1-1.log", "t1-verify-9.log", "t1-verify-10.log", "t1-verify-x.log", "t11-verify-99.log"] {
            std::fs::write(layout.root().join("logs").join(name), "").expect("written");
        }
        let newest = newest_verify(&layout, &task).expect("there is one");
        assert_eq!(newest.file_name(), Some("t1-verify-10.log"));
    }
}
