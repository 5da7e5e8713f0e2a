//! Processes in a way that survives pid reuse.
//!
//! A process is `(pid, start time, boot)`. Everything here checks that triple first, so that a pid that
//! the kernel handed to somebody else is never signalled, waited for or taken for alive. On Linux the
//! facts come from `/proc` and the waiting from pidfds; elsewhere from `ps` and a slow poll. Beside it
//! stands what executors share: where a private socket lives, what no launch can be asked for, and
//! the events that wait to be fetched.

mod clock;
mod end;
mod events;
mod exit;
mod identity;
mod launch;
mod socket;
#[cfg(target_os = "linux")]
#[path = "table_linux.rs"]
mod table;
#[cfg(not(target_os = "linux"))]
#[path = "table_ps.rs"]
mod table;
#[cfg(all(test, target_os = "linux"))]
#[path = "table_ps.rs"]
#[expect(dead_code, reason = "compiled here only so that its parsers are tested")]
mod table_ps;

pub use clock::{awake_ms, boot_id};
pub use end::{Mark, Target};
pub use events::Events;
pub use exit::Exit;
pub use identity::{Signal, alive, identify, name, signal};
pub use launch::check_launch;
pub use socket::{SocketError, private_dir, socket_in};
