//! How JSON and colours are written.

use std::io::{self, Write};

use orch_core::base::escape_line;
use orch_core::plan::Status;
use serde::Serialize;

/// A value as JSON that no terminal acts on: what is invisible or moves others becomes `\uXXXX`, which reads
/// back as the same value.
pub(crate) fn json_text(value: &impl Serialize, pretty: bool) -> Result<String, serde_json::Error> {
    let text = if pretty { serde_json::to_string_pretty(value) } else { serde_json::to_string(value) }?;
    Ok(harmless(text))
}

/// Prints one JSON document; where nobody reads it, it is lost.
pub(crate) fn json(value: &impl Serialize) {
    if let Ok(text) = json_text(value, true) {
        let _ = writeln!(io::stdout().lock(), "{text}");
    }
}

/// Prints lines for people; where nobody reads them, they are lost.
pub(crate) fn lines(lines: &[String]) {
    let mut stdout = io::stdout().lock();
    for line in lines {
        let _ = writeln!(stdout, "{line}");
    }
}

/// Outside of strings JSON is plain ASCII, so what is replaced here is inside of one.
fn harmless(text: String) -> String {
    let acts = |c: char| c >= '\u{7f}' && escape_line(c.encode_utf8(&mut [0; 4])).starts_with('\\');
    if !text.chars().any(acts) {
        return text;
    }
    let mut shown = String::with_capacity(text.len());
    for letter in text.chars() {
        if acts(letter) {
            let units = letter.encode_utf16(&mut [0; 2]).to_vec();
            shown.extend(units.iter().map(|unit| format!("\\u{unit:04x}")));
        } else {
            shown.push(letter);
        }
    }
    shown
}

/// Colours, where they are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Paint(pub(crate) bool);

impl Paint {
    /// A status in its colour, padded to a width.
    pub(crate) fn status(self, status: Status, width: usize) -> String {
        let code = match status {
            Status::Merged | Status::Complete | Status::PrOpen => "32",
            Status::Stuck => "33",
            Status::Error => "31",
            Status::Running => "36",
            Status::Pending | Status::Blocked => "2",
        };
        self.with(code, &format!("{:width$}", status.as_str()))
    }

    /// Something to look at first.
    pub(crate) fn alarm(self, text: &str) -> String {
        self.with("33", text)
    }

    /// A headline.
    pub(crate) fn bold(self, text: &str) -> String {
        self.with("1", text)
    }

    fn with(self, code: &str, text: &str) -> String {
        if self.0 { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// Rows with their columns aligned, two blanks between them; the last column is not padded.
pub(crate) fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or_default();
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| shown_width(cell)).max();
    let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or_default()).collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            line.push_str(cell);
            line.push_str(&" ".repeat(width - shown_width(cell) + 2));
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// Characters that take room: those of a colour's sequence do not.
fn shown_width(cell: &str) -> usize {
    let mut width = 0;
    let mut in_sequence = false;
    for letter in cell.chars() {
        match (letter, in_sequence) {
            ('\x1b', _) => in_sequence = true,
            ('m', true) => in_sequence = false,
            (_, true) => {}
            (_, false) => width += 1,
        }
    }
    width
}

/// Writes text for people to standard error, at once.
pub(crate) fn notice(text: &str) {
    let _ = io::stderr().lock().write_all(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_never_acts_on_a_terminal_and_reads_back_the_same() {
        for text in
            ["plain ü 日本", "\u{9b}2J", "a\u{202e}b", "\u{7f}", "\u{e0041}", "\u{1b}[0m\n", "back\\slash \"q\""]
        {
            for pretty in [false, true] {
                let json = json_text(&[text], pretty).expect("JSON");
                assert!(!json.chars().any(|c| c != '\n' && (c.is_control() || c == '\u{202e}' || c == '\u{e0041}')));
                assert_eq!(serde_json::from_str::<[String; 1]>(&json).expect("it reads back"), [text]);
            }
        }
    }

    #[test]
    fn tables_align_what_is_seen() {
        let row = |cells: [&str; 3]| cells.map(str::to_owned).to_vec();
        let painted = Paint(true).status(Status::Error, 0);
        let rows = [row(["TASK", "STATUS", "NOTE"]), row(["t1", &painted, "x"]), row(["long-id", "pr_open", ""])];
        insta::assert_snapshot!(table(&rows).replace('\x1b', "^"), @r"
        TASK     STATUS   NOTE
        t1       ^[31merror^[0m    x
        long-id  pr_open
        ");
    }
}
