//! What an agent's screen means.
//!
//! A profile without rules of its own is read by the default patterns, on the last block of the
//! screen only: a model can print any text, so old text never counts.

use std::sync::LazyLock;

use regex::Regex;

use crate::base::time::Millis;
use crate::ports::{Key, SessionInput};

/// What a screen shows, and which rule said so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// What it means.
    pub sign: Sign,
    /// The rule that decided.
    pub rule: &'static str,
    /// The line that it decided on.
    pub line: String,
}

/// The meanings that the plain reader knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sign {
    /// A question with a safe answer.
    Prompt {
        /// The answer.
        answer: SessionInput,
    },
    /// A question that no blind key may answer.
    Dialog,
    /// Words of trouble: evidence, never a verdict.
    Trouble,
    /// A bare shell prompt: plain line input.
    ShellPrompt,
    /// Nothing that a rule knows.
    Plain,
}

struct Rule {
    name: &'static str,
    pattern: Regex,
    answer: Option<&'static [Key]>,
}

const YES: &[Key] = &[Key::Char('y'), Key::Enter];
const DEFAULT: &[Key] = &[Key::Enter];

fn regex(pattern: &'static str) -> Regex {
    Regex::new(pattern).unwrap_or_else(|e| unreachable!("a pattern of this file does not compile: {e}"))
}

/// Questions, most dangerous first; the first rule that matches decides.
static QUESTIONS: LazyLock<Vec<Rule>> = LazyLock::new(|| {
    let rule = |name, pattern, answer| Rule { name, pattern: regex(pattern), answer };
    vec![
        rule(
            "secret",
            r"(?i)\b(password|passphrase|passcode|token|api key|verification code|otp)\b[^\n]{0,80}[:?]\s*$",
            None,
        ),
        rule("login", r"(?i)\b(log ?in|sign ?in|authenticate)\b.{0,80}(\?|y/n|:\s*$)", None),
        rule(
            "dangerous",
            r"(?i)\b(delete|remove|overwrite|erase|destroy|discard|drop|wipe|force|reset|format|upgrade|update|install|trust|publish|deploy)\b.{0,120}(\?|y/n|continue)",
            None,
        ),
        rule("default:y/n", r"(?i)[\[(]?\by(es)?\s*/\s*n(o)?\b[\])]?", Some(YES)),
        rule("default:continue", r"Continue\?", Some(YES)),
        rule("default:press-any-key", r"(?i)press (any key|enter|return)", Some(DEFAULT)),
        rule("default:question", r"\?\s*$|^\? ", Some(DEFAULT)),
    ]
});

static TROUBLE: LazyLock<Regex> = LazyLock::new(|| regex(r"(?i)\b(error|failed):|\bFATAL\b|\bpanic(ked)?\b"));
static SHELL: LazyLock<Regex> = LazyLock::new(|| regex(r"(^|\s)\S*[@:~/]?\S*\s?[$#%❯>]\s?$"));

/// Reads a screen by the default patterns: the last line of the last block asks; any line of it may
/// show trouble.
pub(crate) fn read(text: &str) -> Reading {
    let lines: Vec<&str> = text.trim_end().lines().map(str::trim_end).collect();
    let begin = lines.iter().rposition(|line| line.is_empty()).map_or(0, |blank| blank + 1);
    let block = &lines[begin..];
    let last = block.last().copied().unwrap_or_default();
    let found = |sign, rule, line: &str| Reading { sign, rule, line: line.to_owned() };
    for rule in QUESTIONS.iter() {
        if rule.pattern.is_match(last) {
            let sign = rule
                .answer
                .map_or(Sign::Dialog, |keys| Sign::Prompt { answer: SessionInput { text: None, keys: keys.to_vec() } });
            return found(sign, rule.name, last);
        }
    }
    if let Some(line) = block.iter().rev().find(|line| TROUBLE.is_match(line)) {
        return found(Sign::Trouble, "default:error", line);
    }
    if SHELL.is_match(last) {
        return found(Sign::ShellPrompt, "default:shell-prompt", last);
    }
    found(Sign::Plain, "none", last)
}

/// Why a program that ended with an error could not work at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Complaint {
    /// A rate limit, an overload, no network; it resets after a time, where the program says so.
    Limited(Option<Millis>),
    /// Credentials were refused, or there is no credit.
    Credentials,
}

static CREDENTIALS: LazyLock<Regex> = LazyLock::new(|| {
    regex(
        r"(?i)(http(/\d(\.\d)?)?|status( code)?|api error)\W{0,3}40[12]\b|unauthori[sz]ed|invalid (x-)?api[ -]?key|authentication(_error| failed| required)|not logged in|please (log|sign) ?in|insufficient[_ ](quota|credits?|funds)|credit balance|payment required",
    )
});
static LIMITED: LazyLock<Regex> = LazyLock::new(|| {
    regex(
        r"(?i)(http(/\d(\.\d)?)?|status( code)?|api error)\W{0,3}(429|50[234]|529)\b|\brate[ -]?limit|\brate_limit_(error|exceeded|reached)|too many requests|usage limit|limit reached|\boverloaded(_error)?\b|service unavailable|temporarily unavailable|network (is )?(unreachable|error|down)|could not resolve host|name resolution|stream disconnected|\bE(CONNREFUSED|CONNRESET|NOTFOUND|TIMEDOUT|AI_AGAIN)\b",
    )
});
static RESET: LazyLock<Regex> =
    LazyLock::new(|| regex(r"(?i)(?:again|retry|resets?|wait)\s+(?:in|after|for)?\s*((?:\d+\s*[hms][a-z]*[ ,]*)+)"));
static SPAN: LazyLock<Regex> = LazyLock::new(|| regex(r"(?i)(\d+)\s*([hms])"));

/// What the last five lines of a program that ended with an error complain of, and which line.
pub(crate) fn complaint(tail: &[String]) -> Option<(Complaint, &str)> {
    let last = tail.iter().rev().filter(|line| !line.trim().is_empty()).take(5);
    for line in last {
        if CREDENTIALS.is_match(line) {
            return Some((Complaint::Credentials, line));
        }
        if LIMITED.is_match(line) {
            return Some((Complaint::Limited(reset_in(line)), line));
        }
    }
    None
}

fn reset_in(line: &str) -> Option<Millis> {
    let spans = RESET.captures(line)?.get(1)?.as_str();
    let seconds = SPAN.captures_iter(spans).map(|span| {
        let count: u64 = span[1].parse().unwrap_or(0);
        let unit = match &span[2] {
            "h" | "H" => 3600,
            "m" | "M" => 60,
            _ => 1,
        };
        count.saturating_mul(unit)
    });
    Some(Millis::from_secs(seconds.fold(0, u64::saturating_add)))
}

/// Whether the end of a screen is one short piece repeated again and again: a period of at most 8
/// lines, at least 5 times and 20 lines in a row, none of it blank.
pub(crate) fn repeats(text: &str) -> bool {
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    (1..=8).any(|period| {
        let span = (period * 5).max(20);
        lines.len() >= span && {
            let tail = &lines[lines.len() - span..];
            tail.iter().any(|line| line.chars().any(char::is_alphanumeric))
                && (period..span).all(|i| tail[i] == tail[i - period])
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_of_the_last_block_asks() {
        let cases = [
            ("working\nContinue? [y/n]", "prompt", "default:y/n"),
            ("Continue?", "prompt", "default:continue"),
            ("Press any key to go on", "prompt", "default:press-any-key"),
            ("? Which package manager", "prompt", "default:question"),
            ("Pick one?\n\ncompiling", "plain", "none"),
            ("Continue? y\nworking on it", "plain", "none"),
            ("Delete all files? [y/n]", "dialog", "dangerous"),
            ("Password: ", "dialog", "secret"),
            ("Log in to continue? (y/n)", "dialog", "login"),
            ("error: no such file\ngiving up", "trouble", "default:error"),
            ("All tests passed\nuser@host ~ $", "shell", "default:shell-prompt"),
            ("", "plain", "none"),
        ];
        for (text, sign, rule) in cases {
            let reading = read(text);
            let name = match reading.sign {
                Sign::Prompt { .. } => "prompt",
                Sign::Dialog => "dialog",
                Sign::Trouble => "trouble",
                Sign::ShellPrompt => "shell",
                Sign::Plain => "plain",
            };
            assert_eq!((name, reading.rule), (sign, rule), "{text:?}");
        }
    }

    #[test]
    fn programs_complain_on_their_last_lines() {
        let limited = |secs: u64| Some(Complaint::Limited(Some(Millis::from_secs(secs))));
        let cases = [
            ("ERROR: 429 Too Many Requests", Some(Complaint::Limited(None))),
            ("Rate limit reached. Please try again in 20s.", limited(20)),
            ("usage limit; try again in 1h 5m", limited(3900)),
            ("You have hit a usage limit, retry after 3 minutes", limited(180)),
            ("API Error: 529 overloaded_error", Some(Complaint::Limited(None))),
            ("curl: (6) Could not resolve host: api.example.com", Some(Complaint::Limited(None))),
            ("Error: 401 Unauthorized", Some(Complaint::Credentials)),
            ("Your credit balance is too low", Some(Complaint::Credentials)),
            ("HTTP/1.1 503", Some(Complaint::Limited(None))),
            ("request failed with status code: 429", Some(Complaint::Limited(None))),
            ("status=402", Some(Complaint::Credentials)),
            ("error: test failed, 1 passed; 2 failed", None),
            ("401 passed; 2 failed", None),
            ("test result: FAILED. 429 passed; 1 failed; finished in 502 ms", None),
            ("assertion failed: left: 402, right: 503", None),
            ("src/server.rs:401: error: expected 529 lines", None),
            ("test rate_limit_is_kept ... FAILED", None),
            ("", None),
        ];
        for (line, expected) in cases {
            let tail = ["working".to_owned(), line.to_owned()];
            assert_eq!(complaint(&tail).map(|(complaint, _)| complaint), expected, "{line:?}");
        }
        let old = ["429", "1", "2", "3", "4", "5"].map(str::to_owned);
        assert_eq!(complaint(&old), None, "what lies further up does not count");
    }

    #[test]
    fn a_loop_is_the_same_piece_many_times() {
        assert!(repeats(&"retrying\nfailed: x\n".repeat(12)));
        assert!(!repeats(&"retrying\nfailed: x\n".repeat(4)));
        assert!(!repeats(&(0..40).map(|i| format!("step {i}\n")).collect::<String>()));
        assert!(!repeats(&"----\n".repeat(40)));
    }
}
