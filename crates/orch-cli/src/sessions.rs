//! Single agent sessions without a workdir: the user's store and session host, side by side.

mod work;

use std::collections::BTreeMap;
use std::time::Duration;

use orch_core::agents::{AgentProfile, EndStep, end_step};
use orch_core::base::{LaunchId, Millis, Timestamp};
use orch_core::ports::{EndMode, EndSpec, Executor, ExitStatus, SessionInput};
use orch_pty::{PtyExecutor, PtySession, PtySettings, PtyState};
use orch_runtime::{SessionEnd, SessionFacts, SessionStore, Settings, SystemClock, parent_environment};
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::shell;

/// How long a process may take to be proved gone.
const PROOF: Millis = Millis::from_secs(5);
/// How long an exit that nobody announces may go unseen.
const BEAT: Millis = Millis(200);

/// The user's sessions.
pub(crate) struct Sessions {
    pub(crate) store: SessionStore,
    pub(crate) executor: PtyExecutor,
    pub(crate) settings: Settings,
}

/// One session, as far as it is known.
pub(crate) struct Known {
    pub(crate) id: LaunchId,
    pub(crate) facts: SessionFacts,
    /// What the host says of it, while it has it.
    pub(crate) live: Option<PtySession>,
    /// How it ended, once it has.
    pub(crate) end: Option<SessionEnd>,
}

/// The user's store of sessions.
///
/// # Errors
/// [`Failure`] when there is no place for one.
pub(crate) fn store() -> Result<SessionStore, Failure> {
    SessionStore::of_user(&parent_environment()).ok_or_else(|| {
        Failure::input("there is no place for sessions").help("set HOME, or XDG_STATE_HOME to an absolute path")
    })
}

impl Sessions {
    /// Opens the user's sessions, and takes over what ended meanwhile: ends are written down, what a dead
    /// host left is saved and ended.
    ///
    /// # Errors
    /// [`Failure`] when settings, store or host cannot be used.
    pub(crate) async fn open() -> Result<Self, Failure> {
        let store = store()?;
        let executor = PtyExecutor::connect(PtySettings::new(store.root())).await?;
        let sessions = Self { store, executor, settings: shell::settings(None)? };
        sessions.settle().await?;
        Ok(sessions)
    }

    /// Writes down how sessions ended, and lets the host forget them.
    ///
    /// # Errors
    /// [`Failure`] when an end cannot be written or a lost session not be ended.
    pub(crate) async fn settle(&self) -> Result<Vec<PtySession>, Failure> {
        let mut running = Vec::new();
        for session in self.executor.sessions().await? {
            let (lost, exit) = match session.state {
                PtyState::Running => {
                    running.push(session);
                    continue;
                }
                PtyState::Exited(exit) => (false, exit),
                PtyState::Lost => (true, ExitStatus::default()),
            };
            let saved = if lost { self.bury(&session).await? } else { None };
            let screen = self.executor.look(&[session.launch]).await?.pop().map(|view| view.text).unwrap_or_default();
            let end = SessionEnd { lost, exit, last_output_at: session.last_output_at, screen, saved };
            self.store.put_end(session.launch, &end)?;
            self.executor.forget(session.launch).await?;
        }
        Ok(running)
    }

    /// Saves the work of a session whose host died, and ends what survived of it.
    async fn bury(&self, session: &PtySession) -> Result<Option<String>, Failure> {
        let saved = work::save_or_say(&self.store, session.launch, &session.cwd).await;
        let spec = EndSpec { launch: session.launch, process: None, mode: EndMode::Kill, patience: PROOF };
        if self.executor.end(&spec).await? {
            return Ok(saved);
        }
        Err(Failure::other(format!("session {} could not be ended: its processes are still there", session.launch)))
    }

    /// All sessions, oldest first; those that have ended only if asked for.
    ///
    /// # Errors
    /// [`Failure`] when the store cannot be read.
    pub(crate) async fn list(&self, ended: bool) -> Result<Vec<Known>, Failure> {
        let mut live: BTreeMap<LaunchId, PtySession> =
            self.settle().await?.into_iter().map(|session| (session.launch, session)).collect();
        let mut known = Vec::new();
        for id in self.store.ids()? {
            let live = live.remove(&id);
            if live.is_none() && !ended {
                continue;
            }
            known.extend(self.known(id, live)?);
        }
        Ok(known)
    }

    /// The session that a person means: a number, or the newest of that name.
    ///
    /// # Errors
    /// [`Failure`] of bad input when there is none.
    pub(crate) async fn find(&self, meant: &str) -> Result<Known, Failure> {
        let live = self.settle().await?;
        let of = |id: LaunchId| live.iter().find(|session| session.launch == id).cloned();
        let ids = self.store.ids()?;
        if let Some(id) = meant.parse().ok().map(LaunchId).filter(|id| ids.contains(id))
            && let Some(known) = self.known(id, of(id))?
        {
            return Ok(known);
        }
        for id in ids.into_iter().rev() {
            if let Some(known) = self.known(id, of(id))?.filter(|known| known.facts.name.as_deref() == Some(meant)) {
                return Ok(known);
            }
        }
        let meant = orch_core::base::escape_line(meant);
        Err(Failure::input(format!("there is no session {meant}")).help("`orch session list --all` shows them"))
    }

    /// Whether a session runs.
    ///
    /// # Errors
    /// [`Failure`] of bad input when it does not.
    pub(crate) fn require_running(known: &Known) -> Result<(), Failure> {
        if known.live.is_some() {
            return Ok(());
        }
        let (id, state) = (known.id, known.state());
        Err(Failure::input(format!("session {id} runs no more: {state}"))
            .help(format!("`orch session log {id}` shows what it printed, `orch session resume {id}` goes on with it")))
    }

    /// The profile of an agent.
    ///
    /// # Errors
    /// [`Failure`] of bad input when nobody said how it is started.
    pub(crate) fn profile(&self, name: &str) -> Result<AgentProfile, Failure> {
        let built_in = (name == "shell").then(AgentProfile::shell);
        self.settings.profile(name, built_in).ok_or_else(|| {
            let name = orch_core::base::escape_line(name);
            Failure::input(format!("the agent {name} has no profile"))
                .help(format!("add [agents.{name}] with a command to your orch.toml, or give the command: `orch session start -- COMMAND`"))
        })
    }

    /// What wakes a session's agent.
    pub(crate) fn poke_of(&self, known: &Known) -> SessionInput {
        let profile = known.facts.agent.as_deref().and_then(|agent| self.profile(agent).ok());
        profile.unwrap_or_else(AgentProfile::shell).poke
    }

    /// Saves what is not committed, asks the session to end, and kills it if it does not; comes back when
    /// its processes are proved gone.
    ///
    /// # Errors
    /// [`Failure`] when it cannot be ended.
    pub(crate) async fn kill(&self, known: &Known) -> Result<SessionEnd, Failure> {
        let (id, process) = (known.id, known.live.as_ref().and_then(|live| live.process.clone()));
        let saved = work::save_or_say(&self.store, id, &known.facts.cwd).await;
        let mut spec = EndSpec { launch: id, process, mode: EndMode::Ask, patience: PROOF };
        let (clock, mut asked_at) = (SystemClock::new(), None);
        loop {
            let (now, grace) = (clock.now().awake, self.settings.limits.ask_grace);
            match end_step(!self.runs(id).await, asked_at, grace, now) {
                EndStep::Ask => {
                    self.executor.end(&spec).await?;
                    asked_at = Some(clock.now().awake);
                }
                EndStep::Wait(until) => {
                    let nap = until.since(now).min(BEAT);
                    let _ = tokio::time::timeout(Duration::from_millis(nap.0), self.executor.events()).await;
                }
                EndStep::Kill => break,
            }
        }
        spec.mode = EndMode::Kill;
        if !self.executor.end(&spec).await? {
            return Err(Failure::other(format!("session {id} could not be ended: its processes are still there")));
        }
        if let Some(session) = self.executor.sessions().await?.into_iter().find(|session| session.launch == id) {
            let exit = match session.state {
                PtyState::Exited(exit) => exit,
                PtyState::Running | PtyState::Lost => ExitStatus::default(),
            };
            let screen = self.executor.look(&[id]).await?.pop().map(|view| view.text).unwrap_or_default();
            let end = SessionEnd { lost: false, exit, last_output_at: session.last_output_at, screen, saved };
            self.store.put_end(id, &end)?;
        }
        self.settle().await?;
        let unknown = || Failure::other(format!("session {id} is gone, and nobody knows how"));
        self.store.end(id)?.ok_or_else(unknown)
    }

    async fn runs(&self, id: LaunchId) -> bool {
        let sessions = self.executor.sessions().await.unwrap_or_default();
        sessions.iter().any(|session| session.launch == id && session.state == PtyState::Running)
    }

    fn known(&self, id: LaunchId, live: Option<PtySession>) -> Result<Option<Known>, Failure> {
        // One without facts never began: its starter died before it was launched.
        let Some(facts) = self.store.facts(id)? else { return Ok(None) };
        let end = if live.is_some() { None } else { self.store.end(id)? };
        Ok(Some(Known { id, facts, live, end }))
    }
}

impl Known {
    /// Where it stands, on the wire.
    pub(crate) fn state(&self) -> &'static str {
        match (&self.live, &self.end) {
            (Some(_), _) => "running",
            (None, Some(end)) if !end.lost => "exited",
            (None, _) => "lost",
        }
    }

    /// Its exit code, once it has one.
    pub(crate) fn exit_code(&self) -> Option<i32> {
        self.end.as_ref()?.exit.code
    }

    /// When it printed last.
    pub(crate) fn last_output_at(&self) -> Option<Timestamp> {
        match &self.live {
            Some(live) => live.last_output_at,
            None => self.end.as_ref()?.last_output_at,
        }
    }

    /// It in a list.
    pub(crate) fn json(&self) -> Value {
        json!({
            "id": self.id.to_string(),
            "name": self.facts.name,
            "agent": self.facts.agent,
            "state": self.state(),
            "exitCode": self.exit_code(),
            "signal": self.end.as_ref().and_then(|end| end.exit.signal),
            "pid": self.live.as_ref().and_then(|live| live.process.as_ref()).map(|process| process.pid),
            "cwd": self.facts.cwd,
            "startedAt": self.facts.started_at,
            "lastOutputAt": self.last_output_at(),
        })
    }
}

pub(crate) use work::{Done, done, head};
