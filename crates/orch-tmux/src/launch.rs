//! Starting a session so that its identity and its log are there before its first byte.

use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::sync::Arc;

use camino::Utf8Path;
use orch_core::base::Millis;
use orch_core::ports::{EndMode, EndSpec, ExecutorError, LaunchSpec};
use orch_process::identify;

use crate::config::write_private;
use crate::inner::{Inner, broken_off};
use crate::quote::{Line, shell_quoted, undated, unformatted};
use crate::record::{FORMAT, Record, process_option, to_option};
use crate::server::{Link, unavailable};

/// How long the proof that survivors of an earlier start are gone is waited for.
const SURVIVORS: Millis = Millis(5000);
/// Where `env` is on every system.
const ENV: &str = "/usr/bin/env";
/// Variables that tmux sets by itself, whatever `-e` says.
const OF_TMUX: [&str; 7] = ["SHELL", "PWD", "PATH", "TMUX", "TMUX_PANE", "TERM_PROGRAM", "TERM_PROGRAM_VERSION"];
/// Gives a file as standard input; file and argv are positional, so nothing in them is interpreted.
/// The terminal stays open on a spare descriptor: programs that close their output before they exit
/// would be hung up on by tmux, and their status be lost.
const FROM_FILE: &str = r#"f=$1; shift; exec "$@" 9<&0 <"$f""#;
/// Runs a program whose name `env` would take for an assignment.
const EXEC: &str = r#"exec "$@""#;

/// Starts the session. The caller has made sure that the launch is not there and that nobody else is
/// starting it.
pub(crate) async fn start(inner: &Arc<Inner>, spec: &LaunchSpec) -> Result<Record, ExecutorError> {
    open_log(&spec.log).map_err(|error| refused(&format!("log {}", spec.log), &error.to_string()))?;
    end_survivors(inner, spec).await?;
    note_worktree(inner, spec).map_err(|error| unavailable(format!("{}: {error}", inner.config.conf_dir)))?;
    let Some(link) = inner.link(true).await? else { return Err(unavailable("the server did not start")) };
    let name = session_name(spec);
    let mut session = name.clone();
    for number in 2..10 {
        let replies = broken_off(link.control.run(&line(spec, &session, &link.keeper)).await)?;
        match replies.last() {
            Some(Ok(text)) => return started(inner, &link, text).await,
            // The server runs a line whose sender was killed before the answer: it may be this launch.
            Some(Err(why)) if replies.len() == 1 && why.contains("duplicate session") => {
                if let Some(record) = inner.find(spec.launch).await? {
                    return Ok(record);
                }
                session = format!("{name}-{number}");
            }
            Some(Err(why)) => {
                if replies.len() > 1 {
                    undo(&link, &session).await?;
                }
                return Err(unavailable(format!("the session could not be started: {why}")));
            }
            None => break,
        }
    }
    Err(unavailable(format!("the name {name} is taken by other sessions")))
}

/// A note of this launch without a session of it: an earlier start got this far, and its server is gone.
/// What it started may have survived, and must not run beside its successor.
async fn end_survivors(inner: &Inner, spec: &LaunchSpec) -> Result<(), ExecutorError> {
    if !inner.config.launch_file(spec.launch).exists() {
        return Ok(());
    }
    let left = EndSpec { launch: spec.launch, process: None, mode: EndMode::Kill, patience: SURVIVORS };
    if inner.target(&left, None).kill(left.patience).await {
        return Ok(());
    }
    Err(unavailable(format!("what an earlier start of launch {} left running could not be ended", spec.launch)))
}

async fn started(inner: &Arc<Inner>, link: &Link, text: &str) -> Result<Record, ExecutorError> {
    let Some(mut record) = Record::parse(text) else {
        return Err(unavailable(format!("tmux told nothing of the session that it started: {text:?}")));
    };
    record.process = identify(record.pid);
    if let Some(process) = &record.process {
        let option = process_option(process);
        let words = ["set-option", "-p", "-t", &record.target(), "@orch_process", &option];
        // A session that ended meanwhile needs no note.
        broken_off(link.control.one(words).await)?.ok();
    }
    Ok(inner.note(record))
}

/// Ends a session that was made only in part: without its mark nobody would find it again.
async fn undo(link: &Link, session: &str) -> Result<(), ExecutorError> {
    broken_off(link.control.one(["kill-session", "-t", &format!("={session}:")]).await)?.ok();
    Ok(())
}

/// Everything in one line, which tmux runs without reading a byte of the new terminal in between. The
/// name is a target only here, whole (`=`), right after `new-session` proved it to be new.
fn line(spec: &LaunchSpec, session: &str, keeper: &str) -> Line {
    let target = format!("={session}:");
    let (columns, rows) = (spec.size.0.max(1).to_string(), spec.size.1.max(1).to_string());
    let cwd = unformatted(spec.cwd.as_str());
    let variables: Vec<String> = spec
        .env
        .iter()
        // The terminal is tmux's, whatever the orchestrator's own is.
        .filter(|(name, _)| *name != "TERM")
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    let argv = argv(spec);
    let mut new = vec!["new-session", "-d", "-s", session, "-x", &columns, "-y", &rows, "-c", &cwd];
    new.extend(variables.iter().flat_map(|variable| ["-e", variable]));
    new.push("--");
    new.extend(argv.iter().map(String::as_str));
    let launch = spec.launch.to_string();
    let log = to_option(spec.log.as_str());
    let pipe = undated(&format!("exec cat >>{}", shell_quoted(spec.log.as_str())));
    Line::new()
        .command(new)
        .command(["set-option", "-p", "-t", &target, "@orch_launch", &launch])
        .command(["set-option", "-p", "-t", &target, "@orch_log", &log])
        .command(["set-option", "-p", "-t", &target, "@orch_name", session])
        .command(["pipe-pane", "-t", &target, &pipe])
        .command(["link-window", "-d", "-s", &target, "-t", &format!("{keeper}:")])
        .command(["display-message", "-p", "-t", &target, FORMAT])
}

/// The argv as tmux starts it. `env` puts right what tmux sets by itself and then becomes the program;
/// it also makes sure of more than one word, because tmux gives a single one to a shell.
fn argv(spec: &LaunchSpec) -> Vec<String> {
    let mut argv = vec![ENV.to_owned()];
    for name in OF_TMUX.iter().filter(|name| !spec.env.contains_key(**name)) {
        argv.extend(["-u".to_owned(), (*name).to_owned()]);
    }
    let set = OF_TMUX.iter().filter_map(|name| spec.env.get(*name).map(|value| format!("{name}={value}")));
    argv.push("--".to_owned());
    argv.extend(set);
    let shell = |script: &str| ["/bin/sh", "-c", script, "sh"].map(str::to_owned);
    if let Some(file) = &spec.stdin {
        argv.extend(shell(FROM_FILE));
        argv.push(file.to_string());
    } else if spec.argv.first().is_some_and(|program| program.contains('=')) {
        argv.extend(shell(EXEC));
    }
    argv.extend(spec.argv.iter().cloned());
    argv
}

/// The name that people see; tmux would rewrite `.` and `:`.
fn session_name(spec: &LaunchSpec) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_') { c } else { '_' };
    format!("{}-{}", spec.name.chars().map(plain).collect::<String>(), spec.launch)
}

/// Keeps what proves whose children they are where a server that dies cannot take it along.
fn note_worktree(inner: &Inner, spec: &LaunchSpec) -> io::Result<()> {
    let Some(worktree) = spec.env.get("ORCH_WORKTREE") else { return Ok(()) };
    inner.config.make_dir()?;
    write_private(&inner.config.launch_file(spec.launch), worktree.as_bytes())
}

fn open_log(path: &Utf8Path) -> io::Result<()> {
    OpenOptions::new().append(true).create(true).mode(0o600).open(path).map(drop)
}

fn refused(what: &str, why: &str) -> ExecutorError {
    ExecutorError::Refused { what: what.to_owned(), why: why.to_owned() }
}
