//! An agent that takes its prompt from its terminal gets every byte of it, and Enter.

use orch::core::plan::Status;
use serde_json::json;

use crate::fleet::Fleet;

/// Reads as programs with a composer do: raw, without echo, after asking for bracketed paste.
const COMPOSER: &str = r#"
size=$(wc -c <"$ORCH_PROMPT_FILE")
stty raw -echo
printf '\033[?2004hcomposer> '
head -c $((size + 12)) >"$out/pasted"
printf 'pasted'
head -c 1 >"$out/entered"
stty sane
printf '\r\nworking\r\n'
work a.txt
"#;

#[test]
fn a_prompt_is_pasted_whole_and_entered_once() {
    let prompt = "Fix $(touch x) `id`; \"it\"\n\tand 'this' — ünï\n".repeat(200);
    let fleet = Fleet::new(&json!({"agent": "composer", "phases": [{"name": "one", "tasks": [
        {"id": "t1", "files": ["a.txt"], "prompt": prompt}]}]}));
    let root = &fleet.root;
    fleet.settings(&format!(
        "[heal]\nready_after = \"300ms\"\nscreen_interval = \"50ms\"\n[agents.composer]\ncommand = [\"sh\", \"{root}/agent.sh\", \"{root}\"]\nprompt = \"paste\"\n"
    ));
    fleet.plan("t1", COMPOSER);
    fleet.orch_exits(&["run", "--until", "merged"], 0);
    let journal = fleet.audit();
    assert_eq!(journal.statuses()["t1"], Status::Merged);
    assert_eq!(journal.task("t1").attempt.number.0, 1);
    let told = fleet.read("w/prompts/t1-1.md");
    assert!(told.starts_with(&prompt), "{told:?}");
    assert_eq!(fleet.read("out/pasted"), format!("\u{1b}[200~{told}\u{1b}[201~"));
    assert_eq!(fleet.read("out/entered"), "\r");
}
