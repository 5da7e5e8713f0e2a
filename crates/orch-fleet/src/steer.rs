//! What people say to a fleet: through the running orchestrator when there is one, else by a drive of its own.

use std::future::Future;
use std::time::Duration;

use orch_core::base::{LaunchId, TaskId};
use orch_core::engine::Input;
use orch_core::journal::{Entry, UserVerb};
use orch_core::state::State;
use orch_runtime::{
    AddError, Answer, ControlError, ControlRefusal, Mode, Observer, Request, Workdir, WorkdirLock, add_tasks, ask,
    holder,
};

use crate::builder::FleetBuilder;
use crate::error::FleetError;
use crate::fleet::go_on;
use crate::place::Place;

/// How long the running orchestrator may take to answer.
pub const PATIENCE: Duration = Duration::from_secs(30);
/// How often it is looked whether an orchestrator that leaves has left.
const LEAVING: Duration = Duration::from_millis(20);

impl FleetBuilder {
    /// Says something to a task, or to all: what `kill`, `retry`, `skip`, `pause`, `resume` and `send` do. `None` when
    /// there was nothing to answer.
    ///
    /// # Errors
    /// [`FleetError`] when nobody could be told.
    pub async fn say(
        self,
        task: Option<TaskId>,
        verb: UserVerb,
        observer: &mut dyn Observer,
        interrupt: impl Future<Output = ()>,
    ) -> Result<Option<Answer>, FleetError> {
        let request = Request::User { task: task.clone(), verb: verb.clone() };
        if let Some(answer) = ask_running(&self.workdir, &request).await? {
            return Ok(Some(answer));
        }
        let said = vec![Input::User { task, verb }];
        let (_, answers) = self.open().await?.drive(Mode::Word, said, observer, interrupt).await?;
        Ok(answers.into_iter().next())
    }

    /// Publishes what is verified and looks at every pull request now: what `pr` and `sync` do.
    ///
    /// # Errors
    /// [`FleetError`] when it could not be done.
    pub async fn publish(
        self,
        observer: &mut dyn Observer,
        interrupt: impl Future<Output = ()>,
    ) -> Result<(), FleetError> {
        let again = Request::User { task: None, verb: UserVerb::Publish };
        let heard = ask_running(&self.workdir, &again).await?.is_some();
        if heard && ask_running(&self.workdir, &Request::Wake).await?.is_some() {
            return Ok(());
        }
        self.open().await?.drive(Mode::Pass, vec![go_on()], observer, interrupt).await.map(drop)
    }
}

/// Asks the running orchestrator; `None` when there is none, or it left without having heard.
///
/// # Errors
/// [`FleetError::Control`] when it does not answer.
pub async fn ask_running(workdir: &Workdir, request: &Request) -> Result<Option<Answer>, FleetError> {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while let Some(owner) = holder(workdir)? {
        let Some(control) = owner.control else { break };
        match ask(&control, request, PATIENCE).await {
            Ok(Answer::Leaving)
            | Err(ControlError::NotRunning { .. } | ControlError::Refused(ControlRefusal::Ending))
                if tokio::time::Instant::now() < deadline =>
            {
                // The lock is free in a moment.
                tokio::time::sleep(LEAVING).await;
            }
            answer => return Ok(Some(answer?)),
        }
    }
    Ok(None)
}

/// Adds tasks, shaped as in the manifest, to a phase (counted from 0), or to the last one. With nobody running the
/// manifest itself is changed, and the next drive takes them in.
///
/// # Errors
/// [`FleetError::NotAdded`], [`FleetError::Manifest`], or a file that cannot be written.
pub async fn add(workdir: &Workdir, phase: Option<usize>, tasks: Vec<serde_json::Value>) -> Result<Answer, FleetError> {
    let request = Request::Add { phase, tasks: tasks.clone() };
    if let Some(answer) = ask_running(workdir, &request).await? {
        return Ok(answer);
    }
    let lock = WorkdirLock::acquire(workdir, None).await?;
    let added = add_tasks(workdir, phase, &tasks, &lock).map_err(|error| match error {
        AddError::Manifest(problems) => FleetError::Manifest { path: workdir.manifest(), problems },
        AddError::Refused(why) => FleetError::NotAdded { why },
        AddError::Journal(error) => error.into(),
        AddError::File(error) => error.into(),
    })?;
    let added: Vec<&str> = added.iter().map(TaskId::as_str).collect();
    Ok(Answer::Done(format!("added {}; `orch run` takes them in", added.join(", "))))
}

/// A task's live session, and where it runs.
///
/// # Errors
/// [`FleetError::NoSession`] when the task has none.
pub async fn session_of(workdir: &Workdir, task: &TaskId) -> Result<(Place, LaunchId), FleetError> {
    let records = orch_runtime::read_journal::<Entry>(&workdir.journal())?.records;
    let state = State::fold(&records);
    let session = state.tasks.get(task).and_then(|task| task.session.as_ref());
    let (Some(session), Some(driver)) = (session, &state.driver) else {
        return Err(FleetError::NoSession { task: task.clone() });
    };
    Ok((Place::connect(driver.executor, workdir, None).await?, session.launch))
}
