//! Version control on git, and a forge on a repository on disk.
//!
//! [`GitVcs`] is the [`orch_core::ports::Vcs`] of a repository: the git program does what changes or what talks to a
//! remote, libgit2 answers whether a commit contains another. [`LocalForge`] is the [`orch_core::ports::Forge`] that
//! needs no account: pull requests are records in a file, merges are real ones.
//!
//! # What orch keeps in a repository
//! | ref | what it is |
//! |---|---|
//! | `refs/orch/of/<workdir>/base/<task>` | the base's tip that the task's branch was made from |
//! | `refs/orch/of/<workdir>/start/<task>` | the commit that the task's agent started from; set before the branch is made, so a branch that exists is this workdir's exactly if it contains this commit |
//! | `refs/orch/saved/<task>/<attempt>` | uncommitted work that was saved, see [`RESTORE`] |
//! | `refs/pull/<number>/head` | in the local forge's origin: the head of a pull request, as GitHub keeps it |
//!
//! None of them is ever pushed.
//!
//! # Whom it trusts
//! Agents can write to the repository. Nothing that they put there is executed by orch's calls: hooks, file
//! system monitors and signers are switched off, and the settings that could start filters, drivers or
//! transports are compared with a record made when orch began ([`orch_core::ports::VcsError::Tampered`]). Settings that
//! orch's calls override or never read are left to whoever wrote them.

mod baseline;
mod files;
mod forge;
mod git;
mod merge;
mod repository;
mod vcs;

pub use baseline::ConfigChange;
pub use forge::{LocalForge, LocalForgeConfig};
pub use git::GitVersion;
pub use repository::{RemoteInfo, clone, create_origin, detect_remote, git_version, head_branch, recorded_remote};
pub use vcs::{GitConfig, GitVcs, Identity, RESTORE, Remote, Survey, WorktreeInfo};
