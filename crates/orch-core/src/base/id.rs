//! Newtypes for every identifier, validated once, where text enters.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Why a text is not the identifier it was meant to be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a valid {what}: {why}")]
pub struct IdError {
    /// The kind of identifier, in words for people.
    pub what: &'static str,
    /// The offending text, cut to 80 characters.
    pub text: String,
    /// The rule that it breaks.
    pub why: &'static str,
}

impl IdError {
    fn new(what: &'static str, text: &str, why: &'static str) -> Self {
        Self { what, text: text.chars().take(80).collect(), why }
    }
}

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident, $what:literal, $check:path) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// Parses the identifier.
            ///
            /// # Errors
            /// [`IdError`] names the rule that the text breaks.
            pub fn parse(text: &str) -> Result<Self, IdError> {
                match $check(text) {
                    None => Ok(Self(text.to_owned())),
                    Some(why) => Err(IdError::new($what, text, why)),
                }
            }

            /// The identifier as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdError;
            fn try_from(text: String) -> Result<Self, IdError> {
                Self::parse(&text)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

macro_rules! number_id {
    ($(#[$doc:meta])* $name:ident, $inner:ty) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

text_id!(
    /// A task's name in the manifest: `[A-Za-z0-9]`, then up to 63 of `[A-Za-z0-9._-]`, ending in a
    /// letter or digit, without `..` and without a `.lock` end.
    TaskId, "task id", task_id_fault
);
text_id!(
    /// A git branch name without `refs/heads/`, as `git check-ref-format --branch` accepts it.
    BranchName, "branch name", branch_fault
);
text_id!(
    /// A full git object name: 40 or 64 lower-case hexadecimal digits.
    Sha, "commit id", sha_fault
);
number_id!(
    /// The position of a record in the journal, counted from 1 without gaps.
    Seq, u64
);
number_id!(
    /// An effect: the [`Seq`] of the record that announced it.
    EffectId, u64
);
number_id!(
    /// One process of an attempt: the [`EffectId`] of the launch that started it.
    LaunchId, u64
);
number_id!(
    /// One try at a task, counted from 1.
    AttemptNo, u32
);
number_id!(
    /// A pull request's number at its forge.
    PullNumber, u64
);

impl TaskId {
    /// The key under which two ids count as the same: case is ignored and `.` equals `_`.
    pub fn collision_key(&self) -> String {
        self.0.to_ascii_lowercase().replace('.', "_")
    }
}

impl Sha {
    /// The first ten digits, for people.
    pub fn short(&self) -> &str {
        &self.0[..10]
    }
}

impl From<EffectId> for LaunchId {
    fn from(effect: EffectId) -> Self {
        Self(effect.0)
    }
}

fn task_id_fault(text: &str) -> Option<&'static str> {
    let bytes = text.as_bytes();
    let plain = |b: &u8| b.is_ascii_alphanumeric();
    if bytes.is_empty() || bytes.len() > 64 {
        return Some("it must have 1 to 64 characters");
    }
    if !bytes.iter().all(|b| plain(b) || matches!(b, b'.' | b'_' | b'-')) {
        return Some("only letters, digits, '.', '_' and '-' may occur");
    }
    if !bytes.first().is_some_and(plain) || !bytes.last().is_some_and(plain) {
        return Some("it must begin and end with a letter or digit");
    }
    if text.contains("..") {
        return Some("'..' may not occur");
    }
    if text.to_ascii_lowercase().ends_with(".lock") {
        return Some("it may not end in '.lock'");
    }
    None
}

fn branch_fault(text: &str) -> Option<&'static str> {
    if text.is_empty() || text.len() > 200 {
        return Some("it must have 1 to 200 bytes");
    }
    if text == "@" || text == "HEAD" || text.starts_with('-') {
        return Some("it may not be '@' or 'HEAD' nor begin with '-'");
    }
    if text.starts_with("refs/") {
        return Some("give it without 'refs/'");
    }
    if text.chars().any(|c| c.is_control() || matches!(c, ' ' | '~' | '^' | ':' | '?' | '*' | '[' | '\\')) {
        return Some("blanks, control characters and ~^:?*[\\ may not occur");
    }
    if text.contains("..") || text.contains("@{") || text.ends_with('.') {
        return Some("'..', '@{' and a '.' at the end may not occur");
    }
    let part_fault = |part: &str| part.is_empty() || part.starts_with('.') || part.strip_suffix(".lock").is_some();
    if text.split('/').any(part_fault) {
        return Some("no part between slashes may be empty, begin with '.' or end in '.lock'");
    }
    None
}

fn sha_fault(text: &str) -> Option<&'static str> {
    let hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    if !matches!(text.len(), 40 | 64) || !text.bytes().all(hex) {
        return Some("it must be 40 or 64 lower-case hexadecimal digits");
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn task_ids_follow_the_contract() {
        for good in ["t1", "a", "fix.login_2-b", &"x".repeat(64)] {
            assert!(TaskId::parse(good).is_ok(), "{good}");
        }
        for bad in ["", "-a", "a-", "a..b", "a b", "a/b", "x.lock", "é", &"x".repeat(65)] {
            assert!(TaskId::parse(bad).is_err(), "{bad}");
        }
        let key = |s: &str| TaskId::parse(s).expect("valid").collision_key();
        assert_eq!(key("A.b"), key("a_B"));
    }

    #[test]
    fn branch_names_follow_git() {
        for good in ["main", "fix/issue-1", "a.b", "über"] {
            assert!(BranchName::parse(good).is_ok(), "{good}");
        }
        for bad in
            ["", "-x", "a..b", "a b", "x.lock", "a//b", ".a", "a/.b", "HEAD", "@", "a@{1}", "a\n", "refs/heads/x"]
        {
            assert!(BranchName::parse(bad).is_err(), "{bad}");
        }
    }
}
