use std::ops::RangeInclusive;

use orch_core::base::Millis;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::layer::{self, Entry, Layer};
use super::problem::{self, nearest};
use super::values::{Fit, Misfit, argv, count, misfit, names, prompt, span, switch, text, wrong_type};
use super::{AgentSettings, Settings, SettingsError, SettingsProblem};
use crate::environment::is_forge_token;

/// The agents that need no `command`.
const BUILT_IN: [&str; 5] = ["codex", "claude", "gemini", "opencode", "shell"];

/// The tables at the top.
const GROUPS: [&str; 6] = ["agents", "env", "verify", "notify", "heal", "git"];

/// What a command may contain in braces.
const PLACEHOLDERS: [&str; 8] =
    ["prompt", "prompt_file", "model", "model_tier", "worktree", "task_id", "attempt", "session_id"];

/// The fields of an agent.
const AGENT_FIELDS: [&str; 6] = ["command", "resume", "prompt", "env", "poke", "answers"];

/// Where a key's value goes, and what it may be.
enum Slot {
    Span(fn(&mut Settings) -> &mut Millis, RangeInclusive<u64>),
    Count(fn(&mut Settings) -> &mut u32, RangeInclusive<u32>),
    Switch(fn(&mut Settings) -> &mut bool),
    Names(fn(&mut Settings) -> &mut Vec<String>),
    Argv(fn(&mut Settings) -> &mut Vec<String>),
}

const ANY: RangeInclusive<u64> = 0..=u64::MAX;
/// Shorter would be a busy loop.
const PULSE: RangeInclusive<u64> = 50..=u64::MAX;
const SOME: RangeInclusive<u32> = 1..=1000;

/// Every key outside of `[agents]`.
const KEYS: [(&str, Slot); 24] = [
    ("env.pass", Slot::Names(|s| &mut s.env_pass)),
    ("verify.timeout", Slot::Span(|s| &mut s.limits.verify_timeout, 1..=u64::MAX)),
    ("verify.parallel", Slot::Count(|s| &mut s.limits.verify_parallel, SOME)),
    ("notify.command", Slot::Argv(|s| &mut s.notify_command)),
    ("git.hooks", Slot::Switch(|s| &mut s.git_hooks)),
    ("heal.suspect_after", Slot::Span(|s| &mut s.limits.suspect_after, ANY)),
    ("heal.poke_after", Slot::Span(|s| &mut s.limits.poke_after, ANY)),
    ("heal.restart_after", Slot::Span(|s| &mut s.limits.restart_after, ANY)),
    ("heal.backoff", Slot::Span(|s| &mut s.limits.backoff, ANY)),
    ("heal.max_attempts", Slot::Count(|s| &mut s.limits.max_attempts, SOME)),
    ("heal.same_prompt_limit", Slot::Count(|s| &mut s.limits.same_prompt_limit, SOME)),
    ("heal.feedback_rounds", Slot::Count(|s| &mut s.limits.feedback_rounds, 0..=1000)),
    ("heal.heartbeat", Slot::Span(|s| &mut s.limits.heartbeat, PULSE)),
    ("heal.settle", Slot::Span(|s| &mut s.limits.settle, ANY)),
    ("heal.ready_after", Slot::Span(|s| &mut s.limits.ready_after, ANY)),
    ("heal.enter_after", Slot::Span(|s| &mut s.limits.enter_after, ANY)),
    ("heal.confirm_after", Slot::Span(|s| &mut s.limits.confirm_after, PULSE)),
    ("heal.ask_grace", Slot::Span(|s| &mut s.limits.ask_grace, ANY)),
    ("heal.relaunch_limit", Slot::Count(|s| &mut s.limits.relaunch_limit, 0..=1000)),
    ("heal.relaunch_wait", Slot::Span(|s| &mut s.limits.relaunch_wait, ANY)),
    ("heal.hands_off", Slot::Span(|s| &mut s.limits.hands_off, ANY)),
    ("heal.loop_after", Slot::Span(|s| &mut s.limits.loop_after, ANY)),
    ("heal.screen_interval", Slot::Span(|s| &mut s.limits.screen_interval, PULSE)),
    ("heal.pull_interval", Slot::Span(|s| &mut s.limits.pull_interval, PULSE)),
];

/// Settings while layers are laid over them.
#[derive(Default)]
pub(super) struct Reading {
    settings: Settings,
    problems: Vec<SettingsProblem>,
}

impl Reading {
    /// Lays one layer over what is there.
    pub(super) fn take(&mut self, layer: &Layer) {
        let (table, errors) = DeTable::parse_recoverable(&layer.text);
        if !errors.is_empty() {
            let problem = |e: &toml::de::Error| {
                let byte = e.span().map_or(0, |span| span.start);
                problem::at(layer, byte, "", format!("it is no TOML: {}", e.message()), None)
            };
            let mut faults: Vec<SettingsProblem> = errors.iter().take(20).map(problem).collect();
            faults.dedup();
            self.problems.append(&mut faults);
            return;
        }
        for entry in layer::entries(table.get_ref(), is_leaf) {
            if let [group] = entry.path.as_slice()
                && entry.is_empty_table()
                && GROUPS.contains(&group.as_str())
            {
                continue;
            }
            let key = entry.path.join(".");
            match self.set(&entry, layer) {
                Ok(()) => {
                    let line = problem::position(&layer.text, entry.at).0;
                    self.settings.sources.insert(key, layer.origin.source(line));
                }
                Err(Misfit(message, help)) => {
                    self.problems.push(problem::at(layer, entry.at, &key, message, help));
                }
            }
        }
    }

    /// The settings, if nothing is wrong.
    pub(super) fn finish(mut self) -> Result<Settings, SettingsError> {
        let lacking: Vec<SettingsProblem> = self.settings.agents.iter().filter_map(|a| self.lacks_command(a)).collect();
        self.problems.extend(lacking);
        if self.problems.is_empty() { Ok(self.settings) } else { Err(SettingsError { problems: self.problems }) }
    }

    /// An agent that is neither built in nor given a command; one with other problems is not blamed twice.
    fn lacks_command(&self, (name, agent): (&String, &AgentSettings)) -> Option<SettingsProblem> {
        let table = format!("agents.{name}");
        let is_of = |key: &str| key.strip_prefix(&table).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
        let blamed = self.problems.iter().any(|problem| is_of(&problem.key));
        if blamed || agent.command.is_some() || BUILT_IN.contains(&name.as_str()) {
            return None;
        }
        let (key, source) = self.settings.sources.iter().find(|(key, _)| is_of(key))?;
        let (place, line) = source.place();
        let meant = nearest(name, BUILT_IN).map(|known| format!(", or was `{known}` meant?")).unwrap_or_default();
        Some(SettingsProblem {
            place,
            line,
            column: 0,
            key: key.clone(),
            message: format!("agent {name:?} has no command"),
            help: Some(format!("add `command = [\"program\", …]` to [agents.{name}]{meant}")),
        })
    }

    fn set(&mut self, entry: &Entry<'_>, layer: &Layer) -> Fit<()> {
        let path: Vec<&str> = entry.path.iter().map(String::as_str).collect();
        if let ["agents", name, rest @ ..] = path.as_slice() {
            return self.set_agent(name, rest, entry, layer);
        }
        let key = path.join(".");
        let Some((_, slot)) = KEYS.iter().find(|(known, _)| *known == key) else { return unknown(&path) };
        let settings = &mut self.settings;
        match slot {
            Slot::Span(place, range) => *place(settings) = span(entry.value, range)?,
            Slot::Count(place, range) => *place(settings) = count(entry.value, range)?,
            Slot::Switch(place) => *place(settings) = switch(entry.value)?,
            Slot::Argv(place) => *place(settings) = argv(entry.value, &["title", "text"])?,
            Slot::Names(place) => {
                let names = names(entry.value)?;
                self.warn_of_tokens(entry, layer, &names);
                *place(&mut self.settings) = names;
            }
        }
        Ok(())
    }

    fn set_agent(&mut self, name: &str, rest: &[&str], entry: &Entry<'_>, layer: &Layer) -> Fit<()> {
        if !is_agent_name(name) {
            return misfit("an agent's name has 1 to 64 letters, digits, '.', '_' or '-'");
        }
        let mut agent = self.settings.agents.get(name).cloned().unwrap_or_default();
        match rest {
            [] | ["answers"] if entry.is_empty_table() => {}
            [] => return misfit(&format!("it is a table; write `[agents.{name}]` and its keys below")),
            [field, rest @ ..] => set_field(&mut agent, field, rest, entry.value)?,
        }
        if rest == ["env"] {
            self.warn_of_tokens(entry, layer, agent.env.as_deref().unwrap_or_default());
        }
        self.settings.agents.insert(name.to_owned(), agent);
        Ok(())
    }

    fn warn_of_tokens(&mut self, entry: &Entry<'_>, layer: &Layer, names: &[String]) {
        for name in names.iter().filter(|name| is_forge_token(name)) {
            let message = format!("{name} is a forge's token and reaches no agent");
            let help = Some("take it out of the list".to_owned());
            self.settings.warnings.push(problem::at(layer, entry.at, &entry.path.join("."), message, help));
        }
    }
}

/// Whether a table at this path is a value, not a group of keys; such values are then refused by type.
fn is_leaf(path: &[String]) -> bool {
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    match path.as_slice() {
        ["agents"] | ["agents", _] | ["agents", _, "answers"] => false,
        ["agents", ..] => true,
        [group] => !GROUPS.contains(group),
        _ => true,
    }
}

fn set_field(agent: &mut AgentSettings, field: &str, rest: &[&str], value: &Spanned<DeValue<'_>>) -> Fit<()> {
    match (field, rest) {
        ("command", []) => agent.command = Some(agent_argv(value)?),
        ("resume", []) => agent.resume = Some(agent_argv(value)?),
        ("prompt", []) => agent.prompt = Some(prompt(value)?),
        ("env", []) => agent.env = Some(names(value)?),
        ("poke", []) => agent.poke = Some(text(value)?),
        ("answers", [name]) => {
            let answer = text(value)?;
            agent.answers.insert((*name).to_owned(), answer);
        }
        ("answers", _) => return wrong_type(value, "a table", "write `answers = { login = \"2\" }`"),
        _ => {
            let help = nearest(field, AGENT_FIELDS).map(|known| format!("was `{known}` meant?"));
            return Err(Misfit(
                "there is no such key".to_owned(),
                help.or_else(|| Some(format!("an agent has {}", AGENT_FIELDS.join(", ")))),
            ));
        }
    }
    Ok(())
}

fn unknown(path: &[&str]) -> Fit<()> {
    let key = path.join(".");
    let by_key = nearest(&key, KEYS.iter().map(|(known, _)| *known));
    // A bare value where a table belongs is another mistake than a wrong name.
    if let [group] = path
        && GROUPS.contains(group)
    {
        return misfit(&format!("it is a table; write `[{group}]` and its keys below"));
    }
    let by_last =
        || KEYS.iter().map(|(known, _)| *known).find(|known| known.rsplit('.').next() == path.last().copied());
    let by_group = || nearest(path.first().copied().unwrap_or(""), GROUPS);
    let meant = by_key.or_else(by_last).or_else(by_group);
    let help =
        meant.map_or_else(|| format!("the tables are {}", GROUPS.join(", ")), |known| format!("was `{known}` meant?"));
    Err(Misfit("there is no such key".to_owned(), Some(help)))
}

fn agent_argv(value: &Spanned<DeValue<'_>>) -> Fit<Vec<String>> {
    let argv = argv(value, &PLACEHOLDERS)?;
    if argv.is_empty() {
        return misfit("it must name a program");
    }
    Ok(argv)
}

fn is_agent_name(name: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    (1..=64).contains(&name.len()) && name.bytes().all(plain)
}
