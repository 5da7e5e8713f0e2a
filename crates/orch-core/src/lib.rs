//! The pure engine of `orch`.

mod backend;
mod files;
mod id;
mod plan;
mod time;

pub use backend::*;
pub use files::FileSet;
pub use id::{AttemptNo, BranchName, EffectId, IdError, LaunchId, PullNumber, Seq, Sha, TaskId};
pub use plan::{
    Autonomy, ExecutorKind, ForgeKind, Gate, MergeMode, Plan, PlanSettings, Priority, PushMode, SameFile, TaskSpec,
};
pub use time::{AwakeMs, BootId, Millis, Now, Timestamp};
