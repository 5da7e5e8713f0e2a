//! Whole orchestrations in virtual time: what is told of each, and what holds for all of them.

mod cast;
mod delivering;
mod healing;
mod imported;
mod landing;
mod losing;
mod merging;
mod nesting;
mod outages;
mod proof;
mod publishing;
mod random;
mod scale;
mod scheduling;
mod stacking;
mod steering;
mod tables;
mod verifying;
mod waiting;
mod watching;
mod worktrees;

use crate::testkit::Scenario;

/// A scenario by name.
#[derive(Clone, Copy)]
struct Case {
    name: &'static str,
    scenario: fn() -> Scenario,
}

macro_rules! cases {
    ($($scenario:ident),+ $(,)?) => {
        &[$($crate::engine::tests::Case { name: stringify!($scenario), scenario: $scenario }),+]
    };
}
use cases;

/// Every scenario of these tests.
fn all_cases() -> impl Iterator<Item = Case> {
    const SUBJECTS: &[&[Case]] = &[
        delivering::CASES,
        healing::CASES,
        imported::CASES,
        landing::CASES,
        losing::CASES,
        merging::CASES,
        nesting::CASES,
        outages::CASES,
        publishing::CASES,
        scheduling::CASES,
        stacking::CASES,
        steering::CASES,
        verifying::CASES,
        waiting::CASES,
        watching::CASES,
        worktrees::CASES,
    ];
    SUBJECTS.iter().copied().flatten().copied()
}

/// What is told of a scenario that keeps every invariant.
fn told(scenario: Scenario) -> String {
    let story = scenario.run().expect("no cycle");
    proof::check(&story);
    format!("\n{story}")
}
