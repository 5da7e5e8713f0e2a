//! Starting a session so that nothing is orphaned, whoever is killed when.

use std::fs::File;
use std::rc::Rc;

use orch_core::base::LaunchId;
use orch_core::ports::ExecutorError;
use pty_process::Command;
use tokio::process::Child;
use tokio::sync::Notify;

use super::log::Log;
use super::session::Session;
use super::terminal::Terminal;
use super::{Host, now};
use crate::protocol::{Launch, refused, unavailable};
use crate::session::{PtySession, PtyState};
use crate::survivors::end_survivors;

/// What programs are told about their terminal.
const TERM: &str = "xterm-256color";
/// How much of an argument is kept for people, in bytes.
const LONGEST_SHOWN: usize = 1024;

/// Starts the session, or finds the one that this launch already started.
pub(super) async fn launch(host: &Rc<Host>, launch: Launch) -> Result<PtySession, ExecutorError> {
    let id = launch.id;
    loop {
        let other = host.starting.borrow().get(&id).cloned();
        let Some(other) = other else { break };
        other.notified().await;
    }
    if let Ok(session) = host.session(id) {
        let info = session.info();
        if info.state != PtyState::Lost {
            return Ok(info);
        }
        let _alone = Starting::begin(host, id);
        end_survivors(&info).await?;
        host.sessions.borrow_mut().remove(&id);
    }
    start(host, &launch)
}

/// Holds others off a launch.
struct Starting<'a>(&'a Host, LaunchId);

impl<'a> Starting<'a> {
    fn begin(host: &'a Host, launch: LaunchId) -> Self {
        host.starting.borrow_mut().insert(launch, Rc::new(Notify::new()));
        Self(host, launch)
    }
}

impl Drop for Starting<'_> {
    fn drop(&mut self) {
        if let Some(waiting) = self.0.starting.borrow_mut().remove(&self.1) {
            waiting.notify_waiters();
        }
    }
}

/// Nothing is waited for in here, so that nobody sees a session that is started in part.
fn start(host: &Rc<Host>, launch: &Launch) -> Result<PtySession, ExecutorError> {
    let log = Log::open(launch.log.clone(), launch.log_limit)
        .map_err(|error| refused(format!("log {}", launch.log), error.to_string()))?;
    let stdin = launch.stdin.as_ref().map(File::open).transpose();
    let stdin = stdin.map_err(|error| refused("standard input", error.to_string()))?;
    let (pty, pts) = pty_process::open().map_err(|error| unavailable(format!("no terminal can be had: {error}")))?;
    let mut info = info(launch);
    let size = pty_process::Size::new(info.size.1, info.size.0);
    pty.resize(size).map_err(|error| unavailable(format!("the terminal: {error}")))?;
    let mut table = host.table.borrow_mut();
    let noted = |error: std::io::Error| unavailable(format!("the launch cannot be noted: {error}"));
    table.starting(&info).map_err(noted)?;
    let mut child = match command(launch, stdin).spawn(pts) {
        Ok(child) => child,
        Err(error) => {
            table.forgotten(launch.id).map_err(noted)?;
            return Err(not_started(launch, &error));
        }
    };
    info.process = child.id().and_then(orch_process::identify);
    if let Err(error) = table.started(launch.id, info.process.clone()) {
        // Without a note of it, nobody would find it behind the host's death.
        child.start_kill().unwrap_or_default();
        return Err(noted(error));
    }
    drop(table);
    restore_limit(&child, host);
    let session = Rc::new(Session::live(info.clone(), host.scribe.record(log), pty));
    host.sessions.borrow_mut().insert(launch.id, Rc::clone(&session));
    session.begin(host, child);
    Ok(info)
}

/// The process as it is to be started: on its terminal, with exactly its environment.
fn command(launch: &Launch, stdin: Option<File>) -> Command {
    let command = Command::new(&launch.argv[0]).args(&launch.argv[1..]).current_dir(&launch.cwd);
    let command = command.env_clear().envs(&launch.env).env("TERM", TERM);
    match stdin {
        Some(file) => command.stdin(file),
        None => command,
    }
}

fn info(launch: &Launch) -> PtySession {
    PtySession {
        launch: launch.id,
        name: format!("{}-{}", launch.name, launch.id),
        argv: launch.argv.iter().map(|argument| cut(argument)).collect(),
        cwd: launch.cwd.clone(),
        process: None,
        state: PtyState::Running,
        started_at: now(),
        last_output_at: None,
        log: launch.log.clone(),
        log_lost: 0,
        printed: 0,
        size: Terminal::fitting(launch.size),
        worktree: launch.env.get("ORCH_WORKTREE").cloned(),
        meta: launch.meta.clone(),
    }
}

fn cut(argument: &str) -> String {
    if argument.len() <= LONGEST_SHOWN {
        return argument.to_owned();
    }
    let end = argument.char_indices().map(|(at, _)| at).take_while(|at| *at <= LONGEST_SHOWN).last();
    format!("{}…", &argument[..end.unwrap_or(0)])
}

fn not_started(launch: &Launch, error: &pty_process::Error) -> ExecutorError {
    let full = match error {
        pty_process::Error::Io(error) => {
            matches!(error.raw_os_error(), Some(code) if FULL.contains(&rustix::io::Errno::from_raw_os_error(code)))
        }
        _ => false,
    };
    let program = format!("program {:?}", launch.argv[0]);
    if full {
        unavailable(format!("{program} cannot be started now: {error}"))
    } else {
        refused(program, error.to_string())
    }
}

/// What the system says when it has no room now.
const FULL: [rustix::io::Errno; 4] =
    [rustix::io::Errno::AGAIN, rustix::io::Errno::NOMEM, rustix::io::Errno::MFILE, rustix::io::Errno::NFILE];

/// The host's own limit of descriptors is no agent's.
#[cfg(target_os = "linux")]
fn restore_limit(child: &Child, host: &Host) {
    use rustix::process::{Pid, Resource, prlimit};
    let pid = child.id().and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw);
    if let Some(pid) = pid {
        // A program that has ended already needs none.
        prlimit(Some(pid), Resource::Nofile, host.descriptors).map(drop).unwrap_or_default();
    }
}

#[cfg(not(target_os = "linux"))]
fn restore_limit(_: &Child, _: &Host) {}
