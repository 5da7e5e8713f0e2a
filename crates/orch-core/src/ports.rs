//! The ports: what the engine needs of the world, in plain domain data.
//!
//! Every call is idempotent for the same arguments: whoever dies between an effect and its record
//! repeats the call, and the backend looks before it acts again. The one exception is
//! [`Executor::input`], which is never repeated from memory.

mod executor;
mod failure;
mod forge;
mod review;
mod vcs;

pub use executor::{
    EndMode, EndSpec, Executor, ExecutorCapabilities, ExecutorError, ExecutorEvent, ExitStatus, Fingerprint, Key,
    LaunchSpec, Launched, ProcessId, ScreenView, SessionInfo, SessionInput, SessionState,
};
pub use failure::{Failure, FailureKind};
pub use forge::{Forge, ForgeError, MergeMethod, MergeSpec, MergeState, Pull, PullChange, PullSpec, PullState};
pub use review::{Check, CheckState, Checks, Comment, Review, ReviewState};
pub use vcs::{
    Commit, CommitSpec, Dirt, Head, LeftTip, Nested, Predecessor, PrepareSpec, Prepared, PushSpec, RemoveSpec,
    SaveSpec, Saved, SyncSource, SyncSpec, Vcs, VcsError, Work, WorkSpec,
};
