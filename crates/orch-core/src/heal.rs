//! The heal policy: one signal, its history and the limits in; one remedy and its reason out.

mod case;

use serde::{Deserialize, Serialize};

use crate::base::time::{Millis, Timestamp};
use crate::base::wire::wire_enum;
use crate::ports::{Key, SessionInput};

pub use case::{Case, Outage};

/// Every threshold of the engine; all settable, all times awake unless said otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Limits {
    /// Silence after which a session is suspected and looked at closer.
    pub suspect_after: Millis,
    /// Silence after which a session is poked.
    pub poke_after: Millis,
    /// Time without progress after which a session is resumed or restarted.
    pub restart_after: Millis,
    /// How long the same output must repeat before it is a loop.
    pub loop_after: Millis,
    /// Wait before the second attempt (wall time); doubled for each further one, at most an hour.
    pub backoff: Millis,
    /// Attempts before a person is needed.
    pub max_attempts: u32,
    /// Times that the same prompt is answered before the agent is restarted.
    pub same_prompt_limit: u32,
    /// New attempts for failed checks, requested changes and conflicts.
    pub feedback_rounds: u32,
    /// Relaunches without progress that use up no attempt.
    pub relaunch_limit: u32,
    /// How long an outage is waited for, over all its rounds, before a person is called (wall time).
    pub relaunch_wait: Millis,
    /// How often marks are journaled and worktrees looked at.
    pub heartbeat: Millis,
    /// How often a pull request is looked at.
    pub pull_interval: Millis,
    /// How long a screen must stand still before a prompt on it is believed.
    pub settle: Millis,
    /// How long a screen must stand still before a prompt is pasted into it.
    pub ready_after: Millis,
    /// How long a program gets to take in what was pasted before Enter is pressed.
    pub enter_after: Millis,
    /// How long the first Enter after a paste gets to show on the screen; doubled for each further one.
    pub confirm_after: Millis,
    /// The least time between two looks at one screen.
    pub screen_interval: Millis,
    /// Time between asking a process to end and killing it.
    pub ask_grace: Millis,
    /// Time after a person's input during which no remedy fires.
    pub hands_off: Millis,
    /// How long a verify command may take from its start.
    pub verify_timeout: Millis,
    /// Verify commands that run at once.
    pub verify_parallel: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            suspect_after: Millis::from_mins(5),
            poke_after: Millis::from_mins(10),
            restart_after: Millis::from_mins(20),
            loop_after: Millis::from_mins(5),
            backoff: Millis::from_secs(10),
            max_attempts: 3,
            same_prompt_limit: 3,
            feedback_rounds: 3,
            relaunch_limit: 5,
            relaunch_wait: Millis::from_mins(24 * 60),
            heartbeat: Millis::from_mins(2),
            pull_interval: Millis::from_secs(30),
            settle: Millis(500),
            ready_after: Millis(2000),
            enter_after: Millis(300),
            confirm_after: Millis(2000),
            screen_interval: Millis(250),
            ask_grace: Millis::from_secs(5),
            hands_off: Millis::from_secs(60),
            verify_timeout: Millis::from_mins(30),
            verify_parallel: 1,
        }
    }
}

wire_enum!(
    /// What the evidence about a task means.
    #[non_exhaustive]
    Signal {
        /// A recognised approval or default-choice prompt.
        Prompt = "prompt",
        /// A dialog that no blind key may answer: dangerous, login, update, unknown.
        Dialog = "dialog",
        /// The agent ended with an error.
        Failed = "failed",
        /// A rate limit, an overload, no network.
        Limited = "limited",
        /// Credentials were refused, or there is no credit.
        Credentials = "credentials",
        /// The agent stands still, takes input and does not have its prompt yet.
        Ready = "ready",
        /// The prompt could not be brought to the agent.
        Undelivered = "undelivered",
        /// Nothing was heard for some time.
        Silent = "silent",
        /// The same output again and again.
        Loop = "loop",
        /// The session is gone without an exit status.
        Lost = "lost",
        /// The agent ended well and did nothing.
        NothingDone = "nothingDone",
        /// The worktree is not there any more; its branch may be.
        WorktreeLost = "worktreeLost",
        /// Work is there and not committed.
        Uncommitted = "uncommitted",
        /// The agent ended well with clean, committed work: a claim.
        ClaimsDone = "claimsDone",
        /// The verify command agreed at one commit.
        Verified = "verified",
        /// The verify command disagreed.
        VerifyFailed = "verifyFailed",
        /// The verify command took too long.
        VerifyTimedOut = "verifyTimedOut",
        /// The worktree could not be made.
        PrepareFailed = "prepareFailed",
        /// The process could not be started.
        LaunchFailed = "launchFailed",
        /// Something outside could not be reached and may be later.
        Delayed = "delayed",
        /// Publishing was refused for good.
        PublishRefused = "publishRefused",
        /// A required check failed.
        ChecksFailed = "checksFailed",
        /// A trusted reviewer asked for changes.
        ChangesRequested = "changesRequested",
        /// Others' work does not merge into the branch.
        Conflict = "conflict",
        /// The pull request was closed unmerged.
        PullClosed = "pullClosed",
        /// The pull request was merged.
        PullMerged = "pullMerged",
        /// A process could not be ended, or something else that only a person can put right.
        Broken = "broken",
    }
);

impl Signal {
    /// Whether verified work comes back to its agent: what is said of it is kept until it is verified anew.
    pub const fn sends_back(self) -> bool {
        matches!(self, Self::ChecksFailed | Self::ChangesRequested | Self::Conflict)
    }
}

/// What to do about a signal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "camelCase", rename_all_fields = "camelCase")]
#[non_exhaustive]
pub enum Remedy {
    /// Type the answer to a prompt.
    Answer {
        /// The answer.
        input: SessionInput,
    },
    /// Paste the prompt, and confirm it.
    Deliver,
    /// Suspect, and look closer.
    Look,
    /// Wake a silent session.
    Poke {
        /// What is typed.
        input: SessionInput,
    },
    /// End the session and start it again in the same attempt, resuming its conversation where the agent can.
    Resume {
        /// Not before then.
        at: Timestamp,
        /// Whether it counts against [`Limits::relaunch_limit`].
        counted: bool,
    },
    /// End the attempt; a new one begins.
    Restart {
        /// Not before then.
        at: Timestamp,
    },
    /// End the attempt; a new one begins with what the forge said, in a count of its own.
    Rework {
        /// Not before then.
        at: Timestamp,
    },
    /// Ask the agent to commit its work.
    AskCommit,
    /// Commit the work for the agent.
    Commit,
    /// Check the claim.
    Verify,
    /// The claim holds.
    Accept,
    /// Try the same effect again.
    Wait {
        /// Not before then.
        at: Timestamp,
    },
    /// A person is needed.
    Escalate,
}

/// A remedy with its reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Decision {
    /// What to do.
    pub remedy: Remedy,
    /// Why, for people.
    pub reason: String,
    /// The setting that decided, as in `orch.toml`'s `[heal]`, where one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threshold: Option<String>,
}

impl Decision {
    /// A decision that no threshold decided.
    pub fn new(remedy: Remedy, reason: impl Into<String>) -> Self {
        Self { remedy, reason: reason.into(), threshold: None }
    }

    /// The same decision, naming the setting that decided.
    #[must_use]
    pub fn by(mut self, threshold: &str) -> Self {
        self.threshold = Some(threshold.to_owned());
        self
    }
}

/// Decides what is done about trouble. Total and pure: same case, same decision.
pub trait HealPolicy: Send + Sync {
    /// The policy's name, kept in the journal.
    fn name(&self) -> &str;

    /// The remedy for a case. `now` is wall time, for remedies that wait.
    fn decide(&self, case: &Case, limits: &Limits, now: Timestamp) -> Decision;
}

/// The policy that orch runs with: the table in `decide`, with every threshold from [`Limits`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DefaultPolicy;

impl HealPolicy for DefaultPolicy {
    fn name(&self) -> &'static str {
        "default"
    }

    fn decide(&self, case: &Case, limits: &Limits, now: Timestamp) -> Decision {
        let detail = &case.detail;
        match case.signal {
            Signal::Prompt => prompt(case, limits, now),
            Signal::Dialog => {
                Decision::new(Remedy::Escalate, format!("a dialog that no blind key may answer: {detail}"))
            }
            Signal::Credentials | Signal::Broken | Signal::PublishRefused => {
                Decision::new(Remedy::Escalate, detail.clone())
            }
            Signal::PullClosed => Decision::new(Remedy::Escalate, "the pull request was closed without a merge"),
            Signal::Failed
            | Signal::NothingDone
            | Signal::VerifyFailed
            | Signal::VerifyTimedOut
            | Signal::WorktreeLost
            | Signal::PrepareFailed
            | Signal::LaunchFailed => restart(case, limits, now),
            Signal::Limited => {
                let resume = |at| Remedy::Resume { at, counted: false };
                outlast(case, limits, now, resume, "no attempt is used up")
            }
            Signal::Delayed => delayed(case, limits, now),
            Signal::Ready => Decision::new(Remedy::Deliver, "it takes input, so it gets its prompt"),
            Signal::Undelivered => relaunch(case, limits, now, "the prompt did not arrive"),
            Signal::Silent => silent(case, limits, now),
            Signal::Loop => relaunch(case, limits, now, "the same output again and again"),
            Signal::Lost => relaunch(case, limits, now, "the session is gone"),
            Signal::Uncommitted => uncommitted(case),
            Signal::ClaimsDone => Decision::new(Remedy::Verify, detail.clone()),
            Signal::Verified | Signal::PullMerged => Decision::new(Remedy::Accept, detail.clone()),
            Signal::ChecksFailed | Signal::ChangesRequested | Signal::Conflict => feedback(case, limits, now),
        }
    }
}

fn backoff(failures: u32, limits: &Limits) -> Millis {
    let doubled = limits.backoff.0.saturating_mul(1 << failures.saturating_sub(1).min(16));
    Millis(doubled.min(Millis::from_mins(60).0.max(limits.backoff.0)))
}

/// Tries again, longer and longer; a person is told of what lasts.
fn delayed(case: &Case, limits: &Limits, now: Timestamp) -> Decision {
    if case.local && case.delays >= limits.relaunch_limit {
        let waited = waited_alone(case, limits);
        return Decision::new(Remedy::Escalate, format!("{}; it lasts for {waited}", case.detail)).by("relaunch_limit");
    }
    outlast(case, limits, now, |at| Remedy::Wait { at }, "trying again")
}

/// How long a task waited by itself for what nobody else waits for.
fn waited_alone(case: &Case, limits: &Limits) -> Millis {
    Millis((1..=case.delays).fold(0_u64, |sum, n| sum.saturating_add(backoff(n, limits).0)))
}

fn prompt(case: &Case, limits: &Limits, now: Timestamp) -> Decision {
    if case.same_prompt >= limits.same_prompt_limit {
        return restart_by(case, limits, now, "same_prompt_limit");
    }
    match &case.answer {
        Some(input) => Decision::new(Remedy::Answer { input: input.clone() }, format!("answered: {}", case.detail)),
        None => Decision::new(Remedy::Escalate, format!("no rule answers: {}", case.detail)),
    }
}

fn restart(case: &Case, limits: &Limits, now: Timestamp) -> Decision {
    let (failures, max, detail) = (case.failures, limits.max_attempts, &case.detail);
    if failures >= max {
        return Decision::new(Remedy::Escalate, format!("{detail}; {failures} of {max} attempts failed"))
            .by("max_attempts");
    }
    let at = now + backoff(failures, limits);
    Decision::new(Remedy::Restart { at }, format!("{detail}; {failures} of {max} attempts failed, a new one begins"))
        .by("backoff")
}

/// A new attempt that another limit than [`Limits::backoff`] led to; where there is none left, that decided.
fn restart_by(case: &Case, limits: &Limits, now: Timestamp, threshold: &str) -> Decision {
    let decision = restart(case, limits, now);
    if decision.remedy == Remedy::Escalate { decision } else { decision.by(threshold) }
}

fn relaunch(case: &Case, limits: &Limits, now: Timestamp, what: &str) -> Decision {
    if case.relaunches >= limits.relaunch_limit {
        return restart_by(case, limits, now, "relaunch_limit");
    }
    let reason = format!("{what}: {}; the same attempt goes on", case.detail);
    Decision::new(Remedy::Resume { at: now, counted: true }, reason)
}

/// Waits for the end of an outage, all tasks that it concerns together, and each a little later than the one before.
fn outlast(case: &Case, limits: &Limits, now: Timestamp, wait: impl Fn(Timestamp) -> Remedy, words: &str) -> Decision {
    let (detail, most) = (&case.detail, limits.relaunch_wait);
    let ahead = |at: &Timestamp| *at > now;
    let outage = case.outage.as_ref();
    let joined = outage.map(|outage| outage.until).filter(ahead);
    let rounds = outage.map_or(0, |outage| outage.rounds).max(case.delays);
    let at = case.reset_at.filter(ahead).or(joined).unwrap_or_else(|| now + backoff(rounds + 1, limits));
    let span = at.since(now);
    let give_up = |why: String| Decision::new(Remedy::Escalate, format!("{detail}; {why}")).by("relaunch_wait");
    if span > most {
        return give_up(format!("it resets only in {span}, later than {most}"));
    }
    let waited = outage.map_or_else(|| waited_alone(case, limits), |outage| outage.waited).0;
    if joined.is_none() && waited.saturating_add(span.0) > most.0 {
        return give_up(format!("it did not end within {most}"));
    }
    let spread = Millis(span.0.saturating_mul(case.spread.into()) / 4000).min(Millis::from_mins(5));
    Decision::new(wait(at + spread), format!("{detail}; {words}")).by("backoff")
}

fn silent(case: &Case, limits: &Limits, now: Timestamp) -> Decision {
    if case.silent >= limits.restart_after {
        let decision = relaunch(case, limits, now, "no progress");
        // What led to more than a relaunch was another limit.
        let relaunches = matches!(decision.remedy, Remedy::Resume { .. });
        return if relaunches { decision.by("restart_after") } else { decision };
    }
    if case.silent >= limits.poke_after {
        let poke =
            |input, how| Decision::new(Remedy::Poke { input }, format!("{}: {how}", case.detail)).by("poke_after");
        match case.pokes {
            0 => return poke(SessionInput { text: None, keys: vec![Key::Redraw] }, "asked to redraw"),
            1 if case.line_input => return poke(case.poke.clone(), "poked"),
            _ => {}
        }
    }
    Decision::new(Remedy::Look, format!("{}: suspected", case.detail)).by("suspect_after")
}

fn uncommitted(case: &Case) -> Decision {
    if !case.asked_to_commit {
        return Decision::new(Remedy::AskCommit, format!("{}; the agent is asked once to commit", case.detail));
    }
    if !case.nested.is_empty() {
        let nested = case.nested.join(", ");
        return Decision::new(
            Remedy::Escalate,
            format!("a repository inside the worktree has work that nobody else could get: {nested}"),
        );
    }
    if case.foreign_dirt.is_empty() && case.committed > 0 {
        return Decision::new(Remedy::Escalate, format!("{}, although orch committed all that it may", case.detail));
    }
    if case.foreign_dirt.is_empty() {
        return Decision::new(Remedy::Commit, format!("{}; asked before, so orch commits it", case.detail));
    }
    let files = case.foreign_dirt.join(", ");
    Decision::new(Remedy::Escalate, format!("uncommitted files that the task does not name: {files}"))
}

fn feedback(case: &Case, limits: &Limits, now: Timestamp) -> Decision {
    let (rounds, max, detail) = (case.feedback_rounds, limits.feedback_rounds, &case.detail);
    if rounds >= max {
        return Decision::new(Remedy::Escalate, format!("{detail}; {rounds} of {max} rounds are used up"))
            .by("feedback_rounds");
    }
    Decision::new(Remedy::Rework { at: now }, format!("{detail}; round {} of {max}", rounds + 1)).by("feedback_rounds")
}
