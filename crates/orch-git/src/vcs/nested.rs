//! Repositories inside a worktree: submodules, and what agents make or clone there.
//!
//! Their configuration, filters and hooks are an agent's, so everything here goes through libgit2, which starts no
//! program, and whatever cannot be read is taken for work that is nowhere else.

mod keep;

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use git2::{Index, Oid, Repository, RepositoryOpenFlags, StatusOptions};
use orch_core::base::Sha;
use orch_core::ports::{Nested, VcsError};

use super::GitVcs;
use super::checkout::Checkout;
use super::status::Status;
use super::submodules::{Modules, links_at};

pub(super) use keep::{Kept, regular};

/// How long looking at all repositories of a worktree may take: one of them may hold a pipe where a file belongs.
const PATIENCE: Duration = Duration::from_secs(60);
/// How deep repositories are looked for in directories.
const DEPTH: usize = 64;
/// The mode of an entry that is a link to a commit.
const LINK: u32 = 0o160_000;

/// One repository inside a worktree.
#[derive(Debug)]
pub(super) struct Inner {
    /// Where it is, relative to the worktree.
    path: PathBuf,
    /// What it holds that is nowhere else, for people.
    only_here: Option<String>,
}

/// Where a worktree and its repository are, and which repositories of submodules the user has.
#[derive(Debug, Clone)]
pub(super) struct Yard {
    worktree: Utf8PathBuf,
    /// The worktree's own git directory.
    git_dir: Utf8PathBuf,
    common: Utf8PathBuf,
    modules: Modules,
}

impl GitVcs {
    pub(super) fn yard(&self, checkout: &Checkout) -> Yard {
        Yard {
            worktree: checkout.repo.dir().to_owned(),
            git_dir: checkout.git_dir.clone(),
            common: self.common.clone(),
            modules: Modules::of(&self.common, self.repo.dir(), checkout.repo.dir()),
        }
    }

    /// The repositories of a worktree whose work since `start` could not be published with it.
    pub(super) async fn unpublishable(
        &self,
        checkout: &Checkout,
        status: &Status,
        start: &Sha,
    ) -> Result<Vec<Nested>, VcsError> {
        let (yard, start) = (self.yard(checkout), start.clone());
        let untracked: BTreeSet<Vec<u8>> =
            status.untracked.iter().filter(|path| path.ends_with(b"/")).cloned().collect();
        let moved = status.links.clone();
        in_time(move || yard.unpublishable(&untracked, &moved, &start)).await
    }

    /// All repositories of a worktree, ignored ones too, with what each holds that is nowhere else.
    pub(super) async fn inner(&self, checkout: &Checkout) -> Result<Vec<Inner>, VcsError> {
        let yard = self.yard(checkout);
        in_time(move || Ok(yard.inner())).await
    }
}

impl Inner {
    /// The repository for people, if something in it is nowhere else.
    pub(super) fn at_risk(&self) -> Option<String> {
        let why = self.only_here.as_ref()?;
        Some(format!("the repository {} inside it ({why})", self.path.display()))
    }
}

impl Yard {
    fn unpublishable(
        &self,
        untracked: &BTreeSet<Vec<u8>>,
        moved: &BTreeSet<Vec<u8>>,
        start: &Sha,
    ) -> Result<Vec<Nested>, VcsError> {
        let mut found: BTreeMap<PathBuf, String> = BTreeMap::new();
        for path in untracked {
            let path = path.strip_suffix(b"/").unwrap_or(path);
            found.insert(bytes(path), "a repository of its own, which no commit here can hold".to_owned());
        }
        let links = links(&self.git_dir.join("index")).map_err(unreadable)?;
        let before =
            if links.is_empty() { BTreeMap::new() } else { links_at(&self.common, start).map_err(unreadable)? };
        for (path, target) in links {
            let place = bytes(&path);
            let committed_anew = before.get(&path) != Some(&target);
            let why = if moved.contains(&path) {
                Some("the commit checked out there is not the one that is committed".to_owned())
            } else if committed_anew {
                self.out_of_reach(&place, target)
            } else {
                None
            };
            let inner = self.inner_below(&place);
            let why = why.or_else(|| inner.into_iter().find_map(|inner| inner.only_here));
            if let Some(why) = why {
                found.insert(place, why);
            }
        }
        let nested = |(path, why): (PathBuf, String)| Nested { path: path.to_string_lossy().into_owned(), why };
        Ok(found.into_iter().map(nested).collect())
    }

    /// Why nobody else could check out the commit that a link leads to.
    fn out_of_reach(&self, place: &Path, target: Oid) -> Option<String> {
        let Some(name) = self.modules.name(place) else {
            return Some("a link to a repository that .gitmodules does not name".to_owned());
        };
        let here = open(&self.worktree.as_std_path().join(place)).ok();
        let known = here.into_iter().chain(self.modules.repository(name));
        let mut known = known.filter(|repository| reaches(repository, "refs/remotes/*", target));
        if known.next().is_some() { None } else { Some(format!("a link to commit {target:.10}, which no remote has")) }
    }

    fn inner(&self) -> Vec<Inner> {
        let mut found = self.inner_below(Path::new(""));
        found.sort_by(|a, b| a.path.cmp(&b.path));
        found
    }

    fn inner_below(&self, place: &Path) -> Vec<Inner> {
        let root = self.worktree.as_std_path();
        let found = repositories(&root.join(place)).into_iter();
        let relative = found.filter_map(|path| path.strip_prefix(root).map(Path::to_owned).ok());
        let relative = relative.filter(|path| !path.as_os_str().is_empty() || self.root_is_foreign());
        relative.map(|path| Inner { only_here: self.only_here(&path), path }).collect()
    }

    /// Whether what stands for the worktree's own link is a repository.
    fn root_is_foreign(&self) -> bool {
        let link = self.worktree.join(".git");
        link.is_dir() && link.canonicalize_utf8().ok() != self.common.canonicalize_utf8().ok()
    }

    /// What a repository holds that is nowhere else.
    fn only_here(&self, path: &Path) -> Option<String> {
        let place = self.worktree.as_std_path().join(path);
        let repository = match open(&place) {
            Ok(repository) => repository,
            Err(_) if is_hollow(&place.join(".git")) => return None,
            Err(error) => return Some(format!("it cannot be read: {}", error.message())),
        };
        match self.found_only_in(path, &repository) {
            Ok(found) => found,
            Err(error) => Some(format!("it cannot be read: {}", error.message())),
        }
    }

    fn found_only_in(&self, path: &Path, repository: &Repository) -> Result<Option<String>, git2::Error> {
        let mut options = StatusOptions::new();
        options.include_untracked(true).exclude_submodules(true).include_ignored(false).update_index(false);
        let statuses = repository.statuses(Some(&mut options))?;
        let dirty = statuses.iter().find(|entry| !entry.path_bytes().ends_with(b".git/"));
        if let Some(entry) = dirty {
            let name = String::from_utf8_lossy(entry.path_bytes()).into_owned();
            return Ok(Some(format!("uncommitted: {name}")));
        }
        let lies_here = self.git_dir_of(repository).is_some();
        let shares = same(repository.commondir(), self.common.as_std_path());
        if !lies_here && !shares {
            return Ok(None);
        }
        let mut walk = repository.revwalk()?;
        // A tag of a clone is its remote's, wherever it points.
        let cloned = repository.references_glob("refs/remotes/*")?.next().is_some();
        for reference in repository.references()? {
            let reference = reference?;
            let name = reference.name_bytes();
            let is_remote = name.starts_with(b"refs/remotes/");
            if shares || is_remote || cloned && name.starts_with(b"refs/tags/") {
                continue;
            }
            if let Ok(commit) = reference.peel_to_commit() {
                walk.push(commit.id())?;
            }
        }
        match repository.head() {
            Ok(head) => walk.push(head.peel_to_commit()?.id())?,
            Err(error) if error.code() == git2::ErrorCode::UnbornBranch => {}
            Err(error) => return Err(error),
        }
        walk.hide_glob(if shares { "refs/*" } else { "refs/remotes/*" })?;
        let theirs = self.modules.name(path).and_then(|name| self.modules.repository(name));
        let theirs = theirs.as_ref().map(Repository::odb).transpose()?;
        for commit in walk {
            let commit = commit?;
            if !theirs.as_ref().is_some_and(|theirs| theirs.exists(commit)) {
                return Ok(Some(format!("commit {commit:.10} is on no remote of it")));
            }
        }
        Ok(None)
    }

    /// A repository's git directory, if it goes with the worktree.
    fn git_dir_of(&self, repository: &Repository) -> Option<PathBuf> {
        let git_dir = repository.path().canonicalize().ok()?;
        let goes = |place: &Utf8Path| place.canonicalize_utf8().is_ok_and(|place| git_dir.starts_with(place));
        (goes(&self.worktree) || goes(&self.git_dir)).then_some(git_dir)
    }
}

/// Runs what reads repositories of agents beside everything else, and gives up after a while.
pub(super) async fn in_time<T: Send + 'static>(
    look: impl FnOnce() -> Result<T, VcsError> + Send + 'static,
) -> Result<T, VcsError> {
    let failed = |why: String| VcsError::Git { command: "a look at the repositories inside".to_owned(), stderr: why };
    match tokio::time::timeout(PATIENCE, tokio::task::spawn_blocking(look)).await {
        Ok(Ok(found)) => found,
        Ok(Err(error)) => Err(failed(error.to_string())),
        Err(_) => Err(failed(format!("no answer in {} s", PATIENCE.as_secs()))),
    }
}

/// Directories that hold something named `.git`, the given one included.
fn repositories(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![(dir.to_owned(), 0)];
    while let Some((dir, depth)) = open.pop() {
        let Ok(entries) = fs::read_dir(&dir) else { continue };
        for entry in entries.flatten() {
            let Ok(kind) = entry.file_type() else { continue };
            if entry.file_name() == ".git" {
                found.push(dir.clone());
            } else if kind.is_dir() && depth < DEPTH {
                open.push((entry.path(), depth + 1));
            }
        }
    }
    found
}

pub(super) fn open(place: &Path) -> Result<Repository, git2::Error> {
    let link = place.join(".git");
    let readable = link.metadata().is_ok_and(|found| found.is_dir() || found.is_file() && found.len() < 1 << 16);
    if !readable {
        return Err(git2::Error::from_str("its .git is neither a directory nor a link to one"));
    }
    Repository::open_ext(place, RepositoryOpenFlags::NO_SEARCH, &[] as &[&OsStr])
}

/// Whether a `.git` that is no repository holds nothing at all.
fn is_hollow(link: &Path) -> bool {
    fs::read_dir(link).is_ok_and(|mut entries| entries.next().is_none())
}

/// Whether a ref of the pattern contains the commit.
fn reaches(repository: &Repository, pattern: &str, commit: Oid) -> bool {
    let Ok(references) = repository.references_glob(pattern) else { return false };
    references.flatten().filter_map(|reference| reference.peel_to_commit().ok()).any(|tip| {
        tip.id() == commit || repository.graph_descendant_of(tip.id(), commit).is_ok_and(|contained| contained)
    })
}

/// The links to commits in an index.
pub(super) fn links(index: &Utf8Path) -> Result<Vec<(Vec<u8>, Oid)>, git2::Error> {
    if !index.exists() {
        return Ok(Vec::new());
    }
    let index = Index::open(index.as_std_path())?;
    Ok(index.iter().filter(|entry| entry.mode == LINK).map(|entry| (entry.path, entry.id)).collect())
}

fn same(a: &Path, b: &Path) -> bool {
    a.canonicalize().ok().zip(b.canonicalize().ok()).is_some_and(|(a, b)| a == b)
}

fn bytes(path: &[u8]) -> PathBuf {
    PathBuf::from(OsStr::from_bytes(path))
}

#[expect(clippy::needless_pass_by_value, reason = "it is what map_err hands over")]
fn unreadable(error: git2::Error) -> VcsError {
    VcsError::Git { command: "index".to_owned(), stderr: error.message().to_owned() }
}
