use std::fs::{DirBuilder, File};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::sync::Arc;

use camino::{Utf8Path, Utf8PathBuf};
use orch_core::base::LaunchId;
use orch_process::{SocketError, socket_in};

use crate::quote::quoted;

/// Where a private tmux server lives and how it is recognised.
#[derive(Debug, Clone)]
pub struct TmuxConfig {
    /// The server's socket; at most 100 bytes (see [`crate::socket_for`]).
    pub socket: Utf8PathBuf,
    /// A directory for the server's configuration, for notes about launches and for texts on their
    /// way into a session; made with mode 0700 when absent.
    pub conf_dir: Utf8PathBuf,
    /// What tells this workdir's server from any other.
    pub marker: String,
    /// Standard input of every short-lived tmux process, so that whoever waits for the file's lock
    /// waits for them; `/dev/null` when absent.
    pub stdin_guard: Option<Arc<File>>,
}

/// The socket of a workdir's private tmux server: `orchestrator.sock` in the workdir, or where that
/// path is longer than 100 bytes, in a private directory elsewhere (see [`socket_in`]).
///
/// # Errors
/// [`SocketError`] says which directory could not be used.
pub fn socket_for(workdir: &Utf8Path) -> Result<Utf8PathBuf, SocketError> {
    socket_in(workdir, "orchestrator.sock")
}

impl TmuxConfig {
    pub(crate) fn conf_file(&self) -> Utf8PathBuf {
        self.conf_dir.join("tmux.conf")
    }

    pub(crate) fn server_file(&self) -> Utf8PathBuf {
        self.conf_dir.join("tmux-server")
    }

    /// Where the worktree of a launch is noted, by which its processes are known.
    pub(crate) fn launch_file(&self, launch: LaunchId) -> Utf8PathBuf {
        self.conf_dir.join(format!("launch-{launch}"))
    }

    pub(crate) fn make_dir(&self) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.conf_dir)
    }

    /// Writes the server's configuration, and the directory around it.
    pub(crate) fn write_conf(&self) -> io::Result<()> {
        self.make_dir()?;
        write_private(&self.conf_file(), conf_text(&self.marker).as_bytes())
    }
}

/// Replaces a file by one with mode 0600, at once for every reader.
pub(crate) fn write_private(path: &Utf8Path, bytes: &[u8]) -> io::Result<()> {
    let draft = path.with_extension("new");
    if let Err(error) = std::fs::remove_file(&draft)
        && error.kind() != io::ErrorKind::NotFound
    {
        return Err(error);
    }
    let mut file = File::options().write(true).create_new(true).mode(0o600).open(&draft)?;
    file.write_all(bytes)?;
    std::fs::rename(&draft, path)
}

/// Options that differ from tmux's defaults: nothing may end the server or a dead pane, draw over an
/// agent's screen, wake a silent fleet or pass something of the outside on to agents.
const OPTIONS: &str = "\
set -s exit-empty off
set -s exit-unattached off
set -s escape-time 0
set -s set-clipboard off
set -s focus-events on
set -s default-terminal tmux-256color
set -g remain-on-exit on
set -gq remain-on-exit-format ''
set -g history-limit 2000
set -g update-environment ''
set -g default-shell /bin/sh
set -g default-command ''
set -g destroy-unattached off
set -g status off
set -g status-interval 0
set -g lock-after-time 0
set -g mouse off
set -g bell-action none
set -g visual-bell off
set -g activity-action none
set -g silence-action none
set -g monitor-activity off
set -g monitor-bell off
set -g automatic-rename off
set -g allow-rename off
set -g set-titles off
set -g window-size latest
set -gq allow-passthrough off
set-environment -gu PATH
set-environment -gu LC_CTYPE
set-environment -gu PWD
";

fn conf_text(marker: &str) -> String {
    format!("{OPTIONS}set -s @orch_marker {}\n", quoted(marker))
}
