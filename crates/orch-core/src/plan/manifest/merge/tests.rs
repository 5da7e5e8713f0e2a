use crate::base::id::TaskId;
use crate::plan::manifest::{Manifest, Projection};

fn manifest(settings: &str, phases: &str) -> Manifest {
    let text = format!(r#"{{"project": "p", {settings} "x-own": [1, 2], "phases": {phases}}}"#);
    Manifest::parse(text.as_bytes()).expect("sound").manifest
}

fn one(settings: &str, tasks: &str) -> Manifest {
    manifest(settings, &format!(r#"[{{"name": "one", "tasks": [{tasks}]}}]"#))
}

/// What a document written over `then` is once it knows what became of `then`.
fn forward(file: &Manifest, then: &Manifest, now: &Manifest) -> Manifest {
    file.clone().brought_forward(then.plan(), now.plan()).expect("sound")
}

const FULL: &str = r#"{"id": "n", "issue": 4, "title": "T", "files": ["src/"], "dependsOn": ["a"], "body": "B",
    "prompt": "P", "agent": "shell", "model": "m", "priority": "high", "role": "r", "verify": ["make"],
    "estimateMinutes": 1.5, "branch": "own/n"}"#;

#[test]
fn what_was_added_since_is_there_whatever_the_document_knows() {
    let then = one("", r#"{"id": "a"}"#);
    let now = one("", &format!(r#"{{"id": "a"}}, {FULL}"#));
    let file = one("", r#"{"id": "a", "title": "by hand", "x-mine": 1.50}"#);
    let merged = forward(&file, &then, &now);
    assert_eq!(merged.plan().task(&id("n")), now.plan().task(&id("n")), "every field is as it was added");
    assert_eq!(merged.plan().task(&id("a")), file.plan().task(&id("a")));
    let text = merged.render(&Projection::default());
    assert!(text.contains(r#""x-mine": 1.50"#) && text.contains("x-own"), "what is not known stays: {text}");
}

#[test]
fn fields_changed_by_hand_go_before_those_changed_since() {
    let then = one("", r#"{"id": "a", "title": "old", "body": "old"}, {"id": "b"}"#);
    let now =
        one(r#""maxParallel": 2, "agent": "shell","#, r#"{"id": "a", "title": "since", "body": "since"}, {"id": "b"}"#);
    let file = one(r#""agent": "mine","#, r#"{"id": "a", "title": "hand", "body": "old"}, {"id": "b"}"#);
    let merged = forward(&file, &then, &now);
    let task = merged.plan().task(&id("a")).expect("there");
    assert_eq!((task.title.as_str(), task.body.as_deref()), ("hand", Some("since")));
    let settings = &merged.plan().settings;
    assert_eq!((settings.max_parallel, settings.agent.as_str()), (2, "mine"));
}

#[test]
fn removals_count_from_where_they_were_made() {
    let then = one("", r#"{"id": "a"}, {"id": "b"}, {"id": "c"}"#);
    let now = one("", r#"{"id": "a"}, {"id": "b"}"#);
    let ids = |manifest: &Manifest| manifest.plan().tasks.iter().map(|task| task.id.to_string()).collect::<Vec<_>>();
    let file = one("", r#"{"id": "a"}, {"id": "c"}"#);
    assert_eq!(ids(&forward(&file, &then, &now)), ["a"], "b was removed by hand, c since");
    let touched = one("", r#"{"id": "a"}, {"id": "c", "title": "still wanted"}"#);
    assert_eq!(ids(&forward(&touched, &then, &now)), ["a", "c"]);
}

#[test]
fn phases_are_named_and_made_as_they_are_now() {
    let then = manifest("", r#"[{"name": "one", "tasks": [{"id": "a"}, {"id": "b"}]}]"#);
    let now = manifest(
        "",
        r#"[{"name": "first", "tasks": [{"id": "a"}]}, {"name": "second", "tasks": [{"id": "b"}, {"id": "n"}]}]"#,
    );
    let file = manifest("", r#"[{"name": "one", "tasks": [{"id": "a"}, {"id": "b", "title": "hand", "x": true}]}]"#);
    let merged = forward(&file, &then, &now);
    assert_eq!(merged.plan().phases, ["first", "second"]);
    let places: Vec<_> = merged.plan().tasks.iter().map(|task| (task.id.to_string(), task.phase)).collect();
    assert_eq!(places, [("a".to_owned(), 0), ("b".to_owned(), 1), ("n".to_owned(), 1)]);
    assert_eq!(merged.plan().task(&id("b")).expect("there").title, "hand");
}

#[test]
fn what_does_not_fit_together_is_a_problem() {
    let then = one("", r#"{"id": "a"}, {"id": "b"}"#);
    let now = one("", r#"{"id": "a"}, {"id": "b", "dependsOn": ["a"]}"#);
    let file = one("", r#"{"id": "b"}"#);
    assert!(file.brought_forward(then.plan(), now.plan()).is_err(), "b comes after a, which was removed by hand");
}

fn id(text: &str) -> TaskId {
    TaskId::parse(text).expect("an id")
}
