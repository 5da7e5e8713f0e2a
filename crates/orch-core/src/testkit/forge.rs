//! A forge in memory.

mod pulls;
#[cfg(test)]
mod tests;

use async_trait::async_trait;

pub(super) use pulls::Pulls;

use super::fault::Operation;
use super::world::World;
use crate::base::id::{BranchName, PullNumber};
use crate::ports::{Check, Forge, ForgeError, MergeMethod, MergeSpec, Pull, PullChange, PullSpec, Review, ReviewState};

/// One connection to a [`World`]'s forge, which keeps the pull requests of the world's remote.
///
/// It has no checks and no reviews until a test says otherwise.
pub struct MockForge {
    world: World,
}

impl MockForge {
    /// Connects to a world.
    pub fn connect(world: &World) -> Self {
        Self { world: world.clone() }
    }

    /// The world that it works on.
    pub fn world(&self) -> &World {
        &self.world
    }

    /// Every pull request, as the forge would show it now.
    pub fn pulls(&self) -> Vec<Pull> {
        self.world.lock().all_pulls()
    }

    /// The title and body of a pull request.
    pub fn text(&self, number: PullNumber) -> Option<(String, String)> {
        self.world.lock().pulls.text(number)
    }

    /// Says what checks find; does nothing without such a pull request.
    pub fn set_checks(&self, number: PullNumber, checks: impl IntoIterator<Item = Check>) {
        self.world.lock().pulls.with(number, |pull| pull.check_runs = checks.into_iter().collect());
    }

    /// Says what checks find of pull requests that are opened from now on.
    pub fn set_new_checks(&self, checks: impl IntoIterator<Item = Check>) {
        self.world.lock().pulls.new_checks = checks.into_iter().collect();
    }

    /// Lets a trusted reviewer ask for changes, or withdraw what was asked for; does nothing without such a
    /// pull request.
    pub fn request_changes(&self, number: PullNumber, text: Option<&str>) {
        let review = |text: &str| Review {
            id: format!("review of {text}"),
            author: "reviewer".to_owned(),
            trusted: true,
            state: ReviewState::ChangesRequested,
            text: text.to_owned(),
            comments: Vec::new(),
        };
        self.set_reviews(number, text.map(review));
    }

    /// Says which reviews stand; does nothing without such a pull request.
    pub fn set_reviews(&self, number: PullNumber, reviews: impl IntoIterator<Item = Review>) {
        self.world.lock().pulls.with(number, |pull| pull.reviews = reviews.into_iter().collect());
    }

    /// Opens a pull request as a person would; `None` where the forge refuses.
    pub fn open_by_person(&self, spec: &PullSpec) -> Option<Pull> {
        self.world.lock().open_pull(spec).ok()
    }

    /// Has the next so many merges taken and not made.
    pub fn queue_merges(&self, count: u32) {
        self.world.lock().pulls.queued = count;
    }

    /// Closes an open pull request as a person would; does nothing to others.
    pub fn close(&self, number: PullNumber) {
        self.world.lock().close_pull(number);
    }

    /// Merges an open pull request as a person would; does nothing when it does not merge.
    pub fn merge_by_person(&self, number: PullNumber, method: MergeMethod) {
        let mut state = self.world.lock();
        let head = state.all_pulls().into_iter().find(|pull| pull.number == number).and_then(|pull| pull.head_sha);
        if let Some(expected_head) = head {
            // A refusal is what the person would see.
            let _refused = state.merge_pull(&MergeSpec { number, expected_head, method }).err();
        }
    }

    /// Gives a branch that has a pull request a second one, as no forge does.
    pub fn plant_twin(&self, head: &BranchName) {
        self.world.lock().plant_twin(head);
    }

    /// Opens a closed pull request again as a person would; does nothing to others, nor when its branch
    /// has a newer one that is not closed.
    pub fn reopen(&self, number: PullNumber) {
        self.world.lock().reopen_pull(number);
    }
}

#[async_trait]
impl Forge for MockForge {
    fn name(&self) -> &'static str {
        "mock"
    }

    async fn open(&self, spec: &PullSpec) -> Result<Pull, ForgeError> {
        self.world.perform(Operation::Open, spec.head.as_str(), |state, _| state.open_pull(spec))
    }

    async fn find(&self, heads: &[BranchName]) -> Result<Vec<Pull>, ForgeError> {
        let subject: Vec<&str> = heads.iter().map(BranchName::as_str).collect();
        self.world.perform(Operation::Find, &subject.join(" "), |state, _| {
            Ok(heads.iter().filter_map(|head| state.newest_pull(head)).collect())
        })
    }

    async fn update(&self, number: PullNumber, change: &PullChange) -> Result<Pull, ForgeError> {
        self.world.perform(Operation::Update, &number.to_string(), |state, _| state.update_pull(number, change))
    }

    async fn merge(&self, spec: &MergeSpec) -> Result<Pull, ForgeError> {
        self.world.perform(Operation::Merge, &spec.number.to_string(), |state, _| state.merge_pull(spec))
    }

    async fn delete_branch(&self, branch: &BranchName) -> Result<(), ForgeError> {
        self.world.perform(Operation::DeleteBranch, branch.as_str(), |state, _| {
            state.repo.remote.remove(branch);
            Ok(())
        })
    }
}
