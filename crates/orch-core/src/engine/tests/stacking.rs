//! What stacks cost: a verification for each task, whatever its place, and no waiting between levels.

use super::cast::{
    branch, check, diligent, good, id, is_verify, many, mins, plan, play, pull, secs, task, task_of, verified,
};
use super::{Case, cases};
use crate::base::id::Seq;
use crate::base::time::Millis;
use crate::heal::Signal;
use crate::journal::effect::{Effect, Purpose};
use crate::journal::record::{DriverRecord, Entry, Record};
use crate::plan::spec::Plan;
use crate::plan::status::Status;
use crate::ports::{CheckState, LaunchSpec, MergeMethod};
use crate::state::State;
use crate::testkit::{Operation, Scenario, Script, Story};

pub(super) const CASES: &[Case] = cases![
    short_chain,
    short_squashed_chain,
    short_rebased_chain,
    person_squashes_a_stack,
    predecessor_is_reworked_under_a_stack,
];

/// Each builds on the one before it and changes the same file.
fn chain(count: usize, method: MergeMethod) -> Plan {
    let before = |n: usize| format!("t{}", n - 1);
    let names: Vec<(String, Option<String>)> =
        (1..=count).map(|n| (format!("t{n}"), (n > 1).then(|| before(n)))).collect();
    let tasks =
        names.iter().map(|(name, before)| task(name, 0, &[], &before.iter().map(String::as_str).collect::<Vec<_>>()));
    let mut plan = verified(plan(tasks.collect()));
    plan.settings.merge_method = method;
    plan
}

/// Adds a line to the one file of a stack; verify commands take ten seconds.
fn adds_a_line(spec: &LaunchSpec) -> Script {
    if is_verify(spec) {
        return Script::new().wait(secs(10)).exit(0);
    }
    Script::new().print("working").wait(secs(60)).work(|world, spec| {
        let repository = world.repository();
        let old = repository.read(&spec.cwd, "a.txt").unwrap_or_default();
        let line = format!("{old}{}\n", task_of(spec));
        repository.commit_files(&spec.cwd, "one line more", &[("a.txt", &line)]);
    })
}

fn verifications(story: &Story) -> usize {
    let is_verify =
        |record: &Record| matches!(record, Record::Effect { effect: Effect::Launch { purpose: Purpose::Verify, .. } });
    story.journal.iter().filter(|entry| is_verify(&entry.record)).count()
}

fn calls(story: &Story, operation: Operation) -> usize {
    story.world.calls().iter().filter(|call| call.operation == operation).count()
}

fn all_merged(story: &Story) {
    assert!(story.state.tasks.values().all(|task| task.status == Status::Merged), "{story}");
    super::proof::check(story);
}

#[test]
fn a_chain_of_thirty_costs_thirty_verifications() {
    for (method, pushes) in [(MergeMethod::Merge, 30), (MergeMethod::Squash, 60), (MergeMethod::Rebase, 60)] {
        let story = play(chain(30, method), adds_a_line).run().expect("no cycle");
        all_merged(&story);
        let lines = story.world.repository().remote_files(&branch("main"))["a.txt"].lines().count();
        assert_eq!(lines, 30, "{story}");
        assert!(verifications(&story) <= 31, "{method:?}: {}\n{story}", verifications(&story));
        assert!(calls(&story, Operation::Push) <= pushes, "{method:?}: {}", calls(&story, Operation::Push));
    }
}

/// All are published before the first is merged: the whole stack stands.
fn standing_chain(count: usize, method: MergeMethod) -> Scenario {
    let scenario = play(chain(count, method), adds_a_line);
    scenario.world().forge().set_new_checks(check(CheckState::Pending));
    scenario.at(mins(90), |world| {
        let forge = world.forge();
        for pull in forge.pulls() {
            forge.set_checks(pull.number, check(CheckState::Passed));
        }
    })
}

#[test]
fn a_standing_stack_is_merged_level_by_level_without_waiting() {
    for method in [MergeMethod::Merge, MergeMethod::Squash, MergeMethod::Rebase] {
        let story = standing_chain(30, method).run().expect("no cycle");
        all_merged(&story);
        assert!(verifications(&story) <= 31, "{method:?}: {}\n{story}", verifications(&story));
        let merges: Vec<Millis> = story
            .journal
            .iter()
            .filter(|entry| matches!(&entry.record, Record::Status(change) if change.to == Status::Merged))
            .map(|entry| entry.timestamp.since(story.journal[0].timestamp))
            .collect();
        let (first, last) = (merges[0], merges[29]);
        assert!(last.0 - first.0 < 10_000, "{method:?}: from {first} to {last}");
    }
}

#[test]
fn independent_tasks_cost_two_verifications_each_at_most() {
    let story = play(verified(many(30)), diligent).run().expect("no cycle");
    all_merged(&story);
    assert!(verifications(&story) <= 60, "{}\n{story}", verifications(&story));
}

#[test]
fn many_pull_requests_are_looked_at_in_one() {
    let story = play(many(30), |_| good()).merged_by_hand().horizon(mins(60)).run().expect("no cycle");
    let half = story.journal[0].timestamp + mins(30);
    let finds = story.world.calls().into_iter().filter(|call| call.operation == Operation::Find && call.at >= half);
    let fetches =
        story.world.calls().into_iter().filter(|call| call.operation == Operation::BaseTip && call.at >= half);
    assert!(finds.count() <= 62, "one each 30 seconds");
    assert!(fetches.count() <= 62, "one each 30 seconds");
}

#[test]
fn a_forge_that_does_not_answer_is_asked_ever_more_rarely() {
    let scenario = play(many(10), |_| good()).merged_by_hand().horizon(mins(120));
    let scenario =
        scenario.at(mins(30), |world| world.fail(Operation::Find, 1000, crate::testkit::Failure::Unreachable));
    let story = scenario.run().expect("no cycle");
    let later = story.journal[0].timestamp + mins(30);
    let finds = story.world.calls().into_iter().filter(|call| call.operation == Operation::Find && call.at >= later);
    let count = finds.count();
    assert!(count <= 15, "{count} looks at a silent forge in 90 minutes");
}

#[test]
fn a_forge_is_not_asked_before_the_time_that_it_told() {
    let scenario = play(many(10), |_| good()).merged_by_hand().horizon(mins(90));
    let scenario = scenario.at(mins(30), |world| world.fail(Operation::Find, 1, crate::testkit::Failure::Limited));
    let story = scenario.run().expect("no cycle");
    let later = story.journal[0].timestamp + mins(30);
    let finds: Vec<_> =
        story.world.calls().into_iter().filter(|call| call.operation == Operation::Find && call.at >= later).collect();
    assert!(finds[1].at.since(finds[0].at) >= mins(20), "{:?}", &finds[..2]);
    assert!(finds[2].at.since(finds[1].at) <= secs(30), "it answers again: {:?}", &finds[..3]);
}

#[test]
fn a_verdict_says_of_which_tree_and_by_which_command_it_is() {
    let story = standing_chain(2, MergeMethod::Squash).run().expect("no cycle");
    let verdicts = story.journal.iter().filter_map(|entry| match &entry.record {
        Record::Verdict(verdict) if verdict.case.signal == Signal::Verified => Some(verdict),
        _ => None,
    });
    let told: Vec<_> = verdicts
        .map(|verdict| (verdict.rule.as_str(), verdict.evidence.tree.clone(), verdict.evidence.command.clone()))
        .collect();
    let rules: Vec<&str> = told.iter().map(|(rule, ..)| *rule).collect();
    assert_eq!(rules, ["verify-passed", "verify-passed", "verified-before"], "{story}");
    assert_eq!((&told[1].1, &told[1].2), (&told[2].1, &told[2].2), "the second, squashed under, holds the same");
    assert_eq!(told[2].2.as_deref(), Some(&["check".to_owned()][..]));
}

#[test]
fn what_was_verified_in_another_environment_is_verified_again() {
    let story = short_chain().run().expect("no cycle");
    let mut state = story.state.clone();
    let tree = state.verified_trees.keys().next().expect("one at least").clone();
    let command = state.verified_trees[&tree].first().expect("one at least").clone();
    let mut driver = state.driver.clone().expect("it began");
    let again = |state: &mut State, driver: &DriverRecord| {
        let last = story.journal.last().expect("it began");
        let record = Record::Driver(driver.clone());
        state.apply(&Entry { seq: Seq(state.seq + 1), task: None, record, ..last.clone() });
        state.has_verified(&tree, &command)
    };
    assert!(again(&mut state, &driver));
    driver.env_pass = vec!["JAVA_OPTS".to_owned()];
    assert!(!again(&mut state, &driver));
}

fn short_chain() -> Scenario {
    standing_chain(4, MergeMethod::Merge)
}

fn short_squashed_chain() -> Scenario {
    standing_chain(4, MergeMethod::Squash)
}

fn short_rebased_chain() -> Scenario {
    standing_chain(4, MergeMethod::Rebase)
}

/// The setting says merge; the person who merges presses Squash.
fn person_squashes_a_stack() -> Scenario {
    let squash =
        |number| move |world: &crate::testkit::World| world.forge().merge_by_person(pull(number), MergeMethod::Squash);
    play(chain(3, MergeMethod::Merge), adds_a_line)
        .merged_by_hand()
        .at(mins(10), squash(1))
        .at(mins(20), squash(2))
        .at(mins(30), squash(3))
}

#[test]
fn a_squash_against_the_setting_leaves_no_dependent_in_conflict() {
    let story = person_squashes_a_stack().run().expect("no cycle");
    all_merged(&story);
    assert_eq!(story.world.repository().remote_files(&branch("main"))["a.txt"], "t1\nt2\nt3\n", "{story}");
    assert_eq!(story.state.tasks.values().map(|task| task.retries.feedback_rounds).sum::<u32>(), 0, "{story}");
    assert_eq!(verifications(&story), 3, "the trees stay the same\n{story}");
}

/// Orch merges; the lowest of a standing stack is sent back and gets another commit.
fn predecessor_is_reworked_under_a_stack() -> Scenario {
    let scenario = play(chain(3, MergeMethod::Merge), |spec| match super::cast::attempt(spec) {
        2 if !is_verify(spec) => Script::new()
            .print("working")
            .wait(secs(60))
            .work(super::cast::commits)
            .work(|world, _| world.forge().set_checks(pull(1), check(CheckState::Pending))),
        _ => adds_a_line(spec),
    });
    scenario.world().forge().set_new_checks(check(CheckState::Pending));
    let scenario = scenario.at(mins(10), |world| world.forge().set_checks(pull(1), check(CheckState::Failed)));
    scenario.at(mins(20), |world| {
        (1..=3).for_each(|number| world.forge().set_checks(pull(number), check(CheckState::Passed)));
    })
}

#[test]
fn what_builds_on_reworked_work_takes_it_in_when_it_is_next() {
    let story = predecessor_is_reworked_under_a_stack().run().expect("no cycle");
    all_merged(&story);
    assert_eq!(calls(&story, Operation::Sync), 2, "each once, when it is next\n{story}");
    assert_eq!(verifications(&story), 6, "{story}");
    assert_eq!(story.state.tasks[&id("t1")].attempt.number.0, 2, "{story}");
}
