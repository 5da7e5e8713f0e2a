//! Agents: how they are started, what they are told, and what is seen of them means.

pub(crate) mod feedback;
pub(crate) mod profile;
pub(crate) mod prompt;
pub(crate) mod screen;
pub mod session_words;
pub(crate) mod sight;
pub(crate) mod watcher;

pub use profile::{AgentProfile, Placeholders, PromptVia};
pub use screen::{Reading, Sign};
pub use watcher::{Finding, Watcher};
