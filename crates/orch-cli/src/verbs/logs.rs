use std::fs::File;
use std::io::{Read, Seek, SeekFrom};

use camino::{Utf8Path, Utf8PathBuf};
use orch_core::{AttemptNo, Layout, TaskId, escape_block, escape_line};
use orch_runtime::{plain_text, tail_text};
use serde_json::json;

use super::Act;
use crate::failure::{Exit, Failure};
use crate::reading::Reading;
use crate::shell::{Shell, follow, task_id};

/// How much a follower takes in at once.
const CHUNK: u64 = 256 * 1024;

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
        let attempt = reading.state.tasks.get(&self.task).map(|task| task.attempt).unwrap_or_default();
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
        let mut tail = Tail { attempt, offset: begun, path, torn: Vec::new(), last: String::new() };
        follow(|| self.more(shell, &layout, &mut tail))
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
    fn more(&self, shell: &mut Shell, layout: &Layout, tail: &mut Tail) -> Result<(), Failure> {
        loop {
            let bytes = tail.read()?;
            if !bytes.is_empty() {
                if self.raw {
                    shell.bytes(&bytes)?;
                } else {
                    for line in tail.lines(bytes) {
                        if shell.json() {
                            self.json_line(shell, tail.attempt, &line)?;
                        } else {
                            shell.text(&escape_line(&line))?;
                        }
                    }
                }
                continue;
            }
            let next = if self.verify {
                newest_verify(layout, &self.task).map(|path| (path, tail.attempt))
            } else {
                let attempt = AttemptNo(tail.attempt.0 + 1);
                Some((layout.log(&self.task, attempt), attempt)).filter(|(path, _)| path.exists())
            };
            match next.filter(|(path, _)| *path != tail.path) {
                Some((path, attempt)) => {
                    *tail = Tail { path, attempt, offset: 0, torn: Vec::new(), last: String::new() }
                }
                None => return Ok(()),
            }
        }
    }
}

/// A log that is followed.
struct Tail {
    path: Utf8PathBuf,
    attempt: AttemptNo,
    offset: u64,
    /// The beginning of a line that is not finished.
    torn: Vec<u8>,
    /// The line shown last, so that a spinner's is shown once.
    last: String,
}

impl Tail {
    fn read(&mut self) -> Result<Vec<u8>, Failure> {
        let cannot = |error| Failure::other(format!("cannot read {}: {error}", self.path));
        let mut file = match File::open(&self.path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            file => file.map_err(cannot)?,
        };
        file.seek(SeekFrom::Start(self.offset)).map_err(cannot)?;
        let mut bytes = Vec::new();
        file.take(CHUNK).read_to_end(&mut bytes).map_err(cannot)?;
        self.offset += bytes.len() as u64;
        Ok(bytes)
    }

    /// The lines that these bytes finish, as plain text.
    fn lines(&mut self, bytes: Vec<u8>) -> Vec<String> {
        self.torn.extend(bytes);
        let Some(end) = self.torn.iter().rposition(|byte| *byte == b'\n') else { return Vec::new() };
        let rest = self.torn.split_off(end + 1);
        let whole = std::mem::replace(&mut self.torn, rest);
        let text = plain_text(&whole);
        let mut lines = Vec::new();
        for line in text.lines() {
            if *line != self.last {
                lines.push(line.to_owned());
                line.clone_into(&mut self.last);
            }
        }
        lines
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
    fn a_follower_shows_whole_plain_lines_once() {
        let mut tail =
            Tail { path: Utf8PathBuf::new(), attempt: AttemptNo(1), offset: 0, torn: Vec::new(), last: String::new() };
        let mut shown = Vec::new();
        for bytes in ["fir", "st\r\n\x1b[31mred\x1b[0m\nno", "end", "\nno", "end\nnoend\nx\n"] {
            shown.extend(tail.lines(bytes.as_bytes().to_vec()));
        }
        assert_eq!(shown, ["first", "red", "noend", "x"]);
    }

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
