use clap::{Command, CommandFactory};

use crate::args::Cli;
use crate::failure::{Exit, Failure};

/// The reference: the help of every verb, as people see it; what every verb takes stands at the top only.
#[test]
fn the_cli_reference() {
    let mut whole = Cli::command().term_width(100);
    whole.build();
    let names: Vec<String> = whole.get_subcommands().map(|verb| verb.get_name().to_owned()).collect();
    let mut reference = whole.render_long_help().to_string();
    for name in names.iter().filter(|name| *name != "help") {
        let verb: &mut Command = whole.find_subcommand_mut(name).expect("it was listed");
        let help = verb.render_long_help().to_string();
        let own = help.split("  -h, --help").next().expect("there is a first part").trim_end();
        reference.push_str(&format!("\n==== orch {name} ====\n{}\n", own.trim_end_matches("\nOptions:").trim_end()));
    }
    insta::assert_snapshot!("reference", reference);
}

#[test]
fn the_arguments_are_consistent() {
    Cli::command().debug_assert();
}

#[test]
fn failures_end_as_the_contract_says() {
    use orch_core::base::TaskId;
    use orch_core::ports::VcsError;
    use orch_runtime::{ControlError, LockError, WorkdirError};

    let root = camino::Utf8PathBuf::from("/w");
    let task = |id: &str| TaskId::parse(id).expect("a task id");
    let held = LockError::Held { root: root.clone(), pid: None, since: None, control: None };
    let table: [(Failure, Exit); 8] = [
        (Failure::input("x"), Exit::Input),
        (Failure::other("x"), Exit::Failed),
        (Failure::problems(&root, Vec::new()), Exit::Input),
        (Failure::UnknownTask { task: task("t9"), known: vec![task("t1")] }, Exit::Input),
        (WorkdirError::NotFound { cwd: root.clone(), notes: Vec::new() }.into(), Exit::Input),
        (held.into(), Exit::Held),
        (ControlError::NotRunning { path: root.clone() }.into(), Exit::Failed),
        (VcsError::Unsafe { worktree: root, what: "work".to_owned() }.into(), Exit::NeedsPerson),
    ];
    for (failure, expected) in table {
        assert_eq!(failure.verdict().0, expected, "{failure}");
    }
}

#[test]
fn an_unknown_task_is_answered_with_those_there_are() {
    use orch_core::base::TaskId;

    let known = (1..=25).map(|n| TaskId::parse(&format!("t{n}")).expect("a task id")).collect();
    let failure = Failure::UnknownTask { task: TaskId::parse("x").expect("a task id"), known };
    let help = failure.verdict().1.expect("there is help");
    assert!(help.starts_with("the plan has t1, t2,") && help.ends_with("t20 and 5 more"), "{help}");
}
