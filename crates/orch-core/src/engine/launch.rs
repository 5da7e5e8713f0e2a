//! What a launch effect means: argv, prompt, files, environment, all from the state.

use std::collections::BTreeMap;

use camino::Utf8PathBuf;

use super::Orchestrator;
use crate::agents::profile::{Placeholders, PromptVia};
use crate::agents::prompt;
use crate::base::id::{EffectId, LaunchId, TaskId};
use crate::heal::Signal;
use crate::journal::effect::{Effect, Purpose};
use crate::journal::record::Verdict;
use crate::ports::{Fingerprint, LaunchSpec};

/// The size of agents' terminals: dialogs of known agents wrap below 120x40.
const TERMINAL: (u16, u16) = (120, 40);

/// Everything that is needed to perform a launch but the caller's environment.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LaunchDraft {
    /// The launch.
    pub launch: LaunchId,
    /// The session's label for people.
    pub name: String,
    /// Program and arguments.
    pub argv: Vec<String>,
    /// The working directory.
    pub cwd: Utf8PathBuf,
    /// Where the raw output goes.
    pub log: Utf8PathBuf,
    /// The prompt and the file that holds it; none for verify commands.
    pub prompt: Option<(Utf8PathBuf, String)>,
    /// Whether the prompt file becomes standard input.
    pub stdin: bool,
    /// The variables that orch sets.
    pub env: BTreeMap<String, String>,
    /// Names of variables that the profile hands through.
    pub pass: Vec<String>,
}

impl LaunchDraft {
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

impl Orchestrator {
    /// How to perform an open launch effect; `None` if it is none.
    pub(super) fn launch_draft(&self, id: EffectId) -> Option<LaunchDraft> {
        let open = self.state.open.get(&id)?;
        let Effect::Launch { attempt, purpose, resume, .. } = &open.effect else { return None };
        let task_id = open.task.as_ref()?;
        let (plan, spec, task) = self.spec(task_id)?;
        let launch = LaunchId::from(id);
        let layout = &self.config.layout;
        let worktree = layout.worktree(task_id);
        let mut env = BTreeMap::from([
            ("ORCH_TASK_ID", task_id.to_string()),
            ("ORCH_ATTEMPT", attempt.to_string()),
            ("ORCH_LAUNCH", launch.to_string()),
            ("ORCH_BRANCH", spec.branch.to_string()),
            ("ORCH_WORKTREE", worktree.to_string()),
            ("ORCH_HOOK_DIR", layout.hooks().to_string()),
        ]);
        if *purpose == Purpose::Verify {
            return Some(LaunchDraft {
                launch,
                name: format!("verify-{task_id}"),
                argv: plan.verify_of(spec).to_vec(),
                cwd: worktree,
                log: layout.verify_log(task_id, launch),
                prompt: None,
                stdin: false,
                env: owned(env),
                pass: Vec::new(),
            });
        }
        let profile = self.profile(task_id)?;
        let resume = *resume && profile.resume.is_some();
        let text = self.prompt(task_id, *purpose, resume)?;
        let first = *purpose == Purpose::Work && task.attempt.launches <= 1;
        let file = layout.prompt(task_id, *attempt, (!first).then_some(launch));
        env.insert("ORCH_PROMPT_FILE", file.to_string());
        let model = spec.model.clone().or_else(|| plan.settings.model.clone()).unwrap_or_default();
        let values = BTreeMap::from([
            ("prompt", text.clone()),
            ("prompt_file", file.to_string()),
            ("model", model),
            ("model_tier", plan.settings.model_tier.clone().unwrap_or_default()),
            ("worktree", worktree.to_string()),
            ("task_id", task_id.to_string()),
            ("attempt", attempt.to_string()),
            ("session_id", self.conversation(task.conversation.launch.filter(|_| resume).unwrap_or(launch))),
        ]);
        Some(LaunchDraft {
            launch,
            name: format!("task-{task_id}"),
            argv: profile.argv(resume, &Placeholders { values }),
            cwd: worktree,
            log: layout.log(task_id, *attempt),
            prompt: Some((file, text)),
            stdin: profile.prompt == PromptVia::Stdin,
            env: owned(env),
            pass: profile.env.clone(),
        })
    }

    /// The id of the conversation that a launch began, in the shape of a UUID (RFC 9562, version 8): the
    /// same whenever it is asked for, another one for every launch and workdir.
    fn conversation(&self, launch: LaunchId) -> String {
        let began = self.state.began.map_or(0, crate::base::time::Timestamp::as_millis);
        let of = |half: &str| Fingerprint::of(&format!("{half} {} {began} {launch}", self.config.identity)).0;
        let (high, low) = (of("high"), of("low"));
        let high = high & !0xf000 | 0x8000;
        let low = low & !(0xc << 60) | 0x8 << 60;
        let hex = format!("{high:016x}{low:016x}");
        format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
    }

    /// What the agent of a task is told.
    pub(super) fn prompt(&self, id: &TaskId, purpose: Purpose, resume: bool) -> Option<String> {
        let (plan, spec, task) = self.spec(id)?;
        let profile = self.profile(id)?;
        let comment = profile.comment.as_deref();
        Some(match purpose {
            Purpose::AskCommit => prompt::commented(&prompt::ask_commit(spec, &task.work.nested), comment),
            Purpose::Work | Purpose::Verify if resume && profile.resume.is_some() => {
                prompt::commented(&prompt::go_on(spec), comment)
            }
            Purpose::Work | Purpose::Verify => {
                let log = task.healing.lesson.as_ref().and_then(|lesson| self.verify_log(id, lesson));
                prompt::task(spec, task, plan, comment, log.as_deref())
            }
        })
    }
}

impl Orchestrator {
    /// Where the output of the verify command is kept that a verdict is about, if it is about one.
    fn verify_log(&self, id: &TaskId, verdict: &Verdict) -> Option<Utf8PathBuf> {
        let of_verify = matches!(verdict.case.signal, Signal::VerifyFailed | Signal::VerifyTimedOut);
        verdict.launch.filter(|_| of_verify).map(|launch| self.config.layout.verify_log(id, launch))
    }
}

fn owned(env: BTreeMap<&'static str, String>) -> BTreeMap<String, String> {
    env.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}
