//! A person's terminal on a session.

use std::io::{IsTerminal, Read, Write, stdin, stdout};
use std::os::fd::AsFd;

use orch_core::{ExecutorError, LaunchId};
use orch_pty::{Attachment, PtyExecutor};
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use crate::failure::Failure;

/// The key that detaches: Ctrl-\, which programs hardly use.
const DETACH: u8 = 0x1c;
/// The same key in the keyboard protocol of kitty, which a program may have turned on.
const DETACH_KITTY: &[u8] = b"\x1b[92;5u";

/// How an attachment ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Left {
    /// A person detached.
    Detached,
    /// The session ended, or its host did.
    Ended,
}

/// The terminal in raw mode; given back as it was when this goes.
struct Raw(Termios);

impl Raw {
    fn enter() -> Result<Self, Failure> {
        let before = tcgetattr(stdin()).map_err(|error| Failure::other(format!("the terminal: {error}")))?;
        let mut raw = before.clone();
        raw.make_raw();
        tcsetattr(stdin(), OptionalActions::Drain, &raw)
            .map_err(|error| Failure::other(format!("the terminal: {error}")))?;
        Ok(Self(before))
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        // A terminal that is gone needs nothing back.
        let _ = stdout().write_all(Attachment::LEAVE).and_then(|()| stdout().flush());
        let _ = tcsetattr(stdin(), OptionalActions::Flush, &self.0);
    }
}

/// Fails without a terminal on standard input and output.
///
/// # Errors
/// [`Failure`] of bad input, with what to do instead.
pub(crate) fn require(instead: &str) -> Result<(), Failure> {
    if stdin().is_terminal() && stdout().is_terminal() {
        return Ok(());
    }
    Err(Failure::input("attach needs a terminal, on standard input and output").help(instead))
}

/// Connects this terminal to a session until a person detaches or the session ends.
///
/// # Errors
/// [`Failure`] without a terminal or without such a session.
pub(crate) async fn attach(executor: &PtyExecutor, launch: LaunchId) -> Result<Left, Failure> {
    let raw = Raw::enter()?;
    let left = connect(executor, launch).await;
    drop(raw);
    let left = left?;
    let what = match left {
        Left::Detached => "detached; the session goes on",
        Left::Ended => "the session has ended",
    };
    eprintln!("[{what}]");
    Ok(left)
}

async fn connect(executor: &PtyExecutor, launch: LaunchId) -> Result<Left, Failure> {
    let Attachment { mut display, mut keyboard } = executor.attach(launch, size()).await?;
    let mut keys = keys();
    let mut resized = signal(SignalKind::window_change()).map_err(Failure::other)?;
    let mut hung_up = signal(SignalKind::hangup()).map_err(Failure::other)?;
    loop {
        tokio::select! {
            output = display.output() => match output {
                Some(bytes) => show(&bytes)?,
                None => return Ok(Left::Ended),
            },
            typed = keys.recv() => {
                let Some(typed) = typed else { return Ok(Left::Detached) };
                let (typed, leaves) = until_detach(&typed);
                if let Err(error) = keyboard.type_bytes(typed).await {
                    return ended(&error);
                }
                if leaves {
                    return Ok(Left::Detached);
                }
            }
            _ = resized.recv() => {
                if let Err(error) = keyboard.resize(size()).await {
                    return ended(&error);
                }
            }
            _ = hung_up.recv() => return Ok(Left::Detached),
        }
    }
}

/// What cannot be typed any more because the session is gone is no failure.
fn ended(error: &ExecutorError) -> Result<Left, Failure> {
    match error {
        ExecutorError::Unavailable { .. } | ExecutorError::NotFound { .. } => Ok(Left::Ended),
        error => Err(error.clone().into()),
    }
}

/// What is typed before the key that detaches, and whether that was pressed.
fn until_detach(typed: &[u8]) -> (&[u8], bool) {
    let plain = typed.iter().position(|byte| *byte == DETACH);
    let kitty = typed.windows(DETACH_KITTY.len()).position(|piece| piece == DETACH_KITTY);
    match plain.into_iter().chain(kitty).min() {
        Some(at) => (&typed[..at], true),
        None => (typed, false),
    }
}

fn show(bytes: &[u8]) -> Result<(), Failure> {
    let mut stdout = stdout().lock();
    stdout.write_all(bytes).and_then(|()| stdout.flush()).map_err(|_| Failure::NobodyReads)
}

/// Reads the keyboard beside everything else. The thread ends with the process: a read cannot be called off.
fn keys() -> mpsc::Receiver<Vec<u8>> {
    let (sender, receiver) = mpsc::channel(16);
    std::thread::spawn(move || {
        let mut bytes = [0; 4096];
        let mut stdin = stdin().lock();
        while let Ok(count @ 1..) = stdin.read(&mut bytes) {
            if sender.blocking_send(bytes[..count].to_vec()).is_err() {
                return;
            }
        }
    });
    receiver
}

/// The terminal's columns and rows.
fn size() -> (u16, u16) {
    match tcgetwinsize(stdout().as_fd()) {
        Ok(size) if size.ws_col > 0 && size.ws_row > 0 => (size.ws_col, size.ws_row),
        _ => (80, 24),
    }
}

/// Replaces this process by a program.
///
/// # Errors
/// [`Failure`] when it cannot be run; otherwise this does not return.
pub(crate) fn become_program(argv: &[String]) -> Result<(), Failure> {
    use std::os::unix::process::CommandExt;
    let Some((program, args)) = argv.split_first() else { return Err(Failure::other("there is no program to run")) };
    let error = std::process::Command::new(program).args(args).exec();
    Err(Failure::other(format!("cannot run {program}: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_that_detaches_is_not_typed() {
        let cases: [(&[u8], &[u8], bool); 4] = [
            (b"ls\r", b"ls\r", false),
            (b"ab\x1ccd", b"ab", true),
            (b"ab\x1b[92;5u\x1c", b"ab", true),
            (b"\x1b[92;6u", b"\x1b[92;6u", false),
        ];
        for (typed, before, leaves) in cases {
            assert_eq!(until_detach(typed), (before, leaves), "{typed:?}");
        }
    }
}
