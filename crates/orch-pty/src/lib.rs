//! Runs agents on pseudo-terminals that a small detached host keeps.
//!
//! # Theory of operation
//! One directory has one *host*: a process that the first launch starts, that does nothing else and so
//! has no reason to die. It is in a process session of its own, at `/`, with nearly no environment,
//! deaf to hang-ups; orchestrators come and go without it. It leaves when it has neither sessions nor
//! clients. The lock `host.lock` says that it lives, the table `host.jsonl` what it keeps, the socket
//! `host.sock` (0600, in a 0700 directory) is the way to it, for processes of the same user only.
//!
//! Each session is one fork and exec on a terminal of its own, without a shell. The host reads what the
//! process prints, appends it to the log, and lets a terminal emulator draw it: that one answers what
//! agents ask of their terminal, and it is what [`orch_core::ports::Executor::look`] shows. Exits come from
//! the kernel, are put on disk, and are kept until they are forgotten.
//!
//! When a host is killed, its sessions are *lost*: the kernel hangs up on them, and what survives that is
//! ended by [`orch_core::ports::Executor::end`], or before the same launch is started again. Nothing is ended by
//! itself before: the work of a lost agent shall be saved first. Exits that were told outlive the host.
//!
//! Nobody can hold anybody else up: a program that prints more than is read waits for its own terminal, a
//! client that does not read is told less, a log that cannot be written is counted, and each terminal is
//! read in turns.
//!
//! # Limits
//! A terminal hands a program that reads by lines at most 4095 bytes of one line: longer ones are refused.
//! A session takes about 24 bytes for each character cell of its two screens, and as much for each of the
//! 200 rows of history that it uses. Each start is a fork of the host, whose price grows with that memory:
//! about 1 ms at first, 3 ms with 200 sessions, near 30 ms with 1000. Logs keep what was printed last, one to two times their limit.

mod attachment;
mod entry;
mod executor;
mod host;
mod inner;
mod link;
mod protocol;
mod session;
mod settings;
mod survivors;
mod table;

pub use attachment::{Attachment, Display, Keyboard};
pub use entry::host_entry;
pub use executor::PtyExecutor;
pub use session::{PtySession, PtyState};
pub use settings::PtySettings;
