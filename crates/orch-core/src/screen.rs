//! What an agent's screen means.
//!
//! A profile without rules of its own is read by the seed's patterns, on the last block of the
//! screen only: a model can print any text, so old text never counts.

use std::sync::LazyLock;

use regex::Regex;

use crate::backend::{Key, SessionInput};

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
        rule("seed:y/n", r"(?i)[\[(]?\by(es)?\s*/\s*n(o)?\b[\])]?", Some(YES)),
        rule("seed:continue", r"Continue\?", Some(YES)),
        rule("seed:press-any-key", r"(?i)press (any key|enter|return)", Some(DEFAULT)),
        rule("seed:question", r"\?\s*$|^\? ", Some(DEFAULT)),
    ]
});

static TROUBLE: LazyLock<Regex> = LazyLock::new(|| regex(r"(?i)\b(error|failed):|\bFATAL\b|\bpanic(ked)?\b"));
static SHELL: LazyLock<Regex> = LazyLock::new(|| regex(r"(^|\s)\S*[@:~/]?\S*\s?[$#%❯>]\s?$"));

/// Reads a screen by the seed's patterns: the last line of the last block asks; any line of it may
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
        return found(Sign::Trouble, "seed:error", line);
    }
    if SHELL.is_match(last) {
        return found(Sign::ShellPrompt, "seed:shell-prompt", last);
    }
    found(Sign::Plain, "none", last)
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
            ("working\nContinue? [y/n]", "prompt", "seed:y/n"),
            ("Continue?", "prompt", "seed:continue"),
            ("Press any key to go on", "prompt", "seed:press-any-key"),
            ("? Which package manager", "prompt", "seed:question"),
            ("Pick one?\n\ncompiling", "plain", "none"),
            ("Continue? y\nworking on it", "plain", "none"),
            ("Delete all files? [y/n]", "dialog", "dangerous"),
            ("Password: ", "dialog", "secret"),
            ("Log in to continue? (y/n)", "dialog", "login"),
            ("error: no such file\ngiving up", "trouble", "seed:error"),
            ("All tests passed\nuser@host ~ $", "shell", "seed:shell-prompt"),
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
    fn a_loop_is_the_same_piece_many_times() {
        assert!(repeats(&"retrying\nfailed: x\n".repeat(12)));
        assert!(!repeats(&"retrying\nfailed: x\n".repeat(4)));
        assert!(!repeats(&(0..40).map(|i| format!("step {i}\n")).collect::<String>()));
        assert!(!repeats(&"----\n".repeat(40)));
    }
}
