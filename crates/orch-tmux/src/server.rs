//! The private server: whether it is there, starting it, and attaching the control client.

use std::process::{Output, Stdio};
use std::time::Duration;

use orch_core::base::BootId;
use orch_core::ports::{ExecutorError, ProcessId};
use orch_process::Signal;
use tmux_interface::{AttachSession, KillServer, NewSession, ShowOptions, Tmux, TmuxCommand};
use tokio::net::UnixStream;
use tokio::process::Command;
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::config::{TmuxConfig, write_private};
use crate::control::{Announcement, Control};

/// The session that keeps the server and that agents' windows are linked into.
const KEEPER: &str = "orch-keeper";
/// How long a tmux process may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// What tmux says when a server on this socket is just ending; trying again is right.
const RACES: [&str; 3] = ["server exited unexpectedly", "lost server", "no server running on"];

/// A control client attached to our server.
#[derive(Debug, Clone)]
pub(crate) struct Link {
    pub(crate) control: Control,
    /// The keeper session's id, `$n`.
    pub(crate) keeper: String,
    /// The server itself.
    pub(crate) process: ProcessId,
}

/// Says that tmux cannot be used now, and why.
pub(crate) fn unavailable(why: impl Into<String>) -> ExecutorError {
    ExecutorError::Unavailable { executor: "tmux", why: why.into() }
}

/// The argv of a tmux command on the configured server.
pub(crate) fn argv(config: &TmuxConfig, command: TmuxCommand<'_>) -> Vec<String> {
    let tmux = Tmux::new().force_utf8().socket_path(config.socket.as_str()).command(command);
    words(tmux)
}

/// Whether tmux can be run at all.
pub(crate) async fn check_program() -> Result<(), ExecutorError> {
    let mut command = command(&["tmux".to_owned(), "-V".to_owned()]);
    match timeout(PATIENCE, command.stdin(Stdio::null()).output()).await {
        Ok(Ok(done)) if done.status.success() => Ok(()),
        Ok(Ok(done)) => Err(unavailable(format!("`tmux -V` failed: {}", complaint(&done)))),
        Ok(Err(error)) => Err(unavailable(format!("tmux cannot be run: {error}"))),
        Err(_) => Err(unavailable("`tmux -V` did not end")),
    }
}

/// Whether our server is there.
///
/// # Errors
/// Somebody else's server on our socket, or one that does not answer.
pub(crate) async fn is_running(config: &TmuxConfig) -> Result<bool, ExecutorError> {
    if !listens(config).await? {
        return Ok(false);
    }
    let option = ShowOptions::new().server().quiet().value().option("@orch_marker").build();
    let done = run(config, argv(config, option)).await?;
    if !done.status.success() {
        let why = complaint(&done);
        return if RACES.iter().any(|race| why.contains(race)) { Ok(false) } else { Err(unavailable(why)) };
    }
    let marker = String::from_utf8_lossy(&done.stdout).trim_end_matches('\n').to_owned();
    if marker != config.marker {
        let socket = &config.socket;
        return Err(unavailable(format!("the tmux server on {socket} is not ours (its marker is {marker:?})")));
    }
    Ok(true)
}

/// Makes sure that the keeper session is there, and attaches a control client whose announcements go
/// to `announce`. A server is started only if `start` says so.
pub(crate) async fn attach(
    config: &TmuxConfig,
    start: bool,
    mut announce: impl FnMut(Announcement) + Send + 'static,
) -> Result<Link, ExecutorError> {
    config.write_conf().map_err(|error| unavailable(format!("{}: {error}", config.conf_dir)))?;
    make_keeper(config, start).await?;
    let (attached, mut first) = mpsc::unbounded_channel();
    let client = Tmux::new()
        .force_utf8()
        .control_mode()
        .socket_path(config.socket.as_str())
        .command(AttachSession::new().target_session(format!("={KEEPER}:")).build());
    let control = Control::open(command(&words(client)), move |said| {
        if let Announcement::Attached(session) = &said {
            // Nobody listens any more after the first.
            attached.send(session.clone()).unwrap_or_default();
        }
        announce(said);
    })
    .map_err(|error| unavailable(format!("tmux cannot be run: {error}")))?;
    // Commands sent before the client is attached would see it without a session, and panes would
    // inherit its PATH.
    let Ok(Some(keeper)) = timeout(PATIENCE, first.recv()).await else {
        return Err(unavailable("the control client could not attach"));
    };
    let process = server_process(&control).await?;
    let note = format!("{} {} {}\n", process.pid, process.started, process.boot.0);
    write_private(&config.server_file(), note.as_bytes())
        .map_err(|error| unavailable(format!("{}: {error}", config.server_file())))?;
    Ok(Link { control, keeper, process })
}

/// Ends the server and everything in it.
pub(crate) async fn kill(config: &TmuxConfig) -> Result<(), ExecutorError> {
    run(config, argv(config, KillServer::new().build())).await.map(drop)
}

async fn make_keeper(config: &TmuxConfig, start: bool) -> Result<(), ExecutorError> {
    let (socket, conf) = (config.socket.as_str().to_owned(), config.conf_file());
    let mut session = NewSession::new().detached().session_name(KEEPER).width(80).height(24).build();
    // Two words: a single one would go through a shell.
    session.push_param("cat").push_param("-");
    let tmux = Tmux::new().force_utf8().socket_path(socket).file(conf.as_str().to_owned()).command(session);
    let mut argv = words(tmux);
    if !start {
        // A server that dies just now must not be followed by an empty one that nobody asked for.
        argv.insert(1, "-N".to_owned());
    }
    let mut why = String::new();
    for _ in 0..2 {
        let done = run(config, argv.clone()).await?;
        why = complaint(&done);
        if done.status.success() || why.contains("duplicate session") {
            return Ok(());
        }
        if !RACES.iter().any(|race| why.contains(race)) {
            break;
        }
    }
    Err(unavailable(why))
}

async fn server_process(control: &Control) -> Result<ProcessId, ExecutorError> {
    let reply = control.one(["display-message", "-p", "#{pid}"]).await;
    let pid = reply.ok().and_then(Result::ok).and_then(|pid| pid.parse().ok());
    let process = pid.and_then(orch_process::identify);
    process.ok_or_else(|| unavailable("the server did not say which process it is"))
}

/// Whether somebody listens on the socket. A socket file that was swept away under a living server
/// is brought back first.
async fn listens(config: &TmuxConfig) -> Result<bool, ExecutorError> {
    for attempt in 0..20 {
        let failed = match timeout(PATIENCE, UnixStream::connect(&config.socket)).await {
            Ok(Ok(_)) => return Ok(true),
            Ok(Err(error)) => error,
            Err(_) => return Err(unavailable(format!("the server on {} does not answer", config.socket))),
        };
        match failed.kind() {
            std::io::ErrorKind::ConnectionRefused => return Ok(false),
            std::io::ErrorKind::NotFound => {}
            _ => return Err(unavailable(format!("{}: {failed}", config.socket))),
        }
        let Some(server) = noted_server(config).filter(orch_process::alive) else { return Ok(false) };
        if attempt == 0 {
            // tmux makes its socket anew on this signal.
            orch_process::signal(&server, Signal::USR1);
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Err(unavailable(format!("the socket {} is gone though its server lives", config.socket)))
}

fn noted_server(config: &TmuxConfig) -> Option<ProcessId> {
    let note = std::fs::read_to_string(config.server_file()).ok()?;
    let mut words = note.split_whitespace();
    let (pid, started) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    Some(ProcessId { pid, started, boot: BootId(words.next()?.to_owned()) })
}

async fn run(config: &TmuxConfig, argv: Vec<String>) -> Result<Output, ExecutorError> {
    let guard = config.stdin_guard.as_deref().map(std::fs::File::try_clone).transpose();
    let guard = guard.map_err(|error| unavailable(format!("the lock file cannot be handed on: {error}")))?;
    let mut command = command(&argv);
    command.stdin(guard.map_or_else(Stdio::null, Stdio::from)).kill_on_drop(true);
    match timeout(PATIENCE, command.output()).await {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(error)) => Err(unavailable(format!("tmux cannot be run: {error}"))),
        Err(_) => Err(unavailable(format!("tmux did not end within {} s", PATIENCE.as_secs()))),
    }
}

/// The one place that makes tmux processes: no argument from outside, nearly no environment, a fixed
/// directory.
fn command(argv: &[String]) -> Command {
    let mut command = Command::new(&argv[0]);
    command.args(&argv[1..]).env_clear().env("LC_CTYPE", "C.UTF-8").current_dir("/");
    if let Some(path) = std::env::var_os("PATH") {
        command.env("PATH", path);
    }
    command
}

fn words(tmux: Tmux<'_>) -> Vec<String> {
    tmux.build().to_vec().into_iter().map(std::borrow::Cow::into_owned).collect()
}

fn complaint(done: &Output) -> String {
    let text = String::from_utf8_lossy(&done.stderr).trim().to_owned();
    if text.is_empty() { done.status.to_string() } else { text }
}
