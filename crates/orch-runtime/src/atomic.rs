use std::fs::{self, File, Permissions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::PermissionsExt;

use camino::{Utf8Path, Utf8PathBuf};
use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;
use tempfile::NamedTempFile;

use crate::file_error::{Context, FileError};

/// What the names of half-written files begin with.
const TEMPORARY: &str = ".orch-new-";

/// Replaces a file as a whole: at every instant, a power cut included, the path holds the old bytes or
/// the new ones. A symbolic link at the path is replaced, not followed.
///
/// # Errors
/// [`FileError`] names the step that failed; the old file is then as it was.
pub fn replace_file(path: &Utf8Path, bytes: &[u8], mode: u32) -> Result<(), FileError> {
    let temporary = written(path, bytes, mode)?;
    temporary.persist(path).map_err(|e| e.error).doing("replace", path)?;
    sync_directory(&directory_of(path))
}

/// A new file beside a path, whole and flushed.
fn written(path: &Utf8Path, bytes: &[u8], mode: u32) -> Result<NamedTempFile, FileError> {
    let dir = directory_of(path);
    let mut builder = tempfile::Builder::new();
    builder.prefix(TEMPORARY).permissions(Permissions::from_mode(mode));
    let mut temporary = builder.tempfile_in(&dir).doing("create a file in", &dir)?;
    temporary.write_all(bytes).doing("write", path)?;
    // The mode given at creation is narrowed by the umask.
    temporary.as_file().set_permissions(Permissions::from_mode(mode)).doing("set the mode of", path)?;
    temporary.as_file().sync_all().doing("flush", path)?;
    Ok(temporary)
}

/// Replaces a file as [`replace_file`] does, if it still holds what is expected; `None` means that it is
/// not there. What somebody else writes at the same instant is never lost: it is put back, and `false` says so.
///
/// # Errors
/// [`FileError`] names the step that failed.
pub fn replace_unchanged(path: &Utf8Path, bytes: &[u8], mode: u32, expected: Option<&[u8]>) -> Result<bool, FileError> {
    if found(path)?.as_deref() != expected {
        return Ok(false);
    }
    let dir = directory_of(path);
    let temporary = written(path, bytes, mode)?;
    let Some(expected) = expected else {
        return match temporary.persist_noclobber(path) {
            Err(e) if e.error.kind() == ErrorKind::AlreadyExists => Ok(false),
            placed => {
                placed.map_err(|e| e.error).doing("create", path).and_then(|_| sync_directory(&dir)).map(|()| true)
            }
        };
    };
    let aside = temporary.path();
    let exchange = || renameat_with(CWD, aside, CWD, path.as_std_path(), RenameFlags::EXCHANGE);
    match exchange() {
        Ok(()) => {}
        // It was taken away just now.
        Err(Errno::NOENT) => return Ok(false),
        // A file system that cannot exchange names: what was read a moment ago has to do.
        Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {
            temporary.persist(path).map_err(|e| e.error).doing("replace", path)?;
            return sync_directory(&dir).map(|()| true);
        }
        Err(error) => return Err(std::io::Error::from(error)).doing("replace", path),
    }
    // What stands aside now was at the path. Where that is news it goes back, until what comes out is what
    // was put there last: nobody wrote in between.
    let taken = || fs::read(aside).doing("read what was at", path);
    let mut out = taken()?;
    let replaced = out == expected;
    let mut put = bytes.to_vec();
    let mut news = !replaced;
    while news {
        exchange().map_err(std::io::Error::from).doing("put back", path)?;
        let there = std::mem::replace(&mut put, std::mem::replace(&mut out, taken()?));
        news = out != there;
    }
    sync_directory(&dir)?;
    Ok(replaced)
}

/// What a file holds; `None` when it is not there.
fn found(path: &Utf8Path) -> Result<Option<Vec<u8>>, FileError> {
    match fs::read(path) {
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
        bytes => bytes.doing("read", path).map(Some),
    }
}

/// Removes what a process that died inside [`replace_file`] left in a directory. Only for the lock holder.
///
/// # Errors
/// [`FileError`] when the directory cannot be read or a leftover not removed; an absent directory is none.
pub fn remove_leftovers(dir: &Utf8Path) -> Result<(), FileError> {
    let entries = match fs::read_dir(dir) {
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(()),
        entries => entries.doing("list", dir)?,
    };
    for entry in entries {
        let entry = entry.doing("list", dir)?;
        if entry.file_name().to_string_lossy().starts_with(TEMPORARY) {
            fs::remove_file(entry.path()).doing("remove a leftover of", dir)?;
        }
    }
    Ok(())
}

/// Makes the names in a directory survive a power cut.
pub(crate) fn sync_directory(dir: &Utf8Path) -> Result<(), FileError> {
    File::open(dir).and_then(|d| d.sync_all()).doing("flush", dir)
}

/// The directory that holds a path; `.` for a bare name.
pub(crate) fn directory_of(path: &Utf8Path) -> Utf8PathBuf {
    match path.parent() {
        Some(parent) if !parent.as_str().is_empty() => parent.to_owned(),
        _ => Utf8PathBuf::from("."),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::testdir::TestDir;

    #[test]
    fn replaces_the_whole_file_and_sets_the_mode() {
        let dir = TestDir::new();
        let path = dir.path().join("manifest.json");
        for (text, mode) in [("one", 0o600), ("", 0o644), ("three", 0o600)] {
            replace_file(&path, text.as_bytes(), mode).expect("replaced");
            assert_eq!(fs::read_to_string(&path).expect("readable"), text);
            assert_eq!(fs::metadata(&path).expect("there").permissions().mode() & 0o777, mode);
        }
        assert_eq!(dir.names(), ["manifest.json"]);
    }

    #[test]
    fn a_link_is_replaced_and_its_target_left_alone() {
        let dir = TestDir::new();
        let target = dir.write("target", "theirs");
        let link = dir.path().join("link");
        symlink(&target, &link).expect("linked");
        replace_file(&link, b"ours", 0o600).expect("replaced");
        assert_eq!(fs::read_to_string(&target).expect("readable"), "theirs");
        assert!(!link.is_symlink());
    }

    #[test]
    fn a_failure_names_the_step_and_leaves_nothing_behind() {
        let dir = TestDir::new();
        fs::create_dir(dir.path().join("taken")).expect("made");
        dir.write("taken/child", "");
        let error = replace_file(&dir.path().join("taken"), b"x", 0o600).expect_err("a directory is in the way");
        assert_eq!(error.action, "replace");
        assert_eq!(dir.names(), ["taken"]);
        let error = replace_file(&dir.path().join("no/such"), b"x", 0o600).expect_err("no directory");
        assert_eq!((error.action, error.source.kind()), ("create a file in", ErrorKind::NotFound));
    }

    #[test]
    fn what_somebody_else_wrote_is_not_replaced() {
        let dir = TestDir::new();
        let path = dir.path().join("manifest.json");
        let replace = |expected: Option<&[u8]>| replace_unchanged(&path, b"ours", 0o600, expected).expect("looked");
        assert!(!replace(Some(b"old")), "it is not there");
        assert!(replace(None));
        assert!(!replace(None) && !replace(Some(b"old")));
        dir.write("manifest.json", "old");
        assert!(replace(Some(b"old")));
        assert_eq!(fs::read_to_string(&path).expect("readable"), "ours");
        assert_eq!(dir.names(), ["manifest.json"]);
    }

    #[test]
    fn every_edit_survives_replacements_beside_it() {
        let dir = TestDir::new();
        let path = dir.write("manifest.json", "0");
        let seen = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for edit in 0..20 {
                    while seen.load(Ordering::SeqCst) < edit {
                        std::thread::yield_now();
                    }
                    replace_file(&path, format!("edit {edit}").as_bytes(), 0o600).expect("saved");
                }
            });
            let mut known = b"0".to_vec();
            for turn in 0_u32.. {
                let ours = format!("turn {turn}").into_bytes();
                if replace_unchanged(&path, &ours, 0o600, Some(&known)).expect("looked") {
                    known = ours;
                    continue;
                }
                known = fs::read(&path).expect("read");
                let edit = seen.fetch_add(1, Ordering::SeqCst);
                assert_eq!(known, format!("edit {edit}").into_bytes());
                if edit == 19 {
                    break;
                }
            }
        });
        assert_eq!(dir.names(), ["manifest.json"]);
    }

    #[test]
    fn leftovers_of_a_crash_go_and_nothing_else() {
        let dir = TestDir::new();
        dir.write(".orch-new-abc", "half");
        dir.write("manifest.json", "{}");
        remove_leftovers(dir.path()).expect("swept");
        remove_leftovers(&dir.path().join("absent")).expect("nothing to do");
        assert_eq!(dir.names(), ["manifest.json"]);
    }
}
