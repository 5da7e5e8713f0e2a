//! `orch`: takes a backlog and a fleet of coding agents to merged pull requests.
pub use orch_core as core;
pub use orch_fleet::{self as fleet, Fleet, FleetBuilder, FleetError, host_entry};
