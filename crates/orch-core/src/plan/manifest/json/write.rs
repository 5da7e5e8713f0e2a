//! The writer: two blanks a level, as `serde_json` prints, with numbers and strings as they were written.

use super::{Kind, Value};

/// Text being written.
pub(in crate::plan::manifest) struct Pretty {
    out: String,
    depth: usize,
    /// Whether the innermost container has something in it.
    filled: bool,
}

impl Pretty {
    pub(in crate::plan::manifest) fn new() -> Self {
        Self { out: String::new(), depth: 0, filled: false }
    }

    /// The text, with a newline at its end.
    pub(in crate::plan::manifest) fn finish(mut self) -> String {
        self.out.push('\n');
        self.out
    }

    pub(in crate::plan::manifest) fn begin(&mut self, bracket: char) {
        self.out.push(bracket);
        self.depth += 1;
        self.filled = false;
    }

    pub(in crate::plan::manifest) fn end(&mut self, bracket: char) {
        self.depth -= 1;
        if self.filled {
            self.line();
        }
        self.out.push(bracket);
        self.filled = true;
    }

    /// Goes to the next item of an array.
    pub(in crate::plan::manifest) fn item(&mut self) {
        if self.filled {
            self.out.push(',');
        }
        self.line();
        self.filled = true;
    }

    /// Writes a key; its raw text has the quotes.
    pub(in crate::plan::manifest) fn key(&mut self, raw: &str) {
        self.item();
        self.out.push_str(raw);
        self.out.push_str(": ");
    }

    /// Writes a member whose value is given as data.
    pub(in crate::plan::manifest) fn member(&mut self, name: &str, value: &serde_json::Value) {
        self.key(&serde_json::Value::from(name).to_string());
        self.data(value);
    }

    /// Writes a value given as data.
    pub(in crate::plan::manifest) fn data(&mut self, value: &serde_json::Value) {
        let indented = format!("\n{}", "  ".repeat(self.depth));
        // Strings in JSON hold no raw line feeds, so every one is layout.
        self.out.push_str(&format!("{value:#}").replace('\n', &indented));
    }

    /// Writes a value of a document as it is.
    pub(in crate::plan::manifest) fn copy(&mut self, value: Value<'_>) {
        match value.kind() {
            Kind::Array => {
                self.begin('[');
                for item in value.items() {
                    self.item();
                    self.copy(item);
                }
                self.end(']');
            }
            Kind::Object => {
                self.begin('{');
                for (key, value) in value.members() {
                    self.key(key.raw());
                    self.copy(value);
                }
                self.end('}');
            }
            _ => self.out.push_str(value.raw()),
        }
    }

    fn line(&mut self) {
        self.out.push('\n');
        self.out.extend(std::iter::repeat_n("  ", self.depth));
    }
}
