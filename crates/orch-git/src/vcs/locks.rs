//! Lock files of git programs that died.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, SystemTime};

use camino::{Utf8Path, Utf8PathBuf};
use orch_core::base::BranchName;

/// A lock younger than this may belong to a program that we did not see yet.
const SETTLED: Duration = Duration::from_secs(5);

/// Removes the locks that would stop a change of this worktree and whose holder is proved dead.
///
/// Proved means: the lock is old enough, no process has it open, and no git program works in this worktree or
/// names it or the repository in its arguments or environment (git closes a lock while a hook or an editor runs,
/// and still holds it). Where processes cannot be listed nothing is proved and nothing removed.
pub(super) fn clear_stale(common: &Utf8Path, git_dir: &Utf8Path, worktree: &Utf8Path, branch: Option<&BranchName>) {
    let mut locks = vec![git_dir.join("index.lock"), git_dir.join("HEAD.lock"), common.join("packed-refs.lock")];
    locks.extend(branch.map(|branch| common.join(format!("refs/heads/{branch}.lock"))));
    locks.retain(|lock| is_old(lock));
    if locks.is_empty() || is_in_use(&locks, &[worktree, git_dir, common]) {
        return;
    }
    for lock in locks {
        // Gone already, or not ours to remove: the call that follows says so.
        let _ = fs::remove_file(lock);
    }
}

fn is_old(lock: &Utf8Path) -> bool {
    let age = lock.symlink_metadata().and_then(|found| found.modified()).map(|at| SystemTime::now().duration_since(at));
    matches!(age, Ok(Ok(age)) if age >= SETTLED)
}

/// Whether a process may hold one of the locks; also `true` where that cannot be known.
fn is_in_use(locks: &[Utf8PathBuf], places: &[&Utf8Path]) -> bool {
    let Ok(entries) = Utf8Path::new("/proc").read_dir_utf8() else { return true };
    let mut processes: Vec<Utf8PathBuf> = entries.flatten().map(camino::Utf8DirEntry::into_path).collect();
    processes.retain(|path| path.file_name().is_some_and(|name| name.bytes().all(|byte| byte.is_ascii_digit())));
    processes.is_empty() || processes.iter().any(|process| has_open(process, locks) || is_git_at(process, places))
}

fn has_open(process: &Utf8Path, locks: &[Utf8PathBuf]) -> bool {
    let Ok(handles) = process.join("fd").read_dir_utf8() else { return false };
    let inode = |path: &Utf8Path| fs::metadata(path).map(|found| (found.dev(), found.ino())).ok();
    let wanted: Vec<_> = locks.iter().filter_map(|lock| inode(lock)).collect();
    handles.flatten().any(|handle| inode(handle.path()).is_some_and(|found| wanted.contains(&found)))
}

/// Whether the process is a git program that works at, or was told of, one of the places.
fn is_git_at(process: &Utf8Path, places: &[&Utf8Path]) -> bool {
    let is_git = fs::read_to_string(process.join("comm")).is_ok_and(|name| name.starts_with("git"));
    if !is_git {
        return false;
    }
    let Ok(cwd) = process.join("cwd").read_link_utf8() else {
        // A program of another user, or one that is just ending: not proved dead.
        return process.exists() && !is_zombie(process);
    };
    let told = |file: &str| {
        let text = fs::read(process.join(file)).unwrap_or_default();
        let text = String::from_utf8_lossy(&text).into_owned();
        places.iter().any(|place| text.contains(place.as_str()))
    };
    places.iter().any(|place| cwd.starts_with(place)) || told("cmdline") || told("environ")
}

fn is_zombie(process: &Utf8Path) -> bool {
    let stat = fs::read_to_string(process.join("stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('Z'))
}
