//! Agent profiles: how to start, talk to and resume one CLI, as data.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::ports::{Key, SessionInput};

/// How to start, talk to and resume one agent CLI.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct AgentProfile {
    /// The profile's name.
    pub name: String,
    /// Program and arguments, with placeholders.
    pub command: Vec<String>,
    /// Program and arguments that resume a conversation, with placeholders.
    pub resume: Option<Vec<String>>,
    /// How the prompt reaches the agent when no placeholder takes it.
    pub prompt: PromptVia,
    /// Names of environment variables handed through to it.
    pub env: Vec<String>,
    /// What makes a line of its input a comment: orch's own words are put behind it when the prompt is a program.
    pub comment: Option<String>,
    /// What is typed to wake it when it is silent at a plain line input.
    pub poke: SessionInput,
}

/// How the prompt reaches an agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PromptVia {
    /// As an argument: at `{prompt}`, else as the last one.
    Argument,
    /// As a file whose path stands at `{prompt_file}` and in `ORCH_PROMPT_FILE`.
    File,
    /// As standard input.
    Stdin,
    /// Pasted into its terminal once it is quiet, and confirmed with Enter.
    Paste,
}

/// What the placeholders of a command stand for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Placeholders {
    /// Placeholder name without braces to value.
    pub values: BTreeMap<&'static str, String>,
}

impl AgentProfile {
    /// The profile `shell`: runs the prompt file as a POSIX shell script. It is the smallest agent
    /// there is, for trying things out.
    pub fn shell() -> Self {
        Self {
            name: "shell".into(),
            command: ["sh", "{prompt_file}"].map(str::to_owned).into(),
            resume: None,
            prompt: PromptVia::File,
            env: Vec::new(),
            comment: Some("# ".to_owned()),
            poke: SessionInput { text: None, keys: vec![Key::Enter] },
        }
    }

    /// The profile of a plain command with the defaults of a profile from `orch.toml`.
    pub fn of_command(name: &str, command: Vec<String>) -> Self {
        Self { name: name.into(), command, prompt: PromptVia::Argument, comment: None, ..Self::shell() }
    }

    /// Whether it is to resume a conversation by an id that it was not given at its start.
    pub fn resumes_unknown(&self) -> bool {
        let names = |argv: &[String]| argv.iter().any(|part| part.contains("{session_id}"));
        self.resume.as_deref().is_some_and(names) && !names(&self.command)
    }

    /// Whether the prompt is pasted after a fresh start or, with `resume`, after a resumed conversation:
    /// not where a placeholder takes it.
    pub fn pastes(&self, resume: bool) -> bool {
        self.prompt == PromptVia::Paste && !self.template(resume).iter().any(|part| takes_prompt(part))
    }

    /// The argv of a fresh start or, with `resume`, of a resumed conversation; the prompt is added as
    /// the last argument when it goes by argument and no placeholder takes it.
    pub fn argv(&self, resume: bool, placeholders: &Placeholders) -> Vec<String> {
        let template = self.template(resume);
        let mut argv: Vec<String> = template.iter().map(|part| placeholders.fill(part)).collect();
        if self.prompt == PromptVia::Argument && !template.iter().any(|part| takes_prompt(part)) {
            argv.push(placeholders.values.get("prompt").cloned().unwrap_or_default());
        }
        argv
    }

    fn template(&self, resume: bool) -> &[String] {
        self.resume.as_ref().filter(|_| resume).unwrap_or(&self.command)
    }
}

fn takes_prompt(part: &str) -> bool {
    part.contains("{prompt}") || part.contains("{prompt_file}")
}

impl Placeholders {
    /// Replaces every known placeholder once, left to right; what a value contains is never replaced again.
    fn fill(&self, part: &str) -> String {
        let mut out = String::with_capacity(part.len());
        let mut rest = part;
        while let Some(open) = rest.find('{') {
            out.push_str(&rest[..open]);
            rest = &rest[open..];
            let value = rest.find('}').and_then(|close| Some((close, self.values.get(&rest[1..close])?)));
            let taken = value.map_or(1, |(close, _)| close + 1);
            out.push_str(value.map_or(&rest[..1], |(_, value)| value.as_str()));
            rest = &rest[taken..];
        }
        out.push_str(rest);
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn argv(command: &[&str], via: PromptVia) -> Vec<String> {
        let mut profile = AgentProfile::of_command("bot", command.iter().map(ToString::to_string).collect());
        profile.prompt = via;
        let values = BTreeMap::from([("prompt", "do {task_id} $(x)".to_owned()), ("task_id", "t1".to_owned())]);
        profile.argv(false, &Placeholders { values })
    }

    #[test]
    fn placeholders_are_filled_once_and_the_prompt_goes_last() {
        assert_eq!(
            argv(&["bot", "--id={task_id}", "{x}"], PromptVia::Argument),
            ["bot", "--id=t1", "{x}", "do {task_id} $(x)"]
        );
        assert_eq!(
            argv(&["bot", "-p", "{prompt}", "-q"], PromptVia::Argument),
            ["bot", "-p", "do {task_id} $(x)", "-q"]
        );
        assert_eq!(argv(&["bot"], PromptVia::Stdin), ["bot"]);
    }
}
