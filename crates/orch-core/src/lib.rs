//! The pure engine of `orch`: it decides what a fleet of coding agents does next, and does nothing itself.
//!
//! A tool that embeds it brings the world: something that runs agents ([`Executor`]), something that keeps
//! their work ([`Vcs`]), something that takes pull requests ([`Forge`]), a clock ([`Now`]) and a place for a
//! journal. The crate has no file, process, thread, clock or randomness in it, so the same inputs at the same
//! times give the same steps on any machine.
//!
//! # From nothing to a fleet
//!
//! 1. [`Manifest::parse`] reads a plan, or says everything that is wrong with it. [`Manifest::plan`] is what
//!    the engine takes.
//! 2. [`State`] is the fold of [`State::apply`] over the journal; a new fleet begins with `State::default()`.
//! 3. [`Orchestrator::new`] takes the state, a [`Config`] and a [`HealPolicy`] ([`DefaultPolicy`], or your
//!    own).
//! 4. [`Orchestrator::start`], once. Then [`Orchestrator::handle`] for every [`Input`]: the plan as
//!    [`Seen::Plan`], what the world shows, what people say, what came of effects. At the end
//!    [`Orchestrator::stop`].
//! 5. For every [`Step`]: first make its records durable, in order and as one batch. Then perform the effects
//!    that these records start ([`Record::Effect`]; the record's `seq` is the effect's id) and those in
//!    `redo`, and hand each [`Outcome`] back as [`Input::Done`]. Then look at what `looks` names and hand back
//!    what was seen. [`Ports`] does both for any three ports.
//! 6. [`Orchestrator::next_deadline`] says when the next [`Input::Tick`] is due, and why;
//!    [`Orchestrator::outlook`] whether there is still something to do.
//!
//! `examples/drive_by_hand.rs` is this loop in thirty lines, `examples/heal_policy.rs` a policy of one's own,
//! `examples/custom_executor.rs` an executor of one's own.
//!
//! # What the ports promise
//!
//! - Every call is idempotent for the same arguments: it looks before it acts. Whoever dies between an effect
//!   and its record performs the effect again. The exception is [`Executor::input`]: keys are never pressed
//!   from memory, so an input that was left open is closed as [`Outcome::Unknown`] and the screen is judged
//!   anew.
//! - A failure is typed ([`FailureKind`]): whether the same call may succeed later decides between waiting and
//!   asking a person.
//! - A launch is known by its [`LaunchId`] wherever the executor keeps it; names are for people.
//!
//! The contract suites of the `testkit` feature are these promises as tests: implement a port, run its suite.
//!
//! # What holds across versions
//!
//! - A journal that an older version wrote still folds to the same state: `apply` knows no policy, no settings
//!   and no clock. [`JOURNAL_FORMAT`] says what a version writes; what only a newer version can read is
//!   refused, never skipped.
//! - A manifest that was valid stays valid; unknown fields survive.
//! - The eight names of [`Status`] and the moves in [`TRANSITIONS`] are the only ones.

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
