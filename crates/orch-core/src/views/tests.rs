use serde_json::{Value, json};

use super::*;
use crate::base::id::TaskId;
use crate::base::layout::Layout;
use crate::base::time::{Millis, Timestamp};
use crate::heal::{DefaultPolicy, Limits};
use crate::journal::record::{Entry, Record};
use crate::plan::graph::TaskGraph;
use crate::plan::manifest::Manifest;
use crate::plan::status::Status;
use crate::ports::LaunchSpec;
use crate::state::State;
use crate::testkit::{Scenario, Script, World};

const MANIFEST: &str = r#"{"project":"demo","maxParallel":1,"phases":[
  {"name":"One","tasks":[
    {"id":"t1","title":"First","files":["a.js"]},
    {"id":"t2","title":"Second \u001b[31m","files":["a.js","b.js"],"dependsOn":["t1"]},
    {"id":"t3","title":"Third","files":["c.js"]}]},
  {"name":"Two","tasks":[{"id":"t4","title":"Fourth"}]}]}"#;

/// A journal in the making: each record a second after the one before.
struct Tale {
    entries: Vec<Entry>,
}

impl Tale {
    fn new() -> Self {
        let plan = Manifest::parse(MANIFEST.as_bytes()).expect("a manifest").manifest.plan().clone();
        let driver = json!({"type": "driver", "start": true, "version": "1.2.3", "pid": 7, "boot": "b", "base": "main",
            "limits": {"maxAttempts": 2}, "goal": "merged", "autoMerge": true, "maxParallel": 1});
        let tale = Self { entries: Vec::new() }.then(None, &driver);
        let why = "manifest.json".to_owned();
        tale.add(None, Record::Plan { why, plan: Box::new(plan) })
    }

    fn then(self, task: Option<&str>, record: &Value) -> Self {
        let record = serde_json::from_value(record.clone()).unwrap_or_else(|e| panic!("{record}: {e}"));
        self.add(task, record)
    }

    fn add(mut self, task: Option<&str>, record: Record) -> Self {
        let seq = self.entries.len() as u64 + 1;
        let at = Timestamp::parse("2026-01-01T00:00:00Z").expect("a time") + Millis::from_secs(seq);
        let entry = json!({"seq": seq, "timestamp": at, "awake": seq * 1000, "task": task, "type": "gap", "what": "", "lasted": 0});
        let entry: Entry = serde_json::from_value(entry).expect("an entry");
        self.entries.push(Entry { record, ..entry });
        self
    }

    fn status(self, task: &str, from: &str, to: &str, attempt: Option<u32>) -> Self {
        self.then(Some(task), &json!({"type": "status", "from": from, "to": to, "attempt": attempt}))
    }

    /// An attempt that failed for the `failures`th time, and what was decided.
    fn failed(self, task: &str, failures: u32, decision: &Value) -> Self {
        let case = json!({"signal": "failed", "detail": "exit code 1", "attempt": 1, "failures": failures,
            "feedbackRounds": 0, "relaunches": 0, "samePrompt": 0, "poke": {}, "silent": 0, "poked": false,
            "lineInput": false, "askedToCommit": false, "foreignDirt": []});
        let evidence = json!({"exit": {"code": 1, "signal": null}, "tail": ["\u{1b}[31mboom", "error: no such file"]});
        let mut remedy = json!({"type": "remedy", "signal": "failed", "policy": "default"});
        for (key, value) in decision.as_object().expect("an object") {
            remedy[key] = value.clone();
        }
        self.then(Some(task), &json!({"type": "verdict", "rule": "exit", "evidence": evidence, "case": case}))
            .then(Some(task), &remedy)
    }

    fn state(&self) -> (State, TaskGraph) {
        let state = State::fold(&self.entries);
        let graph = TaskGraph::build(state.plan.as_ref().expect("a plan")).expect("no cycle");
        (state, graph)
    }
}

fn id(text: &str) -> TaskId {
    TaskId::parse(text).expect("a task id")
}

/// The second failure of two: decided as the policy does.
fn healed() -> Tale {
    let at = "2026-01-01T00:00:16.000Z";
    let restart = json!({"remedy": {"do": "restart", "at": at},
        "reason": "exit code 1; 1 of 2 attempts failed, a new one begins", "threshold": "backoff"});
    let escalate = json!({"remedy": {"do": "escalate"},
        "reason": "exit code 1; 2 of 2 attempts failed", "threshold": "max_attempts"});
    Tale::new()
        .status("t1", "pending", "running", Some(1))
        .status("t2", "pending", "blocked", None)
        .failed("t1", 1, &restart)
        .status("t1", "running", "error", None)
        .status("t1", "error", "running", Some(2))
        .failed("t1", 2, &escalate)
        .then(Some("t1"), &json!({"type": "status", "from": "running", "to": "error", "reason": "exit\ncode 1"}))
}

fn json_of(view: &impl serde::Serialize) -> Value {
    serde_json::to_value(view).expect("a view is JSON")
}

#[test]
fn the_fleet_has_every_field_of_the_contract() {
    let tale = Tale::new().status("t1", "pending", "running", Some(1));
    let (state, graph) = tale.state();
    let view = json_of(&FleetView::new(&state, &graph, &Layout::new("/w"), Some(42)));
    assert_eq!(view["orchestrator"], json!({"running": true, "pid": 42}));
    assert_eq!(view["phase"], json!({"index": 0, "name": "One"}));
    assert_eq!(view["counts"].as_object().map(serde_json::Map::len), Some(8));
    assert_eq!((&view["counts"]["running"], &view["counts"]["pending"]), (&json!(1), &json!(3)));
    insta::assert_snapshot!(format!("{:#}", view["tasks"][1]), @r#"
    {
      "id": "t2",
      "title": "Second \u001b[31m",
      "phase": 0,
      "status": "pending",
      "attempt": 0,
      "agent": "codex",
      "session": null,
      "branch": "task/t2",
      "worktree": null,
      "prNumber": null,
      "needsHuman": false,
      "reason": null,
      "skipped": false,
      "paused": false,
      "blockedBy": [
        {
          "task": "t1",
          "kind": "dependsOn",
          "files": [
            "a.js"
          ]
        }
      ],
      "waits": [
        {
          "kind": "dependsOn",
          "what": "t1 (dependsOn; both touch a.js)",
          "since": "2026-01-01T00:00:01.000Z",
          "again": null,
          "ends": "it is complete, or skipped by `orch skip`"
        }
      ],
      "startedAt": null,
      "lastProgress": null,
      "completedAt": null
    }
    "#);
    assert_eq!(view["tasks"][0]["blockedBy"], json!([]));
    let gate: Vec<&Value> = view["tasks"][3]["blockedBy"].as_array().expect("an array").iter().collect();
    assert_eq!(gate.len(), 3, "{gate:?}");
    assert!(gate.iter().all(|blocker| blocker["kind"] == "phase" && blocker["files"] == json!([])));
}

#[test]
fn a_fleet_without_a_plan_or_with_one_task_only_keeps_its_shape() {
    let state = State::default();
    let graph = TaskGraph::build(&crate::plan::spec::Plan::default()).expect("no cycle");
    let view = json_of(&FleetView::new(&state, &graph, &Layout::new("/w"), None));
    assert_eq!(view["tasks"], json!([]));
    assert_eq!(view["orchestrator"], json!({"running": false, "pid": null}));

    let (state, graph) = Tale::new().state();
    let view = FleetView::new(&state, &graph, &Layout::new("/w"), None).only(&id("t3"));
    assert_eq!(view.tasks.iter().map(|task| task.id.as_str()).collect::<Vec<_>>(), ["t3"]);
    assert_eq!(json_of(&view)["counts"]["pending"], 4);
}

#[test]
fn states_of_the_manifest_are_shown_where_there_is_no_journal() {
    let text = r#"{"project":"p","phases":[{"name":"One","tasks":[{"id":"t1","status":"pr_open","prNumber":7,
        "startedAt":"2026-01-01T00:00:00Z","worktree":"/elsewhere","tmuxSession":"s"}]}]}"#;
    let manifest = Manifest::parse(text.as_bytes()).expect("a manifest").manifest;
    let state = State::from_manifest(&manifest);
    let view = FleetView::new(&state, manifest.graph(), &Layout::new("/w"), None).with_imported(manifest.imported());
    let task = &json_of(&view)["tasks"][0];
    assert_eq!((&task["status"], &task["prNumber"]), (&json!("pr_open"), &json!(7)));
    assert_eq!((&task["worktree"], &task["session"]), (&json!("/elsewhere"), &json!("s")));
    assert_eq!(task["startedAt"], "2026-01-01T00:00:00.000Z");
}

#[test]
fn the_report_sums_up_what_was_done() {
    let (state, _) = healed().state();
    let report = json_of(&ReportView::new(&state));
    assert_eq!((&report["version"], &report["project"]), (&json!(1), &json!("demo")));
    assert_eq!((&report["finishedAt"], &report["parallelPeak"]), (&Value::Null, &json!(1)));
    assert_eq!(report["counts"]["error"], 1);
    insta::assert_snapshot!(report["tasks"][0], @r#"{"id":"t1","status":"error","attempts":2,"durationSeconds":8,"branch":"task/t1","prNumber":null,"commits":[],"files":[],"remedies":[{"at":"2026-01-01T00:00:06.000Z","signal":"failed","remedy":"restart","reason":"exit code 1; 1 of 2 attempts failed, a new one begins"},{"at":"2026-01-01T00:00:10.000Z","signal":"failed","remedy":"escalate","reason":"exit code 1; 2 of 2 attempts failed"}],"needsHuman":true,"reason":"exit\ncode 1"}"#);
    assert_eq!(report["tasks"][2]["durationSeconds"], Value::Null);

    let done = ["t1", "t2", "t3", "t4"].into_iter().fold(Tale::new(), |tale, task| {
        tale.then(Some(task), &json!({"type": "user", "verb": {"verb": "skip"}}))
            .status(task, "pending", "blocked", None)
    });
    let report = ReportView::new(&done.state().0);
    assert_eq!(report.finished_at, done.entries.last().map(|entry| entry.timestamp), "all are skipped");
}

#[test]
fn why_quotes_evidence_rule_threshold_and_source() {
    let tale = healed();
    let (state, graph) = tale.state();
    let source = |name: &str| format!("orch.toml:{}", name.len());
    let why = Why::new(&tale.entries, &state, &graph, &Layout::new("/w"), &id("t1"), source).expect("known");
    insta::assert_snapshot!(why, @r"
    t1 is error, attempt 2: First
      waits for a person: exit\ncode 1, since 2026-01-01T00:00:10.000Z; until `orch retry t1`; `orch skip t1` lets others pass

        3  2026-01-01T00:00:03.000Z  pending -> running, attempt 1
        5  2026-01-01T00:00:05.000Z  verdict failed by rule exit: exit code 1
                                     exit: exit code 1
                                     output: boom
                                     output: error: no such file
        6  2026-01-01T00:00:06.000Z  remedy restart: exit code 1; 1 of 2 attempts failed, a new one begins
                                     threshold: backoff = 10s (set by: orch.toml:7)
        7  2026-01-01T00:00:07.000Z  running -> error
        8  2026-01-01T00:00:08.000Z  error -> running, attempt 2
        9  2026-01-01T00:00:09.000Z  verdict failed by rule exit: exit code 1
                                     exit: exit code 1
                                     output: boom
                                     output: error: no such file
       10  2026-01-01T00:00:10.000Z  remedy escalate: exit code 1; 2 of 2 attempts failed
                                     threshold: max_attempts = 2 (set by: orch.toml:12)
       11  2026-01-01T00:00:11.000Z  running -> error: exit\ncode 1
    ");
    let step = json_of(&why)["chain"][1].clone();
    assert_eq!((&step["type"], &step["rule"]), (&json!("verdict"), &json!("exit")));
    assert_eq!(step["evidence"]["exit"]["code"], 1);
    let threshold = &json_of(&why)["chain"][6]["threshold"];
    assert_eq!(*threshold, json!({"name": "max_attempts", "value": "2", "source": "orch.toml:12"}));
    assert_eq!(Why::new(&tale.entries, &state, &graph, &Layout::new("/w"), &id("nope"), source), None);
}

#[test]
fn why_says_what_a_task_waits_for() {
    let waits = |tale: Tale, task: &str| {
        let (state, graph) = tale.state();
        let why = Why::new(&tale.entries, &state, &graph, &Layout::new("/w"), &id(task), |_| String::new());
        why.expect("known").waits
    };
    let running = || Tale::new().status("t1", "pending", "running", Some(1));
    let until = "it is complete, or skipped by `orch skip`";
    let since = "since 2026-01-01T00:00:01.000Z";
    assert_eq!(waits(running(), "t2"), [format!("t1 (dependsOn; both touch a.js), {since}; until {until}")]);
    assert_eq!(waits(running(), "t3"), [format!("a slot (1 of 1 taken), {since}; until a task at work ends")]);
    assert_eq!(
        waits(running(), "t4"),
        [format!(
            "t1 (earlier phase), t2 (earlier phase), t3 (earlier phase), {since}; until {}",
            until.replace("it is", "they are")
        )]
    );
    assert_eq!(waits(running(), "t1"), [""; 0]);
    let paused = running().then(None, &json!({"type": "user", "verb": {"verb": "pause"}}));
    assert_eq!(waits(paused, "t3"), ["a person, who paused everything; until `orch resume`"]);
    assert!(waits(healed(), "t1")[0].starts_with("a person: "));
}

#[test]
fn every_threshold_has_a_value_for_people() {
    let limits = json_of(&Limits::default());
    let snake = |key: &String| {
        let split =
            |c: char| if c.is_ascii_uppercase() { format!("_{}", c.to_ascii_lowercase()) } else { c.to_string() };
        key.chars().map(split).collect::<String>()
    };
    for name in limits.as_object().expect("an object").keys().map(snake) {
        let name = name.strip_prefix("verify_").unwrap_or(&name);
        assert!(Limits::default().shown(name).is_some(), "{name}");
    }
    assert_eq!(Limits::default().shown("nope"), None);
}

#[test]
fn replay_agrees_with_what_the_policy_decided() {
    let replay = replay(&healed().entries, &DefaultPolicy);
    assert_eq!((replay.decisions, replay.moves, replay.differences), (2, 5, Vec::new()));
}

#[test]
fn replay_agrees_with_whole_orchestrations() {
    let commits = |world: &World, spec: &LaunchSpec| {
        let file = format!("{}.txt", spec.env["ORCH_TASK_ID"]);
        world.repository().commit_files(&spec.cwd, "work", &[(&file, "done")]);
    };
    for crash_every in [None, Some(9), Some(4)] {
        let plan = Manifest::parse(MANIFEST.as_bytes()).expect("a manifest").manifest.plan().clone();
        let scenario = Scenario::new(plan, move |spec| match spec.env["ORCH_ATTEMPT"].as_str() {
            "1" if spec.env["ORCH_TASK_ID"] == "t1" => Script::new().print("error: no").exit(1),
            "1" if spec.env["ORCH_TASK_ID"] == "t3" => Script::new().exit(0),
            _ => Script::new().print("at work").wait(Millis::from_secs(60)).work(commits).exit(0),
        });
        let scenario = crash_every.into_iter().fold(scenario, Scenario::crash_every);
        let story = scenario.run().expect("no cycle");
        let replay = replay(&story.journal, &DefaultPolicy);
        assert_eq!(replay.differences, Vec::new(), "crash every {crash_every:?}");
        assert!(replay.decisions >= 10 && replay.moves >= 20, "{replay:?}");
        let report = ReportView::new(&story.state);
        assert!(report.finished_at.is_some() && report.tasks.iter().all(|task| task.status == Status::Merged));
        assert_eq!(report.tasks[0].attempts, 2);
        assert_eq!(report.tasks[0].files, ["t1.txt"]);
    }
}

#[test]
fn replay_finds_what_differs() {
    let shown = |tale: &Tale, policy: &dyn crate::heal::HealPolicy| -> Vec<String> {
        replay(&tale.entries, policy).differences.iter().map(ToString::to_string).collect()
    };
    let mut forged = healed();
    if let Record::Remedy { decision, .. } = &mut forged.entries[5].record {
        decision.reason = "because\u{1b}".to_owned();
    }
    insta::assert_snapshot!(shown(&forged, &DefaultPolicy).join("\n"), @r"record 6 t1: decided restart (because\u{1b}), now restart (exit code 1; 1 of 2 attempts failed, a new one begins)");
    let limits = Limits { max_attempts: 5, ..Limits::default() };
    let other = OtherLimits { limits, name: "mine.toml".to_owned() };
    insta::assert_snapshot!(shown(&forged, &other).join("\n"), @"record 10 t1: decided escalate (exit code 1; 2 of 2 attempts failed), now restart (exit code 1; 2 of 5 attempts failed, a new one begins)");

    let illegal = Tale::new().status("t1", "pending", "merged", None).status("t1", "running", "stuck", None);
    let unasked = illegal.then(
        Some("t1"),
        &json!({"type": "remedy", "signal": "lost", "policy": "default", "remedy": {"do": "look"}, "reason": ""}),
    );
    insta::assert_snapshot!(shown(&unasked, &DefaultPolicy).join("\n"), @r"
    record 3 t1: no task goes from pending to merged
    record 4 t1: it says that the task was running, but it was merged
    record 5 t1: a remedy that answers no verdict
    ");
}

#[test]
fn every_record_reads_as_one_harmless_line() {
    let sha = "0123456789012345678901234567890123456789";
    let tale = healed()
        .then(Some("t1"), &json!({"type": "effect", "effect": {"kind": "push", "branch": "task/t1", "sha": sha, "base": "main"}}))
        .then(Some("t1"), &json!({"type": "done", "effect": 12, "outcome": {"failed": {"kind": "refused", "message": "no\r\u{1b}[2J"}}}))
        .then(Some("t1"), &json!({"type": "user", "verb": {"verb": "send", "text": "go\non"}}))
        .then(None, &json!({"type": "gap", "what": "suspend", "lasted": 61000}));
    let lines: Vec<String> = tale.entries.iter().map(describe).collect();
    assert!(lines.iter().all(|line| !line.chars().any(char::is_control)), "{lines:?}");
    insta::assert_snapshot!(lines.join("\n"), @r"
    orchestrator 1.2.3 (process 7) takes over; goal merged
    plan of 4 tasks: manifest.json
    pending -> running, attempt 1
    pending -> blocked
    verdict failed by rule exit: exit code 1
    remedy restart: exit code 1; 1 of 2 attempts failed, a new one begins
    running -> error
    error -> running, attempt 2
    verdict failed by rule exit: exit code 1
    remedy escalate: exit code 1; 2 of 2 attempts failed
    running -> error: exit\ncode 1
    begins push: 0123456789 to task/t1
    12 is done: failed: no\n
    a person says send: go\non
    nothing could be seen for 1m 1s (suspend)
    ");
}
