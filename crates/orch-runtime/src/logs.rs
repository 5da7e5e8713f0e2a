use std::fs::File;
use std::io::{Read, Seek, SeekFrom};

use camino::Utf8Path;

use crate::file_error::{Context, FileError};

mod plain;

pub use plain::plain_text;

/// How much of a log's end is looked at.
const WINDOW: u64 = 256 * 1024;

/// The last `lines` lines of a raw terminal log as a person would read them: without escape sequences,
/// blank lines at the end dropped, runs of one line (a spinner's) counted once.
///
/// # Errors
/// [`FileError`] when the log cannot be read.
pub fn tail_text(log: &Utf8Path, lines: usize) -> Result<String, FileError> {
    let mut file = File::open(log).doing("open", log)?;
    let length = file.metadata().doing("look at", log)?.len();
    let start = length.saturating_sub(WINDOW);
    file.seek(SeekFrom::Start(start)).doing("read", log)?;
    let mut bytes = Vec::new();
    file.take(WINDOW).read_to_end(&mut bytes).doing("read", log)?;
    Ok(last_lines(whole_lines(&bytes, start > 0), lines))
}

/// A window that begins in the middle of a log may begin in the middle of an escape sequence.
fn whole_lines(bytes: &[u8], cut: bool) -> &[u8] {
    match bytes.iter().position(|b| *b == b'\n') {
        Some(end) if cut => &bytes[end + 1..],
        _ => bytes,
    }
}

fn last_lines(bytes: &[u8], count: usize) -> String {
    let text = plain_text(bytes);
    let mut lines: Vec<&str> = text.trim_end().lines().collect();
    lines.dedup();
    lines[lines.len().saturating_sub(count)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testdir::TestDir;

    #[test]
    fn the_last_lines_of_a_log_are_plain_text() {
        let dir = TestDir::new();
        let spinner = "\r\u{1b}[2K⠋ working\r\u{1b}[2K⠙ working".repeat(50);
        let log = dir.write(
            "t1-1.log",
            format!("first\r\n{spinner}\r\u{1b}[2K\u{1b}[1;31merror\u{1b}[0m: no such file\r\nsame\r\nsame\r\nsame\r\n\r\n\r\n"),
        );
        assert_eq!(tail_text(&log, 2).expect("read"), "error: no such file\nsame");
        assert_eq!(tail_text(&log, 20).expect("read"), "first\nerror: no such file\nsame");
        assert_eq!(tail_text(&log, 0).expect("read"), "");
        assert_eq!(tail_text(&dir.write("empty", ""), 20).expect("read"), "");
        assert!(tail_text(&dir.path().join("absent"), 20).is_err());
    }

    #[test]
    fn only_the_end_of_a_long_log_is_read_and_its_first_torn_line_dropped() {
        let dir = TestDir::new();
        let line = format!("\u{1b}]0;{}\u{7}row\r\n", "t".repeat(1000));
        let mut text = line.repeat(600);
        text.push_str("last\r\n");
        let log = dir.write("long.log", text);
        assert_eq!(tail_text(&log, 20).expect("read"), "row\nlast");
    }
}
