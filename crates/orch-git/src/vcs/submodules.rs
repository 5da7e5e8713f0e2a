//! Submodules, filled from the repositories that the user's own clone has of them: without network, and without
//! anything that an agent could have configured.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use camino::{Utf8Path, Utf8PathBuf};
use git2::build::CheckoutBuilder;
use git2::{Config, Oid, Repository, StatusOptions};
use orch_core::base::Sha;
use orch_core::ports::VcsError;

use super::GitVcs;
use super::checkout::Checkout;
use super::nested::{in_time, links, open};
use super::remove::remove_tree;

/// How much of a `.gitmodules` is read.
const BYTES: u64 = 1 << 20;

/// The submodules that a worktree names, and where the user's own clone has their repositories.
#[derive(Debug, Clone)]
pub(super) struct Modules {
    /// Names by path.
    names: BTreeMap<PathBuf, String>,
    /// The git directory of the user's clone.
    common: Utf8PathBuf,
    /// The user's checkout.
    top: Utf8PathBuf,
}

/// A worktree whose submodules are to be filled.
#[derive(Debug, Clone)]
struct Site {
    worktree: Utf8PathBuf,
    git_dir: Utf8PathBuf,
    modules: Modules,
}

/// A submodule that can be filled.
#[derive(Debug)]
struct Vacancy {
    site: Site,
    source: Utf8PathBuf,
    commit: Oid,
}

impl Modules {
    pub(super) fn of(common: &Utf8Path, top: &Utf8Path, worktree: &Utf8Path) -> Self {
        let file = worktree.join(".gitmodules");
        let readable = file.symlink_metadata().is_ok_and(|found| found.is_file() && found.len() <= BYTES);
        let text = if readable { fs::read_to_string(&file).unwrap_or_default() } else { String::new() };
        Self { names: names(&text), common: common.to_owned(), top: top.to_owned() }
    }

    /// The name of the submodule at a path.
    pub(super) fn name(&self, path: &Path) -> Option<&str> {
        self.names.get(path).map(String::as_str)
    }

    /// The user's repository of a submodule.
    pub(super) fn repository(&self, name: &str) -> Option<Repository> {
        Repository::open(self.place(name)?).ok()
    }

    fn place(&self, name: &str) -> Option<Utf8PathBuf> {
        let absorbed = self.common.join("modules").join(name);
        if absorbed.join("HEAD").is_file() {
            return Some(absorbed);
        }
        let (path, _) = self.names.iter().find(|(_, other)| *other == name)?;
        let own = self.top.join(Utf8Path::from_path(path)?).join(".git");
        own.join("HEAD").is_file().then_some(own)
    }
}

impl GitVcs {
    /// Fills the submodules of a worktree and of those that it fills; the paths of those that stay empty.
    pub(super) async fn fill_submodules(&self, checkout: &Checkout) -> Result<Vec<String>, VcsError> {
        let worktree = checkout.repo.dir().to_owned();
        let modules = Modules::of(&self.common, self.repo.dir(), &worktree);
        let mut open = vec![Site { worktree: worktree.clone(), git_dir: checkout.git_dir.clone(), modules }];
        let mut empty = Vec::new();
        while let Some(site) = open.pop() {
            let (vacant, unknown) = in_time(move || site.vacancies()).await?;
            let shown = |path: Utf8PathBuf| path.strip_prefix(&worktree).unwrap_or(&path).to_string();
            empty.extend(unknown.into_iter().map(shown));
            for vacancy in vacant {
                self.fill(&vacancy).await?;
                let Site { worktree, git_dir, modules } = vacancy.site;
                let modules = Modules::of(&modules.common, &modules.top, &worktree);
                open.push(Site { worktree, git_dir, modules });
            }
        }
        empty.sort();
        Ok(empty)
    }

    /// The order makes every cut safe: the link that makes a directory a repository comes last.
    async fn fill(&self, vacancy: &Vacancy) -> Result<(), VcsError> {
        let Site { worktree, git_dir, .. } = &vacancy.site;
        let partial = Utf8PathBuf::from(format!("{git_dir}.part"));
        if partial.exists() {
            remove_tree(&partial).map_err(|error| failed(&partial, &error))?;
        }
        if let Some(parent) = git_dir.parent() {
            fs::create_dir_all(parent).map_err(|error| failed(parent, &error))?;
        }
        let clone = self.repo.beside(worktree).write(["clone", "--quiet", "--mirror", "--local", "--template="]);
        let clone = clone.args(["--", vacancy.source.as_str(), partial.as_str()]);
        clone.config("protocol.file.allow=always").ok().await?;
        configure(&partial, git_dir, worktree, &vacancy.source).map_err(|error| refused(worktree, &error))?;
        let checkout = self.repo.worktree(worktree, &partial);
        let commit = vacancy.commit.to_string();
        checkout.write(["checkout", "--quiet", "--force", "--detach", &commit]).ok().await?;
        fs::rename(&partial, git_dir).map_err(|error| failed(git_dir, &error))?;
        link(worktree, git_dir)
    }

    /// Moves the submodules that stood where `old` has them to where the worktree's branch has them now.
    pub(super) async fn move_submodules(&self, checkout: &Checkout, old: &Sha) -> Result<(), VcsError> {
        let (common, old) = (self.common.clone(), old.clone());
        let modules = Modules::of(&self.common, self.repo.dir(), checkout.repo.dir());
        let site = Site { worktree: checkout.repo.dir().to_owned(), git_dir: checkout.git_dir.clone(), modules };
        in_time(move || {
            let failed = |error: git2::Error| refused(&site.worktree, &error);
            let was = links_at(&common, &old).map_err(failed)?;
            for (path, commit) in links(&site.git_dir.join("index")).map_err(failed)? {
                let place = PathBuf::from(OsStr::from_bytes(&path));
                if let Some(before) = was.get(&path).filter(|before| **before != commit) {
                    site.move_to(&place, *before, commit)?;
                }
            }
            Ok(())
        })
        .await?;
        self.fill_submodules(checkout).await.map(drop)
    }
}

impl Site {
    /// The submodules that can be filled, and the paths of those that cannot.
    fn vacancies(&self) -> Result<(Vec<Vacancy>, Vec<Utf8PathBuf>), VcsError> {
        let (mut vacant, mut unknown) = (Vec::new(), Vec::new());
        for (path, commit) in links(&self.git_dir.join("index")).map_err(|error| refused(&self.worktree, &error))? {
            let path = PathBuf::from(OsStr::from_bytes(&path));
            let Some(relative) = Utf8Path::from_path(&path) else { continue };
            let worktree = self.worktree.join(relative);
            let name = self.modules.name(&path);
            let git_dir = name.map(|name| self.git_dir.join("modules").join(name));
            if worktree.join(".git").symlink_metadata().is_ok() {
                continue;
            }
            if let Some(git_dir) = git_dir.as_ref().filter(|git_dir| git_dir.exists() && worktree.is_dir()) {
                let free = worktree.read_dir_utf8().is_ok_and(|mut entries| entries.next().is_none());
                link(&worktree, git_dir)?;
                if free {
                    fill_again(&worktree).map_err(|error| refused(&worktree, &error))?;
                }
                continue;
            }
            let free = worktree.read_dir_utf8().map_or(true, |mut entries| entries.next().is_none());
            let part = git_dir.as_ref().is_some_and(|git_dir| Utf8Path::new(&format!("{git_dir}.part")).exists());
            let source = name.and_then(|name| self.modules.place(name));
            let source = source.filter(|source| {
                Repository::open(source).is_ok_and(|repository| repository.find_commit(commit).is_ok())
            });
            let (Some(git_dir), Some(source), true) = (git_dir, source, free || part) else {
                unknown.push(worktree);
                continue;
            };
            let top = self.modules.top.join(relative);
            // What it names itself is read once it is there.
            let modules = Modules { names: BTreeMap::new(), common: source.clone(), top };
            vacant.push(Vacancy { site: Self { worktree, git_dir, modules }, source, commit });
        }
        Ok((vacant, unknown))
    }

    fn move_to(&self, path: &Path, before: Oid, commit: Oid) -> Result<(), VcsError> {
        let place = self.worktree.as_std_path().join(path);
        let refused = |error: git2::Error| refused(&self.worktree, &error);
        let Ok(repository) = open(&place) else { return Ok(()) };
        let mut options = StatusOptions::new();
        options.include_untracked(true).exclude_submodules(true);
        let clean = repository.statuses(Some(&mut options)).map_err(refused)?.is_empty();
        if !clean || repository.head().ok().and_then(|head| head.target()) != Some(before) {
            return Ok(());
        }
        if repository.find_commit(commit).is_err()
            && let Some(source) = self.modules.name(path).and_then(|name| self.modules.place(name))
        {
            let mut remote = repository.remote_anonymous(source.as_str()).map_err(refused)?;
            remote.fetch(&["+refs/remotes/*:refs/remotes/*"], None, None).map_err(refused)?;
        }
        let Ok(target) = repository.find_object(commit, None) else {
            let what = format!("taking in commit {commit:.10} of the submodule {}", path.display());
            let why = "the repository's own clone does not have it: run `git submodule update` there".to_owned();
            return Err(VcsError::Refused { what, why });
        };
        repository.checkout_tree(&target, Some(CheckoutBuilder::new().force())).map_err(refused)?;
        repository.set_head_detached(commit).map_err(refused)
    }
}

/// The links to commits that a commit of the repository has.
pub(super) fn links_at(common: &Utf8Path, commit: &Sha) -> Result<BTreeMap<Vec<u8>, Oid>, git2::Error> {
    let repository = Repository::open(common)?;
    let tree = repository.find_commit(Oid::from_str(commit.as_str())?)?.tree()?;
    let mut found = BTreeMap::new();
    tree.walk(git2::TreeWalkMode::PreOrder, |dir, entry| {
        if entry.kind() == Some(git2::ObjectType::Commit) {
            found.insert([dir.as_bytes(), entry.name_bytes()].concat(), entry.id());
        }
        git2::TreeWalkResult::Ok
    })?;
    Ok(found)
}

/// Makes a mirror of the user's repository a submodule's own: its worktree, and the remote that the user's has.
fn configure(
    partial: &Utf8Path,
    git_dir: &Utf8Path,
    worktree: &Utf8Path,
    source: &Utf8Path,
) -> Result<(), git2::Error> {
    let theirs = Config::open(source.join("config").as_std_path())?;
    let mut config = Config::open(partial.join("config").as_std_path())?;
    config.set_bool("core.bare", false)?;
    config.set_str("core.worktree", relative(git_dir, worktree).as_str())?;
    if let Ok(url) = theirs.get_string("remote.origin.url") {
        config.set_str("remote.origin.url", &url)?;
    }
    config.set_str("remote.origin.fetch", "+refs/heads/*:refs/remotes/origin/*")?;
    config.remove("remote.origin.mirror")
}

/// Checks out what a submodule whose directory went away had checked out.
fn fill_again(worktree: &Utf8Path) -> Result<(), git2::Error> {
    let repository = open(worktree.as_std_path())?;
    repository.checkout_head(Some(CheckoutBuilder::new().force()))
}

fn link(worktree: &Utf8Path, git_dir: &Utf8Path) -> Result<(), VcsError> {
    let text = format!("gitdir: {}\n", relative(worktree, git_dir));
    fs::write(worktree.join(".git"), text).map_err(|error| failed(worktree, &error))
}

/// The way from one directory to another, both absolute.
fn relative(from: &Utf8Path, to: &Utf8Path) -> Utf8PathBuf {
    let shared = from.components().zip(to.components()).take_while(|(a, b)| a == b).count();
    let up = from.components().skip(shared).map(|_| "..");
    let down = to.components().skip(shared).map(|part| part.as_str());
    up.chain(down).collect()
}

/// The names of submodules by their paths, as `.gitmodules` has them. Names that lead elsewhere are left out, as git
/// leaves them out.
fn names(text: &str) -> BTreeMap<PathBuf, String> {
    let (mut found, mut name) = (BTreeMap::new(), None);
    for line in text.lines().map(str::trim) {
        if let Some(section) = line.strip_prefix('[') {
            let quoted = section.strip_prefix("submodule \"").and_then(|rest| rest.strip_suffix("\"]"));
            name = quoted.map(str::to_owned).filter(|name| is_harmless(name));
        } else if let (Some(name), Some((key, value))) = (&name, line.split_once('='))
            && key.trim().eq_ignore_ascii_case("path")
        {
            let value = value.trim();
            let value = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(value);
            if is_harmless(value) {
                found.insert(PathBuf::from(value.trim_end_matches('/')), name.clone());
            }
        }
    }
    found
}

fn is_harmless(name: &str) -> bool {
    !name.is_empty() && !name.starts_with('/') && !name.contains('\\') && name.split('/').all(|part| part != "..")
}

fn failed(path: &Utf8Path, error: &std::io::Error) -> VcsError {
    VcsError::Git { command: "submodule".to_owned(), stderr: format!("{path}: {error}") }
}

fn refused(worktree: &Utf8Path, error: &git2::Error) -> VcsError {
    VcsError::Git { command: "submodule".to_owned(), stderr: format!("{worktree}: {}", error.message()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn submodules_are_found_by_path_and_never_lead_elsewhere() {
        let text = "[submodule \"lib\"]\n\tpath = third/lib\n\turl = ../x\n[submodule \"../../up\"]\n\tpath = up\n\
                    [core]\n\tpath = core\n[submodule \"q\"]\npath=\"with space\"\n[submodule \"out\"]\n\tpath = ../out\n";
        let found: Vec<(String, String)> =
            names(text).into_iter().map(|(path, name)| (path.display().to_string(), name)).collect();
        assert_eq!(found, [("third/lib".into(), "lib".into()), ("with space".into(), "q".into())]);
    }

    #[test]
    fn the_way_between_two_directories_is_relative() {
        assert_eq!(relative("/a/b/c".into(), "/a/d".into()), "../../d");
        assert_eq!(relative("/a".into(), "/a/d/e".into()), "d/e");
    }
}
