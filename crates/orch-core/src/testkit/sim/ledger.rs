//! What agents and verify commands did, kept by the simulation beside everything that orch believes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::base::id::{LaunchId, Sha};

/// A handle to the one ledger of a story.
#[derive(Clone, Default)]
pub(super) struct Ledger(Arc<Mutex<Pages>>);

#[derive(Default)]
pub(super) struct Pages {
    /// Commits of agents that they did not take back themselves, with the task and the number of the launch.
    pub(super) work: BTreeMap<Sha, (String, usize)>,
    /// Commits whose files a verify command agreed to.
    pub(super) verified: BTreeSet<Sha>,
    /// The launches of each task's agent, in order.
    pub(super) launches: BTreeMap<String, Vec<LaunchId>>,
    /// How often something happened that is no print: steps of agents that change the world.
    pub(super) deeds: u64,
}

impl Ledger {
    pub(super) fn open(&self) -> MutexGuard<'_, Pages> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Which launch of the task's agent this is, from 0; the same one asked for again has the same number.
    pub(super) fn number(&self, task: &str, launch: LaunchId) -> usize {
        let mut pages = self.open();
        let launches = pages.launches.entry(task.to_owned()).or_default();
        if let Some(number) = launches.iter().position(|known| *known == launch) {
            return number;
        }
        launches.push(launch);
        launches.len() - 1
    }
}
