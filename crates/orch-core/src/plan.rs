//! The plan: what a manifest says, the graph of its tasks, and the statuses that they can have.

pub(crate) mod change;
pub(crate) mod graph;
pub(crate) mod manifest;
pub(crate) mod spec;
pub(crate) mod status;

pub use change::{PlacedTask, PlanChange};
pub use graph::{Cycle, Edge, EdgeKind, EdgeView, GateView, GraphView, NodeView, TaskGraph};
pub use manifest::{
    ImportedTask, Manifest, Parsed, PlanDiff, Problem, ProblemKind, ProjectedTask, Projection, Starter, diff, schema,
};
pub use spec::{
    Autonomy, ExecutorKind, ForgeKind, Gate, GateBeyondGoal, MergeMode, Plan, PlanSettings, Priority, PushMode,
    SameFile, TaskSpec,
};
pub use status::{Status, TRANSITIONS, Transition, transition};
