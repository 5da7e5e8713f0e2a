//! A person's terminal on a session.

use std::io::{IsTerminal, Read, Write, stdin, stdout};
use std::os::fd::AsFd;

use orch_core::base::LaunchId;
use orch_core::ports::ExecutorError;
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
        // The person's own screen comes back behind it.
        show(b"\x1b[?1049h\x1b[H\x1b[2J")?;
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
    let mut screens = Screens::default();
    let mut keys = keys();
    let mut resized = signal(SignalKind::window_change()).map_err(Failure::other)?;
    let mut hung_up = signal(SignalKind::hangup()).map_err(Failure::other)?;
    loop {
        tokio::select! {
            output = display.output() => match output {
                Some(bytes) => {
                    let (shown, switched) = screens.pass(&bytes);
                    show(&shown)?;
                    if switched {
                        // What the other screen shows comes with a new attachment.
                        Attachment { display, keyboard } = executor.attach(launch, size()).await?;
                        screens = Screens::default();
                    }
                }
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

/// Keeps a program from switching the person's terminal between its two screens: the session is shown on
/// the alternate one, so that the person's own is as it was when they come back.
#[derive(Default)]
struct Screens {
    /// The screen that an attachment begins with was chosen.
    begun: bool,
    /// The beginning of what may become a switch.
    torn: Vec<u8>,
}

/// What switches between the screens (xterm's DECSET 47, 1047, 1049).
const SWITCHES: [&[u8]; 6] =
    [b"\x1b[?1049h", b"\x1b[?1049l", b"\x1b[?1047h", b"\x1b[?1047l", b"\x1b[?47h", b"\x1b[?47l"];

impl Screens {
    /// The output without switches, and whether there was one after the first.
    fn pass(&mut self, bytes: &[u8]) -> (Vec<u8>, bool) {
        let mut rest = std::mem::take(&mut self.torn);
        rest.extend_from_slice(bytes);
        let mut shown = Vec::with_capacity(rest.len());
        let (mut at, mut switched) = (0, false);
        while at < rest.len() {
            let left = &rest[at..];
            if let Some(switch) = SWITCHES.iter().find(|switch| left.starts_with(switch)) {
                at += switch.len();
                switched |= std::mem::replace(&mut self.begun, true);
            } else if SWITCHES.iter().any(|switch| switch.starts_with(left)) {
                self.torn = left.to_vec();
                break;
            } else {
                shown.push(left[0]);
                at += 1;
            }
        }
        (shown, switched)
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
    fn programs_do_not_switch_the_persons_screen() {
        let mut screens = Screens::default();
        assert_eq!(screens.pass(b"\x1b[0m\x1b[?1049l\x1b[Hone"), (b"\x1b[0m\x1b[Hone".to_vec(), false));
        assert_eq!(screens.pass(b"two\x1b[?10"), (b"two".to_vec(), false));
        assert_eq!(screens.pass(b"49hthree"), (b"three".to_vec(), true));
        assert_eq!(screens.pass(b"\x1b[?1"), (Vec::new(), false));
        assert_eq!(screens.pass(b"h\x1b"), (b"\x1b[?1h".to_vec(), false));
        assert_eq!(screens.pass(b"[0m"), (b"\x1b[0m".to_vec(), false));
    }

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
