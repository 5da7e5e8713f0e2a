//! The little of a terminal that scripted agents need.

use crate::ports::{Key, SessionInput};

/// What a program shows: text without escape sequences, and the title.
#[derive(Debug, Clone, Default)]
pub(super) struct Terminal {
    text: String,
    pub(super) title: String,
    pub(super) bracketed: bool,
}

impl Terminal {
    /// Shows text below the rest; escape sequences for colour and the like are dropped.
    pub(super) fn print(&mut self, text: &str) {
        let mut chars = text.chars().peekable();
        while let Some(c) = chars.next() {
            match c {
                '\u{1b}' if chars.peek() == Some(&'[') => {
                    while chars.next_if(|c| !c.is_ascii_alphabetic()).is_some() {}
                }
                '\r' | '\u{7}' => {}
                c => self.text.push(c),
            }
            if c == '\u{1b}' {
                chars.next();
            }
        }
    }

    pub(super) fn replace(&mut self, text: &str) {
        self.text.clear();
        self.print(text);
    }

    /// The rows, right-trimmed, joined by newlines.
    pub(super) fn rows(&self) -> String {
        self.text.split('\n').map(str::trim_end).collect::<Vec<_>>().join("\n")
    }

    pub(super) fn cursor_row(&self) -> u32 {
        u32::try_from(self.text.matches('\n').count()).unwrap_or(u32::MAX)
    }

    /// The bytes that the program reads when this is typed.
    pub(super) fn encode(&self, input: &SessionInput) -> String {
        let mut typed = match &input.text {
            Some(text) if self.bracketed => format!("\u{1b}[200~{text}\u{1b}[201~"),
            Some(text) => text.clone(),
            None => String::new(),
        };
        input.keys.iter().for_each(|key| encode_key(*key, &mut typed));
        typed
    }
}

fn encode_key(key: Key, typed: &mut String) {
    match key {
        Key::Enter => typed.push('\r'),
        Key::Escape => typed.push('\u{1b}'),
        Key::Tab => typed.push('\t'),
        Key::Backspace => typed.push('\u{7f}'),
        Key::Up => typed.push_str("\u{1b}[A"),
        Key::Down => typed.push_str("\u{1b}[B"),
        Key::Right => typed.push_str("\u{1b}[C"),
        Key::Left => typed.push_str("\u{1b}[D"),
        Key::Ctrl(letter) => typed.push(char::from(u8::try_from(letter).unwrap_or(b'@') & 0x1f)),
        Key::Char(c) => typed.push(c),
        Key::Redraw => {}
    }
}
