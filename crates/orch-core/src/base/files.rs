//! Which files a task may touch, and whether two such sets can meet.

mod class;
mod glob;
mod path;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use glob::{Pattern, read_glob};
use path::{components, is_at_or_below};

/// The longest entry in bytes: Linux' `PATH_MAX`.
const MAX_ENTRY: usize = 4096;

/// Why an entry of `files` is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum FileFault {
    /// It names nothing: empty, `.` or `./`.
    #[error("it names nothing")]
    Empty,
    /// It is longer than 4096 bytes.
    #[error("it is longer than {MAX_ENTRY} bytes")]
    TooLong,
    /// It begins with a slash.
    #[error("it is absolute")]
    Absolute,
    /// It has a `..` component.
    #[error("'..' may lead out of the repository")]
    Parent,
    /// It has a NUL character.
    #[error("it contains a NUL character")]
    Nul,
    /// A `[` has no `]` in the same path component.
    #[error("'[' is not closed by ']'")]
    UnclosedClass,
    /// A `[..]` can match nothing.
    #[error("the range in '[..]' matches nothing")]
    EmptyClass,
    /// A `{` or `}` is alone.
    #[error("'{{' and '}}' do not pair up")]
    UnbalancedBrace,
    /// A `\` has nothing to escape.
    #[error("'\\' at the end escapes nothing")]
    DanglingEscape,
    /// Its braces come to more than 1,000 alternatives.
    #[error("its braces come to more than 1,000 alternatives")]
    TooManyAlternatives,
}

impl FileFault {
    /// What to do about it.
    pub fn help(self) -> &'static str {
        match self {
            Self::Empty => "name a path, a directory (docs/) or a glob; ** means every file",
            Self::TooLong => "name the directory or use a shorter glob",
            Self::Absolute => "give the path from the repository's root, without a leading slash",
            Self::Parent => "give the path from the repository's root, without '..'",
            Self::Nul => "remove the NUL character",
            Self::UnclosedClass => "close the class in the same path component, or write \\[ for a bracket",
            Self::EmptyClass => "put the lower letter first, and no slash inside the brackets",
            Self::UnbalancedBrace => "close the braces, or write \\{ for a brace",
            Self::DanglingEscape => "remove the backslash, or double it",
            Self::TooManyAlternatives => "use * or ** instead, or several entries",
        }
    }
}

/// The paths, directories and globs of one task, as written in the manifest (leading `./` dropped,
/// repeats left out).
///
/// A plain path means that path. Because it may turn out to be a directory, `a/b` counts as inside
/// plain `a`, and so does a glob whose literal beginning is at or below it. A directory (`docs/`)
/// means itself and all below. In a glob, `*` and `?` stay within one path component, `**` as a whole
/// component spans any number, `[..]` is one letter, `{a,b}` are alternatives (which may hold slashes),
/// and `\` takes the meaning from the next letter. A glob matches whole paths only; it also means the path that
/// is spelled like it.
///
/// Deserialising checks as [`FileSet::parse`] does.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(try_from = "Vec<String>", into = "Vec<String>")]
pub struct FileSet {
    entries: Vec<String>,
    shapes: Vec<Shape>,
}

#[derive(Debug, Clone)]
pub(crate) enum Shape {
    Path,
    Directory,
    Glob(Box<[Pattern]>),
}

/// One entry of a set, read.
#[derive(Clone, Copy)]
pub(crate) struct Entry<'s> {
    pub(crate) text: &'s str,
    pub(crate) shape: &'s Shape,
}

impl FileSet {
    /// Parses the entries of a manifest.
    ///
    /// # Errors
    /// Every entry that is none, by its index.
    pub fn parse(entries: &[String]) -> Result<Self, Vec<(usize, FileFault)>> {
        let (mut set, mut faults, mut seen) = (Self::default(), Vec::new(), BTreeSet::new());
        for (index, written) in entries.iter().enumerate() {
            match read_entry(written) {
                Err(fault) => faults.push((index, fault)),
                Ok((text, shape)) => {
                    if seen.insert(text.clone()) {
                        set.entries.push(text);
                        set.shapes.push(shape);
                    }
                }
            }
        }
        if faults.is_empty() { Ok(set) } else { Err(faults) }
    }

    /// Whether nothing is declared; such a set overlaps nothing.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The entries as written.
    pub fn entries(&self) -> &[String] {
        &self.entries
    }

    /// Whether some path could match both sets.
    pub fn overlaps(&self, other: &Self) -> bool {
        self.each().any(|own| other.each().any(|theirs| own.overlaps(theirs)))
    }

    /// What two sets have in common: of each pair of entries that overlap the more specific one,
    /// sorted, each once.
    pub fn shared(&self, other: &Self) -> Vec<String> {
        let pairs = self.each().flat_map(|own| other.each().map(move |theirs| (own, theirs)));
        let common: BTreeSet<&str> =
            pairs.filter(|(own, theirs)| own.overlaps(*theirs)).map(|(own, theirs)| own.narrower(theirs)).collect();
        common.into_iter().map(str::to_owned).collect()
    }

    /// Whether a repository-relative path belongs to the set.
    pub fn covers(&self, path: &str) -> bool {
        self.each().any(|entry| entry.covers(path))
    }

    pub(crate) fn each(&self) -> impl Iterator<Item = Entry<'_>> {
        self.entries.iter().zip(&self.shapes).map(|(text, shape)| Entry { text, shape })
    }
}

impl<'s> Entry<'s> {
    /// Whether some path could match both.
    pub(crate) fn overlaps(self, other: Entry<'_>) -> bool {
        match (self.shape, other.shape) {
            (Shape::Glob(_), Shape::Glob(_)) if self.text == other.text => true,
            (Shape::Glob(own), _) => other.meets_glob(own),
            (_, Shape::Glob(theirs)) => self.meets_glob(theirs),
            _ => is_at_or_below(self.root(), other.root()) || is_at_or_below(other.root(), self.root()),
        }
    }

    /// The paths at or below which everything lies that the entry could match; empty for the whole tree.
    pub(crate) fn prefixes(self) -> Vec<&'s str> {
        match self.shape {
            Shape::Path | Shape::Directory => vec![self.root()],
            Shape::Glob(patterns) => patterns.iter().map(|pattern| pattern.prefix.as_str()).collect(),
        }
    }

    /// The one of two overlapping entries that says more.
    pub(crate) fn narrower(self, other: Entry<'s>) -> &'s str {
        let rank = |entry: Entry<'s>| {
            let literal = entry.text.chars().filter(|letter| !"*?[]{},\\".contains(*letter)).count();
            (matches!(entry.shape, Shape::Path), literal, std::cmp::Reverse(entry.text))
        };
        if rank(self) >= rank(other) { self.text } else { other.text }
    }

    fn covers(self, path: &str) -> bool {
        match self.shape {
            Shape::Path | Shape::Directory => is_at_or_below(path, self.root()),
            Shape::Glob(patterns) => patterns.iter().any(|pattern| pattern.matches(path)),
        }
    }

    fn meets_glob(self, patterns: &[Pattern]) -> bool {
        match self.shape {
            Shape::Path => patterns.iter().any(|pattern| pattern.meets_path(self.root())),
            Shape::Directory => {
                let own = Pattern::directory(self.root());
                patterns.iter().any(|pattern| pattern.overlaps(&own))
            }
            Shape::Glob(own) => own.iter().any(|a| patterns.iter().any(|b| a.overlaps(b))),
        }
    }

    fn root(self) -> &'s str {
        self.text.trim_end_matches('/')
    }
}

/// The entry as [`FileSet`] keeps it.
pub(crate) fn entry_text(written: &str) -> Result<String, FileFault> {
    read_entry(written).map(|(text, _)| text)
}

/// The entry as kept: without `./`, empty and `.` components.
fn read_entry(written: &str) -> Result<(String, Shape), FileFault> {
    if written.len() > MAX_ENTRY {
        return Err(FileFault::TooLong);
    }
    if written.contains('\0') {
        return Err(FileFault::Nul);
    }
    if written.starts_with('/') {
        return Err(FileFault::Absolute);
    }
    let parts: Vec<&str> = components(written).collect();
    if parts.is_empty() {
        return Err(FileFault::Empty);
    }
    if parts.contains(&"..") {
        return Err(FileFault::Parent);
    }
    let directory = written.ends_with('/') || written.ends_with("/.");
    let text = parts.join("/") + if directory { "/" } else { "" };
    let shape = if text.contains(['*', '?', '[', '{', '}']) {
        Shape::Glob(read_glob(&text)?.into())
    } else if directory {
        Shape::Directory
    } else {
        Shape::Path
    };
    Ok((text, shape))
}

impl PartialEq for FileSet {
    fn eq(&self, other: &Self) -> bool {
        self.entries == other.entries
    }
}

impl Eq for FileSet {}

impl std::fmt::Debug for FileSet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(&self.entries).finish()
    }
}

impl TryFrom<Vec<String>> for FileSet {
    type Error = FileFault;
    fn try_from(entries: Vec<String>) -> Result<Self, FileFault> {
        Self::parse(&entries).map_err(|faults| faults.first().map_or(FileFault::Empty, |(_, fault)| *fault))
    }
}

impl From<FileSet> for Vec<String> {
    fn from(set: FileSet) -> Self {
        set.entries
    }
}

#[cfg(test)]
mod tests;
