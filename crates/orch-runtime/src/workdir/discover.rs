use std::fs;
use std::os::unix::fs::MetadataExt;
use std::process::{Command, Stdio};

use camino::Utf8Path;

use super::{MARKER, Workdir, WorkdirError, user};

/// Where to look for the workdir.
#[derive(Debug, Clone, Copy)]
pub struct Search<'a> {
    /// `--workdir`.
    pub flag: Option<&'a Utf8Path>,
    /// `ORCH_WORKDIR`; empty counts as unset.
    pub variable: Option<&'a str>,
    /// The current directory.
    pub cwd: &'a Utf8Path,
}

/// A workdir that was found.
#[derive(Debug)]
pub struct Discovery {
    /// The workdir.
    pub workdir: Workdir,
    /// Nearer directories that looked like one and were passed over, and why.
    pub notes: Vec<String>,
}

impl Search<'_> {
    /// Finds the workdir: the flag's, else the variable's, else the current directory or the nearest
    /// `.orch/` upward. One that nobody named must be private (0700), the user's own, untracked by git
    /// and made by `init`: a repository that was merely cloned must not decide which commands run.
    ///
    /// # Errors
    /// [`WorkdirError::NotFound`], or those of [`Workdir::open`] for a directory that was named.
    pub fn find(&self) -> Result<Discovery, WorkdirError> {
        let variable = self.variable.filter(|v| !v.is_empty()).map(Utf8Path::new);
        if let Some(named) = self.flag.or(variable) {
            return Ok(Discovery { workdir: Workdir::open(&self.cwd.join(named))?, notes: Vec::new() });
        }
        let mut notes = Vec::new();
        let here = Some(self.cwd.to_owned()).filter(|dir| is_marked(dir) || dir.join("manifest.json").exists());
        let upward = self.cwd.ancestors().map(|dir| dir.join(".orch")).filter(|dir| fs::symlink_metadata(dir).is_ok());
        let upward = upward.filter(|dir| here.as_ref() != Some(dir));
        for candidate in here.iter().cloned().chain(upward) {
            match fault(&candidate, user()) {
                None => return Ok(Discovery { workdir: Workdir::open(&candidate)?, notes }),
                Some(why) => notes.push(format!("{candidate} was passed over: {why}")),
            }
        }
        Err(WorkdirError::NotFound { cwd: self.cwd.to_owned(), notes })
    }
}

fn is_marked(dir: &Utf8Path) -> bool {
    fs::symlink_metadata(dir.join(MARKER)).is_ok_and(|m| m.is_file())
}

/// Why a directory that nobody named is not taken as the workdir.
pub(super) fn fault(dir: &Utf8Path, user: u32) -> Option<String> {
    let meta = match fs::symlink_metadata(dir) {
        Ok(meta) => meta,
        Err(error) => return Some(format!("it cannot be looked at ({error})")),
    };
    if !meta.is_dir() {
        return Some("it is not a directory".to_owned());
    }
    if meta.uid() != user {
        return Some(format!("it belongs to user {}, not to you", meta.uid()));
    }
    if !is_marked(dir) {
        return Some("`orch init` did not make it".to_owned());
    }
    let mode = meta.mode() & 0o7777;
    if mode != 0o700 {
        return Some(format!("its mode is {mode:04o}, not 0700 (`chmod 700 {dir}` if it is yours)"));
    }
    git_fault(dir)
}

/// Why git does not prove the directory untracked, where there is a repository around it at all.
fn git_fault(dir: &Utf8Path) -> Option<String> {
    let (parent, name) = (dir.parent()?, dir.file_name()?);
    if !parent.ancestors().any(|above| fs::symlink_metadata(above.join(".git")).is_ok()) {
        return None;
    }
    let mut git = Command::new("git");
    for (variable, _) in std::env::vars_os().filter(|(k, _)| k.to_string_lossy().starts_with("GIT_")) {
        git.env_remove(variable);
    }
    git.args(["-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null", "-C", parent.as_str()]);
    git.args(["ls-files", "-z", "--", &format!(":(icase,literal){name}")]);
    match git.env("LC_ALL", "C").stdin(Stdio::null()).output() {
        Err(error) => Some(format!("git could not be asked whether it is tracked ({error})")),
        Ok(answer) if !answer.status.success() => {
            let said = String::from_utf8_lossy(&answer.stderr);
            let first: String = said.lines().next().unwrap_or("no reason given").chars().take(200).collect();
            Some(format!("git could not tell whether it is tracked ({first})"))
        }
        Ok(answer) if !answer.stdout.is_empty() => Some("git tracks it, so it came with the repository".to_owned()),
        Ok(_) => None,
    }
}
