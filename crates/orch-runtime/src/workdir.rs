use std::fs::{self, DirBuilder, Metadata, Permissions};
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};

use camino::{Utf8Path, Utf8PathBuf};
use orch_core::base::Layout;

use crate::atomic;
use crate::file_error::{Context, FileError};

mod discover;
mod identity;
mod socket;

pub use discover::{Discovery, Search};
pub use identity::WorkdirIdentity;
pub use socket::SocketPlaces;
pub(crate) use socket::privacy_fault;

/// The file by which `init` says that a directory is a workdir.
const MARKER: &str = ".orch-workdir";
const MARKER_TEXT: &[u8] = b"This directory belongs to orch (made by `orch init`).\n";

/// The directories that every workdir has.
const ROOMS: [&str; 4] = ["prompts", "logs", "hooks", "sessions"];

/// The files that orch reads or writes itself, beside [`ROOMS`].
const FILES: [&str; 9] = [
    MARKER,
    identity::FILE,
    "manifest.json",
    "events.jsonl",
    "orch.toml",
    "orch.lock",
    "effects.lock",
    "pulls.json",
    "repo",
];

/// The directory that holds everything orch knows of one project; says where each file is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Workdir {
    root: Utf8PathBuf,
}

/// Why a directory cannot be the workdir.
#[derive(Debug, thiserror::Error)]
pub enum WorkdirError {
    /// There was nothing to find.
    #[error("no workdir in or above {cwd}; make one with `orch init`, or name one with --workdir")]
    NotFound {
        /// Where the search began.
        cwd: Utf8PathBuf,
        /// Directories that were passed over, and why.
        notes: Vec<String>,
    },
    /// The directory was named and is none.
    #[error("{root} is not a workdir: it has neither a manifest.json nor the mark of `orch init`")]
    NotAWorkdir {
        /// The directory.
        root: Utf8PathBuf,
    },
    /// Someone else's files would decide which commands run.
    #[error("{root} belongs to user {owner}, not to you (user {user}); use a workdir of your own")]
    ForeignOwner {
        /// The directory.
        root: Utf8PathBuf,
        /// Its owner's user id.
        owner: u32,
        /// Ours.
        user: u32,
    },
    /// A file of the workdir is a link that leads out of it.
    #[error("{path} is a symbolic link to {target}, outside of the workdir; replace it with the file itself")]
    Escapes {
        /// The link.
        path: Utf8PathBuf,
        /// Where it leads.
        target: String,
    },
    /// `init` never overwrites.
    #[error("{root} is a workdir already")]
    Exists {
        /// The directory.
        root: Utf8PathBuf,
    },
    /// `init` makes a workdir only where nothing else is.
    #[error("{root} holds other files ({example}); choose an empty or new directory")]
    NotEmpty {
        /// The directory.
        root: Utf8PathBuf,
        /// One of them.
        example: String,
    },
    /// A path is not UTF-8.
    #[error("{shown} is not UTF-8; choose a directory whose path is")]
    NotUtf8 {
        /// The path with its odd bytes replaced.
        shown: String,
    },
    /// No directory is fit to hold sockets.
    #[error(
        "no private place for a socket of at most 100 bytes: {tried}; set XDG_RUNTIME_DIR to a short directory of your own"
    )]
    NoSocketPlace {
        /// The places tried, each with what is wrong with it.
        tried: String,
    },
    /// The system refused.
    #[error(transparent)]
    File(#[from] FileError),
}

impl Workdir {
    /// Opens a directory that was named: one that `init` made, or one with a bare `manifest.json`.
    ///
    /// # Errors
    /// [`WorkdirError::NotAWorkdir`], [`WorkdirError::ForeignOwner`], [`WorkdirError::Escapes`],
    /// [`WorkdirError::NotUtf8`], [`WorkdirError::File`] when the directory is not there.
    pub fn open(dir: &Utf8Path) -> Result<Self, WorkdirError> {
        let workdir = Self { root: canonical(dir)? };
        let meta = fs::metadata(&workdir.root).doing("look at", dir)?;
        let is_file = |name: &str| fs::metadata(workdir.root.join(name)).is_ok_and(|m| m.is_file());
        if !meta.is_dir() || !(is_file(MARKER) || is_file("manifest.json")) {
            return Err(WorkdirError::NotAWorkdir { root: workdir.root });
        }
        workdir.check_owner(&meta, user())?;
        workdir.check_links()?;
        Ok(workdir)
    }

    /// Makes a workdir: the directory (0700) with its rooms, and the mark last, so that one half made
    /// is not taken for one. What an interrupted call left is taken up again.
    ///
    /// # Errors
    /// [`WorkdirError::Exists`], [`WorkdirError::NotEmpty`], [`WorkdirError::ForeignOwner`],
    /// [`WorkdirError::Escapes`], [`WorkdirError::File`].
    pub fn create(dir: &Utf8Path) -> Result<Self, WorkdirError> {
        make_private(dir)?;
        let workdir = Self { root: canonical(dir)? };
        workdir.check_owner(&fs::metadata(&workdir.root).doing("look at", dir)?, user())?;
        for entry in fs::read_dir(&workdir.root).doing("list", dir)? {
            let name = entry.doing("list", dir)?.file_name().to_string_lossy().into_owned();
            if name == MARKER {
                return Err(WorkdirError::Exists { root: workdir.root });
            }
            if !ROOMS.contains(&name.as_str()) && !FILES.contains(&name.as_str()) {
                return Err(WorkdirError::NotEmpty { root: workdir.root, example: name });
            }
        }
        workdir.check_links()?;
        fs::set_permissions(&workdir.root, Permissions::from_mode(0o700)).doing("set the mode of", dir)?;
        workdir.make_rooms()?;
        workdir.identify(false)?;
        atomic::replace_file(&workdir.root.join(MARKER), MARKER_TEXT, 0o600)?;
        Ok(workdir)
    }

    /// Makes the directories for prompts, logs, hooks and sessions (0700) where they are missing.
    ///
    /// # Errors
    /// [`WorkdirError::File`].
    pub fn make_rooms(&self) -> Result<(), WorkdirError> {
        ROOMS.iter().try_for_each(|room| make_private(&self.root.join(room)))?;
        Ok(())
    }

    /// The directory itself, absolute and without symbolic links.
    pub fn root(&self) -> &Utf8Path {
        &self.root
    }

    /// Where worktrees, prompts, logs and hooks lie in it, as the engine names them.
    pub fn layout(&self) -> Layout {
        Layout::new(self.root.clone())
    }

    /// The plan and a projection of its state.
    pub fn manifest(&self) -> Utf8PathBuf {
        self.root.join("manifest.json")
    }

    /// Where the `n`th refused edit of the manifest is kept.
    pub fn rejected_manifest(&self, n: u32) -> Utf8PathBuf {
        self.root.join(format!("manifest.rejected-{n}.json"))
    }

    /// The journal.
    pub fn journal(&self) -> Utf8PathBuf {
        self.root.join("events.jsonl")
    }

    /// The workdir's settings.
    pub fn settings(&self) -> Utf8PathBuf {
        self.root.join("orch.toml")
    }

    /// The lock of the one orchestrator.
    pub fn lock(&self) -> Utf8PathBuf {
        self.root.join("orch.lock")
    }

    /// The lock that children carry.
    pub fn effects_lock(&self) -> Utf8PathBuf {
        self.root.join("effects.lock")
    }

    /// The clone that `init --repo` makes.
    pub fn repo(&self) -> Utf8PathBuf {
        self.root.join("repo")
    }

    /// The PTY host's place.
    pub fn sessions(&self) -> Utf8PathBuf {
        self.root.join("sessions")
    }

    /// The local forge's pull requests.
    pub fn pulls(&self) -> Utf8PathBuf {
        self.root.join("pulls.json")
    }

    fn check_owner(&self, meta: &Metadata, user: u32) -> Result<(), WorkdirError> {
        match meta.uid() {
            // Root in a container works on directories that its host's user owns.
            owner if owner == user || user == 0 => Ok(()),
            owner => Err(WorkdirError::ForeignOwner { root: self.root.clone(), owner, user }),
        }
    }

    fn check_links(&self) -> Result<(), WorkdirError> {
        for name in FILES.iter().chain(&ROOMS) {
            let path = self.root.join(name);
            let is_link = fs::symlink_metadata(&path).is_ok_and(|m| m.is_symlink());
            if is_link && !fs::canonicalize(&path).is_ok_and(|target| target.starts_with(&self.root)) {
                let target = fs::read_link(&path).doing("read the link", &path)?.display().to_string();
                return Err(WorkdirError::Escapes { path, target });
            }
        }
        Ok(())
    }
}

/// Who we are to the file system.
pub(crate) fn user() -> u32 {
    rustix::process::geteuid().as_raw()
}

fn canonical(dir: &Utf8Path) -> Result<Utf8PathBuf, WorkdirError> {
    let real = fs::canonicalize(dir).doing("open the workdir", dir)?;
    Utf8PathBuf::from_path_buf(real).map_err(|path| WorkdirError::NotUtf8 { shown: path.display().to_string() })
}

/// Makes a directory and those above it, the last with mode 0700; one that is there stays as it is.
fn make_private(dir: &Utf8Path) -> Result<(), FileError> {
    if let Some(parent) = dir.parent().filter(|p| !p.as_str().is_empty()) {
        fs::create_dir_all(parent).doing("make the directory", parent)?;
    }
    match DirBuilder::new().mode(0o700).create(dir) {
        Err(e) if e.kind() == ErrorKind::AlreadyExists && dir.is_dir() => Ok(()),
        made => made.doing("make the directory", dir),
    }
}

#[cfg(test)]
mod tests;
