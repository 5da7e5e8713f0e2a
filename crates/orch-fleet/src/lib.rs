//! Puts a fleet of coding agents together from a workdir: settings, manifest, lock, journal, repository, terminals,
//! forge and engine. It decides nothing ([`orch_core`] does) and never prints.

mod builder;
mod error;
mod fleet;
mod given;
mod place;
mod repository;
mod steer;
mod takedown;

pub use builder::FleetBuilder;
pub use error::FleetError;
pub use fleet::Fleet;
pub use given::read_manifest;
pub use orch_pty::host_entry;
pub use orch_runtime::{Answer, Ending, Mode, Observer, Request, Settings, Workdir, WorkdirError};
pub use place::{Attach, Place};
pub use repository::{IDENTITY, existing_repository};
pub use steer::{PATIENCE, add, ask_running, session_of};
pub use takedown::{TakeDown, TakenDown};
