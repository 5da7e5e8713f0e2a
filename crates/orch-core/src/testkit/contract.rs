//! What all contract suites share: named cases, their outcomes, and waiting without sleeping.

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;

/// What a contract suite found; every case is in exactly one list, in the order of the suite.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Cases that hold.
    pub passed: Vec<&'static str>,
    /// Cases that this backend or its harness cannot show, with the reason.
    pub skipped: Vec<(&'static str, &'static str)>,
    /// Cases that do not hold.
    pub failed: Vec<ContractFailure>,
}

/// A promise of a port that a backend does not keep.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{case}: {why}")]
pub struct ContractFailure {
    /// The case's name.
    pub case: &'static str,
    /// What was seen instead.
    pub why: String,
}

/// At least one case of a suite failed; shows every failure on a line of its own.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct ContractBroken(
    /// The whole outcome.
    pub Report,
);

impl fmt::Display for ContractBroken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(report) = self;
        write!(f, "{} of {} cases failed", report.failed.len(), report.failed.len() + report.passed.len())?;
        report.failed.iter().try_for_each(|failure| write!(f, "\n  {failure}"))
    }
}

impl Report {
    pub(super) fn note(&mut self, case: &'static str, outcome: CaseResult) {
        match outcome {
            Ok(Outcome::Holds) => self.passed.push(case),
            Ok(Outcome::Skipped(why)) => self.skipped.push((case, why)),
            Err(Why(why)) => self.failed.push(ContractFailure { case, why }),
        }
    }

    pub(super) fn into_result(self) -> Result<Self, ContractBroken> {
        if self.failed.is_empty() { Ok(self) } else { Err(ContractBroken(self)) }
    }
}

/// How a case ended that did not fail.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Holds,
    Skipped(&'static str),
}

/// Why a case failed; any error becomes one.
#[derive(Debug)]
pub(super) struct Why(pub(super) String);

impl<E: std::error::Error> From<E> for Why {
    fn from(error: E) -> Self {
        Self(format!("unexpected error: {error}"))
    }
}

pub(super) type CaseResult = Result<Outcome, Why>;
pub(super) const HOLDS: CaseResult = Ok(Outcome::Holds);

/// Fails the case unless the condition holds.
macro_rules! ensure {
    ($condition:expr, $($why:tt)+) => {
        if !$condition {
            return Err($crate::testkit::contract::Why(format!($($why)+)));
        }
    };
}

/// Fails the case unless both values are equal; shows them bounded.
macro_rules! ensure_eq {
    ($found:expr, $expected:expr, $($what:tt)+) => {
        match (&$found, &$expected) {
            (found, expected) => $crate::testkit::contract::ensure!(
                found == expected,
                "{}: found {}, expected {}",
                format_args!($($what)+),
                $crate::testkit::contract::bounded(found),
                $crate::testkit::contract::bounded(expected),
            ),
        }
    };
}

/// Fails the case unless the value matches the pattern.
macro_rules! ensure_matches {
    ($found:expr, $pattern:pat $(if $guard:expr)?, $($what:tt)+) => {{
        let found = $found;
        if !matches!(&found, $pattern $(if $guard)?) {
            return Err($crate::testkit::contract::Why(format!(
                "{}: found {}, expected {}",
                format_args!($($what)+),
                $crate::testkit::contract::bounded(&found),
                stringify!($pattern $(if $guard)?),
            )));
        }
    }};
}

/// Runs cases by name; the suite's one list of what it holds.
macro_rules! suite {
    ($harness:expr, $only:expr; $($module:ident :: $case:ident),+ $(,)?) => {{
        let mut report = $crate::testkit::contract::Report::default();
        $(
            if $only.is_none_or(|only: &str| only == stringify!($case)) {
                report.note(stringify!($case), $module::$case($harness).await);
            }
        )+
        report.into_result()
    }};
}

pub(super) use {ensure, ensure_eq, ensure_matches, suite};

pub(super) fn bounded(value: &impl fmt::Debug) -> String {
    let text = format!("{value:?}");
    match text.char_indices().nth(400) {
        Some((end, _)) => format!("{}… ({} bytes)", &text[..end], text.len()),
        None => text,
    }
}

/// Numbered lines, joined: text of any length that no other line equals.
pub(super) fn lines(count: usize, line: impl Fn(usize) -> String) -> String {
    (0..count).map(line).collect::<Vec<_>>().concat()
}

/// The first future to finish; the other is dropped, which is why it must be cancel-safe.
pub(super) async fn race<A: Future, B: Future>(first: A, second: B) -> Result<A::Output, B::Output> {
    let (mut first, mut second) = (pin!(first), pin!(second));
    poll_fn(|cx| {
        if let Poll::Ready(output) = first.as_mut().poll(cx) {
            return Poll::Ready(Ok(output));
        }
        second.as_mut().poll(cx).map(Err)
    })
    .await
}

/// Both futures, driven side by side.
pub(super) async fn join<A: Future, B: Future>(first: A, second: B) -> (A::Output, B::Output) {
    let (mut first, mut second) = (pin!(first), pin!(second));
    let (mut one, mut two) = (None, None);
    poll_fn(|cx| {
        if one.is_none()
            && let Poll::Ready(output) = first.as_mut().poll(cx)
        {
            one = Some(output);
        }
        if two.is_none()
            && let Poll::Ready(output) = second.as_mut().poll(cx)
        {
            two = Some(output);
        }
        match (one.take(), two.take()) {
            (Some(a), Some(b)) => Poll::Ready((a, b)),
            (a, b) => {
                (one, two) = (a, b);
                Poll::Pending
            }
        }
    })
    .await
}
