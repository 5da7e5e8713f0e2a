//! The mock keeps the contract that it is used to test others with.

use crate::base::id::BranchName;
use crate::ports::{Check, CheckState, Checks, Forge, ForgeError, PullSpec};
use crate::testkit::harness::{MockForgeHarness, block_on};
use crate::testkit::{Failure, Operation, World, run_forge_contract};

#[test]
fn the_mock_keeps_the_contract() {
    let report = block_on(run_forge_contract(&MockForgeHarness::default())).unwrap_or_else(|broken| panic!("{broken}"));
    assert_eq!(report.skipped, []);
    assert!(report.passed.len() > 25, "{report:?}");
}

#[test]
fn checks_reviews_and_lost_answers_are_on_order() {
    let world = World::new();
    let forge = world.forge();
    let branch = |name: &str| BranchName::parse(name).expect("a branch");
    let sha = world.repository().publish(&branch("fix/1"), &[("a.txt", "1\n")]);
    let spec = PullSpec {
        head: branch("fix/1"),
        sha,
        base: branch("main"),
        title: "title".to_owned(),
        body: "body".to_owned(),
        draft: false,
    };
    world.fail(Operation::Open, 1, Failure::AnswerLost);
    assert!(matches!(block_on(forge.open(&spec)), Err(ForgeError::Unreachable { .. })));
    let pull = block_on(forge.open(&spec)).expect("open");
    assert_eq!(forge.pulls().len(), 1);
    forge.set_checks(pull.number, [Check::new("test", CheckState::Failed)]);
    forge.request_changes(pull.number, Some("please"));
    let seen = block_on(forge.find(&[spec.head])).expect("find").remove(0);
    assert_eq!((seen.checks(), seen.reviews[0].text.as_str()), (Checks::Failed, "please"));
    assert_eq!(forge.text(pull.number), Some(("title".to_owned(), "body".to_owned())));
}
