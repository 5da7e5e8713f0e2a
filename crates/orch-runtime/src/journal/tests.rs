use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::Mutex;

use serde::Deserialize;

use super::*;
use crate::testdir::TestDir;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Note {
    seq: u64,
    text: String,
}

impl Sequenced for Note {
    fn seq(&self) -> u64 {
        self.seq
    }
}

fn notes(seqs: std::ops::RangeInclusive<u64>) -> Vec<Note> {
    seqs.map(|seq| Note { seq, text: format!("note {seq} ü\n\u{1b}[1m") }).collect()
}

fn written(dir: &TestDir, seqs: std::ops::RangeInclusive<u64>) -> Utf8PathBuf {
    let path = dir.path().join("events.jsonl");
    let mut opened = Journal::<Note>::open(&path).expect("opened");
    opened.journal.append(&notes(seqs)).expect("appended");
    path
}

#[test]
fn a_new_journal_is_private_and_what_is_appended_comes_back() {
    let dir = TestDir::new();
    let path = written(&dir, 1..=3);
    assert_eq!(fs::metadata(&path).expect("there").permissions().mode() & 0o777, 0o600);
    let mut opened = Journal::<Note>::open(&path).expect("opened");
    assert_eq!((opened.records, opened.cut), (notes(1..=3), 0));
    opened.journal.append(&[]).expect("nothing to do");
    opened.journal.append(&notes(4..=5)).expect("appended");
    assert_eq!(read_journal::<Note>(&path).expect("read").records, notes(1..=5));
    assert_eq!(read_journal::<Note>(&path).expect("read").cursor, opened.journal.cursor());
    assert_eq!(fs::read_to_string(&path).expect("text").lines().count(), 5);
}

#[test]
fn cut_at_every_byte_of_the_last_batch_the_whole_lines_stay() {
    let dir = TestDir::new();
    let path = written(&dir, 1..=2);
    let before = fs::read(&path).expect("bytes").len();
    Journal::<Note>::open(&path).expect("opened").journal.append(&notes(3..=5)).expect("appended");
    let whole = fs::read(&path).expect("bytes");
    for length in before..=whole.len() {
        fs::write(&path, &whole[..length]).expect("cut");
        let lines = whole[..length].split(|b| *b == b'\n').count() as u64 - 1;
        let unlocked = read_journal::<Note>(&path).expect("readers ignore the torn line");
        assert_eq!(unlocked.records, notes(1..=lines), "cut at {length}");
        assert_eq!(fs::read(&path).expect("bytes").len(), length, "readers change nothing");

        let mut opened = Journal::<Note>::open(&path).expect("the holder cuts the torn line");
        assert_eq!(opened.records, notes(1..=lines), "cut at {length}");
        assert_eq!(opened.cut, length as u64 - unlocked.cursor.offset);
        opened.journal.append(&notes(lines + 1..=5)).expect("appended");
        assert!(fs::read(&path).expect("bytes").starts_with(&whole[..before]));
        assert_eq!(read_journal::<Note>(&path).expect("read").records.len() as u64, 5.max(lines));
    }
}

#[test]
fn damage_is_refused_with_its_line_and_nothing_changed() {
    let line = |seq: u64| format!("{}\n", serde_json::json!({"seq": seq, "text": ""}));
    let table: [(&str, String, u64, &str); 7] = [
        ("garbage in the middle", line(1) + "garbage\n" + &line(2), 2, "this line is no record"),
        ("a torn line in the middle", line(1) + "{\"seq\":2,\"te\n" + &line(3), 2, "this line is no record"),
        ("binary", line(1) + "\0\0\0\n", 2, "this line is no record"),
        ("an empty line", line(1) + "\n" + &line(2), 2, "this line is no record"),
        ("a gap", line(1) + &line(4), 2, "records 2 to 3 are missing before record 4"),
        ("a duplicate", line(1) + &line(2) + &line(2), 3, "record 2 appears again where 3 belongs"),
        ("a head that is gone", line(3), 1, "records 1 to 2 are missing before record 3"),
    ];
    let dir = TestDir::new();
    for (case, text, expected, why) in table {
        let path = dir.write("events.jsonl", text.clone() + "torn");
        let Err(error) = Journal::<Note>::open(&path) else { panic!("{case} was accepted") };
        let JournalError::Damaged { line, fault, .. } = &error else { panic!("{case}: {error}") };
        assert_eq!(*line, expected, "{case}");
        assert!(fault.to_string().starts_with(why), "{case}: {fault}");
        assert!(read_journal::<Note>(&path).is_err(), "{case}");
        assert_eq!(fs::read_to_string(&path).expect("text"), text + "torn", "{case}");
    }
}

#[test]
fn the_message_of_damage_names_place_and_cure() {
    let error = JournalError::Damaged {
        path: "/w/events.jsonl".into(),
        line: 4,
        fault: LineFault::Gap { expected: 4, found: 6 },
    };
    insta::assert_snapshot!(error, @"/w/events.jsonl:4: records 4 to 5 are missing before record 6; the 3 lines before it are whole: restore the file from a copy, or keep those with `head -n 3 /w/events.jsonl > whole.jsonl` after a look at the rest");
}

#[test]
fn out_of_order_records_are_refused_before_anything_is_written() {
    let dir = TestDir::new();
    let path = written(&dir, 1..=2);
    let mut journal = Journal::<Note>::open(&path).expect("opened").journal;
    for bad in [notes(2..=2), notes(4..=5), [notes(3..=3), notes(3..=3)].concat()] {
        assert!(matches!(journal.append(&bad), Err(JournalError::OutOfOrder { .. })), "{bad:?}");
    }
    journal.append(&notes(3..=3)).expect("the right one still goes");
    assert_eq!(read_journal::<Note>(&path).expect("read").records, notes(1..=3));
}

#[test]
fn a_journal_changed_by_another_hand_is_not_written_to() {
    let dir = TestDir::new();
    let path = written(&dir, 1..=2);
    let mut journal = Journal::<Note>::open(&path).expect("opened").journal;
    fs::write(&path, "").expect("emptied");
    assert!(matches!(journal.append(&notes(3..=3)), Err(JournalError::Changed { .. })));
    assert_eq!(fs::read(&path).expect("bytes"), b"");
}

/// `/dev/full` refuses every write with "no space left", and cannot be cut back.
#[cfg(target_os = "linux")]
#[test]
fn a_write_that_cannot_be_undone_breaks_the_journal() {
    let mut journal = Journal::<Note> {
        file: OpenOptions::new().append(true).open("/dev/full").expect("opened"),
        path: "/dev/full".into(),
        length: 0,
        last: 0,
        broken: false,
        faults: Arc::new(NoFaults),
        record: PhantomData,
    };
    let error = journal.append(&notes(1..=1)).expect_err("full");
    assert!(matches!(&error, JournalError::File(e) if e.source.kind() == ErrorKind::StorageFull), "{error}");
    assert!(matches!(journal.append(&notes(1..=1)), Err(JournalError::Broken { .. })));
}

#[test]
fn a_failed_append_leaves_the_journal_as_it_was() {
    let dir = TestDir::new();
    let path = written(&dir, 1..=2);
    let before = fs::read(&path).expect("bytes");
    let mut journal = Journal::<Note>::open(&path).expect("opened").journal;
    let half = serde_json::to_vec(&notes(3..=3)).expect("json");
    journal.file.write_all(&half[..9]).expect("half a batch");
    journal.roll_back();
    assert_eq!(fs::read(&path).expect("bytes"), before);
    journal.append(&notes(3..=3)).expect("it goes on");
    assert_eq!(read_journal::<Note>(&path).expect("read").records, notes(1..=3));
}

#[test]
fn a_follower_sees_each_record_once_and_only_whole() {
    let dir = TestDir::new();
    let path = dir.path().join("events.jsonl");
    let mut cursor = Cursor::default();
    let mut follow = || {
        let read = tail_journal::<Note>(&path, cursor).expect("read");
        cursor = read.cursor;
        read.records.iter().map(Sequenced::seq).collect::<Vec<_>>()
    };
    assert!(follow().is_empty());
    let mut journal = Journal::<Note>::open(&path).expect("opened").journal;
    assert!(follow().is_empty());
    journal.append(&notes(1..=2)).expect("appended");
    assert_eq!(follow(), [1, 2]);
    assert!(follow().is_empty());
    journal.file.write_all(b"{\"seq\":3,").expect("half a line");
    assert!(follow().is_empty());
    journal.roll_back();
    journal.append(&notes(3..=3)).expect("appended");
    assert_eq!(follow(), [3]);
    fs::write(&path, "").expect("emptied");
    assert!(matches!(tail_journal::<Note>(&path, cursor), Err(JournalError::Changed { .. })));
}

#[test]
fn the_fault_points_come_in_order() {
    #[derive(Default)]
    struct Seen(Mutex<Vec<String>>);
    impl Faults for Seen {
        fn at(&self, point: &str) {
            self.0.lock().expect("not poisoned").push(point.to_owned());
        }
    }
    let dir = TestDir::new();
    let seen = Arc::new(Seen::default());
    let path = dir.path().join("events.jsonl");
    let mut journal = Journal::<Note>::open_with(&path, seen.clone()).expect("opened").journal;
    journal.append(&notes(1..=2)).expect("appended");
    assert_eq!(*seen.0.lock().expect("not poisoned"), ["journal.before-write", "journal.written", "journal.synced"]);
}

/// What the helper below does in a process of its own: `<journal> <what>`; unset in an ordinary test run.
const HELPER: &str = "ORCH_TEST_JOURNAL";

struct DieAt(String);

impl Faults for DieAt {
    fn at(&self, point: &str) {
        if point == self.0 {
            std::process::abort();
        }
    }
}

/// Not a test of its own: appends records 3 to 5, and dies at a fault point or of a full disk.
#[test]
fn helper_appends() {
    let Ok(told) = std::env::var(HELPER) else { return };
    let (path, what) = told.split_once(' ').expect("two words");
    let mut journal =
        Journal::<Note>::open_with(Utf8Path::new(path), Arc::new(DieAt(what.to_owned()))).expect("opened").journal;
    if what != "full" {
        journal.append(&notes(3..=5)).expect("appended");
        return;
    }
    let before = journal.cursor();
    let big = Note { seq: 3, text: "x".repeat(100_000) };
    let error = journal.append(&[big]).expect_err("over the limit");
    assert!(matches!(&error, JournalError::File(e) if e.source.kind() == ErrorKind::FileTooLarge), "{error}");
    assert_eq!(journal.cursor(), before);
    journal.append(&notes(3..=3)).expect("a small one still fits");
}

/// Runs the helper under a shell that first does what `limits` says.
fn helper(path: &Utf8Path, what: &str, limits: &str) -> std::process::ExitStatus {
    std::process::Command::new("/bin/sh")
        .args(["-c", &format!("{limits} exec \"$0\" --exact journal::tests::helper_appends")])
        .arg(std::env::current_exe().expect("this test"))
        .env(HELPER, format!("{path} {what}"))
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .status()
        .expect("run")
}

#[test]
fn a_process_that_dies_at_any_point_leaves_a_journal_that_goes_on() {
    for (point, survivors) in [("journal.before-write", 2), ("journal.written", 5), ("journal.synced", 5), ("never", 5)]
    {
        let dir = TestDir::new();
        let path = written(&dir, 1..=2);
        assert_eq!(helper(&path, point, "ulimit -c 0;").success(), point == "never", "{point}");
        let mut opened = Journal::<Note>::open(&path).expect("opened");
        assert_eq!(opened.records, notes(1..=survivors), "{point}");
        opened.journal.append(&notes(survivors + 1..=6)).expect("appended");
        assert_eq!(read_journal::<Note>(&path).expect("read").records, notes(1..=6), "{point}");
    }
}

#[test]
fn a_full_disk_leaves_the_journal_whole_and_usable() {
    let dir = TestDir::new();
    let path = written(&dir, 1..=2);
    assert!(helper(&path, "full", "trap '' XFSZ; ulimit -f 20;").success());
    assert_eq!(read_journal::<Note>(&path).expect("read").records, notes(1..=3));
}

fn driver_line(seq: u64, change: impl FnOnce(&mut serde_json::Value)) -> String {
    let mut driver = serde_json::json!({
        "seq": seq, "timestamp": "2026-11-25T05:00:00Z", "awake": 5, "type": "driver", "start": true,
        "version": "9.0.0", "pid": 7, "boot": "b", "base": "main", "limits": {}, "goal": "merged",
        "autoMerge": false, "maxParallel": 4,
    });
    change(&mut driver);
    format!("{driver}\n")
}

#[test]
fn a_journal_without_a_format_is_of_the_first() {
    let dir = TestDir::new();
    let path = dir.write("events.jsonl", driver_line(1, |_| {}));
    let records = read_journal::<orch_core::journal::Entry>(&path).expect("an old journal").records;
    let Record::Driver(driver) = &records[0].record else { panic!("{records:?}") };
    assert_eq!(driver.format, 1);
}

#[test]
fn what_a_newer_version_wrote_is_said_to_be_newer_and_is_left_alone() {
    let format = JOURNAL_FORMAT + 1;
    let table = [
        (driver_line(1, |d| d["format"] = format.into()), 1, "journal format"),
        (driver_line(1, |_| {}) + &driver_line(2, |d| d["type"] = "omen".into()), 2, "record omen"),
        (driver_line(1, |d| d["goal"] = "perfect".into()), 1, "record driver"),
        (driver_line(1, |d| d["type"] = "\u{1b}[31mx".into()), 1, "record \\u{1b}[31mx"),
    ];
    let dir = TestDir::new();
    for (text, expected, why) in table {
        let path = dir.write("events.jsonl", text.clone() + "torn");
        let Err(error) = Journal::<orch_core::journal::Entry>::open(&path) else { panic!("{text} was accepted") };
        let JournalError::Newer { line, what, .. } = &error else { panic!("{text}: {error}") };
        assert_eq!(*line, expected, "{text}");
        assert!(what.starts_with(why), "{what}");
        assert!(error.to_string().contains("newer orch"), "{error}");
        assert_eq!(fs::read_to_string(&path).expect("text"), text + "torn", "nothing is changed");
    }
    let path = dir.write("events.jsonl", driver_line(2, |d| d["type"] = "omen".into()));
    let error = read_journal::<orch_core::journal::Entry>(&path).expect_err("not in its place");
    assert!(matches!(error, JournalError::Damaged { .. }), "{error}");
}
