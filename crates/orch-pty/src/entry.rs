//! How a program becomes a session host.

use std::ffi::OsString;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use camino::Utf8PathBuf;
use orch_core::base::Millis;
use orch_core::ports::ExecutorError;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::time::timeout;

use crate::host;
use crate::protocol::unavailable;
use crate::settings::PtySettings;

/// The argument that makes a program a host, together with [`VARIABLE`].
const ARGUMENT: &str = "--orch-pty-host";
/// What the host is to do; in its environment, so that no command line of a user can hold it.
const VARIABLE: &str = "ORCH_PTY_HOST";
/// How long a host may take to be ready.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(20);

/// This program, if its `main` can become a host.
static SELF: OnceLock<Option<PathBuf>> = OnceLock::new();

/// What a host is told when it is started.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Start {
    pub(crate) dir: Utf8PathBuf,
    pub(crate) linger: Millis,
    /// Whether it has left its starter already.
    detached: bool,
}

/// Becomes the session host and never returns, if that is what this process was started for; otherwise
/// returns at once. To be called first in `main`, before threads, signal handlers and arguments.
pub fn host_entry() {
    let is_asked = std::env::args_os().next_back().is_some_and(|last| last == ARGUMENT);
    let told = std::env::var(VARIABLE).ok().filter(|_| is_asked);
    let Some(told) = told else {
        SELF.get_or_init(|| std::env::current_exe().ok());
        return;
    };
    let code = match serde_json::from_str::<Start>(&told) {
        Ok(start) if start.detached => host::run(&start),
        Ok(start) => leave(start),
        Err(error) => {
            tell(&format!("{VARIABLE}: {error}"));
            2
        }
    };
    std::process::exit(code)
}

/// Says on standard output, a pipe to the starter, what became of the start. A starter that is gone
/// needs no answer.
pub(crate) fn tell(line: &str) {
    let mut out = std::io::stdout();
    writeln!(out, "{line}").and_then(|()| out.flush()).unwrap_or_default();
}

/// Starts a host and waits until it listens, or has found that another one has the lock.
///
/// # Errors
/// [`ExecutorError::Unavailable`] when there is no program to start, or it said why it could not.
pub(crate) async fn start(settings: &PtySettings) -> Result<(), ExecutorError> {
    let command = host_command(settings)?;
    let start = Start { dir: settings.dir.clone(), linger: settings.linger, detached: false };
    let program = command[0].display();
    let failed = |error: std::io::Error| unavailable(format!("the host {program} cannot be started: {error}"));
    let mut child = tokio::process::Command::from(process(&command, &start).map_err(failed)?)
        .stdout(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    let Some(stdout) = child.stdout.take() else { return Err(unavailable("the host has no pipe")) };
    let mut line = String::new();
    let answer = timeout(PATIENCE, BufReader::new(stdout).read_line(&mut line)).await;
    // The first of the two processes ends as soon as the second is there.
    let ended = timeout(PATIENCE, child.wait()).await;
    if answer.is_err() || ended.is_err() {
        return Err(unavailable(format!("the host did not start within {} s", PATIENCE.as_secs())));
    }
    match line.trim_end() {
        READY | HELD => Ok(()),
        "" => Err(unavailable(format!("the host {program} ended at once: does its main call host_entry?"))),
        why => Err(unavailable(format!("the host could not start: {why}"))),
    }
}

/// The answers of a start.
pub(crate) const READY: &str = "ready";
pub(crate) const HELD: &str = "held";

fn host_command(settings: &PtySettings) -> Result<Vec<OsString>, ExecutorError> {
    if !settings.host_command.is_empty() {
        return Ok(settings.host_command.clone());
    }
    let own = SELF.get().cloned().flatten();
    let missing =
        "this program cannot become a session host: call orch_pty::host_entry() first in main, or set host_command";
    own.map(|path| vec![path.into_os_string()]).ok_or_else(|| unavailable(missing))
}

/// Leaves the starter: in a process session of its own, a child that is nobody's and has no way to get
/// a controlling terminal becomes the host.
fn leave(start: Start) -> i32 {
    let left = rustix::process::setsid().map_err(std::io::Error::from).and_then(|_| {
        let mut own: Vec<OsString> = std::env::args_os().collect();
        own.pop();
        own[0] = std::env::current_exe()?.into_os_string();
        process(&own, &Start { detached: true, ..start })?.stdout(Stdio::inherit()).spawn()
    });
    match left {
        Ok(_) => 0,
        Err(error) => {
            tell(&format!("it cannot leave its starter: {error}"));
            1
        }
    }
}

/// The one place that makes host processes: no argument from outside, nearly no environment, at `/`.
fn process(command: &[OsString], start: &Start) -> std::io::Result<Command> {
    let mut process = Command::new(&command[0]);
    process.args(&command[1..]).arg(ARGUMENT);
    process.env_clear().env(VARIABLE, serde_json::to_string(start)?).current_dir("/");
    process.stdin(Stdio::null()).stderr(Stdio::null());
    Ok(process)
}
