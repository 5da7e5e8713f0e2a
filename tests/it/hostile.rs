//! Text from manifests, files and agents is data, and a repository's configuration runs nothing.

use orch::core::plan::Status;
use serde_json::json;

use crate::fleet::Fleet;

/// Text that does something wherever it is taken for more than text; `CANARY` is a path that must not come to be.
const HOSTILE: [&str; 9] = [
    "\"quotes' \\ and \\\" more",
    "$(touch CANARY) `touch CANARY`",
    "; touch CANARY; & touch CANARY | touch CANARY",
    "--upload-pack=touch CANARY",
    "-rf",
    "#{pane_pid} #(touch CANARY) %1 $1 ~ * ?",
    "\u{1b}]0;title\u{7}\u{1b}[2J\u{1b}[31mred\u{1b}P+q\u{1b}\\",
    "\u{202e}desrever\u{2066}\u{feff}\u{200b}",
    "{prompt} {worktree} %s %n \u{85} trailing;",
];

fn canary(fleet: &Fleet, text: &str) -> String {
    text.replace("CANARY", fleet.root.join("out/canary").as_str())
}

#[test]
fn hostile_text_reaches_the_agent_byte_for_byte_and_nothing_else() {
    let texts = HOSTILE.join("\n");
    let names = ["a b.txt", "-n", "q'\"q.txt", "$(touch canary).txt", "`x`;y.txt", "ünï\u{202e}.txt", "new\nline.txt"];
    let fleet = Fleet::new(&json!({"phases": []}));
    let (texts, title) = (canary(&fleet, &texts), canary(&fleet, &HOSTILE.join(" ")));
    let tasks = json!([
        {"id": "own", "prompt": texts, "title": title, "files": ["own/"], "branch": "x/$(touch-canary);`y`'q"},
        {"id": "made", "issue": 3, "body": texts, "title": title, "files": names},
    ]);
    let mut manifest = fleet.manifest();
    manifest["project"] = title.clone().into();
    manifest["phases"] = json!([{"name": title, "tasks": tasks}]);
    fleet.write("w/manifest.json", &serde_json::to_vec(&manifest).expect("JSON"));
    let keep = "printf %s \"$prompt\" >\"$out/prompt-$task\"\nprintf %s \"$prompt\"\nprintf 'a\\0b\\r\\033]52;c;eA==\\007\\033[6n\\302\\233'\n";
    fleet.plan(
        "own",
        &format!("{keep}mkdir own; cd own\nfor name in a 'b c' '-d' 'e;f' \"g'h\"; do work \"$name\"; done"),
    );
    fleet.plan(
        "made",
        &format!("{keep}printf 'x\\n' >./-n\nprintf 'y\\n' >'new\nline.txt'\ngit add -A\ngit commit -q -m \"$prompt\""),
    );

    let ended = fleet.orch_exits(&["run", "--until", "merged"], 0);

    let journal = fleet.audit();
    assert!(journal.statuses().values().all(|status| *status == Status::Merged), "{:?}", journal.statuses());
    let own = fleet.read("out/prompt-own");
    assert_eq!(own.get(..texts.len()), Some(texts.as_str()), "the prompt stands first, byte for byte");
    for made in [fleet.read("out/prompt-made"), ended.said.clone(), fleet.pulls()[0]["title"].to_string()] {
        let acts = |c: char| c.is_control() && c != '\n' || ('\u{202a}'..='\u{202e}').contains(&c);
        assert!(!made.contains(acts), "{made:?}");
    }
    assert_no_canary(&fleet);
    assert_eq!(fleet.git("origin.git", &["show", "main:new\nline.txt"]), "y");
    assert_readers_are_harmless(&fleet);
}

/// Fails if a verb that reads prints anything that a terminal acts on, or runs what it shows.
fn assert_readers_are_harmless(fleet: &Fleet) {
    let verbs: [&[&str]; 9] = [
        &["status"],
        &["status", "own"],
        &["why", "own"],
        &["why", "made"],
        &["logs", "own"],
        &["report"],
        &["events"],
        &["graph"],
        &["validate"],
    ];
    for verb in verbs {
        for json in [false, true] {
            let args = if json { [&["--json"], verb].concat() } else { verb.to_vec() };
            let said = fleet.orch_exits(&args, 0).said;
            let acts = |c: char| {
                let unseen = matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}');
                unseen || c.is_control() && c != '\n' && c != '\t'
            };
            let found = said.find(acts).map(|at| said[at..].chars().take(20).collect::<String>());
            assert_eq!(found, None, "{args:?}");
            assert!(!said.is_empty(), "{args:?}");
        }
    }
    assert_no_canary(fleet);
}

/// Fails if a file was made whose name tells that text was run.
fn assert_no_canary(fleet: &Fleet) {
    let mut rooms = vec![fleet.root.clone()];
    while let Some(room) = rooms.pop() {
        for entry in room.read_dir_utf8().expect("a directory").flatten() {
            assert_ne!(entry.file_name(), "canary", "{}", entry.path());
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                rooms.push(entry.into_path());
            }
        }
    }
}

#[test]
fn a_prompt_with_nul_is_refused() {
    let fleet = Fleet::new(&json!({"phases": [{"name": "one", "tasks": [{"id": "t1", "prompt": "a\u{0}b"}]}]}));
    let ended = fleet.orch_exits(&["run"], 2);
    assert!(ended.said.contains("NUL"), "{}", ended.said);
}

#[test]
fn aliases_and_ignored_settings_of_an_agent_change_nothing() {
    let fleet = Fleet::new(&json!({"phases": [{"name": "one", "tasks": [
        {"id": "t1", "files": ["a.txt"]}, {"id": "t2", "files": ["b.txt"], "dependsOn": ["t1"]}]}]}));
    let aliases = ["rev-parse", "status", "push", "fetch", "worktree", "merge-tree", "commit", "for-each-ref", "var"];
    let alias = aliases.map(|name| format!("git config alias.{name} \"!touch $out/canary\"\n")).concat();
    let more = "git config sequence.editor \"touch $out/canary\"\ngit config pager.log \"touch $out/canary\"\n";
    fleet.plan("t1", &format!("work a.txt\n{alias}{more}"));
    fleet.plan("t2", "echo left >b.txt");
    fleet.orch_exits(&["run", "--until", "merged"], 0);
    let journal = fleet.audit();
    assert!(journal.statuses().values().all(|status| *status == Status::Merged), "{:?}", journal.statuses());
    fleet.orch_exits(&["cleanup"], 0);
    assert_no_canary(&fleet);
}

#[test]
fn what_an_agent_configures_runs_nothing_and_what_could_mislead_needs_a_person() {
    // The end of the run: merged where orch's own calls override it anyway, a person where they would follow it.
    let cases = [
        (0, "core.hooksPath", "git config core.hooksPath \"$out/hooks\""),
        (0, "core.fsmonitor", "git config core.fsmonitor \"touch $out/canary\""),
        (3, "filter.x.clean", "git config filter.x.clean \"touch $out/canary\"; echo '* filter=x' >.gitattributes"),
        (3, "credential.helper", "git config include.path \"$out/more\""),
        (
            3,
            "credential.helper",
            "for key in credential.helper merge.x.driver diff.external gpg.program remote.origin.receivepack; do\n\
             git config \"$key\" \"touch $out/canary\"; done; echo '* merge=x' >.gitattributes",
        ),
        (
            0,
            "hooks",
            "common=$(git rev-parse --git-common-dir); mkdir -p \"$common/hooks\"; cp \"$out/hooks/pre-push\" \"$common/hooks/\"",
        ),
    ];
    for (exit, what, script) in cases {
        let fleet = Fleet::new(
            &json!({"phases": [{"name": "one", "tasks": [{"id": "t1", "files": ["a.txt", ".gitattributes"]}]}]}),
        );
        std::fs::create_dir(fleet.root.join("out/hooks")).expect("a directory");
        let touch = format!("#!/bin/sh\ntouch {}/out/canary\n", fleet.root);
        for hook in ["pre-push", "post-checkout", "reference-transaction", "post-merge"] {
            let path = fleet.root.join("out/hooks").join(hook);
            std::fs::write(&path, &touch).expect("a hook");
            std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("a mode");
        }
        let more = format!(
            "[core]\nfsmonitor = touch {0}/out/canary\n[credential]\nhelper = !touch {0}/out/canary\n",
            fleet.root
        );
        fleet.write("out/more", more.as_bytes());
        fleet.plan("t1", &format!("work a.txt\nrm -f \"$out/canary\"\n{script}\n"));
        fleet.orch_exits(&["run", "--until", "merged"], exit);
        let journal = fleet.audit();
        let task = journal.task("t1");
        let reason = task.reason.clone().unwrap_or_default();
        let named = task.needs_human && reason.to_lowercase().contains(&what.to_lowercase());
        assert_eq!(named, exit == 3, "{what}: {reason}");
        assert_no_canary(&fleet);
    }
}
