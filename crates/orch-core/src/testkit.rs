//! What tests of orchestration are made of: a world in memory, contract suites, broken backends.
//!
//! - [`World`] holds simulated time, scripted agents, a repository and a forge. [`MockExecutor`],
//!   [`MockVcs`] and [`MockForge`] are connections to it; dropping one and connecting anew is what a
//!   crash of the orchestrator looks like. Time moves only by [`World::advance`] and its siblings.
//! - A *contract suite* states line by line what a port promises. A backend implements the suite's
//!   harness and runs it: [`run_executor_contract`], [`run_vcs_contract`], [`run_forge_contract`].
//! - *Broken backends* prove that the suites can fail: each has one [defect](ExecutorDefect), and the
//!   suite must name the case that finds it.
//!
//! Nothing here starts a thread, reads a clock or needs an async runtime.

mod broken;
mod clock;
mod contract;
mod executor;
mod executor_contract;
mod fault;
mod forge;
mod forge_contract;
#[cfg(test)]
mod harness;
mod plan;
mod scenario;
mod script;
pub mod sim;
mod vcs;
mod vcs_contract;
mod world;

pub use broken::{BrokenExecutor, BrokenForge, BrokenVcs, ExecutorDefect, ForgeDefect, VcsDefect};
pub use clock::SimClock;
pub use contract::{ContractBroken, ContractFailure, Report};
pub use executor::MockExecutor;
pub use executor_contract::{Behaviour, ExecutorHarness, run_executor_case, run_executor_contract};
pub use fault::{Call, Failure, Operation};
pub use forge::MockForge;
pub use forge_contract::{ForgeHarness, run_forge_case, run_forge_contract};
pub use plan::{planned, planned_task};
pub use scenario::{Scenario, Story};
pub use script::{Script, Step};
pub use vcs::{MockRepository, MockVcs};
pub use vcs_contract::{SEED, VcsHarness, run_vcs_case, run_vcs_contract};
pub use world::World;
