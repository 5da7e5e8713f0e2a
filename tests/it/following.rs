//! People and programs watch a fleet: `events -f` beside a run, before it and after it.

use std::io::Write as _;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::fleet::{Fleet, Run};

/// Nothing but what the test itself lets happen.
const QUIET: &str = "[heal]\nheartbeat = \"1h\"\nscreen_interval = \"50ms\"\npull_interval = \"100ms\"\n";

fn seqs(text: &str) -> Vec<u64> {
    let seq = |line: &str| serde_json::from_str::<Value>(line).ok()?["seq"].as_u64();
    text.lines().filter_map(seq).collect()
}

/// How often a process gave the processor back: a wait that ended, of any of its threads.
fn waits(run: &Run) -> u64 {
    let threads = std::fs::read_dir(format!("/proc/{}/task", run.pid())).expect("it lives").flatten();
    let status = threads.flat_map(|thread| std::fs::read_to_string(thread.path().join("status")));
    let count = |text: String| {
        let line = text.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"))?;
        line.trim().parse::<u64>().ok()
    };
    status.filter_map(count).sum()
}

/// Someone who asks to follow and then takes nothing.
fn deaf(fleet: &Fleet) -> UnixStream {
    let owner: Value = serde_json::from_str(&fleet.read("w/orch.lock")).expect("who holds it");
    let socket = owner["control"].as_str().expect("a control socket");
    let mut stream = UnixStream::connect(socket).expect("somebody listens");
    stream.write_all(b"{\"ask\":\"follow\",\"from\":0}\n").expect("said");
    stream
}

#[test]
fn what_happens_is_told_before_beside_and_after_a_run_each_record_once() {
    let fleet = Fleet::new(&json!({"phases": [{"name": "one", "tasks": [{"id": "a"}, {"id": "b"}]}]}));
    fleet.orch_exits(&["pause", "b"], 0);
    let follower = fleet.start(&["--json", "events", "-f"]);
    fleet.wait("what was before is shown", |_| !seqs(&follower.said()).is_empty());
    fleet.orch_exits(&["resume", "b"], 0);
    fleet.orch_exits(&["run", "--until", "merged"], 0);
    fleet.orch_exits(&["pause"], 0);
    let last = seqs(&fleet.read("w/events.jsonl")).len() as u64;
    fleet.wait("all of it is shown", |_| seqs(&follower.said()).last() == Some(&last));
    assert_eq!(seqs(&follower.said()), (1..=last).collect::<Vec<_>>());
    follower.signal(Signal::INT);
    follower.end().assert_code(130, &fleet.workdir());
}

#[test]
fn beside_a_run_followers_are_told_and_hold_nobody_up() {
    let fleet = Fleet::new(&json!({"phases": [{"name": "one", "tasks": [{"id": "a"}]}]}));
    fleet.settings(QUIET);
    fleet.plan("a", "work a.txt; hold a");
    let run = fleet.start(&["run", "--until", "merged"]);
    fleet.wait_started("a", 1);
    let follower = fleet.start(&["--json", "events", "-f"]);
    let launched = |_: &Fleet| follower.said().contains("\"launched\"");
    fleet.wait("the launch is told", launched);
    let more: Vec<UnixStream> = (0..40).map(|_| deaf(&fleet)).collect();
    // Beside other tests it may be told late what happened before; who looks again and again is never quiet.
    let quiet = |_| {
        let before = waits(&follower);
        std::thread::sleep(Duration::from_secs(2));
        waits(&follower) - before < 5
    };
    assert!((0..5).any(quiet), "it looks again and again");
    // Whoever asks something is answered beside all of them.
    fleet.orch_exits(&["pause", "a"], 0);
    fleet.orch_exits(&["resume", "a"], 0);
    fleet.go("a");
    run.end().assert_code(0, &fleet.workdir());
    drop(more);
    let last = seqs(&fleet.read("w/events.jsonl")).len() as u64;
    fleet.wait("the end is told", |_| seqs(&follower.said()).last() == Some(&last));
    assert_eq!(seqs(&follower.said()), (1..=last).collect::<Vec<_>>());
}
