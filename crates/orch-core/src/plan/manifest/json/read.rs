//! The reader: one pass, no recursion, bounded depth.

use std::borrow::Cow;

use crate::base::text::escape_line;

use super::super::problem::{At, ProblemKind, quoted};
use super::{Document, Kind, Node, Value};

/// How deep arrays and objects may nest.
const MAX_DEPTH: usize = 128;

/// Something wrong with a text as JSON.
#[derive(Debug)]
pub(in crate::plan::manifest) struct Fault {
    pub(in crate::plan::manifest) kind: ProblemKind,
    pub(in crate::plan::manifest) offset: u32,
    pub(in crate::plan::manifest) path: String,
    pub(in crate::plan::manifest) message: String,
    pub(in crate::plan::manifest) help: &'static str,
}

/// Reads a document. Duplicate keys do not stop the reader; any other fault does.
pub(in crate::plan::manifest) fn read(text: String) -> (Option<Document>, Vec<Fault>) {
    let mut reader = Reader { text: &text, at: 0, nodes: Vec::new(), open: Vec::new(), faults: Vec::new() };
    let done = reader.run();
    let Reader { nodes, mut faults, .. } = reader;
    match done {
        Ok(()) => (Some(Document { text, nodes }), faults),
        Err(fault) => {
            faults.push(fault);
            (None, faults)
        }
    }
}

struct Reader<'t> {
    text: &'t str,
    at: usize,
    nodes: Vec<Node>,
    open: Vec<Frame>,
    faults: Vec<Fault>,
}

/// A container that is not closed yet.
struct Frame {
    node: usize,
    count: usize,
    /// The node of the current key, in an object.
    key: Option<usize>,
}

type Read<T> = Result<T, Fault>;

impl<'t> Reader<'t> {
    fn run(&mut self) -> Read<()> {
        self.blank();
        loop {
            if self.value()? {
                self.key()?;
                continue;
            }
            if self.close()? {
                return Ok(());
            }
        }
    }

    /// Reads a value; `true` if it opened a container with something in it.
    fn value(&mut self) -> Read<bool> {
        match self.peek() {
            Some(b'{') => self.container(Kind::Object, b'}'),
            Some(b'[') => self.container(Kind::Array, b']'),
            Some(b'"') => self.string().map(|()| false),
            Some(b'-' | b'0'..=b'9') => self.number().map(|()| false),
            Some(b't') => self.word("true", Kind::True),
            Some(b'f') => self.word("false", Kind::False),
            Some(b'n') => self.word("null", Kind::Null),
            _ => Err(self.unexpected("a value")),
        }
    }

    fn container(&mut self, kind: Kind, end: u8) -> Read<bool> {
        if self.open.len() >= MAX_DEPTH {
            let message = format!("this is nested more than {MAX_DEPTH} levels deep");
            return Err(self.fault(
                ProblemKind::TooDeep,
                message,
                "a manifest needs five levels; flatten what is deeper",
            ));
        }
        let node = self.nodes.len();
        self.push(kind, self.at, self.at + 1);
        self.at += 1;
        self.blank();
        if self.peek() == Some(end) {
            self.at += 1;
            self.finish(node);
            return Ok(false);
        }
        self.open.push(Frame { node, count: 0, key: None });
        Ok(true)
    }

    /// Reads the key that comes next, if the innermost container is an object.
    fn key(&mut self) -> Read<()> {
        self.blank();
        let Some(frame) = self.open.last_mut() else { return Ok(()) };
        if self.nodes[frame.node].kind != Kind::Object {
            return Ok(());
        }
        frame.key = None;
        if self.peek() != Some(b'"') {
            return Err(self.unexpected("a key in double quotes"));
        }
        let key = self.nodes.len();
        self.string()?;
        self.blank();
        if self.peek() != Some(b':') {
            return Err(self.unexpected("':' after the key"));
        }
        self.at += 1;
        self.blank();
        if let Some(frame) = self.open.last_mut() {
            frame.key = Some(key);
        }
        Ok(())
    }

    /// After a value: closes what ends here and goes to the next member; `true` at the document's end.
    fn close(&mut self) -> Read<bool> {
        loop {
            self.blank();
            let Some(frame) = self.open.last_mut() else {
                return if self.at == self.text.len() { Ok(true) } else { Err(self.unexpected("the end of the file")) };
            };
            let (node, is_object) = (frame.node, self.nodes[frame.node].kind == Kind::Object);
            match self.text.as_bytes().get(self.at) {
                Some(b',') => {
                    frame.count += 1;
                    self.at += 1;
                    self.blank();
                    if matches!(self.peek(), Some(b'}' | b']')) {
                        let message = "there is a comma before the closing bracket".to_owned();
                        return Err(self.fault(ProblemKind::Syntax, message, "remove that comma"));
                    }
                    self.key()?;
                    return Ok(false);
                }
                Some(b'}') if is_object => self.check_keys(node),
                Some(b']') if !is_object => {}
                _ => return Err(self.unexpected(if is_object { "',' or '}'" } else { "',' or ']'" })),
            }
            self.at += 1;
            self.finish(node);
            self.open.pop();
        }
    }

    fn string(&mut self) -> Read<()> {
        let start = self.at;
        let mut kind = Kind::Text;
        self.at += 1;
        loop {
            match self.peek() {
                Some(b'"') => break,
                Some(b'\\') => {
                    kind = Kind::Escaped;
                    self.escape()?;
                }
                Some(0x20..) => self.at += 1,
                Some(b'\n' | b'\r') => {
                    let message = "the string does not end on its line".to_owned();
                    return Err(self.fault(
                        ProblemKind::Syntax,
                        message,
                        "close it with \", or write \\n for a line break",
                    ));
                }
                Some(control) => {
                    let message = format!("a string may not hold the control character U+{control:04X}");
                    return Err(self.fault(ProblemKind::Syntax, message, "write it as \\u00XX, or remove it"));
                }
                None => {
                    self.at = start;
                    let message = "the string is never closed".to_owned();
                    return Err(self.fault(ProblemKind::Syntax, message, "close it with \""));
                }
            }
        }
        self.at += 1;
        self.push(kind, start, self.at);
        Ok(())
    }

    fn escape(&mut self) -> Read<()> {
        let start = self.at;
        let (length, right) = match self.text.as_bytes().get(start + 1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => (2, true),
            Some(b'u') => match (self.unit(start), self.unit(start + 6)) {
                (Some(0xd800..=0xdbff), Some(0xdc00..=0xdfff)) => (12, true),
                (Some(0xd800..=0xdfff) | None, _) => (0, false),
                (Some(_), _) => (6, true),
            },
            _ => (0, false),
        };
        if !right {
            let message = "the string has an escape that JSON does not know".to_owned();
            return Err(self.fault(
                ProblemKind::Syntax,
                message,
                "JSON knows \\\" \\\\ \\/ \\b \\f \\n \\r \\t and \\uXXXX (surrogates in pairs); double a backslash that means itself",
            ));
        }
        self.at = start + length;
        Ok(())
    }

    /// The code unit of a `\uXXXX` at an offset.
    fn unit(&self, at: usize) -> Option<u16> {
        let digits = self.text.as_bytes().get(at..at + 6)?.strip_prefix(b"\\u")?;
        let digits = std::str::from_utf8(digits).ok().filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()))?;
        u16::from_str_radix(digits, 16).ok()
    }

    fn number(&mut self) -> Read<()> {
        let start = self.at;
        let is_part = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.');
        let length = self.text.as_bytes()[start..].iter().take_while(|b| is_part(b)).count();
        let written = &self.text[start..start + length];
        if !is_number(written) {
            let message = "this is not a number as JSON writes it".to_owned();
            return Err(self.fault(
                ProblemKind::Syntax,
                message,
                "write digits without leading zeros, as in 4, -1 or 2.5e3",
            ));
        }
        self.push(Kind::Number, start, start + length);
        self.at += length;
        Ok(())
    }

    fn word(&mut self, word: &str, kind: Kind) -> Read<bool> {
        if !self.text[self.at..].starts_with(word) {
            return Err(self.unexpected("a value"));
        }
        self.push(kind, self.at, self.at + word.len());
        self.at += word.len();
        Ok(false)
    }

    fn check_keys(&mut self, object: usize) {
        let mut keys = Vec::new();
        let mut at = object + 1;
        while at < self.nodes.len() {
            keys.push((self.key_text(at), at));
            at = self.nodes[at + 1].after as usize;
        }
        keys.sort_unstable();
        for pair in keys.windows(2).filter(|pair| pair[0].0 == pair[1].0) {
            if self.faults.len() >= ProblemKind::DuplicateKey.limit() {
                return;
            }
            let (key, node) = &pair[1];
            let message = format!("the key {} stands twice in one object", quoted(key));
            let (path, offset) = (self.path(Some(key)), self.nodes[*node].start);
            let help = "keep one of the two";
            self.faults.push(Fault { kind: ProblemKind::DuplicateKey, offset, path, message, help });
        }
    }

    fn key_text(&self, node: usize) -> Cow<'t, str> {
        let Node { kind, start, end, .. } = self.nodes[node];
        let raw = &self.text[start as usize..end as usize];
        match kind {
            Kind::Escaped => serde_json::from_str(raw).unwrap_or_default(),
            _ => Cow::Borrowed(&raw[1..raw.len() - 1]),
        }
    }

    fn push(&mut self, kind: Kind, start: usize, end: usize) {
        let after = self.nodes.len() + 1;
        self.nodes.push(Node { kind, start: offset(start), end: offset(end), after: offset(after) });
    }

    fn finish(&mut self, node: usize) {
        let (end, after) = (offset(self.at), offset(self.nodes.len()));
        self.nodes[node].end = end;
        self.nodes[node].after = after;
    }

    fn blank(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn fault(&self, kind: ProblemKind, message: String, help: &'static str) -> Fault {
        Fault { kind, offset: offset(self.at), path: self.path(None), message, help }
    }

    fn unexpected(&self, wanted: &str) -> Fault {
        let rest = &self.text[self.at..];
        let found = rest.chars().next().map_or_else(
            || "the file ends".to_owned(),
            |letter| format!("`{}` stands", escape_line(&letter.to_string())),
        );
        let help = match rest.as_bytes() {
            [] => "the file was cut short: close what is open",
            [b'/', b'/' | b'*', ..] | [b'#', ..] => "JSON has no comments: remove it",
            [b'\'', ..] => "JSON writes strings in double quotes",
            [b'<' | b'=' | b'>', ..] => "resolve the merge conflict",
            [0, ..] => "this is no JSON text: save it as UTF-8",
            [b'"' | b'{' | b'[', ..] if wanted.starts_with("','") => "put a comma between the two",
            _ if wanted.starts_with("a key") => "write keys in double quotes",
            _ => "write JSON: https://www.json.org",
        };
        self.fault(ProblemKind::Syntax, format!("{found} where {wanted} should be"), help)
    }

    /// The path of the place that the reader is at, or of a key in the innermost object.
    fn path(&self, key: Option<&str>) -> String {
        let mut path = String::from("$");
        let last = self.open.len().saturating_sub(1);
        for (depth, frame) in self.open.iter().enumerate() {
            let own =
                frame.key.map(|node| self.nodes[node]).map(|node| &self.text[node.start as usize..node.end as usize]);
            if self.nodes[frame.node].kind == Kind::Array {
                At::Item(&At::Root, frame.count).push_last(&mut path);
            } else if let Some(key) = key.filter(|_| depth == last) {
                At::Key(&At::Root, key).push_last(&mut path);
            } else if let Some(key) = own.and_then(|raw| serde_json::from_str::<String>(raw).ok()) {
                At::Key(&At::Root, &key).push_last(&mut path);
            }
        }
        path
    }
}

/// Lengths are bounded by the size limit of a manifest, which fits.
fn offset(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

fn is_number(text: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let text = text.strip_prefix('-').unwrap_or(text);
    let (mantissa, exponent) = text.split_once(['e', 'E']).map_or((text, None), |(m, e)| (m, Some(e)));
    let (whole, fraction) = mantissa.split_once('.').map_or((mantissa, None), |(w, f)| (w, Some(f)));
    digits(whole)
        && (whole == "0" || !whole.starts_with('0'))
        && fraction.is_none_or(digits)
        && exponent.is_none_or(|e| digits(e.strip_prefix(['+', '-']).unwrap_or(e)))
}

impl Value<'_> {
    /// A number as a whole one, also when written as `4.0`.
    pub(in crate::plan::manifest) fn whole(self) -> Option<u64> {
        let raw = self.raw();
        match self.kind() {
            Kind::Number => raw.parse().ok().or_else(|| raw.trim_end_matches('0').strip_suffix('.')?.parse().ok()),
            _ => None,
        }
    }

    /// A number as a finite one.
    pub(in crate::plan::manifest) fn number(self) -> Option<f64> {
        let raw = if self.kind() == Kind::Number { self.raw() } else { "" };
        raw.parse().ok().filter(|number: &f64| number.is_finite())
    }
}
