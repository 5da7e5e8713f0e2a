use std::collections::BTreeMap;

use serde_json::json;

use super::*;
use crate::base::id::{PullNumber, TaskId};
use crate::plan::status::Status;

const EXAMPLE: &str = include_str!("../../../../../examples/manifests/security-framework.json");

fn parse(text: &str) -> Parsed {
    Manifest::parse(text.as_bytes()).unwrap_or_else(|problems| panic!("{}", listed(&problems)))
}

fn errors(text: &str) -> Vec<Problem> {
    Manifest::parse(text.as_bytes()).expect_err("a bad manifest")
}

fn listed(problems: &[Problem]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

fn id(text: &str) -> TaskId {
    TaskId::parse(text).expect("a task id")
}

/// A manifest around tasks of one phase.
fn with_tasks(tasks: &str) -> String {
    format!(r#"{{"project": "p", "phases": [{{"name": "one", "tasks": [{tasks}]}}]}}"#)
}

#[test]
fn the_example_reads_as_its_rules_say() {
    let Parsed { manifest, warnings } = parse(EXAMPLE);
    let waves: Vec<Vec<&str>> =
        manifest.graph().waves().into_iter().map(|wave| wave.into_iter().map(TaskId::as_str).collect()).collect();
    assert_eq!(waves, [vec!["t1", "t3"], vec!["t2"], vec!["t4", "t6"], vec!["t5", "t7"], vec!["t8"]]);
    insta::assert_snapshot!(listed(&warnings), @r#"
    16:101: $.phases[1].tasks[0].dependsOn: t4 starts once all before its phase is complete, but from a base without their work as far as that is not merged yet: only the gate puts t4 after them (add the tasks that t4 builds on to its dependsOn, or set "gate": "merged")
    17:76: $.phases[1].tasks[1].dependsOn: t5 starts once all before its phase is complete, but from a base without their work as far as that is not merged yet: only the gate puts t5 after them (add the tasks that t5 builds on to its dependsOn, or set "gate": "merged")
    19:43: $.phases[1].tasks[3].files: t7 will wait for t4, which nobody declared: both touch "container_executor.js" (add t4 to dependsOn of t7 to say so, or set "sameFile": "explicit" to let them run together)
    19:83: $.phases[1].tasks[3].dependsOn: t7 starts once all before its phase is complete, but from a base without their work as far as that is not merged yet: only the gate puts t7 after them (add the tasks that t7 builds on to its dependsOn, or set "gate": "merged")
    20:102: $.phases[1].tasks[4].dependsOn: t8 starts once all before its phase is complete, but from a base without their work as far as that is not merged yet: only the gate puts t8 after them (add the tasks that t8 builds on to its dependsOn, or set "gate": "merged")
    "#);
    let explicit = EXAMPLE.replacen('{', r#"{"sameFile": "explicit", "gate": "merged","#, 1);
    let Parsed { manifest, warnings } = parse(&explicit);
    let third: Vec<&str> = manifest.graph().waves()[2].iter().map(|id| id.as_str()).collect();
    assert_eq!(third, ["t4", "t6", "t7"]);
    insta::assert_snapshot!(listed(&warnings), @r#"19:43: $.phases[1].tasks[3].files: t4 and t7 both touch "container_executor.js" and nothing orders them: their work may conflict (add t4 to dependsOn of t7, or leave "sameFile" out)"#);
}

#[test]
fn defaults_are_the_contract_s() {
    let manifest =
        parse(r#"{"project": "p", "phases": [{"tasks": [{"id": "a", "issue": 7, "files": ["x"]}]}]}"#).manifest;
    insta::assert_snapshot!(serde_json::to_string_pretty(manifest.plan()).expect("serialises"), @r#"
    {
      "settings": {
        "project": "p",
        "repo": null,
        "base": null,
        "agent": "codex",
        "model": null,
        "modelTier": null,
        "executor": null,
        "forge": null,
        "autonomy": "full",
        "sameFile": "serialize",
        "gate": "complete",
        "merge": null,
        "mergeMethod": "merge",
        "push": "early",
        "maxParallel": 4,
        "verify": []
      },
      "phases": [
        "Phase 1"
      ],
      "tasks": [
        {
          "id": "a",
          "phase": 0,
          "issue": 7,
          "title": "",
          "files": [
            "x"
          ],
          "dependsOn": [],
          "body": null,
          "prompt": null,
          "agent": null,
          "model": null,
          "priority": null,
          "role": null,
          "verify": null,
          "estimateMinutes": null,
          "branch": "fix/issue-7"
        }
      ]
    }
    "#);
    assert_eq!(manifest.imported(), [ImportedTask { id: id("a"), state: ProjectedTask::default() }]);
}

#[test]
fn null_stands_for_the_default() {
    let nulls = |fields: &[fields::Field]| {
        let optional = fields.iter().filter(|field| !field.default.is_empty());
        optional.map(|field| format!("\"{}\": null", field.name)).collect::<Vec<_>>().join(", ")
    };
    let (settings, phase, task) = (nulls(fields::SETTINGS), nulls(&fields::PHASE[..1]), nulls(fields::TASK));
    let text = format!(r#"{{"project": "p", {settings}, "phases": [{{{phase}, "tasks": [{{"id": "a", {task}}}]}}]}}"#);
    let bare = parse(&with_tasks(r#"{"id": "a"}"#).replace("\"one\"", "null")).manifest;
    assert_eq!(parse(&text).manifest.plan(), bare.plan());
    assert_eq!(parse(&text).manifest.imported(), bare.imported());
}

#[test]
fn every_problem_comes_at_once_with_its_place() {
    let bad = r##"{
  "repo": 7, "created": "yesterday", "model": "", "base": "task/free", "agent": "a\u0000b", "executor": "docker",
  "maxParallel": 0, "verify": "cargo test", "gate": "merged", "journal": {"seq": -1},
  "same_file": "explicit", "mergeMethod": "fast", "mergeMethod": "squash",
  "phases": [
    {"name": "one", "tasks": [
      {"id": "t1", "issue": 1, "files": ["/etc/passwd", "a/../b", "ok", "./ok", "[x"], "dependsOn": ["t1", "nope", "late", "#2", "nope"]},
      {"id": "t2", "issue": 2, "dependsOn": ["t3"], "status": "done", "startedAt": "2026-13-01", "prNumber": 0},
      {"id": "t3", "dependsOn": ["t2"], "prompt": "x\u0000y", "estimateMinutes": -1, "priority": "urgent", "skipped": "no"},
      {"id": "T1", "files": "src"},
      {"id": "t1", "branch": "fix/issue-1/more"},
      {"id": "free.lock", "verify": []},
      {"id": "free", "branch": "a..b", "attempts": 5000000000},
      {"id": "clash", "branch": "fix/issue-2", "verify": ["", 3]},
      {"id": "taken", "branch": "task/free/x"},
      {"title": 3},
      17
    ]},
    {"tasks": [{"id": "late"}]}
  ]
}"##;
    insta::assert_snapshot!(listed(&errors(bad)), @r##"
    1:1: $: the required field project is missing (add "project")
    2:11: $.repo: this is a number and should be a string (write a string)
    2:25: $.created: "yesterday" is no time (write RFC 3339, as in 2026-01-17T00:00:00Z)
    2:47: $.model: model is blank (give it a name, or leave it out)
    2:81: $.agent: a NUL character cannot be handed to a program (remove the \u0000)
    2:105: $.executor: "docker" is no executor (write one of tmux, pty)
    3:18: $.maxParallel: 0 is out of range (write a whole number from 1)
    3:31: $.verify: this is a string and should be an array of arguments (write ["cargo", "test"]; there is no shell)
    3:74: $.journal: this is out of range (write {"seq": N, "offset": N})
    4:51: $.mergeMethod: the key "mergeMethod" stands twice in one object (keep one of the two)
    7:42: $.phases[0].tasks[0].files[0]: "/etc/passwd" is no file of the repository: it is absolute (give the path from the repository's root, without a leading slash)
    7:57: $.phases[0].tasks[0].files[1]: "a/../b" is no file of the repository: '..' may lead out of the repository (give the path from the repository's root, without '..')
    7:81: $.phases[0].tasks[0].files[4]: "[x" is no file of the repository: '[' is not closed by ']' (close the class in the same path component, or write \[ for a bracket)
    7:102: $.phases[0].tasks[0].dependsOn[0]: a task cannot wait for itself (remove it)
    7:108: $.phases[0].tasks[0].dependsOn[1]: there is no task "nope" (name a task of this manifest, or remove it)
    7:116: $.phases[0].tasks[0].dependsOn[2]: late is in a later phase, which the gate holds back until this task is done (move one of the two to another phase)
    7:124: $.phases[0].tasks[0].dependsOn[3]: there is no task "#2" (did you mean t2?)
    8:46: $.phases[0].tasks[1].dependsOn[0]: these tasks wait for each other: t2 -> t3 -> t2 (each waits for the next) (remove one dependency of the ring)
    8:63: $.phases[0].tasks[1].status: "done" is no status (write one of pending, blocked, running, stuck, error, complete, pr_open, merged)
    8:84: $.phases[0].tasks[1].startedAt: "2026-13-01" is no time (write RFC 3339, as in 2026-01-17T00:00:00Z)
    8:110: $.phases[0].tasks[1].prNumber: 0 is out of range (write a whole number from 1)
    9:51: $.phases[0].tasks[2].prompt: a NUL character cannot be handed to a program (remove the \u0000)
    9:82: $.phases[0].tasks[2].estimateMinutes: -1 is out of range (write a number of minutes from 0)
    9:98: $.phases[0].tasks[2].priority: "urgent" is no priority (write one of critical, high, medium, low)
    9:119: $.phases[0].tasks[2].skipped: this is a string and should be true or false (write true or false)
    10:14: $.phases[0].tasks[3].id: the id T1 counts as the same as that of t1 (phases[0].tasks[0]): case is ignored and . equals _ (give it another id)
    10:29: $.phases[0].tasks[3].files: this is a string and should be an array (write an array)
    11:14: $.phases[0].tasks[4].id: the id t1 is taken already, by t1 (phases[0].tasks[0]) (give it another id)
    11:30: $.phases[0].tasks[4].branch: the branch "fix/issue-1/more" cannot be beside fix/issue-1, the branch of t1 (phases[0].tasks[0]): git keeps one as a directory of the other (give this task another "branch")
    12:14: $.phases[0].tasks[5].id: "free.lock" is no task id (it may not end in '.lock')
    13:32: $.phases[0].tasks[6].branch: "a..b" is no branch name ('..', '@{' and a '.' at the end may not occur)
    13:52: $.phases[0].tasks[6].attempts: 5000000000 is out of range (write a whole number from 0)
    14:33: $.phases[0].tasks[7].branch: the branch "fix/issue-2" is also the branch of t2 (phases[0].tasks[1]) (give this task another "branch")
    14:59: $.phases[0].tasks[7].verify[0]: the program's name is blank (name the program to run)
    14:63: $.phases[0].tasks[7].verify[1]: this is a number and should be a string (write a string)
    15:33: $.phases[0].tasks[8].branch: the branch "task/free/x" cannot be beside task/free, the branch of the base: git keeps one as a directory of the other (give this task another "branch")
    16:7: $.phases[0].tasks[9]: the required field id is missing (add "id")
    16:17: $.phases[0].tasks[9].title: this is a number and should be a string (write a string)
    17:7: $.phases[0].tasks[10]: this is a number and should be an object (write an object)
    "##);
}

#[test]
fn cycles_are_problems_with_a_place() {
    let text = with_tasks(r#"{"id": "t1", "dependsOn": ["t2"]}, {"id": "t2", "dependsOn": ["t1"]}, {"id": "t3"}"#);
    let problems = errors(&text);
    assert_eq!(problems.len(), 1, "{}", listed(&problems));
    assert_eq!(
        (problems[0].kind, problems[0].path.as_str()),
        (ProblemKind::Cycle, "$.phases[0].tasks[0].dependsOn[0]")
    );
    assert!(problems[0].message.contains("t1 -> t2 -> t1"), "{}", problems[0].message);
}

#[test]
fn branches_follow_the_rule() {
    let text = with_tasks(
        r#"{"id": "a", "issue": 1}, {"id": "b", "issue": 1}, {"id": "c"}, {"id": "d", "issue": 2, "branch": "mine"}"#,
    );
    let manifest = parse(&text).manifest;
    let branches: Vec<&str> = manifest.plan().tasks.iter().map(|task| task.branch.as_str()).collect();
    assert_eq!(branches, ["fix/issue-1", "fix/issue-1-b", "task/c", "mine"]);
}

#[test]
fn branches_that_collide_are_refused() {
    for (tasks, parts) in [
        (r#"{"id": "a", "branch": "x"}, {"id": "b", "branch": "x"}"#, vec!["\"x\" is also the branch of a"]),
        (
            r#"{"id": "a", "branch": "x/y"}, {"id": "b", "branch": "x"}"#,
            vec!["\"x/y\" cannot be beside x, the branch of b"],
        ),
        (r#"{"id": "a", "branch": "task"}, {"id": "b"}"#, vec!["\"task/b\" cannot be beside task, the branch of a"]),
        (r#"{"id": "a", "branch": "x/y/z"}, {"id": "b", "branch": "x"}"#, vec!["\"x/y/z\" cannot be beside x"]),
        (r#"{"id": "a", "branch": "x-y"}, {"id": "b", "branch": "x"}"#, vec![]),
    ] {
        let found = Manifest::parse(with_tasks(tasks).as_bytes()).map_or_else(|problems| problems, |_| Vec::new());
        assert_eq!(found.len(), parts.len(), "{tasks}: {}", listed(&found));
        for (problem, part) in found.iter().zip(parts) {
            assert_eq!(problem.kind, ProblemKind::BranchCollision);
            assert!(problem.message.contains(part), "{}", problem.message);
        }
    }
    let base = with_tasks(r#"{"id": "a", "branch": "main"}, {"id": "b", "branch": "main/x"}"#).replacen(
        '{',
        r#"{"base": "main","#,
        1,
    );
    assert_eq!(errors(&base).len(), 2, "{}", listed(&errors(&base)));
}

#[test]
fn bytes_that_are_no_manifest_end_in_one_clear_error() {
    let good = with_tasks(r#"{"id": "a", "files": ["x"]}"#);
    let marked = |mark: &[u8]| [mark, good.as_bytes()].concat();
    assert!(Manifest::parse(&marked(b"\xef\xbb\xbf")).is_ok());
    let wide: Vec<u8> = good.encode_utf16().flat_map(u16::to_le_bytes).collect();
    for (bytes, kind) in [
        (marked(b"\xef\xbb\xbf\xef\xbb\xbf"), ProblemKind::Encoding),
        (marked(b"\xff\xfe"), ProblemKind::Encoding),
        (marked(b"\0\0\xfe\xff"), ProblemKind::Encoding),
        (wide, ProblemKind::Syntax),
        (b"\x7fELF\x02\x01\x01\0\0\xff\xfe".to_vec(), ProblemKind::Encoding),
        (vec![0; 1000], ProblemKind::Syntax),
        (Vec::new(), ProblemKind::Syntax),
        (b"[1, 2]".to_vec(), ProblemKind::Type),
        ("[".repeat(100_000).into_bytes(), ProblemKind::TooDeep),
        ([b"{\"project\": \"p\", \"x\": ".as_slice(), "[".repeat(100_000).as_bytes()].concat(), ProblemKind::TooDeep),
        (vec![b' '; MAX_BYTES + 1], ProblemKind::TooLarge),
    ] {
        let problems = Manifest::parse(&bytes).expect_err("no manifest");
        assert_eq!(problems.iter().map(|problem| problem.kind).collect::<Vec<_>>(), [kind]);
    }
    let late = [good.as_bytes(), b"\n\n \xff"].concat();
    let problems = Manifest::parse(&late).expect_err("not UTF-8");
    assert_eq!((problems[0].line, problems[0].column), (3, 2));
}

#[test]
fn warnings_are_listed_to_a_hundred_and_then_counted() {
    let tasks: Vec<String> = (0..130).map(|n| format!(r#"{{"id": "t{n}"}}"#)).collect();
    let warnings = parse(&with_tasks(&tasks.join(","))).warnings;
    assert_eq!(warnings.len(), 101);
    assert_eq!(warnings[100].message, "30 more warnings of this kind (NoFiles) are not listed");
}

#[test]
fn unknown_fields_are_kept_and_near_misses_named() {
    let text = with_tasks(r#"{"id": "a", "depends_on": [], "file": ["x"], "x-note": 1e400, "files": ["x"]}"#);
    let Parsed { manifest, warnings } = parse(&text);
    let shown: Vec<String> = warnings.iter().map(|problem| format!("{} {}", problem.path, problem.help)).collect();
    assert_eq!(
        shown,
        ["$.phases[0].tasks[0].depends_on did you mean dependsOn?", "$.phases[0].tasks[0].file did you mean files?"]
    );
    assert!(manifest.render(&Projection::default()).contains("\"x-note\": 1e400"));
}

#[test]
fn rendering_changes_states_and_nothing_else() {
    let text = r#"{"note": {"k": [1.50, "\u00e9"]}, "project": "p", "socket": null,
        "phases": [{"color": "red", "tasks": [
            {"status": "pending", "id": "a", "mine": [], "files": ["./x"], "attempts": 0}, {"id": "b"}]}]}"#;
    let manifest = parse(text).manifest;
    let state = ProjectedTask {
        status: Status::PrOpen,
        started_at: Some(Timestamp::from_millis(1_768_608_000_123)),
        pr_number: Some(PullNumber(7)),
        attempts: 2,
        ..ProjectedTask::default()
    };
    let projection = Projection {
        tasks: BTreeMap::from([(id("a"), state.clone())]),
        socket: Some("/tmp/s".to_owned()),
        journal: Some((80, 4096)),
    };
    let rendered = manifest.render(&projection);
    insta::assert_snapshot!(rendered, @r#"
    {
      "note": {
        "k": [
          1.50,
          "\u00e9"
        ]
      },
      "project": "p",
      "socket": "/tmp/s",
      "journal": {
        "seq": 80,
        "offset": 4096
      },
      "phases": [
        {
          "color": "red",
          "tasks": [
            {
              "status": "pr_open",
              "id": "a",
              "mine": [],
              "files": [
                "./x"
              ],
              "attempts": 2,
              "worktree": null,
              "tmuxSession": null,
              "startedAt": "2026-01-17T00:00:00.123Z",
              "lastProgress": null,
              "completedAt": null,
              "prNumber": 7
            },
            {
              "id": "b"
            }
          ]
        }
      ]
    }
    "#);
    let again = parse(&rendered).manifest;
    assert_eq!(again.journal_mark(), Some((80, 4096)));
    assert_eq!(again.socket(), Some("/tmp/s"));
    assert_eq!(again.imported()[0].state, state);
    assert!(diff(manifest.plan(), again.plan()).is_empty());
    assert_eq!(again.render(&projection), rendered, "rendering twice is rendering once");
}

#[test]
fn rendering_is_as_serde_prints() {
    let pretty = |text: &str| format!("{:#}\n", serde_json::from_str::<serde_json::Value>(text).expect("JSON"));
    assert_eq!(parse(EXAMPLE).manifest.render(&Projection::default()), pretty(EXAMPLE));
}

#[test]
fn tasks_are_added_where_asked() {
    let manifest = parse(EXAMPLE).manifest;
    let task = json!({"id": "t9", "files": ["docs/"]});
    let phase_of = |phase: Option<usize>| {
        let added = manifest.with_tasks_added(phase, std::slice::from_ref(&task)).expect("sound");
        added.plan().task(&id("t9")).map(|task| (task.phase, added.plan().phases.len()))
    };
    assert_eq!(phase_of(None), Some((1, 2)));
    assert_eq!(phase_of(Some(0)), Some((0, 2)));
    assert_eq!(phase_of(Some(2)), Some((2, 3)));
    let refused = manifest.with_tasks_added(Some(5), &[task]).expect_err("no such phase");
    assert_eq!(refused[0].kind, ProblemKind::Phase);
    let twice = manifest.with_tasks_added(None, &[json!({"id": "T1"})]).expect_err("taken");
    assert_eq!(twice[0].kind, ProblemKind::DuplicateId);
    let empty = parse(r#"{"project": "p", "phases": []}"#).manifest;
    assert_eq!(empty.with_tasks_added(None, &[json!({"id": "a"})]).expect("sound").plan().phases, ["Phase 1"]);
    let bare = parse(r#"{"project": "p", "phases": [{"name": "one", "tasks": null}]}"#).manifest;
    assert_eq!(bare.with_tasks_added(None, &[json!({"id": "a"})]).expect("sound").plan().tasks.len(), 1);
}

#[test]
fn a_starter_is_a_manifest() {
    let starter = Starter {
        project: "p \"q\"".to_owned(),
        repo: Some("o/r".to_owned()),
        base: None,
        agent: "claude".to_owned(),
        executor: Some(crate::plan::spec::ExecutorKind::Pty),
        forge: None,
        workdir: "/w".to_owned(),
        created: Timestamp::from_millis(1_768_608_000_000),
    };
    let text = Manifest::starter(&starter);
    insta::assert_snapshot!(text, @r#"
    {
      "project": "p \"q\"",
      "repo": "o/r",
      "workdir": "/w",
      "socket": null,
      "created": "2026-01-17T00:00:00.000Z",
      "model": null,
      "modelTier": null,
      "base": null,
      "agent": "claude",
      "executor": "pty",
      "phases": []
    }
    "#);
    let manifest = parse(&text).manifest;
    assert_eq!((manifest.workdir(), manifest.created()), (Some("/w"), Some(starter.created)));
    assert_eq!(manifest.plan().settings.agent, "claude");
}

#[test]
fn differences_are_named_by_field() {
    let old = parse(&with_tasks(r#"{"id": "a", "files": ["x"]}, {"id": "b"}"#)).manifest;
    let text = with_tasks(r#"{"id": "c"}, {"id": "a", "files": ["y"], "title": "T", "status": "running"}"#);
    let new = parse(&text.replacen('{', r#"{"maxParallel": 2,"#, 1)).manifest;
    let difference = diff(old.plan(), new.plan());
    assert_eq!(difference.added, [id("c")]);
    assert_eq!(difference.removed, [id("b")]);
    assert_eq!(difference.changed, [(id("a"), vec!["title", "files"])]);
    assert_eq!(difference.settings, ["maxParallel"]);
    assert!(!difference.phases_changed);
    assert!(diff(old.plan(), old.plan()).is_empty());
}

#[test]
fn the_schema_names_every_field_and_fits_the_plan_s_types() {
    let schema: serde_json::Value = serde_json::from_str(&schema()).expect("JSON");
    let names = |pointer: &str| -> Vec<String> {
        schema.pointer(pointer).and_then(|object| object.as_object()).expect("an object").keys().cloned().collect()
    };
    assert_eq!(
        names("/properties").join(" "),
        "$schema project repo workdir socket created model modelTier base agent executor forge autonomy sameFile gate \
         merge mergeMethod push maxParallel verify journal phases"
    );
    assert_eq!(
        names("/$defs/task/properties").join(" "),
        "id issue title files dependsOn status worktree tmuxSession startedAt lastProgress completedAt prNumber body \
         prompt agent model priority role verify estimateMinutes branch session attempts needsHuman reason skipped paused"
    );
    assert_eq!(schema["required"], json!(["project", "phases"]));
    assert_eq!(schema["$defs"]["task"]["required"], json!(["id"]));
    let statuses: Vec<&str> = Status::ALL.iter().map(|status| status.as_str()).collect();
    let mut listed = schema["$defs"]["task"]["properties"]["status"]["enum"].as_array().expect("names").clone();
    assert_eq!(listed.pop(), Some(serde_json::Value::Null));
    assert_eq!(json!(statuses), json!(listed));
}
