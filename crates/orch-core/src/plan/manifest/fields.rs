//! Every field of the manifest: what it holds, its default and what it is for.

/// What a field may hold; `null` stands for the default of every optional one.
#[derive(Debug, Clone, Copy)]
pub(super) enum Shape {
    Text,
    Texts,
    Whole { least: u64 },
    Number,
    Flag,
    Time,
    OneOf(&'static [&'static str]),
    Id,
    Ids,
    Phases,
    Tasks,
    Mark,
}

/// One field.
#[derive(Debug)]
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) shape: Shape,
    /// The default as JSON; empty where the field is required or the default depends on the world.
    pub(super) default: &'static str,
    pub(super) doc: &'static str,
}

const fn field(name: &'static str, shape: Shape, default: &'static str, doc: &'static str) -> Field {
    Field { name, shape, default, doc }
}

use Shape::{Flag, Id, Ids, Mark, Number, OneOf, Phases, Tasks, Text, Texts, Time, Whole};

/// The fields of the document.
pub(super) const SETTINGS: &[Field] = &[
    field("$schema", Text, "null", "Where the schema of this file is; for editors."),
    field("project", Text, "", "The project's name."),
    field("repo", Text, "null", "OWNER/REPO, a URL or a path."),
    field("workdir", Text, "null", "The directory that this manifest belongs to."),
    field("socket", Text, "null", "Where the private tmux server listens; written by orch."),
    field("created", Time, "null", "When the manifest was made."),
    field("model", Text, "null", "The model handed to agents; null is the agent's own default."),
    field("modelTier", Text, "null", "The model's effort tier, for agents that know one."),
    field("base", Text, "null", "The branch that work is for; null is the remote's HEAD."),
    field("agent", Text, "\"codex\"", "The agent profile."),
    field("executor", OneOf(&["tmux", "pty"]), "null", "Where agents run; null is tmux where there is one, else pty."),
    field(
        "forge",
        OneOf(&["github", "local"]),
        "null",
        "Where pull requests live; null is github if the remote is GitHub, else local.",
    ),
    field("autonomy", OneOf(&["full", "sandboxed"]), "\"full\"", "How freely agents act."),
    field(
        "sameFile",
        OneOf(&["serialize", "explicit"]),
        "\"serialize\"",
        "Whether tasks with overlapping files are put in order.",
    ),
    field(
        "gate",
        OneOf(&["complete", "pr_open", "merged"]),
        "\"complete\"",
        "What all tasks of a phase must reach before the next begins.",
    ),
    field("merge", OneOf(&["manual", "auto"]), "\"manual\"", "Who merges."),
    field("mergeMethod", OneOf(&["merge", "squash", "rebase"]), "\"merge\"", "How pull requests are merged."),
    field("push", OneOf(&["early", "complete"]), "\"early\"", "When commits are pushed."),
    field("maxParallel", Whole { least: 1 }, "4", "How many tasks run at once."),
    field("verify", Texts, "[]", "The command that verifies work, as an argv; empty means none."),
    field("journal", Mark, "null", "How much of the journal the state fields show; written by orch."),
    field("phases", Phases, "", "The phases, in order."),
];

/// The fields of a phase.
pub(super) const PHASE: &[Field] =
    &[field("name", Text, "null", "The phase's name."), field("tasks", Tasks, "[]", "The phase's tasks.")];

const STATUSES: &[&str] = &["pending", "blocked", "running", "stuck", "error", "complete", "pr_open", "merged"];

/// The fields of a task.
pub(super) const TASK: &[Field] = &[
    field("id", Id, "", "The task's name: unique ignoring case and with . equal to _."),
    field("issue", Whole { least: 1 }, "null", "The issue that it closes."),
    field("title", Text, "\"\"", "One line that says what it is about."),
    field("files", Texts, "[]", "What it may touch: paths, directories (docs/) and globs."),
    field("dependsOn", Ids, "[]", "Tasks that come before it."),
    field("status", OneOf(STATUSES), "\"pending\"", "Where it stands; written by orch."),
    field("worktree", Text, "null", "Its worktree; written by orch."),
    field("tmuxSession", Text, "null", "Its tmux session; written by orch."),
    field("startedAt", Time, "null", "When it began; written by orch."),
    field("lastProgress", Time, "null", "When it last got further; written by orch."),
    field("completedAt", Time, "null", "When it was verified; written by orch."),
    field("prNumber", Whole { least: 1 }, "null", "Its pull request; written by orch."),
    field("body", Text, "null", "The description."),
    field("prompt", Text, "null", "The user's own prompt, passed on byte for byte."),
    field("agent", Text, "null", "Its agent profile, if not the manifest's."),
    field("model", Text, "null", "Its model, if not the manifest's."),
    field("priority", OneOf(&["critical", "high", "medium", "low"]), "null", "How urgent it is."),
    field("role", Text, "null", "The kind of worker meant."),
    field("verify", Texts, "null", "The command that verifies it, if not the manifest's."),
    field("estimateMinutes", Number, "null", "How long it is thought to take."),
    field("branch", Text, "null", "Its branch; null is fix/issue-N, or task/ID without an issue."),
    field("session", Text, "null", "Its session in the executor; written by orch."),
    field("attempts", Whole { least: 0 }, "0", "How many attempts were begun; written by orch."),
    field("needsHuman", Flag, "false", "Whether a person is needed; written by orch."),
    field("reason", Text, "null", "Why a person is needed; written by orch."),
    field("skipped", Flag, "false", "Whether others need not wait for it; written by orch."),
    field("paused", Flag, "false", "Whether it is left alone; written by orch."),
];

/// How many separators more than the field meant a name may have, as in `estimate_minutes`.
const MAX_SEPARATORS: usize = 2;

/// The known field that an unknown name is nearly equal to.
pub(super) fn near(name: &str, fields: &[Field]) -> Option<&'static str> {
    let fold = |name: &str| name.replace(['_', '-', ' '], "").to_ascii_lowercase();
    let close = |field: &&Field| field.name.len().abs_diff(name.len()) <= MAX_SEPARATORS;
    let mut known = fields.iter().filter(close).map(|field| field.name).peekable();
    known.peek()?;
    let own = fold(name);
    known.find(|known| fold(known) == own || (known.len() > 4 && one_slip(&own, &fold(known))))
}

/// Whether one letter was left out, put in, or replaced.
fn one_slip(left: &str, right: &str) -> bool {
    let (short, long) = if left.len() <= right.len() { (left, right) } else { (right, left) };
    if long.len() - short.len() > 1 {
        return false;
    }
    let head = short.bytes().zip(long.bytes()).take_while(|(a, b)| a == b).count();
    let tail = short.bytes().rev().zip(long.bytes().rev()).take_while(|(a, b)| a == b).count();
    head + tail + 1 >= long.len()
}
