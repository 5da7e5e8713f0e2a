//! Agents: how they are started, what they are told, and what is seen of them means.

pub(crate) mod feedback;
pub(crate) mod monitor;
pub(crate) mod profile;
pub(crate) mod prompt;
pub(crate) mod screen;
pub mod session_words;

pub use monitor::{EndStep, Finding, Monitor, end_step};
pub use profile::{AgentProfile, Placeholders, PromptVia};
pub use screen::{Reading, Sign};
