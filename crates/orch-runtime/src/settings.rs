use std::collections::BTreeMap;
use std::fmt;

use camino::{Utf8Path, Utf8PathBuf};
use orch_core::agents::{AgentProfile, PromptVia};
use orch_core::heal::Limits;
use orch_core::ports::{Key, SessionInput};

mod duration;
mod keys;
mod layer;
mod problem;
mod values;

pub use layer::{Layer, Origin};
pub use problem::{SettingsError, SettingsProblem};

/// Everything that `orch.toml` decides, defaults filled in.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Settings {
    /// What was said of each agent; the built-in profiles are laid under it field by field.
    pub agents: BTreeMap<String, AgentSettings>,
    /// `[env] pass`: names that every agent gets from the parent's environment.
    pub env_pass: Vec<String>,
    /// `[notify] command`; empty means that nobody is told.
    pub notify_command: Vec<String>,
    /// `[heal]` and `[verify]`: the engine's thresholds.
    pub limits: Limits,
    /// `[git] hooks`: whether the repository's own hooks run (without tokens) around orch's git calls.
    pub git_hooks: bool,
    /// Remarks that stop nothing.
    pub warnings: Vec<SettingsProblem>,
    sources: BTreeMap<String, Source>,
}

/// What was said of one agent; an absent field keeps what the built-in profile has.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AgentSettings {
    /// The argv that starts it, with placeholders.
    pub command: Option<Vec<String>>,
    /// The argv that resumes its conversation, with placeholders.
    pub resume: Option<Vec<String>>,
    /// How it gets its prompt.
    pub prompt: Option<PromptVia>,
    /// Names that it gets from the parent's environment.
    pub env: Option<Vec<String>>,
    /// What is typed to wake it at an idle composer, before Enter.
    pub poke: Option<String>,
    /// Answers to dialogs, by the dialog's name.
    pub answers: BTreeMap<String, String>,
}

/// Who set a value.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Source {
    /// Nobody.
    #[default]
    Default,
    /// The user's own file.
    User {
        /// The file.
        path: Utf8PathBuf,
        /// The line, counted from 1.
        line: u32,
    },
    /// The workdir's file.
    Workdir {
        /// The file.
        path: Utf8PathBuf,
        /// The line, counted from 1.
        line: u32,
    },
    /// An environment variable.
    Env(String),
    /// An argument on the command line.
    Flag(String),
}

impl Source {
    /// Where it is, and on which line (0: it has none).
    fn place(&self) -> (String, u32) {
        match self {
            Self::Default => ("default".to_owned(), 0),
            Self::User { path, line } | Self::Workdir { path, line } => (path.to_string(), *line),
            Self::Env(name) | Self::Flag(name) => (name.clone(), 0),
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.place() {
            (place, 0) => f.write_str(&place),
            (place, line) => write!(f, "{place}:{line}"),
        }
    }
}

impl Settings {
    /// Reads the files that are there and lays them over the defaults: the user's, then the workdir's.
    ///
    /// # Errors
    /// [`SettingsError`] lists everything that is wrong in either of them.
    pub fn load(user: Option<&Utf8Path>, workdir: Option<&Utf8Path>) -> Result<Self, SettingsError> {
        let mut problems = Vec::new();
        let named = user.map(|p| Origin::User(p.to_owned())).into_iter();
        let named = named.chain(workdir.map(|p| Origin::Workdir(p.to_owned())));
        let read = named.filter_map(|origin| {
            layer::read(origin).unwrap_or_else(|problem| {
                problems.push(problem);
                None
            })
        });
        let layers: Vec<Layer> = read.collect();
        match (Self::from_layers(&layers), problems.is_empty()) {
            (result, true) => result,
            (Ok(_), false) => Err(SettingsError { problems }),
            (Err(more), false) => {
                problems.extend(more.problems);
                Err(SettingsError { problems })
            }
        }
    }

    /// Lays layers of TOML over the defaults, key by key, later ones over earlier ones.
    ///
    /// # Errors
    /// [`SettingsError`] lists everything that is wrong in any of them.
    pub fn from_layers(layers: &[Layer]) -> Result<Self, SettingsError> {
        let mut reading = keys::Reading::default();
        for layer in layers {
            reading.take(layer);
        }
        reading.finish()
    }

    /// The profile of an agent: what was said of it, laid field by field over the built-in one.
    /// `None` when it is neither built in nor given a command.
    pub fn profile(&self, name: &str, built_in: Option<AgentProfile>) -> Option<AgentProfile> {
        let Some(said) = self.agents.get(name) else { return built_in };
        let mut profile = match (built_in, &said.command) {
            (Some(profile), None) => profile,
            (Some(mut profile), Some(command)) => {
                profile.command.clone_from(command);
                profile
            }
            (None, Some(command)) => AgentProfile::of_command(name, command.clone()),
            (None, None) => return None,
        };
        profile.resume = said.resume.clone().or(profile.resume);
        profile.prompt = said.prompt.unwrap_or(profile.prompt);
        profile.env = said.env.clone().unwrap_or(profile.env);
        if let Some(poke) = &said.poke {
            let text = Some(poke.clone()).filter(|text| !text.is_empty());
            profile.poke = SessionInput { text, keys: vec![Key::Enter] };
        }
        Some(profile)
    }

    /// Who set a key, such as `heal.poke_after` or `agents.mybot.command`.
    pub fn provenance(&self, key: &str) -> Source {
        self.sources.get(key).cloned().unwrap_or_default()
    }

    /// Every key that somebody set, with who did.
    pub fn sources(&self) -> impl Iterator<Item = (&str, &Source)> {
        self.sources.iter().map(|(key, source)| (key.as_str(), source))
    }
}

/// Where the user's own settings are: `$XDG_CONFIG_HOME/orch/orch.toml`, else `~/.config/orch/orch.toml`.
pub fn user_settings_path(env: &BTreeMap<String, String>) -> Option<Utf8PathBuf> {
    let dir = |name: &str| env.get(name).map(Utf8PathBuf::from).filter(|dir| dir.is_absolute());
    let config = dir("XDG_CONFIG_HOME").or_else(|| dir("HOME").map(|home| home.join(".config")))?;
    Some(config.join("orch/orch.toml"))
}

#[cfg(test)]
mod tests;
