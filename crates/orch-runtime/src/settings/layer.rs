use std::fs::File;
use std::io::{ErrorKind, Read};

use camino::Utf8PathBuf;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::problem::SettingsProblem;
use super::{Source, problem};

/// No settings file is longer.
const LONGEST: u64 = 1024 * 1024;

/// Where a layer of settings comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// The user's own file.
    User(Utf8PathBuf),
    /// The workdir's file.
    Workdir(Utf8PathBuf),
    /// An environment variable, by name.
    Env(String),
    /// An argument on the command line, as the user knows it.
    Flag(String),
}

/// One layer of settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layer {
    /// Where it comes from.
    pub origin: Origin,
    /// TOML.
    pub text: String,
}

/// A key with its value, flattened: `["heal", "poke_after"]`.
pub(super) struct Entry<'t> {
    pub(super) path: Vec<String>,
    pub(super) value: &'t Spanned<DeValue<'t>>,
    /// The byte at which the key stands.
    pub(super) at: usize,
}

impl Entry<'_> {
    pub(super) fn is_empty_table(&self) -> bool {
        self.value.get_ref().as_table().is_some_and(DeTable::is_empty)
    }
}

impl Origin {
    /// The name by which people find it.
    pub(super) fn shown(&self) -> &str {
        match self {
            Self::User(path) | Self::Workdir(path) => path.as_str(),
            Self::Env(name) | Self::Flag(name) => name,
        }
    }

    pub(super) fn source(&self, line: u32) -> Source {
        match self {
            Self::User(path) => Source::User { path: path.clone(), line },
            Self::Workdir(path) => Source::Workdir { path: path.clone(), line },
            Self::Env(name) => Source::Env(name.clone()),
            Self::Flag(name) => Source::Flag(name.clone()),
        }
    }
}

/// Reads a file's layer; an absent file is none.
pub(super) fn read(origin: Origin) -> Result<Option<Layer>, SettingsProblem> {
    let fault = |why: String| problem::whole(&origin, why);
    let file = match File::open(origin.shown()) {
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
        file => file.map_err(|e| fault(format!("it cannot be read: {e}")))?,
    };
    let mut bytes = Vec::new();
    file.take(LONGEST + 1).read_to_end(&mut bytes).map_err(|e| fault(format!("it cannot be read: {e}")))?;
    if bytes.len() as u64 > LONGEST {
        return Err(fault("it is longer than 1 MiB".to_owned()));
    }
    let text = String::from_utf8(bytes)
        .map_err(|e| fault(format!("it is not UTF-8 (byte {})", e.utf8_error().valid_up_to())))?;
    Ok(Some(Layer { origin, text }))
}

/// Every key that is not a table of keys, in the order of its place in the text. Empty tables and those
/// that `is_leaf` accepts stay whole, so that they can be refused whole.
pub(super) fn entries<'t>(table: &'t DeTable<'t>, is_leaf: impl Fn(&[String]) -> bool) -> Vec<Entry<'t>> {
    let mut entries = Vec::new();
    let mut open: Vec<(Vec<String>, &DeTable<'t>)> = vec![(Vec::new(), table)];
    while let Some((prefix, table)) = open.pop() {
        for (key, value) in table {
            let mut path = prefix.clone();
            path.push(key.get_ref().clone().into_owned());
            match value.get_ref() {
                DeValue::Table(inner) if !inner.is_empty() && !is_leaf(&path) => open.push((path, inner)),
                _ => entries.push(Entry { path, value, at: key.span().start }),
            }
        }
    }
    entries.sort_by_key(|entry| entry.at);
    entries
}
