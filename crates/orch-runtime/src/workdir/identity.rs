use std::fs::File;
use std::io::{ErrorKind, Read};

use super::{Workdir, WorkdirError};
use crate::atomic;
use crate::file_error::Context;

/// The file that names a workdir for ever.
pub(super) const FILE: &str = "identity";
/// The most that is read of it: a path.
const BYTES: u64 = 8192;

/// What a workdir is known by, wherever it lies and however often another one is made in its place: what it made in
/// the repository is its own, and conversations of agents are named by it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkdirIdentity {
    text: String,
}

impl WorkdirIdentity {
    /// The name.
    pub fn name(&self) -> &str {
        &self.text
    }

    /// The part of ref names that tells its own from others'; `None` for a workdir that began before there was one,
    /// which is known by its path of then.
    pub fn owner(&self) -> Option<&str> {
        Some(self.text.as_str()).filter(|text| !text.starts_with('/'))
    }
}

impl Workdir {
    /// What the workdir is known by; made now where it has no name yet. `begun` says that an orchestrator ran in it
    /// before.
    ///
    /// # Errors
    /// [`WorkdirError::File`].
    pub fn identify(&self, begun: bool) -> Result<WorkdirIdentity, WorkdirError> {
        if let Some(found) = self.identity()? {
            return Ok(found);
        }
        let text = if begun { self.root.to_string() } else { random(self)? };
        atomic::replace_file(&self.root.join(FILE), format!("{text}\n").as_bytes(), 0o600)?;
        Ok(WorkdirIdentity { text })
    }

    /// What the workdir is known by, if it has a name already.
    ///
    /// # Errors
    /// [`WorkdirError::File`].
    pub fn identity(&self) -> Result<Option<WorkdirIdentity>, WorkdirError> {
        let path = self.root.join(FILE);
        let mut text = String::new();
        match File::open(&path) {
            Ok(file) => file.take(BYTES).read_to_string(&mut text).doing("read", &path)?,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error).doing("read", &path).map_err(WorkdirError::from),
        };
        let text = text.trim_end_matches('\n').to_owned();
        let is_name =
            text.starts_with('/') || !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
        Ok(is_name.then_some(WorkdirIdentity { text }))
    }
}

fn random(workdir: &Workdir) -> Result<String, WorkdirError> {
    let mut bytes = [0_u8; 8];
    let mut source = File::open("/dev/urandom").doing("read", "/dev/urandom".into())?;
    source.read_exact(&mut bytes).doing("read", &workdir.root)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::testdir::TestDir;

    #[test]
    fn a_workdir_keeps_its_name_and_another_in_its_place_has_another() {
        let dir = TestDir::new();
        let root = dir.path().join("w");
        let first = Workdir::create(&root).expect("made").identify(false).expect("named");
        assert_eq!(Workdir::open(&root).expect("there").identify(true).expect("named"), first);
        assert_eq!(first.owner(), Some(first.name()));
        fs::rename(&root, dir.path().join("moved")).expect("moved");
        let moved = Workdir::open(&dir.path().join("moved")).expect("there");
        assert_eq!(moved.identity().expect("read"), Some(first.clone()));
        assert_ne!(Workdir::create(&root).expect("made").identify(false).expect("named"), first);
    }

    #[test]
    fn one_that_began_before_there_were_names_is_known_by_its_path_of_then() {
        let dir = TestDir::new();
        let root = dir.path().join("w");
        fs::create_dir(&root).expect("made");
        fs::write(root.join("manifest.json"), "{}").expect("written");
        let old = Workdir::open(&root).expect("enough").identify(true).expect("named");
        assert_eq!((old.name().ends_with("/w"), old.owner()), (true, None));
        fs::rename(&root, dir.path().join("moved")).expect("moved");
        let moved = Workdir::open(&dir.path().join("moved")).expect("there");
        assert_eq!(moved.identify(true).expect("read"), old);
        fs::write(moved.root().join(FILE), "../../evil ref\n").expect("written");
        assert!(moved.identify(false).expect("named").owner().is_some_and(|owner| !owner.contains('.')));
    }
}
