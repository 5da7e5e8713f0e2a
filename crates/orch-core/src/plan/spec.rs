//! The validated plan: what the manifest says, parsed once.

use serde::{Deserialize, Serialize};

use crate::base::files::FileSet;
use crate::base::id::{BranchName, TaskId};
use crate::base::wire::wire_enum;
use crate::plan::status::Status;
use crate::ports::MergeMethod;

/// Everything that the manifest decides, without any state.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Plan {
    /// The manifest's settings.
    pub settings: PlanSettings,
    /// The phases' names, in order.
    pub phases: Vec<String>,
    /// All tasks in manifest order; `phase` never decreases.
    pub tasks: Vec<TaskSpec>,
}

/// The manifest's settings with their defaults filled in, as far as they need no look at the world.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct PlanSettings {
    /// The project's name.
    pub project: String,
    /// `OWNER/REPO`, a URL or a path, as written.
    pub repo: Option<String>,
    /// The branch that work is for; `None` means the remote's HEAD.
    pub base: Option<BranchName>,
    /// The default agent profile.
    pub agent: String,
    /// The model handed to agents; `None` is the agent's own default.
    pub model: Option<String>,
    /// The model's effort tier, for agents that know one.
    pub model_tier: Option<String>,
    /// Where agents run; `None` means tmux where there is one, else pty.
    pub executor: Option<ExecutorKind>,
    /// Where pull requests live; `None` means github if the remote is GitHub, else local.
    pub forge: Option<ForgeKind>,
    /// How freely agents act.
    pub autonomy: Autonomy,
    /// Whether tasks with overlapping files are put in order.
    pub same_file: SameFile,
    /// What all tasks of a phase must reach before the next begins.
    pub gate: Gate,
    /// Who merges; `None` when the manifest does not say (the default is manual).
    pub merge: Option<MergeMode>,
    /// How pull requests are merged.
    pub merge_method: MergeMethod,
    /// When commits are pushed.
    pub push: PushMode,
    /// How many tasks hold a slot at once; at least 1.
    pub max_parallel: u32,
    /// The argv that verifies work; empty means none.
    pub verify: Vec<String>,
}

/// One task as planned.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct TaskSpec {
    /// Its name.
    pub id: TaskId,
    /// The index of its phase, from 0.
    pub phase: usize,
    /// The issue that it closes.
    pub issue: Option<u64>,
    /// One line; foreign text.
    pub title: String,
    /// What it may touch.
    pub files: FileSet,
    /// Tasks that come before it, each once.
    pub depends_on: Vec<TaskId>,
    /// The description; foreign text.
    pub body: Option<String>,
    /// The user's own prompt, byte for byte.
    pub prompt: Option<String>,
    /// Its agent profile, if not the plan's.
    pub agent: Option<String>,
    /// Its model, if not the plan's.
    pub model: Option<String>,
    /// How urgent it is.
    pub priority: Option<Priority>,
    /// The kind of worker meant.
    pub role: Option<String>,
    /// The argv that verifies it, if not the plan's.
    pub verify: Option<Vec<String>>,
    /// How long it is thought to take.
    pub estimate_minutes: Option<f64>,
    /// Its branch, given or by rule.
    pub branch: BranchName,
}

impl Default for PlanSettings {
    /// What a manifest that says nothing means.
    fn default() -> Self {
        Self {
            project: String::new(),
            repo: None,
            base: None,
            agent: "codex".to_owned(),
            model: None,
            model_tier: None,
            executor: None,
            forge: None,
            autonomy: Autonomy::Full,
            same_file: SameFile::Serialize,
            gate: Gate::Complete,
            merge: None,
            merge_method: MergeMethod::Merge,
            push: PushMode::Early,
            max_parallel: 4,
            verify: Vec::new(),
        }
    }
}

impl PlanSettings {
    /// How far tasks are followed, and whether orch merges, given what a person asked for. Who asks
    /// for `merged` where the manifest does not say who merges means orch.
    pub fn goal(&self, until: Option<Status>) -> (Status, bool) {
        let auto = match self.merge {
            Some(mode) => mode == MergeMode::Auto,
            None => until == Some(Status::Merged),
        };
        (until.unwrap_or(if auto { Status::Merged } else { Status::PrOpen }), auto)
    }
}

/// A gate that nothing gets through: every phase behind it would wait for ever.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"gate\": {:?} is beyond the goal, which is {goal}: nothing of phase {phase} could ever begin", gate.as_str())]
pub struct GateBeyondGoal {
    /// What each phase waits for.
    pub gate: Gate,
    /// How far tasks are followed.
    pub goal: Status,
    /// The first phase that would wait for ever.
    pub phase: usize,
}

impl Plan {
    /// Whether tasks that are followed up to this status get through the plan's gates, where it has any: what is
    /// only completed opens no pull request, and nobody can merge it.
    ///
    /// # Errors
    /// [`GateBeyondGoal`].
    pub fn check_goal(&self, goal: Status) -> Result<(), GateBeyondGoal> {
        let gate = self.settings.gate;
        let first = self.tasks.first().map(|task| task.phase);
        let behind = self.tasks.iter().map(|task| task.phase).find(|phase| Some(*phase) != first);
        match behind {
            Some(phase) if goal == Status::Complete && gate != Gate::Complete => {
                Err(GateBeyondGoal { gate, goal, phase })
            }
            _ => Ok(()),
        }
    }

    /// The task of that id.
    pub fn task(&self, id: &TaskId) -> Option<&TaskSpec> {
        self.tasks.iter().find(|task| task.id == *id)
    }

    /// The argv that verifies a task; empty means none.
    pub fn verify_of<'a>(&'a self, task: &'a TaskSpec) -> &'a [String] {
        task.verify.as_deref().unwrap_or(&self.settings.verify)
    }

    /// The agent profile's name for a task.
    pub fn agent_of<'a>(&'a self, task: &'a TaskSpec) -> &'a str {
        task.agent.as_deref().unwrap_or(&self.settings.agent)
    }
}

wire_enum!(
    /// Where agents run.
    ExecutorKind {
        /// A private tmux server.
        Tmux = "tmux",
        /// Pseudo-terminals of a detached host.
        Pty = "pty",
    }
);
wire_enum!(
    /// Where pull requests live.
    ForgeKind {
        /// GitHub.
        Github = "github",
        /// Records in the workdir, real merges in a repository on disk.
        Local = "local",
    }
);
wire_enum!(
    /// How freely agents act.
    Autonomy {
        /// Each agent's own "no questions" mode.
        Full = "full",
        /// Each agent's own sandbox.
        Sandboxed = "sandboxed",
    }
);
wire_enum!(
    /// Whether tasks with overlapping files are put in order.
    SameFile {
        /// They run one after another.
        Serialize = "serialize",
        /// Only `dependsOn` and gates order them.
        Explicit = "explicit",
    }
);
wire_enum!(
    /// What all tasks of a phase must reach before the next begins.
    Gate {
        /// Verified.
        Complete = "complete",
        /// A pull request is open.
        PrOpen = "pr_open",
        /// Merged.
        Merged = "merged",
    }
);
wire_enum!(
    /// Who merges.
    MergeMode {
        /// A person.
        Manual = "manual",
        /// orch, when checks pass and it was verified on the base as it is.
        Auto = "auto",
    }
);
wire_enum!(
    /// When commits are pushed.
    PushMode {
        /// As they appear.
        Early = "early",
        /// Once verified.
        Complete = "complete",
    }
);
wire_enum!(
    /// How urgent a task is.
    Priority {
        /// Before everything.
        Critical = "critical",
        /// Soon.
        High = "high",
        /// Normal.
        Medium = "medium",
        /// Whenever.
        Low = "low",
    }
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_merges_decides_how_far_tasks_are_followed() {
        use Status::{Complete, Merged, PrOpen};
        let cases = [
            (None, None, (PrOpen, false)),
            (None, Some(Complete), (Complete, false)),
            (None, Some(Merged), (Merged, true)),
            (Some(MergeMode::Manual), None, (PrOpen, false)),
            (Some(MergeMode::Manual), Some(Merged), (Merged, false)),
            (Some(MergeMode::Auto), None, (Merged, true)),
            (Some(MergeMode::Auto), Some(PrOpen), (PrOpen, true)),
        ];
        for (merge, until, goal) in cases {
            let settings = PlanSettings { merge, ..PlanSettings::default() };
            assert_eq!(settings.goal(until), goal, "{merge:?} until {until:?}");
        }
    }

    #[test]
    fn a_goal_short_of_the_gate_is_refused_where_a_phase_waits_behind_it() {
        let mut plan = crate::testkit::planned(vec![
            crate::testkit::planned_task("t1", 0, &["a"], &[""; 0]),
            crate::testkit::planned_task("t2", 1, &["b"], &[""; 0]),
        ]);
        assert_eq!(plan.check_goal(Status::Complete), Ok(()));
        for gate in [Gate::PrOpen, Gate::Merged] {
            plan.settings.gate = gate;
            assert_eq!(
                plan.check_goal(Status::Complete),
                Err(GateBeyondGoal { gate, goal: Status::Complete, phase: 1 })
            );
            assert_eq!(plan.check_goal(Status::PrOpen), Ok(()), "people merge too");
        }
        plan.tasks.truncate(1);
        assert_eq!(plan.check_goal(Status::Complete), Ok(()), "nothing waits behind the gate");
    }
}
