use std::collections::BTreeMap;
use std::sync::Arc;

use orch_core::agents::AgentProfile;
use orch_core::engine::{Config, Unworkable};
use orch_core::heal::{DefaultPolicy, HealPolicy};
use orch_core::plan::{ExecutorKind, ForgeKind, Plan, Status};
use orch_core::ports::{Executor, Forge};
use orch_core::state::State;
use orch_git::{GitVcs, LocalForge, LocalForgeConfig};
use orch_runtime::{EffectsLock, Settings, Workdir};

use crate::error::FleetError;
use crate::fleet::Fleet;
use crate::given::Given;
use crate::place::{self, Place};
use crate::repository::Repository;

/// What a fleet is made of, where it is not what settings and manifest say.
///
/// Without a call it is what `orch run` takes: the user's settings with the workdir's over them, the default
/// policy, tmux or PTYs, git, the local forge.
#[derive(Clone)]
pub struct FleetBuilder {
    pub(crate) workdir: Workdir,
    until: Option<Status>,
    max_parallel: Option<u32>,
    executor: Option<ExecutorKind>,
    settings: Option<Settings>,
    agents: BTreeMap<String, AgentProfile>,
    pub(crate) policy: Arc<dyn HealPolicy>,
    executors: BTreeMap<ExecutorKind, Arc<dyn Executor>>,
    forges: BTreeMap<ForgeKind, Arc<dyn Forge>>,
}

impl FleetBuilder {
    pub(crate) fn new(workdir: Workdir) -> Self {
        Self {
            workdir,
            until: None,
            max_parallel: None,
            executor: None,
            settings: None,
            agents: BTreeMap::new(),
            policy: Arc::new(DefaultPolicy),
            executors: BTreeMap::new(),
            forges: BTreeMap::new(),
        }
    }

    /// Follows tasks up to this status (complete, `pr_open` or merged) instead of what the manifest's `merge` says.
    #[must_use]
    pub fn until(mut self, goal: Status) -> Self {
        self.until = Some(goal);
        self
    }

    /// Has so many tasks hold a slot at once, instead of the manifest's `maxParallel`.
    #[must_use]
    pub fn max_parallel(mut self, tasks: u32) -> Self {
        self.max_parallel = Some(tasks);
        self
    }

    /// Runs agents there, instead of where the manifest says.
    #[must_use]
    pub fn executor(mut self, kind: ExecutorKind) -> Self {
        self.executor = Some(kind);
        self
    }

    /// Takes these settings instead of the user's and the workdir's files.
    #[must_use]
    pub fn settings(mut self, settings: Settings) -> Self {
        self.settings = Some(settings);
        self
    }

    /// Knows an agent under this name, whatever the settings say of it.
    #[must_use]
    pub fn agent(mut self, name: &str, profile: AgentProfile) -> Self {
        self.agents.insert(name.to_owned(), profile);
        self
    }

    /// Decides about trouble with this policy instead of [`DefaultPolicy`].
    #[must_use]
    pub fn policy(mut self, policy: impl HealPolicy + 'static) -> Self {
        self.policy = Arc::new(policy);
        self
    }

    /// Has an executor of one's own stand where that kind is asked for.
    #[must_use]
    pub fn own_executor(mut self, kind: ExecutorKind, executor: Arc<dyn Executor>) -> Self {
        self.executors.insert(kind, executor);
        self
    }

    /// Has a forge of one's own stand where that kind is asked for.
    #[must_use]
    pub fn own_forge(mut self, kind: ForgeKind, forge: Arc<dyn Forge>) -> Self {
        self.forges.insert(kind, forge);
        self
    }

    /// Whether what people wrote can be taken: settings, manifest and agents. Nothing is changed.
    ///
    /// # Errors
    /// [`FleetError`]: everything that [`Self::open`] would say of them.
    pub fn check(&self) -> Result<(), FleetError> {
        self.given().map(drop)
    }

    /// Takes the workdir and opens everything in it. Whatever is wrong with settings or manifest is said before
    /// anything is changed.
    ///
    /// # Errors
    /// [`FleetError`]; the workdir is given back then.
    pub async fn open(self) -> Result<Fleet, FleetError> {
        Box::pin(Fleet::open(self)).await
    }

    pub(crate) fn given(&self) -> Result<Given, FleetError> {
        let given = Given::read(&self.workdir, self.settings.as_ref(), &self.agents)?;
        let plan = given.manifest.plan();
        self.check_forge(plan)?;
        plan.check_goal(plan.settings.goal(self.until).0).map_err(Unworkable::from)?;
        Ok(given)
    }

    /// The profiles of the agents that a plan wants.
    pub(crate) fn agents(
        &self,
        plan: &Plan,
        settings: &Settings,
    ) -> Result<BTreeMap<String, AgentProfile>, FleetError> {
        crate::given::agents(plan, settings, &self.agents)
    }

    /// Which executor it is, and a connection to it.
    pub(crate) async fn place(
        &self,
        plan: &Plan,
        state: &State,
        effects: &EffectsLock,
    ) -> Result<(ExecutorKind, Place), FleetError> {
        let asked = self.executor.or(plan.settings.executor);
        let kind = state.executor(asked, place::of_this_machine()).map_err(|busy| FleetError::ExecutorBusy { busy })?;
        let place = match self.executors.get(&kind) {
            Some(own) => Place::own(Arc::clone(own)),
            None => Place::connect(kind, &self.workdir, Some(effects)).await?,
        };
        Ok((kind, place))
    }

    /// Whether the forge that the plan wants is there.
    fn check_forge(&self, plan: &Plan) -> Result<(), FleetError> {
        let forge = forge_of(plan);
        let is_there = forge == ForgeKind::Local || self.forges.contains_key(&forge);
        if is_there { Ok(()) } else { Err(FleetError::NoForge { forge }) }
    }

    /// The forge that the plan wants.
    pub(crate) async fn forge(
        &self,
        plan: &Plan,
        repository: &Repository,
        vcs: &Arc<GitVcs>,
    ) -> Result<Arc<dyn Forge>, FleetError> {
        if let Some(own) = self.forges.get(&forge_of(plan)) {
            return Ok(Arc::clone(own));
        }
        let (pulls, vcs, origin) = (self.workdir.pulls(), Arc::clone(vcs), repository.origin()?);
        Ok(Arc::new(LocalForge::open(LocalForgeConfig { pulls, vcs, origin }).await?))
    }

    /// What the engine is told of it.
    pub(crate) fn config(&self, plan: &Plan, settings: &Settings, found: Found) -> Config {
        let (goal, auto_merge) = plan.settings.goal(self.until);
        let Found { identity, base, agents, executor } = found;
        let mut config = Config::new(identity, self.workdir.layout(), base);
        (config.agents, config.executor, config.limits) = (agents, executor, settings.limits.clone());
        (config.goal, config.auto_merge, config.max_parallel) = (goal, auto_merge, self.max_parallel);
        config.env_pass.clone_from(&settings.env_pass);
        config.notify = !settings.notify_command.is_empty();
        (config.version, config.pid) = (env!("CARGO_PKG_VERSION").to_owned(), std::process::id());
        config
    }
}

/// What was found when a workdir was opened.
pub(crate) struct Found {
    pub(crate) identity: String,
    pub(crate) base: orch_core::base::BranchName,
    pub(crate) agents: BTreeMap<String, AgentProfile>,
    pub(crate) executor: ExecutorKind,
}

fn forge_of(plan: &Plan) -> ForgeKind {
    plan.settings.forge.unwrap_or(ForgeKind::Local)
}
