use std::pin::pin;
use std::time::Duration;

use orch_core::base::{LaunchId, escape_block, escape_line};
use orch_core::ports::Executor;
use orch_runtime::{plain_text, tail_text};
use serde_json::json;

use super::Act;
use crate::failure::{Exit, Failure};
use crate::output::table;
use crate::sessions::Sessions;
use crate::shell::{Shell, block_on};
use crate::tail::Tail;

/// How often a follower looks for more when nothing is announced.
const BEAT: Duration = Duration::from_millis(200);

/// List sessions that run
#[derive(Debug, clap::Args)]
pub(crate) struct List {
    /// Those that have ended, too
    #[arg(long)]
    all: bool,
}

/// Show what a session printed
///
/// As plain text: colours and other terminal sequences are taken out, repeated lines are shown once.
#[derive(Debug, clap::Args)]
pub(crate) struct Log {
    /// The session
    id: String,
    /// How many bytes of the end
    #[arg(long, value_name = "BYTES")]
    limit: Option<usize>,
    /// How many lines of the end [default: 100]
    #[arg(short = 'n', long, value_name = "N", conflicts_with = "limit")]
    lines: Option<usize>,
    /// As it was printed, terminal sequences included; the whole log without `--limit`
    #[arg(long, conflicts_with_all = ["json", "lines"])]
    raw: bool,
    /// Go on with what is printed from now on, until it ends
    #[arg(short, long)]
    follow: bool,
}

/// Show what a session's terminal shows
#[derive(Debug, clap::Args)]
pub(crate) struct Screen {
    /// The session
    id: String,
}

impl Act for List {
    fn act(self, shell: &mut Shell) -> Result<Exit, Failure> {
        let sessions = block_on(async { Sessions::open().await?.list(self.all).await })?;
        if shell.json() {
            let sessions: Vec<_> = sessions.iter().map(crate::sessions::Known::json).collect();
            shell.document(&json!({"sessions": sessions}))?;
            return Ok(Exit::Done);
        }
        if sessions.is_empty() {
            shell.text(if self.all { "no sessions" } else { "no session runs; --all shows those that have ended" })?;
            return Ok(Exit::Done);
        }
        let head = ["ID", "STATE", "NAME", "LAST OUTPUT", "DIRECTORY", "COMMAND"].map(str::to_owned).to_vec();
        let rows = sessions.iter().map(|known| {
            let state = match &known.end {
                Some(end) if !end.lost => end.exit.to_string(),
                _ => known.state().to_owned(),
            };
            let dash = || "-".to_owned();
            vec![
                known.id.to_string(),
                state,
                known.facts.name.clone().or_else(|| known.facts.agent.clone()).unwrap_or_else(dash),
                known.last_output_at().map_or_else(dash, |at| at.to_string()),
                escape_line(known.facts.cwd.as_str()),
                escape_line(&known.facts.argv.join(" ")).chars().take(60).collect(),
            ]
        });
        shell.text(&table(&std::iter::once(head).chain(rows).collect::<Vec<_>>()))?;
        Ok(Exit::Done)
    }
}

impl Act for Log {
    fn act(self, shell: &mut Shell) -> Result<Exit, Failure> {
        let known = block_on(async { Sessions::open().await?.find(&self.id).await })?;
        let path = crate::sessions::store()?.log(known.id);
        let bytes = if path.exists() {
            std::fs::read(&path).map_err(|error| Failure::other(format!("{path}: {error}")))?
        } else {
            Vec::new()
        };
        let begun = bytes.len() as u64;
        if self.raw {
            let from = self.limit.map_or(0, |limit| bytes.len().saturating_sub(limit));
            shell.bytes(&bytes[from..])?;
        } else if let Some(limit) = self.limit {
            self.show(shell, &plain_end(&bytes, limit))?;
        } else if !bytes.is_empty() {
            self.show(shell, &tail_text(&path, self.lines.unwrap_or(100))?)?;
        } else if shell.json() {
            self.show(shell, "")?;
        }
        if !self.follow {
            return Ok(Exit::Done);
        }
        block_on(self.follow(shell, known.id, Tail::new(path, begun)))
    }
}

impl Log {
    /// Shows what is printed from now on, until the session has ended or a person interrupts.
    async fn follow(&self, shell: &mut Shell, id: LaunchId, mut tail: Tail) -> Result<Exit, Failure> {
        let sessions = Sessions::open().await?;
        let mut interrupt = pin!(crate::run::interrupted());
        loop {
            let runs = sessions.settle().await?.iter().any(|session| session.launch == id);
            self.more(shell, id, &mut tail)?;
            if !runs {
                return Ok(Exit::Done);
            }
            tokio::select! {
                () = &mut interrupt => return Ok(Exit::Interrupted),
                // What is not announced is seen all the same.
                _ = tokio::time::timeout(BEAT, sessions.executor.events()) => {}
            }
        }
    }

    fn more(&self, shell: &mut Shell, id: LaunchId, tail: &mut Tail) -> Result<(), Failure> {
        loop {
            let bytes = tail.read()?;
            if bytes.is_empty() {
                return Ok(());
            }
            if self.raw {
                shell.bytes(&bytes)?;
                continue;
            }
            for line in tail.lines(bytes) {
                if shell.json() {
                    shell.json_line(&json!({"id": id.to_string(), "line": line}))?;
                } else {
                    shell.text(&escape_line(&line))?;
                }
            }
        }
    }

    fn show(&self, shell: &mut Shell, text: &str) -> Result<(), Failure> {
        if !shell.json() {
            return shell.text(&escape_block(text));
        }
        if self.follow {
            return text.lines().try_for_each(|line| shell.json_line(&json!({"id": self.id, "line": line})));
        }
        let lines: Vec<&str> = text.lines().collect();
        shell.document(&json!({"id": self.id, "lines": lines}))
    }
}

/// The last bytes of a log as plain text, cut where a letter begins.
fn plain_end(bytes: &[u8], limit: usize) -> String {
    /// Sequences take room and show nothing.
    const PER_BYTE: usize = 16;
    let from = bytes.len().saturating_sub(limit.saturating_mul(PER_BYTE).max(64 * 1024));
    let text = plain_text(&bytes[from..]);
    let text = text.trim_end();
    let mut cut = text.len().saturating_sub(limit);
    while !text.is_char_boundary(cut) {
        cut += 1;
    }
    text[cut..].to_owned()
}

impl Act for Screen {
    fn act(self, shell: &mut Shell) -> Result<Exit, Failure> {
        let (id, text, title, row) = block_on(async {
            let sessions = Sessions::open().await?;
            let known = sessions.find(&self.id).await?;
            let view = sessions.executor.look(&[known.id]).await?.pop();
            Ok(match view {
                Some(view) => (known.id, view.text, view.title, view.cursor_row),
                None => (known.id, known.end.map(|end| end.screen).unwrap_or_default(), String::new(), None),
            })
        })?;
        if shell.json() {
            shell.document(&json!({"id": id.to_string(), "text": text, "title": title, "cursorRow": row}))?;
        } else {
            shell.text(&escape_block(&text))?;
        }
        Ok(Exit::Done)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_log_is_plain_and_whole_letters() {
        assert_eq!(plain_end(b"one\r\n\x1b[31mtwo\x1b[0m\r\nthree\r\n", 9), "two\nthree");
        assert_eq!(plain_end("grün".as_bytes(), 2), "n");
        assert_eq!(plain_end("grün".as_bytes(), 3), "ün");
        assert_eq!(plain_end(b"", 5), "");
    }
}
