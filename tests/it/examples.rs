//! The examples run and end as they say.

use std::process::Command;

fn last_line(name: &str) -> String {
    let here = std::env::current_exe().expect("this test's program");
    let program = here.ancestors().nth(2).expect("the profile's directory").join("examples").join(name);
    let done = Command::new(&program).output().unwrap_or_else(|e| panic!("{}: {e}", program.display()));
    assert!(done.status.success(), "{name}: {}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8_lossy(&done.stdout).lines().last().unwrap_or_default().to_owned()
}

#[test]
fn a_policy_of_ones_own_decides() {
    assert_eq!(last_line("heal_policy"), "NeedsPerson");
}

#[test]
fn the_loop_by_hand_gets_there() {
    let line = last_line("drive_by_hand");
    assert!(line.ends_with("records, Goal"), "{line}");
}

#[test]
fn a_policy_that_goes_wrong_is_found_by_its_story() {
    let line = last_line("simulate");
    assert!(line.starts_with("breaks attempts: "), "{line}");
}

#[test]
fn a_fleet_is_put_together_by_a_program_of_ones_own() {
    let line = last_line("fleet");
    assert!(line.starts_with("Goal at ") && line.ends_with(", 3 attempts; idle: true"), "{line}");
}

#[test]
fn an_executor_of_ones_own_runs_a_fleet() {
    assert_eq!(last_line("custom_executor"), "Goal: t1, attempt 1; t2, attempt 2; t3, attempt 1");
}
