use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use crate::base::id::LaunchId;
use crate::ports::{
    EndMode, EndSpec, Executor, ExecutorCapabilities, ExecutorError, ExecutorEvent, ExitStatus, Fingerprint,
    LaunchSpec, Launched, ScreenView, SessionInfo, SessionInput, SessionState,
};

super::defects!(
    /// What is wrong with a [`BrokenExecutor`].
    ExecutorDefect {
        /// Every exit has lost its status.
        LosesExitCodes = "exit_codes_are_told",
        /// A session that is not there is taken for one whose number begins alike.
        PrefixMatchesIds = "ids_and_names_match_whole",
        /// Ended sessions are listed as running.
        CallsDeadAlive = "exit_codes_are_told",
        /// A `;` at the end of a text is not typed.
        DropsTrailingSemicolon = "text_arrives_byte_for_byte",
        /// A line feed is typed as a carriage return.
        TypesCarriageReturns = "text_arrives_byte_for_byte",
        /// A text is cut at what a terminal's queue holds.
        CutsLongText = "text_arrives_byte_for_byte",
        /// Keys are pressed before the text.
        PressesKeysFirst = "keys_follow_the_text",
        /// Input is typed twice.
        RepeatsInput = "input_of_a_line_arrives_once",
        /// Input is typed whatever the screen shows.
        IgnoresStale = "input_with_a_stale_fingerprint_types_nothing",
        /// Input for another screen is refused, but typed.
        TypesThenRefuses = "input_with_a_stale_fingerprint_types_nothing",
        /// Input for no session is taken for delivered.
        SwallowsLostInput = "input_to_unknown_sessions_is_not_found",
        /// Exits from before the connection are not listed.
        ForgetsExitsAtRestart = "exits_survive_a_restart",
        /// An exit is listed once.
        TellsExitsOnce = "exits_are_kept_until_forgotten",
        /// Forgotten sessions stay.
        NeverForgets = "exits_are_kept_until_forgotten",
        /// The same launch starts another process.
        LaunchesTwice = "launch_twice_starts_one_process",
        /// A name can be used once.
        RefusesUsedNames = "names_may_repeat",
        /// A variable of the executor's own reaches the agent.
        LeaksItsEnvironment = "launch_gives_exactly_the_environment",
        /// Agents start in another directory.
        IgnoresTheDirectory = "launch_sets_the_working_directory",
        /// Standard input is always the terminal.
        IgnoresStdin = "launch_reads_stdin_from_a_file",
        /// The log begins late.
        LosesTheLog = "log_is_complete_from_the_first_byte",
        /// An unknown session spoils the whole look.
        LooksAllOrNothing = "look_leaves_out_unknown_sessions",
        /// Screens carry escape sequences.
        ShowsEscapes = "look_shows_text_without_escapes",
        /// Looking counts as activity.
        CountsLooksAsActivity = "activity_changes_only_with_output",
        /// Nothing is ever told.
        TellsNothing = "output_makes_an_event",
        /// Output is told when there is none.
        TellsTooMuch = "quiet_sessions_make_no_events",
        /// Every end kills.
        KillsWhenAsking = "end_by_asking_does_not_kill_the_deaf",
        /// No end kills, and all are called proved.
        LiesAboutTheEnd = "end_by_killing_proves_the_death",
        /// A pid alone is taken for the process.
        TrustsPids = "end_never_touches_a_reused_pid",
    }
);

/// An executor with one defect.
pub struct BrokenExecutor<E> {
    inner: E,
    defect: ExecutorDefect,
    memory: Mutex<Memory>,
}

#[derive(Default)]
struct Memory {
    launched: BTreeSet<LaunchId>,
    names: BTreeSet<String>,
    told: BTreeSet<LaunchId>,
    looks: u64,
}

/// Numbers of processes that the defect [`ExecutorDefect::LaunchesTwice`] adds.
const SHADOW: u64 = 1_000_000;

impl<E: Executor> BrokenExecutor<E> {
    /// Breaks an executor.
    pub fn new(inner: E, defect: ExecutorDefect) -> Self {
        Self { inner, defect, memory: Mutex::default() }
    }

    /// The executor that it broke.
    pub fn into_inner(self) -> E {
        self.inner
    }

    /// The executor that it breaks.
    pub fn inner(&self) -> &E {
        &self.inner
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn has(&self, defect: ExecutorDefect) -> bool {
        self.defect == defect
    }

    /// The launch that a call reaches.
    async fn reached(&self, launch: LaunchId) -> Result<LaunchId, ExecutorError> {
        if !self.has(ExecutorDefect::PrefixMatchesIds) {
            return Ok(launch);
        }
        let known: Vec<LaunchId> = self.inner.list().await?.into_iter().map(|info| info.launch).collect();
        let alike = || known.iter().find(|other| other.to_string().starts_with(&launch.to_string()));
        Ok(if known.contains(&launch) { launch } else { alike().copied().unwrap_or(launch) })
    }

    fn broken_input(&self, input: &SessionInput) -> SessionInput {
        let text = input.text.as_deref().map(|text| match self.defect {
            ExecutorDefect::DropsTrailingSemicolon => text.strip_suffix(';').unwrap_or(text).to_owned(),
            ExecutorDefect::TypesCarriageReturns => text.replace('\n', "\r"),
            ExecutorDefect::CutsLongText => text.chars().take(4095).collect(),
            _ => text.to_owned(),
        });
        SessionInput { text, keys: input.keys.clone() }
    }

    fn broken_spec(&self, spec: &LaunchSpec) -> LaunchSpec {
        let mut spec = spec.clone();
        match self.defect {
            ExecutorDefect::LeaksItsEnvironment => {
                spec.env.insert("TMUX".to_owned(), "/tmp/tmux-0/default,1,0".to_owned());
            }
            ExecutorDefect::IgnoresTheDirectory => spec.cwd = "/".into(),
            ExecutorDefect::IgnoresStdin => spec.stdin = None,
            ExecutorDefect::LosesTheLog => spec.log = spec.log.with_extension("lost"),
            _ => {}
        }
        spec
    }

    fn broken_info(&self, mut info: SessionInfo) -> SessionInfo {
        match (self.defect, info.state) {
            (ExecutorDefect::CallsDeadAlive, _) => info.state = SessionState::Running,
            (ExecutorDefect::LosesExitCodes, SessionState::Exited(_)) => {
                info.state = SessionState::Exited(ExitStatus::default());
            }
            (ExecutorDefect::CountsLooksAsActivity, _) => info.activity += self.memory().looks,
            _ => {}
        }
        info
    }

    fn shown(&self, info: &SessionInfo) -> bool {
        let exited = info.state != SessionState::Running;
        let mut memory = self.memory();
        match self.defect {
            ExecutorDefect::ForgetsExitsAtRestart => !exited || memory.launched.contains(&info.launch),
            ExecutorDefect::TellsExitsOnce => !exited || memory.told.insert(info.launch),
            _ => info.launch.0 < SHADOW,
        }
    }
}

#[async_trait]
impl<E: Executor> Executor for BrokenExecutor<E> {
    fn name(&self) -> &'static str {
        self.inner.name()
    }

    fn capabilities(&self) -> ExecutorCapabilities {
        self.inner.capabilities()
    }

    async fn launch(&self, spec: &LaunchSpec) -> Result<Launched, ExecutorError> {
        let known = self.inner.list().await?.iter().any(|info| info.launch == spec.launch);
        self.memory().launched.insert(spec.launch);
        let fresh_name = self.memory().names.insert(spec.name.clone());
        if self.has(ExecutorDefect::RefusesUsedNames) && !known && !fresh_name {
            return Err(ExecutorError::Refused { what: spec.name.clone(), why: "duplicate session".to_owned() });
        }
        if self.has(ExecutorDefect::LaunchesTwice) && known {
            let shadow = LaunchSpec { launch: LaunchId(spec.launch.0 + SHADOW), ..spec.clone() };
            self.inner.launch(&shadow).await?;
        }
        self.inner.launch(&self.broken_spec(spec)).await
    }

    async fn list(&self) -> Result<Vec<SessionInfo>, ExecutorError> {
        let sessions = self.inner.list().await?;
        Ok(sessions.into_iter().filter(|info| self.shown(info)).map(|info| self.broken_info(info)).collect())
    }

    async fn look(&self, launches: &[LaunchId]) -> Result<Vec<ScreenView>, ExecutorError> {
        self.memory().looks += 1;
        let mut views = Vec::new();
        for launch in launches {
            let reached = self.reached(*launch).await?;
            match self.inner.look(&[reached]).await?.pop() {
                Some(view) => views.push(ScreenView { launch: *launch, ..view }),
                None if self.has(ExecutorDefect::LooksAllOrNothing) => {
                    return Err(ExecutorError::NotFound { launch: *launch });
                }
                None => {}
            }
        }
        if self.has(ExecutorDefect::ShowsEscapes) {
            for view in &mut views {
                view.text.push_str("\u{1b}[0m");
            }
        }
        Ok(views)
    }

    async fn input(
        &self,
        launch: LaunchId,
        input: &SessionInput,
        expected: Option<Fingerprint>,
    ) -> Result<(), ExecutorError> {
        let reached = self.reached(launch).await?;
        let typed = self.broken_input(input);
        match self.defect {
            ExecutorDefect::IgnoresStale => self.inner.input(reached, &typed, None).await,
            ExecutorDefect::TypesThenRefuses => {
                let answer = self.inner.input(reached, &typed, expected).await;
                if matches!(answer, Err(ExecutorError::Stale { .. })) {
                    self.inner.input(reached, &typed, None).await?;
                }
                answer
            }
            ExecutorDefect::RepeatsInput => {
                self.inner.input(reached, &typed, expected).await?;
                self.inner.input(reached, &typed, None).await
            }
            ExecutorDefect::PressesKeysFirst => {
                let (keys, text) =
                    (SessionInput { text: None, ..typed.clone() }, SessionInput { keys: Vec::new(), ..typed });
                self.inner.input(reached, &keys, expected).await?;
                self.inner.input(reached, &text, None).await
            }
            ExecutorDefect::SwallowsLostInput => match self.inner.input(reached, &typed, expected).await {
                Err(ExecutorError::NotFound { .. }) => Ok(()),
                answer => answer,
            },
            _ => self.inner.input(reached, &typed, expected).await,
        }
    }

    async fn end(&self, spec: &EndSpec) -> Result<bool, ExecutorError> {
        let mut spec = EndSpec { launch: self.reached(spec.launch).await?, ..spec.clone() };
        match self.defect {
            ExecutorDefect::KillsWhenAsking => spec.mode = EndMode::Kill,
            ExecutorDefect::LiesAboutTheEnd => return Ok(true),
            ExecutorDefect::TrustsPids => {
                let pid = spec.process.as_ref().map(|process| process.pid);
                let sessions = self.inner.list().await?;
                let mut processes = sessions.into_iter().filter_map(|info| info.process);
                spec.process = processes.find(|process| Some(process.pid) == pid).or(spec.process);
            }
            _ => {}
        }
        self.inner.end(&spec).await
    }

    async fn forget(&self, launch: LaunchId) -> Result<(), ExecutorError> {
        if self.has(ExecutorDefect::NeverForgets) {
            return Ok(());
        }
        self.inner.forget(self.reached(launch).await?).await
    }

    async fn events(&self) -> Vec<ExecutorEvent> {
        match self.defect {
            ExecutorDefect::TellsNothing => std::future::pending().await,
            ExecutorDefect::TellsTooMuch => vec![ExecutorEvent::Output(LaunchId(1))],
            _ => self.inner.events().await,
        }
    }
}
