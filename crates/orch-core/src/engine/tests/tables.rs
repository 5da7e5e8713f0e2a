//! The status table and the heal table as documents.

use crate::base::time::{Millis, Timestamp};
use crate::heal::{Case, DefaultPolicy, HealPolicy, Limits, Outage, Signal};
use crate::plan::status::TRANSITIONS;
use crate::ports::{Key, SessionInput};

#[test]
fn the_status_table() {
    let rows: String =
        TRANSITIONS.iter().map(|row| format!("| {} -> {} | {} |\n", row.from, row.to, row.trigger)).collect();
    insta::assert_snapshot!(rows, @r"
    | pending -> blocked | an edge or gate is unmet |
    | blocked -> pending | the last edge or gate is met |
    | pending -> running | ready, with a slot and a lease: attempt 1 opens |
    | running -> blocked | the start point conflicts: the attempt is not used |
    | running -> stuck | a prompt, silence, a loop, a limit, a lost session, a dialog |
    | stuck -> running | progress after the remedy |
    | running -> error | the attempt failed, or a person ended it |
    | stuck -> error | the remedy is a restart, or a person ended it |
    | error -> running | the retry is due, or a person asked for it |
    | running -> complete | commits over the start, clean, verified, all at one commit |
    | stuck -> complete | the session ended with verified work |
    | complete -> pr_open | the pull request is seen open with the verified head |
    | complete -> merged | its commit is seen in the base |
    | pr_open -> merged | the pull request is seen merged, or its commit in the base |
    | complete -> error | publishing was refused, or taking in others' work failed |
    | pr_open -> error | checks failed, changes were requested, a conflict, or it was closed unmerged |
    | error -> pr_open | a closed pull request is seen reopened with the verified head |
    | error -> merged | its commit is seen in the base |
    ");
}

fn keys(keys: &[Key]) -> SessionInput {
    SessionInput { text: None, keys: keys.to_vec() }
}

/// A change of a case, in words, and what it changes.
type Variant = (&'static str, fn(&mut Case));

/// An outage that was waited for so often and so many seconds, the last time until some seconds from now.
fn down(rounds: u32, until: u64, waited: u64) -> Outage {
    let now = Timestamp::from_millis(0);
    let (until, waited) = (now + Millis::from_secs(until), Millis::from_secs(waited));
    Outage { since: now, rounds, until, waited, probe: None }
}

/// The histories that make a difference for a signal.
fn variants(signal: Signal) -> Vec<Variant> {
    match signal {
        Signal::Prompt => vec![
            ("", |_| ()),
            ("no rule answers", |case| case.answer = None),
            ("the third time", |case| case.same_prompt = 3),
        ],
        Signal::Failed => vec![
            ("", |_| ()),
            ("the second time", |case| case.failures = 2),
            ("the third time", |case| case.failures = 3),
        ],
        Signal::Limited => vec![
            ("", |_| ()),
            ("reset in 2h", |case| case.reset_at = Some(Timestamp::from_millis(0) + Millis::from_mins(120))),
            ("reset in 25h", |case| case.reset_at = Some(Timestamp::from_millis(0) + Millis::from_mins(25 * 60))),
            ("the sixth time", |case| case.outage = Some(down(5, 0, 300))),
            ("while others wait", |case| case.outage = Some(down(5, 100, 300))),
            ("spread", |case| case.spread = 999),
            ("after a day", |case| case.outage = Some(down(20, 0, 24 * 3600))),
        ],
        Signal::Silent => vec![
            ("for 5m", |case| case.silent = Millis::from_mins(5)),
            ("for 10m", |case| case.silent = Millis::from_mins(10)),
            ("for 10m, redrawn, at a line input", |case| {
                (case.silent, case.pokes, case.line_input) = (Millis::from_mins(10), 1, true);
            }),
            ("for 10m, redrawn", |case| (case.silent, case.pokes) = (Millis::from_mins(10), 1)),
            ("for 20m", |case| case.silent = Millis::from_mins(20)),
            ("for 20m, the sixth time", |case| {
                (case.silent, case.relaunches) = (Millis::from_mins(20), 5);
            }),
        ],
        Signal::Loop | Signal::Lost => vec![("", |_| ()), ("the sixth time", |case| case.relaunches = 5)],
        Signal::Uncommitted => vec![
            ("", |_| ()),
            ("asked before", |case| case.asked_to_commit = true),
            ("asked before, with foreign files", |case| {
                (case.asked_to_commit, case.foreign_dirt) = (true, vec!["x".to_owned()]);
            }),
            ("asked before, with a repository inside", |case| {
                (case.asked_to_commit, case.nested) = (true, vec!["app (only here)".to_owned()]);
            }),
            ("committed before", |case| (case.asked_to_commit, case.committed) = (true, 1)),
        ],
        Signal::Delayed => vec![
            ("", |_| ()),
            ("the tenth time", |case| case.delays = 9),
            ("after a day", |case| case.outage = Some(down(20, 0, 24 * 3600))),
        ],
        Signal::ChecksFailed => vec![("", |_| ()), ("the fourth time", |case| case.feedback_rounds = 3)],
        _ => vec![("", |_| ())],
    }
}

#[test]
fn the_heal_table() {
    let mut table = String::new();
    for signal in Signal::ALL {
        for (history, change) in variants(*signal) {
            let mut case = Case::new(*signal, "…");
            case.answer = Some(keys(&[Key::Char('y'), Key::Enter]));
            change(&mut case);
            let decision = DefaultPolicy.decide(&case, &Limits::default(), Timestamp::from_millis(0));
            let remedy = serde_json::to_string(&decision.remedy).expect("serialisable");
            let remedy = remedy.replace("\"do\":", "").replace(['{', '}', '"'], "").replace("1970-01-01T", "+");
            let by = decision.threshold.map_or(String::new(), |by| format!(" [{by}]"));
            let history = if history.is_empty() { String::new() } else { format!(" {history}") };
            table.push_str(&format!("| {signal}{history} | {remedy} | {}{by} |\n", decision.reason));
        }
    }
    insta::assert_snapshot!(table, @r"
    | prompt | answer,input:keys:[char:y,enter] | answered: … |
    | prompt no rule answers | escalate | no rule answers: … |
    | prompt the third time | restart,at:+00:00:10.000Z | …; 1 of 3 attempts failed, a new one begins [same_prompt_limit] |
    | dialog | escalate | a dialog that no blind key may answer: … |
    | failed | restart,at:+00:00:10.000Z | …; 1 of 3 attempts failed, a new one begins [backoff] |
    | failed the second time | restart,at:+00:00:20.000Z | …; 2 of 3 attempts failed, a new one begins [backoff] |
    | failed the third time | escalate | …; 3 of 3 attempts failed [max_attempts] |
    | limited | resume,at:+00:00:10.000Z,counted:false | …; no attempt is used up [backoff] |
    | limited reset in 2h | resume,at:+02:00:00.000Z,counted:false | …; no attempt is used up [backoff] |
    | limited reset in 25h | escalate | …; it resets only in 25h, later than 24h [relaunch_wait] |
    | limited the sixth time | resume,at:+00:05:20.000Z,counted:false | …; no attempt is used up [backoff] |
    | limited while others wait | resume,at:+00:01:40.000Z,counted:false | …; no attempt is used up [backoff] |
    | limited spread | resume,at:+00:00:12.497Z,counted:false | …; no attempt is used up [backoff] |
    | limited after a day | escalate | …; it did not end within 24h [relaunch_wait] |
    | credentials | escalate | … |
    | ready | deliver | it takes input, so it gets its prompt |
    | undelivered | resume,at:+00:00:00.000Z,counted:true | the prompt did not arrive: …; the same attempt goes on |
    | silent for 5m | look | …: suspected [suspect_after] |
    | silent for 10m | poke,input:keys:[redraw] | …: asked to redraw [poke_after] |
    | silent for 10m, redrawn, at a line input | poke,input:keys:[enter] | …: poked [poke_after] |
    | silent for 10m, redrawn | look | …: suspected [suspect_after] |
    | silent for 20m | resume,at:+00:00:00.000Z,counted:true | no progress: …; the same attempt goes on [restart_after] |
    | silent for 20m, the sixth time | restart,at:+00:00:10.000Z | …; 1 of 3 attempts failed, a new one begins [relaunch_limit] |
    | loop | resume,at:+00:00:00.000Z,counted:true | the same output again and again: …; the same attempt goes on |
    | loop the sixth time | restart,at:+00:00:10.000Z | …; 1 of 3 attempts failed, a new one begins [relaunch_limit] |
    | lost | resume,at:+00:00:00.000Z,counted:true | the session is gone: …; the same attempt goes on |
    | lost the sixth time | restart,at:+00:00:10.000Z | …; 1 of 3 attempts failed, a new one begins [relaunch_limit] |
    | nothingDone | restart,at:+00:00:10.000Z | …; 1 of 3 attempts failed, a new one begins [backoff] |
    | worktreeLost | restart,at:+00:00:10.000Z | …; 1 of 3 attempts failed, a new one begins [backoff] |
    | uncommitted | askCommit | …; the agent is asked once to commit |
    | uncommitted asked before | commit | …; asked before, so orch commits it |
    | uncommitted asked before, with foreign files | escalate | uncommitted files that the task does not name: x |
    | uncommitted asked before, with a repository inside | escalate | a repository inside the worktree has work that nobody else could get: app (only here) |
    | uncommitted committed before | escalate | …, although orch committed all that it may |
    | claimsDone | verify | … |
    | verified | accept | … |
    | verifyFailed | restart,at:+00:00:10.000Z | …; 1 of 3 attempts failed, a new one begins [backoff] |
    | verifyTimedOut | restart,at:+00:00:10.000Z | …; 1 of 3 attempts failed, a new one begins [backoff] |
    | prepareFailed | restart,at:+00:00:10.000Z | …; 1 of 3 attempts failed, a new one begins [backoff] |
    | launchFailed | restart,at:+00:00:10.000Z | …; 1 of 3 attempts failed, a new one begins [backoff] |
    | delayed | wait,at:+00:00:10.000Z | …; trying again [backoff] |
    | delayed the tenth time | wait,at:+01:00:00.000Z | …; trying again [backoff] |
    | delayed after a day | escalate | …; it did not end within 24h [relaunch_wait] |
    | publishRefused | escalate | … |
    | checksFailed | rework,at:+00:00:00.000Z | …; round 1 of 3 [feedback_rounds] |
    | checksFailed the fourth time | escalate | …; 3 of 3 rounds are used up [feedback_rounds] |
    | changesRequested | rework,at:+00:00:00.000Z | …; round 1 of 3 [feedback_rounds] |
    | conflict | rework,at:+00:00:00.000Z | …; round 1 of 3 [feedback_rounds] |
    | pullClosed | escalate | the pull request was closed without a merge |
    | pullMerged | accept | … |
    | broken | escalate | … |
    ");
}

#[test]
fn the_limits() {
    let limits = serde_json::to_value(Limits::default()).expect("serialisable");
    let rows = limits.as_object().expect("an object").iter().map(|(name, value)| format!("{name} = {value}\n"));
    insta::assert_snapshot!(rows.collect::<String>(), @r"
    suspectAfter = 300000
    pokeAfter = 600000
    restartAfter = 1200000
    loopAfter = 300000
    backoff = 10000
    maxAttempts = 3
    samePromptLimit = 3
    feedbackRounds = 3
    relaunchLimit = 5
    relaunchWait = 86400000
    heartbeat = 120000
    pullInterval = 30000
    settle = 500
    readyAfter = 2000
    enterAfter = 300
    confirmAfter = 2000
    screenInterval = 250
    askGrace = 5000
    handsOff = 60000
    verifyTimeout = 1800000
    verifyParallel = 1
    ");
}
