//! Runs agents in sessions of a private tmux server.
//!
//! # Theory of operation
//! One workdir has one tmux server on a socket of its own, started with a configuration of its own and
//! a nearly empty environment. The server outlives the orchestrator; its `@orch_marker` says whose it
//! is, and a server without it is never spoken to.
//!
//! The executor talks through one control-mode client (`tmux -C`) that stays attached to the *keeper*
//! session. Every agent gets a session for people to attach to; its window is also linked into the
//! keeper, because tmux announces output (`%output`) only for windows of the attached session. That
//! announcement sets a dirty mark and nothing more. Exits come from pidfds on the panes' processes:
//! with `remain-on-exit` tmux keeps the status and says nothing.
//!
//! What the world must remember is kept on the pane: `@orch_launch` (the identity), `@orch_process` and
//! `@orch_log`. A new executor on a living server finds everything there. What must outlive the server,
//! the worktree by which a launch's processes are known, is noted in a file.
//!
//! # Limits
//! tmux closes a terminal as soon as it has reaped the process and finds nothing to read, and on Linux
//! the kernel hands terminal output over in pieces of 4 KB from a worker. Of a process that writes more
//! than that and ends at once, the tail is missing in screen and log about one time in ten. Programs
//! that end some milliseconds after their last output lose nothing.
//!
//! Nothing of an agent's is ever on tmux's own command line: commands travel over the control client's
//! standard input, which has no length limit and is not in the process list.

mod config;
mod control;
mod executor;
mod inner;
mod input;
mod launch;
mod quote;
mod record;
mod registry;
mod screen;
mod server;

pub use config::{TmuxConfig, socket_for};
pub use executor::TmuxExecutor;
pub use orch_process::SocketError;
