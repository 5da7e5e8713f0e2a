//! Sessions that belong to no workdir, as files: what each was started as, its log, how it ended.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder};
use std::io::ErrorKind;
use std::os::unix::fs::DirBuilderExt;

use camino::{Utf8Path, Utf8PathBuf};
use orch_core::base::{LaunchId, Sha, Timestamp};
use orch_core::ports::ExitStatus;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::atomic::replace_file;
use crate::file_error::{Context, FileError};

/// The user's sessions on disk: `<root>/<id>/` for each, beside the host's own files.
///
/// Sessions are numbered from 1; a number is never given twice.
#[derive(Debug, Clone)]
pub struct SessionStore {
    root: Utf8PathBuf,
}

/// What a session was started as; `session.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SessionFacts {
    /// Its name, for people.
    pub name: Option<String>,
    /// The profile of its agent; none for a plain command.
    pub agent: Option<String>,
    /// Program and arguments.
    pub argv: Vec<String>,
    /// The directory that it was started in.
    pub cwd: Utf8PathBuf,
    /// When.
    pub started_at: Timestamp,
    /// The commit that the repository around `cwd` was at; none outside of one.
    pub head: Option<Sha>,
    /// The session whose conversation it goes on with.
    pub resumes: Option<LaunchId>,
    /// The id of its conversation, where the agent was given one.
    pub conversation: Option<String>,
}

/// How a session ended; `end.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SessionEnd {
    /// Its host died, and it with it.
    pub lost: bool,
    /// How its process ended.
    pub exit: ExitStatus,
    /// When it printed last.
    pub last_output_at: Option<Timestamp>,
    /// What its screen showed.
    pub screen: String,
    /// The reference that holds what was not committed when it was ended.
    pub saved: Option<String>,
}

impl SessionStore {
    /// The user's store: `$XDG_STATE_HOME/orch/sessions`, else `~/.local/state/orch/sessions`; `None`
    /// without a home.
    pub fn of_user(env: &BTreeMap<String, String>) -> Option<Self> {
        let absolute = |name: &str| env.get(name).filter(|path| path.starts_with('/')).map(Utf8PathBuf::from);
        let state = absolute("XDG_STATE_HOME").or_else(|| Some(absolute("HOME")?.join(".local/state")))?;
        Some(Self::at(state.join("orch/sessions")))
    }

    /// A store in a directory, which is made when something is put there.
    pub fn at(root: Utf8PathBuf) -> Self {
        Self { root }
    }

    /// The directory, which is also the session host's.
    pub fn root(&self) -> &Utf8Path {
        &self.root
    }

    /// Makes a place for a new session and returns its number.
    ///
    /// # Errors
    /// [`FileError`] when it cannot be made.
    pub fn create(&self) -> Result<LaunchId, FileError> {
        if let Some(parent) = self.root.parent() {
            DirBuilder::new().recursive(true).mode(0o700).create(parent).doing("make", parent)?;
        }
        DirBuilder::new().recursive(true).mode(0o700).create(&self.root).doing("make", &self.root)?;
        loop {
            let next = LaunchId(self.ids()?.last().map_or(0, |id| id.0) + 1);
            let dir = self.dir(next);
            match DirBuilder::new().mode(0o700).create(&dir) {
                Ok(()) => return Ok(next),
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error).doing("make", &dir),
            }
        }
    }

    /// Every session's number, ascending.
    ///
    /// # Errors
    /// [`FileError`] when the directory cannot be read; an absent one is empty.
    pub fn ids(&self) -> Result<Vec<LaunchId>, FileError> {
        let entries = match self.root.read_dir_utf8() {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.doing("list", &self.root)?,
        };
        let number = |name: &str| name.parse().ok().filter(|number: &u64| number.to_string() == name).map(LaunchId);
        let mut ids: Vec<LaunchId> = entries.flatten().filter_map(|entry| number(entry.file_name())).collect();
        ids.sort_unstable();
        Ok(ids)
    }

    /// Where a session's raw output is.
    pub fn log(&self, id: LaunchId) -> Utf8PathBuf {
        self.dir(id).join("log")
    }

    /// Where its prompt is.
    pub fn prompt(&self, id: LaunchId) -> Utf8PathBuf {
        self.dir(id).join("prompt.md")
    }

    /// Where the record of the repository's configuration is, for saving its work.
    pub fn git_baseline(&self, id: LaunchId) -> Utf8PathBuf {
        self.dir(id).join("git-baseline.json")
    }

    /// Writes what a session is started as.
    ///
    /// # Errors
    /// [`FileError`] when the file cannot be written.
    pub fn put_facts(&self, id: LaunchId, facts: &SessionFacts) -> Result<(), FileError> {
        put(&self.dir(id).join("session.json"), facts)
    }

    /// What a session was started as; `None` for one that never began.
    ///
    /// # Errors
    /// [`FileError`] when the file cannot be read.
    pub fn facts(&self, id: LaunchId) -> Result<Option<SessionFacts>, FileError> {
        get(&self.dir(id).join("session.json"))
    }

    /// Writes how a session ended; what was written before stays.
    ///
    /// # Errors
    /// [`FileError`] when the file cannot be written.
    pub fn put_end(&self, id: LaunchId, end: &SessionEnd) -> Result<(), FileError> {
        match self.end(id)? {
            Some(_) => Ok(()),
            None => put(&self.dir(id).join("end.json"), end),
        }
    }

    /// How a session ended; `None` while it has not.
    ///
    /// # Errors
    /// [`FileError`] when the file cannot be read.
    pub fn end(&self, id: LaunchId) -> Result<Option<SessionEnd>, FileError> {
        get(&self.dir(id).join("end.json"))
    }

    fn dir(&self, id: LaunchId) -> Utf8PathBuf {
        self.root.join(id.to_string())
    }
}

fn put(path: &Utf8Path, value: &impl Serialize) -> Result<(), FileError> {
    let text = serde_json::to_vec_pretty(value).map_err(std::io::Error::from).doing("put together", path)?;
    replace_file(path, &text, 0o600)
}

fn get<T: DeserializeOwned>(path: &Utf8Path) -> Result<Option<T>, FileError> {
    let text = match fs::read(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        text => text.doing("read", path)?,
    };
    serde_json::from_slice(&text).map(Some).map_err(std::io::Error::from).doing("understand", path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testdir::TestDir;

    #[test]
    fn numbers_are_never_given_twice_and_files_come_back() {
        let dir = TestDir::new();
        let store = SessionStore::at(dir.path().join("state/orch/sessions"));
        assert_eq!(store.ids().expect("none yet"), []);
        let made: Vec<LaunchId> = (0..11).map(|_| store.create().expect("made")).collect();
        assert_eq!(made.first().zip(made.last()), Some((&LaunchId(1), &LaunchId(11))));
        fs::write(store.root().join("host.lock"), "").expect("written");
        fs::create_dir(store.root().join("012")).expect("made");
        assert_eq!(store.ids().expect("listed"), made, "by number, and nothing else");
        let facts = SessionFacts {
            name: Some("fix".into()),
            agent: None,
            argv: vec!["sh".into(), "-c".into(), "true\n".into()],
            cwd: "/tmp".into(),
            started_at: Timestamp::from_millis(7),
            head: None,
            resumes: Some(LaunchId(3)),
            conversation: None,
        };
        assert_eq!(store.facts(LaunchId(2)).expect("absent"), None);
        store.put_facts(LaunchId(2), &facts).expect("written");
        assert_eq!(store.facts(LaunchId(2)).expect("read"), Some(facts));
        let end = |code| SessionEnd {
            lost: false,
            exit: ExitStatus { code: Some(code), signal: None },
            last_output_at: None,
            screen: "bye".into(),
            saved: None,
        };
        store.put_end(LaunchId(2), &end(3)).expect("written");
        store.put_end(LaunchId(2), &end(4)).expect("nothing to do");
        assert_eq!(store.end(LaunchId(2)).expect("read"), Some(end(3)), "an end is final");
    }

    #[test]
    fn the_users_place_is_where_xdg_says() {
        let of = |pairs: &[(&str, &str)]| {
            let env = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            SessionStore::of_user(&env).map(|store| store.root().to_string())
        };
        assert_eq!(of(&[("HOME", "/h")]).as_deref(), Some("/h/.local/state/orch/sessions"));
        assert_eq!(of(&[("HOME", "/h"), ("XDG_STATE_HOME", "/s")]).as_deref(), Some("/s/orch/sessions"));
        assert_eq!(of(&[("HOME", "/h"), ("XDG_STATE_HOME", "s")]).as_deref(), Some("/h/.local/state/orch/sessions"));
        assert_eq!(of(&[("XDG_STATE_HOME", "")]), None);
    }
}
