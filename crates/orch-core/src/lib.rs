//! The pure engine of `orch`: it decides what a fleet of coding agents does next, and does nothing itself.
//!
//! A tool that embeds it brings the world: something that runs agents ([`Executor`]), something that keeps
//! their work ([`Vcs`]), something that takes pull requests ([`Forge`]), a clock ([`Now`]) and a place for a
//! journal. The crate has no file, process, thread, clock or randomness in it, so the same inputs at the same
//! times give the same steps on any machine.
//!
//! Who wants the fleet that `orch run` drives, on a real repository and real terminals, with a policy or a backend
//! replaced, takes the crate `orch-fleet` (`examples/fleet.rs`). This crate is for those who bring a world of their own.
//!
//! # From nothing to a fleet
//!
//! 1. [`Manifest::parse`] reads a plan, or says everything that is wrong with it. [`Manifest::plan`] is what
//!    the engine takes.
//! 2. [`State`] is the fold of [`State::apply`] over the journal; a new fleet begins with `State::default()`.
//! 3. [`Orchestrator::new`] takes the state, a [`Config`] and a [`HealPolicy`] ([`DefaultPolicy`], or your
//!    own).
//! 4. [`Orchestrator::start`], once. Then [`Orchestrator::handle`] for every [`Input`]: the plan as
//!    [`Seen::Plan`](engine::Seen::Plan), what the world shows, what people say, what came of effects. At the end
//!    [`Orchestrator::stop`].
//! 5. For every [`Step`]: first make its records durable, in order and as one batch. Then do each of its
//!    [`Step::jobs`], the effects that these records start and the looks, and hand back what they bring as the next
//!    inputs. [`Ports::carry_out`] does a job for any three ports.
//! 6. [`Orchestrator::next_deadline`] says when the next [`Input::Tick`] is due, and why;
//!    [`Orchestrator::outlook`] whether there is still something to do.
//!
//! `examples/drive_by_hand.rs` is this loop in thirty lines, `examples/heal_policy.rs` a policy of one's own,
//! `examples/simulate.rs` the same put to the test by stories from seeds, `examples/custom_executor.rs` an executor of
//! one's own.
//!
//! # Where things are
//!
//! What every embedder names stands at the root. The rest stands in its module: [`base`] has ids, times and
//! foreign text; [`ports`] the traits and their data; [`plan`] manifest, graph and status; [`heal`] the policy;
//! [`journal`] records and effects; [`state`] their fold; [`agents`] profiles and sessions without a plan;
//! [`engine`] what goes in and out; [`cleanup`] what may be taken down; [`views`] answers for people and programs.
//!
//! # What the ports promise
//!
//! - Every call is idempotent for the same arguments: it looks before it acts. Whoever dies between an effect
//!   and its record performs the effect again. The exception is [`Executor::input`]: keys are never pressed
//!   from memory, so an input that was left open is closed as [`Outcome::Unknown`](journal::Outcome::Unknown) and the screen is judged
//!   anew.
//! - A failure is typed ([`FailureKind`](ports::FailureKind)): whether the same call may succeed later decides between waiting and
//!   asking a person.
//! - A launch is known by its [`LaunchId`](base::LaunchId) wherever the executor keeps it; names are for people.
//!
//! The contract suites of the `testkit` feature are these promises as tests: implement a port, run its suite.
//!
//! # What holds across versions
//!
//! - A journal that an older version wrote still folds to the same state: `apply` knows no policy, no settings
//!   and no clock. [`JOURNAL_FORMAT`](journal::JOURNAL_FORMAT) says what a version writes; what only a newer version can read is
//!   refused, never skipped.
//! - A manifest that was valid stays valid; unknown fields survive.
//! - What may grow (records, effects, signals, remedies, inputs, the ports' data and the views) is `#[non_exhaustive]`:
//!   matched with a `_`; what you make of it has a `new` and fields to set. A policy that meets a signal it does not know asks [`DefaultPolicy`].
//!   [`heal::Limits`] is made by `Limits { …, ..Limits::default() }`.
//! - The eight names of [`Status`](plan::Status) and the moves in [`TRANSITIONS`](plan::TRANSITIONS) are the only ones.

#[cfg(any(test, feature = "testkit"))]
pub mod testkit;

pub mod agents;
pub mod base;
pub mod cleanup;
pub mod engine;
pub mod heal;
pub mod journal;
pub mod plan;
pub mod ports;
pub mod state;
pub mod views;

pub use base::{Now, TaskId};
pub use engine::{Config, Input, Orchestrator, Ports, Step};
pub use heal::{DefaultPolicy, HealPolicy};
pub use plan::Manifest;
pub use ports::{Executor, Forge, Vcs};
pub use state::State;
