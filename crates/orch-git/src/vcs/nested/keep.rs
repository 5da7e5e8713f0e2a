//! Repositories inside a worktree as objects of the outer one: their files and their git directories, byte for byte.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use git2::{IndexEntry, IndexTime, Oid, Repository, StatusOptions};
use orch_core::base::Sha;
use orch_core::ports::VcsError;

use super::{Inner, Yard, in_time, open};

/// How much of one worktree's repositories is kept; what is larger is a person's.
const BYTES: u64 = 2 << 30;

/// What is kept of the repositories inside a worktree.
#[derive(Debug, Default)]
pub(in crate::vcs) struct Kept {
    /// Their files, as input of `update-index --index-info -z`.
    pub(in crate::vcs) entries: Vec<u8>,
    /// A tree with one numbered directory each: the `path`, and the `git` directory.
    pub(in crate::vcs) tree: Option<Sha>,
    /// Commits that only their worktrees hold, in the outer repository.
    pub(in crate::vcs) commits: Vec<Sha>,
}

impl Yard {
    /// Keeps the repositories that hold something which is nowhere else.
    pub(in crate::vcs) async fn keep(self, inner: Vec<Inner>) -> Result<Kept, VcsError> {
        if inner.iter().all(|inner| inner.only_here.is_none()) {
            return Ok(Kept::default());
        }
        in_time(move || {
            let outer = Repository::open(&self.common).map_err(|error| failed(Path::new(""), &error))?;
            let mut keeper =
                Keeper { yard: &self, outer: &outer, left: BYTES, kept: Kept::default(), trees: Vec::new() };
            for inner in inner.iter().filter(|inner| inner.only_here.is_some()) {
                keeper.keep(inner)?;
            }
            keeper.finish()
        })
        .await
    }
}

struct Keeper<'a> {
    yard: &'a Yard,
    outer: &'a Repository,
    /// How many more bytes may be kept.
    left: u64,
    kept: Kept,
    trees: Vec<Oid>,
}

impl Keeper<'_> {
    fn keep(&mut self, inner: &Inner) -> Result<(), VcsError> {
        let place = self.yard.worktree.as_std_path().join(&inner.path);
        let repository = open(&place).ok();
        let files = match &repository {
            Some(repository) => files_of(repository).map_err(|error| failed(&inner.path, &error))?,
            None => below(&place),
        };
        // The worktree's own files are saved with it.
        if !inner.path.as_os_str().is_empty() {
            for file in files {
                if let Some((mode, blob)) = self.blob(&place.join(&file))? {
                    let path = inner.path.join(&file);
                    self.kept.entries.extend_from_slice(format!("{mode:06o} {blob} 0\t").as_bytes());
                    self.kept.entries.extend_from_slice(path.as_os_str().as_bytes());
                    self.kept.entries.push(0);
                }
            }
        }
        let head = repository.as_ref().and_then(|repository| repository.head().ok()?.target());
        if let Some(head) = head.filter(|head| self.outer.find_commit(*head).is_ok()) {
            self.kept.commits.extend(Sha::parse(&head.to_string()).ok());
        }
        let git_dir = match &repository {
            Some(repository) => self.yard.git_dir_of(repository),
            None => Some(place.join(".git")).filter(|dir| dir.is_dir()),
        };
        if let Some(git_dir) = git_dir {
            self.git_dir(inner, &git_dir)?;
        }
        Ok(())
    }

    fn git_dir(&mut self, inner: &Inner, git_dir: &Path) -> Result<(), VcsError> {
        let failed = |error: &git2::Error| failed(&inner.path, error);
        let mut index = git2::Index::new().map_err(|error| failed(&error))?;
        for file in below(git_dir) {
            if let Some((mode, id)) = self.blob(&git_dir.join(&file))? {
                let path = file.as_os_str().as_bytes().to_vec();
                index.add(&entry(mode, id, path)).map_err(|error| failed(&error))?;
            }
        }
        let tree = index.write_tree_to(self.outer).map_err(|error| failed(&error))?;
        // What replaced the worktree's own link is kept beside its files.
        let place = Some(inner.path.as_os_str().as_bytes()).filter(|path| !path.is_empty()).unwrap_or(b".replaced");
        let path = self.outer.blob(place).map_err(|error| failed(&error))?;
        let mut both = self.outer.treebuilder(None).map_err(|error| failed(&error))?;
        both.insert("git", tree, 0o040_000).map_err(|error| failed(&error))?;
        both.insert("path", path, 0o100_644).map_err(|error| failed(&error))?;
        self.trees.push(both.write().map_err(|error| failed(&error))?);
        Ok(())
    }

    /// A file's mode and contents as an object; `None` for what has none, such as a socket.
    fn blob(&mut self, path: &Path) -> Result<Option<(u32, Oid)>, VcsError> {
        let lost = |error: &io::Error| unsaved(path, &error.to_string());
        let Ok(found) = path.symlink_metadata() else { return Ok(None) };
        if found.is_symlink() {
            let target = fs::read_link(path).map_err(|error| lost(&error))?;
            let id = self.outer.blob(target.as_os_str().as_bytes()).map_err(|error| failed(path, &error))?;
            return Ok(Some((0o120_000, id)));
        }
        if !found.is_file() {
            return Ok(None);
        }
        self.left = self
            .left
            .checked_sub(found.len())
            .ok_or_else(|| unsaved(path, &format!("the repositories inside hold more than {} GB", BYTES >> 30)))?;
        let mut file = regular(path).map_err(|error| lost(&error))?;
        let mut writer = self.outer.blob_writer(None).map_err(|error| failed(path, &error))?;
        io::copy(&mut file, &mut writer).map_err(|error| lost(&error))?;
        let id = writer.commit().map_err(|error| failed(path, &error))?;
        let mode = if found.permissions().mode() & 0o100 == 0 { 0o100_644 } else { 0o100_755 };
        Ok(Some((mode, id)))
    }

    fn finish(mut self) -> Result<Kept, VcsError> {
        if !self.trees.is_empty() {
            let failed = |error: &git2::Error| failed(Path::new(""), error);
            let mut all = self.outer.treebuilder(None).map_err(|error| failed(&error))?;
            for (number, tree) in self.trees.iter().enumerate() {
                all.insert((number + 1).to_string(), *tree, 0o040_000).map_err(|error| failed(&error))?;
            }
            let tree = all.write().map_err(|error| failed(&error))?;
            self.kept.tree = Sha::parse(&tree.to_string()).ok();
        }
        Ok(self.kept)
    }
}

/// Everything that is tracked or not ignored in a repository's worktree.
fn files_of(repository: &Repository) -> Result<Vec<PathBuf>, git2::Error> {
    let mut options = StatusOptions::new();
    options.include_untracked(true).recurse_untracked_dirs(true).include_unmodified(true);
    options.exclude_submodules(true).include_ignored(false).update_index(false);
    let statuses = repository.statuses(Some(&mut options))?;
    let paths = statuses.iter().map(|entry| super::bytes(entry.path_bytes()));
    Ok(paths.filter(|path| !path.as_os_str().as_bytes().ends_with(b"/")).collect())
}

/// All files below a directory but those of repositories in it, sorted; links are not followed.
fn below(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![dir.to_owned()];
    while let Some(next) = open.pop() {
        let Ok(entries) = fs::read_dir(&next) else { continue };
        for entry in entries.flatten().filter(|entry| entry.file_name() != ".git") {
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => open.push(entry.path()),
                Ok(_) => found.extend(entry.path().strip_prefix(dir).map(Path::to_owned)),
                Err(_) => {}
            }
        }
    }
    found.sort();
    found
}

/// Opens a regular file, never a link and never something that waits for a writer.
pub(in crate::vcs) fn regular(path: &Path) -> io::Result<File> {
    let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
    let file = OpenOptions::new().read(true).custom_flags(flags.bits().cast_signed()).open(path)?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(io::Error::other("it is no regular file")) }
}

fn entry(mode: u32, id: Oid, path: Vec<u8>) -> IndexEntry {
    let never = IndexTime::new(0, 0);
    IndexEntry {
        ctime: never,
        mtime: never,
        dev: 0,
        ino: 0,
        mode,
        uid: 0,
        gid: 0,
        file_size: 0,
        id,
        flags: 0,
        flags_extended: 0,
        path,
    }
}

fn failed(path: &Path, error: &git2::Error) -> VcsError {
    VcsError::Git { command: "save".to_owned(), stderr: format!("{}: {}", path.display(), error.message()) }
}

fn unsaved(path: &Path, why: &str) -> VcsError {
    VcsError::Git { command: "save".to_owned(), stderr: format!("{}: {why}", path.display()) }
}
