//! Puts a fleet of coding agents together from a workdir: settings, manifest, lock, journal, repository, terminals,
//! forge and engine. It decides nothing ([`orch_core`] does) and never prints.
//!
//! # From nothing to a fleet
//!
//! 1. [`host_entry`] is the first call of `main`, before threads and arguments: agents on PTYs are kept by a detached host,
//!    and that host is this same program. A fleet on tmux does without.
//! 2. [`Workdir::create`] makes a private directory for the fleet, [`Workdir::open`] takes one that is there. The manifest
//!    goes to [`Workdir::manifest`]; its `repo` is a path to clone from, or the workdir lies in the repository.
//! 3. [`Fleet::builder`] says what is to be otherwise than settings and manifest have it: a policy, agents, an executor,
//!    a forge, a goal. [`FleetBuilder::check`] finds what is wrong without a change on disk.
//! 4. [`FleetBuilder::open`] takes the workdir's lock, so that there is one orchestrator, and folds the journal: what an earlier
//!    one left open is looked at and gone on with. Open as often as you like; nothing is done twice.
//! 5. [`Fleet::run`] drives to the goal or until a person is needed; [`Fleet::tick`] does one heartbeat. An [`Observer`] is told
//!    of every record once it is durable; `&mut ()` watches nothing. When `interrupt` ends, agents go on, and the next `run`
//!    takes over.
//! 6. Meanwhile anybody speaks to it: [`FleetBuilder::say`], [`FleetBuilder::publish`], [`add`], [`ask_running`], from this process or
//!    another one. Where nothing runs they do it themselves.
//! 7. [`Fleet::take_down`] removes worktrees, sessions, sockets and locks; what would be lost stays and is told.
//!
//! `examples/fleet.rs` is this in a page. Who wants another loop, journal or clock builds on [`orch_core`] itself.
//!
//! # What may be called again
//!
//! Everything. Whoever dies at any instant opens the workdir again: records are durable before their effects begin, and
//! every call of a port looks before it acts. An executor or a forge of one's own has to keep that promise; the contract
//! suites of `orch_core::testkit` say whether it does.
//!
//! # What holds across versions
//!
//! A workdir of an older version opens; one of a newer version is refused before anything is changed, never misread.
//! The builder grows by methods. [`FleetError`] is matched whole, so that no new kind of trouble goes by unseen: a new
//! kind is a new minor version.

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
