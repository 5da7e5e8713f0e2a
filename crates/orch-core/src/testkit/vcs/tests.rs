//! The mock keeps the contract that it is used to test others with.

use crate::base::id::{BranchName, TaskId};
use crate::ports::{PrepareSpec, Vcs, VcsError};
use crate::testkit::harness::{MockVcsHarness, block_on};
use crate::testkit::{Failure, Operation, World, run_vcs_contract};

#[test]
fn the_mock_keeps_the_contract() {
    let report = block_on(run_vcs_contract(&MockVcsHarness::default())).unwrap_or_else(|broken| panic!("{broken}"));
    assert_eq!(report.skipped, []);
    assert!(report.passed.len() > 40, "{report:?}");
}

#[test]
fn a_lost_answer_leaves_the_effect() {
    let world = World::new();
    let vcs = world.vcs();
    let spec = PrepareSpec {
        task: TaskId::parse("t1").expect("a task"),
        branch: BranchName::parse("task/t1").expect("a branch"),
        worktree: "/w/t1".into(),
        base: BranchName::parse("main").expect("a branch"),
        predecessors: Vec::new(),
    };
    world.fail(Operation::Prepare, 1, Failure::AnswerLost);
    assert!(matches!(block_on(vcs.prepare(&spec)), Err(VcsError::Unreachable { .. })));
    assert_eq!(world.repository().read("/w/t1".into(), "README.md").as_deref(), Some("hello\n"));
    assert!(block_on(vcs.prepare(&spec)).is_ok());
    assert_eq!(world.calls().len(), 2);
}
