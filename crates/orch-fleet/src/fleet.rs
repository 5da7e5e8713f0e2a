use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use orch_core::engine::{Input, Orchestrator, Ports};
use orch_core::journal::{Entry, UserVerb};
use orch_core::state::State;
use orch_git::{GitConfig, GitVcs};
use orch_runtime::{
    Answer, ControlServer, DieAt, Driver, EffectsLock, Ending, Faults, Journal, ManifestFile, Mode, NoFaults, Notifier,
    Observer, Publisher, Request, Requests, SocketPlaces, Surroundings, Workdir, WorkdirLock, holder,
    parent_environment,
};

use crate::builder::{FleetBuilder, Found};
use crate::error::FleetError;
use crate::given::Given;
use crate::place::Place;
use crate::repository::{Repository, base_branch, git_config, identity_variables};

/// How long children of an orchestrator that died are waited for.
const ORPHANS: Duration = Duration::from_secs(120);

/// A fleet whose workdir this process holds, until it is dropped or driven.
pub struct Fleet {
    pub(crate) engine: Orchestrator,
    pub(crate) journal: Journal<Entry>,
    pub(crate) surroundings: Surroundings,
    pub(crate) workdir: Workdir,
    pub(crate) plan: ManifestFile,
    edits: Vec<Input>,
    pub(crate) server: ControlServer,
    requests: Requests<Request, Answer>,
    publisher: Publisher,
    pub(crate) place: Place,
    pub(crate) vcs: Arc<GitVcs>,
    /// Given back last.
    _lock: WorkdirLock,
}

impl Fleet {
    /// Begins with a workdir: [`Workdir::open`] or [`Workdir::create`] give one.
    pub fn builder(workdir: Workdir) -> FleetBuilder {
        FleetBuilder::new(workdir)
    }

    pub(crate) async fn open(builder: FleetBuilder) -> Result<Self, FleetError> {
        let workdir = builder.workdir.clone();
        let control = workdir.control_socket(&SocketPlaces::from_env())?;
        // A lock is a change on disk too, so bad input is found before it is taken.
        let early = if holder(&workdir)?.is_none() { Some(builder.given()?) } else { None };
        let lock = WorkdirLock::acquire(&workdir, Some(&control)).await?;
        let effects = EffectsLock::drain(&workdir, ORPHANS, &lock).await?;
        let still = |given: &Given| std::fs::read(workdir.manifest()).is_ok_and(|text| text == given.text);
        let Given { settings, manifest, text } = match early.filter(still) {
            Some(given) => given,
            None => builder.given()?,
        };
        workdir.make_rooms()?;
        for dir in [workdir.root().to_owned(), workdir.root().join("prompts"), workdir.root().join("logs")] {
            orch_runtime::remove_leftovers(&dir)?;
        }
        let opened = Journal::<Entry>::open_with(&workdir.journal(), faults())?;
        let state = State::fold(&opened.records);
        let taken = orch_runtime::judge_manifest(manifest, &opened.records, &state, &workdir, false)
            .map_err(|refusal| FleetError::Edit { path: workdir.manifest(), refusal })?;
        let edits = Vec::from_iter(orch_runtime::edit_input(&taken, state.plan.is_none()));
        let manifest = taken.manifest;
        let plan = manifest.plan();
        let agents = builder.agents(plan, &settings)?;

        // Where no agent ever ran, nobody but the user can have changed how the repository is set up.
        let first = state.driver.is_none();
        let repository = Repository::find(&workdir, plan, first).await?;
        let identity = workdir.identify(first)?;
        let config = git_config(&workdir, repository.path.clone(), repository.remote(), settings.git_hooks);
        let owner = identity.owner().map(str::to_owned);
        let vcs = Arc::new(GitVcs::open(GitConfig { new_baseline: first, owner, ..config }).await?);
        if first {
            vcs.baseline().await?;
        }
        let forge = builder.forge(plan, &repository, &vcs).await?;
        let (executor, place) = builder.place(plan, &state, &effects).await?;
        let base = base_branch(plan, &state, vcs.as_ref()).await?;
        let found = Found { identity: identity.name().to_owned(), base, agents, executor };
        let config = builder.config(plan, &settings, found);
        let engine = Orchestrator::new(state, config, Arc::clone(&builder.policy))?;
        let parent_env = parent_environment();
        let notifier = Notifier::new(settings.notify_command, parent_env.clone(), workdir.root().to_owned());
        let surroundings = Surroundings {
            ports: Ports { executor: place.executor(), vcs: Arc::clone(&vcs) as _, forge },
            notifier: Some(notifier),
            env_default: identity_variables(&vcs).await?,
            parent_env,
            env_pass: settings.env_pass,
            faults: faults(),
        };
        let (publisher, feed) = Publisher::new(workdir.journal());
        let (server, requests) = ControlServer::listen_with(&control, &lock, Some(feed))?;
        let plan = ManifestFile { manifest, text, executor, socket: place.socket().map(ToString::to_string) };
        let journal = opened.journal;
        Ok(Self {
            engine,
            journal,
            surroundings,
            workdir,
            plan,
            edits,
            server,
            requests,
            publisher,
            place,
            vcs,
            _lock: lock,
        })
    }

    /// The engine as it is before the drive.
    pub fn engine(&self) -> &Orchestrator {
        &self.engine
    }

    /// Where its agents run.
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// Version control.
    pub fn vcs(&self) -> &Arc<GitVcs> {
        &self.vcs
    }

    async fn check_hooks(&self) -> Result<(), FleetError> {
        match self.vcs.survey().await?.unrun_hook {
            None => Ok(()),
            Some(hook) => Err(FleetError::HookNotRun { hook }),
        }
    }

    /// The workdir.
    pub fn workdir(&self) -> &Workdir {
        &self.workdir
    }

    /// Drives until the goal is reached, nothing can happen without a person, or `interrupt` ends: what `orch run` does.
    /// Who calls it has put right what a person was needed for, or is told again.
    ///
    /// # Errors
    /// [`FleetError::HookNotRun`] before anything is begun; [`FleetError::Drive`]: agents go on then, and the next drive
    /// takes over where this one was.
    pub async fn run(
        self,
        observer: &mut dyn Observer,
        interrupt: impl Future<Output = ()>,
    ) -> Result<Ending, FleetError> {
        self.check_hooks().await?;
        Ok(self.drive(Mode::Run, vec![go_on()], observer, interrupt).await?.0)
    }

    /// Does one heartbeat, for whoever comes by from time to time: what `orch tick` does.
    ///
    /// # Errors
    /// As [`Self::run`].
    pub async fn tick(
        self,
        observer: &mut dyn Observer,
        interrupt: impl Future<Output = ()>,
    ) -> Result<Ending, FleetError> {
        self.check_hooks().await?;
        Ok(self.drive(Mode::Pass, Vec::new(), observer, interrupt).await?.0)
    }

    /// Drives as far as `mode` says; `said` is what a person says first, and the answers to it come back.
    ///
    /// # Errors
    /// As [`Self::run`].
    pub async fn drive(
        self,
        mode: Mode,
        said: Vec<Input>,
        observer: &mut dyn Observer,
        interrupt: impl Future<Output = ()>,
    ) -> Result<(Ending, Vec<Answer>), FleetError> {
        let skip = self.edits.len();
        let words = said.len();
        let first = self.edits.into_iter().chain(said).collect();
        let (surroundings, project) = (self.surroundings.clone(), self.plan.manifest.plan().settings.project.clone());
        let driver = Driver::new(self.engine, self.journal, self.surroundings, self.workdir, self.plan, observer);
        let driver = driver.with_followers(self.publisher);
        let driven = Box::pin(driver.drive(mode, first, Some(self.requests), interrupt)).await;
        self.server.close().await;
        if let Err(error) = &driven {
            surroundings.tell_of_failure(&project, error).await;
        }
        let (ending, answers) = driven?;
        let answers = answers.into_iter().skip(skip).take(words).map(orch_runtime::answer_of).collect();
        Ok((ending, answers))
    }
}

/// What a person says by starting a drive.
pub(crate) fn go_on() -> Input {
    Input::User { task: None, verb: UserVerb::Publish }
}

/// Where a test wants this process to die: `ORCH_FAULT=POINT[:N]`, in debug builds only.
fn faults() -> Arc<dyn Faults> {
    let wanted = if cfg!(debug_assertions) { std::env::var("ORCH_FAULT").ok() } else { None };
    match wanted {
        Some(wanted) => Arc::new(DieAt::parse(&wanted)),
        None => Arc::new(NoFaults),
    }
}
