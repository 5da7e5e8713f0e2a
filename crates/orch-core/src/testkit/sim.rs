//! Orchestrations that nobody thought of, from seeds: one seed, one story, the same each time it is played.
//!
//! A [`Tale`] is drawn from a seed: a plan, agents that work, ask, hang, lie, rewrite history and die, people who
//! steer, merge and edit, a world that moves, a machine that fails. [`Tale::play`] plays it against the engine.
//! Every effect and every look takes a time of its own, may fail before or after it happened, and is answered late,
//! twice or never; the orchestrator dies after any record. After every step the [laws](Law) are checked: what always
//! holds, whatever happens.
//!
//! A breach is told by [`Account`]; [`Tale::shrunk`] leaves out of a tale what its breach does not need. To know that
//! the net catches, each law has a fault of its own that can be [planted](Tale::play_with): a wrong that the simulation
//! does at the border between engine and world, and that the law must find. A policy of one's own is put to the same
//! test by [`Tale::play_under`].
//!
//! # Examples
//! ```
//! use orch_core::testkit::sim::Tale;
//!
//! let account = Tale::of(7).play();
//! assert!(account.breach.is_none(), "{account}");
//! ```

mod account;
mod act;
mod cast;
mod coverage;
mod dice;
mod happening;
mod laws;
mod ledger;
mod model;
mod planted;
mod shrink;
mod stage;
mod tale;

pub use account::Account;
pub use coverage::Coverage;
pub use laws::{Breach, Law};
pub use tale::Tale;

#[cfg(test)]
mod tests;
