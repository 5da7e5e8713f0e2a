//! Faults on order, and the record of what was asked of the mocks.

use std::collections::BTreeMap;

use crate::base::time::Timestamp;
use crate::ports::{ExecutorError, ForgeError, VcsError};

/// A call of a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "each is the port's method of that name")]
pub enum Operation {
    Launch,
    List,
    Look,
    Input,
    End,
    Forget,
    BaseTip,
    Prepare,
    Head,
    Work,
    Save,
    Commit,
    Sync,
    Push,
    RemoteTip,
    Contains,
    Tree,
    MergedTree,
    Remove,
    Open,
    Find,
    Update,
    Merge,
    DeleteBranch,
}

impl Operation {
    /// The calls whose failures the engine must live with.
    pub const FALLIBLE: [Self; 20] = [
        Self::Launch,
        Self::List,
        Self::Look,
        Self::Input,
        Self::End,
        Self::Forget,
        Self::BaseTip,
        Self::Prepare,
        Self::Work,
        Self::Save,
        Self::Commit,
        Self::Sync,
        Self::Push,
        Self::RemoteTip,
        Self::Contains,
        Self::Remove,
        Self::Open,
        Self::Find,
        Self::Update,
        Self::Merge,
    ];
}

/// How a call fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// Nothing is done; the port's "trying again may work" error comes back.
    Unreachable,
    /// Nothing is done; something is in the way for the moment.
    Busy,
    /// Nothing is done; a forge wants to be left alone for twenty minutes. Of other ports like
    /// [`Failure::Unreachable`].
    Limited,
    /// Nothing is done; the port's "can never work" error comes back.
    Refused,
    /// Everything is done, then the same error as for [`Failure::Unreachable`] comes back.
    AnswerLost,
    /// Input is typed nowhere though the call succeeds; an end is not proved. Of no other call.
    Ignored,
    /// Input is refused as if the screen had changed. Of no other call.
    Stale,
    /// Nothing is done; the call panics.
    Panics,
}

/// One call that a mock received, failed or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// When, by the simulated clock.
    pub at: Timestamp,
    /// Which call.
    pub operation: Operation,
    /// What it was about: a launch's number, a path, a branch, a pull request's number.
    pub subject: String,
}

#[derive(Debug, Default)]
pub(super) struct Faults {
    ordered: BTreeMap<Operation, Vec<Failure>>,
}

impl Faults {
    pub(super) fn order(&mut self, operation: Operation, times: usize, failure: Failure) {
        self.ordered.entry(operation).or_default().extend(std::iter::repeat_n(failure, times));
    }

    pub(super) fn are_ordered(&self) -> bool {
        self.ordered.values().any(|waiting| !waiting.is_empty())
    }

    pub(super) fn take(&mut self, operation: Operation) -> Option<Failure> {
        let waiting = self.ordered.get_mut(&operation)?;
        if waiting.is_empty() { None } else { Some(waiting.remove(0)) }
    }
}

/// The errors of a port that any call may end in.
pub(super) trait PortError {
    fn unreachable(operation: Operation) -> Self;
    fn refused(operation: Operation) -> Self;
    fn busy(operation: Operation) -> Self;
    fn limited(operation: Operation, retry_at: Timestamp) -> Self;
}

const INJECTED: &str = "a fault on order";

impl PortError for ExecutorError {
    fn limited(operation: Operation, _: Timestamp) -> Self {
        Self::unreachable(operation)
    }

    fn busy(operation: Operation) -> Self {
        Self::unreachable(operation)
    }

    fn unreachable(_: Operation) -> Self {
        Self::Unavailable { executor: "mock", why: INJECTED.to_owned() }
    }

    fn refused(operation: Operation) -> Self {
        Self::Refused { what: format!("{operation:?}"), why: INJECTED.to_owned() }
    }
}

impl PortError for VcsError {
    fn limited(operation: Operation, _: Timestamp) -> Self {
        Self::unreachable(operation)
    }

    fn busy(_: Operation) -> Self {
        Self::Busy { why: INJECTED.to_owned() }
    }

    fn unreachable(_: Operation) -> Self {
        Self::Unreachable { why: INJECTED.to_owned() }
    }

    fn refused(operation: Operation) -> Self {
        Self::Refused { what: format!("{operation:?}"), why: INJECTED.to_owned() }
    }
}

impl PortError for ForgeError {
    fn limited(_: Operation, retry_at: Timestamp) -> Self {
        Self::Limited { why: INJECTED.to_owned(), retry_at }
    }

    fn busy(_: Operation) -> Self {
        Self::Busy { why: INJECTED.to_owned() }
    }

    fn unreachable(_: Operation) -> Self {
        Self::Unreachable { why: INJECTED.to_owned() }
    }

    fn refused(operation: Operation) -> Self {
        Self::Refused { what: format!("{operation:?}"), why: INJECTED.to_owned() }
    }
}
