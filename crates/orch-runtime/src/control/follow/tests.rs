use std::time::Duration;

use orch_core::base::{AwakeMs, Millis, Seq, TaskId, Timestamp};
use orch_core::journal::Record;
use serde_json::{Value, json};

use super::*;
use crate::control::{ControlRefusal, ControlServer, Requests, ask};
use crate::journal::Journal;
use crate::lock::WorkdirLock;
use crate::testdir::TestDir;
use crate::workdir::Workdir;

/// Longer than any of these tests should take.
const LONG: Duration = Duration::from_secs(30);

struct Place {
    _dir: TestDir,
    _lock: WorkdirLock,
    _server: ControlServer,
    requests: Option<Requests<Value, Value>>,
    journal: Journal<Entry>,
    publisher: Publisher,
    control: Utf8PathBuf,
}

async fn place() -> Place {
    let dir = TestDir::new();
    let workdir = Workdir::create(&dir.path().join("w")).expect("made");
    let lock = WorkdirLock::acquire(&workdir, None).await.expect("free");
    let journal = Journal::open(&workdir.journal()).expect("made").journal;
    let (publisher, feed) = Publisher::new(workdir.journal());
    let control = workdir.root().join("control.sock");
    let (server, requests) = ControlServer::listen_with(&control, &lock, Some(feed)).expect("listening");
    Place { _dir: dir, _lock: lock, _server: server, requests: Some(requests), journal, publisher, control }
}

impl Place {
    fn record(&mut self, count: u64) {
        let first = self.journal.cursor().seq + 1;
        let entry = |seq| Entry {
            seq: Seq(seq),
            timestamp: Timestamp::from_millis(0),
            awake: AwakeMs(0),
            task: None,
            record: Record::Gap { what: "suspend".to_owned(), lasted: Millis(seq) },
        };
        let entries: Vec<Entry> = (first..first + count).map(entry).collect();
        self.journal.append(&entries).expect("written");
        self.publisher.recorded(first + count - 1);
    }

    async fn follow(&self, from: u64) -> Following {
        follow(&self.control, from).await.expect("followed")
    }
}

async fn next(following: &mut Following) -> Option<Followed> {
    tokio::time::timeout(LONG, following.next()).await.expect("in time").expect("known")
}

async fn seqs(following: &mut Following, count: usize) -> Vec<u64> {
    let mut seqs = Vec::new();
    while seqs.len() < count {
        match next(following).await {
            Some(Followed::Record(entry)) => seqs.push(entry.seq.0),
            Some(Followed::Live(_)) => {}
            None => panic!("it ended after {seqs:?}"),
        }
    }
    seqs
}

#[tokio::test]
async fn records_come_from_a_place_on_each_once_and_in_order() {
    let mut place = place().await;
    place.record(3);
    let (mut all, mut late) = (place.follow(0).await, place.follow(2).await);
    assert_eq!(seqs(&mut all, 3).await, [1, 2, 3]);
    assert_eq!(seqs(&mut late, 1).await, [3]);
    for _ in 0..5 {
        place.record(2);
    }
    assert_eq!(seqs(&mut all, 10).await, (4..=13).collect::<Vec<_>>());
    assert_eq!(seqs(&mut late, 10).await, (4..=13).collect::<Vec<_>>());
}

#[tokio::test]
async fn what_was_written_last_is_told_before_the_end() {
    let mut place = place().await;
    let mut following = place.follow(0).await;
    place.record(1);
    assert_eq!(seqs(&mut following, 1).await, [1]);
    place.record(1);
    drop(place.publisher);
    assert_eq!(seqs(&mut following, 1).await, [2]);
    assert!(next(&mut following).await.is_none());
}

#[tokio::test]
async fn what_is_seen_just_now_is_told_to_those_who_look() {
    let mut place = place().await;
    let live = |n: u64| LiveView {
        task: TaskId::parse("a").expect("an id"),
        changed_at: AwakeMs(n),
        line: Some(format!("line {n}")),
    };
    place.publisher.seen(&[live(0)]);
    place.record(1);
    let mut following = place.follow(0).await;
    assert_eq!(seqs(&mut following, 1).await, [1]);
    for n in 0..2 {
        place.publisher.seen(&[live(n)]);
        match next(&mut following).await {
            Some(Followed::Live(seen)) => assert_eq!(seen, [live(n)], "what was seen before it came, then what is new"),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn nothing_waits_for_those_who_do_not_listen() {
    let mut place = place().await;
    let deaf = place.follow(0).await;
    let mut listens = place.follow(0).await;
    // More than a socket holds: whoever does not take it is let go in the end, and nobody else notices.
    for _ in 0..20 {
        place.record(500);
    }
    assert_eq!(seqs(&mut listens, 10_000).await.last(), Some(&10_000));
    drop(deaf);
}

#[tokio::test]
async fn followers_hold_up_nobody_and_are_let_go() {
    let mut place = place().await;
    place.record(1);
    let mut followers = Vec::new();
    for _ in 0..32 {
        let mut following = place.follow(0).await;
        seqs(&mut following, 1).await;
        followers.push(following);
    }
    let mut requests = place.requests.take().expect("not taken");
    tokio::spawn(async move {
        while let Some((request, back)) = requests.recv().await {
            let _ = back.send(request);
        }
    });
    let answer: Value = ask(&place.control, &json!({"ask": "wake"}), LONG).await.expect("answered");
    assert_eq!(answer, json!({"ask": "wake"}), "whoever follows takes nobody's place");
    let mut more = place.follow(0).await;
    let refused = tokio::time::timeout(LONG, more.next()).await.expect("in time").expect_err("one too many");
    assert!(matches!(refused, ControlError::Refused(ControlRefusal::Busy)));
    followers.clear();
    let begun = std::time::Instant::now();
    loop {
        let mut again = place.follow(0).await;
        if again.next().await.is_ok_and(|followed| followed.is_some()) {
            break;
        }
        assert!(begun.elapsed() < LONG, "those who left still count");
    }
}
