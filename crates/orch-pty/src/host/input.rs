//! Typing into a session, exactly and in bounded time.

mod keys;

use std::rc::Rc;
use std::time::Duration;

use alacritty_terminal::term::TermMode;
use orch_core::base::LaunchId;
use orch_core::ports::{ExecutorError, Fingerprint, Key, SessionInput};
use pty_process::Pty;
use rustix::termios::{LocalModes, tcgetattr};
use tokio::time::{Instant, timeout};

use super::Host;
use super::outgoing::Posted;
use super::session::Session;
use crate::protocol::refused;

const PASTE_BEGIN: &[u8] = b"\x1b[200~";
const PASTE_END: &[u8] = b"\x1b[201~";
/// How long a program may take without reading any of what was typed.
const STALLED: Duration = Duration::from_secs(10);
/// How often that is looked at.
const LOOK: Duration = Duration::from_secs(1);
/// How long it may take for all of it.
const PATIENCE: Duration = Duration::from_secs(60);
/// The longest line that a terminal hands to a program that reads lines; what follows would be dropped.
#[cfg(target_os = "linux")]
const LONGEST_LINE: usize = 4095;
#[cfg(not(target_os = "linux"))]
const LONGEST_LINE: usize = 1023;

/// Input that is on its way.
pub(super) struct Typing {
    session: Rc<Session>,
    posted: Posted,
    size: usize,
    /// A paste was begun and must be ended, whatever happens.
    pasted: bool,
}

/// Puts text, then keys on their way. Nothing is typed when the screen is not the expected one: between
/// the look and the typing nothing else happens to the terminal.
pub(super) fn begin(
    host: &Host,
    launch: LaunchId,
    input: &SessionInput,
    expected: Option<Fingerprint>,
) -> Result<Typing, ExecutorError> {
    let session = host.session(launch)?;
    if !session.is_running() {
        return Err(cannot(launch, "the session has ended"));
    }
    let text = input.text.as_deref().unwrap_or_default().as_bytes();
    if expected.is_some() {
        session.catch_up(host);
    }
    let prepared = session.terminal(|terminal, pty| {
        if expected.is_some_and(|expected| Fingerprint::of(&terminal.shown().text) != expected) {
            return Err(ExecutorError::Stale { launch });
        }
        check_lines(pty, text).map_err(|why| cannot(launch, why))?;
        Ok(terminal.mode())
    });
    let Some(mode) = prepared.transpose()? else { return Err(cannot(launch, "the session has ended")) };
    let pasted = !text.is_empty() && mode.contains(TermMode::BRACKETED_PASTE);
    let mut bytes = Vec::with_capacity(text.len() + 16);
    if pasted {
        bytes.extend_from_slice(PASTE_BEGIN);
        bytes.extend(without_marks(text));
        bytes.extend_from_slice(PASTE_END);
    } else {
        bytes.extend_from_slice(text);
    }
    for key in &input.keys {
        keys::encode(*key, mode, &mut bytes).map_err(|why| cannot(launch, &why))?;
    }
    if input.keys.contains(&Key::Redraw) {
        session.redraw()?;
    }
    let size = bytes.len();
    let posted = session.outgoing.post(bytes);
    Ok(Typing { session, posted, size, pasted })
}

impl Typing {
    /// Waits until the terminal has taken everything.
    pub(super) async fn finish(mut self) -> Result<(), ExecutorError> {
        let deadline = Instant::now() + PATIENCE;
        let launch = self.session.launch();
        let mut left = self.size;
        let mut read_at = Instant::now();
        loop {
            match timeout(LOOK, &mut self.posted.done).await {
                Ok(Ok(())) => return Ok(()),
                Ok(Err(_)) => return Err(cannot(launch, "the session ended before all of it was read")),
                Err(_) => {}
            }
            let (now, before) = (Instant::now(), left);
            left = self.session.outgoing.left(self.posted.id);
            if left < before {
                read_at = now;
            }
            if now >= read_at + STALLED || now >= deadline {
                let end = if self.pasted { PASTE_END } else { b"" };
                self.session.outgoing.take_back(self.posted.id, end);
                let why = format!("the program does not read: {left} of {} bytes were taken back", self.size);
                return Err(cannot(launch, &why));
            }
        }
    }
}

/// A line that the terminal would cut off is refused whole.
fn check_lines(pty: Option<&Pty>, text: &[u8]) -> Result<(), &'static str> {
    let by_line = |pty: &Pty| tcgetattr(pty).is_ok_and(|modes| modes.local_modes.contains(LocalModes::ICANON));
    let mut lines = text.split(|byte| matches!(byte, b'\n' | b'\r'));
    if lines.any(|line| line.len() > LONGEST_LINE) && pty.is_some_and(by_line) {
        return Err(
            "the program reads line by line, and a line of the text is longer than a terminal takes (4095 bytes)",
        );
    }
    Ok(())
}

/// Text that ends its own paste would be typed from there on.
fn without_marks(text: &[u8]) -> Vec<u8> {
    let mut rest = text;
    let mut kept = Vec::with_capacity(text.len());
    while let Some((first, tail)) = rest.split_first() {
        if let Some(after) = rest.strip_prefix(PASTE_END) {
            rest = after;
        } else {
            kept.push(*first);
            rest = tail;
        }
    }
    kept
}

fn cannot(launch: LaunchId, why: &str) -> ExecutorError {
    refused(format!("input to launch {launch}"), why)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_paste_cannot_end_itself() {
        assert_eq!(without_marks(b"a\x1b[201~b\x1b[200~\x1b[201c"), b"ab\x1b[200~\x1b[201c");
    }
}
