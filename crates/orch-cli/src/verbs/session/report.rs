use orch_core::agents::session_words;
use orch_core::base::{Timestamp, escape_line};
use orch_core::ports::{Commit, Executor};
use orch_runtime::{SystemClock, tail_text};
use serde_json::json;

use super::Act;
use crate::failure::{Exit, Failure};
use crate::sessions::{self, Done, Known, Sessions};
use crate::shell::{Shell, block_on};

/// How much of a log is searched for what tests said.
const LINES: usize = 5000;

/// Tell what a session did: files, commits, tests seen, its last message
#[derive(Debug, clap::Args)]
pub(crate) struct Report {
    /// The session
    id: String,
}

/// Everything that is told.
struct Told {
    known: Known,
    done: Option<Done>,
    tests: Vec<String>,
    message: String,
    until: Timestamp,
}

impl Act for Report {
    fn act(self, shell: &mut Shell) -> Result<Exit, Failure> {
        let told = block_on(async {
            let sessions = Sessions::open().await?;
            let known = sessions.find(&self.id).await?;
            let done = sessions::done(&sessions.store, known.id, &known.facts).await?;
            let log = sessions.store.log(known.id);
            let text = if log.exists() { tail_text(&log, LINES)? } else { String::new() };
            let view = sessions.executor.look(&[known.id]).await?.pop().map(|view| view.text);
            let screen = view.or_else(|| known.end.as_ref().map(|end| end.screen.clone())).unwrap_or_default();
            let until = match known.last_output_at().filter(|_| known.live.is_none()) {
                Some(at) => at,
                None => SystemClock::new().now().wall,
            };
            let (tests, message) = (session_words::tests(&text), session_words::last_message(&screen));
            Ok(Told { known, done, tests, message, until })
        })?;
        if shell.json() {
            shell.document(&told.json())?;
        } else {
            shell.text(&told.text())?;
        }
        Ok(Exit::Done)
    }
}

impl Told {
    fn commits(&self) -> &[Commit] {
        self.done.as_ref().map_or(&[], |done| &done.commits)
    }

    /// Files changed since it was started, committed or not.
    fn files(&self) -> Vec<&str> {
        let Some(done) = &self.done else { return Vec::new() };
        let all = done.changed.iter().chain(&done.dirt.tracked).chain(&done.dirt.untracked);
        let mut files: Vec<&str> = all.map(String::as_str).collect();
        files.sort_unstable();
        files.dedup();
        files
    }

    fn uncommitted(&self) -> Vec<&str> {
        let Some(done) = &self.done else { return Vec::new() };
        done.dirt.tracked.iter().chain(&done.dirt.untracked).map(String::as_str).collect()
    }

    fn seconds(&self) -> u64 {
        self.until.since(self.known.facts.started_at).0 / 1000
    }

    fn json(&self) -> serde_json::Value {
        let mut document = self.known.json();
        document["durationSeconds"] = json!(self.seconds());
        document["files"] = json!(self.files());
        document["uncommitted"] = json!(self.uncommitted());
        document["commits"] = json!(self.commits());
        document["tests"] = json!(self.tests);
        document["lastMessage"] = json!(self.message);
        document["saved"] = json!(self.known.end.as_ref().and_then(|end| end.saved.as_deref()));
        document
    }

    fn text(&self) -> String {
        let known = &self.known;
        let state = match &known.end {
            Some(end) if !end.lost => format!("ended with {}", end.exit),
            _ => known.state().to_owned(),
        };
        let mut text = format!("session {} {state}, {} s in {}\n", known.id, self.seconds(), known.facts.cwd);
        let uncommitted = self.uncommitted();
        let mut part = |title: &str, lines: Vec<String>| {
            if !lines.is_empty() {
                text.push_str(&format!("\n{title}\n"));
                text.extend(lines.into_iter().map(|line| format!("  {line}\n")));
            }
        };
        part(
            "Commits",
            self.commits().iter().map(|c| format!("{} {}", c.sha.short(), escape_line(&c.subject))).collect(),
        );
        let mark = |file: &&str| if uncommitted.contains(file) { " (not committed)" } else { "" };
        part("Files", self.files().iter().map(|file| format!("{}{}", escape_line(file), mark(file))).collect());
        part("Tests seen", self.tests.iter().map(|line| escape_line(line)).collect());
        part("Last message", self.message.lines().map(escape_line).collect());
        part("Saved when it was ended", known.end.iter().filter_map(|end| end.saved.clone()).collect());
        text
    }
}
