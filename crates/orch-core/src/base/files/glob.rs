//! Globs as automata: `*`, `**`, `?`, `[..]`, `{a,b}` and `\` before a character that means itself.

use super::FileFault;
use super::class::{Unit, read_class};
use super::path::{components, is_at_or_below};

/// How many alternatives the braces of one entry may come to.
const MAX_ALTERNATIVES: usize = 1_000;

/// One step of a pattern over letters or path components.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step<T> {
    /// Any run of letters or components, also none.
    Any,
    /// Exactly one.
    One(T),
}

/// A pattern for one path component; never matches the empty text.
pub(super) type Segment = Vec<Step<Unit>>;

/// One alternative of a glob: no braces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pattern {
    /// The leading components that are plain text, joined by slashes.
    pub(super) prefix: String,
    steps: Vec<Step<Segment>>,
}

impl Pattern {
    /// The pattern of a directory and all that lies below it.
    pub(super) fn directory(path: &str) -> Self {
        let mut steps = literal_steps(path);
        steps.push(Step::Any);
        Self { prefix: path.to_owned(), steps }
    }

    /// Whether a path matches.
    pub(super) fn matches(&self, path: &str) -> bool {
        let parts: Vec<Step<&str>> = components(path).map(Step::One).collect();
        meet(&self.steps, &parts, &|segment, part| segment_matches(segment, part))
    }

    /// Whether some path could match both.
    pub(super) fn overlaps(&self, other: &Self) -> bool {
        meet(&self.steps, &other.steps, &segments_meet)
    }

    /// Whether a plain path of the manifest is met: matched, or a directory above all that could match.
    pub(super) fn meets_path(&self, path: &str) -> bool {
        is_at_or_below(&self.prefix, path) || self.matches(path)
    }
}

/// Reads a glob into its alternatives; the text itself, letter for letter, is the last of them, so
/// that `app/[id]/page.tsx` also means the file of that name.
pub(super) fn read_glob(text: &str) -> Result<Vec<Pattern>, FileFault> {
    let mut patterns = Vec::new();
    for alternative in expand(text)? {
        patterns.push(read_pattern(&alternative)?);
    }
    let spelled = text.trim_end_matches('/');
    patterns.push(Pattern { prefix: spelled.to_owned(), steps: literal_steps(spelled) });
    Ok(patterns)
}

fn read_pattern(text: &str) -> Result<Pattern, FileFault> {
    if text.starts_with('/') {
        return Err(FileFault::Absolute);
    }
    let parts: Vec<&str> = components(text).collect();
    if parts.is_empty() {
        return Err(FileFault::Empty);
    }
    let below = text.ends_with('/');
    let (mut steps, mut prefix, mut literal) = (Vec::new(), String::new(), true);
    for (index, part) in parts.iter().enumerate() {
        if *part == ".." {
            return Err(FileFault::Parent);
        }
        if *part == "**" {
            literal = false;
            if index + 1 == parts.len() {
                steps.push(Step::One(any_name()));
            }
            if steps.last() != Some(&Step::Any) {
                steps.push(Step::Any);
            }
            continue;
        }
        let segment = read_segment(part)?;
        match literal_of(&segment) {
            Some(name) if literal => {
                prefix.push_str(if prefix.is_empty() { "" } else { "/" });
                prefix.push_str(&name);
            }
            _ => literal = false,
        }
        steps.push(Step::One(segment));
    }
    if below && steps.last() != Some(&Step::Any) {
        steps.push(Step::Any);
    }
    Ok(Pattern { prefix, steps })
}

fn read_segment(part: &str) -> Result<Segment, FileFault> {
    let mut segment = Vec::new();
    let mut rest = part.chars();
    while let Some(letter) = rest.next() {
        let step = match letter {
            '*' => Step::Any,
            '?' => Step::One(Unit::Any),
            '[' => Step::One(read_class(&mut rest)?),
            '\\' => Step::One(Unit::Letter(rest.next().ok_or(FileFault::DanglingEscape)?)),
            other => Step::One(Unit::Letter(other)),
        };
        if step != Step::Any || segment.last() != Some(&Step::Any) {
            segment.push(step);
        }
    }
    if segment == [Step::Any] {
        segment = any_name();
    }
    Ok(segment)
}

/// `*` as a whole component: at least one letter.
fn any_name() -> Segment {
    vec![Step::One(Unit::Any), Step::Any]
}

fn literal_steps(path: &str) -> Vec<Step<Segment>> {
    let letters = |part: &str| part.chars().map(|letter| Step::One(Unit::Letter(letter))).collect();
    components(path).map(|part| Step::One(letters(part))).collect()
}

fn literal_of(segment: &[Step<Unit>]) -> Option<String> {
    segment.iter().map(|step| if let Step::One(Unit::Letter(letter)) = step { Some(*letter) } else { None }).collect()
}

fn segments_meet(left: &Segment, right: &Segment) -> bool {
    meet(left, right, &Unit::meets)
}

/// Wildcard matching that goes back to the last `*` only.
fn segment_matches(segment: &[Step<Unit>], name: &str) -> bool {
    let (mut step, mut rest) = (0, name);
    let mut retry: Option<(usize, &str)> = None;
    loop {
        match (segment.get(step), rest.chars().next()) {
            (None, None) => return true,
            (Some(Step::Any), _) => {
                step += 1;
                retry = Some((step, rest));
                continue;
            }
            (Some(Step::One(unit)), Some(letter)) if unit.contains(letter) => {
                step += 1;
                rest = &rest[letter.len_utf8()..];
                continue;
            }
            _ => {}
        }
        let Some((after_star, from)) = retry else { return false };
        let Some(skipped) = from.chars().next() else { return false };
        rest = &from[skipped.len_utf8()..];
        step = after_star;
        retry = Some((after_star, rest));
    }
}

/// Whether the languages of two patterns have a word in common: reachability in the product of their
/// automata, row by row.
fn meet<L, R>(left: &[Step<L>], right: &[Step<R>], both: &dyn Fn(&L, &R) -> bool) -> bool {
    let mut row = vec![false; right.len() + 1];
    row[0] = true;
    for i in 0..=left.len() {
        let mut below = vec![false; right.len() + 1];
        for j in 0..=right.len() {
            if !row[j] {
                continue;
            }
            match (left.get(i), right.get(j)) {
                (Some(Step::One(own)), Some(Step::One(theirs))) => below[j + 1] |= both(own, theirs),
                (Some(Step::Any), there) => {
                    below[j] = true;
                    row[(j + 1).min(right.len())] |= there.is_some();
                }
                (here, Some(Step::Any)) => {
                    below[j] |= here.is_some();
                    row[j + 1] = true;
                }
                _ => {}
            }
        }
        if i == left.len() {
            return row[right.len()];
        }
        row = below;
    }
    false
}

/// Multiplies braces out, innermost last.
fn expand(text: &str) -> Result<Vec<String>, FileFault> {
    let (mut done, mut open) = (Vec::new(), vec![text.to_owned()]);
    while let Some(next) = open.pop() {
        match first_braces(&next)? {
            None => done.push(next),
            Some(braces) => {
                for alternative in braces.alternatives.iter().rev() {
                    open.push(format!("{}{alternative}{}", &next[..braces.start], &next[braces.end..]));
                }
            }
        }
        if done.len() + open.len() > MAX_ALTERNATIVES {
            return Err(FileFault::TooManyAlternatives);
        }
    }
    Ok(done)
}

struct Braces<'t> {
    start: usize,
    end: usize,
    alternatives: Vec<&'t str>,
}

fn first_braces(text: &str) -> Result<Option<Braces<'_>>, FileFault> {
    let (mut depth, mut start, mut from) = (0_usize, 0, 0);
    let mut alternatives = Vec::new();
    let mut letters = text.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '\\' => {
                letters.next().ok_or(FileFault::DanglingEscape)?;
            }
            '[' => {
                let mut rest = text[at + 1..].chars();
                read_class(&mut rest)?;
                letters = text.char_indices();
                let resume = text.len() - rest.as_str().len();
                letters.by_ref().take_while(|(index, c)| index + c.len_utf8() < resume).for_each(drop);
            }
            '{' => {
                depth += 1;
                if depth == 1 {
                    (start, from) = (at, at + 1);
                }
            }
            ',' if depth == 1 => {
                alternatives.push(&text[from..at]);
                from = at + 1;
            }
            '}' if depth == 1 => {
                alternatives.push(&text[from..at]);
                return Ok(Some(Braces { start, end: at + 1, alternatives }));
            }
            '}' => depth = depth.checked_sub(1).ok_or(FileFault::UnbalancedBrace)?,
            _ => {}
        }
    }
    if depth > 0 { Err(FileFault::UnbalancedBrace) } else { Ok(None) }
}
