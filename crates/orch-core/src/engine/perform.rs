//! Carries what a step wants done outside to the ports.
//!
//! A driver makes the records of a step durable, then does each of its [`Step::jobs`] with [`Ports::carry_out`] and
//! hands what that brings to the engine. Every port call is idempotent, so an effect that an earlier process left
//! open is simply performed again: the backend looks before it repeats.
//!
//! [`Step::jobs`]: crate::engine::Step::jobs

mod jobs;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::base::id::{BranchName, LaunchId, Sha, TaskId};
use crate::base::time::Millis;
use crate::engine::LaunchDraft;
use crate::engine::input::{Input, Seen, SeenPull, SeenSession};
use crate::journal::effect::{Effect, Outcome};

use crate::ports::{
    EndSpec, Executor, ExitStatus, Forge, LaunchSpec, Launched, Pull, PullState, SaveSpec, SessionInfo, SessionState,
    Vcs, VcsError,
};
use crate::ports::{Failure, FailureKind};

pub use jobs::{EffectJob, Job, LookJob, PullLook};

/// How long the proof that a process is gone is waited for.
const PROOF: Millis = Millis(5000);
/// How many lines of an ended session's screen a look brings.
const TAIL: usize = 200;

/// The three ports.
#[derive(Clone)]
pub struct Ports {
    /// Where agents run.
    pub executor: Arc<dyn Executor>,
    /// The repository.
    pub vcs: Arc<dyn Vcs>,
    /// The pull requests.
    pub forge: Arc<dyn Forge>,
}

impl Ports {
    /// Does one thing that a step wants done, and brings what came of it. `start` makes the process of a launch from
    /// its draft: it writes the prompt and chooses the environment.
    pub async fn carry_out(&self, job: Job, start: impl FnOnce(&LaunchDraft) -> LaunchSpec) -> Vec<Input> {
        match job {
            Job::Look(look) => self.look(look).await,
            Job::Effect(job) => {
                let launch = job.launch.as_ref().map(start);
                let outcome = self.perform(&job.effect, launch.as_ref()).await;
                vec![Input::Done { effect: job.id, outcome }]
            }
        }
    }

    /// Performs one effect. [`Effect::Launch`] needs its process; [`Effect::Notify`] is the caller's
    /// and does nothing here.
    pub async fn perform(&self, effect: &Effect, launch: Option<&LaunchSpec>) -> Outcome {
        self.attempt(effect, launch).await.unwrap_or_else(Outcome::Failed)
    }

    async fn attempt(&self, effect: &Effect, launch: Option<&LaunchSpec>) -> Result<Outcome, Failure> {
        let (executor, vcs, forge) = (&self.executor, &self.vcs, &self.forge);
        Ok(match effect {
            Effect::Prepare(spec) => Outcome::Prepared(vcs.prepare(spec).await?),
            Effect::Launch { .. } => {
                let missing =
                    || Failure::new(FailureKind::Refused, "the task or its agent profile is not in the plan any more");
                Outcome::Launched(executor.launch(launch.ok_or_else(missing)?).await?)
            }
            Effect::Input { launch, input, expected } => {
                executor.input(*launch, input, *expected).await?;
                Outcome::Ok
            }
            Effect::End { launch, process, mode } => {
                let spec = EndSpec { launch: *launch, process: process.clone(), mode: *mode, patience: PROOF };
                Outcome::Ended(executor.end(&spec).await?)
            }
            Effect::Forget { launch } => {
                executor.forget(*launch).await?;
                Outcome::Ok
            }
            Effect::Save { task, attempt, worktree, partial } => {
                let (task, worktree) = (task.clone(), worktree.clone());
                let spec = SaveSpec { task, attempt: *attempt, worktree, partial: *partial };
                Outcome::Saved(vcs.save(&spec).await?)
            }
            Effect::Commit(spec) => Outcome::At(vcs.commit(spec).await?),
            Effect::Sync(spec) => {
                let head = vcs.sync(spec).await?;
                let tree = vcs.tree(&head).await?;
                Outcome::Synced { head, tree }
            }
            Effect::Push(spec) => {
                vcs.push(spec).await?;
                Outcome::Ok
            }
            Effect::OpenPull(spec) => Outcome::Pull(forge.open(spec).await?.bounded()),
            Effect::UpdatePull { number, change } => Outcome::Pull(forge.update(*number, change).await?.bounded()),
            Effect::MergePull(spec) => Outcome::Pull(forge.merge(spec).await?.bounded()),
            Effect::Remove(spec) => {
                vcs.remove(spec).await?;
                Outcome::Ok
            }
            Effect::Notify(_) => Outcome::Ok,
        })
    }

    /// Looks, and brings what was seen as inputs.
    pub async fn look(&self, look: LookJob) -> Vec<Input> {
        let seen = match look {
            LookJob::Sessions(_) => vec![self.sessions().await],
            LookJob::Screens(launches) => self.screens(launches).await,
            LookJob::Head(task, worktree) => {
                let head = match worktree {
                    None => Err("there is no worktree".to_owned()),
                    Some(worktree) => self.vcs.head(&worktree).await.map_err(|e| e.to_string()),
                };
                vec![Seen::Head { task, head }]
            }
            LookJob::Work(task, spec) => {
                let work = match spec {
                    None => Err(Failure::new(FailureKind::Refused, "there is no worktree")),
                    Some(spec) => self.vcs.work(&spec).await.map(Box::new).map_err(Failure::from),
                };
                vec![Seen::Work { task, work }]
            }
            LookJob::Pulls { base, pulls } => vec![Seen::Pulls(Box::pin(self.pulls(&base, &pulls)).await)],
        };
        seen.into_iter().map(Input::Seen).collect()
    }

    async fn sessions(&self) -> Seen {
        let list = match self.executor.list().await {
            Ok(list) => list,
            Err(e) => return Seen::NotListed(e.into()),
        };
        let ended: Vec<LaunchId> = list.iter().filter(|info| exit_of(info).is_some()).map(|info| info.launch).collect();
        let screens = if ended.is_empty() { Vec::new() } else { self.executor.look(&ended).await.unwrap_or_default() };
        let tail = |launch: LaunchId| -> Vec<String> {
            let text = screens.iter().find(|view| view.launch == launch).map_or("", |view| view.text.trim_end());
            let lines: Vec<&str> = text.lines().collect();
            lines[lines.len().saturating_sub(TAIL)..].iter().map(ToString::to_string).collect()
        };
        Seen::Sessions(
            list.into_iter()
                .map(|info| SeenSession {
                    launch: info.launch,
                    exit: exit_of(&info).map(|exit| (exit, tail(info.launch))),
                    activity: info.activity,
                    launched: Launched { session: info.session, process: info.process },
                })
                .collect(),
        )
    }

    async fn screens(&self, launches: Vec<LaunchId>) -> Vec<Seen> {
        // A look that fails is one that shows nothing: the next output or heartbeat asks again.
        let views = self.executor.look(&launches).await.unwrap_or_default();
        let unseen = launches.into_iter().filter(|id| views.iter().all(|view| view.launch != *id));
        let unseen: Vec<Seen> = unseen.map(Seen::NoScreen).collect();
        views.into_iter().map(Seen::Screen).chain(unseen).collect()
    }

    /// One question to the forge and one fetch, for however many.
    async fn pulls(&self, base: &BranchName, plans: &[PullLook]) -> Vec<(TaskId, Result<Box<SeenPull>, Failure>)> {
        let (mut found, base_tip) = match self.forge_and_base(base, plans).await {
            Ok(seen) => seen,
            Err(why) => return plans.iter().map(|plan| (plan.task.clone(), Err(why.clone()))).collect(),
        };
        let mut all = Vec::new();
        for plan in plans {
            let seen = self.beside(plan, found.remove(&plan.head), &base_tip).await;
            all.push((plan.task.clone(), seen.map(Box::new).map_err(Failure::from)));
        }
        all
    }

    async fn forge_and_base(
        &self,
        base: &BranchName,
        plans: &[PullLook],
    ) -> Result<(BTreeMap<BranchName, Pull>, Sha), Failure> {
        let heads: Vec<BranchName> = plans.iter().map(|plan| plan.head.clone()).collect();
        // First the forge: what it merged must be in the base that is looked at after it.
        let found = self.forge.find(&heads).await?;
        let base_tip = self.vcs.base_tip(base).await?;
        Ok((found.into_iter().map(|pull| (pull.head.clone(), pull.bounded())).collect(), base_tip))
    }

    /// A pull request beside what was verified and the base.
    async fn beside(&self, plan: &PullLook, pull: Option<Pull>, base_tip: &Sha) -> Result<SeenPull, VcsError> {
        let mut seen = SeenPull::of(plan.sha.clone(), base_tip.clone(), pull);
        for tip in &plan.builds_on {
            if !self.holds(tip, base_tip).await {
                seen.left_out.push(tip.clone());
            }
        }
        if let Some(sha) = &plan.sha {
            seen.base_in_head = self.vcs.contains(base_tip, sha).await?;
            seen.head_in_base = self.vcs.contains(sha, base_tip).await?;
            if plan.is_next && !seen.base_in_head && !seen.head_in_base {
                let merged = self.vcs.merged_tree(base_tip, sha).await?;
                seen.adds_nothing = merged.is_some() && merged == Some(self.vcs.tree(sha).await?);
            }
        }
        let Some(pull) = &seen.pull else { return Ok(seen) };
        match (&pull.head_sha, &plan.sha) {
            (Some(head), Some(sha)) if head != sha => {
                seen.head_is_ours = self.holds(head, sha).await;
                seen.head_in_pull = self.holds(sha, head).await;
            }
            (head, sha) => {
                seen.head_is_ours = head.is_none() || sha.is_some();
                seen.head_in_pull = head.is_some() && head == sha;
            }
        }
        if let Some(merge) = pull.merge_sha.as_ref().filter(|_| pull.state == PullState::Merged) {
            seen.merge_in_base = self.holds(merge, base_tip).await;
            seen.merge_in_head = match &plan.sha {
                Some(sha) => self.holds(merge, sha).await,
                None => false,
            };
        }
        Ok(seen)
    }

    /// Whether a commit of which this repository may know nothing is contained in another.
    async fn holds(&self, ancestor: &Sha, descendant: &Sha) -> bool {
        self.vcs.contains(ancestor, descendant).await.unwrap_or(false)
    }
}

fn exit_of(info: &SessionInfo) -> Option<ExitStatus> {
    match info.state {
        SessionState::Running => None,
        SessionState::Exited(status) => Some(status),
    }
}
