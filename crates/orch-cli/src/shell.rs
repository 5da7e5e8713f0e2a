//! The terminal, the environment and the global options, in one place.

use std::io::{self, ErrorKind, IsTerminal, Write};
use std::pin::pin;
use std::time::Duration;

use camino::Utf8PathBuf;
use orch_core::base::{Millis, TaskId, escape_block, escape_line};
use orch_core::plan::ExecutorKind;
use orch_runtime::{Search, Settings, Workdir, parent_environment, user_settings_path};
use serde::Serialize;
use serde_json::json;

use crate::args::{Global, When};
use crate::failure::{Exit, Failure};
use crate::output::{Paint, json_text};

/// How often a follower looks for more.
pub(crate) const BEAT: Duration = Duration::from_millis(200);

/// What a verb has around it.
#[derive(Debug)]
pub(crate) struct Shell {
    global: Global,
    printed: bool,
}

impl Shell {
    pub(crate) fn new(global: Global) -> Self {
        Self { global, printed: false }
    }

    /// Whether JSON is wanted.
    pub(crate) fn json(&self) -> bool {
        self.global.json
    }

    /// Whether only errors are wanted on stderr.
    pub(crate) fn quiet(&self) -> bool {
        self.global.quiet
    }

    /// The workdir as named by `--workdir`.
    pub(crate) fn named_workdir(&self) -> Option<&Utf8PathBuf> {
        self.global.workdir.as_ref()
    }

    /// Colours for stdout.
    pub(crate) fn paint(&self) -> Paint {
        let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let is_dumb = std::env::var_os("TERM").is_some_and(|terminal| terminal == "dumb");
        Paint(match self.global.color {
            When::Always => true,
            When::Never => false,
            When::Auto => io::stdout().is_terminal() && !is_set("NO_COLOR") && !is_dumb,
        })
    }

    /// Prints text for people, ending in a newline; what is foreign in it must be escaped already.
    pub(crate) fn text(&mut self, text: &str) -> Result<(), Failure> {
        let end = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
        self.bytes(format!("{text}{end}").as_bytes())
    }

    /// Prints the one JSON document of a command.
    pub(crate) fn document(&mut self, value: &impl Serialize) -> Result<(), Failure> {
        let text = json_text(value, true).map_err(Failure::other)?;
        self.text(&text)
    }

    /// Prints one line of JSON Lines.
    pub(crate) fn json_line(&mut self, value: &impl Serialize) -> Result<(), Failure> {
        let text = json_text(value, false).map_err(Failure::other)?;
        self.text(&text)
    }

    /// Prints bytes as they are.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.printed |= !bytes.is_empty();
        let mut stdout = io::stdout().lock();
        stdout.write_all(bytes).and_then(|()| stdout.flush()).map_err(|error| match error.kind() {
            ErrorKind::BrokenPipe => Failure::NobodyReads,
            _ => Failure::other(format!("cannot write the output: {error}")),
        })
    }

    /// Says something beside the output, unless told to be quiet.
    pub(crate) fn note(&self, text: &str) {
        if !self.global.quiet {
            complain(&format!("note: {}", escape_block(text)));
        }
    }

    /// Says something that only the curious want to know.
    pub(crate) fn detail(&self, text: &str) {
        if self.global.verbose {
            complain(&escape_block(text));
        }
    }

    /// Says what went wrong and what to do about it; returns how the command ends.
    pub(crate) fn fail(&mut self, failure: &Failure) -> Exit {
        let (exit, help) = failure.verdict();
        if matches!(failure, Failure::NobodyReads) {
            return exit;
        }
        let message = failure.to_string();
        complain(&format!("error: {}", escape_block(&message)));
        for line in help.iter().flat_map(|help| help.lines()) {
            complain(&format!("  help: {}", escape_line(line)));
        }
        if self.json() && !self.printed {
            // The exit code says more than a second failure would.
            let _ = self.document(&json!({"error": {"exit": exit as u8, "message": message, "help": help}}));
        }
        exit
    }

    /// The workdir: named, or found from the current directory.
    pub(crate) fn workdir(&self) -> Result<Workdir, Failure> {
        let variable = std::env::var("ORCH_WORKDIR").ok();
        let cwd = cwd()?;
        let search = Search { flag: self.global.workdir.as_deref(), variable: variable.as_deref(), cwd: &cwd };
        let found = search.find()?;
        found.notes.iter().for_each(|note| self.note(note));
        self.detail(&format!("the workdir is {}", found.workdir.root()));
        Ok(found.workdir)
    }
}

/// The directory that the command was started in.
pub(crate) fn cwd() -> Result<Utf8PathBuf, Failure> {
    let cwd =
        std::env::current_dir().map_err(|error| Failure::other(format!("there is no current directory: {error}")))?;
    Utf8PathBuf::from_path_buf(cwd)
        .map_err(|path| Failure::input(format!("{} is not UTF-8; go to a directory whose path is", path.display())))
}

/// The settings of a workdir, laid over the user's own.
pub(crate) fn settings(workdir: Option<&Workdir>) -> Result<Settings, Failure> {
    let user = user_settings_path(&parent_environment());
    let own = workdir.map(Workdir::settings);
    Ok(Settings::load(user.as_deref(), own.as_deref())?)
}

/// Runs what waits for the world.
pub(crate) fn block_on<T>(future: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.map_err(|error| Failure::other(format!("cannot start threads: {error}")))?.block_on(future)
}

/// Looks for more again and again until a person interrupts.
pub(crate) fn follow(mut look: impl FnMut() -> Result<(), Failure>) -> Result<Exit, Failure> {
    block_on(async {
        let mut beat = tokio::time::interval(BEAT);
        let mut interrupt = pin!(tokio::signal::ctrl_c());
        loop {
            tokio::select! {
                biased;
                _ = &mut interrupt => return Ok(Exit::Interrupted),
                _ = beat.tick() => look()?,
            }
        }
    })
}

/// Parses a task's name from the command line.
pub(crate) fn task_id(text: &str) -> Result<TaskId, String> {
    TaskId::parse(text).map_err(|error| error.to_string())
}

/// Parses a span of time from the command line: `90`, `90s`, `500ms`, `5m`, `1h`.
pub(crate) fn span(text: &str) -> Result<Millis, String> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let factor = match &text[digits..] {
        "ms" => Some(1),
        "" | "s" => Some(1000),
        "m" => Some(60_000),
        "h" => Some(3_600_000),
        _ => None,
    };
    let count: Option<u64> = text[..digits].parse().ok();
    let span = count.zip(factor).and_then(|(count, factor)| count.checked_mul(factor));
    span.map(Millis).ok_or_else(|| "a number with ms, s, m or h, such as 30s".to_owned())
}

/// Parses an executor's name from the command line.
pub(crate) fn executor(text: &str) -> Result<ExecutorKind, String> {
    ExecutorKind::parse(text).ok_or_else(|| "tmux or pty".to_owned())
}

/// Writes to stderr; when even that is gone there is nobody left to tell.
fn complain(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}
