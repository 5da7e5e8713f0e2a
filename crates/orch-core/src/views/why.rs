use std::fmt;

use serde::Serialize;

use super::describe::{describe, evidence_lines, kind};
use super::fleet::TaskView;
use crate::base::id::{Seq, TaskId};
use crate::base::layout::Layout;
use crate::base::text::escape_line;
use crate::base::time::Timestamp;
use crate::engine::Holds;
use crate::heal::Limits;
use crate::journal::record::{Entry, Evidence, Record};
use crate::plan::graph::TaskGraph;
use crate::state::State;

/// Why a task stands where it stands: what holds it now, and the chain of records that led there.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Why {
    /// The task as it is now.
    pub task: TaskView,
    /// What it waits for, in words, the first first.
    pub waits: Vec<String>,
    /// The records about it, oldest first; marks of life are left out.
    pub chain: Vec<WhyStep>,
}

/// One record about a task.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct WhyStep {
    /// Its place in the journal.
    pub seq: Seq,
    /// When it was written.
    pub timestamp: Timestamp,
    /// Its type, as in the journal.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// What it says, in one line.
    pub text: String,
    /// For a verdict: the rule that decided what the evidence means.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// For a verdict: what was seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub evidence: Option<Evidence>,
    /// For a remedy: the setting that decided, where one did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub threshold: Option<Threshold>,
}

/// A setting that decided something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Threshold {
    /// Its name in `[heal]`.
    pub name: String,
    /// Its value when it decided.
    pub value: String,
    /// Where it is set now.
    pub source: String,
}

impl Why {
    /// The story of one task; `None` if the state's plan does not have it.
    ///
    /// `source_of` says where a setting of `[heal]`, given by name, was set.
    pub fn new(
        entries: &[Entry],
        state: &State,
        graph: &TaskGraph,
        layout: &Layout,
        task: &TaskId,
        source_of: impl Fn(&str) -> String,
    ) -> Option<Self> {
        let plan = state.plan.as_ref()?;
        let spec = plan.task(task)?;
        let holds = Holds::new(state, graph);
        let mut limits = Limits::default();
        let mut chain = Vec::new();
        for entry in entries {
            if let Record::Driver(driver) = &entry.record {
                limits.clone_from(&driver.limits);
            }
            if entry.task.as_ref() == Some(task) && !matches!(entry.record, Record::Progress(_)) {
                chain.push(WhyStep::new(entry, &limits, &source_of));
            }
        }
        let view = TaskView::new(plan, spec, state, &holds, layout);
        let waits = view.waits.iter().map(ToString::to_string).collect();
        Some(Self { task: view, waits, chain })
    }
}

impl WhyStep {
    fn new(entry: &Entry, limits: &Limits, source_of: impl Fn(&str) -> String) -> Self {
        let mut step = Self {
            seq: entry.seq,
            timestamp: entry.timestamp,
            kind: kind(&entry.record),
            text: describe(entry),
            rule: None,
            evidence: None,
            threshold: None,
        };
        if let Record::Verdict(verdict) = &entry.record {
            step.rule = Some(verdict.rule.clone());
            step.evidence = Some(verdict.evidence.clone());
        }
        if let Record::Remedy { decision, .. } = &entry.record {
            step.threshold = decision.threshold.as_ref().map(|name| Threshold {
                name: name.clone(),
                value: limits.shown(name).unwrap_or_else(|| "not known".to_owned()),
                source: source_of(name),
            });
        }
        step
    }
}

impl Limits {
    /// The value of a threshold by its name in `[heal]` or `[verify]`, for people; `None` for another name.
    pub fn shown(&self, name: &str) -> Option<String> {
        Some(match name {
            "suspect_after" => self.suspect_after.to_string(),
            "poke_after" => self.poke_after.to_string(),
            "restart_after" => self.restart_after.to_string(),
            "loop_after" => self.loop_after.to_string(),
            "backoff" => self.backoff.to_string(),
            "max_attempts" => self.max_attempts.to_string(),
            "same_prompt_limit" => self.same_prompt_limit.to_string(),
            "feedback_rounds" => self.feedback_rounds.to_string(),
            "relaunch_limit" => self.relaunch_limit.to_string(),
            "relaunch_wait" => self.relaunch_wait.to_string(),
            "heartbeat" => self.heartbeat.to_string(),
            "pull_interval" => self.pull_interval.to_string(),
            "settle" => self.settle.to_string(),
            "ready_after" => self.ready_after.to_string(),
            "enter_after" => self.enter_after.to_string(),
            "confirm_after" => self.confirm_after.to_string(),
            "screen_interval" => self.screen_interval.to_string(),
            "ask_grace" => self.ask_grace.to_string(),
            "hands_off" => self.hands_off.to_string(),
            "timeout" => self.verify_timeout.to_string(),
            "parallel" => self.verify_parallel.to_string(),
            _ => return None,
        })
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let view = &self.task;
        write!(f, "{} is {}", view.id, view.status)?;
        if view.attempt.0 > 0 {
            write!(f, ", attempt {}", view.attempt)?;
        }
        if view.skipped {
            write!(f, ", skipped")?;
        }
        writeln!(f, ": {}", escape_line(&view.title))?;
        if let Some(reason) = view.reason.as_deref().filter(|_| !view.needs_human) {
            writeln!(f, "  reason: {}", escape_line(reason))?;
        }
        self.waits.iter().try_for_each(|wait| writeln!(f, "  waits for {wait}"))?;
        if self.chain.is_empty() {
            return writeln!(f, "\nthe journal says nothing of it yet");
        }
        writeln!(f)?;
        self.chain.iter().try_for_each(|step| write!(f, "{step}"))
    }
}

impl fmt::Display for WhyStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:>5}  {}  {}", self.seq.0, self.timestamp, self.text)?;
        let indent = " ".repeat(33);
        for (name, seen) in self.evidence.iter().flat_map(evidence_lines) {
            writeln!(f, "{indent}{name}: {seen}")?;
        }
        if let Some(Threshold { name, value, source }) = &self.threshold {
            writeln!(f, "{indent}threshold: {} = {value} (set by: {})", escape_line(name), escape_line(source))?;
        }
        Ok(())
    }
}
