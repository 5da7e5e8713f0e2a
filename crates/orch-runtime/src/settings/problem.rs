use std::fmt;

use super::layer::{Layer, Origin};

/// Something in the settings that cannot be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingsProblem {
    /// The file, or the variable or argument.
    pub place: String,
    /// The line, counted from 1; 0 for the whole file.
    pub line: u32,
    /// The column in characters, counted from 1; 0 for the whole line or file.
    pub column: u32,
    /// The key, such as `heal.poke_after`; empty when the text is no TOML.
    pub key: String,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub help: Option<String>,
}

/// Everything that is wrong in the settings; nothing of them is used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
pub struct SettingsError {
    /// Each problem, file by file; what is lacking comes last. Never empty.
    pub problems: Vec<SettingsProblem>,
}

impl fmt::Display for SettingsProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.place)?;
        for number in [self.line, self.column].into_iter().filter(|number| *number > 0) {
            write!(f, ":{number}")?;
        }
        if !self.key.is_empty() {
            write!(f, ": {}", self.key)?;
        }
        write!(f, ": {}", self.message)?;
        self.help.iter().try_for_each(|help| write!(f, "; {help}"))
    }
}

/// A problem of a whole file.
pub(super) fn whole(origin: &Origin, message: String) -> SettingsProblem {
    let place = origin.shown().to_owned();
    SettingsProblem { place, line: 0, column: 0, key: String::new(), message, help: None }
}

/// A problem at a byte of a layer.
pub(super) fn at(layer: &Layer, byte: usize, key: &str, message: String, help: Option<String>) -> SettingsProblem {
    let (line, column) = position(&layer.text, byte);
    SettingsProblem { place: layer.origin.shown().to_owned(), line, column, key: key.to_owned(), message, help }
}

/// Line and column of a byte, counted from 1.
pub(super) fn position(text: &str, byte: usize) -> (u32, u32) {
    let before = text.get(..byte).unwrap_or(text);
    let line = before.matches('\n').count();
    let column = before.rsplit('\n').next().unwrap_or("").chars().count();
    let count = |n: usize| u32::try_from(n + 1).unwrap_or(u32::MAX);
    (count(line), count(column))
}

/// The name that was probably meant: at most a third of its letters differ.
pub(super) fn nearest<'n>(text: &str, names: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    let text: String = text.chars().take(80).collect();
    let scored = names.into_iter().map(|name| (distance(&text, name), name));
    let (edits, name) = scored.min()?;
    (edits <= (name.len() / 3).max(1)).then_some(name)
}

/// Edits from one text to the other: insert, delete, replace, swap two neighbours.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows = vec![vec![0; b.len() + 1]; a.len() + 1];
    for i in 0..=a.len() {
        for j in 0..=b.len() {
            rows[i][j] = match (i, j) {
                (0, n) | (n, 0) => n,
                (i, j) => {
                    let replaced = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
                    let best = replaced.min(rows[i - 1][j] + 1).min(rows[i][j - 1] + 1);
                    let swap = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
                    if swap { best.min(rows[i - 2][j - 2] + 1) } else { best }
                }
            };
        }
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_offered_only_when_it_is_near() {
        let names = ["heal.poke_after", "heal.backoff", "env.pass"];
        let table = [
            ("heal.poke_aftr", Some("heal.poke_after")),
            ("heal.pokeAfter", Some("heal.poke_after")),
            ("env.passs", Some("env.pass")),
            ("evn.pass", Some("env.pass")),
            ("colour", None),
            ("", None),
        ];
        for (text, expected) in table {
            assert_eq!(nearest(text, names), expected, "{text}");
        }
        assert_eq!(nearest("x", []), None);
    }

    #[test]
    fn positions_count_characters_from_one() {
        let text = "é = 1\nüx = 2";
        assert_eq!(position(text, 0), (1, 1));
        assert_eq!(position(text, 7), (2, 1));
        assert_eq!(position(text, 9), (2, 2));
        assert_eq!(position(text, 999), (2, 7));
    }
}
