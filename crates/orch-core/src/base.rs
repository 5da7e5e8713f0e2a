//! What everything else is said in: ids, time, files, foreign text, where things lie.

pub(crate) mod files;
pub(crate) mod id;
pub(crate) mod layout;
pub(crate) mod text;
pub(crate) mod time;
pub(crate) mod wire;

pub use files::{FileFault, FileSet};
pub use id::{AttemptNo, BranchName, EffectId, IdError, LaunchId, PullNumber, Seq, Sha, TaskId};
pub use layout::Layout;
pub use text::{Foreign, clean, escape_block, escape_line, fence};
pub use time::{AwakeMs, BootId, Millis, Now, Timestamp};
