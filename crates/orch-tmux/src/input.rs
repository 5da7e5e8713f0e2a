//! Typing into a session.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use camino::Utf8PathBuf;
use orch_core::base::LaunchId;
use orch_core::ports::{ExecutorError, Fingerprint, Key, SessionInput};

use crate::config::write_private;
use crate::inner::{Inner, broken_off};
use crate::quote::{Line, unformatted};
use crate::record::Record;
use crate::screen::look_at;
use crate::server::unavailable;

/// Delivers text, then keys. Nothing is typed when the screen is not the expected one.
pub(crate) async fn deliver(
    inner: &Arc<Inner>,
    launch: LaunchId,
    input: &SessionInput,
    expected: Option<Fingerprint>,
) -> Result<(), ExecutorError> {
    let record = inner.find(launch).await?.ok_or(ExecutorError::NotFound { launch })?;
    if record.dead || record.status.is_some() {
        return Err(refused(launch, "the session has ended"));
    }
    let keys = input.keys.iter().map(|key| pressed(*key, launch)).collect::<Result<Vec<_>, _>>()?;
    let text = input.text.as_deref().filter(|text| !text.is_empty());
    let parcel = text.map(|text| Parcel::pack(inner, text)).transpose();
    let parcel = parcel.map_err(|error| unavailable(format!("{}: {error}", inner.config.conf_dir)))?;
    if let Some(expected) = expected
        && Fingerprint::of(&look_at(inner, &record).await?.text) != expected
    {
        return Err(ExecutorError::Stale { launch });
    }
    let Some(link) = inner.link(false).await? else { return Err(ExecutorError::NotFound { launch }) };
    let line = typing(&record, parcel.as_ref(), &keys);
    // Never asked twice: what was typed before a connection broke is not known.
    match broken_off(link.control.run(&line).await)?.pop() {
        Some(Err(why)) => Err(refused(launch, &why)),
        Some(Ok(_)) | None => Ok(()),
    }
}

/// Text on its way: a private file that the server reads, because no argument is as exact and as long.
struct Parcel {
    file: Utf8PathBuf,
    buffer: String,
}

impl Parcel {
    fn pack(inner: &Inner, text: &str) -> io::Result<Self> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let buffer = format!("orch-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let file = inner.config.conf_dir.join(format!("{buffer}.paste"));
        write_private(&file, text.as_bytes())?;
        Ok(Self { file, buffer })
    }
}

impl Drop for Parcel {
    fn drop(&mut self) {
        // A file that stays behind is private, and gone with the directory.
        std::fs::remove_file(&self.file).unwrap_or_default();
    }
}

enum Press {
    /// A key by tmux's name.
    Named(String),
    /// A character as it is.
    Literal(char),
    /// The window one row smaller and back.
    Resize,
}

fn typing(record: &Record, parcel: Option<&Parcel>, keys: &[Press]) -> Line {
    let (pane, window) = (record.target(), record.window.as_str());
    // Leaves copy mode, in which keys would be commands; does nothing in no mode.
    let mut line = Line::new().command(["copy-mode", "-q", "-t", &pane]);
    if let Some(Parcel { file, buffer }) = parcel {
        line.push(["load-buffer", "-b", buffer, &unformatted(file.as_str())]);
        line.push(["paste-buffer", "-p", "-r", "-d", "-b", buffer, "-t", &pane]);
    }
    for key in keys {
        match key {
            Press::Named(name) => line.push(["send-keys", "-t", &pane, name]),
            Press::Literal(c) => line.push(["send-keys", "-t", &pane, "-l", "--", c.encode_utf8(&mut [0; 4])]),
            Press::Resize => {
                let (columns, rows) = (record.size.0.to_string(), record.size.1);
                let smaller = if rows > 1 { rows - 1 } else { rows + 1 }.to_string();
                line.push(["resize-window", "-t", window, "-x", &columns, "-y", &smaller]);
                line.push(["resize-window", "-t", window, "-x", &columns, "-y", &rows.to_string()]);
                // Resizing by hand fixes the size; terminals that attach later shall set it again.
                line.push(["set-option", "-w", "-u", "-t", window, "window-size"]);
            }
        }
    }
    line
}

fn pressed(key: Key, launch: LaunchId) -> Result<Press, ExecutorError> {
    let name = match key {
        Key::Enter => "Enter".to_owned(),
        Key::Escape => "Escape".to_owned(),
        Key::Tab => "Tab".to_owned(),
        Key::Backspace => "BSpace".to_owned(),
        Key::Up => "Up".to_owned(),
        Key::Down => "Down".to_owned(),
        Key::Left => "Left".to_owned(),
        Key::Right => "Right".to_owned(),
        Key::Ctrl(c) if c.is_ascii_alphabetic() => format!("C-{}", c.to_ascii_lowercase()),
        Key::Ctrl(c) => return Err(refused(launch, &format!("there is no key Control-{c:?}"))),
        Key::Char(c) if c.is_control() => return Err(refused(launch, &format!("{c:?} is not printable"))),
        Key::Char(c) => return Ok(Press::Literal(c)),
        Key::Redraw => return Ok(Press::Resize),
    };
    Ok(Press::Named(name))
}

fn refused(launch: LaunchId, why: &str) -> ExecutorError {
    ExecutorError::Refused { what: format!("input to launch {launch}"), why: why.to_owned() }
}
