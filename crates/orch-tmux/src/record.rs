//! What tmux tells of a pane, as one line of text.

use orch_core::base::{BootId, LaunchId};
use orch_core::ports::{ExitStatus, ProcessId};

/// The format whose expansion [`Record::parse`] reads. It asks nothing about sessions: the same pane is
/// seen in its own session and in the keeper.
pub(crate) const FORMAT: &str = "#{@orch_launch}|#{pane_id}|#{window_id}|#{pane_pid}|#{pane_dead}|\
    #{pane_dead_status}|#{pane_dead_signal}|#{history_size}|#{cursor_y}|#{cursor_x}|#{alternate_on}|\
    #{window_width}|#{window_height}|#{@orch_process}|#{@orch_log}|#{@orch_name}";

/// [`FORMAT`] and what only a look needs, because tmux has to ask the system for it. Only the last two
/// fields can hold a `|`, and those are for people.
pub(crate) const LOOK_FORMAT: &str = "#{@orch_launch}|#{pane_id}|#{window_id}|#{pane_pid}|#{pane_dead}|\
    #{pane_dead_status}|#{pane_dead_signal}|#{history_size}|#{cursor_y}|#{cursor_x}|#{alternate_on}|\
    #{window_width}|#{window_height}|#{@orch_process}|#{@orch_log}|#{@orch_name}|\
    #{pane_current_command}|#{pane_title}";

/// One pane that carries our mark.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) launch: LaunchId,
    /// The number of `%n`.
    pub(crate) pane: u32,
    /// The window's id, `@n`.
    pub(crate) window: String,
    pub(crate) pid: u32,
    /// The terminal is closed; the process may live on.
    pub(crate) dead: bool,
    /// How the process ended, once tmux has learnt it.
    pub(crate) status: Option<ExitStatus>,
    /// Rows above the screen.
    pub(crate) history: u32,
    /// Column and row of the cursor on the screen.
    pub(crate) cursor: (u32, u32),
    /// The program draws on the alternate screen, which has no history.
    pub(crate) alternate: bool,
    /// Columns and rows.
    pub(crate) size: (u16, u16),
    /// The process as it was identified at launch.
    pub(crate) process: Option<ProcessId>,
    pub(crate) log: Option<String>,
    /// The session's name, as it was made.
    pub(crate) name: String,
    /// The foreground process's name and the terminal's title; empty unless looked for.
    pub(crate) command: String,
    pub(crate) title: String,
}

impl Record {
    /// Reads one line; `None` when it is not about a pane of ours.
    pub(crate) fn parse(line: &str) -> Option<Self> {
        let mut fields = line.splitn(18, '|');
        let mut next = || fields.next();
        let launch = LaunchId(next()?.parse().ok()?);
        let pane = next()?.strip_prefix('%')?.parse().ok()?;
        let window = next()?.to_owned();
        let (pid, dead) = (next()?.parse().ok()?, next()? == "1");
        let (code, signal) = (next()?.parse().ok(), next().and_then(signal_number));
        let history = next()?.parse().ok()?;
        let (row, column) = (next()?.parse().ok()?, next()?.parse().ok()?);
        Some(Self {
            launch,
            pane,
            window,
            pid,
            dead,
            status: (code.is_some() || signal.is_some()).then_some(ExitStatus { code, signal }),
            history,
            cursor: (column, row),
            alternate: next()? == "1",
            size: (next()?.parse().ok()?, next()?.parse().ok()?),
            process: next().and_then(parse_process),
            log: next().and_then(from_option),
            name: next()?.to_owned(),
            command: next().unwrap_or_default().to_owned(),
            title: next().unwrap_or_default().to_owned(),
        })
    }

    /// The target of commands about the pane.
    pub(crate) fn target(&self) -> String {
        format!("%{}", self.pane)
    }
}

/// A process as the text of a pane option.
pub(crate) fn process_option(process: &ProcessId) -> String {
    format!("{}:{}:{}", process.pid, process.started, process.boot.0)
}

fn parse_process(text: &str) -> Option<ProcessId> {
    let mut words = text.splitn(3, ':');
    let (pid, started) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    Some(ProcessId { pid, started, boot: BootId(words.next()?.to_owned()) })
}

/// Any text as one that has neither `|` nor line breaks: other bytes than those of plain paths become `%XX`.
pub(crate) fn to_option(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'.' | b'_' | b'-');
    text.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

fn from_option(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        rest = tail;
        if *first == b'%' {
            let digits = std::str::from_utf8(rest.get(..2)?).ok()?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
            rest = &rest[2..];
        } else {
            bytes.push(*first);
        }
    }
    String::from_utf8(bytes).ok().filter(|text| !text.is_empty())
}

/// The number of a signal that tmux gives as a number (Linux) or by name (macOS, BSD).
fn signal_number(text: &str) -> Option<i32> {
    const NAMES: [(&str, rustix::process::Signal); 14] = {
        use rustix::process::Signal;
        [
            ("HUP", Signal::HUP),
            ("INT", Signal::INT),
            ("QUIT", Signal::QUIT),
            ("ILL", Signal::ILL),
            ("TRAP", Signal::TRAP),
            ("ABRT", Signal::ABORT),
            ("BUS", Signal::BUS),
            ("FPE", Signal::FPE),
            ("KILL", Signal::KILL),
            ("SEGV", Signal::SEGV),
            ("PIPE", Signal::PIPE),
            ("ALRM", Signal::ALARM),
            ("TERM", Signal::TERM),
            ("XCPU", Signal::XCPU),
        ]
    };
    if let Ok(number) = text.parse() {
        return Some(number);
    }
    let name = text.to_ascii_uppercase();
    let name = name.strip_prefix("SIG").unwrap_or(&name);
    NAMES.iter().find(|(known, _)| *known == name).map(|(_, signal)| signal.as_raw())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_and_foreign_panes_passed_over() {
        let line = "44|%7|@8|1234|1||9|60|12|3|0|100|30|1234:99:b-1|/w/log%20s/a%7C|task-t1-44|node|a|b";
        let record = Record::parse(line).expect("ours");
        assert_eq!((record.launch, record.pane, record.pid, record.dead), (LaunchId(44), 7, 1234, true));
        assert_eq!(record.status, Some(ExitStatus { code: None, signal: Some(9) }));
        assert_eq!((record.history, record.cursor, record.size), (60, (3, 12), (100, 30)));
        assert_eq!(record.process.map(|p| (p.pid, p.started, p.boot.0)), Some((1234, 99, "b-1".to_owned())));
        assert_eq!(record.log.as_deref(), Some("/w/log s/a|"));
        assert_eq!(
            (record.name.as_str(), record.command.as_str(), record.title.as_str()),
            ("task-t1-44", "node", "a|b")
        );
        let live = Record::parse("1|%1|@1|5|0|||0|0|0|0|80|24|||n").expect("ours");
        assert_eq!((live.status, live.process, live.log), (None, None, None));
        for foreign in ["", "|%1|@1|5|0|||0|0|0|0|80|24|||n", "1|%1"] {
            assert_eq!(Record::parse(foreign), None, "{foreign}");
        }
    }

    #[test]
    fn options_hold_any_text() {
        for text in ["/plain/path", "a|b\nc%d é", "100%"] {
            let option = to_option(text);
            assert!(!option.contains(['|', '\n', ' ']), "{option}");
            assert_eq!(from_option(&option).as_deref(), Some(text));
        }
        assert_eq!(from_option("%G0"), None);
    }

    #[test]
    fn signals_are_read_as_number_and_as_name() {
        for (text, want) in [("9", Some(9)), ("KILL", Some(9)), ("sigterm", Some(15)), ("", None), ("WAT", None)] {
            assert_eq!(signal_number(text), want, "{text}");
        }
    }
}
