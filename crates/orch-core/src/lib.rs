//! The pure engine of `orch`.

#[cfg(any(test, feature = "testkit"))]
pub mod testkit;

mod backend;
mod files;
mod graph;
mod id;
mod plan;
mod status;
mod text;
mod time;

pub use backend::*;
pub use files::{FileFault, FileSet};
pub use graph::{Cycle, Edge, EdgeKind, EdgeView, GateView, GraphView, NodeView, ReadySet, TaskGraph};
pub use id::{AttemptNo, BranchName, EffectId, IdError, LaunchId, PullNumber, Seq, Sha, TaskId};
pub use plan::{
    Autonomy, ExecutorKind, ForgeKind, Gate, MergeMode, Plan, PlanSettings, Priority, PushMode, SameFile, TaskSpec,
};
pub use status::Status;
pub use text::{Foreign, clean, escape_block, escape_line, fence};
pub use time::{AwakeMs, BootId, Millis, Now, Timestamp};
