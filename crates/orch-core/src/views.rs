//! What other programs and people are shown: versioned, serialisable views, computed from state and graph alone.

mod describe;
mod fleet;
mod live;
mod replay;
mod summary;
mod timeline;
mod why;

#[cfg(test)]
mod tests;

pub use describe::describe;
pub use fleet::{FleetView, OrchestratorView, PhaseView, TaskView};
pub use live::LiveView;
pub use replay::{Difference, DifferenceKind, OtherLimits, Replay, replay};
pub use summary::{RemedyView, ReportView, TaskReport};
pub use timeline::beside;
pub use why::{Threshold, Why, WhyStep};
