//! What a task has to show: its worktree, its branch, its way to the base.

use std::collections::{BTreeMap, BTreeSet};

use crate::base::id::{Sha, TaskId};
use crate::ports::{Commit, Nested, Prepared, Pull};

/// The directory that a task is worked on in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Worktree {
    /// Its worktree.
    pub prepared: Option<Prepared>,
    /// The worktree was removed.
    pub removed: bool,
    /// The worktree of the merged task holds leftovers: they are saved, then it is removed.
    pub leftovers: bool,
    /// Those leftovers are saved.
    pub leftovers_saved: bool,
}

/// What the branch and the worktree of a task hold, as last judged.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Work {
    /// The head.
    pub head: Option<Sha>,
    /// Commits over the start.
    pub commits: Vec<Commit>,
    /// Files changed over the start.
    pub changed: Vec<String>,
    /// Tips of predecessors that the branch contains.
    pub contains: BTreeMap<TaskId, Sha>,
    /// The commit that is being verified.
    pub verifying: Option<Sha>,
    /// The commit that was verified.
    pub verified: Option<Sha>,
    /// The commit that was verified last, also while it is reworked.
    pub last_verified: Option<Sha>,
    /// Repositories inside the worktree that stood in the way.
    pub nested: Vec<Nested>,
    /// References that hold saved work.
    pub saved: Vec<String>,
    /// Why the work could not be saved, or not all of it, before a person ended its agent: it stays in the worktree.
    pub unsaved: Option<String>,
}

/// How far verified work got on its way to the base.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Publication {
    /// The commit that was verified when publishing it came to need a person: it wants no agent.
    pub unpublished: Option<Sha>,
    /// A person said to go on with that.
    pub publish_again: bool,
    /// The commit that the remote has.
    pub pushed: Option<Sha>,
    /// Every commit that was to be pushed: its tip at the remote is one of these, or somebody else's.
    pub offered: BTreeSet<Sha>,
    /// What the remote has of orch's own pushes and the branch's history does not contain any more: its
    /// agent amended or rebased.
    pub left: Option<Sha>,
    /// Its pull request when last changed or seen to change.
    pub pull: Option<Pull>,
    /// The reviews that new attempts were begun for, by id.
    pub heeded: BTreeSet<String>,
    /// Its work was seen in the base.
    pub in_base: bool,
}
