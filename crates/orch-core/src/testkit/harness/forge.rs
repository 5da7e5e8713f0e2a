use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;

use crate::base::id::{BranchName, PullNumber, Sha};
use crate::testkit::{ForgeHarness, MockForge, SEED, World};

/// Worlds in memory, with a world's repository as other people's hands.
#[derive(Default)]
pub(in crate::testkit) struct MockForgeHarness {
    world: Mutex<World>,
}

impl MockForgeHarness {
    fn world(&self) -> World {
        self.world.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[async_trait]
impl ForgeHarness for MockForgeHarness {
    type Forge = MockForge;

    async fn fresh(&self) -> MockForge {
        let world = World::new();
        world.repository().publish(&BranchName::parse("main").expect("a branch"), SEED);
        *self.world.lock().unwrap_or_else(PoisonError::into_inner) = world.clone();
        world.forge()
    }

    async fn restart(&self, _: MockForge) -> MockForge {
        self.world().forge()
    }

    async fn publish(&self, branch: &BranchName, from: &BranchName, files: &[(&str, &str)]) -> Sha {
        let repository = self.world().repository();
        if repository.remote_tip(branch).is_none() {
            repository.set_remote(branch, repository.remote_tip(from).as_ref());
        }
        repository.publish(branch, files)
    }

    async fn tip(&self, branch: &BranchName) -> Option<Sha> {
        self.world().repository().remote_tip(branch)
    }

    async fn show(&self, branch: &BranchName, path: &str) -> Option<String> {
        let repository = self.world().repository();
        repository.show(&repository.remote_tip(branch)?, path)
    }

    async fn contains(&self, ancestor: &Sha, branch: &BranchName) -> bool {
        let repository = self.world().repository();
        repository.remote_tip(branch).is_some_and(|tip| repository.contains(ancestor, &tip))
    }

    async fn count(&self, branch: &BranchName) -> usize {
        let world = self.world();
        let state = world.lock();
        state.repo.remote.get(branch).map_or(0, |tip| state.repo.graph.history(tip).len())
    }

    async fn merge_by_hand(&self, branch: &BranchName, into: &BranchName) {
        self.world().repository().merge_by_hand(branch, into).expect("it merges cleanly");
    }

    async fn close(&self, number: PullNumber) {
        self.world().forge().close(number);
    }
}
