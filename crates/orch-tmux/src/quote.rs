//! tmux's command language, written so that every byte arrives as it was meant.

use std::fmt::Write;

/// One line for the control client: commands that tmux runs in one go, up to the first that fails.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Line {
    text: String,
    commands: usize,
}

impl Line {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Adds a command; words may hold anything but NUL.
    pub(crate) fn command<'a>(mut self, words: impl IntoIterator<Item = &'a str>) -> Self {
        self.push(words);
        self
    }

    /// Adds a command; words may hold anything but NUL.
    pub(crate) fn push<'a>(&mut self, words: impl IntoIterator<Item = &'a str>) {
        if self.commands > 0 {
            self.text.push_str(" ;");
        }
        self.commands += 1;
        for word in words {
            if !self.text.is_empty() {
                self.text.push(' ');
            }
            quote_into(&mut self.text, word);
        }
    }

    pub(crate) fn commands(&self) -> usize {
        self.commands
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }
}

/// A word of tmux's command language that stands for exactly `word`.
pub(crate) fn quoted(word: &str) -> String {
    let mut out = String::new();
    quote_into(&mut out, word);
    out
}

/// Text in which tmux finds no format to expand.
pub(crate) fn unformatted(text: &str) -> String {
    text.replace('#', "##")
}

/// Text for the few arguments that tmux hands to `strftime` before it looks for formats.
pub(crate) fn undated(text: &str) -> String {
    unformatted(text).replace('%', "%%")
}

/// A word of the POSIX shell's language that stands for exactly `word`.
pub(crate) fn shell_quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// In double quotes tmux reads `\ooo` as one byte, so everything that could mean something (quotes,
/// `$`, `~`, `#`, `;`, `{`, `%`, control characters) goes as octal; what is left means itself.
fn quote_into(out: &mut String, word: &str) {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '/' | '.' | ',' | ':' | '@' | '+');
    if !word.is_empty() && word.chars().all(plain) {
        out.push_str(word);
        return;
    }
    out.push('"');
    for c in word.chars() {
        if plain(c) || matches!(c, ' ' | '=' | '(' | ')' | '|' | '!' | '?' | '*' | '<' | '>' | '&') || !c.is_ascii() {
            out.push(c);
        } else {
            write!(out, "\\{:03o}", u32::from(c)).expect("writing to a String cannot fail");
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_so_that_nothing_is_left_to_interpret() {
        let cases = [
            ("new-session", "new-session"),
            ("", r#""""#),
            ("two words", r#""two words""#),
            ("%5", r#""\0455""#),
            ("~", r#""\176""#),
            ("end;", r#""end\073""#),
            ("$HOME `x` \"q\" \\", r#""\044HOME \140x\140 \042q\042 \134""#),
            ("#{pid}", r#""\043\173pid\175""#),
            ("line\nbreak\r\t", r#""line\012break\015\011""#),
            ("grüße", r#""grüße""#),
        ];
        for (word, want) in cases {
            assert_eq!(quoted(word), want, "{word:?}");
        }
    }

    #[test]
    fn lines_join_commands() {
        let line = Line::new().command(["a", "b c"]).command(["d"]);
        assert_eq!((line.text(), line.commands()), (r#"a "b c" ; d"#, 2));
    }

    #[test]
    fn paths_survive_shell_format_and_date() {
        assert_eq!(undated(&shell_quoted("/a'b/%H#{pid}")), r"'/a'\''b/%%H##{pid}'");
    }
}
