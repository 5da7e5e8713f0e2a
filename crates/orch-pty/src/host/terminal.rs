//! The terminal that a program believes to be attached to.

mod colours;
mod osc;
mod repaint;

use std::cell::RefCell;
use std::rc::Rc;

use alacritty_terminal::event::{Event, EventListener, WindowSize};
use alacritty_terminal::grid::Dimensions;
use alacritty_terminal::index::{Column, Line};
use alacritty_terminal::term::cell::{Cell, Flags};
use alacritty_terminal::term::{Config, Term, TermMode};
use alacritty_terminal::vte::ansi::{Processor, Timeout};

use osc::Osc;

/// How many rows are kept above the screen.
const HISTORY: usize = 200;
/// How many of them a look shows.
const SHOWN: usize = 50;
/// More marks over one character than any script has.
const MARKS: usize = 32;
/// The smallest and the largest terminal that is drawn, in columns and rows.
const SIZES: ((u16, u16), (u16, u16)) = ((2, 1), (1000, 1000));
/// The size of a character in pixels, for programs that ask.
const CELL: (u16, u16) = (8, 16);

/// An emulator of one terminal: bytes in, answers and a screen out.
pub(super) struct Terminal {
    term: Term<Heard>,
    parser: Processor<Never>,
    osc: Osc,
    heard: Heard,
    size: (u16, u16),
    title: String,
    /// Rows of history at the last look at the memory it takes.
    grown: usize,
}

/// What the emulator has to say, until it is asked.
#[derive(Clone, Default)]
struct Heard(Rc<RefCell<Vec<Event>>>);

impl EventListener for Heard {
    fn send_event(&self, event: Event) {
        self.0.borrow_mut().push(event);
    }
}

/// Synchronized updates are drawn as they come: nobody watches the screen, and a program that never
/// ends an update must not be able to hide.
#[derive(Default)]
struct Never;

impl Timeout for Never {
    fn set_timeout(&mut self, _: std::time::Duration) {}

    fn clear_timeout(&mut self) {}

    fn pending_timeout(&self) -> bool {
        false
    }
}

struct Size(u16, u16);

impl Dimensions for Size {
    fn total_lines(&self) -> usize {
        self.screen_lines()
    }

    fn screen_lines(&self) -> usize {
        self.1.into()
    }

    fn columns(&self) -> usize {
        self.0.into()
    }
}

/// What a screen shows.
pub(super) struct Shown {
    pub(super) text: String,
    pub(super) cursor_row: u32,
}

impl Terminal {
    /// The nearest size that a terminal can have.
    pub(super) fn fitting((columns, rows): (u16, u16)) -> (u16, u16) {
        let (least, most) = SIZES;
        (columns.clamp(least.0, most.0), rows.clamp(least.1, most.1))
    }

    /// A blank terminal of so many columns and rows.
    pub(super) fn new(size: (u16, u16)) -> Self {
        let size = Self::fitting(size);
        let heard = Heard::default();
        let config = Config { scrolling_history: HISTORY, kitty_keyboard: true, ..Config::default() };
        let term = Term::new(config, &Size(size.0, size.1), heard.clone());
        Self { term, parser: Processor::new(), osc: Osc::default(), heard, size, title: String::new(), grown: 0 }
    }

    /// Draws what a program printed; what the terminal answers to it.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> Vec<u8> {
        let drawn = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let mut rest = bytes;
            while !rest.is_empty() {
                let (take, skip) = self.osc.admit(rest);
                self.parser.advance(&mut self.term, &rest[..take]);
                rest = &rest[take + skip..];
            }
            self.shed();
        }));
        if drawn.is_err() {
            // An emulator that trips over what it draws must not take the session along.
            *self = Self { title: std::mem::take(&mut self.title), ..Self::new(self.size) };
        }
        let mut answers = Vec::new();
        for event in self.heard.0.take() {
            self.take_in(event, &mut answers);
        }
        answers
    }

    pub(super) fn resize(&mut self, size: (u16, u16)) {
        self.size = Self::fitting(size);
        self.term.resize(Size(self.size.0, self.size.1));
    }

    pub(super) fn size(&self) -> (u16, u16) {
        self.size
    }

    pub(super) fn title(&self) -> &str {
        &self.title
    }

    /// The modes that the program has set.
    pub(super) fn mode(&self) -> TermMode {
        *self.term.mode()
    }

    /// The screen and some history above it, as text.
    pub(super) fn shown(&self) -> Shown {
        let grid = self.term.grid();
        let above = grid.history_size().min(SHOWN);
        let first = -i32::try_from(above).unwrap_or(0);
        let rows: Vec<String> = (first..i32::from(self.size.1)).map(|line| self.row(Line(line))).collect();
        let cursor = above + usize::try_from(grid.cursor.point.line.0).unwrap_or(0);
        let filled = rows.iter().rposition(|row| !row.is_empty()).map_or(0, |last| last + 1);
        let shown = filled.max(cursor + 1).min(rows.len());
        Shown { text: rows[..shown].join("\n"), cursor_row: u32::try_from(cursor).unwrap_or(0) }
    }

    fn row(&self, line: Line) -> String {
        let row = &self.term.grid()[line];
        let mut text = String::new();
        for column in 0..usize::from(self.size.0) {
            push_cell(&mut text, &row[Column(column)]);
        }
        text.truncate(text.trim_end().len());
        text
    }

    fn take_in(&mut self, event: Event, answers: &mut Vec<u8>) {
        match event {
            Event::PtyWrite(text) => answers.extend_from_slice(text.as_bytes()),
            Event::ColorRequest(index, format) => {
                let colour = self.term.colors()[index].unwrap_or_else(|| colours::default(index));
                answers.extend_from_slice(format(colour).as_bytes());
            }
            Event::TextAreaSizeRequest(format) => {
                let (num_cols, num_lines) = self.size;
                let size = WindowSize { num_lines, num_cols, cell_width: CELL.0, cell_height: CELL.1 };
                answers.extend_from_slice(format(size).as_bytes());
            }
            Event::Title(title) => self.title = title,
            Event::ResetTitle => self.title.clear(),
            // The clipboard is the user's, and neither given nor taken.
            Event::ClipboardStore(..)
            | Event::ClipboardLoad(..)
            | Event::MouseCursorDirty
            | Event::CursorBlinkingChange
            | Event::Wakeup
            | Event::Bell
            | Event::Exit
            | Event::ChildExit(_) => {}
        }
    }

    /// The emulator takes room for a thousand rows of history with the first, and for any number of
    /// marks over one character: what is not used, or is no text, is given back.
    fn shed(&mut self) {
        let history = self.term.grid().history_size();
        if history != self.grown {
            self.grown = history;
            self.term.grid_mut().truncate();
        }
        let grid = self.term.grid_mut();
        let point = grid.cursor.point;
        let last = &mut grid[point.line][Column(point.column.0.saturating_sub(1))];
        if last.zerowidth().is_some_and(|marks| marks.len() > MARKS) {
            last.extra = None;
        }
    }
}

fn push_cell(text: &mut String, cell: &Cell) {
    if cell.flags.intersects(Flags::WIDE_CHAR_SPACER | Flags::LEADING_WIDE_CHAR_SPACER) {
        return;
    }
    // A tab stands in the first of the cells that it skipped.
    text.push(if cell.c == '\t' { ' ' } else { cell.c });
    text.extend(cell.zerowidth().into_iter().flatten());
}
