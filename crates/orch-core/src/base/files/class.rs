//! The letters that one place of a glob can stand for.

use std::str::Chars;

use super::FileFault;

/// What one letter of a path component may be; a slash never.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Unit {
    /// This letter.
    Letter(char),
    /// Any letter.
    Any,
    /// One of these ranges: sorted, disjoint, never empty.
    Class(Box<[(u32, u32)]>),
}

impl Unit {
    /// Whether the letter is one of them.
    pub(super) fn contains(&self, letter: char) -> bool {
        match self {
            Self::Letter(own) => *own == letter,
            Self::Any => true,
            Self::Class(ranges) => ranges.iter().any(|(from, to)| (*from..=*to).contains(&u32::from(letter))),
        }
    }

    /// Whether some letter is in both.
    pub(super) fn meets(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Any, _) | (_, Self::Any) => true,
            (Self::Letter(letter), unit) | (unit, Self::Letter(letter)) => unit.contains(*letter),
            (Self::Class(left), Self::Class(right)) => {
                left.iter().any(|(from, to)| right.iter().any(|(start, end)| from <= end && start <= to))
            }
        }
    }
}

/// Reads a class from behind its `[` to its `]`.
pub(super) fn read_class(rest: &mut Chars<'_>) -> Result<Unit, FileFault> {
    let mut ahead = rest.clone();
    let negated = matches!(ahead.next(), Some('!' | '^'));
    if negated {
        rest.next();
    }
    let mut ranges: Vec<(u32, u32)> = Vec::new();
    let mut first = true;
    loop {
        let letter = match rest.next().ok_or(FileFault::UnclosedClass)? {
            ']' if !first => break,
            '/' => return Err(FileFault::UnclosedClass),
            '\\' => rest.next().ok_or(FileFault::DanglingEscape)?,
            other => other,
        };
        first = false;
        let mut ahead = rest.clone();
        let end = match (ahead.next(), ahead.next()) {
            (Some('-'), Some(']')) | (_, None) => letter,
            (Some('-'), Some(end)) => {
                rest.nth(1);
                if end == '\\' { rest.next().ok_or(FileFault::DanglingEscape)? } else { end }
            }
            _ => letter,
        };
        if end < letter {
            return Err(FileFault::EmptyClass);
        }
        ranges.push((letter.into(), end.into()));
    }
    let ranges = if negated { complement(ranges) } else { without_slash(&ranges) };
    if ranges.is_empty() { Err(FileFault::EmptyClass) } else { Ok(Unit::Class(ranges.into())) }
}

fn complement(mut taken: Vec<(u32, u32)>) -> Vec<(u32, u32)> {
    taken.push((u32::from('/'), u32::from('/')));
    taken.sort_unstable();
    let (mut gaps, mut next) = (Vec::new(), 1);
    for (from, to) in taken {
        if next < from {
            gaps.push((next, from - 1));
        }
        next = next.max(to + 1);
    }
    if next <= u32::from(char::MAX) {
        gaps.push((next, char::MAX.into()));
    }
    gaps
}

fn without_slash(ranges: &[(u32, u32)]) -> Vec<(u32, u32)> {
    let slash = u32::from('/');
    let cut = |(from, to): &(u32, u32)| [(*from, (*to).min(slash - 1)), ((*from).max(slash + 1), *to)];
    let mut parts: Vec<_> = ranges.iter().flat_map(cut).filter(|(from, to)| from <= to).collect();
    parts.sort_unstable();
    parts.dedup();
    parts
}
