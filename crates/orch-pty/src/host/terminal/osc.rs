//! Keeps strings that programs send to the terminal (titles, links, clipboards) within bounds: the
//! parser itself collects them for as long as they go on.

/// How much of one string is taken in, in bytes.
const LONGEST: usize = 8 * 1024;

const ESC: u8 = 0x1b;

/// Where in a stream of bytes the strings are.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) enum Osc {
    #[default]
    Outside,
    /// Behind an escape.
    Escape,
    /// So far into a string.
    Inside(usize),
}

impl Osc {
    /// How many of the next bytes the parser may have, and how many behind them it must not get.
    pub(super) fn admit(&mut self, bytes: &[u8]) -> (usize, usize) {
        match *self {
            Self::Outside => {
                let escape = bytes.iter().position(|byte| *byte == ESC);
                if escape.is_some() {
                    *self = Self::Escape;
                }
                (escape.map_or(bytes.len(), |at| at + 1), 0)
            }
            Self::Escape => {
                *self = match bytes.first() {
                    Some(b']') => Self::Inside(0),
                    Some(&ESC) | None => Self::Escape,
                    Some(_) => Self::Outside,
                };
                (bytes.len().min(1), 0)
            }
            Self::Inside(length) => {
                // Bell, cancel, substitute and escape end a string; they are the parser's again.
                let end = bytes.iter().position(|byte| matches!(byte, 0x07 | 0x18 | 0x1a | 0x1b));
                let inside = end.unwrap_or(bytes.len());
                let admitted = inside.min(LONGEST.saturating_sub(length));
                *self = if end.is_some() { Self::Outside } else { Self::Inside(length + admitted) };
                (admitted, inside - admitted)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admitted(pieces: &[&[u8]]) -> Vec<u8> {
        let (mut osc, mut out) = (Osc::default(), Vec::new());
        for piece in pieces {
            let mut rest = *piece;
            while !rest.is_empty() {
                let (take, skip) = osc.admit(rest);
                out.extend_from_slice(&rest[..take]);
                rest = &rest[take + skip..];
            }
        }
        out
    }

    #[test]
    fn only_strings_without_end_are_cut() {
        let plain: &[&[u8]] = &[b"text\x1b", b"[31m\x1b]2;title\x07 \x1b\x1b]8;;x\x1b\\link\x1b]", b"0;a", b"b\x18c"];
        assert_eq!(admitted(plain), plain.concat());
        let long = vec![b'x'; 100_000];
        let cut = admitted(&[b"\x1b]52;c;", &long, &long, b"\x07behind", &long]);
        assert_eq!(cut.len(), 2 + LONGEST + 1 + 6 + long.len());
        assert!(cut[2 + LONGEST..].starts_with(b"\x07behindx"));
    }
}
