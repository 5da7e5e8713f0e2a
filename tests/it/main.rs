//! The real program with scripted agents, on a real tmux, git and the local forge.

mod background;
mod claims;
mod crash;
mod demo;
mod examples;
mod fleet;
mod following;
mod hostile;
mod identity;
mod journal;
mod main_job;
mod manifests;
mod notices;
mod orchestrator;
mod pasting;
mod publishing;
mod read_verbs;
mod saved;
mod sessions;
mod stacks;
mod steering;
mod terminal;
mod tick;
