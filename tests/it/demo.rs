//! The demo, on a machine that has no tmux.

use std::os::unix::fs::symlink;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::fleet::Fleet;

/// A directory with every program of this machine but tmux.
fn without_tmux(fleet: &Fleet) -> String {
    let bin = fleet.root.join("bin");
    std::fs::create_dir(&bin).expect("a directory");
    for dir in std::env::split_paths(&std::env::var_os("PATH").expect("a PATH")) {
        for program in dir.read_dir().into_iter().flatten().flatten() {
            let name = program.file_name();
            if name != "tmux" {
                // The first one of a name is the one that counts.
                symlink(program.path(), bin.as_std_path().join(name)).unwrap_or_default();
            }
        }
    }
    bin.into_string()
}

#[test]
fn without_tmux_it_runs_on_ptys_and_leaves_nothing_behind() {
    let fleet = Fleet::bare();
    let temp = fleet.root.join("temp");
    std::fs::create_dir(&temp).expect("a directory");
    let mut orch = Command::new(env!("CARGO_BIN_EXE_orch"));
    fleet.surround(&mut orch).env("PATH", without_tmux(&fleet)).env("TMPDIR", &temp).args(["demo", "--json"]);
    let done = orch.stdin(Stdio::null()).output().expect("the program starts");
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{:?}: {said}", done.status);
    let report: Value = serde_json::from_slice(&done.stdout).expect("JSON");
    assert_eq!(report["counts"]["merged"], 8, "{report}");
    let attempts: i64 = report["tasks"].as_array().expect("tasks").iter().filter_map(|t| t["attempts"].as_i64()).sum();
    assert_eq!(attempts, 11, "as in tmux: {report}");
    let left: Vec<_> = temp.read_dir_utf8().expect("a directory").flatten().collect();
    assert!(left.is_empty(), "{left:?}");
    assert_eq!(fleet.hosts(), Vec::<i32>::new());
}
