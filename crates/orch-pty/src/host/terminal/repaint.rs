//! A screen as the bytes that draw it on another terminal.

use alacritty_terminal::index::{Column, Line};
use alacritty_terminal::term::TermMode;
use alacritty_terminal::term::cell::{Cell, Flags};
use alacritty_terminal::vte::ansi::{Color, NamedColor};

use super::{Terminal, push_cell};

/// Modes by their private number.
const MODES: [(TermMode, u16); 10] = [
    (TermMode::APP_CURSOR, 1),
    (TermMode::ORIGIN, 6),
    (TermMode::LINE_WRAP, 7),
    (TermMode::SHOW_CURSOR, 25),
    (TermMode::MOUSE_REPORT_CLICK, 1000),
    (TermMode::MOUSE_DRAG, 1002),
    (TermMode::MOUSE_MOTION, 1003),
    (TermMode::FOCUS_IN_OUT, 1004),
    (TermMode::SGR_MOUSE, 1006),
    (TermMode::BRACKETED_PASTE, 2004),
];

/// How a character looks.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Look {
    text: Color,
    ground: Color,
    flags: Flags,
}

const PLAIN: Look = Look {
    text: Color::Named(NamedColor::Foreground),
    ground: Color::Named(NamedColor::Background),
    flags: Flags::empty(),
};

/// The flags that change how a character looks, by their number.
const LOOKS: [(Flags, &str); 10] = [
    (Flags::BOLD, ";1"),
    (Flags::DIM, ";2"),
    (Flags::ITALIC, ";3"),
    (Flags::UNDERLINE, ";4"),
    (Flags::DOUBLE_UNDERLINE, ";4:2"),
    (Flags::UNDERCURL, ";4:3"),
    (Flags::DOTTED_UNDERLINE, ";4:4"),
    (Flags::DASHED_UNDERLINE, ";4:5"),
    (Flags::INVERSE, ";7"),
    (Flags::HIDDEN, ";8"),
];

impl Terminal {
    /// What makes another terminal of the same size show this screen: the title, each row with its
    /// colours, the modes that the program has set, the cursor.
    pub(in crate::host) fn repaint(&self) -> Vec<u8> {
        let mut out = String::from("\x1b[0m\x1b[r\x1b[?6l\x1b[?7l");
        let mode = self.mode();
        out.push_str(if mode.contains(TermMode::ALT_SCREEN) { "\x1b[?1049h" } else { "\x1b[?1049l" });
        out.push_str("\x1b[H\x1b[2J");
        for row in 0..self.size().1 {
            self.paint_row(row, &mut out);
        }
        self.paint_state(mode, &mut out);
        out.into_bytes()
    }

    fn paint_row(&self, row: u16, out: &mut String) {
        let cells = &self.term.grid()[Line(row.into())];
        let blank = Cell::default();
        let is_blank = |cell: &Cell| cell.c == blank.c && Look::of(cell) == PLAIN;
        let columns = usize::from(self.size().0);
        let Some(last) = (0..columns).rev().find(|column| !is_blank(&cells[Column(*column)])) else { return };
        out.push_str(&format!("\x1b[{};1H", row + 1));
        let mut look = PLAIN;
        for column in 0..=last {
            let cell = &cells[Column(column)];
            let wanted = Look::of(cell);
            if wanted != look {
                wanted.put_on(out);
                look = wanted;
            }
            push_cell(out, cell);
        }
        PLAIN.put_on(out);
    }

    fn paint_state(&self, mode: TermMode, out: &mut String) {
        let title: String = self.title.chars().filter(|c| !c.is_control()).collect();
        out.push_str(&format!("\x1b]2;{title}\x1b\\"));
        let cursor = &self.term.grid().cursor;
        for (flag, number) in MODES {
            out.push_str(&format!("\x1b[?{number}{}", if mode.contains(flag) { 'h' } else { 'l' }));
        }
        out.push_str(if mode.contains(TermMode::APP_KEYPAD) { "\x1b=" } else { "\x1b>" });
        out.push_str(if mode.contains(TermMode::INSERT) { "\x1b[4h" } else { "\x1b[4l" });
        out.push_str(&format!("\x1b[={};1u", keyboard(mode)));
        let (row, column) = (cursor.point.line.0 + 1, cursor.point.column.0 + 1);
        out.push_str(&format!("\x1b[{row};{column}H"));
        Look::of(&cursor.template).put_on(out);
    }
}

impl Look {
    fn of(cell: &Cell) -> Self {
        let mut shown = Flags::STRIKEOUT;
        for (flag, _) in LOOKS {
            shown |= flag;
        }
        Self { text: cell.fg, ground: cell.bg, flags: cell.flags & shown }
    }

    fn put_on(self, out: &mut String) {
        out.push_str("\x1b[0");
        for (_, number) in LOOKS.iter().filter(|(flag, _)| self.flags.contains(*flag)) {
            out.push_str(number);
        }
        if self.flags.contains(Flags::STRIKEOUT) {
            out.push_str(";9");
        }
        out.push_str(&colour(self.text, 30));
        out.push_str(&colour(self.ground, 40));
        out.push('m');
    }
}

/// The kitty keyboard flags of the modes.
fn keyboard(mode: TermMode) -> u8 {
    let flags = [
        (TermMode::DISAMBIGUATE_ESC_CODES, 1),
        (TermMode::REPORT_EVENT_TYPES, 2),
        (TermMode::REPORT_ALTERNATE_KEYS, 4),
        (TermMode::REPORT_ALL_KEYS_AS_ESC, 8),
        (TermMode::REPORT_ASSOCIATED_TEXT, 16),
    ];
    flags.iter().filter(|(flag, _)| mode.contains(*flag)).map(|(_, bit)| bit).sum()
}

/// A colour as an attribute; `base` is 30 for text and 40 for the ground.
fn colour(colour: Color, base: u32) -> String {
    match colour {
        Color::Named(name) => match name as u32 {
            dark @ 0..8 => format!(";{}", base + dark),
            bright @ 8..16 => format!(";{}", base + 60 + bright - 8),
            // The usual one, which the reset before it has set.
            _ => String::new(),
        },
        Color::Indexed(index) => format!(";{};5;{index}", base + 8),
        Color::Spec(rgb) => format!(";{};2;{};{};{}", base + 8, rgb.r, rgb.g, rgb.b),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repainted_terminal_is_the_same() {
        let printed: [&[u8]; 6] = [
            b"plain\r\n\x1b[1;31mbold red\x1b[0m \x1b[44mblue ground   \x1b[0m\r\n\x1b[38;5;208mindexed\x1b[38;2;1;2;3mtrue",
            b"\x1b]2;a title\x07\x1b[?2004h\x1b[?1h\x1b[?25l\x1b[5;7Hhere\x1b[3;4;9m",
            "wide \u{6f22}\u{5b57} e\u{301} \u{1f469}\r\n".as_bytes(),
            b"\x1b[?1049h\x1b[2J\x1b[10;10Hon the other screen\x1b[7m\x1b[K",
            b"\x1b[>1u\x1b[?1000h\x1b[?1006h",
            b"\x1b[24;1Hlast row\x1b[24;80HX",
        ];
        for upto in 0..=printed.len() {
            let mut one = Terminal::new((80, 24));
            for bytes in &printed[..upto] {
                one.feed(bytes);
            }
            let mut other = Terminal::new((80, 24));
            other.feed(b"something else\x1b[?2004h\x1b[41m");
            other.feed(&one.repaint());
            assert_eq!((other.mode(), other.title()), (one.mode(), one.title()), "{upto}");
            let (seen, wanted) = (&other.term.grid().cursor, &one.term.grid().cursor);
            assert_eq!((seen.point, &seen.template), (wanted.point, &wanted.template), "{upto}");
            for row in 0..24 {
                for column in (0..80).map(Column) {
                    let (seen, wanted) = (&other.term.grid()[Line(row)][column], &one.term.grid()[Line(row)][column]);
                    assert!(seen.c == wanted.c && Look::of(seen) == Look::of(wanted), "{upto}: {row} {column:?}");
                }
            }
        }
    }
}
