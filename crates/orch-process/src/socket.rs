use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};

use camino::{Utf8Path, Utf8PathBuf};

/// The longest socket path that every system takes, in bytes.
const LONGEST: usize = 100;

/// Why there is no place for a socket.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// The directory for sockets belongs to somebody else or is open to others.
    #[error("use {dir} for sockets: it must be a directory of your own with mode 0700")]
    NotPrivate {
        /// The directory.
        dir: Utf8PathBuf,
    },
    /// The directory for sockets could not be made or read.
    #[error("use {dir} for sockets: {source}")]
    Io {
        /// The directory.
        dir: Utf8PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// The socket `name` in a directory, or where that path is longer than 100 bytes, in a 0700 directory
/// (made if absent) under `$XDG_RUNTIME_DIR` or the temporary directory, named by a stable digest of
/// the directory. Nothing is made of the socket itself.
///
/// # Errors
/// [`SocketError`] says which directory could not be used.
pub fn socket_in(dir: &Utf8Path, name: &str) -> Result<Utf8PathBuf, SocketError> {
    let runtime = std::env::var("XDG_RUNTIME_DIR").ok().filter(|dir| dir.starts_with('/')).map(Utf8PathBuf::from);
    let base = runtime
        .or_else(|| Utf8PathBuf::from_path_buf(std::env::temp_dir()).ok())
        .unwrap_or_else(|| Utf8PathBuf::from("/tmp"));
    place(dir, name, &base)
}

/// Makes a directory of the user's own with mode 0700 if it is absent; one that is there must be so.
///
/// # Errors
/// [`SocketError`] names the directory.
pub fn private_dir(dir: &Utf8Path) -> Result<(), SocketError> {
    let failed = |source| SocketError::Io { dir: dir.to_owned(), source };
    match DirBuilder::new().mode(0o700).create(dir) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(failed(error)),
        _ => {}
    }
    let meta = fs::symlink_metadata(dir).map_err(failed)?;
    let own = meta.uid() == rustix::process::geteuid().as_raw();
    if !meta.is_dir() || !own || meta.mode() & 0o077 != 0 {
        return Err(SocketError::NotPrivate { dir: dir.to_owned() });
    }
    Ok(())
}

fn place(dir: &Utf8Path, name: &str, base: &Utf8Path) -> Result<Utf8PathBuf, SocketError> {
    let socket = dir.join(name);
    if socket.as_str().len() <= LONGEST {
        return Ok(socket);
    }
    let named = format!("orch-{:016x}", digest(dir.as_str()));
    let mut elsewhere = base.join(&named);
    if elsewhere.as_str().len() + 1 + name.len() > LONGEST {
        elsewhere = Utf8Path::new("/tmp").join(named);
    }
    private_dir(&elsewhere)?;
    Ok(elsewhere.join(name))
}

/// FNV-1a, 64 bits: the same in every version and on every machine.
fn digest(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    const NAME: &str = "host.sock";

    #[test]
    fn short_paths_are_kept_and_long_ones_get_a_private_directory() {
        let temp = tempfile::tempdir().expect("a directory");
        let base = Utf8Path::from_path(temp.path()).expect("utf-8");
        assert_eq!(place(Utf8Path::new("/w"), NAME, base).expect("short"), "/w/host.sock");
        let long = Utf8PathBuf::from(format!("/{}", "w".repeat(100)));
        let socket = place(&long, NAME, base).expect("long");
        assert_eq!(socket, place(&long, NAME, base).expect("the same again"));
        assert_ne!(socket, place(&long.join("x"), NAME, base).expect("another"));
        let dir = socket.parent().expect("a parent");
        assert_eq!(fs::metadata(dir).expect("it exists").permissions().mode() & 0o777, 0o700);
        fs::set_permissions(dir, fs::Permissions::from_mode(0o755)).expect("mode");
        assert!(matches!(place(&long, NAME, base), Err(SocketError::NotPrivate { .. })));
        fs::remove_dir(dir).expect("removed");
        std::os::unix::fs::symlink("/tmp", dir).expect("a link");
        assert!(matches!(place(&long, NAME, base), Err(SocketError::NotPrivate { .. })));
    }
}
