use std::collections::BTreeMap;
use std::fmt;

use camino::{Utf8Path, Utf8PathBuf};
use orch_core::Millis;

mod duration;
mod keys;
mod layer;
mod problem;
mod values;

pub use layer::{Layer, Origin};
pub use problem::{SettingsError, SettingsProblem};

/// Everything that `orch.toml` decides, defaults filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// What was said of each agent; the built-in profiles are laid under it field by field.
    pub agents: BTreeMap<String, AgentSettings>,
    /// `[env] pass`: names that every agent gets from the parent's environment.
    pub env_pass: Vec<String>,
    /// `[verify]`.
    pub verify: VerifySettings,
    /// `[notify] command`; empty means that nobody is told.
    pub notify_command: Vec<String>,
    /// `[heal]`.
    pub heal: HealSettings,
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
    pub prompt: Option<PromptDelivery>,
    /// Names that it gets from the parent's environment.
    pub env: Option<Vec<String>>,
    /// What is typed to wake it at an idle composer, before Enter.
    pub poke: Option<String>,
    /// Answers to dialogs, by the dialog's name.
    pub answers: BTreeMap<String, String>,
}

/// How an agent gets its prompt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PromptDelivery {
    /// As an argument, where `{prompt}` stands.
    Argument,
    /// As a file, where `{prompt_file}` stands.
    File,
    /// On standard input.
    Stdin,
    /// Pasted into its composer, and the delivery confirmed.
    Paste,
}

/// How work is verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VerifySettings {
    /// How long one run may take.
    pub timeout: Millis,
    /// How many run at once; at least 1.
    pub parallel: u32,
}

/// The heal policy's thresholds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HealSettings {
    /// Silence after which a session is suspected.
    pub suspect_after: Millis,
    /// Silence after which it is poked.
    pub poke_after: Millis,
    /// Time without progress after which it is resumed or restarted.
    pub restart_after: Millis,
    /// The first pause before a new attempt.
    pub backoff: Millis,
    /// Attempts before a person is needed; at least 1.
    pub max_attempts: u32,
    /// How often the same prompt is answered before a restart; at least 1.
    pub same_prompt_limit: u32,
    /// How often a pull request's feedback goes back to an agent.
    pub feedback_rounds: u32,
    /// The time between two passes over everything.
    pub heartbeat: Millis,
    /// How long a screen must stay as it is before it is judged.
    pub settle: Millis,
    /// How long an agent that was asked to end has until it is killed.
    pub ask_grace: Millis,
    /// Uncounted relaunches without progress between them.
    pub relaunch_limit: u32,
    /// The longest wait for one of them.
    pub relaunch_wait: Millis,
    /// How long after a person's input no remedy fires.
    pub hands_off: Millis,
    /// How long the same output must repeat until it counts as a loop.
    pub loop_after: Millis,
    /// The least time between two looks at one screen.
    pub screen_interval: Millis,
    /// The time between two looks at a pull request.
    pub pull_interval: Millis,
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

impl Default for Settings {
    fn default() -> Self {
        Self {
            agents: BTreeMap::new(),
            env_pass: Vec::new(),
            verify: VerifySettings { timeout: Millis::from_mins(30), parallel: 1 },
            notify_command: Vec::new(),
            heal: HealSettings::default(),
            git_hooks: false,
            warnings: Vec::new(),
            sources: BTreeMap::new(),
        }
    }
}

impl Default for HealSettings {
    fn default() -> Self {
        Self {
            suspect_after: Millis::from_mins(5),
            poke_after: Millis::from_mins(10),
            restart_after: Millis::from_mins(20),
            backoff: Millis::from_secs(10),
            max_attempts: 3,
            same_prompt_limit: 3,
            feedback_rounds: 3,
            heartbeat: Millis::from_mins(2),
            settle: Millis(500),
            ask_grace: Millis::from_secs(5),
            relaunch_limit: 5,
            relaunch_wait: Millis::from_mins(24 * 60),
            hands_off: Millis::from_secs(60),
            loop_after: Millis::from_mins(5),
            screen_interval: Millis(250),
            pull_interval: Millis::from_secs(30),
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
