#[cfg(test)]
mod tests;

use std::fs::File;
use std::process::Stdio;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use orch_core::base::Sha;
use orch_core::ports::VcsError;
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};

use super::environment;
use super::output::Output;
use super::trouble;

/// How long a call that only reads may take.
const READ_TIME: Duration = Duration::from_secs(60);
/// How long a call that changes something or talks to a remote may take.
const EFFECT_TIME: Duration = Duration::from_secs(600);
/// How much a call may print; the index of 200,000 files is about 20 MB.
const STDOUT_BYTES: usize = 256 << 20;
/// How much of what a call complains about is kept; the rest is read and dropped.
const STDERR_BYTES: usize = 64 << 10;

/// Everything through which configuration could make git start a program, ask a question or do more than it
/// was told.
const SAFE: &[&str] = &[
    "core.fsmonitor=false",
    "core.editor=true",
    "core.pager=cat",
    "sequence.editor=true",
    "diff.external=",
    "protocol.ext.allow=never",
    "credential.interactive=false",
    "gc.auto=0",
    "maintenance.auto=false",
    "commit.gpgSign=false",
    "tag.gpgSign=false",
    "push.gpgSign=false",
    "log.showSignature=false",
    "merge.verifySignatures=false",
    "submodule.recurse=false",
    "fetch.recurseSubmodules=false",
    "push.recurseSubmodules=no",
    "color.ui=false",
    "advice.graftFileDeprecated=false",
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Looks at the repository.
    Read,
    /// Looks at a remote.
    Ask,
    /// Changes the repository.
    Write,
    /// Changes a remote, or the repository by what a remote has.
    Network,
}

impl Kind {
    /// Whether what it does must be waited for: such a call holds the effects lock and is never cut short.
    fn is_effect(self) -> bool {
        matches!(self, Self::Write | Self::Network)
    }

    pub(super) fn is_remote(self) -> bool {
        matches!(self, Self::Ask | Self::Network)
    }
}

/// One call of git, ready to run.
#[derive(Debug)]
#[must_use]
pub(crate) struct Call {
    kind: Kind,
    dir: Utf8PathBuf,
    globals: Vec<String>,
    args: Vec<String>,
    env: Vec<(&'static str, String)>,
    input: Option<Vec<u8>>,
    hooks: bool,
    time: Duration,
    effects_lock: Option<Utf8PathBuf>,
}

impl Call {
    pub(super) fn new<'a>(
        kind: Kind,
        dir: &Utf8Path,
        globals: Vec<String>,
        args: impl IntoIterator<Item = &'a str>,
        effects_lock: Option<Utf8PathBuf>,
    ) -> Self {
        Self {
            kind,
            dir: dir.to_owned(),
            globals,
            args: args.into_iter().map(str::to_owned).collect(),
            env: Vec::new(),
            input: None,
            hooks: false,
            time: if kind == Kind::Read { READ_TIME } else { EFFECT_TIME },
            effects_lock,
        }
    }

    /// Adds a `-c key=value`.
    pub(crate) fn config(mut self, setting: impl Into<String>) -> Self {
        self.globals.extend(["-c".to_owned(), setting.into()]);
        self
    }

    /// Adds an option that stands before the subcommand.
    pub(crate) fn global(mut self, option: impl Into<String>) -> Self {
        self.globals.push(option.into());
        self
    }

    /// Adds arguments.
    pub(crate) fn args<'a>(mut self, args: impl IntoIterator<Item = &'a str>) -> Self {
        self.args.extend(args.into_iter().map(str::to_owned));
        self
    }

    /// Sets an environment variable.
    pub(crate) fn env(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.env.push((name, value.into()));
        self
    }

    /// Gives the call input instead of the effects lock. Only for calls whose traces do not matter when their
    /// caller dies: objects, a temporary index, marks that whoever comes after sets again.
    pub(crate) fn input(mut self, bytes: Vec<u8>) -> Self {
        self.input = Some(bytes);
        self
    }

    /// Lets the repository's hooks run.
    pub(crate) fn with_hooks(mut self, hooks: bool) -> Self {
        self.hooks = hooks;
        self
    }

    /// Runs it and returns whatever its exit status is.
    pub(crate) async fn run(self) -> Result<Output, VcsError> {
        if !self.kind.is_effect() {
            return self.execute().await;
        }
        let name = self.name().to_owned();
        match tokio::spawn(self.execute()).await {
            Ok(result) => result,
            Err(error) => Err(VcsError::Git { command: name, stderr: error.to_string() }),
        }
    }

    /// Runs it; an exit status other than 0 is an error.
    pub(crate) async fn ok(self) -> Result<Output, VcsError> {
        let name = self.name().to_owned();
        let output = self.run().await?;
        if output.status == 0 { Ok(output) } else { Err(output.error(&name)) }
    }

    /// Runs it; what it prints is one object name.
    pub(crate) async fn sha(self) -> Result<Sha, VcsError> {
        self.ok().await?.sha()
    }

    fn name(&self) -> &str {
        self.args.first().map_or("", String::as_str)
    }

    async fn execute(self) -> Result<Output, VcsError> {
        let name = self.name().to_owned();
        let failed = |what: &str, error: std::io::Error| {
            if trouble::io_passes(&error) {
                VcsError::Busy { why: format!("git {name}: {what}: {error}") }
            } else {
                VcsError::Git { command: name.clone(), stderr: format!("{what}: {error}") }
            }
        };
        let stdin = self.stdin().await.map_err(|error| failed("the effects lock", error))?;
        let mut child = self.command(stdin).spawn().map_err(|error| failed("git cannot be started", error))?;
        let group = child.id().and_then(|id| Pid::from_raw(id.cast_signed()));
        if let Ok(result) = tokio::time::timeout(self.time, converse(&mut child, self.input)).await {
            return result.map_err(|error| failed("while it ran", error));
        }
        if let Some(group) = group {
            // The group may be gone already: then there is nothing to end.
            let _ = kill_process_group(group, Signal::KILL);
        }
        child.wait().await.map_err(|error| failed("while it was ended", error))?;
        let why = format!("no answer in {} s", self.time.as_secs());
        Err(if self.kind.is_remote() {
            VcsError::Unreachable { why }
        } else {
            // A slow disk, or a machine with too much to do.
            VcsError::Busy { why: format!("git {name}: {why}") }
        })
    }

    fn command(&self, stdin: Stdio) -> Command {
        let mut command = Command::new("git");
        command.arg("--no-pager");
        if !self.hooks {
            command.args(["-c", "core.hooksPath=/dev/null"]);
        }
        for setting in SAFE {
            command.args(["-c", setting]);
        }
        command.args(&self.globals).args(&self.args).current_dir(&self.dir);
        command.env_clear().envs(environment::of(self.kind));
        command.envs(self.env.iter().map(|(name, value)| (name, value)));
        command.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.process_group(0).kill_on_drop(!self.kind.is_effect());
        command
    }

    async fn stdin(&self) -> std::io::Result<Stdio> {
        if self.input.is_some() {
            return Ok(Stdio::piped());
        }
        let Some(path) = self.effects_lock.as_ref().filter(|_| self.kind.is_effect()) else {
            return Ok(Stdio::null());
        };
        let file = File::options().read(true).append(true).create(true).open(path)?;
        let locked = match file.try_lock_shared() {
            Ok(()) => file,
            Err(_) => tokio::task::spawn_blocking(move || file.lock_shared().map(|()| file))
                .await
                .map_err(std::io::Error::other)??,
        };
        Ok(locked.into())
    }
}

/// Feeds the child, reads what it prints, and waits for its end.
async fn converse(child: &mut Child, input: Option<Vec<u8>>) -> std::io::Result<Output> {
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let feed = async {
        if let (Some(mut stdin), Some(bytes)) = (stdin, input) {
            // A child that ended without reading everything says why by its status.
            let _ = stdin.write_all(&bytes).await;
        }
    };
    let ((), stdout, stderr) =
        tokio::join!(feed, read_bounded(stdout, STDOUT_BYTES), read_bounded(stderr, STDERR_BYTES));
    let ((stdout, cut), (stderr, _)) = (stdout?, stderr?);
    let status = child.wait().await?;
    if cut {
        return Err(std::io::Error::other(format!("it printed more than {STDOUT_BYTES} bytes")));
    }
    Ok(Output::new(status, stdout, &stderr))
}

/// Reads to the end but keeps at most `limit` bytes; the flag says that there was more.
async fn read_bounded(stream: Option<impl AsyncRead + Unpin>, limit: usize) -> std::io::Result<(Vec<u8>, bool)> {
    let mut kept = Vec::new();
    let Some(mut stream) = stream else { return Ok((kept, false)) };
    (&mut stream).take(limit as u64).read_to_end(&mut kept).await?;
    let rest = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await?;
    Ok((kept, rest > 0))
}
