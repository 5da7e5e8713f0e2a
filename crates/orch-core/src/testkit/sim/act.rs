//! What agents and verify commands do.

use camino::Utf8Path;

use super::ledger::Ledger;
use crate::base::id::{BranchName, Sha};
use crate::base::time::Millis;
use crate::testkit::script::{Script, Step};
use crate::testkit::world::World;

/// What an agent does in one launch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Act {
    Works,
    WorksInSteps,
    WorksDeaf,
    Amends,
    Squashes,
    Rebases,
    StartsOver,
    CommitsElsewhere,
    Detaches,
    DeletesItsWorktree,
    Fails,
    FailsHalfway,
    DoesNothing,
    LeavesItsFile,
    LeavesOthersFile,
    Asks,
    AsksWhatNobodyMayAnswer,
    AsksBesideAClock,
    Animates,
    Repeats,
    Hangs,
    HangsDeaf,
    Dies,
    IsLimited,
    HasNoCredentials,
    TouchesAllFiles,
    FailsVerify,
    VerifyHangs,
}

impl Act {
    /// All that an agent may do in some launch; [`Act::Works`] is what good agents do.
    pub(super) const ODD: [Self; 27] = [
        Self::WorksInSteps,
        Self::WorksDeaf,
        Self::Amends,
        Self::Squashes,
        Self::Rebases,
        Self::StartsOver,
        Self::CommitsElsewhere,
        Self::Detaches,
        Self::DeletesItsWorktree,
        Self::Fails,
        Self::FailsHalfway,
        Self::DoesNothing,
        Self::LeavesItsFile,
        Self::LeavesOthersFile,
        Self::Asks,
        Self::AsksWhatNobodyMayAnswer,
        Self::AsksBesideAClock,
        Self::Animates,
        Self::Repeats,
        Self::Hangs,
        Self::HangsDeaf,
        Self::Dies,
        Self::IsLimited,
        Self::HasNoCredentials,
        Self::TouchesAllFiles,
        Self::FailsVerify,
        Self::VerifyHangs,
    ];

    /// The agent's script. `own` is the file of its task.
    pub(super) fn script(self, own: &str, number: usize, ledger: &Ledger) -> Script {
        let hand = Hand { own: own.to_owned(), number, ledger: ledger.clone() };
        let begun = Script::new().print("working").wait(secs(40 + 7 * (number as u64 % 5)));
        let commits = hand.step(Hand::commit);
        match self {
            Self::Works | Self::FailsVerify | Self::VerifyHangs => begun.step(commits),
            Self::WorksInSteps => {
                begun.step(commits.clone()).print("more").wait(mins(3)).step(hand.step(Hand::commit_more))
            }
            Self::WorksDeaf => Script::new().deaf().print("working").wait(mins(8)).step(commits),
            Self::Amends => begun.step(commits).print("again").wait(mins(2)).step(hand.step(Hand::amend)),
            Self::Squashes => begun
                .step(commits)
                .wait(secs(50))
                .step(hand.step(Hand::commit_more))
                .wait(mins(2))
                .step(hand.step(Hand::squash)),
            Self::Rebases => begun.step(commits).wait(mins(2)).step(hand.step(Hand::rebase)),
            Self::StartsOver => {
                begun.step(commits.clone()).wait(mins(2)).step(hand.step(Hand::take_back)).wait(secs(30)).step(commits)
            }
            Self::CommitsElsewhere => begun.step(hand.step(Hand::switch)).step(commits),
            Self::Detaches => begun.step(commits).step(Step::act(|world, spec| world.repository().detach(&spec.cwd))),
            Self::DeletesItsWorktree => begun.step(commits).step(hand.step(Hand::delete_worktree)),
            Self::Fails => begun.print("\nerror: no").exit(1),
            Self::FailsHalfway => begun.step(commits).step(hand.leaves("half.txt")).exit(1),
            Self::DoesNothing => begun,
            Self::LeavesItsFile => begun.step(hand.leaves(own)),
            Self::LeavesOthersFile => begun.step(hand.leaves("other.txt")),
            Self::Asks => begun.ask("\nContinue? [y/n]", "y\r").wait(secs(5)).step(commits),
            Self::AsksWhatNobodyMayAnswer => begun.ask("\nDelete everything? [y/n]", "y\r").wait(secs(5)).step(commits),
            Self::AsksBesideAClock => {
                let clock = |second: u64| {
                    let text = format!("12:00:{second:02}\nLog in to continue\nDelete everything? [y/n]");
                    [Step::Screen(text), Step::Wait(secs(20))]
                };
                begun.steps.into_iter().chain((0..30).flat_map(clock)).chain([Step::Hang]).collect()
            }
            Self::Animates => {
                let frame = |n: u64| [Step::Screen(format!("thinking {n}s")), Step::Wait(secs(45))];
                begun.steps.into_iter().chain((0..40).flat_map(frame)).chain([commits]).collect()
            }
            Self::Repeats => {
                let line = |_| [Step::Print("\nretrying the same thing".to_owned()), Step::Wait(secs(10))];
                begun.steps.into_iter().chain((0..90).flat_map(line)).chain([Step::Hang]).collect()
            }
            Self::Hangs => begun.hang(),
            Self::HangsDeaf => begun.step(hand.leaves("half.txt")).deaf().hang(),
            Self::Dies => begun.step(commits).die(9),
            Self::IsLimited => begun.print("\nerror: rate limit reached, retry in 2m").exit(1),
            Self::HasNoCredentials => begun.print("\nerror: HTTP 401 unauthorized").exit(1),
            Self::TouchesAllFiles => begun.step(hand.step(Hand::commit_shared)),
        }
    }

    /// The script of a verify command for work that this act did.
    pub(super) fn verifies(self, ledger: &Ledger) -> Script {
        let begun = Script::new().wait(secs(10));
        let ledger = ledger.clone();
        match self {
            Self::FailsVerify => begun.print("failed: 1 test").exit(1),
            Self::VerifyHangs => begun.deaf().hang(),
            _ => begun.work(move |world, spec| {
                if let Some(head) = world.repository().head(&spec.cwd) {
                    ledger.open().verified.insert(head);
                }
            }),
        }
    }
}

/// What one agent's hands do in its worktree.
#[derive(Clone)]
struct Hand {
    own: String,
    number: usize,
    ledger: Ledger,
}

impl Hand {
    fn step(&self, act: impl Fn(&Self, &World, &Utf8Path, &str) + Send + Sync + 'static) -> Step {
        let hand = self.clone();
        Step::act(move |world, spec| {
            let task = spec.env.get("ORCH_TASK_ID").map_or("", String::as_str);
            hand.ledger.open().deeds += 1;
            act(&hand, world, &spec.cwd, task);
        })
    }

    fn leaves(&self, file: &str) -> Step {
        let (file, number) = (file.to_owned(), self.number);
        self.step(move |_, world, cwd, task| world.repository().write(cwd, &file, &format!("{task} {number}")))
    }

    fn keep(&self, sha: Option<Sha>, task: &str) {
        if let Some(sha) = sha {
            self.ledger.open().work.insert(sha, (task.to_owned(), self.number));
        }
    }

    /// Forgets commits that the agent took back itself: those of the first that the second does not contain.
    fn drop(&self, world: &World, old: Option<&Sha>, new: Option<&Sha>, task: &str) {
        let (Some(old), Some(new)) = (old, new) else { return };
        let repository = world.repository();
        self.ledger
            .open()
            .work
            .retain(|sha, (of, _)| of != task || !repository.contains(sha, old) || repository.contains(sha, new));
    }

    /// Takes the base in where that does not merge by itself, as agents do that were told of a conflict, and commits.
    fn commit(&self, world: &World, cwd: &Utf8Path, task: &str) {
        let repository = world.repository();
        if self.number > 0
            && let Some(tip) = repository.remote_tip(&main())
        {
            let sha = repository.merge_keeping_ours(cwd, &tip);
            self.keep(sha, task);
        }
        self.commit_files(world, cwd, task, &[&self.own, &format!("{task}-{}.txt", self.number)]);
    }

    fn commit_more(&self, world: &World, cwd: &Utf8Path, task: &str) {
        self.commit_files(world, cwd, task, &[&format!("{task}-more-{}.txt", self.number)]);
    }

    fn commit_shared(&self, world: &World, cwd: &Utf8Path, task: &str) {
        self.commit_files(world, cwd, task, &[&self.own, "shared.txt"]);
    }

    fn commit_files(&self, world: &World, cwd: &Utf8Path, task: &str, files: &[&str]) {
        let content = format!("{task} {}", self.number);
        let files: Vec<(&str, &str)> = files.iter().map(|file| (*file, content.as_str())).collect();
        let sha = world.repository().commit_files(cwd, "work", &files);
        self.keep(sha, task);
    }

    fn amend(&self, world: &World, cwd: &Utf8Path, task: &str) {
        let repository = world.repository();
        let old = repository.head(cwd);
        repository.write(cwd, &self.own, &format!("{task} amended"));
        repository.stage(cwd, &self.own);
        let new = repository.amend(cwd, "amended");
        self.drop(world, old.as_ref(), new.as_ref(), task);
        self.keep(new, task);
    }

    fn squash(&self, world: &World, cwd: &Utf8Path, task: &str) {
        let repository = world.repository();
        let old = repository.head(cwd);
        let new = repository.squash(cwd, &main());
        self.drop(world, old.as_ref(), new.as_ref(), task);
        self.keep(new, task);
    }

    fn rebase(&self, world: &World, cwd: &Utf8Path, task: &str) {
        let repository = world.repository();
        let old = repository.head(cwd);
        let Some(tip) = repository.remote_tip(&main()) else { return };
        let new = repository.replant(cwd, &tip);
        self.drop(world, old.as_ref(), new.as_ref(), task);
        self.keep(new, task);
    }

    fn take_back(&self, world: &World, cwd: &Utf8Path, task: &str) {
        let repository = world.repository();
        let old = repository.head(cwd);
        let new = repository.take_back(cwd);
        self.drop(world, old.as_ref(), new.as_ref(), task);
    }

    /// What was committed on no branch is gone with the worktree: the agent's own doing.
    fn delete_worktree(&self, world: &World, cwd: &Utf8Path, task: &str) {
        let repository = world.repository();
        repository.delete_worktree(cwd);
        let mut pages = self.ledger.open();
        let own: Vec<Sha> = pages
            .work
            .iter()
            .filter(|(_, (of, n))| of == task && *n == self.number)
            .map(|(sha, _)| sha.clone())
            .collect();
        for sha in own {
            if repository.unreachable(std::iter::once(&sha)).is_some() {
                pages.work.remove(&sha);
            }
        }
    }

    fn switch(&self, world: &World, cwd: &Utf8Path, task: &str) {
        if let Ok(branch) = BranchName::parse(&format!("mine/{task}-{}", self.number)) {
            world.repository().switch(cwd, &branch);
        }
    }
}

pub(super) fn main() -> BranchName {
    BranchName::parse("main").unwrap_or_else(|e| unreachable!("main is a branch name: {e}"))
}

pub(super) fn secs(count: u64) -> Millis {
    Millis::from_secs(count)
}

pub(super) fn mins(count: u64) -> Millis {
    Millis::from_mins(count)
}
