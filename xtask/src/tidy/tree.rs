use std::fs;
use std::path::Path;

use super::TidyError;

/// A text file of the project.
#[derive(Debug)]
pub(super) struct File {
    /// Relative to the workspace, with `/`.
    pub(super) path: String,
    pub(super) text: String,
}

impl File {
    pub(super) fn is_named(&self, name: &str) -> bool {
        self.path.rsplit('/').next() == Some(name)
    }

    pub(super) fn ending(&self) -> Option<&str> {
        self.path.rsplit_once('.').map(|(_, ending)| ending)
    }
}

/// Hidden directories that are the project's own.
const HIDDEN: [&str; 2] = [".ci", ".cargo"];

/// What is read; files without an ending are scripts and licences.
const ENDINGS: [&str; 8] = ["rs", "toml", "md", "sh", "json", "snap", "yml", ""];

/// Every text file of the project, in the order of their paths.
pub(super) fn read(root: &Path) -> Result<Vec<File>, TidyError> {
    let mut files = Vec::new();
    walk(root, "", &mut files)?;
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}

fn walk(dir: &Path, prefix: &str, files: &mut Vec<File>) -> Result<(), TidyError> {
    let unreadable = |source| TidyError::Unreadable { path: dir.to_owned(), source };
    for entry in fs::read_dir(dir).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = format!("{prefix}{name}");
        let kind = entry.file_type().map_err(unreadable)?;
        if kind.is_dir() {
            if name != "target" && (!name.starts_with('.') || HIDDEN.contains(&name.as_str())) {
                walk(&entry.path(), &format!("{path}/"), files)?;
            }
        } else if kind.is_file() && is_text(&name) {
            let bytes =
                fs::read(entry.path()).map_err(|source| TidyError::Unreadable { path: entry.path(), source })?;
            if let Ok(text) = String::from_utf8(bytes) {
                files.push(File { path, text });
            }
        }
    }
    Ok(())
}

fn is_text(name: &str) -> bool {
    !name.starts_with('.') && ENDINGS.contains(&name.rsplit_once('.').map_or("", |(_, ending)| ending))
}
