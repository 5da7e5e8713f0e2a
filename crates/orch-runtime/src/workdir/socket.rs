use std::fs;
use std::os::unix::fs::MetadataExt;

use camino::{Utf8Path, Utf8PathBuf};

use super::{Workdir, WorkdirError, make_private, user};

/// The longest path that a socket gets; the system's own limit is 108 bytes, on macOS 104.
const LONGEST: usize = 100;

/// Where sockets go when the workdir's own path is too long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SocketPlaces {
    /// `XDG_RUNTIME_DIR`.
    pub runtime: Option<Utf8PathBuf>,
    /// The directory for temporary files.
    pub temporary: Utf8PathBuf,
}

impl SocketPlaces {
    /// The places of this process's environment.
    pub fn from_env() -> Self {
        let runtime = std::env::var("XDG_RUNTIME_DIR").ok().map(Utf8PathBuf::from).filter(|dir| dir.is_absolute());
        let temporary = Utf8PathBuf::from_path_buf(std::env::temp_dir()).unwrap_or_else(|_| "/tmp".into());
        Self { runtime, temporary }
    }
}

impl Workdir {
    /// The private tmux server's socket: `orchestrator.sock` in the workdir, or in a 0700 directory
    /// elsewhere when that path is over 100 bytes long. The directory is made.
    ///
    /// # Errors
    /// [`WorkdirError::NoSocketPlace`].
    pub fn tmux_socket(&self, places: &SocketPlaces) -> Result<Utf8PathBuf, WorkdirError> {
        self.socket("orchestrator.sock", places, false)
    }

    /// The control socket: `control.sock` beside the tmux server's, but never in a workdir that others can enter.
    ///
    /// # Errors
    /// [`WorkdirError::NoSocketPlace`].
    pub fn control_socket(&self, places: &SocketPlaces) -> Result<Utf8PathBuf, WorkdirError> {
        self.socket("control.sock", places, true)
    }

    fn socket(&self, name: &str, places: &SocketPlaces, private: bool) -> Result<Utf8PathBuf, WorkdirError> {
        let own = self.root().join(name);
        if own.as_str().len() <= LONGEST && (!private || privacy_fault(self.root(), user()).is_none()) {
            return Ok(own);
        }
        let dir = format!("orch-{}-{:016x}", user(), fnv(self.root().as_str()));
        let mut tried = Vec::new();
        for place in places.runtime.iter().chain([&places.temporary]) {
            let path = place.join(&dir).join(name);
            match unfit(&path, place) {
                None => return Ok(path),
                Some(why) => tried.push(format!("{place}: {why}")),
            }
        }
        Err(WorkdirError::NoSocketPlace { tried: tried.join("; ") })
    }
}

/// Makes the directory of a socket and says why it cannot be used. Anyone can make names in the
/// directory for temporary files, so what is found there must prove to be ours.
fn unfit(path: &Utf8Path, place: &Utf8Path) -> Option<String> {
    let dir = path.parent()?;
    if path.as_str().len() > LONGEST {
        return Some(format!("its path is too long ({} bytes)", path.as_str().len()));
    }
    if !place.is_dir() {
        return Some("it is not there".to_owned());
    }
    match make_private(dir) {
        Err(error) => Some(error.to_string()),
        Ok(()) => privacy_fault(dir, user()),
    }
}

/// Why others could enter a directory.
pub(crate) fn privacy_fault(dir: &Utf8Path, user: u32) -> Option<String> {
    match fs::symlink_metadata(dir) {
        Err(error) => Some(error.to_string()),
        Ok(meta) if !meta.is_dir() => Some(format!("{dir} is not a directory")),
        Ok(meta) if meta.uid() != user => Some(format!("{dir} belongs to user {}", meta.uid())),
        Ok(meta) if meta.mode() & 0o077 != 0 => Some(format!("others can enter {dir}")),
        Ok(_) => None,
    }
}

/// FNV-1a, 64 bits: the same in every version, unlike the standard library's hashers.
fn fnv(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}
