//! What a repository needs besides its commits: contents that a hook uploads, and submodules.

use std::os::unix::fs::PermissionsExt;

use camino::Utf8PathBuf;
use git2::{Oid, Repository, TreeWalkMode, TreeWalkResult};
use orch_core::base::Sha;
use orch_core::ports::VcsError;

use super::GitVcs;
use super::nested::in_time;
use super::submodules::{Modules, links_at};

/// The most attributes files that are read.
const FILES: usize = 1000;

/// What a person should know of a repository before agents work on it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Survey {
    /// Submodules that worktrees will have empty, because filling them would need the network.
    pub empty_submodules: Vec<String>,
    /// A hook that uploads what its commits only name, and is not run: which filter and which hook.
    pub unrun_hook: Option<String>,
}

impl GitVcs {
    /// Looks at what is checked out in the repository itself.
    ///
    /// # Errors
    /// [`VcsError::Git`] if it cannot be read.
    pub async fn survey(&self) -> Result<Survey, VcsError> {
        let Some(head) = self.repo.commit_of("HEAD").await? else { return Ok(Survey::default()) };
        let (common, top) = (self.common.clone(), self.repo.dir().to_owned());
        let unrun_hook = self.unrun_hook(&head).await?;
        let empty_submodules = in_time(move || {
            let modules = Modules::of(&common, &top, &top);
            let links = links_at(&common, &head).map_err(|error| unreadable(&error))?;
            let lacks = |(path, commit): (Vec<u8>, Oid)| {
                let path = String::from_utf8_lossy(&path).into_owned();
                let known = modules.name(path.as_ref()).and_then(|name| modules.repository(name));
                let there = known.is_some_and(|repository| repository.find_commit(commit).is_ok());
                (!there).then_some(path)
            };
            Ok(links.into_iter().filter_map(lacks).collect())
        })
        .await?;
        Ok(Survey { empty_submodules, unrun_hook })
    }

    /// The filter that keeps contents of a commit elsewhere and the hook that would upload them, if hooks are not run.
    pub(super) async fn unrun_hook(&self, commit: &Sha) -> Result<Option<String>, VcsError> {
        let Some(hook) = self.pre_push_hook().filter(|_| !self.hooks) else { return Ok(None) };
        let (common, commit) = (self.common.clone(), commit.clone());
        in_time(move || {
            let filter = filter_of(&common, &commit).map_err(|error| unreadable(&error))?;
            Ok(filter.map(|(file, filter)| format!("{file} says filter={filter}, and {hook} uploads what that keeps")))
        })
        .await
    }

    /// The `pre-push` hook that git would run.
    fn pre_push_hook(&self) -> Option<Utf8PathBuf> {
        let configured = Repository::open(&self.common).and_then(|repository| repository.config()?.snapshot());
        let configured = configured.ok().and_then(|config| config.get_path("core.hooksPath").ok());
        let configured = configured.and_then(|path| Utf8PathBuf::from_path_buf(path).ok());
        let dir = configured.map_or_else(|| self.common.join("hooks"), |path| self.repo.dir().join(path));
        let hook = dir.join("pre-push");
        let runs = hook.metadata().is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0);
        runs.then_some(hook)
    }
}

/// The first attributes file of a commit that names a filter, and the filter.
fn filter_of(common: &camino::Utf8Path, commit: &Sha) -> Result<Option<(String, String)>, git2::Error> {
    let repository = Repository::open(common)?;
    let tree = repository.find_commit(Oid::from_str(commit.as_str())?)?.tree()?;
    let mut files = Vec::new();
    tree.walk(TreeWalkMode::PreOrder, |dir, entry| {
        // A walk that is broken off is an error.
        if entry.name_bytes() == b".gitattributes" && files.len() < FILES {
            files.push((format!("{dir}.gitattributes"), entry.id()));
        }
        TreeWalkResult::Ok
    })?;
    for (file, blob) in files {
        let Ok(blob) = repository.find_blob(blob) else { continue };
        if let Some(filter) = filter_in(&String::from_utf8_lossy(blob.content())) {
            return Ok(Some((file, filter)));
        }
    }
    Ok(None)
}

/// The first filter that attributes set.
fn filter_in(attributes: &str) -> Option<String> {
    let lines = attributes.lines().map(str::trim_start).filter(|line| !line.starts_with('#'));
    let mut words = lines.flat_map(|line| line.split_ascii_whitespace().skip(1));
    words.find_map(|word| word.strip_prefix("filter=")).map(str::to_owned)
}

fn unreadable(error: &git2::Error) -> VcsError {
    VcsError::Git { command: "survey".to_owned(), stderr: error.message().to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_attributes_than_are_read_are_no_error() {
        let dir = tempfile::tempdir().expect("a directory");
        let repository = Repository::init_bare(dir.path()).expect("a repository");
        let mut room = repository.treebuilder(None).expect("a tree");
        room.insert(".gitattributes", repository.blob(b"* text\n").expect("a blob"), 0o100_644).expect("inserted");
        let room = room.write().expect("written");
        let mut top = repository.treebuilder(None).expect("a tree");
        for number in 0..=FILES {
            top.insert(format!("{number}"), room, 0o040_000).expect("inserted");
        }
        let tree = repository.find_tree(top.write().expect("written")).expect("a tree");
        let who = git2::Signature::now("n", "n@example.org").expect("a signature");
        let commit = repository.commit(None, &who, &who, "many", &tree, &[]).expect("a commit");
        let (path, sha) = (camino::Utf8Path::from_path(dir.path()).expect("UTF-8"), Sha::parse(&commit.to_string()));
        assert_eq!(filter_of(path, &sha.expect("a commit")).expect("read"), None);
    }

    #[test]
    fn filters_are_found_in_attributes() {
        let found = |text: &str| filter_in(text);
        assert_eq!(found("*.psd filter=lfs diff=lfs merge=lfs -text\n").as_deref(), Some("lfs"));
        assert_eq!(found("# *.psd filter=lfs\n*.psd -filter text\nfilter=x text\n"), None);
    }
}
