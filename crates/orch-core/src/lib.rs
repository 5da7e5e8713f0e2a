//! The pure engine of `orch`.

#[cfg(any(test, feature = "testkit"))]
pub mod testkit;

mod agent;
mod backend;
mod clearing;
mod effect;
mod files;
mod graph;
mod heal;
mod id;
mod input;
mod layout;
mod manifest;
mod orchestrator;
mod plan;
mod ports;
mod project;
mod prompt;
mod record;
mod report;
mod screen;
pub mod session_words;
mod sight;
mod state;
mod status;
mod text;
mod time;
mod timeline;
mod watcher;

pub use agent::{AgentProfile, Placeholders, PromptVia};
pub use backend::*;
pub use clearing::{Clearing, KeptBecause};
pub use effect::{Effect, Failure, FailureKind, Look, Notice, NoticeKind, Outcome, Purpose};
pub use files::{FileFault, FileSet};
pub use graph::{Cycle, Edge, EdgeKind, EdgeView, GateView, GraphView, NodeView, TaskGraph};
pub use heal::{Case, Decision, DefaultPolicy, HealPolicy, Limits, Remedy, Signal};
pub use id::{AttemptNo, BranchName, EffectId, IdError, LaunchId, PullNumber, Seq, Sha, TaskId};
pub use input::{Input, Seen, SeenPull, SeenSession};
pub use layout::Layout;
pub use manifest::{
    ImportedTask, Manifest, Parsed, PlanDiff, Problem, ProblemKind, ProjectedTask, Projection, Starter, diff, schema,
};
pub use orchestrator::{Blocker, BlockerKind, Config, Deadline, LaunchPlan, Orchestrator, Outlook, Refusal, Step};
pub use plan::{
    Autonomy, ExecutorKind, ForgeKind, Gate, MergeMode, Plan, PlanSettings, Priority, PushMode, SameFile, TaskSpec,
};
pub use ports::{LookPlan, Ports};
pub use project::EditRefusal;
pub use record::{
    DriverRecord, Entry, Evidence, ImportedState, JOURNAL_FORMAT, Marks, Record, StatusRecord, Todo, UserVerb, Verdict,
};
pub use report::{
    Difference, DifferenceKind, FleetView, OrchestratorView, OtherLimits, PhaseView, RemedyView, Replay, ReportView,
    TaskReport, TaskView, Threshold, Why, WhyStep, describe, replay,
};
pub use screen::{Reading, Sign};
pub use state::{Delivery, DeliveryStep, OpenEffect, RemedyTaken, Session, Setback, State, TaskState, Typing};
pub use status::{Status, TRANSITIONS, Transition, transition};
pub use text::{Foreign, clean, escape_block, escape_line, fence};
pub use time::{AwakeMs, BootId, Millis, Now, Timestamp};
pub use timeline::beside;
pub use watcher::{Finding, Watcher};
