use std::fs;

use camino::{Utf8Path, Utf8PathBuf};
use orch_core::base::Sha;
use orch_core::ports::VcsError;
use tempfile::TempDir;

use crate::git::{Call, Repo};
use crate::vcs::GitVcs;
use crate::vcs::checkout::Checkout;

/// What the file system of a repository can do, as its configuration says; nothing else of that counts.
const TRAITS: &[&str] =
    &["core.filemode", "core.symlinks", "core.ignorecase", "core.precomposeunicode", "extensions.objectformat"];

/// A git directory of our own for a worktree: a copy of its index, the repository's objects, and nothing of the
/// configuration, attributes and hooks there, so that files are taken as they are whatever somebody wrote into those.
pub(super) struct Scratch {
    repo: Repo,
    objects: Utf8PathBuf,
    /// A tree without attributes.
    pub(super) empty_tree: Sha,
    /// The copy of the index.
    pub(super) index: Utf8PathBuf,
    /// Where another index can be made.
    pub(super) entries: Utf8PathBuf,
    /// The commit checked out.
    pub(super) head: Option<Sha>,
    _dir: TempDir,
}

impl Scratch {
    pub(super) async fn of(vcs: &GitVcs, checkout: &Checkout) -> Result<Self, VcsError> {
        let empty_tree = vcs.repo.write(["mktree"]).input(Vec::new()).sha().await?;
        let dir = tempfile::Builder::new().prefix("orch-save-").tempdir().map_err(|error| failed(&error))?;
        let path = Utf8PathBuf::from_path_buf(dir.path().to_owned());
        let path = path.map_err(|_| VcsError::Missing { what: "a UTF-8 temporary directory".to_owned() })?;
        let head = checkout.repo.commit_of("HEAD").await?;
        make(&path, vcs, checkout, head.as_ref()).map_err(|error| failed(&error))?;
        configure(&path, vcs).map_err(|error| failed(&std::io::Error::other(error.message())))?;
        let scratch = Self {
            repo: checkout.repo.worktree(checkout.repo.dir(), &path),
            objects: vcs.common.join("objects"),
            empty_tree,
            index: path.join("index"),
            entries: path.join("entries"),
            head,
            _dir: dir,
        };
        scratch.copy_index(checkout).await?;
        Ok(scratch)
    }

    async fn copy_index(&self, checkout: &Checkout) -> Result<(), VcsError> {
        let there = match fs::copy(checkout.git_dir.join("index"), &self.index) {
            Ok(_) => true,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => false,
            Err(error) => return Err(failed(&error)),
        };
        // Unsplits it, and looks also at files that somebody told git to assume unchanged. The exit status only
        // says whether there are changes, unless it is no index at all.
        let refresh = self.write(["update-index", "-q", "--really-refresh", "--force-write-index"]);
        if there && refresh.run().await?.status < 128 {
            return Ok(());
        }
        if there {
            fs::remove_file(&self.index).map_err(|error| failed(&error))?;
        }
        match &self.head {
            Some(head) => self.write(["read-tree", "--reset", head.as_str()]).ok().await.map(drop),
            None => self.write(["read-tree", "--empty"]).ok().await.map(drop),
        }
    }

    /// A call with another index.
    pub(super) fn with(&self, call: Call, index: &Utf8Path) -> Call {
        let settings = ["core.attributesFile=/dev/null", "core.autocrlf=false", "core.safecrlf=false"];
        let call = settings.into_iter().fold(call, Call::config).config("core.splitIndex=false");
        let call = call.env("GIT_OBJECT_DIRECTORY", self.objects.as_str());
        call.env("GIT_INDEX_FILE", index.as_str()).env("GIT_ATTR_SOURCE", self.empty_tree.as_str())
    }

    pub(super) fn read<'a>(&self, args: impl IntoIterator<Item = &'a str>) -> Call {
        self.with(self.repo.read(args), &self.index)
    }

    pub(super) fn write<'a>(&self, args: impl IntoIterator<Item = &'a str>) -> Call {
        self.with(self.repo.write(args), &self.index)
    }

    pub(super) fn write_entries<'a>(&self, args: impl IntoIterator<Item = &'a str>) -> Call {
        self.with(self.repo.write(args), &self.entries)
    }
}

/// Makes the directory what git takes for a repository.
fn make(path: &Utf8Path, vcs: &GitVcs, checkout: &Checkout, head: Option<&Sha>) -> std::io::Result<()> {
    for dir in ["objects", "refs", "info"] {
        fs::create_dir(path.join(dir))?;
    }
    let head = head.map_or_else(|| "ref: refs/heads/none".to_owned(), Sha::to_string);
    fs::write(path.join("HEAD"), format!("{head}\n"))?;
    fs::write(path.join("config"), "")?;
    if let Ok(ignored) = fs::read(vcs.common.join("info/exclude")) {
        fs::write(path.join("info/exclude"), ignored)?;
    }
    // A split index names the file that holds the rest of it.
    for entry in checkout.git_dir.read_dir_utf8()?.flatten() {
        if entry.file_name().starts_with("sharedindex.") {
            fs::copy(entry.path(), path.join(entry.file_name()))?;
        }
    }
    Ok(())
}

fn configure(path: &Utf8Path, vcs: &GitVcs) -> Result<(), git2::Error> {
    let theirs = git2::Config::open(vcs.common.join("config").as_std_path())?;
    let mut ours = git2::Config::open(path.join("config").as_std_path())?;
    for name in TRAITS {
        if let Ok(value) = theirs.get_string(name) {
            ours.set_str(name, &value)?;
        }
    }
    let version = theirs.get_string("extensions.objectformat").map_or("0", |_| "1");
    ours.set_str("core.repositoryformatversion", version)
}

fn failed(error: &std::io::Error) -> VcsError {
    VcsError::Git { command: "save".to_owned(), stderr: error.to_string() }
}
