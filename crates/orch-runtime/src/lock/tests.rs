use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use super::*;
use crate::testdir::TestDir;

/// Names the workdir whose lock the helper below takes; unset in an ordinary test run.
const HELPER: &str = "ORCH_TEST_HOLD";

fn workdir(dir: &TestDir) -> Workdir {
    Workdir::create(&dir.path().join("w")).expect("made")
}

/// Not a test of its own: what another process runs to hold a lock until its standard input ends.
#[tokio::test]
async fn helper_holds_the_lock() {
    let Ok(root) = std::env::var(HELPER) else { return };
    let workdir = Workdir::open(Utf8Path::new(&root)).expect("a workdir");
    let _lock = WorkdirLock::acquire(&workdir, Some(Utf8Path::new("/c.sock"))).await.expect("free");
    let mut error = std::io::stderr();
    writeln!(error, "holding").expect("told");
    std::io::stdin().read_line(&mut String::new()).expect("told to end");
}

fn other_process(workdir: &Workdir) -> Child {
    let mut child = Command::new(std::env::current_exe().expect("this test"))
        .args(["--exact", "lock::tests::helper_holds_the_lock", "--nocapture"])
        .env(HELPER, workdir.root())
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("started");
    let stderr = child.stderr.take().expect("piped");
    let held = BufReader::new(stderr).lines().map_while(Result::ok).any(|line| line == "holding");
    assert!(held, "the helper took the lock");
    child
}

#[tokio::test]
async fn another_process_holds_it_until_it_is_killed() {
    let dir = TestDir::new();
    let workdir = workdir(&dir);
    let mut child = other_process(&workdir);
    let error = WorkdirLock::acquire(&workdir, None).await.expect_err("held");
    let LockError::Held { pid, since, control, .. } = error else { panic!("{error}") };
    assert_eq!(pid, Some(child.id()));
    assert!(since.is_some());
    assert_eq!(control.as_deref(), Some(Utf8Path::new("/c.sock")));
    assert_eq!(holder(&workdir).expect("read").map(|o| o.process.pid), Some(child.id()));

    child.kill().expect("killed");
    child.wait().expect("reaped");
    assert_eq!(holder(&workdir).expect("read"), None, "a record without a lock is no holder");
    let lock = WorkdirLock::acquire(&workdir, None).await.expect("free again");
    assert_eq!(lock.owner().process.pid, std::process::id());
    assert!(lock.owner().lives());
}

#[tokio::test]
async fn it_is_free_before_and_after() {
    let dir = TestDir::new();
    let workdir = workdir(&dir);
    assert_eq!(holder(&workdir).expect("read"), None);
    let lock = WorkdirLock::acquire(&workdir, None).await.expect("free");
    assert_eq!(holder(&workdir).expect("read").as_ref(), Some(lock.owner()));
    assert!(matches!(WorkdirLock::acquire(&workdir, None).await, Err(LockError::Held { .. })));
    drop(lock);
    assert_eq!(holder(&workdir).expect("read"), None);
    WorkdirLock::acquire(&workdir, None).await.expect("free again");
}

#[tokio::test]
async fn a_reader_that_looks_does_not_turn_an_orchestrator_away() {
    let dir = TestDir::new();
    let workdir = workdir(&dir);
    let reader = open_lock(&workdir.lock()).expect("opened");
    reader.lock_shared().expect("looking");
    let (lock, ()) = tokio::join!(WorkdirLock::acquire(&workdir, None), async {
        tokio::time::sleep(PATIENCE.1 * 2).await;
        drop(reader);
    });
    lock.expect("tried again");
}

#[tokio::test]
async fn a_lock_file_removed_meanwhile_is_not_mistaken_for_the_lock() {
    let dir = TestDir::new();
    let workdir = workdir(&dir);
    let old = open_lock(&workdir.lock()).expect("opened");
    std::fs::remove_file(workdir.lock()).expect("removed");
    assert_eq!(attempt(&old, &workdir.lock()).expect("tried"), Attempt::Removed);
    let _lock = WorkdirLock::acquire(&workdir, None).await.expect("free");
    assert_eq!(attempt(&old, &workdir.lock()).expect("tried"), Attempt::Removed, "another file is there now");
    let new = open_lock(&workdir.lock()).expect("opened");
    assert_eq!(attempt(&new, &workdir.lock()).expect("tried"), Attempt::Taken);
}

#[tokio::test]
async fn garbage_in_the_lock_file_is_nobody() {
    let dir = TestDir::new();
    let workdir = workdir(&dir);
    for garbage in ["", "{", "\0\0", "{\"pid\":1}"] {
        std::fs::write(workdir.lock(), garbage).expect("written");
        assert_eq!(holder(&workdir).expect("read"), None);
        WorkdirLock::acquire(&workdir, None).await.expect("free");
    }
}

#[tokio::test]
async fn drain_waits_for_orphans_and_no_longer_than_told() {
    let dir = TestDir::new();
    let workdir = workdir(&dir);
    let lock = WorkdirLock::acquire(&workdir, None).await.expect("free");
    let effects = EffectsLock::drain(&workdir, Duration::ZERO, &lock).await.expect("nobody at work");
    let handle = effects.shared_handle().expect("locked");
    let mut child = Command::new("sleep").arg("1000").stdin(handle).spawn().expect("started");
    effects.shared_handle().expect("many children at once");

    let busy = EffectsLock::drain(&workdir, Duration::from_millis(60), &lock).await.expect_err("an orphan is at work");
    assert!(matches!(busy, LockError::Busy { .. }), "{busy}");
    let (drained, ()) = tokio::join!(EffectsLock::drain(&workdir, Duration::from_secs(30), &lock), async {
        tokio::time::sleep(Duration::from_millis(60)).await;
        child.kill().expect("killed");
        child.wait().expect("reaped");
    });
    drained.expect("the orphan is gone").shared_handle().expect("usable");
}

#[test]
fn the_message_names_the_holder_and_what_to_do() {
    let held = |pid, since| LockError::Held { root: "/w".into(), pid, since, control: None }.to_string();
    insta::assert_snapshot!(held(Some(7), Timestamp::parse("2026-01-17T00:00:00Z")), @"another orchestrator (process 7) holds /w since 2026-01-17T00:00:00.000Z; `orch status` shows what it does, `orch stop` ends it");
    insta::assert_snapshot!(held(None, None), @"another orchestrator holds /w; `orch status` shows what it does, `orch stop` ends it");
}
