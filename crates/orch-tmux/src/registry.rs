use std::collections::{BTreeMap, BTreeSet};

use orch_core::base::LaunchId;
use orch_core::ports::ProcessId;
use tokio::task::AbortHandle;

use crate::record::Record;

/// What is remembered of the server's panes between two looks; the server is what counts.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    /// The server that all of it is about.
    server: Option<ProcessId>,
    panes: BTreeMap<LaunchId, Pane>,
    launches: BTreeMap<u32, LaunchId>,
    /// Panes that printed before it was known whose they are.
    early: BTreeSet<u32>,
}

/// A pane of ours, as last seen.
#[derive(Debug)]
pub(crate) struct Pane {
    pub(crate) record: Record,
    /// Who waits for the end of its process.
    watcher: Option<AbortHandle>,
    /// Its process has ended, whether or not tmux knows.
    ended: bool,
    /// What its process wrote has had its time to be drained.
    drained: bool,
}

impl Drop for Pane {
    fn drop(&mut self) {
        if let Some(watcher) = &self.watcher {
            watcher.abort();
        }
    }
}

/// What taking in a record brought to light.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct News {
    /// The pane was not known.
    pub(crate) new: bool,
    /// It printed something before it was known.
    pub(crate) printed: bool,
}

impl Registry {
    /// Takes in what was seen of a pane; an identity found earlier is kept.
    pub(crate) fn note(&mut self, mut record: Record) -> News {
        let (launch, number) = (record.launch, record.pane);
        self.launches.insert(number, launch);
        let printed = self.early.remove(&number);
        if let Some(pane) = self.panes.get_mut(&launch).filter(|pane| pane.record.pane == number) {
            record.process = record.process.or_else(|| pane.record.process.take());
            pane.record = record;
            return News { new: false, printed };
        }
        self.panes.insert(launch, Pane { record, watcher: None, ended: false, drained: false });
        News { new: true, printed }
    }

    /// Forgets every pane that is not among `seen`.
    pub(crate) fn retain(&mut self, seen: &BTreeSet<u32>) {
        self.panes.retain(|_, pane| seen.contains(&pane.record.pane));
        self.launches.retain(|number, _| seen.contains(number));
    }

    pub(crate) fn remove(&mut self, launch: LaunchId) {
        if let Some(pane) = self.panes.remove(&launch) {
            self.launches.remove(&pane.record.pane);
        }
    }

    pub(crate) fn record(&self, launch: LaunchId) -> Option<&Record> {
        self.panes.get(&launch).map(|pane| &pane.record)
    }

    /// Hands over the watcher of a pane's process; a pane that is gone ends it at once.
    pub(crate) fn watch(&mut self, launch: LaunchId, watcher: AbortHandle) {
        match self.panes.get_mut(&launch) {
            Some(pane) => pane.watcher = Some(watcher),
            None => watcher.abort(),
        }
    }

    pub(crate) fn end(&mut self, launch: LaunchId) {
        if let Some(pane) = self.panes.get_mut(&launch) {
            pane.ended = true;
        }
    }

    pub(crate) fn has_ended(&self, launch: LaunchId) -> bool {
        self.panes.get(&launch).is_some_and(|pane| pane.ended)
    }

    pub(crate) fn drain(&mut self, launch: LaunchId) {
        if let Some(pane) = self.panes.get_mut(&launch) {
            pane.drained = true;
        }
    }

    pub(crate) fn is_drained(&self, launch: LaunchId) -> bool {
        self.panes.get(&launch).is_some_and(|pane| pane.drained)
    }

    /// How many panes are known.
    pub(crate) fn len(&self) -> usize {
        self.panes.len()
    }

    /// Whether every known pane is among `seen`.
    pub(crate) fn is_within(&self, seen: &BTreeSet<u32>) -> bool {
        self.launches.keys().all(|number| seen.contains(number))
    }

    /// Whose pane it is that printed; an unknown one is remembered until it is known.
    pub(crate) fn printed(&mut self, number: u32) -> Option<LaunchId> {
        let launch = self.launches.get(&number).copied();
        if launch.is_none() {
            self.early.insert(number);
        }
        launch
    }

    /// Begins with a server; tells whether sessions of another one were lost with it.
    pub(crate) fn serve(&mut self, server: &ProcessId) -> bool {
        if self.server.as_ref() == Some(server) {
            return false;
        }
        let lost = !self.panes.is_empty();
        *self = Self { server: Some(server.clone()), ..Self::default() };
        lost
    }

    /// Forgets a server that died; tells whether sessions were lost with it.
    pub(crate) fn lose(&mut self, server: &ProcessId) -> bool {
        if self.server.as_ref() != Some(server) {
            return false;
        }
        let lost = !self.panes.is_empty();
        *self = Self::default();
        lost
    }
}
