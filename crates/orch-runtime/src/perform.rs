//! Performs effects and looks: what the ports need besides, from this machine.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use camino::Utf8Path;
use orch_core::engine::{EffectJob, Input, Job, LaunchDraft, LookJob, Ports, Seen};
use orch_core::journal::{Effect, Notice, NoticeKind, Outcome};
use orch_core::ports::{Failure, FailureKind, LaunchSpec};

use crate::atomic::replace_file;
use crate::driver::DriveError;
use crate::environment::environment;
use crate::journal::Faults;
use crate::logs::tail_text;
use crate::notify::Notifier;

/// How many lines of a log are taken as an ended session's last words.
const TAIL: usize = 20;
/// How long saving may hold up a person's `kill`.
const SAVE_TIME: Duration = Duration::from_secs(60);

/// Everything that effects act on.
#[derive(Clone)]
pub struct Surroundings {
    /// Executor, version control and forge.
    pub ports: Ports,
    /// Tells people.
    pub notifier: Option<Notifier>,
    /// The environment that agents' environments are chosen from.
    pub parent_env: BTreeMap<String, String>,
    /// Names that every agent gets besides the allow-list.
    pub env_pass: Vec<String>,
    /// Variables for agents where the parent has none: a git identity.
    pub env_default: BTreeMap<String, String>,
    /// Where tests may die.
    pub faults: Arc<dyn Faults>,
}

impl Surroundings {
    /// Does one thing that a step of the engine wants done, and brings what came of it.
    pub async fn carry_out(&self, job: Job) -> Vec<Input> {
        match job {
            Job::Effect(job) => vec![Input::Done { effect: job.id, outcome: self.perform(&job).await }],
            Job::Look(look) => self.look(look).await,
        }
    }

    async fn perform(&self, job: &EffectJob) -> Outcome {
        let effect = &job.effect;
        self.faults.at(&format!("{}.before", effect.name()));
        let outcome = match (effect, job.launch.as_ref().map(|draft| self.launch_spec(draft)).transpose()) {
            (_, Err(failure)) => Outcome::Failed(failure),
            (Effect::Notify(notice), _) => self.notify(notice).await,
            (Effect::Save { partial: true, .. }, _) => self.save_in_time(effect).await,
            (effect, Ok(spec)) => self.ports.perform(effect, spec.as_ref()).await,
        };
        self.faults.at(&format!("{}.after", effect.name()));
        outcome
    }

    /// Saves before a person's word ends an agent, which does not wait for ever.
    async fn save_in_time(&self, effect: &Effect) -> Outcome {
        let why = format!("it took longer than {} s", SAVE_TIME.as_secs());
        let late = |_| Outcome::Failed(Failure::new(FailureKind::Refused, &why));
        tokio::time::timeout(SAVE_TIME, self.ports.perform(effect, None)).await.unwrap_or_else(late)
    }

    /// Writes the prompt and chooses the environment.
    fn launch_spec(&self, draft: &LaunchDraft) -> Result<LaunchSpec, Failure> {
        if let Some((path, text)) = &draft.prompt {
            replace_file(path, text.as_bytes(), 0o600)
                .map_err(|e| Failure::new(FailureKind::Unavailable, &e.to_string()))?;
        }
        let mut env = environment(&self.env_pass, &draft.pass, &self.parent_env);
        for (name, value) in &self.env_default {
            env.entry(name.clone()).or_insert_with(|| value.clone());
        }
        Ok(draft.spec(env))
    }

    async fn notify(&self, notice: &Notice) -> Outcome {
        let Some(notifier) = &self.notifier else { return Outcome::Ok };
        match notifier.tell(notice, notice).await {
            Ok(()) => Outcome::Ok,
            Err(e) => Outcome::Failed(Failure::new(FailureKind::Refused, &e.to_string())),
        }
    }

    /// Tells people that a drive broke off; whoever drove says the same, so a notice that fails too is no matter.
    pub async fn tell_of_failure(&self, project: &str, error: &DriveError) {
        let title = format!("{project}: the orchestrator failed");
        self.notify(&Notice { event: NoticeKind::Failed, title, text: error.to_string(), occasion: None }).await;
    }

    /// Looks; an ended session's last words come from its log, which holds what scrolled away.
    async fn look(&self, look: LookJob) -> Vec<Input> {
        let logs = match &look {
            LookJob::Sessions(logs) => logs.clone(),
            LookJob::Screens(_) | LookJob::Head(..) | LookJob::Work(..) | LookJob::Pulls { .. } => BTreeMap::new(),
        };
        let mut inputs = self.ports.look(look).await;
        for input in &mut inputs {
            let Input::Seen(Seen::Sessions(sessions)) = input else { continue };
            for session in sessions {
                let log = logs.get(&session.launch).and_then(|log| last_lines(log));
                if let (Some((_, tail)), Some(lines)) = (&mut session.exit, log) {
                    *tail = lines;
                }
            }
        }
        inputs
    }
}

/// The last lines of a log as plain text; `None` when it has none or cannot be read.
fn last_lines(log: &Utf8Path) -> Option<Vec<String>> {
    let text = tail_text(log, TAIL).ok()?;
    let lines: Vec<String> = text.lines().map(str::to_owned).collect();
    (!lines.is_empty()).then_some(lines)
}
