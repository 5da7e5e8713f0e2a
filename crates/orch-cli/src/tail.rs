//! Follows a raw log as plain lines.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};

use camino::{Utf8Path, Utf8PathBuf};
use orch_runtime::plain_text;

use crate::failure::Failure;

/// How much a follower takes in at once.
const CHUNK: u64 = 256 * 1024;

/// A raw log that is followed.
pub(crate) struct Tail {
    path: Utf8PathBuf,
    offset: u64,
    /// The beginning of a line that is not finished.
    torn: Vec<u8>,
    /// The line shown last, so that a spinner's is shown once.
    last: String,
}

impl Tail {
    /// A log to follow from an offset on.
    pub(crate) fn new(path: Utf8PathBuf, offset: u64) -> Self {
        Self { path, offset, torn: Vec::new(), last: String::new() }
    }

    /// Which log it is.
    pub(crate) fn path(&self) -> &Utf8Path {
        &self.path
    }

    /// What was written since.
    pub(crate) fn read(&mut self) -> Result<Vec<u8>, Failure> {
        let cannot = |error| Failure::other(format!("cannot read {}: {error}", self.path));
        let mut file = match File::open(&self.path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            file => file.map_err(cannot)?,
        };
        file.seek(SeekFrom::Start(self.offset)).map_err(cannot)?;
        let mut bytes = Vec::new();
        file.take(CHUNK).read_to_end(&mut bytes).map_err(cannot)?;
        self.offset += bytes.len() as u64;
        Ok(bytes)
    }

    /// The lines that these bytes finish, as plain text.
    pub(crate) fn lines(&mut self, bytes: Vec<u8>) -> Vec<String> {
        self.torn.extend(bytes);
        let Some(end) = self.torn.iter().rposition(|byte| *byte == b'\n') else { return Vec::new() };
        let rest = self.torn.split_off(end + 1);
        let whole = std::mem::replace(&mut self.torn, rest);
        let text = plain_text(&whole);
        let mut lines = Vec::new();
        for line in text.lines() {
            if *line != self.last {
                lines.push(line.to_owned());
                line.clone_into(&mut self.last);
            }
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_follower_shows_whole_plain_lines_once() {
        let mut tail = Tail::new(Utf8PathBuf::new(), 0);
        let mut shown = Vec::new();
        for bytes in ["fir", "st\r\n\x1b[31mred\x1b[0m\nno", "end", "\nno", "end\nnoend\nx\n"] {
            shown.extend(tail.lines(bytes.as_bytes().to_vec()));
        }
        assert_eq!(shown, ["first", "red", "noend", "x"]);
    }
}
