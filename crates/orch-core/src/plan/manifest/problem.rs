//! What is wrong with a manifest, and where.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use crate::base::text::{clean, escape_line};

/// How many warnings of a kind are listed before they are only counted.
const MAX_WARNINGS: usize = 100;

/// The same for errors; only a file that is no manifest has so many.
const MAX_ERRORS: usize = 10_000;

/// Something wrong with a manifest, at a place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Problem {
    /// Where in the document: `$.phases[0].tasks[2].files[1]`.
    pub path: String,
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// What is wrong; one line, foreign text in it escaped.
    pub message: String,
    /// What to do about it.
    pub help: String,
    /// The rule that is broken.
    #[serde(skip)]
    pub kind: ProblemKind,
}

/// The rules that a manifest can break.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum ProblemKind {
    /// Error: more than 256 MiB.
    TooLarge,
    /// Error: not UTF-8.
    Encoding,
    /// Error: not JSON.
    Syntax,
    /// Error: nested more than 128 levels deep.
    TooDeep,
    /// Error: a key twice in one object.
    DuplicateKey,
    /// Error: a required field is not there.
    Missing,
    /// Error: a value of another type.
    Type,
    /// Error: a text that is none of the names allowed, or not of the form required.
    Value,
    /// Error: a number out of range.
    Number,
    /// Error: a text that is no RFC 3339 time.
    Time,
    /// Error: a text that is no task id.
    Id,
    /// Error: an id twice, or two that count as the same.
    DuplicateId,
    /// Error: a text that is no branch name.
    Branch,
    /// Error: branches that are equal or stand in each other's way.
    BranchCollision,
    /// Error: an entry of `files` that is none.
    File,
    /// Error: a NUL character where none can be passed on.
    Nul,
    /// Error: a dependency on a task that is not there.
    UnknownDependency,
    /// Error: a task that depends on itself.
    SelfDependency,
    /// Error: a dependency on a task of a later phase.
    LaterPhase,
    /// Error: tasks that wait for each other.
    Cycle,
    /// Error: a phase that is not there.
    Phase,
    /// Warning: an entry of `files` or `dependsOn` twice.
    Repeated,
    /// Warning: an unknown field whose name is nearly that of a known one.
    NearMiss,
    /// Warning: a task without `files`.
    NoFiles,
    /// Warning: two tasks of a phase with overlapping files and no declared order.
    UndeclaredOrder,
    /// Warning: a task that may start without the work of an earlier phase.
    LacksEarlierWork,
}

impl ProblemKind {
    /// Whether the manifest is taken all the same.
    pub fn is_warning(self) -> bool {
        self >= Self::Repeated
    }

    /// How many are listed before they are only counted.
    pub(super) fn limit(self) -> usize {
        if self.is_warning() { MAX_WARNINGS } else { MAX_ERRORS }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}: {} ({})", self.line, self.column, self.path, self.message, self.help)
    }
}

/// A place in the document, as a chain up to the root.
pub(super) enum At<'a> {
    Root,
    Key(&'a At<'a>, &'a str),
    Item(&'a At<'a>, usize),
}

impl At<'_> {
    /// Appends the last step of the chain.
    pub(super) fn push_last(&self, path: &mut String) {
        let plain =
            |key: &str| !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'$'));
        match self {
            Self::Root => path.push('$'),
            Self::Item(_, index) => path.extend(["[", &index.to_string(), "]"]),
            Self::Key(_, key) if plain(key) => {
                path.push('.');
                path.push_str(key);
            }
            Self::Key(_, key) => path.extend(["[", &quoted(key), "]"]),
        }
    }

    fn path(&self) -> String {
        let mut path = match self {
            Self::Root => String::new(),
            Self::Key(parent, _) | Self::Item(parent, _) => parent.path(),
        };
        self.push_last(&mut path);
        path
    }
}

/// Problems as they are found, by their byte offset.
#[derive(Default)]
pub(super) struct Problems {
    found: Vec<(u32, Problem)>,
    counts: BTreeMap<ProblemKind, usize>,
}

impl Problems {
    pub(super) fn add(
        &mut self,
        kind: ProblemKind,
        at: &At<'_>,
        offset: u32,
        message: String,
        help: impl Into<String>,
    ) {
        if !self.only_counts(kind) {
            *self.counts.entry(kind).or_default() += 1;
            self.push(kind, at.path(), offset, message, help.into());
        }
    }

    /// Whether enough problems of the kind are listed. If so, this one is counted, and its text need not
    /// be made.
    pub(super) fn only_counts(&mut self, kind: ProblemKind) -> bool {
        let Some(count) = self.counts.get_mut(&kind).filter(|count| **count >= kind.limit()) else { return false };
        *count += 1;
        true
    }

    pub(super) fn push(&mut self, kind: ProblemKind, path: String, offset: u32, message: String, help: String) {
        self.found.push((offset, Problem { path, line: 0, column: 0, message, help, kind }));
    }

    pub(super) fn has_errors(&self) -> bool {
        self.found.iter().any(|(_, problem)| !problem.kind.is_warning())
    }

    /// The problems in the order of the document, with lines and columns.
    pub(super) fn finish(mut self, text: &str) -> Vec<Problem> {
        let end = u32::try_from(text.len()).unwrap_or(u32::MAX);
        for (kind, count) in std::mem::take(&mut self.counts) {
            if let Some(more) = count.checked_sub(kind.limit()).filter(|more| *more > 0) {
                let noun = if kind.is_warning() { "warnings" } else { "errors" };
                let message = format!("{more} more {noun} of this kind ({kind:?}) are not listed");
                self.push(kind, "$".to_owned(), end, message, "see to those listed first".to_owned());
            }
        }
        self.found.sort_by_key(|(offset, _)| *offset);
        let (mut line, mut column, mut at) = (1, 1, 0_usize);
        let mut placed = Vec::with_capacity(self.found.len());
        for (offset, mut problem) in self.found {
            let stop = (offset as usize).clamp(at, text.len());
            for letter in text[at..stop].chars() {
                (line, column) = if letter == '\n' { (line + 1, 1) } else { (line, column + 1) };
            }
            at = stop;
            (problem.line, problem.column) = (line, column);
            placed.push(problem);
        }
        placed
    }
}

/// A piece of the document for a message: one line, bounded, escaped, in double quotes.
pub(super) fn quoted(text: &str) -> String {
    let shown = escape_line(text);
    if shown.chars().count() <= 80 { format!("\"{shown}\"") } else { format!("\"{}\"", clean(&shown, 80)) }
}
