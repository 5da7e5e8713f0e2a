//! Prompts that are pasted: when, how they are confirmed, and what becomes of those that do not arrive.

use super::cast::{commits, secs, solo};
use super::{Case, cases, told};
use crate::agents::profile::PromptVia;
use crate::base::time::Millis;
use crate::testkit::{Scenario, Script, Step};

pub(super) const CASES: &[Case] = cases![
    pasted_once_quiet,
    pasted_to_one_who_says_nothing,
    enter_is_swallowed_once,
    enter_changes_nothing,
    never_quiet,
    a_dialog_comes_first,
];

fn pasting(cast: impl Fn(u32) -> Script + Send + Sync + 'static) -> Scenario {
    solo(cast).agents(|profile| profile.prompt = PromptVia::Paste)
}

/// Works once it has the whole prompt, as a paste, and Enter; anything else makes it fail.
fn takes(script: Script) -> Script {
    script.step(Step::EchoTyping).step(Step::BracketedPaste).step(Step::listen(|typed| {
        let whole = typed.starts_with("\u{1b}[200~") && typed.ends_with("\u{1b}[201~\r") && typed.contains("Task t1");
        let work = || vec![Step::Screen("on it".into()), Step::Wait(secs(1)), Step::act(commits), Step::Exit(0)];
        typed.ends_with('\r').then(|| if whole { work() } else { vec![Step::Exit(9)] })
    }))
}

fn pasted_once_quiet() -> Scenario {
    pasting(|_| takes(Script::new().print("loading").wait(secs(1)).screen("ready\n>")))
}

#[test]
fn a_quiet_agent_gets_its_prompt_and_enter() {
    insta::assert_snapshot!(told(pasted_once_quiet()), @r"
    00:00:00 the orchestrator takes over
    00:00:00 t1 pending -> running (attempt 1)
    00:00:03 t1 ready => deliver: it takes input, so it gets its prompt
    00:00:04 t1 claimsDone => verify: 1 commit over the start, clean, at 5e4bc28aca
    00:00:04 t1 verified => accept: committed and clean; no verify command is set
    00:00:04 t1 running -> complete
    00:00:04 t1 complete -> pr_open
    00:00:04 t1 pr_open -> merged
    Goal
    ");
}

fn pasted_to_one_who_says_nothing() -> Scenario {
    pasting(|_| takes(Script::new()))
}

#[test]
fn an_agent_that_says_nothing_gets_its_prompt() {
    insta::assert_snapshot!(told(pasted_to_one_who_says_nothing()), @r"
    00:00:00 the orchestrator takes over
    00:00:00 t1 pending -> running (attempt 1)
    00:00:05 t1 ready => deliver: it takes input, so it gets its prompt
    00:00:06 t1 claimsDone => verify: 1 commit over the start, clean, at 56818a602a
    00:00:06 t1 verified => accept: committed and clean; no verify command is set
    00:00:06 t1 running -> complete
    00:00:06 t1 complete -> pr_open
    00:00:06 t1 pr_open -> merged
    Goal
    ");
}

fn enter_is_swallowed_once() -> Scenario {
    pasting(|_| {
        let draft = |typed: &str| (!typed.contains('\r')).then(|| vec![Step::Screen("> [a long text]".into())]);
        let enters = |typed: &str| {
            let work = || vec![Step::Screen("on it".into()), Step::Wait(secs(1)), Step::act(commits), Step::Exit(0)];
            (typed == "\r\r").then(work)
        };
        Script::new().print(">").step(Step::listen(draft)).step(Step::listen(enters))
    })
}

#[test]
fn an_enter_that_is_swallowed_is_pressed_again() {
    insta::assert_snapshot!(told(enter_is_swallowed_once()), @r"
    00:00:00 the orchestrator takes over
    00:00:00 t1 pending -> running (attempt 1)
    00:00:02 t1 ready => deliver: it takes input, so it gets its prompt
    00:00:05 t1 claimsDone => verify: 1 commit over the start, clean, at e567287886
    00:00:05 t1 verified => accept: committed and clean; no verify command is set
    00:00:05 t1 running -> complete
    00:00:05 t1 complete -> pr_open
    00:00:05 t1 pr_open -> merged
    Goal
    ");
}

fn enter_changes_nothing() -> Scenario {
    pasting(|attempt| if attempt == 1 { Script::new().print(">").hang() } else { takes(Script::new().print(">")) })
}

#[test]
fn a_prompt_that_does_not_go_is_tried_in_another_session() {
    insta::assert_snapshot!(told(enter_changes_nothing()), @r"
    00:00:00 the orchestrator takes over
    00:00:00 t1 pending -> running (attempt 1)
    00:00:02 t1 ready => deliver: it takes input, so it gets its prompt
    00:00:16 t1 undelivered => resume: the prompt did not arrive: Enter changed nothing on its screen; the same attempt goes on
    00:00:16 t1 running -> stuck: the prompt did not arrive: Enter changed nothing on its screen; the same attempt goes on
    00:00:16 t1 stuck -> running
    00:00:18 t1 ready => deliver: it takes input, so it gets its prompt
    00:00:33 t1 undelivered => resume: the prompt did not arrive: Enter changed nothing on its screen; the same attempt goes on
    00:00:33 t1 running -> stuck: the prompt did not arrive: Enter changed nothing on its screen; the same attempt goes on
    00:00:33 t1 stuck -> running
    00:00:35 t1 ready => deliver: it takes input, so it gets its prompt
    00:00:49 t1 undelivered => resume: the prompt did not arrive: Enter changed nothing on its screen; the same attempt goes on
    00:00:49 t1 running -> stuck: the prompt did not arrive: Enter changed nothing on its screen; the same attempt goes on
    00:00:49 t1 stuck -> running
    00:00:51 t1 ready => deliver: it takes input, so it gets its prompt
    00:01:06 t1 undelivered => resume: the prompt did not arrive: Enter changed nothing on its screen; the same attempt goes on
    00:01:06 t1 running -> stuck: the prompt did not arrive: Enter changed nothing on its screen; the same attempt goes on
    00:01:06 t1 stuck -> running
    00:01:08 t1 ready => deliver: it takes input, so it gets its prompt
    00:01:22 t1 undelivered => resume: the prompt did not arrive: Enter changed nothing on its screen; the same attempt goes on
    00:01:22 t1 running -> stuck: the prompt did not arrive: Enter changed nothing on its screen; the same attempt goes on
    00:01:23 t1 stuck -> running
    00:01:25 t1 ready => deliver: it takes input, so it gets its prompt
    00:01:39 t1 undelivered => restart: Enter changed nothing on its screen; 1 of 3 attempts failed, a new one begins
    00:01:39 t1 running -> error: Enter changed nothing on its screen
    00:01:49 t1 error -> running (attempt 2)
    00:01:51 t1 ready => deliver: it takes input, so it gets its prompt
    00:01:52 t1 claimsDone => verify: 1 commit over the start, clean, at de9886faeb
    00:01:52 t1 verified => accept: committed and clean; no verify command is set
    00:01:52 t1 running -> complete
    00:01:52 t1 complete -> pr_open
    00:01:52 t1 pr_open -> merged
    Goal
    ");
}

fn never_quiet() -> Scenario {
    pasting(|attempt| match attempt {
        1 => (0..4000).fold(Script::new(), |script, n| script.screen(&format!("tick {n}")).wait(Millis(250))),
        _ => takes(Script::new().print(">")),
    })
}

#[test]
fn an_agent_that_never_stands_still_gets_no_prompt() {
    insta::assert_snapshot!(told(never_quiet()), @r"
    00:00:00 the orchestrator takes over
    00:00:00 t1 pending -> running (attempt 1)
    00:05:00 t1 undelivered => resume: the prompt did not arrive: its screen did not stand still for 5m; the same attempt goes on
    00:05:00 t1 running -> stuck: the prompt did not arrive: its screen did not stand still for 5m; the same attempt goes on
    00:05:00 t1 stuck -> running
    00:10:00 t1 undelivered => resume: the prompt did not arrive: its screen did not stand still for 5m; the same attempt goes on
    00:10:00 t1 running -> stuck: the prompt did not arrive: its screen did not stand still for 5m; the same attempt goes on
    00:10:00 t1 stuck -> running
    00:15:00 t1 undelivered => resume: the prompt did not arrive: its screen did not stand still for 5m; the same attempt goes on
    00:15:00 t1 running -> stuck: the prompt did not arrive: its screen did not stand still for 5m; the same attempt goes on
    00:15:00 t1 stuck -> running
    00:20:00 t1 undelivered => resume: the prompt did not arrive: its screen did not stand still for 5m; the same attempt goes on
    00:20:00 t1 running -> stuck: the prompt did not arrive: its screen did not stand still for 5m; the same attempt goes on
    00:20:00 t1 stuck -> running
    00:25:00 t1 undelivered => resume: the prompt did not arrive: its screen did not stand still for 5m; the same attempt goes on
    00:25:00 t1 running -> stuck: the prompt did not arrive: its screen did not stand still for 5m; the same attempt goes on
    00:25:00 t1 stuck -> running
    00:30:00 t1 undelivered => restart: its screen did not stand still for 5m; 1 of 3 attempts failed, a new one begins
    00:30:00 t1 running -> error: its screen did not stand still for 5m
    00:30:10 t1 error -> running (attempt 2)
    00:30:12 t1 ready => deliver: it takes input, so it gets its prompt
    00:30:13 t1 claimsDone => verify: 1 commit over the start, clean, at c343af0435
    00:30:13 t1 verified => accept: committed and clean; no verify command is set
    00:30:13 t1 running -> complete
    00:30:13 t1 complete -> pr_open
    00:30:13 t1 pr_open -> merged
    Goal
    ");
}

fn a_dialog_comes_first() -> Scenario {
    pasting(|_| takes(Script::new().ask("Continue? [y/n]", "y\r").screen("ready\n>")))
}

#[test]
fn a_dialog_is_answered_before_the_prompt_is_pasted() {
    insta::assert_snapshot!(told(a_dialog_comes_first()), @r"
    00:00:00 the orchestrator takes over
    00:00:00 t1 pending -> running (attempt 1)
    00:00:00 t1 prompt => answer: answered: Continue? [y/n]
    00:00:00 t1 running -> stuck: answered: Continue? [y/n]
    00:00:01 t1 stuck -> running
    00:00:03 t1 ready => deliver: it takes input, so it gets its prompt
    00:00:04 t1 claimsDone => verify: 1 commit over the start, clean, at 5e4bc28aca
    00:00:04 t1 verified => accept: committed and clean; no verify command is set
    00:00:04 t1 running -> complete
    00:00:04 t1 complete -> pr_open
    00:00:04 t1 pr_open -> merged
    Goal
    ");
}
