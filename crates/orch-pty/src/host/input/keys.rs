//! Keys as the bytes that a terminal sends for them.

use alacritty_terminal::term::TermMode;
use orch_core::ports::Key;

/// Appends a key as the program asked for keys (xterm's ways, kitty's where it wants those).
///
/// # Errors
/// There is no such key.
pub(super) fn encode(key: Key, mode: TermMode, bytes: &mut Vec<u8>) -> Result<(), String> {
    let all = mode.contains(TermMode::REPORT_ALL_KEYS_AS_ESC);
    let told_apart = all || mode.contains(TermMode::DISAMBIGUATE_ESC_CODES);
    match key {
        Key::Enter => special(13, b"\r", all, bytes),
        Key::Tab => special(9, b"\t", all, bytes),
        Key::Backspace => special(127, b"\x7f", all, bytes),
        Key::Escape => special(27, b"\x1b", told_apart, bytes),
        Key::Up => arrow(b'A', mode, bytes),
        Key::Down => arrow(b'B', mode, bytes),
        Key::Right => arrow(b'C', mode, bytes),
        Key::Left => arrow(b'D', mode, bytes),
        Key::Ctrl(c) if c.is_ascii_alphabetic() => {
            let letter = c.to_ascii_lowercase();
            if told_apart {
                bytes.extend(format!("\x1b[{};5u", u32::from(letter)).bytes());
            } else {
                bytes.push(letter as u8 - b'a' + 1);
            }
        }
        Key::Ctrl(c) => return Err(format!("there is no key Control-{c:?}")),
        Key::Char(c) if c.is_control() => return Err(format!("{c:?} is not printable")),
        Key::Char(c) if all => bytes.extend(format!("\x1b[{}u", u32::from(c)).bytes()),
        Key::Char(c) => bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        Key::Redraw => {}
    }
    Ok(())
}

fn special(code: u32, plain: &[u8], coded: bool, bytes: &mut Vec<u8>) {
    if coded {
        bytes.extend(format!("\x1b[{code}u").bytes());
    } else {
        bytes.extend_from_slice(plain);
    }
}

fn arrow(letter: u8, mode: TermMode, bytes: &mut Vec<u8>) {
    let lead = if mode.contains(TermMode::APP_CURSOR) { b"\x1bO" } else { b"\x1b[" };
    bytes.extend_from_slice(lead);
    bytes.push(letter);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_sent_as_the_program_asked() {
        let plain = TermMode::default();
        let application = TermMode::APP_CURSOR;
        let kitty = TermMode::DISAMBIGUATE_ESC_CODES;
        let all = kitty | TermMode::REPORT_ALL_KEYS_AS_ESC;
        let table = [
            (Key::Enter, plain, "\r"),
            (Key::Enter, kitty, "\r"),
            (Key::Enter, all, "\x1b[13u"),
            (Key::Escape, plain, "\x1b"),
            (Key::Escape, kitty, "\x1b[27u"),
            (Key::Up, plain, "\x1b[A"),
            (Key::Left, application, "\x1bOD"),
            (Key::Ctrl('C'), plain, "\x03"),
            (Key::Ctrl('c'), kitty, "\x1b[99;5u"),
            (Key::Char('é'), plain, "é"),
            (Key::Char('y'), all, "\x1b[121u"),
            (Key::Redraw, plain, ""),
        ];
        for (key, mode, want) in table {
            let mut bytes = Vec::new();
            encode(key, mode, &mut bytes).expect("a key");
            assert_eq!(String::from_utf8_lossy(&bytes), want, "{key:?} {mode:?}");
        }
        for odd in [Key::Ctrl('\n'), Key::Ctrl('1'), Key::Char('\x1b')] {
            assert!(encode(odd, plain, &mut Vec::new()).is_err(), "{odd:?}");
        }
    }
}
