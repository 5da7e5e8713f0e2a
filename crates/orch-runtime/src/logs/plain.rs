/// The widest line kept; a cursor sent further stays there.
const WIDEST: usize = 4096;

/// What a byte stream for a terminal reads like: colours, titles and other sequences removed, carriage
/// returns and backspaces obeyed within a line, lines right-trimmed. Jumps to another row end a line.
pub fn plain_text(bytes: &[u8]) -> String {
    let mut page = Page::default();
    let mut state = State::Ground;
    for c in String::from_utf8_lossy(bytes).chars() {
        state = page.take(state, c);
    }
    page.end_line();
    page.text.trim_end_matches('\n').to_owned()
}

/// Where in an escape sequence the stream is (ECMA-48; the states of a DEC terminal, reduced).
enum State {
    Ground,
    /// After ESC, with or without intermediate characters: one final character ends it.
    Escape,
    /// After CSI: its parameters so far.
    Control(String),
    /// In OSC, DCS, SOS, PM or APC: skipped up to BEL or ST; whether the last character was ESC.
    Text {
        escaped: bool,
    },
}

#[derive(Default)]
struct Page {
    text: String,
    line: Vec<char>,
    column: usize,
}

impl Page {
    fn take(&mut self, state: State, c: char) -> State {
        match (state, c) {
            // CAN and SUB end any sequence.
            (_, '\u{18}' | '\u{1a}')
            | (State::Text { escaped: true }, '\\')
            | (State::Text { .. }, '\u{7}' | '\u{9c}') => State::Ground,
            (State::Text { .. }, c) => State::Text { escaped: c == '\u{1b}' },
            (_, '\u{1b}') | (State::Escape, ' '..='/') => State::Escape,
            (State::Escape, '[') | (_, '\u{9b}') => State::Control(String::new()),
            (State::Escape, ']' | 'P' | 'X' | '^' | '_') | (_, '\u{90}' | '\u{98}' | '\u{9d}'..='\u{9f}') => {
                State::Text { escaped: false }
            }
            (State::Escape, 'D' | 'E') => self.control('\n'),
            (State::Escape, '0'..='~') => State::Ground,
            (State::Control(mut parameters), ' '..='?') => {
                if parameters.len() < 32 {
                    parameters.push(c);
                }
                State::Control(parameters)
            }
            (State::Control(parameters), '@'..='~') => {
                self.sequence(&parameters, c);
                State::Ground
            }
            (state, c) if c.is_control() => {
                self.control(c);
                state
            }
            (_, c) => {
                self.print(c);
                State::Ground
            }
        }
    }

    fn control(&mut self, c: char) -> State {
        match c {
            '\n' | '\u{b}' | '\u{c}' | '\u{85}' => self.end_line(),
            '\r' => self.column = 0,
            '\u{8}' => self.column = self.column.saturating_sub(1),
            '\t' => self.move_to((self.column / 8 + 1) * 8),
            _ => {}
        }
        State::Ground
    }

    fn sequence(&mut self, parameters: &str, last: char) {
        let first: usize = parameters.split(';').next().and_then(|p| p.parse().ok()).unwrap_or(0);
        match (last, first) {
            ('K', 0) => self.line.truncate(self.column),
            ('K', 1) => self.blank(0, self.column),
            ('K', 2) => self.line.clear(),
            ('C', n) => self.move_to(self.column.saturating_add(n.max(1))),
            ('D', n) => self.column = self.column.saturating_sub(n.max(1)),
            ('G' | '`', n) => self.move_to(n.max(1) - 1),
            ('X', n) => self.blank(self.column, self.column.saturating_add(n.max(1))),
            ('P', n) => {
                let end = self.column.saturating_add(n.max(1)).min(self.line.len());
                self.line.drain(self.column.min(end)..end);
            }
            ('A' | 'B' | 'E' | 'F' | 'H' | 'J' | 'd' | 'f', _) if !self.line.is_empty() => self.end_line(),
            _ => {}
        }
    }

    fn print(&mut self, c: char) {
        self.line.resize(self.line.len().max(self.column), ' ');
        match self.line.get_mut(self.column) {
            Some(cell) => *cell = c,
            None => self.line.push(c),
        }
        self.move_to(self.column + 1);
    }

    fn move_to(&mut self, column: usize) {
        self.column = column.min(WIDEST - 1);
    }

    fn blank(&mut self, from: usize, to: usize) {
        let to = to.min(self.line.len());
        self.line[from.min(to)..to].fill(' ');
    }

    fn end_line(&mut self) {
        let line: String = self.line.drain(..).collect();
        self.text.push_str(line.trim_end());
        self.text.push('\n');
        self.column = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequences_are_obeyed_within_a_line_or_dropped() {
        let table: [(&str, &str); 26] = [
            ("plain\r\ntext", "plain\ntext"),
            ("\x1b[1;31mred\x1b[0m", "red"),
            ("\x1b[38:2::255:0:0mrgb\x1b[m", "rgb"),
            ("\x1b]0;title\x07x", "x"),
            ("\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "link"),
            ("\x1bPq#0;1\x1b\\after", "after"),
            ("\x1b_apc\x1b\\\x1b^pm\x1b\\\x1bXsos\x1b\\x", "x"),
            ("\x1b(0lqqk\x1b(B", "lqqk"),
            ("\x1b7a\x1b8\x1b=\x1b>\x1bcb", "ab"),
            ("\u{9b}1mc1\u{9d}t\u{9c}!", "c1!"),
            ("10%\r50%\r100%", "100%"),
            ("long line\rshort", "shortline"),
            ("long line\r\x1b[Kshort", "short"),
            ("long\x1b[2K\rshort", "short"),
            ("abc\x08\x08X", "aXc"),
            ("a\tb", "a       b"),
            ("a\x1b[3Cb", "a   b"),
            ("abc\x1b[2DX", "aXc"),
            ("abc\x1b[1GX", "Xbc"),
            ("abcdef\r\x1b[2P", "cdef"),
            ("abcdef\r\x1b[3X", "   def"),
            ("top\x1b[5;1Hbelow", "top\nbelow"),
            ("\x1b[2J\x1b[Hscreen", "screen"),
            ("a\x1b[31\x18b", "ab"),
            ("bell\x07 nul\0 del\x7f.", "bell nul del."),
            ("trailing   \r\n\r\n", "trailing"),
        ];
        for (bytes, expected) in table {
            assert_eq!(plain_text(bytes.as_bytes()), expected, "{bytes:?}");
        }
    }

    #[test]
    fn hostile_streams_stay_small_and_end() {
        assert_eq!(plain_text(b"\xff\xfe ok"), "\u{fffd}\u{fffd} ok");
        assert_eq!(plain_text(b"open \x1b]0;never closed"), "open");
        assert_eq!(plain_text(b"open \x1b[12;"), "open");
        assert_eq!(plain_text(b"\x1b[99999999999999999999Cx"), " x");
        assert!(plain_text(b"\x1b[4000000000Cx").len() <= WIDEST);
        assert!(plain_text(&b"y".repeat(100_000)).len() <= WIDEST);
        let noise: Vec<u8> = (0..=255u8).cycle().take(100_000).collect();
        let shown = plain_text(&noise);
        assert!(!shown.chars().any(|c| c.is_control() && c != '\n'), "no control character survives");
    }
}
