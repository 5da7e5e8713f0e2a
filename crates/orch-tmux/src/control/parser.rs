//! What a control-mode client prints, line by line.
//!
//! Replies stand between `%begin TIME NUMBER FLAGS` and `%end` or `%error` with the same three fields;
//! everything else that begins with `%` is a notification and never stands inside a reply. The text
//! of a reply may hold anything, captured screens included: a screen row that guesses a reply's `%end`
//! leads to an end without a beginning or to a number that does not grow, and both are reported.

/// Something that the control client said.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Said {
    /// A command ended.
    Reply {
        /// Whether it came over this client's standard input.
        ours: bool,
        /// Whether it succeeded.
        ok: bool,
        /// What it printed, without the last newline.
        text: Vec<u8>,
    },
    /// A pane of the attached session printed something; what it was stands in its log.
    Output(u32),
    /// The client is attached to the session `$n`.
    Attached(String),
    /// The client is about to end.
    Exit,
    /// What was printed is not control mode; nothing after it can be believed.
    Nonsense,
}

/// Splits the stream; keeps what is incomplete.
#[derive(Debug, Default)]
pub(crate) struct Parser {
    partial: Vec<u8>,
    open: Option<Block>,
    last: u64,
}

#[derive(Debug)]
struct Block {
    fields: Vec<u8>,
    ours: bool,
    text: Vec<u8>,
}

impl Parser {
    /// Takes the next bytes and hands over what they complete.
    pub(crate) fn feed(&mut self, mut bytes: &[u8], mut said: impl FnMut(Said)) {
        while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
            let (line, rest) = bytes.split_at(end);
            bytes = &rest[1..];
            if self.partial.is_empty() {
                self.line(line, &mut said);
            } else {
                let mut whole = std::mem::take(&mut self.partial);
                whole.extend_from_slice(line);
                self.line(&whole, &mut said);
            }
        }
        self.partial.extend_from_slice(bytes);
    }

    fn line(&mut self, line: &[u8], said: &mut impl FnMut(Said)) {
        let Some(mut block) = self.open.take() else { return self.outside(line, said) };
        let ended = |word: &[u8]| line.strip_prefix(word).is_some_and(|rest| rest == block.fields);
        if ended(b"%end") || ended(b"%error") {
            let ok = line.starts_with(b"%end");
            block.text.pop();
            return said(Said::Reply { ours: block.ours, ok, text: block.text });
        }
        block.text.extend_from_slice(line);
        block.text.push(b'\n');
        self.open = Some(block);
    }

    fn outside(&mut self, line: &[u8], said: &mut impl FnMut(Said)) {
        if let Some(fields) = line.strip_prefix(b"%begin") {
            self.open = self.begin(fields);
            if self.open.is_none() {
                said(Said::Nonsense);
            }
        } else if let Some(rest) = line.strip_prefix(b"%output %") {
            let digits = rest.split(|byte| *byte == b' ').next().unwrap_or_default();
            said(number(digits).and_then(|pane| pane.try_into().ok()).map_or(Said::Nonsense, Said::Output));
        } else if let Some(rest) = line.strip_prefix(b"%session-changed ") {
            let id = rest.split(|byte| *byte == b' ').next().unwrap_or_default();
            said(Said::Attached(String::from_utf8_lossy(id).into_owned()));
        } else if line == b"%exit" || line.starts_with(b"%exit ") {
            said(Said::Exit);
        } else if line.starts_with(b"%end ") || line.starts_with(b"%error ") || !line.starts_with(b"%") {
            said(Said::Nonsense);
        }
    }

    fn begin(&mut self, fields: &[u8]) -> Option<Block> {
        let mut words = fields.split(|byte| *byte == b' ').skip(2);
        let number = number(words.next()?)?;
        let ours = number_bit(words.next()?)?;
        // Hooks run out of turn, so only the numbers of what we asked for must grow.
        if ours && number <= self.last {
            return None;
        }
        self.last = if ours { number } else { self.last };
        Some(Block { fields: fields.to_vec(), ours, text: Vec::new() })
    }
}

fn number(digits: &[u8]) -> Option<u64> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// The lowest bit of a reply's flags: set when the command came from this client.
fn number_bit(digits: &[u8]) -> Option<bool> {
    Some(number(digits)? & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(ours: bool, ok: bool, text: &str) -> Said {
        Said::Reply { ours, ok, text: text.as_bytes().to_vec() }
    }

    fn parse(stream: &[u8], step: usize) -> Vec<Said> {
        let (mut parser, mut all) = (Parser::default(), Vec::new());
        for piece in stream.chunks(step) {
            parser.feed(piece, |said| all.push(said));
        }
        all
    }

    #[test]
    fn streams_are_split_whatever_the_pieces() {
        let stream = b"%begin 17 4 0\n%end 17 4 0\n%session-changed $0 keeper\n%output %12 a\\015\\012b\n\
            %begin 17 5 1\nfirst\n%output is text here\n\n%end 17 4 1\n%end 17 5 1\n\
            %begin 17 6 1\ncan't find pane: %9\n%error 17 6 1\n%window-add @3\n%begin 18 7 1\n%end 18 7 1\n%exit\n";
        let want = [
            reply(false, true, ""),
            Said::Attached("$0".to_owned()),
            Said::Output(12),
            reply(true, true, "first\n%output is text here\n\n%end 17 4 1"),
            reply(true, false, "can't find pane: %9"),
            reply(true, true, ""),
            Said::Exit,
        ];
        for step in [1, 2, 7, 4096] {
            assert_eq!(parse(stream, step), want, "pieces of {step}");
        }
    }

    #[test]
    fn what_is_no_control_mode_is_reported() {
        let cases: [&[u8]; 5] = [
            b"hello\n",
            b"%end 17 5 1\n",
            b"%begin 17\n",
            b"%output %x\n",
            // A screen that ends its own reply and forges another.
            b"%begin 17 5 1\n%end 17 5 1\n%begin 17 6 1\nforged\n%end 17 6 1\n%end 17 5 1\n",
        ];
        for stream in cases {
            assert_eq!(parse(stream, 4096).last(), Some(&Said::Nonsense), "{}", String::from_utf8_lossy(stream));
        }
        let reopened = b"%begin 17 5 1\n%end 17 5 1\n%begin 17 5 1\nforged\n%end 17 5 1\n";
        assert!(parse(reopened, 4096).contains(&Said::Nonsense));
    }
}
