//! What a task waits for is said: for what, since when, and what would end it.

use super::cast::{branch, good, id, many, mins, plan, play, pull, solo, task};
use super::{Case, cases};
use crate::journal::record::UserVerb;
use crate::plan::graph::TaskGraph;
use crate::plan::spec::{Gate, Plan};
use crate::plan::status::Status;
use crate::ports::{Check, CheckState};
use crate::testkit::{Failure, Operation, Scenario, Script, World};

pub(super) const CASES: &[Case] = cases![head_branch_is_deleted, head_branch_is_deleted_and_pushed_again];

/// What every task waits for at the end of a story, a line each; times count from its start.
fn waits(scenario: Scenario) -> String {
    let began = scenario.world().now().wall;
    let story = scenario.run().expect("no cycle");
    super::proof::check(&story);
    let graph = TaskGraph::build(story.state.plan.as_ref().expect("a plan")).expect("no cycle");
    let after = |at: crate::base::time::Timestamp| at.since(began);
    let mut text = String::from("\n");
    for (task, waits) in crate::engine::waits(&story.state, &graph) {
        for wait in waits {
            let since = wait.since.map_or(String::new(), |at| format!(", since {}", after(at)));
            let again = wait.again.map_or(String::new(), |at| format!(", again at {}", after(at)));
            text.push_str(&format!("{task} {:?}: {}{since}{again}; until {}\n", wait.kind, wait.what, wait.ends));
        }
    }
    text
}

/// A task is long at work from its first attempt on.
fn busy() -> Script {
    Script::new().print("working").wait(mins(600)).exit(0)
}

/// One published task that a person merges, as the forge shows it after ten minutes.
fn published(then: impl FnOnce(&World) + 'static) -> Scenario {
    solo(|_| good()).merged_by_hand().at(mins(10), then)
}

fn pull_is_for_a_person_to_merge() -> Scenario {
    published(|_| {})
}

fn checks_do_not_end() -> Scenario {
    published(|world| {
        let checks = [("build", CheckState::Passed), ("lint", CheckState::Pending)];
        world.forge().set_checks(pull(1), checks.map(|(name, state)| Check::new(name, state)));
    })
}

fn forge_has_it_in_its_queue() -> Scenario {
    let scenario = solo(|_| good());
    scenario.world().forge().queue_merges(100);
    scenario.horizon(mins(3))
}

fn head_branch_is_deleted() -> Scenario {
    published(|world| world.repository().set_remote(&branch("task/t1"), None))
}

fn head_branch_is_deleted_and_pushed_again() -> Scenario {
    head_branch_is_deleted()
        .say(mins(20), Some("t1"), UserVerb::Retry)
        .at(mins(30), |world| _ = world.repository().merge_by_hand(&branch("task/t1"), &branch("main")))
}

fn serial() -> Plan {
    plan(vec![
        task("t1", 0, &["a.txt", "b.txt"], &[]),
        task("t2", 0, &["a.txt"], &[]),
        task("t3", 0, &["b.txt"], &["t1"]),
        task("t4", 0, &["b.txt", "c.txt"], &[]),
    ])
}

fn others_go_first() -> Scenario {
    play(serial(), |_| busy()).horizon(mins(3))
}

fn phase_waits_for_its_gate() -> Scenario {
    let mut plan = plan(vec![task("t1", 0, &[], &[]), task("t2", 1, &[], &[])]);
    plan.settings.gate = Gate::Merged;
    play(plan, |_| good()).merged_by_hand().at(mins(5), |_| {})
}

fn nobody_has_a_slot() -> Scenario {
    let mut plan = many(2);
    plan.settings.max_parallel = 1;
    play(plan, |_| busy()).horizon(mins(3))
}

fn push_is_put_off() -> Scenario {
    let scenario = solo(|_| good());
    scenario.world().fail(Operation::Push, 1000, Failure::Unreachable);
    scenario.horizon(mins(4))
}

fn contains_what_was_skipped() -> Scenario {
    let stack = plan(vec![task("t1", 0, &["a.txt"], &[]), task("t2", 0, &["b.txt"], &["t1"])]);
    play(stack, |_| good()).merged_by_hand().say(mins(10), Some("t1"), UserVerb::Skip)
}

fn stack_waits_for_merges() -> Scenario {
    let stack = plan(vec![task("t1", 0, &["a.txt"], &[]), task("t2", 0, &["b.txt"], &["t1"])]);
    play(stack, |_| good()).merged_by_hand().at(mins(10), |_| {})
}

fn failed_and_rests() -> Scenario {
    solo(|_| Script::new().print("no").exit(1)).limits(|limits| limits.backoff = mins(10)).horizon(mins(5))
}

#[test]
fn a_pull_request_says_whom_it_waits_for() {
    insta::assert_snapshot!(waits(pull_is_for_a_person_to_merge()), @"t1 Merge: somebody to merge pull request 1 into main, since 1m; until its commit a4153b671d is in main");
    insta::assert_snapshot!(waits(checks_do_not_end()), @"t1 Checks: checks of pull request 1: lint, since 10m; until they have passed");
    insta::assert_snapshot!(waits(forge_has_it_in_its_queue()), @"t1 MergeQueue: mergePull: the forge took it and has not merged it yet; trying again, since 1m, again at 3m 35s; until it is done: it is tried again by itself");
    insta::assert_snapshot!(waits(head_branch_is_deleted()), @"t1 Person: a person: task/t1 was deleted at the remote; `orch retry t1` pushes it again, since 11m; until that is put right; then `orch run` or `orch retry t1` goes on with what is verified");
}

#[test]
fn what_comes_first_is_named_with_the_files_that_both_touch() {
    insta::assert_snapshot!(waits(others_go_first()), @r"
    t2 File: t1 (both touch a.txt), since 0ms; until it is complete, or skipped by `orch skip`
    t3 DependsOn: t1 (dependsOn; both touch b.txt), since 0ms; until it is complete, or skipped by `orch skip`
    t4 File: t3 (both touch b.txt), since 0ms; until it is complete, or skipped by `orch skip`
    ");
    insta::assert_snapshot!(waits(phase_waits_for_its_gate()), @r"
    t1 Merge: somebody to merge pull request 1 into main, since 1m; until its commit a4153b671d is in main
    t2 Phase: t1 (earlier phase), since 0ms; until it is merged, or skipped by `orch skip`
    ");
    insta::assert_snapshot!(waits(nobody_has_a_slot()), @"t2 Slot: a slot (1 of 1 taken), since 0ms; until a task at work ends");
}

#[test]
fn what_is_tried_again_says_when_and_why() {
    insta::assert_snapshot!(waits(push_is_put_off()), @"t1 Outage: push: the remote cannot be reached: a fault on order; trying again, since 1m, again at 6m 21s; until it is done: it is tried again by itself");
    insta::assert_snapshot!(waits(failed_and_rests()), @"t1 Retry: the time of attempt 2, since 0ms, again at 10m; until then, or `orch retry t1`");
}

#[test]
fn stacks_say_what_they_are_built_on() {
    insta::assert_snapshot!(waits(stack_waits_for_merges()), @r"
    t1 Merge: somebody to merge pull request 1 into main, since 1m; until its commit a4153b671d is in main
    t2 Stack: the merge of t1, since 2m; until it is merged
    ");
    insta::assert_snapshot!(waits(contains_what_was_skipped()), @"t2 Skipped: the merge of t1, whose work it contains and which was skipped since, since 2m; until somebody merges that, or `orch retry t1` takes the skip back");
}

#[test]
fn a_branch_that_was_deleted_at_the_remote_is_pushed_again_on_a_persons_word() {
    let story = head_branch_is_deleted_and_pushed_again().run().expect("no cycle");
    super::proof::check(&story);
    assert_eq!(story.state.tasks[&id("t1")].status, Status::Merged, "{story}");
}
