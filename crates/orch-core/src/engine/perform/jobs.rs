//! What a step wants done outside, one thing at a time.

use std::collections::{BTreeMap, BTreeSet};

use camino::Utf8PathBuf;

use crate::base::id::{BranchName, EffectId, LaunchId, Sha, TaskId};
use crate::engine::input::{Input, Seen};
use crate::engine::{LaunchDraft, Orchestrator, Step};
use crate::journal::effect::{Effect, Look, Outcome};
use crate::ports::{Failure, FailureKind, WorkSpec};

/// Something that a step wants done outside, with all that it takes.
#[derive(Debug, Clone)]
pub enum Job {
    /// An effect is to be performed.
    Effect(Box<EffectJob>),
    /// Something is to be looked at.
    Look(LookJob),
}

/// An effect that is to be performed, for the first time or again.
#[derive(Debug, Clone)]
pub struct EffectJob {
    /// The effect's id.
    pub id: EffectId,
    /// What is to be done.
    pub effect: Effect,
    /// For [`Effect::Launch`]: what is started; absent if the task or its agent profile is not in the plan any more.
    pub launch: Option<LaunchDraft>,
}

/// A look with what it needs of the engine, so that it can be carried out beside it.
#[derive(Debug, Clone)]
pub enum LookJob {
    /// All sessions; where those keep their output that may end without a word.
    Sessions(BTreeMap<LaunchId, Utf8PathBuf>),
    /// Screens, in one round trip.
    Screens(Vec<LaunchId>),
    /// Where a worktree stands; absent when the task has none.
    Head(TaskId, Option<Utf8PathBuf>),
    /// A worktree; absent when the task has none.
    Work(TaskId, Option<WorkSpec>),
    /// Pull requests and the branches around them, all at once.
    Pulls {
        /// The base branch.
        base: BranchName,
        /// Whose.
        pulls: Vec<PullLook>,
    },
}

/// Whose pull request to look at, and what it is compared with.
#[derive(Debug, Clone)]
pub struct PullLook {
    /// The task.
    pub task: TaskId,
    /// Its branch.
    pub head: BranchName,
    /// Its verified commit.
    pub sha: Option<Sha>,
    /// Tips of merged predecessors that it builds on.
    pub builds_on: Vec<Sha>,
    /// Whether it may be merged next: what a merge would make is told.
    pub is_next: bool,
}

impl Step {
    /// Several steps as one, whose records are made durable at once. Answers are to be taken out before.
    pub fn joined(steps: impl IntoIterator<Item = Self>) -> Self {
        let mut joined = Self::default();
        for step in steps {
            joined.records.extend(step.records);
            joined.effects.extend(step.effects);
            joined.looks.extend(step.looks);
        }
        joined
    }

    /// What is to be done once the records are durable: effects in order, then looks, all screens in one and all pull requests.
    pub fn jobs(self, engine: &Orchestrator) -> Vec<Job> {
        let effects = self.effects.into_iter().map(|job| Job::Effect(Box::new(job)));
        effects.chain(LookJob::of(self.looks, engine).into_iter().map(Job::Look)).collect()
    }
}

impl Job {
    /// What a job that broke off brings, whoever broke it off.
    pub fn failed(self, why: &str) -> Vec<Input> {
        match self {
            Self::Effect(job) => {
                let failure = Failure::new(FailureKind::Refused, why);
                vec![Input::Done { effect: job.id, outcome: Outcome::Failed(failure) }]
            }
            Self::Look(look) => look.failed(why),
        }
    }
}

impl LookJob {
    /// What looks mean now; looks at what does not exist any more are left out.
    fn of(looks: BTreeSet<Look>, engine: &Orchestrator) -> Vec<Self> {
        let (mut screens, mut pulls) = (Vec::new(), Vec::new());
        let mut jobs = Vec::new();
        for look in looks {
            match look {
                Look::Sessions => jobs.push(Self::Sessions(engine.logs())),
                Look::Screen(launch) => screens.push(launch),
                Look::Head(task) => {
                    let worktree = engine.work_spec(&task).map(|spec| spec.worktree);
                    jobs.push(Self::Head(task, worktree));
                }
                Look::Work(task) => {
                    let spec = engine.work_spec(&task);
                    jobs.push(Self::Work(task, spec));
                }
                Look::Pull(task) => pulls.extend(engine.pull_look(&task)),
            }
        }
        if !pulls.is_empty() {
            jobs.push(Self::Pulls { base: engine.config().base.clone(), pulls });
        }
        if !screens.is_empty() {
            jobs.push(Self::Screens(screens));
        }
        jobs
    }

    /// What a look that failed brings, whoever failed: nothing was seen, for this reason.
    fn failed(self, why: &str) -> Vec<Input> {
        let seen = match self {
            Self::Sessions(_) => vec![Seen::NotListed(Failure::new(FailureKind::Refused, why))],
            Self::Screens(launches) => launches.into_iter().map(Seen::NoScreen).collect(),
            Self::Head(task, _) => vec![Seen::Head { task, head: Err(why.to_owned()) }],
            Self::Work(task, _) => vec![Seen::Work { task, work: Err(Failure::new(FailureKind::Refused, why)) }],
            Self::Pulls { pulls, .. } => {
                let failed = |task: TaskId| (task, Err(Failure::new(FailureKind::Unavailable, why)));
                vec![Seen::Pulls(pulls.into_iter().map(|look| failed(look.task)).collect())]
            }
        };
        seen.into_iter().map(Input::Seen).collect()
    }
}
