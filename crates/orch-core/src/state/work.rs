//! What a task has to show: its worktree, its branch, its way to the base.

use std::collections::{BTreeMap, BTreeSet};

use crate::base::id::{Sha, TaskId};
use crate::base::time::Timestamp;
use crate::ports::{Commit, Nested, Prepared, Pull};

/// The directory that a task is worked on in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Worktree {
    /// It was never made.
    #[default]
    NotMade,
    /// It is there.
    Ready(Prepared),
    /// It could not be removed for what lies in it: that is saved, then it is removed.
    Leftovers {
        /// As it was made.
        prepared: Prepared,
        /// What lies in it is saved.
        saved: bool,
    },
    /// It is gone, or left to `cleanup`; as it was made last.
    Removed(Prepared),
}

impl Worktree {
    /// As it was made last, whether it is still there or not.
    pub fn prepared(&self) -> Option<&Prepared> {
        match self {
            Self::NotMade => None,
            Self::Ready(prepared) | Self::Leftovers { prepared, .. } | Self::Removed(prepared) => Some(prepared),
        }
    }

    /// Whether it is there.
    pub fn is_there(&self) -> bool {
        matches!(self, Self::Ready(_) | Self::Leftovers { .. })
    }

    /// It is gone, or nothing more is done about it.
    pub(super) fn remove(&mut self) {
        *self = match std::mem::take(self) {
            Self::NotMade => Self::NotMade,
            Self::Ready(prepared) | Self::Leftovers { prepared, .. } | Self::Removed(prepared) => {
                Self::Removed(prepared)
            }
        };
    }

    /// It could not be removed.
    pub(super) fn keep_leftovers(&mut self) {
        *self = match std::mem::take(self) {
            Self::Ready(prepared) => Self::Leftovers { prepared, saved: false },
            other => other,
        };
    }

    /// What lies in it is saved.
    pub(super) fn note_saved(&mut self) {
        if let Self::Leftovers { saved, .. } = self {
            *saved = true;
        }
    }
}

/// What the branch and the worktree of a task hold, as last judged.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Work {
    /// The head.
    pub head: Option<Sha>,
    /// The head's tree, where it was told.
    pub tree: Option<Sha>,
    /// The command that verifies it, as planned.
    pub verify: Vec<String>,
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
    /// What was verified when publishing it came to need a person: it wants no agent.
    pub unpublished: Option<Unpublished>,
    /// The commit that the remote has.
    pub pushed: Option<Sha>,
    /// Every commit that was to be pushed: its tip at the remote is one of these, or somebody else's.
    pub offered: BTreeSet<Sha>,
    /// What the remote has of orch's own pushes and the branch's history does not contain any more: its
    /// agent amended or rebased.
    pub left: Option<Sha>,
    /// Its pull request when last changed or seen to change.
    pub pull: Option<Pull>,
    /// Since when that waits for what it shows.
    pub pull_since: Option<Timestamp>,
    /// The reviews that new attempts were begun for, by id.
    pub heeded: BTreeSet<String>,
    /// The commit that could not be merged in the way that is set, although it merges with its base.
    pub unmergeable: Option<Sha>,
    /// Its work was seen in the base.
    pub in_base: bool,
}

impl Publication {
    /// Whether a person said to go on with what could not be published.
    pub(crate) fn goes_on(&self) -> bool {
        self.unpublished.as_ref().is_some_and(|it| it.again)
    }

    pub(super) fn go_on(&mut self, again: bool) {
        if let Some(it) = &mut self.unpublished {
            it.again = again;
        }
    }
}

/// Verified work whose publication came to need a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unpublished {
    /// The commit.
    pub sha: Sha,
    /// A person said to go on.
    pub again: bool,
}
