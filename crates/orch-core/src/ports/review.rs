//! What a forge says of a pull request's content: checks and reviews, one by one.

use serde::{Deserialize, Serialize};

use super::Pull;
use crate::base::text::{first_lines, last_lines};

/// The most bytes of what checks and reviewers wrote that are kept of one pull request.
const KEPT: usize = 32 * 1024;
/// Each text may have this much, however many there are.
const LEAST: usize = 240;
/// The most comments and checks that are kept.
const MOST: usize = 500;

/// One check of a pull request's head.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Check {
    /// Its name.
    pub name: String,
    /// Whether the pull request waits for it.
    #[serde(default = "yes")]
    pub required: bool,
    /// What came of it.
    pub state: CheckState,
    /// The end of what it printed, where it failed.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub excerpt: String,
    /// Where a person finds more of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
}

/// What came of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum CheckState {
    /// It is expected and was not reported, waits, or runs.
    Pending,
    /// It agreed, or had nothing to say.
    Passed,
    /// It disagreed, or could not be run.
    Failed,
}

/// What the required checks of a pull request say together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Checks {
    /// There is none.
    None,
    /// Some still run, and none failed.
    Pending,
    /// All passed.
    Passed,
    /// At least one failed.
    Failed,
}

/// One review that stands: neither dismissed nor replaced by a later one of its author.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Review {
    /// What tells it from every other review.
    #[serde(default)]
    pub id: String,
    /// Who wrote it.
    #[serde(default)]
    pub author: String,
    /// Whether its author may write to the repository: nobody else's words reach an agent.
    #[serde(default)]
    pub trusted: bool,
    /// What it comes to.
    pub state: ReviewState,
    /// What it says of the whole.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub text: String,
    /// What it says of single places.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub comments: Vec<Comment>,
}

impl Review {
    /// A review that comes to this; set who wrote it, whether they are trusted, and what they said.
    pub fn new(id: impl Into<String>, state: ReviewState) -> Self {
        let (id, author, text) = (id.into(), String::new(), String::new());
        Self { id, author, trusted: false, state, text, comments: Vec::new() }
    }
}

/// What a review comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ReviewState {
    /// It agrees.
    Approved,
    /// It asks for changes before the merge.
    ChangesRequested,
    /// It only says something.
    Commented,
}

/// What a review says of one place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Comment {
    /// The file, relative to the repository.
    pub path: String,
    /// The line, from 1; none where it is about the whole file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// What it says.
    pub text: String,
}

impl Comment {
    /// What is said of a file, or of one line of it, counted from 1.
    pub fn new(path: impl Into<String>, line: Option<u32>, text: impl Into<String>) -> Self {
        Self { path: path.into(), line, text: text.into() }
    }
}

fn yes() -> bool {
    true
}

impl Check {
    /// A required check without a word of output.
    pub fn new(name: impl Into<String>, state: CheckState) -> Self {
        Self { name: name.into(), required: true, state, excerpt: String::new(), place: None }
    }

    /// The same check with the end of what it printed.
    #[must_use]
    pub fn printed(mut self, excerpt: impl Into<String>) -> Self {
        self.excerpt = excerpt.into();
        self
    }

    /// Whether it keeps the pull request from being merged for good.
    pub fn is_against(&self) -> bool {
        self.required && self.state == CheckState::Failed
    }
}

impl Review {
    /// Whether it keeps the pull request from being merged.
    pub fn asks_for_changes(&self) -> bool {
        self.trusted && self.state == ReviewState::ChangesRequested
    }
}

impl Pull {
    /// What its required checks say together.
    pub fn checks(&self) -> Checks {
        let mut required = self.check_runs.iter().filter(|check| check.required).peekable();
        let is = |state: CheckState| self.check_runs.iter().any(|check| check.required && check.state == state);
        match required.peek() {
            None => Checks::None,
            Some(_) if is(CheckState::Failed) => Checks::Failed,
            Some(_) if is(CheckState::Pending) => Checks::Pending,
            Some(_) => Checks::Passed,
        }
    }

    /// The same pull request with all that others wrote cut to some kilobytes: whole lines, the end of what
    /// checks printed, the beginning of what people said. Every name and place stays, up to 500 of them.
    #[must_use]
    pub(crate) fn bounded(mut self) -> Self {
        self.check_runs.truncate(MOST);
        self.reviews.truncate(MOST);
        let mut left = MOST;
        for review in &mut self.reviews {
            let more = review.comments.len().saturating_sub(left);
            review.comments.truncate(left);
            left -= review.comments.len();
            if more > 0 {
                review.text.push_str(&format!("\n[{more} more comments are left out]"));
            }
        }
        let texts = self.check_runs.len() + self.reviews.iter().map(|review| 1 + review.comments.len()).sum::<usize>();
        let share = (KEPT / texts.max(1)).max(LEAST);
        for check in &mut self.check_runs {
            check.excerpt = last_lines(&check.excerpt, share);
        }
        for review in &mut self.reviews {
            review.text = first_lines(&review.text, share);
            for comment in &mut review.comments {
                comment.text = first_lines(&comment.text, share);
            }
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::id::{BranchName, PullNumber};
    use crate::ports::{MergeState, PullState};

    fn pull() -> Pull {
        let branch = |name: &str| BranchName::parse(name).expect("a branch");
        Pull {
            number: PullNumber(1),
            head: branch("task/t1"),
            head_sha: None,
            base: branch("main"),
            state: PullState::Open,
            merge_sha: None,
            check_runs: Vec::new(),
            reviews: Vec::new(),
            merge_state: MergeState::Unknown,
            draft: false,
        }
    }

    #[test]
    fn required_checks_decide() {
        let of = |checks: &[(bool, CheckState)]| {
            let check =
                |(required, state): &(bool, CheckState)| Check { required: *required, ..Check::new("c", *state) };
            Pull { check_runs: checks.iter().map(check).collect(), ..pull() }.checks()
        };
        assert_eq!(of(&[]), Checks::None);
        assert_eq!(of(&[(false, CheckState::Failed)]), Checks::None);
        assert_eq!(of(&[(true, CheckState::Passed), (false, CheckState::Failed)]), Checks::Passed);
        assert_eq!(of(&[(true, CheckState::Passed), (true, CheckState::Pending)]), Checks::Pending);
        assert_eq!(of(&[(true, CheckState::Pending), (true, CheckState::Failed)]), Checks::Failed);
    }

    #[test]
    fn what_others_wrote_is_bounded_by_whole_lines_and_every_place_stays() {
        let long: String = (0..20_000).map(|n| format!("line {n}\n")).collect();
        let comments = (0..300).map(|n| Comment { path: format!("src/{n}.rs"), line: Some(n), text: long.clone() });
        let review = Review {
            id: "1".to_owned(),
            author: "ann".to_owned(),
            trusted: true,
            state: ReviewState::ChangesRequested,
            text: long.clone(),
            comments: comments.collect(),
        };
        let check = Check::new("ci", CheckState::Failed).printed(long);
        let pull = Pull { check_runs: vec![check], reviews: vec![review], ..pull() }.bounded();
        let (check, review) = (&pull.check_runs[0], &pull.reviews[0]);
        assert!(check.excerpt.ends_with("\nline 19999\n"), "{}", check.excerpt);
        assert!(review.text.starts_with("line 0\nline 1\n"), "{}", review.text);
        assert_eq!(review.comments.len(), 300);
        assert!(review.comments.iter().all(|comment| comment.text.starts_with("line 0\n")));
        let size = serde_json::to_vec(&pull).expect("serialisable").len();
        assert!(size < 160_000, "{size}");
    }

    #[test]
    fn a_pull_request_of_an_older_journal_is_read() {
        let old = r#"{"number":1,"head":"task/t1","headSha":null,"base":"main","state":"open","mergeSha":null,
            "checks":{"failed":"lint"},"changesRequested":"no tabs","mergeable":true,"draft":false}"#;
        let read: Pull = serde_json::from_str(old).expect("read");
        assert_eq!((read.checks(), read.reviews.len()), (Checks::None, 0));
    }
}
