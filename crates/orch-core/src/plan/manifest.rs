//! The manifest: text to a validated plan, all problems at once with their places, and back.

mod advice;
mod check;
mod diff;
mod fields;
mod json;
mod merge;
mod problem;
mod read;
mod render;
mod schema;
mod starter;
mod state;

use crate::base::time::Timestamp;
use crate::plan::graph::TaskGraph;
use crate::plan::spec::{Gate, Plan};

use check::Checker;
use json::Document;
use problem::Problems;

pub use diff::{PlanDiff, diff};
pub use problem::{Problem, ProblemKind};
pub use schema::schema;
pub use starter::Starter;
pub use state::{ImportedTask, ProjectedTask, Projection};

/// The largest manifest in bytes.
const MAX_BYTES: usize = 256 * 1024 * 1024;

/// A manifest without errors: its plan, the states that it shows, and the document as it was written.
#[derive(Debug, Clone)]
pub struct Manifest {
    document: Document,
    plan: Plan,
    graph: TaskGraph,
    imported: Vec<ImportedTask>,
    workdir: Option<String>,
    socket: Option<String>,
    created: Option<Timestamp>,
    journal: Option<(u64, u64)>,
}

/// A manifest and what is odd about it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Parsed {
    /// The manifest.
    pub manifest: Manifest,
    /// Warnings in the order of the document.
    pub warnings: Vec<Problem>,
}

impl Manifest {
    /// Parses a manifest of UTF-8 JSON; one byte order mark at the beginning is accepted.
    ///
    /// `null` in an optional field is its default, unknown fields are kept. Time and memory are linear in
    /// the input, whatever it holds.
    ///
    /// # Errors
    /// Every error at once, in the order of the document, followed by nothing else; no warnings among them.
    pub fn parse(bytes: &[u8]) -> Result<Parsed, Vec<Problem>> {
        let mut problems = Problems::default();
        let text = match decoded(bytes) {
            Ok(text) => text,
            Err((valid, problem)) => {
                problems.push(problem.kind, problem.path, u32::MAX, problem.message, problem.help);
                return Err(problems.finish(valid));
            }
        };
        let (document, faults) = json::read(text.to_owned());
        for fault in faults {
            problems.push(fault.kind, fault.path, fault.offset, fault.message, fault.help.to_owned());
        }
        let Some(document) = document else { return Err(problems.finish(text)) };
        let parsed = Self::from_document(&document, &mut problems);
        let (warnings, errors): (Vec<Problem>, Vec<Problem>) =
            problems.finish(text).into_iter().partition(|problem| problem.kind.is_warning());
        match parsed {
            Some(draft) if errors.is_empty() => Ok(Parsed { manifest: draft(document), warnings }),
            _ => Err(errors),
        }
    }

    fn from_document(document: &Document, problems: &mut Problems) -> Option<impl FnOnce(Document) -> Self + use<>> {
        let contents = read::read(document.root(), problems);
        let mut checker = Checker { contents: &contents, problems };
        let tasks = checker.tasks();
        if checker.problems.has_errors() {
            return None;
        }
        let settings = contents.settings.clone()?;
        let plan = Plan { settings, phases: contents.phases.clone(), tasks };
        let graph = TaskGraph::build(&plan).ok()?;
        checker.undeclared(&plan, &graph);
        if plan.settings.gate != Gate::Merged {
            checker.lacking(&plan, &graph);
        }
        let state = |draft: &read::Draft<'_>| {
            let (id, _) = draft.id.clone()?;
            Some(ImportedTask { id, state: draft.state.clone() })
        };
        let imported = contents.tasks.iter().filter_map(state).collect();
        let read::Contents { workdir, socket, created, journal, .. } = contents;
        Some(move |document| Self { document, plan, graph, imported, workdir, socket, created, journal })
    }

    /// What it decides.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The order of its tasks.
    pub fn graph(&self) -> &TaskGraph {
        &self.graph
    }

    /// The states that it shows, of all tasks in manifest order.
    pub fn imported(&self) -> &[ImportedTask] {
        &self.imported
    }

    /// How much of the journal those states show: the last record's number and the journal's length in bytes.
    pub fn journal_mark(&self) -> Option<(u64, u64)> {
        self.journal
    }

    /// The directory that it says it belongs to.
    pub fn workdir(&self) -> Option<&str> {
        self.workdir.as_deref()
    }

    /// Where it says the tmux server listens.
    pub fn socket(&self) -> Option<&str> {
        self.socket.as_deref()
    }

    /// When it was made.
    pub fn created(&self) -> Option<Timestamp> {
        self.created
    }
}

/// The text of the input, or what is valid of it and why the rest is not.
fn decoded(bytes: &[u8]) -> Result<&str, (&str, Problem)> {
    let refuse = |kind, message: String, help: &str| {
        let (path, help) = ("$".to_owned(), help.to_owned());
        Problem { path, line: 0, column: 0, message, help, kind }
    };
    let again = "save the file as UTF-8";
    if bytes.len() > MAX_BYTES {
        let message = format!("the manifest has {} bytes, more than 256 MiB", bytes.len());
        return Err(("", refuse(ProblemKind::TooLarge, message, "split the work into several workdirs")));
    }
    let rest = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let wide = [b"\xff\xfe".as_slice(), b"\xfe\xff", b"\0\0\xfe\xff"];
    if wide.iter().any(|mark| bytes.starts_with(mark)) {
        let message = "the file is UTF-16 or UTF-32, by the mark at its beginning".to_owned();
        return Err(("", refuse(ProblemKind::Encoding, message, again)));
    }
    if rest.starts_with(b"\xef\xbb\xbf") {
        let message = "the file begins with two byte order marks".to_owned();
        return Err(("", refuse(ProblemKind::Encoding, message, "remove them: a manifest needs none")));
    }
    std::str::from_utf8(rest).map_err(|error| {
        let valid = std::str::from_utf8(&rest[..error.valid_up_to()]).unwrap_or_default();
        let byte = rest.get(error.valid_up_to()).copied().unwrap_or_default();
        (valid, refuse(ProblemKind::Encoding, format!("the byte 0x{byte:02x} here is not UTF-8"), again))
    })
}

#[cfg(test)]
mod tests;
