//! A temporary directory with the few calls that tests of files repeat; its path is short enough for sockets.

use std::fs;

use camino::{Utf8Path, Utf8PathBuf};

pub(crate) struct TestDir {
    root: Utf8PathBuf,
    _keep: tempfile::TempDir,
}

impl TestDir {
    pub(crate) fn new() -> Self {
        let keep = tempfile::Builder::new().prefix("orch-t").tempdir_in("/tmp").expect("a temporary directory");
        let real = keep.path().canonicalize().expect("it exists");
        Self { root: Utf8PathBuf::from_path_buf(real).expect("UTF-8"), _keep: keep }
    }

    pub(crate) fn path(&self) -> &Utf8Path {
        &self.root
    }

    pub(crate) fn write(&self, name: &str, text: impl AsRef<[u8]>) -> Utf8PathBuf {
        let path = self.root.join(name);
        fs::write(&path, text).expect("written");
        path
    }

    pub(crate) fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.root).expect("listed");
        let mut names: Vec<String> =
            entries.map(|e| e.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }
}
