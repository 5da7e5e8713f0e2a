use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use camino::{Utf8Path, Utf8PathBuf};

use crate::base::id::{BranchName, Sha};
use crate::base::time::Millis;
use crate::testkit::{Failure, MockRepository, MockVcs, Operation, SEED, VcsHarness, World};

/// Worlds in memory, with a world's repository as other people's hands.
#[derive(Default)]
pub(in crate::testkit) struct MockVcsHarness {
    world: Mutex<World>,
}

impl MockVcsHarness {
    fn world(&self) -> World {
        self.world.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn repository(&self) -> MockRepository {
        self.world().repository()
    }
}

#[async_trait]
impl VcsHarness for MockVcsHarness {
    type Vcs = MockVcs;

    async fn fresh(&self) -> MockVcs {
        let world = World::new();
        world.repository().publish(&BranchName::parse("main").expect("a branch"), SEED);
        *self.world.lock().unwrap_or_else(PoisonError::into_inner) = world.clone();
        world.vcs()
    }

    async fn restart(&self, vcs: MockVcs) -> MockVcs {
        vcs.world().vcs()
    }

    fn worktree(&self, name: &str) -> Utf8PathBuf {
        Utf8Path::new("/worktrees").join(name)
    }

    async fn write(&self, worktree: &Utf8Path, path: &str, content: &str) {
        self.repository().write(worktree, path, content);
    }

    async fn delete(&self, worktree: &Utf8Path, path: &str) {
        self.repository().delete(worktree, path);
    }

    async fn read(&self, worktree: &Utf8Path, path: &str) -> Option<String> {
        self.repository().read(worktree, path)
    }

    async fn stage(&self, worktree: &Utf8Path, path: &str) {
        self.repository().stage(worktree, path);
    }

    async fn nest(&self, worktree: &Utf8Path, path: &str, content: &str) {
        self.repository().nest(worktree, path, content);
    }

    async fn lose_worktree(&self, worktree: &Utf8Path) {
        self.repository().lose_worktree(worktree);
    }

    async fn commit(&self, worktree: &Utf8Path, message: &str) -> Sha {
        self.repository().commit(worktree, message).expect("the worktree exists")
    }

    async fn rewind(&self, worktree: &Utf8Path, to: &Sha) {
        self.repository().rewind(worktree, to);
    }

    async fn detach(&self, worktree: &Utf8Path) {
        self.repository().detach(worktree);
    }

    async fn merge_halfway(&self, worktree: &Utf8Path, tip: &Sha) {
        let repository = self.repository();
        let theirs = repository.show(tip, "shared.txt").unwrap_or_default();
        repository.write(worktree, "shared.txt", &format!("<<<<<<< ours\n=======\n{theirs}>>>>>>> theirs\n"));
        repository.begin_merge(worktree);
    }

    async fn status(&self, worktree: &Utf8Path) -> String {
        self.repository().status(worktree)
    }

    async fn show(&self, commit: &Sha, path: &str) -> Option<String> {
        self.repository().show(commit, path)
    }

    async fn resolve(&self, reference: &str) -> Option<Sha> {
        self.repository().resolve(reference)
    }

    async fn publish(&self, branch: &BranchName, files: &[(&str, &str)]) -> Sha {
        self.repository().publish(branch, files)
    }

    async fn tip(&self, branch: &BranchName) -> Option<Sha> {
        self.repository().remote_tip(branch)
    }

    async fn make_local_branch(&self, branch: &BranchName) -> Sha {
        self.repository().make_local_branch(branch)
    }

    async fn age(&self) {
        self.world().advance(Millis(1_500));
    }

    async fn cut_off(&self, cut: bool) -> bool {
        if cut {
            self.world().fail(Operation::Push, 1, Failure::Unreachable);
            self.world().fail(Operation::RemoteTip, 1, Failure::Unreachable);
        }
        true
    }
}
