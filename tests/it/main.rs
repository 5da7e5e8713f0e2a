//! The real program with scripted agents, on a real tmux, git and the local forge.

mod claims;
mod crash;
mod examples;
mod fleet;
mod hostile;
mod journal;
mod main_job;
mod manifests;
mod orchestrator;
mod pasting;
mod read_verbs;
mod saved;
mod tick;
