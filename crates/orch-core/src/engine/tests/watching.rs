//! What it costs to watch, and plans that change meanwhile.

use super::cast::{commits, good, many, mins, play, secs, solo, task_of};
use super::{Case, cases, proof};
use crate::engine::{Input, Orchestrator, Refusal, Seen};
use crate::journal::record::Record;
use crate::plan::spec::{Plan, PushMode};
use crate::plan::status::Status;
use crate::testkit::{Operation, Scenario, Script, Step, Story};

pub(super) const CASES: &[Case] =
    cases![prints_for_hours, commits_now_and_then, plan_grows_and_changes, plan_drops_what_runs];

fn run(scenario: Scenario) -> Story {
    let story = scenario.run().expect("no cycle");
    proof::check(&story);
    story
}

fn count(story: &Story, wanted: Operation) -> usize {
    story.world.calls().iter().filter(|call| call.operation == wanted).count()
}

/// Prints a line a minute.
fn prints(minutes: usize) -> impl Iterator<Item = Step> {
    (0..minutes).flat_map(|n| [Step::Print(format!("line {n}\n")), Step::Wait(mins(1))])
}

fn prints_for_hours() -> Scenario {
    solo(|_| prints(180).chain([Step::act(commits)]).collect())
}

#[test]
fn a_worktree_in_which_nothing_moves_is_not_walked_again_and_again() {
    let story = run(prints_for_hours());
    let (heads, walks) = (count(&story, Operation::Head), count(&story, Operation::Work));
    assert!(heads >= 80, "a heartbeat asks where it stands: {heads}");
    assert!(walks <= 3, "its files are looked at when it ended, not before: {walks}");
}

/// Commits twice with half an hour between, and is pushed early.
fn commits_now_and_then() -> Scenario {
    solo(|_| {
        let second = super::cast::writes("second.txt", "2");
        prints(4).chain([Step::act(commits)]).chain(prints(30)).chain([second]).chain(prints(30)).collect()
    })
}

#[test]
fn commits_are_seen_and_pushed_by_the_next_heartbeat() {
    let story = run(commits_now_and_then());
    let began = story.journal[0].timestamp;
    let pushed: Vec<u64> = (story.world.calls().iter())
        .filter(|call| call.operation == Operation::Push)
        .map(|call| call.at.since(began).0 / 60_000)
        .collect();
    assert!(pushed.len() >= 2 && pushed[0] <= 6 && pushed[1] <= 37, "minutes of pushes: {pushed:?}");
    assert!(count(&story, Operation::Work) <= 6, "{}", count(&story, Operation::Work));
}

fn with_more(mut change: impl FnMut(&mut Plan)) -> Plan {
    let mut plan = many(4);
    plan.settings.max_parallel = 1;
    change(&mut plan);
    plan
}

fn plan_grows_and_changes() -> Scenario {
    let first = with_more(|plan| plan.tasks.truncate(3));
    let second = with_more(|plan| plan.tasks[2].title = "another".to_owned());
    let third = with_more(|plan| {
        plan.tasks.remove(2);
        plan.settings.max_parallel = 2;
    });
    play(first, |_| good()).replan(secs(30), second).replan(secs(40), third)
}

#[test]
fn a_changed_plan_is_recorded_as_what_changed() {
    let story = run(plan_grows_and_changes());
    let kinds: Vec<(usize, bool)> = (story.journal.iter())
        .filter_map(|entry| match &entry.record {
            Record::Plan { plan, .. } => Some((plan.tasks.len(), true)),
            Record::PlanChanged { change, .. } => Some((change.tasks.len(), false)),
            _ => None,
        })
        .collect();
    assert_eq!(kinds, [(3, true), (2, false), (0, false)], "{story}");
    let states: Vec<_> = story.state.tasks.iter().map(|(id, task)| (id.to_string(), task.status)).collect();
    assert_eq!(states, ["t1", "t2", "t4"].map(|id| (id.to_owned(), Status::Merged)));
}

#[test]
fn a_change_costs_what_changed() {
    let size = |count: usize| {
        let story = run(play(many(count), |_| good()).replan(secs(30), many(count + 1)).horizon(mins(1)));
        let changed = |entry: &&crate::journal::record::Entry| matches!(entry.record, Record::PlanChanged { .. });
        let entry = story.journal.iter().find(changed).expect("a change");
        serde_json::to_string(entry).expect("JSON").len()
    };
    assert!(size(200) < size(10) + 10, "{} bytes against {}", size(200), size(10));
}

/// Somebody drops and changes tasks that have begun, and brings a circle, past every check of the manifest.
fn plan_drops_what_runs() -> Scenario {
    let first = with_more(|plan| plan.settings.push = PushMode::Complete);
    let drops = with_more(|plan| {
        plan.settings.push = PushMode::Complete;
        plan.tasks.remove(0);
    });
    play(first, |spec| if task_of(spec) == "t1" { Script::new().wait(mins(2)).work(commits) } else { good() })
        .replan(secs(30), drops)
}

#[test]
fn a_plan_that_would_orphan_an_agent_is_refused_with_the_reason() {
    let story = run(plan_drops_what_runs());
    assert!(story.state.tasks.values().all(|task| task.status == Status::Merged), "{story}");
    assert_eq!(story.state.tasks.len(), 4, "nothing was dropped");
    let mut begun = None;
    let mut state = crate::state::State::default();
    for entry in &story.journal {
        state.apply(entry);
        if state.tasks.values().any(|task| task.session.is_some()) {
            begun = Some(state.clone());
            break;
        }
    }
    let mut engine =
        Orchestrator::new(begun.expect("an agent ran"), many_config(), std::sync::Arc::new(crate::heal::DefaultPolicy))
            .expect("no cycle");
    let now = story.world.now();
    engine.start(&now);
    let before = engine.state().seq;
    let mut refused = |plan: Plan| {
        let seen = Seen::Plan { plan: Box::new(plan), states: Vec::new(), why: "embedder".to_owned() };
        let step = engine.handle(Input::Seen(seen), &now);
        assert!(step.records.is_empty(), "{:?}", step.records);
        match step.answer {
            Some(Err(Refusal::Plan(why))) => why,
            other => panic!("{other:?}"),
        }
    };
    let gone = with_more(|plan| {
        plan.tasks.remove(0);
    });
    assert!(refused(gone).contains("t1 has begun"));
    let changed = with_more(|plan| plan.tasks[0].branch = super::cast::branch("other"));
    assert!(refused(changed).contains("t1 has begun"));
    let circle = with_more(|plan| {
        plan.tasks[1].depends_on = vec![super::cast::id("t3")];
        plan.tasks[2].depends_on = vec![super::cast::id("t2")];
    });
    assert!(refused(circle).contains("t2"));
    assert_eq!(engine.state().seq, before);
}

fn many_config() -> crate::engine::Config {
    Scenario::new(many(4), |_| good()).config().clone()
}
