//! Carries effects and looks to the ports.
//!
//! Every port call is idempotent, so an effect that an earlier process left open is simply performed
//! again: the backend looks before it repeats.

use std::collections::BTreeMap;
use std::sync::Arc;

use camino::Utf8PathBuf;

use crate::base::id::{BranchName, LaunchId, Sha, TaskId};
use crate::base::time::Millis;
use crate::engine::input::{Input, Seen, SeenPull, SeenSession};
use crate::engine::{LaunchPlan, Orchestrator};
use crate::journal::effect::{Effect, Look, Outcome};
use crate::ports::{
    EndSpec, Executor, ExitStatus, Forge, LaunchSpec, Launched, Pull, PullState, SaveSpec, SessionInfo, SessionState,
    Vcs, VcsError, WorkSpec,
};
use crate::ports::{Failure, FailureKind};

/// How long the proof that a process is gone is waited for.
const PROOF: Millis = Millis(5000);
/// The size of agents' terminals: dialogs of known agents wrap below 120x40.
const TERMINAL: (u16, u16) = (120, 40);
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

/// A look with what it needs of the engine, so that it can be carried out beside it.
#[derive(Debug, Clone)]
pub enum LookPlan {
    /// All sessions.
    Sessions,
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
        pulls: Vec<PullPlan>,
    },
}

/// Whose pull request to look at, and what it is compared with.
#[derive(Debug, Clone)]
pub struct PullPlan {
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

impl LookPlan {
    /// What looks mean now, all screens in one and all pull requests; looks at what does not exist any more are left out.
    pub fn of(looks: impl IntoIterator<Item = Look>, engine: &Orchestrator) -> Vec<Self> {
        let (mut screens, mut pulls) = (Vec::new(), Vec::new());
        let mut plans = Vec::new();
        for look in looks {
            match look {
                Look::Sessions => plans.push(Self::Sessions),
                Look::Screen(launch) => screens.push(launch),
                Look::Head(task) => {
                    let worktree = engine.work_spec(&task).map(|spec| spec.worktree);
                    plans.push(Self::Head(task, worktree));
                }
                Look::Work(task) => {
                    let spec = engine.work_spec(&task);
                    plans.push(Self::Work(task, spec));
                }
                Look::Pull(task) => pulls.extend(engine.pull_plan(&task)),
            }
        }
        if !pulls.is_empty() {
            plans.push(Self::Pulls { base: engine.config().base.clone(), pulls });
        }
        if !screens.is_empty() {
            plans.push(Self::Screens(screens));
        }
        plans
    }

    /// What a look that failed brings, whoever failed: nothing was seen, for this reason.
    pub fn failed(self, why: &str) -> Vec<Input> {
        let seen = match self {
            Self::Sessions => vec![Seen::NotListed(why.to_owned())],
            Self::Screens(launches) => launches.into_iter().map(Seen::NoScreen).collect(),
            Self::Head(task, _) => vec![Seen::Head { task, head: Err(why.to_owned()) }],
            Self::Work(task, _) => vec![Seen::Work { task, work: Err(Failure::new(FailureKind::Refused, why)) }],
            Self::Pulls { pulls, .. } => {
                vec![Seen::Pulls(pulls.into_iter().map(|plan| (plan.task, Err(why.to_owned()))).collect())]
            }
        };
        seen.into_iter().map(Input::Seen).collect()
    }
}

impl LaunchPlan {
    /// The process to start, given the environment chosen for it; orch's own variables are added.
    pub fn spec(&self, mut env: BTreeMap<String, String>) -> LaunchSpec {
        env.extend(self.env.clone());
        LaunchSpec {
            launch: self.launch,
            name: self.name.replace('.', "_"),
            argv: self.argv.clone(),
            cwd: self.cwd.clone(),
            env,
            stdin: self.prompt.as_ref().filter(|_| self.stdin).map(|(path, _)| path.clone()),
            log: self.log.clone(),
            size: TERMINAL,
        }
    }
}

impl Ports {
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
    pub async fn look(&self, plan: LookPlan) -> Vec<Input> {
        let seen = match plan {
            LookPlan::Sessions => vec![self.sessions().await],
            LookPlan::Screens(launches) => self.screens(launches).await,
            LookPlan::Head(task, worktree) => {
                let head = match worktree {
                    None => Err("there is no worktree".to_owned()),
                    Some(worktree) => self.vcs.head(&worktree).await.map_err(|e| e.to_string()),
                };
                vec![Seen::Head { task, head }]
            }
            LookPlan::Work(task, spec) => {
                let work = match spec {
                    None => Err(Failure::new(FailureKind::Refused, "there is no worktree")),
                    Some(spec) => self.vcs.work(&spec).await.map(Box::new).map_err(Failure::from),
                };
                vec![Seen::Work { task, work }]
            }
            LookPlan::Pulls { base, pulls } => vec![Seen::Pulls(Box::pin(self.pulls(&base, &pulls)).await)],
        };
        seen.into_iter().map(Input::Seen).collect()
    }

    async fn sessions(&self) -> Seen {
        let list = match self.executor.list().await {
            Ok(list) => list,
            Err(e) => return Seen::NotListed(e.to_string()),
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
    async fn pulls(&self, base: &BranchName, plans: &[PullPlan]) -> Vec<(TaskId, Result<Box<SeenPull>, String>)> {
        let (mut found, base_tip) = match self.forge_and_base(base, plans).await {
            Ok(seen) => seen,
            Err(why) => return plans.iter().map(|plan| (plan.task.clone(), Err(why.clone()))).collect(),
        };
        let mut all = Vec::new();
        for plan in plans {
            let seen = self.beside(plan, found.remove(&plan.head), &base_tip).await;
            all.push((plan.task.clone(), seen.map(Box::new).map_err(|e| e.to_string())));
        }
        all
    }

    async fn forge_and_base(
        &self,
        base: &BranchName,
        plans: &[PullPlan],
    ) -> Result<(BTreeMap<BranchName, Pull>, Sha), String> {
        let heads: Vec<BranchName> = plans.iter().map(|plan| plan.head.clone()).collect();
        // First the forge: what it merged must be in the base that is looked at after it.
        let found = self.forge.find(&heads).await.map_err(|e| e.to_string())?;
        let base_tip = self.vcs.base_tip(base).await.map_err(|e| e.to_string())?;
        Ok((found.into_iter().map(|pull| (pull.head.clone(), pull.bounded())).collect(), base_tip))
    }

    /// A pull request beside what was verified and the base.
    async fn beside(&self, plan: &PullPlan, pull: Option<Pull>, base_tip: &Sha) -> Result<SeenPull, VcsError> {
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
