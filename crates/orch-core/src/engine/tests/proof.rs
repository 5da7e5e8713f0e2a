//! What holds for every story, and that crashes change nothing of it.

use std::collections::{BTreeMap, BTreeSet};

use super::{Case, all_cases};
use crate::base::id::{BranchName, LaunchId, Seq, Sha, TaskId};
use crate::engine::Outlook;
use crate::engine::dispatch::{holds_slot, meets, reached};
use crate::journal::effect::Effect;
use crate::journal::record::{Entry, Record, StatusRecord};
use crate::plan::graph::TaskGraph;
use crate::plan::spec::{Plan, SameFile};
use crate::plan::status::{Status, transition};
use crate::ports::{Pull, PullState};
use crate::state::{State, TaskState};
use crate::testkit::Story;

/// Fails if a story breaks an invariant:
/// - the journal has no gaps, and the state is its fold;
/// - only moves of the status table happen, from where the task is;
/// - an attempt opens only with a free slot, a free lease, met edges and an open gate;
/// - attempts fail at most as often as the limits allow, but for what a person asked for;
/// - no notice is given twice on one occasion;
/// - when nothing goes on, no effect is open;
/// - no two processes of one task were alive at once, no branch has two open pull requests, nothing was merged twice;
/// - no process lives that the state does not know, what is merged is in the base, and who needs a person says why.
pub(super) fn check(story: &Story) {
    let mut state = State::default();
    let mut graph = None;
    for (entry, seq) in story.journal.iter().zip(1..) {
        assert_eq!(entry.seq, Seq(seq), "the journal has a gap\n{story}");
        match (&entry.record, &entry.task, &graph) {
            (Record::Plan { plan, .. }, _, _) => graph = Some(TaskGraph::build(plan).expect("no cycle")),
            (Record::PlanChanged { change, .. }, _, _) => {
                let plan = change.applied(state.plan.as_ref().expect("a plan before"));
                graph = Some(TaskGraph::build(&plan).expect("no cycle"));
            }
            (Record::Status(change), Some(task), Some(graph)) => check_move(&state, graph, task, change, story),
            _ => {}
        }
        if let Record::Effect { effect: Effect::Notify(notice) } = &entry.record {
            assert!(!state.notices.contains(notice.occasion()), "told twice: {notice:?}\n{story}");
        }
        state.apply(entry);
    }
    assert_eq!(format!("{state:?}"), format!("{:?}", story.state), "the state is not the fold of the journal");
    if story.outlook != Outlook::Working {
        assert!(story.state.open.is_empty(), "left open: {:?}\n{story}", story.state.open);
    }
    assert_eq!(story.world.doubles(), [], "two processes of one task at once\n{story}");
    // What a branch had after one was merged, or what was merged elsewhere, gets another.
    let mut merged = BTreeSet::new();
    let mut open = BTreeSet::new();
    for pull in story.world.forge().pulls() {
        let first = match pull.state {
            PullState::Open => open.insert(pull.head.clone()),
            PullState::Merged => merged.insert((pull.head.clone(), pull.base.clone(), pull.head_sha.clone())),
            PullState::Closed => true,
        };
        assert!(first, "a second pull request of {}\n{story}", pull.head);
    }
    check_end(story);
}

fn check_end(story: &Story) {
    let state = &story.state;
    if story.outlook != Outlook::Working {
        let sessions = state.tasks.values().filter_map(|task| task.session.as_ref());
        let known: BTreeSet<LaunchId> = sessions.map(|session| session.launch).collect();
        let running = story.world.running();
        assert!(running.iter().all(|launch| known.contains(launch)), "{running:?} live, {known:?} are known\n{story}");
    }
    if story.outlook == Outlook::NeedsPerson {
        let is_skipped = |id: &TaskId| state.tasks.get(id).is_some_and(|task| task.skipped);
        let on_skipped = |task: &TaskState| task.status == Status::PrOpen && task.work.contains.keys().any(is_skipped);
        let waits = |task: &TaskState| task.needs_human || task.paused || !task.waits.on.is_empty() || on_skipped(task);
        let waits = state.paused || state.tasks.values().any(waits);
        assert!(waits, "nobody is needed\n{story}");
    }
    let main = BranchName::parse("main").expect("a branch");
    let base = story.world.repository().remote_history(&main);
    let pulls = story.world.forge().pulls();
    for (id, task) in &state.tasks {
        assert!(!task.needs_human || task.reason.is_some(), "{id} needs a person and does not say why\n{story}");
        // What was imported as merged was verified by nobody.
        let claim = task.claim().filter(|_| task.status == Status::Merged);
        let became = |pull: &Pull| pull.merge_sha.as_ref().is_some_and(|sha| base.contains(sha));
        let landed = |sha: &Sha| {
            let exactly = |pull: &Pull| pull.head_sha.as_ref() == Some(sha) && pull.base == main && became(pull);
            base.contains(sha) || pulls.iter().any(|pull| pull.state == PullState::Merged && exactly(pull))
        };
        assert!(claim.is_none_or(landed), "{id} is merged and its verified commit is not in the base\n{story}");
    }
}

fn check_move(state: &State, graph: &TaskGraph, id: &TaskId, change: &StatusRecord, story: &Story) {
    let (Some(task), Some(plan)) = (state.tasks.get(id), &state.plan) else { panic!("{id} is unknown\n{story}") };
    assert_eq!(task.status, change.from, "{id} moves from where it is not\n{story}");
    assert!(
        transition(change.from, change.to).is_some(),
        "{id}: {} -> {} is not in the table\n{story}",
        change.from,
        change.to
    );
    // Verified work that goes on runs nothing.
    let opens =
        change.to == Status::Running && change.sha.is_none() && matches!(change.from, Status::Pending | Status::Error);
    if !opens {
        return;
    }
    let limits = state.driver.as_ref().map(|driver| driver.limits.clone()).unwrap_or_default();
    assert!(!task.needs_human && !task.skipped && !task.paused && !state.paused, "{id} is held\n{story}");
    assert!(task.retries.failures < limits.max_attempts, "{id} failed too often\n{story}");
    assert!(task.retries.feedback_rounds <= limits.feedback_rounds, "{id} was sent back too often\n{story}");
    let slots = state.tasks.values().filter(|task| holds_slot(task)).count();
    assert!(slots < plan.settings.max_parallel as usize, "no slot for {id}\n{story}");
    check_lease(state, plan, id, story);
    if change.from == Status::Pending {
        check_order(state, plan, graph, id, story);
    }
}

fn check_lease(state: &State, plan: &Plan, id: &TaskId, story: &Story) {
    if plan.settings.same_file == SameFile::Explicit {
        return;
    }
    let files = &plan.task(id).expect("planned").files;
    let working = |task: &TaskState| {
        let alive = task.session.is_some() && !matches!(task.status, Status::Complete | Status::PrOpen);
        task.status.is_open() && !task.needs_human || alive
    };
    for (other, _) in state.tasks.iter().filter(|(other, task)| *other != id && working(task)) {
        let held = &plan.task(other).expect("planned").files;
        assert!(!held.overlaps(files), "{id} begins while {other} holds its files\n{story}");
    }
}

fn check_order(state: &State, plan: &Plan, graph: &TaskGraph, id: &TaskId, story: &Story) {
    for edge in graph.predecessors(id) {
        assert!(meets(&state.tasks[edge.from()]), "{id} begins before {}\n{story}", edge.from());
    }
    let phase = plan.task(id).expect("planned").phase;
    for earlier in plan.tasks.iter().filter(|task| task.phase < phase) {
        assert!(reached(&state.tasks[&earlier.id], plan.settings.gate), "{id} begins before its gate\n{story}");
    }
}

/// What a story comes to: every task's end, and what is merged.
pub(super) fn end(story: &Story) -> String {
    let tasks: BTreeMap<&TaskId, String> = story.state.tasks.iter().map(|(id, task)| (id, standing(task))).collect();
    let main = BranchName::parse("main").expect("a branch");
    let merged = story.world.repository().remote_files(&main);
    format!("{:?}\n{tasks:#?}\n{merged:#?}", story.outlook)
}

fn standing(task: &TaskState) -> String {
    let flags = [(task.needs_human, " needs a person"), (task.skipped, " skipped"), (task.paused, " paused")];
    let flags: String = flags.into_iter().filter(|(set, _)| *set).map(|(_, name)| name).collect();
    format!("{} in attempt {}{flags}", task.status, task.attempt.number)
}

fn play(case: Case) -> Story {
    (case.scenario)().run().expect("no cycle")
}

fn compare(case: Case, calm: &Story, shaken: &Story, how: &str) {
    check(shaken);
    // Faults are counted by calls, and a call whose answer was lost in a crash is made again.
    if (case.scenario)().world().has_faults() {
        assert_ne!(shaken.outlook, Outlook::Working, "{} with {how} does not end\n{shaken}", case.name);
        return;
    }
    assert_eq!(end(calm), end(shaken), "{} with {how} ends differently\ncalm:\n{calm}\nshaken:\n{shaken}", case.name);
}

#[test]
fn crashes_every_few_records_change_nothing() {
    for case in all_cases() {
        let calm = play(case);
        for records in 1..=12 {
            let shaken = (case.scenario)().crash_every(records).run().expect("no cycle");
            compare(case, &calm, &shaken, &format!("a crash every {records} records"));
        }
    }
}

#[test]
fn crashes_at_random_change_nothing() {
    for case in all_cases() {
        let calm = play(case);
        for seed in 1..=6_u64 {
            let mut dice = seed;
            let next = move || {
                dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                Some(1 + (dice >> 33) % 40)
            };
            let shaken = (case.scenario)().crashes(next).run().expect("no cycle");
            compare(case, &calm, &shaken, &format!("random crashes of seed {seed}"));
        }
    }
}

#[test]
fn one_crash_after_a_record_changes_nothing() {
    for (case, offset) in all_cases().zip(0..) {
        let calm = play(case);
        // The first record, taking over, does not count; of long journals not every one is tried.
        let all = calm.journal.len() as u64;
        let stride = 1 + all / 30;
        for records in (1 + offset % stride..all).step_by(usize::try_from(stride).expect("small")) {
            let mut lives = [Some(records), None].into_iter();
            let shaken = (case.scenario)().crashes(move || lives.next().flatten()).run().expect("no cycle");
            compare(case, &calm, &shaken, &format!("a crash after {records} records"));
        }
    }
}

#[test]
fn every_journal_survives_its_wire_format() {
    for case in all_cases() {
        let story = play(case);
        let lines: Vec<String> =
            story.journal.iter().map(|entry| serde_json::to_string(entry).expect("serialisable")).collect();
        let read: Vec<Entry> = lines.iter().map(|line| serde_json::from_str(line).expect("an entry")).collect();
        assert_eq!(read, story.journal, "{}", case.name);
    }
}

#[test]
fn every_move_of_the_status_table_happens() {
    let mut missing: BTreeMap<(Status, Status), &str> =
        crate::plan::status::TRANSITIONS.iter().map(|row| ((row.from, row.to), row.trigger)).collect();
    for case in all_cases() {
        for entry in play(case).journal {
            if let Record::Status(change) = entry.record {
                missing.remove(&(change.from, change.to));
            }
        }
    }
    assert_eq!(missing, BTreeMap::new(), "no scenario takes these moves");
}

#[test]
fn every_signal_effect_and_verb_happens() {
    let mut signals: BTreeSet<&str> = crate::heal::Signal::ALL.iter().map(|signal| signal.as_str()).collect();
    let mut effects: BTreeSet<&str> = crate::journal::effect::Effect::NAMES.into();
    let mut verbs: BTreeSet<&str> = ["kill", "retry", "publish", "pause", "resume", "skip", "send", "attach"].into();
    for case in all_cases() {
        for entry in play(case).journal {
            match entry.record {
                Record::Remedy { signal, .. } => _ = signals.remove(signal.as_str()),
                Record::Effect { effect } => _ = effects.remove(effect.name()),
                Record::User { verb } => _ = verbs.remove(verb.name()),
                _ => {}
            }
        }
    }
    assert_eq!((signals, effects, verbs), Default::default(), "no scenario comes by these");
}
