//! JSON that remembers where everything stands: one flat list of nodes over the source text.

mod read;
mod write;

use std::borrow::Cow;
use std::fmt;

pub(super) use read::read;
pub(super) use write::Pretty;

/// A document and its nodes, in the order of their beginnings; the first is the whole.
#[derive(Clone)]
pub(super) struct Document {
    text: String,
    nodes: Vec<Node>,
}

#[derive(Clone, Copy)]
struct Node {
    kind: Kind,
    start: u32,
    end: u32,
    /// The index of the first node behind this one and all that is in it.
    after: u32,
}

/// What a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Null,
    False,
    True,
    Number,
    /// A string without escapes.
    Text,
    /// A string with escapes.
    Escaped,
    Array,
    Object,
}

/// A value of a document.
#[derive(Clone, Copy)]
pub(super) struct Value<'d> {
    document: &'d Document,
    index: u32,
}

impl Document {
    pub(super) fn root(&self) -> Value<'_> {
        Value { document: self, index: 0 }
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }
}

impl<'d> Value<'d> {
    pub(super) fn kind(self) -> Kind {
        self.node().kind
    }

    /// Where it begins, in bytes.
    pub(super) fn start(self) -> u32 {
        self.node().start
    }

    /// The source text of it.
    pub(super) fn raw(self) -> &'d str {
        let node = self.node();
        &self.document.text[node.start as usize..node.end as usize]
    }

    pub(super) fn is_null(self) -> bool {
        self.kind() == Kind::Null
    }

    /// The text of a string.
    pub(super) fn text(self) -> Option<Cow<'d, str>> {
        let raw = self.raw();
        match self.kind() {
            Kind::Text => Some(Cow::Borrowed(&raw[1..raw.len() - 1])),
            Kind::Escaped => serde_json::from_str(raw).ok().map(Cow::Owned),
            _ => None,
        }
    }

    /// The items of an array; none for anything else.
    pub(super) fn items(self) -> impl Iterator<Item = Value<'d>> {
        self.children(Kind::Array)
    }

    /// The members of an object; none for anything else.
    pub(super) fn members(self) -> impl Iterator<Item = (Value<'d>, Value<'d>)> {
        let mut inside = self.children(Kind::Object);
        std::iter::from_fn(move || Some((inside.next()?, inside.next()?)))
    }

    /// The member of that name.
    pub(super) fn member(self, name: &str) -> Option<Value<'d>> {
        self.members().find(|(key, _)| key.text().is_some_and(|key| key == name)).map(|(_, value)| value)
    }

    fn children(self, kind: Kind) -> impl Iterator<Item = Value<'d>> {
        let end = if self.kind() == kind { self.node().after } else { self.index };
        let mut next = self.index + 1;
        std::iter::from_fn(move || {
            let child = Value { index: next, ..self };
            (next < end).then(|| {
                next = child.node().after;
                child
            })
        })
    }

    fn node(self) -> Node {
        self.document.nodes[self.index as usize]
    }
}

impl Kind {
    /// The kind in words, with its article.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::False | Self::True => "a boolean",
            Self::Number => "a number",
            Self::Text | Self::Escaped => "a string",
            Self::Array => "an array",
            Self::Object => "an object",
        }
    }
}

impl fmt::Debug for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Document({} bytes, {} nodes)", self.text.len(), self.nodes.len())
    }
}

#[cfg(test)]
mod tests;
