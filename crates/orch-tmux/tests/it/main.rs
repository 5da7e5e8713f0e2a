//! `orch-tmux` on a real tmux, each test on a server of its own.

mod contract;
mod delivery;
mod ending;
mod environment;
mod events;
mod launching;
mod looking;
mod losing;
mod world;
