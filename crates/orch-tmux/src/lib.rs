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
//! What the world must remember is kept on the pane: `@orch_launch` (the identity), `@orch_process`,
//! `@orch_log` and `@orch_worktree`. A new executor on a living server finds everything there.
//!
//! Nothing of an agent's is ever on tmux's own command line: commands travel over the control client's
//! standard input, which has no length limit and is not in the process list.

mod config;
mod control;
mod events;
mod executor;
mod input;
mod launch;
mod quote;
mod record;
mod registry;
mod screen;
mod server;
mod socket;

pub use config::TmuxConfig;
pub use executor::TmuxExecutor;
pub use socket::{SocketError, socket_for};
