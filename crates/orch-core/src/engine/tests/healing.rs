//! The heal table, row by row.

use super::cast::{commits, good, many, mins, one, play, secs, solo, task_of};
use super::{Case, cases, told};
use crate::journal::record::{Record, UserVerb};
use crate::ports::LaunchSpec;
use crate::testkit::{Failure, Operation, Scenario, Script, World};

pub(super) const CASES: &[Case] = cases![
    prompt_is_answered,
    same_prompt_again_and_again,
    dialog_waits_for_a_person,
    clock_above_a_dialog,
    another_dialog_after_the_first,
    silence_ends_by_itself,
    exit_with_an_error_three_times,
    rate_limit_uses_no_attempt,
    bad_credentials,
    silence_without_end,
    poke_wakes,
    silence_seen_by_cron,
    suspend_is_no_stall,
    stopped_orchestrator_is_no_stall,
    the_same_output_again_and_again,
    nothing_done,
    uncommitted_then_committed_when_asked,
    uncommitted_and_committed_by_orch,
    foreign_files_need_a_person,
    wrong_branch,
    launch_is_refused,
    worktree_cannot_be_made,
    worktree_cannot_be_made_yet,
    worktree_cannot_be_looked_at,
];

fn prompt_is_answered() -> Scenario {
    solo(|_| Script::new().print("working").ask("Continue? [y/n]", "y\r").wait(secs(5)).work(commits).exit(0))
}

#[test]
fn a_prompt_is_answered_once() {
    insta::assert_snapshot!(told(prompt_is_answered()), @r"
    00:00:00 the orchestrator takes over
    00:00:00 t1 pending -> running (attempt 1)
    00:00:00 t1 prompt => answer: answered: workingContinue? [y/n]
    00:00:00 t1 running -> stuck: answered: workingContinue? [y/n]
    00:00:05 t1 claimsDone => verify: 1 commit over the start, clean, at d954e81361
    00:00:05 t1 stuck -> running
    00:00:05 t1 verified => accept: committed and clean; no verify command is set
    00:00:05 t1 running -> complete
    00:00:05 t1 complete -> pr_open
    00:00:05 t1 pr_open -> merged
    Goal
    ");
}

fn same_prompt_again_and_again() -> Scenario {
    solo(|attempt| match attempt {
        1 => (0..9).fold(Script::new(), |script, _| script.ask("Overwrit? [y/n]", "y\r").print("\n\n").wait(secs(1))),
        _ => good(),
    })
}

#[test]
fn the_same_prompt_three_times_is_a_restart() {
    insta::assert_snapshot!(told(same_prompt_again_and_again()), @r"
    00:00:00 the orchestrator takes over
    00:00:00 t1 pending -> running (attempt 1)
    00:00:00 t1 prompt => answer: answered: Overwrit? [y/n]
    00:00:00 t1 running -> stuck: answered: Overwrit? [y/n]
    00:00:01 t1 stuck -> running
    00:00:02 t1 prompt => answer: answered: Overwrit? [y/n]
    00:00:02 t1 running -> stuck: answered: Overwrit? [y/n]
    00:00:03 t1 stuck -> running
    00:00:03 t1 prompt => answer: answered: Overwrit? [y/n]
    00:00:03 t1 running -> stuck: answered: Overwrit? [y/n]
    00:00:04 t1 stuck -> running
    00:00:05 t1 prompt => restart: Overwrit? [y/n]; 1 of 3 attempts failed, a new one begins
    00:00:05 t1 running -> error: Overwrit? [y/n]
    00:00:15 t1 error -> running (attempt 2)
    00:01:15 t1 claimsDone => verify: 1 commit over the start, clean, at 24232007ef
    00:01:15 t1 verified => accept: committed and clean; no verify command is set
    00:01:15 t1 running -> complete
    00:01:15 t1 complete -> pr_open
    00:01:15 t1 pr_open -> merged
    Goal
    ");
}

fn dialog_waits_for_a_person() -> Scenario {
    solo(|_| {
        Script::new().ask("Delete everything? [y/n]", "no\r").print("\nno, then").wait(secs(5)).work(commits).exit(0)
    })
    .say(mins(30), Some("t1"), UserVerb::Attach)
    .say(mins(31), Some("t1"), UserVerb::Send { text: "no".into() })
}

#[test]
fn a_dialog_waits_for_a_person() {
    insta::assert_snapshot!(told(dialog_waits_for_a_person()), @r#"
    00:00:00 the orchestrator takes over
    00:00:00 t1 pending -> running (attempt 1)
    00:00:00 t1 dialog => escalate: a dialog that no blind key may answer: Delete everything? [y/n]
    00:00:00 t1 running -> stuck: a dialog that no blind key may answer: Delete everything? [y/n]
    00:30:00 t1 a person says Attach
    00:31:00 t1 a person says Send { text: "no" }
    00:31:00 t1 stuck -> running
    00:31:05 t1 claimsDone => verify: 1 commit over the start, clean, at ae7e609833
    00:31:05 t1 verified => accept: committed and clean; no verify command is set
    00:31:05 t1 running -> complete
    00:31:05 t1 complete -> pr_open
    00:31:05 t1 pr_open -> merged
    Goal
    "#);
}

/// A screen that is drawn anew every second, with a clock above what stays.
fn ticking(script: Script, from: u32, to: u32, below: &str) -> Script {
    (from..to).fold(script, |script, n| script.screen(&format!("12:00:{n:02}\n\n{below}")).wait(secs(1)))
}

fn clock_above_a_dialog() -> Scenario {
    solo(|_| ticking(Script::new(), 0, 300, "Password:").screen("welcome").wait(secs(5)).work(commits).exit(0))
        .at(mins(6), |_| ())
}

#[test]
fn a_clock_above_a_dialog_changes_nothing() {
    insta::assert_snapshot!(told(clock_above_a_dialog()), @r"
    00:00:00 the orchestrator takes over
    00:00:00 t1 pending -> running (attempt 1)
    00:00:00 t1 dialog => escalate: a dialog that no blind key may answer: Password:
    00:00:00 t1 running -> stuck: a dialog that no blind key may answer: Password:
    00:05:00 t1 stuck -> running
    00:05:05 t1 claimsDone => verify: 1 commit over the start, clean, at f5796ad313
    00:05:05 t1 verified => accept: committed and clean; no verify command is set
    00:05:05 t1 running -> complete
    00:05:05 t1 complete -> pr_open
    00:05:05 t1 pr_open -> merged
    Goal
    ");
    let story = clock_above_a_dialog().run().expect("no cycle");
    let written = story.journal.iter().filter(|entry| matches!(entry.record, Record::Progress(_))).count();
    assert!(written <= 4, "{written} marks of a clock");
}

fn another_dialog_after_the_first() -> Scenario {
    solo(|_| {
        let script = ticking(Script::new(), 0, 60, "Password:");
        ticking(script, 60, 120, "Delete everything? [y/n]").screen("welcome").wait(secs(5)).work(commits).exit(0)
    })
    .at(mins(3), |_| ())
}

#[test]
fn another_dialog_is_judged_again() {
    insta::assert_snapshot!(told(another_dialog_after_the_first()), @r"
    00:00:00 the orchestrator takes over
    00:00:00 t1 pending -> running (attempt 1)
    00:00:00 t1 dialog => escalate: a dialog that no blind key may answer: Password:
    00:00:00 t1 running -> stuck: a dialog that no blind key may answer: Password:
    00:01:00 t1 stuck -> running
    00:01:00 t1 dialog => escalate: a dialog that no blind key may answer: Delete everything? [y/n]
    00:01:00 t1 running -> stuck: a dialog that no blind key may answer: Delete everything? [y/n]
    00:02:00 t1 stuck -> running
    00:02:05 t1 claimsDone => verify: 1 commit over the start, clean, at 758b03aee1
    00:02:05 t1 verified => accept: committed and clean; no verify command is set
    00:02:05 t1 running -> complete
    00:02:05 t1 complete -> pr_open
    00:02:05 t1 pr_open -> merged
    Goal
    ");
}

fn silence_ends_by_itself() -> Scenario {
    solo(|_| Script::new().print("thinking").wait(mins(25)).print("\nah").wait(secs(5)).work(commits).exit(0))
        .limits(|limits| (limits.relaunch_limit, limits.max_attempts) = (0, 1))
        .at(mins(25), |_| ())
}

#[test]
fn silence_that_ends_needs_nobody() {
    insta::assert_snapshot!(told(silence_ends_by_itself()), @r"
    00:00:00 the orchestrator takes over
    00:00:00 t1 pending -> running (attempt 1)
    00:05:00 t1 silent => look: nothing changed for 5m: suspected
    00:05:00 t1 running -> stuck: nothing changed for 5m: suspected
    00:10:00 t1 silent => poke: nothing changed for 10m: asked to redraw
    00:10:02 t1 silent => poke: nothing changed for 10m 2s: poked
    00:20:00 t1 silent => escalate: nothing changed for 20m; 1 of 1 attempts failed
    00:25:00 t1 stuck -> running
    00:25:05 t1 claimsDone => verify: 1 commit over the start, clean, at 66d7f975a9
    00:25:05 t1 verified => accept: committed and clean; no verify command is set
    00:25:05 t1 running -> complete
    00:25:05 t1 complete -> pr_open
    00:25:05 t1 pr_open -> merged
    Goal
    ");
}

fn exit_with_an_error_three_times() -> Scenario {
    play(many(2), |spec| match task_of(spec) {
        "t1" => Script::new().print("error: no").wait(secs(5)).exit(1),
        _ => good(),
    })
}

#[test]
fn an_error_three_times_needs_a_person_and_others_finish() {
    insta::assert_snapshot!(told(exit_with_an_error_three_times()), @r"
    00:00:00 the orchestrator takes over
    00:00:00 t1 pending -> running (attempt 1)
    00:00:00 t2 pending -> running (attempt 1)
    00:00:05 t1 failed => restart: exit 1; 1 of 3 attempts failed, a new one begins
    00:00:05 t1 running -> error: exit 1
    00:00:15 t1 error -> running (attempt 2)
    00:00:20 t1 failed => restart: exit 1; 2 of 3 attempts failed, a new one begins
    00:00:20 t1 running -> error: exit 1
    00:00:40 t1 error -> running (attempt 3)
    00:00:45 t1 failed => escalate: exit 1; 3 of 3 attempts failed
    00:00:45 t1 running -> error: exit 1; 3 of 3 attempts failed
    00:01:00 t2 claimsDone => verify: 1 commit over the start, clean, at 0c5337ccfa
    00:01:00 t2 verified => accept: committed and clean; no verify command is set
    00:01:00 t2 running -> complete
    00:01:00 t2 complete -> pr_open
    00:01:00 t2 pr_open -> merged
    NeedsPerson
    ");
}

fn rate_limit_uses_no_attempt() -> Scenario {
    let scenario = Scenario::new(one(), |_| Script::new());
    let world = scenario.world().clone();
    world.clone().on_launch(move |_| {
        let limited = world.read_file("/limited".into()).map_or(0, |seen| seen.len());
        if limited >= 4 {
            return good();
        }
        let note = |world: &World, _: &LaunchSpec| world.append_file("/limited".into(), b"x");
        Script::new().work(note).print("ERROR: 429 Too Many Requests: rate limit reached").wait(secs(5)).exit(1)
    });
    scenario
}

#[test]
fn a_rate_limit_uses_no_attempt() {
    insta::assert_snapshot!(told(rate_limit_uses_no_attempt()), @r"
    00:00:00 the orchestrator takes over
    00:00:00 t1 pending -> running (attempt 1)
    00:00:05 t1 limited => resume: ERROR: 429 Too Many Requests: rate limit reached; no attempt is used up
    00:00:05 t1 running -> stuck: ERROR: 429 Too Many Requests: rate limit reached; no attempt is used up
    00:00:15 t1 stuck -> running
    00:00:20 t1 limited => resume: ERROR: 429 Too Many Requests: rate limit reached; no attempt is used up
    00:00:20 t1 running -> stuck: ERROR: 429 Too Many Requests: rate limit reached; no attempt is used up
    00:00:41 t1 stuck -> running
    00:00:46 t1 limited => resume: ERROR: 429 Too Many Requests: rate limit reached; no attempt is used up
    00:00:46 t1 running -> stuck: ERROR: 429 Too Many Requests: rate limit reached; no attempt is used up
    00:01:27 t1 stuck -> running
    00:01:32 t1 limited => resume: ERROR: 429 Too Many Requests: rate limit reached; no attempt is used up
    00:01:32 t1 running -> stuck: ERROR: 429 Too Many Requests: rate limit reached; no attempt is used up
    00:02:55 t1 stuck -> running
    00:03:55 t1 claimsDone => verify: 1 commit over the start, clean, at 0834ccebb4
    00:03:55 t1 verified => accept: committed and clean; no verify command is set
    00:03:55 t1 running -> complete
    00:03:55 t1 complete -> pr_open
    00:03:55 t1 pr_open -> merged
    Goal
    ");
}

fn bad_credentials() -> Scenario {
    solo(|_| Script::new().print("Error: 401 Unauthorized: invalid api key").wait(secs(1)).exit(1))
}

#[test]
fn bad_credentials_need_a_person_at_once() {
    insta::assert_snapshot!(told(bad_credentials()), @r"
    00:00:00 the orchestrator takes over
    00:00:00 t1 pending -> running (attempt 1)
    00:00:01 t1 credentials => escalate: Error: 401 Unauthorized: invalid api key
    00:00:01 t1 running -> error: Error: 401 Unauthorized: invalid api key
    NeedsPerson
    ");
}

fn silence_without_end() -> Scenario {
    solo(|_| Script::new().print("thinking").hang()).limits(|limits| limits.relaunch_limit = 1).horizon(mins(100))
}

#[test]
fn silence_is_suspected_poked_and_resumed() {
    insta::assert_snapshot!(told(silence_without_end()), @r"
    00:00:00 the orchestrator takes over
    00:00:00 t1 pending -> running (attempt 1)
    00:05:00 t1 silent => look: nothing changed for 5m: suspected
    00:05:00 t1 running -> stuck: nothing changed for 5m: suspected
    00:10:00 t1 silent => poke: nothing changed for 10m: asked to redraw
    00:10:02 t1 silent => poke: nothing changed for 10m 2s: poked
    00:20:00 t1 silent => resume: no progress: nothing changed for 20m; the same attempt goes on
    00:20:00 t1 stuck -> running
    00:25:00 t1 silent => look: nothing changed for 5m: suspected
    00:25:00 t1 running -> stuck: nothing changed for 5m: suspected
    00:30:00 t1 silent => poke: nothing changed for 10m: asked to redraw
    00:30:02 t1 silent => poke: nothing changed for 10m 2s: poked
    00:40:00 t1 silent => restart: nothing changed for 20m; 1 of 3 attempts failed, a new one begins
    00:40:00 t1 stuck -> error: nothing changed for 20m
    00:40:10 t1 error -> running (attempt 2)
    00:45:10 t1 silent => look: nothing changed for 5m: suspected
    00:45:10 t1 running -> stuck: nothing changed for 5m: suspected
    00:50:10 t1 silent => poke: nothing changed for 10m: asked to redraw
    00:50:12 t1 silent => poke: nothing changed for 10m 2s: poked
    01:00:10 t1 silent => resume: no progress: nothing changed for 20m; the same attempt goes on
    01:00:11 t1 stuck -> running
    01:05:11 t1 silent => look: nothing changed for 5m: suspected
    01:05:11 t1 running -> stuck: nothing changed for 5m: suspected
    01:10:11 t1 silent => poke: nothing changed for 10m: asked to redraw
    01:10:13 t1 silent => poke: nothing changed for 10m 2s: poked
    01:20:11 t1 silent => restart: nothing changed for 20m; 2 of 3 attempts failed, a new one begins
    01:20:11 t1 stuck -> error: nothing changed for 20m
    01:20:31 t1 error -> running (attempt 3)
    01:25:31 t1 silent => look: nothing changed for 5m: suspected
    01:25:31 t1 running -> stuck: nothing changed for 5m: suspected
    01:30:31 t1 silent => poke: nothing changed for 10m: asked to redraw
    01:30:33 t1 silent => poke: nothing changed for 10m 2s: poked
    Working
    ");
}

fn poke_wakes() -> Scenario {
    solo(|_| Script::new().ask("thinking", "\r").wait(secs(5)).print("\nah").wait(secs(60)).work(commits).exit(0))
}

#[test]
fn a_poke_wakes() {
    insta::assert_snapshot!(told(poke_wakes()), @r"
    00:00:00 the orchestrator takes over
    00:00:00 t1 pending -> running (attempt 1)
    00:05:00 t1 silent => look: nothing changed for 5m: suspected
    00:05:00 t1 running -> stuck: nothing changed for 5m: suspected
    00:10:00 t1 silent => poke: nothing changed for 10m: asked to redraw
    00:10:02 t1 silent => poke: nothing changed for 10m 2s: poked
    00:10:07 t1 stuck -> running
    00:11:07 t1 claimsDone => verify: 1 commit over the start, clean, at 111bf90fa5
    00:11:07 t1 verified => accept: committed and clean; no verify command is set
    00:11:07 t1 running -> complete
    00:11:07 t1 complete -> pr_open
    00:11:07 t1 pr_open -> merged
    Goal
    ");
}

fn silence_seen_by_cron() -> Scenario {
    solo(|attempt| if attempt == 1 { Script::new().print("thinking").hang() } else { good() })
        .limits(|limits| limits.relaunch_limit = 0)
        .tick_every(mins(15))
        .horizon(mins(300))
}

#[test]
fn cron_heals_silence() {
    insta::assert_snapshot!(told(silence_seen_by_cron()), @r"
    00:00:00 the orchestrator takes over
    00:00:00 t1 pending -> running (attempt 1)
    00:15:00 the orchestrator takes over
    00:30:00 the orchestrator takes over
    00:30:00 t1 silent => poke: nothing changed for 15m: asked to redraw
    00:30:00 t1 running -> stuck: nothing changed for 15m: asked to redraw
    00:45:00 the orchestrator takes over
    00:45:00 t1 silent => restart: nothing changed for 30m; 1 of 3 attempts failed, a new one begins
    00:45:00 t1 stuck -> error: nothing changed for 30m
    01:00:00 the orchestrator takes over
    01:00:00 t1 error -> running (attempt 2)
    01:15:00 the orchestrator takes over
    01:15:00 t1 claimsDone => verify: 1 commit over the start, clean, at c515342366
    01:15:00 t1 verified => accept: committed and clean; no verify command is set
    01:15:00 t1 running -> complete
    01:15:00 t1 complete -> pr_open
    01:15:00 t1 pr_open -> merged
    Goal
    ");
}

fn suspend_is_no_stall() -> Scenario {
    solo(|_| Script::new().print("working").wait(mins(4)).print("\nstill").wait(mins(4)).work(commits).exit(0))
        .at(mins(3), |world| world.suspend(mins(600)))
}

#[test]
fn a_laptop_that_slept_did_not_stall() {
    insta::assert_snapshot!(told(suspend_is_no_stall()), @r"
    00:00:00 the orchestrator takes over
    00:00:00 t1 pending -> running (attempt 1)
    10:03:00 suspend for 10h
    10:08:00 t1 claimsDone => verify: 1 commit over the start, clean, at c63734cc07
    10:08:00 t1 verified => accept: committed and clean; no verify command is set
    10:08:00 t1 running -> complete
    10:08:00 t1 complete -> pr_open
    10:08:00 t1 pr_open -> merged
    Goal
    ");
}

fn stopped_orchestrator_is_no_stall() -> Scenario {
    solo(|_| Script::new().print("working").wait(mins(60)).print("\nstill").wait(mins(4)).work(commits).exit(0))
        .at(mins(1), |world| world.advance(mins(57)))
}

#[test]
fn a_stopped_orchestrator_saw_no_stall() {
    insta::assert_snapshot!(told(stopped_orchestrator_is_no_stall()), @r"
    00:00:00 the orchestrator takes over
    00:00:00 t1 pending -> running (attempt 1)
    00:58:00 stopped for 56m
    01:04:00 t1 claimsDone => verify: 1 commit over the start, clean, at d80730c755
    01:04:00 t1 verified => accept: committed and clean; no verify command is set
    01:04:00 t1 running -> complete
    01:04:00 t1 complete -> pr_open
    01:04:00 t1 pr_open -> merged
    Goal
    ");
}

fn the_same_output_again_and_again() -> Scenario {
    solo(|attempt| match attempt {
        1 => (0..400).fold(Script::new(), |script, _| script.print("trying\nfailed\n").wait(secs(5))),
        _ => good(),
    })
    .limits(|limits| limits.relaunch_limit = 1)
}

#[test]
fn a_loop_is_killed_and_resumed() {
    insta::assert_snapshot!(told(the_same_output_again_and_again()), @r"
    00:00:00 the orchestrator takes over
    00:00:00 t1 pending -> running (attempt 1)
    00:05:40 t1 silent => look: nothing changed for 5m: suspected
    00:05:40 t1 running -> stuck: nothing changed for 5m: suspected
    00:05:45 t1 loop => resume: the same output again and again: the same lines for 5m; the same attempt goes on
    00:05:45 t1 stuck -> running
    00:11:25 t1 silent => look: nothing changed for 5m: suspected
    00:11:25 t1 running -> stuck: nothing changed for 5m: suspected
    00:11:30 t1 loop => restart: the same lines for 5m; 1 of 3 attempts failed, a new one begins
    00:11:30 t1 stuck -> error: the same lines for 5m
    00:11:40 t1 error -> running (attempt 2)
    00:12:40 t1 claimsDone => verify: 1 commit over the start, clean, at d16e37a039
    00:12:40 t1 verified => accept: committed and clean; no verify command is set
    00:12:40 t1 running -> complete
    00:12:40 t1 complete -> pr_open
    00:12:40 t1 pr_open -> merged
    Goal
    ");
}

fn nothing_done() -> Scenario {
    solo(|attempt| if attempt == 1 { Script::new().print("all done").wait(secs(5)).exit(0) } else { good() })
}

#[test]
fn a_clean_exit_with_nothing_done_is_a_new_attempt() {
    insta::assert_snapshot!(told(nothing_done()), @r"
    00:00:00 the orchestrator takes over
    00:00:00 t1 pending -> running (attempt 1)
    00:00:05 t1 nothingDone => restart: it ended well, with no commit and nothing changed; 1 of 3 attempts failed, a new one begins
    00:00:05 t1 running -> error: it ended well, with no commit and nothing changed
    00:00:15 t1 error -> running (attempt 2)
    00:01:15 t1 claimsDone => verify: 1 commit over the start, clean, at 89ee051cee
    00:01:15 t1 verified => accept: committed and clean; no verify command is set
    00:01:15 t1 running -> complete
    00:01:15 t1 complete -> pr_open
    00:01:15 t1 pr_open -> merged
    Goal
    ");
}

/// Leaves files uncommitted; when asked, a second launch of the attempt does the rest.
fn leaves(files: &'static [&'static str], when_asked: fn() -> Script) -> Scenario {
    let scenario = Scenario::new(one(), |_| Script::new());
    let world = scenario.world().clone();
    world.clone().on_launch(move |spec| {
        if super::cast::again(&world, spec) {
            return when_asked();
        }
        Script::new().wait(secs(5)).work(move |world, spec| {
            world.append_file("/first".into(), format!("{}\n", task_of(spec)).as_bytes());
            for file in files {
                world.repository().write(&spec.cwd, file, "new");
            }
        })
    });
    scenario
}

fn uncommitted_then_committed_when_asked() -> Scenario {
    leaves(&["a.txt", "b.txt"], || {
        Script::new().wait(secs(5)).work(|world, spec| {
            world.repository().commit_files(&spec.cwd, "late", &[("a.txt", "new"), ("b.txt", "new")]);
        })
    })
}

#[test]
fn an_agent_is_asked_once_to_commit() {
    insta::assert_snapshot!(told(uncommitted_then_committed_when_asked()), @r"
    00:00:00 the orchestrator takes over
    00:00:00 t1 pending -> running (attempt 1)
    00:00:05 t1 uncommitted => askCommit: not committed: a.txt, b.txt; the agent is asked once to commit
    00:00:10 t1 claimsDone => verify: 1 commit over the start, clean, at cc93a2fc8c
    00:00:10 t1 verified => accept: committed and clean; no verify command is set
    00:00:10 t1 running -> complete
    00:00:10 t1 complete -> pr_open
    00:00:10 t1 pr_open -> merged
    Goal
    ");
}

fn uncommitted_and_committed_by_orch() -> Scenario {
    leaves(&["a.txt", "README.md"], || Script::new().wait(secs(5)))
}

#[test]
fn what_stays_uncommitted_is_committed_by_orch() {
    insta::assert_snapshot!(told(uncommitted_and_committed_by_orch()), @r"
    00:00:00 the orchestrator takes over
    00:00:00 t1 pending -> running (attempt 1)
    00:00:05 t1 uncommitted => askCommit: not committed: README.md, a.txt; the agent is asked once to commit
    00:00:10 t1 uncommitted => commit: not committed: README.md, a.txt; asked before, so orch commits it
    00:00:10 t1 claimsDone => verify: 1 commit over the start, clean, at 607f53fc53
    00:00:10 t1 verified => accept: committed and clean; no verify command is set
    00:00:10 t1 running -> complete
    00:00:10 t1 complete -> pr_open
    00:00:10 t1 pr_open -> merged
    Goal
    ");
}

fn foreign_files_need_a_person() -> Scenario {
    leaves(&["a.txt", "elsewhere.txt"], || {
        Script::new().wait(secs(5)).work(|world, spec| {
            world.repository().commit_files(&spec.cwd, "half", &[("a.txt", "new")]);
        })
    })
    .at(mins(10), |world| world.repository().delete("/work/task-t1".into(), "elsewhere.txt"))
    .say(mins(11), Some("t1"), UserVerb::Retry)
}

#[test]
fn foreign_files_need_a_person_who_removes_them() {
    insta::assert_snapshot!(told(foreign_files_need_a_person()), @r"
    00:00:00 the orchestrator takes over
    00:00:00 t1 pending -> running (attempt 1)
    00:00:05 t1 uncommitted => askCommit: not committed: a.txt, elsewhere.txt; the agent is asked once to commit
    00:00:10 t1 uncommitted => escalate: uncommitted files that the task does not name: elsewhere.txt
    00:00:10 t1 running -> error: uncommitted files that the task does not name: elsewhere.txt
    00:11:00 t1 a person says Retry
    00:11:00 t1 error -> running (attempt 2)
    00:11:00 t1 claimsDone => verify: a person committed up to 89a0cc56c4
    00:11:00 t1 verified => accept: committed and clean; no verify command is set
    00:11:00 t1 running -> complete
    00:11:00 t1 complete -> pr_open
    00:11:00 t1 pr_open -> merged
    Goal
    ");
}

fn wrong_branch() -> Scenario {
    solo(|attempt| match attempt {
        1 => Script::new().wait(secs(5)).work(|world, spec| world.repository().detach(&spec.cwd)).work(commits),
        _ => Script::new().wait(secs(5)),
    })
    .limits(|limits| limits.max_attempts = 1)
}

#[test]
fn work_on_another_branch_is_an_error() {
    insta::assert_snapshot!(told(wrong_branch()), @r"
    00:00:00 the orchestrator takes over
    00:00:00 t1 pending -> running (attempt 1)
    00:00:05 t1 failed => escalate: the worktree is on no branch instead of task/t1; 1 of 1 attempts failed
    00:00:05 t1 running -> error: the worktree is on no branch instead of task/t1; 1 of 1 attempts failed
    NeedsPerson
    ");
}

fn launch_is_refused() -> Scenario {
    let scenario = solo(|_| good());
    scenario.world().fail(Operation::Launch, 1, Failure::Refused);
    scenario
}

#[test]
fn a_refused_launch_is_an_attempt() {
    insta::assert_snapshot!(told(launch_is_refused()), @r"
    00:00:00 the orchestrator takes over
    00:00:00 t1 pending -> running (attempt 1)
    00:00:00 t1 launchFailed => restart: launch: Launch was refused: a fault on order; 1 of 3 attempts failed, a new one begins
    00:00:00 t1 running -> error: launch: Launch was refused: a fault on order
    00:00:10 t1 error -> running (attempt 2)
    00:01:10 t1 claimsDone => verify: 1 commit over the start, clean, at fe2fde878d
    00:01:10 t1 verified => accept: committed and clean; no verify command is set
    00:01:10 t1 running -> complete
    00:01:10 t1 complete -> pr_open
    00:01:10 t1 pr_open -> merged
    Goal
    ");
}

fn worktree_cannot_be_made() -> Scenario {
    let scenario = solo(|_| good());
    scenario.world().fail(Operation::Prepare, 3, Failure::Refused);
    scenario
}

#[test]
fn a_worktree_that_cannot_be_made_needs_a_person() {
    insta::assert_snapshot!(told(worktree_cannot_be_made()), @r"
    00:00:00 the orchestrator takes over
    00:00:00 t1 pending -> running (attempt 1)
    00:00:00 t1 prepareFailed => restart: prepare: the remote refused Prepare: a fault on order; 1 of 3 attempts failed, a new one begins
    00:00:00 t1 running -> error: prepare: the remote refused Prepare: a fault on order
    00:00:10 t1 error -> running (attempt 2)
    00:00:10 t1 prepareFailed => restart: prepare: the remote refused Prepare: a fault on order; 2 of 3 attempts failed, a new one begins
    00:00:10 t1 running -> error: prepare: the remote refused Prepare: a fault on order
    00:00:30 t1 error -> running (attempt 3)
    00:00:30 t1 prepareFailed => escalate: prepare: the remote refused Prepare: a fault on order; 3 of 3 attempts failed
    00:00:30 t1 running -> error: prepare: the remote refused Prepare: a fault on order; 3 of 3 attempts failed
    NeedsPerson
    ");
}

fn worktree_cannot_be_made_yet() -> Scenario {
    let scenario = solo(|_| good());
    scenario.world().fail(Operation::Prepare, 4, Failure::Unreachable);
    scenario
}

#[test]
fn an_unreachable_remote_is_waited_for() {
    insta::assert_snapshot!(told(worktree_cannot_be_made_yet()), @r"
    00:00:00 the orchestrator takes over
    00:00:00 t1 pending -> running (attempt 1)
    00:00:00 t1 delayed => wait: prepare: the remote cannot be reached: a fault on order; trying again
    00:00:10 t1 delayed => wait: prepare: the remote cannot be reached: a fault on order; trying again
    00:00:31 t1 delayed => wait: prepare: the remote cannot be reached: a fault on order; trying again
    00:01:12 t1 delayed => wait: prepare: the remote cannot be reached: a fault on order; trying again
    00:03:35 t1 claimsDone => verify: 1 commit over the start, clean, at b133b025b5
    00:03:35 t1 verified => accept: committed and clean; no verify command is set
    00:03:35 t1 running -> complete
    00:03:35 t1 complete -> pr_open
    00:03:35 t1 pr_open -> merged
    Goal
    ");
}

fn worktree_cannot_be_looked_at() -> Scenario {
    let scenario = solo(|_| good());
    scenario.world().fail(Operation::Work, 2, Failure::Refused);
    scenario
}

#[test]
fn a_worktree_that_cannot_be_looked_at_is_looked_at_again() {
    insta::assert_snapshot!(told(worktree_cannot_be_looked_at()), @r"
    00:00:00 the orchestrator takes over
    00:00:00 t1 pending -> running (attempt 1)
    00:01:10 t1 claimsDone => verify: 1 commit over the start, clean, at a4153b671d
    00:01:10 t1 verified => accept: committed and clean; no verify command is set
    00:01:10 t1 running -> complete
    00:01:10 t1 complete -> pr_open
    00:01:10 t1 pr_open -> merged
    Goal
    ");
}
