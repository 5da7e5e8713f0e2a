//! Puts a fleet together: workdir, lock, settings, manifest, journal, backends, engine.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use orch_core::agents::AgentProfile;
use orch_core::base::{BranchName, LaunchId, TaskId};
use orch_core::engine::{Config, Input, Orchestrator, Ports};
use orch_core::heal::DefaultPolicy;
use orch_core::journal::Entry;
use orch_core::plan::{ExecutorKind, ForgeKind, Manifest, Parsed, Plan, Status};
use orch_core::ports::Vcs;
use orch_core::state::State;
use orch_git::{GitConfig, GitVcs, LocalForge, LocalForgeConfig, Remote};
use orch_runtime::{
    Answer, Cleared, ControlServer, DieAt, DriveError, Driver, EffectsLock, Ending, Faults, Journal, Mode, NoFaults,
    Notifier, Observer, PlanFile, Publisher, Request, Requests, Settings, SocketPlaces, Workdir, WorkdirLock, World,
    holder, parent_environment, user_settings_path,
};

use crate::failure::Failure;
use crate::place::Place;

/// How long children of an orchestrator that died are waited for.
const ORPHANS: Duration = Duration::from_secs(120);
/// Who commits where the user has configured no identity.
pub(crate) const IDENTITY: [&str; 2] = ["orch", "orch@localhost"];

/// How a person lets hooks run.
pub(crate) const HOOKS: &str =
    "`[git] hooks = true` in orch.toml has the repository's own hooks run on commit and push, without tokens";

/// What the command line says about a drive.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Wishes {
    /// `--until`.
    pub(crate) until: Option<Status>,
    /// `--max-parallel`.
    pub(crate) max_parallel: Option<u32>,
    /// `--executor`.
    pub(crate) executor: Option<ExecutorKind>,
}

/// A fleet whose workdir this process holds.
pub(crate) struct Fleet {
    engine: Orchestrator,
    journal: Journal<Entry>,
    world: World,
    workdir: Workdir,
    plan: PlanFile,
    edits: Vec<Input>,
    server: ControlServer,
    requests: Requests<Request, Answer>,
    publisher: Publisher,
    place: Place,
    vcs: Arc<GitVcs>,
    /// Given back last.
    _lock: WorkdirLock,
}

impl Fleet {
    /// Takes the workdir and opens everything in it. Whatever is wrong with settings or manifest is
    /// said before anything is changed.
    ///
    /// # Errors
    /// [`Failure`] with the exit code that it means.
    pub(crate) async fn open(workdir: Workdir, wishes: Wishes) -> Result<Self, Failure> {
        let places = SocketPlaces::from_env();
        let control = workdir.control_socket(&places)?;
        let parent_env = parent_environment();
        // A lock is a change on disk too, so bad input is found before it is taken.
        let early = if holder(&workdir)?.is_none() { Some(Said::read(&workdir, &parent_env)?) } else { None };
        let lock = WorkdirLock::acquire(&workdir, Some(&control)).await?;
        let effects = EffectsLock::drain(&workdir, ORPHANS, &lock).await?;
        let still = |said: &Said| std::fs::read(workdir.manifest()).is_ok_and(|text| text == said.text);
        let Said { settings, manifest, text } = match early.filter(still) {
            Some(said) => said,
            None => Said::read(&workdir, &parent_env)?,
        };
        workdir.make_rooms()?;
        for dir in [workdir.root().to_owned(), workdir.root().join("prompts"), workdir.root().join("logs")] {
            orch_runtime::remove_leftovers(&dir)?;
        }
        let opened = Journal::<Entry>::open_with(&workdir.journal(), faults())?;
        let state = State::fold(&opened.records);
        let taken =
            orch_runtime::judge_manifest(manifest, &opened.records, &state, &workdir, false).map_err(|refusal| {
                Failure::input(format!("the edit of {} cannot be taken: {refusal}", workdir.manifest()))
                    .help("undo it; or remove the file's \"journal\" key to have all state fields written anew")
            })?;
        let edits = Vec::from_iter(orch_runtime::edit_input(&taken, state.plan.is_none()));
        let manifest = taken.manifest;
        let plan = manifest.plan().clone();
        let agents = agents(&plan, &settings)?;

        // Where no agent ever ran, nobody but the user can have changed how the repository is set up.
        let first = state.driver.is_none();
        let (repo, remote, origin) = repository(&workdir, &plan, first).await?;
        let identity = workdir.identify(first)?;
        let config = git_config(&workdir, repo, remote, settings.git_hooks);
        let owner = identity.owner().map(str::to_owned);
        let vcs = Arc::new(GitVcs::open(GitConfig { new_baseline: first, owner, ..config }).await?);
        if first {
            vcs.baseline().await?;
        }
        let forge =
            LocalForge::open(LocalForgeConfig { pulls: workdir.pulls(), vcs: Arc::clone(&vcs), origin }).await?;
        let asked = wishes.executor.or(plan.settings.executor);
        let kind = state.executor(asked, crate::place::of_this_machine()).map_err(|busy| {
            Failure::input(format!("agents still run in {busy}")).help(format!(
                "go on there until they have ended, or end them: `orch kill --all`; then \"executor\" may be another than {busy}"
            ))
        })?;
        let place = Place::connect(kind, &workdir, Some(&effects)).await?;
        let base = base_branch(&plan, &state, vcs.as_ref()).await?;
        let (goal, auto_merge) = plan.settings.goal(wishes.until);
        let config = Config {
            layout: workdir.layout(),
            identity: identity.name().to_owned(),
            base,
            agents,
            limits: settings.limits.clone(),
            executor: kind,
            goal,
            auto_merge,
            max_parallel: wishes.max_parallel,
            notify: !settings.notify_command.is_empty(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
        };
        let engine = Orchestrator::new(state, config, Arc::new(DefaultPolicy)).map_err(Failure::input)?;
        let notifier = Notifier::new(settings.notify_command.clone(), parent_env.clone(), workdir.root().to_owned());
        let world = World {
            ports: Ports { executor: place.executor(), vcs: Arc::clone(&vcs) as _, forge: Arc::new(forge) },
            notifier: Some(notifier),
            env_default: identity_variables(&vcs).await?,
            parent_env,
            env_pass: settings.env_pass.clone(),
            faults: faults(),
        };
        let (publisher, feed) = Publisher::new(workdir.journal());
        let (server, requests) = ControlServer::listen_with(&control, &lock, Some(feed))?;
        let plan = PlanFile { manifest, text, executor: kind, socket: place.socket().map(ToString::to_string) };
        Ok(Self {
            engine,
            journal: opened.journal,
            world,
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
    pub(crate) fn engine(&self) -> &Orchestrator {
        &self.engine
    }

    /// Where its agents run.
    pub(crate) fn place(&self) -> &Place {
        &self.place
    }

    /// Version control.
    pub(crate) fn vcs(&self) -> &Arc<GitVcs> {
        &self.vcs
    }

    /// # Errors
    /// [`Failure`] of bad input where branches could not be checked out without a hook that is not run.
    pub(crate) async fn check_hooks(&self) -> Result<(), Failure> {
        match self.vcs.survey().await?.unrun_hook {
            None => Ok(()),
            Some(hook) => Err(Failure::input(format!("orch pushes without hooks, but {hook}")).help(HOOKS)),
        }
    }

    /// The workdir.
    pub(crate) fn workdir(&self) -> &Workdir {
        &self.workdir
    }

    /// Takes down sessions and worktrees; see [`orch_runtime::clear`].
    ///
    /// # Errors
    /// [`Failure`] when a step could not be recorded; it was not taken then.
    pub(crate) async fn clear(&mut self, force: bool) -> Result<Cleared, Failure> {
        let (state, layout) = (self.engine.state().clone(), self.workdir.layout());
        Ok(orch_runtime::clear(&mut self.journal, state, &self.world.ports, &layout, force).await?)
    }

    /// Ends the tmux server or the session host and removes sockets and locks, unless something still runs; whether nothing did.
    ///
    /// # Errors
    /// [`Failure`] when the server does not answer or a file cannot be removed.
    pub(crate) async fn close(self) -> Result<bool, Failure> {
        let idle = self.place.shutdown().await?;
        self.server.close().await;
        if !idle {
            return Ok(false);
        }
        let socket = self.plan.socket.map(Utf8PathBuf::from);
        // Whoever starts the server anew writes its settings anew.
        for room in [self.workdir.root().join("tmux"), self.workdir.sessions()] {
            let _ = std::fs::remove_dir_all(room);
        }
        let pulls = self.workdir.root().join("pulls.json.lock");
        for path in socket.into_iter().chain([pulls, self.workdir.effects_lock(), self.workdir.lock()]) {
            match std::fs::remove_file(&path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(Failure::other(format!("cannot remove {path}: {error}")));
                }
                _ => {}
            }
        }
        Ok(true)
    }

    /// Drives the fleet; `said` is what a person says first, and the answers to it come back.
    ///
    /// # Errors
    /// [`DriveError`].
    pub(crate) async fn drive(
        self,
        mode: Mode,
        said: Vec<Input>,
        observer: &mut dyn Observer,
        interrupt: impl Future<Output = ()>,
    ) -> Result<(Ending, Vec<Answer>), DriveError> {
        let skip = self.edits.len();
        let words = said.len();
        let first = self.edits.into_iter().chain(said).collect();
        let (world, project) = (self.world.clone(), self.plan.manifest.plan().settings.project.clone());
        let driver = Driver::new(self.engine, self.journal, self.world, self.workdir, self.plan, observer);
        let driver = driver.with_followers(self.publisher);
        let driven = driver.drive(mode, first, Some(self.requests), interrupt).await;
        self.server.close().await;
        if let Err(error) = &driven {
            world.tell_of_failure(&project, error).await;
        }
        let (ending, answers) = driven?;
        let answers = answers.into_iter().skip(skip).take(words).map(orch_runtime::answer_of).collect();
        Ok((ending, answers))
    }
}

/// How a workdir's repository is opened.
fn git_config(workdir: &Workdir, repo: Utf8PathBuf, remote: Remote, hooks: bool) -> GitConfig {
    GitConfig {
        repo,
        remote,
        effects_lock: Some(workdir.effects_lock()),
        identity_default: IDENTITY.map(str::to_owned).into(),
        baseline: workdir.root().join("git-baseline.json"),
        new_baseline: false,
        hooks,
        owner: None,
    }
}

/// A workdir's repository, to look at or to accept how it is configured; nothing is cloned.
///
/// # Errors
/// [`Failure`] when settings, manifest or repository cannot be read.
pub(crate) async fn existing_repository(workdir: &Workdir) -> Result<GitVcs, Failure> {
    let said = Said::read(workdir, &parent_environment())?;
    let repo = match workdir.repo() {
        clone if clone.exists() => clone,
        _ => enclosing_repository(workdir.root())?,
    };
    let remote = match orch_git::detect_remote(&repo).await? {
        None => Remote::Itself,
        Some(remote) => Remote::Named(remote.name),
    };
    Ok(GitVcs::open(git_config(workdir, repo, remote, said.settings.git_hooks)).await?)
}

/// A task's live session, and where it runs.
///
/// # Errors
/// [`Failure`] of bad input when the task has none.
pub(crate) async fn session_of(workdir: &Workdir, task: &TaskId) -> Result<(Place, LaunchId), Failure> {
    let records = orch_runtime::read_journal::<Entry>(&workdir.journal())?.records;
    let state = State::fold(&records);
    let session = state.tasks.get(task).and_then(|task| task.session.as_ref());
    let (Some(session), Some(driver)) = (session, &state.driver) else {
        return Err(Failure::input(format!("{task} has no session; `orch status {task}` says where it stands")));
    };
    Ok((Place::connect(driver.executor, workdir, None).await?, session.launch))
}

/// What people wrote: settings and manifest, checked.
pub(crate) struct Said {
    settings: Settings,
    manifest: Manifest,
    text: Vec<u8>,
}

impl Said {
    /// Reads both; every agent that the plan wants has a profile.
    ///
    /// # Errors
    /// [`Failure`] of bad input; nothing was changed.
    pub(crate) fn read(workdir: &Workdir, parent_env: &BTreeMap<String, String>) -> Result<Self, Failure> {
        let settings = Settings::load(user_settings_path(parent_env).as_deref(), Some(&workdir.settings()))?;
        let (manifest, text) = read_manifest(workdir)?;
        agents(manifest.plan(), &settings)?;
        Ok(Self { settings, manifest, text })
    }
}

/// Reads the manifest; all its problems at once.
///
/// # Errors
/// [`Failure`] of bad input.
pub(crate) fn read_manifest(workdir: &Workdir) -> Result<(Manifest, Vec<u8>), Failure> {
    let path = workdir.manifest();
    let text = std::fs::read(&path).map_err(|e| {
        Failure::input(format!("cannot read {path}: {e}; `orch init` makes a workdir, `orch schema` says what goes in"))
    })?;
    match Manifest::parse(&text) {
        Ok(Parsed { manifest, .. }) => Ok((manifest, text)),
        Err(problems) => Err(Failure::problems(&path, problems)),
    }
}

/// The profiles that the plan needs; every one that is missing is said at once.
fn agents(plan: &Plan, settings: &Settings) -> Result<BTreeMap<String, AgentProfile>, Failure> {
    let mut agents = BTreeMap::new();
    let mut missing: BTreeMap<&str, Vec<&TaskId>> = BTreeMap::new();
    for task in &plan.tasks {
        let name = plan.agent_of(task);
        let built_in = (name == "shell").then(AgentProfile::shell);
        match settings.profile(name, built_in) {
            Some(profile) if profile.resumes_unknown() => {
                return Err(Failure::input(format!(
                    "[agents.{name}] resume wants {{session_id}}, which its command does not give it"
                ))
                .help("add {session_id} to the command too, for agents that take a conversation's id, or leave it out of resume"));
            }
            Some(_) if settings.agents.get(name).is_some_and(|said| !said.answers.is_empty()) => {
                return Err(Failure::input(format!(
                    "[agents.{name}] answers are not in this build: dialogs go to a person; take them out"
                )));
            }
            Some(profile) => {
                agents.insert(name.to_owned(), profile);
            }
            None => missing.entry(name).or_default().push(&task.id),
        }
    }
    if missing.is_empty() {
        return Ok(agents);
    }
    let lines = missing.into_iter().map(|(name, tasks)| {
        let (name, first) = (orch_core::base::escape_line(name), tasks[0]);
        let more = if tasks.len() > 1 { format!(" and {} more", tasks.len() - 1) } else { String::new() };
        format!("task {first}{more} wants the agent {name}, which has no profile: add [agents.{name}] with a command to orch.toml")
    });
    Err(Failure::input(lines.collect::<Vec<_>>().join("\n")))
}

/// The repository that agents work on, where its branches are published, and the repository on disk behind that.
async fn repository(
    workdir: &Workdir,
    plan: &Plan,
    first: bool,
) -> Result<(Utf8PathBuf, Remote, Utf8PathBuf), Failure> {
    let repo = match workdir.repo() {
        clone if clone.exists() => clone,
        clone => match plan.settings.repo.as_deref().map(|repo| workdir.root().join(repo)) {
            Some(path) if path.exists() => {
                orch_git::clone(path.as_str(), &clone, Some(workdir.effects_lock())).await?;
                clone
            }
            _ => enclosing_repository(workdir.root())?,
        },
    };
    if plan.settings.forge == Some(ForgeKind::Github) {
        return Err(Failure::input(
            "the forge github is not in this build; set \"forge\": \"local\" and an origin on disk",
        ));
    }
    let remote = if first {
        orch_git::detect_remote(&repo).await?
    } else {
        orch_git::recorded_remote(&repo, &workdir.root().join("git-baseline.json")).await?
    };
    match remote {
        None => Ok((repo.clone(), Remote::Itself, repo)),
        Some(remote) => {
            let place = remote.url.strip_prefix("file://").unwrap_or(&remote.url);
            let origin = repo.join(place);
            if !origin.exists() {
                let url = orch_core::base::escape_line(&remote.url);
                return Err(Failure::input(format!(
                    "{repo} publishes to {url}, which is no repository on this disk; the local forge needs one (`orch init --repo PATH`, or point the remote {} at a path)",
                    remote.name
                )));
            }
            Ok((repo, Remote::Named(remote.name), origin))
        }
    }
}

fn enclosing_repository(root: &Utf8Path) -> Result<Utf8PathBuf, Failure> {
    let found = root.ancestors().skip(1).find(|dir| dir.join(".git").exists());
    found.map(Utf8Path::to_owned).ok_or_else(|| {
        Failure::input(format!(
            "{root} has no repo/ and lies in no git repository; set \"repo\" in the manifest to a path, or use `orch init`"
        ))
    })
}

async fn base_branch(plan: &Plan, state: &State, vcs: &GitVcs) -> Result<BranchName, Failure> {
    if let Some(base) = &plan.settings.base {
        return Ok(base.clone());
    }
    match &state.driver {
        Some(driver) => Ok(driver.base.clone()),
        None => Ok(vcs.default_base().await?),
    }
}

async fn identity_variables(vcs: &GitVcs) -> Result<BTreeMap<String, String>, Failure> {
    let identity = vcs.identity().await?;
    if identity.configured {
        return Ok(BTreeMap::new());
    }
    let name = ["GIT_AUTHOR_NAME", "GIT_COMMITTER_NAME"].map(|key| (key.to_owned(), identity.name.clone()));
    let email = ["GIT_AUTHOR_EMAIL", "GIT_COMMITTER_EMAIL"].map(|key| (key.to_owned(), identity.email.clone()));
    Ok(name.into_iter().chain(email).collect())
}

/// Where a test wants this process to die: `ORCH_FAULT=POINT[:N]`, in debug builds only.
fn faults() -> Arc<dyn Faults> {
    let wanted = if cfg!(debug_assertions) { std::env::var("ORCH_FAULT").ok() } else { None };
    match wanted {
        Some(wanted) => Arc::new(DieAt::parse(&wanted)),
        None => Arc::new(NoFaults),
    }
}
