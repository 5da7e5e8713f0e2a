use std::fs::{self, File};
use std::io::ErrorKind;

use camino::Utf8Path;
use orch_core::base::{BranchName, PullNumber, Sha};
use orch_core::ports::{Check, Fingerprint, ForgeError, PullChange, PullSpec, PullState, Review};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::person;
use crate::files::replace_file;

/// One pull request as `pulls.json` has it; fields of others survive.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Record {
    pub(super) number: PullNumber,
    pub(super) head: BranchName,
    pub(super) base: BranchName,
    #[serde(default)]
    pub(super) title: String,
    #[serde(default)]
    pub(super) body: String,
    pub(super) state: PullState,
    /// Where the head was when it was last seen open; once merged, what was merged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) head_sha: Option<Sha>,
    /// The commit that it became; of an open one, the commit that a merge under way will make.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) merge_sha: Option<Sha>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) draft: bool,
    /// What checks found, where something beside orch runs some.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) checks: Vec<Check>,
    /// What people said of it. Who may write this file is trusted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) reviews: Vec<Review>,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

/// All pull requests, with the lock that keeps other processes from them.
#[derive(Debug)]
pub(super) struct Records {
    document: Document,
    _lock: File,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Document {
    pulls: Vec<Record>,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

impl Record {
    /// The reviews as the port has them: one without an id is told by what it says.
    pub(super) fn reviews(&self) -> Vec<Review> {
        let known = |review: &Review| {
            let said = format!("{} {:?} {} {:?}", review.author, review.state, review.text, review.comments);
            let id = if review.id.is_empty() { format!("{:x}", Fingerprint::of(&said).0) } else { review.id.clone() };
            let mut review = review.clone();
            (review.id, review.trusted) = (id, true);
            review
        };
        self.reviews.iter().map(known).collect()
    }

    /// Takes over what is to change.
    pub(super) fn change(&mut self, change: &PullChange) {
        if let Some(base) = &change.base {
            self.base = base.clone();
        }
        if let Some(body) = &change.body {
            self.body.clone_from(body);
        }
        self.draft = change.draft.unwrap_or(self.draft);
    }
}

impl Records {
    /// Waits for the lock and reads the file; no file is no pull requests.
    pub(super) fn open(path: &Utf8Path) -> Result<Self, ForgeError> {
        let unusable = |what: &str, error: &dyn std::fmt::Display| person(&format!("{path}{what}"), error.to_string());
        let lock_path = path.with_extension("json.lock");
        let lock = File::options().read(true).append(true).create(true).open(&lock_path);
        let lock = lock.map_err(|error| unusable(".lock", &error))?;
        lock.lock().map_err(|error| unusable(".lock", &error))?;
        let document = match fs::read(path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| unusable("", &error))?,
            Err(error) if error.kind() == ErrorKind::NotFound => Document::default(),
            Err(error) => return Err(unusable("", &error)),
        };
        Ok(Self { document, _lock: lock })
    }

    /// Replaces the file; the lock stays held.
    pub(super) fn store(&self, path: &Utf8Path) -> Result<(), ForgeError> {
        let unusable = |error: String| person(path.as_str(), error);
        let mut bytes = serde_json::to_vec_pretty(&self.document).map_err(|error| unusable(error.to_string()))?;
        bytes.push(b'\n');
        replace_file(path, &bytes).map_err(|error| unusable(error.to_string()))
    }

    /// The newest pull request of a head branch.
    pub(super) fn newest(&self, head: &BranchName) -> Option<&Record> {
        self.document.pulls.iter().filter(|record| record.head == *head).max_by_key(|record| record.number)
    }

    /// # Errors
    /// [`ForgeError::NotFound`].
    pub(super) fn by_number(&self, number: PullNumber) -> Result<&Record, ForgeError> {
        let found = self.document.pulls.iter().find(|record| record.number == number);
        found.ok_or(ForgeError::NotFound { number })
    }

    /// Adds a pull request under the next free number.
    pub(super) fn add(&mut self, spec: &PullSpec) -> Record {
        let last = self.document.pulls.iter().map(|record| record.number.0).max().unwrap_or(0);
        let record = Record {
            number: PullNumber(last + 1),
            head: spec.head.clone(),
            base: spec.base.clone(),
            title: spec.title.clone(),
            body: spec.body.clone(),
            state: PullState::Open,
            head_sha: Some(spec.sha.clone()),
            merge_sha: None,
            draft: spec.draft,
            checks: Vec::new(),
            reviews: Vec::new(),
            rest: Map::new(),
        };
        self.document.pulls.push(record.clone());
        record
    }

    /// Puts a changed record in the place of the one with its number.
    pub(super) fn put(&mut self, changed: Record) {
        if let Some(record) = self.document.pulls.iter_mut().find(|record| record.number == changed.number) {
            *record = changed;
        }
    }
}
