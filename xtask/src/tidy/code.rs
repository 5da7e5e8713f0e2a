/// Source text with comments and the contents of literals blanked; lines stay where they are.
pub(super) fn without_text(source: &str) -> String {
    let mut code = String::with_capacity(source.len());
    let mut rest = source;
    let mut before = ' ';
    while let Some(first) = rest.chars().next() {
        let skipped = match first {
            '/' if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
            '/' if rest.starts_with("/*") => block_comment(rest),
            '"' => string(rest),
            '\'' => character(rest),
            'r' if !is_word(before) => raw_string(rest),
            _ => 0,
        };
        let (gone, after) = rest.split_at(skipped);
        if gone.is_empty() {
            code.push(first);
            rest = &rest[first.len_utf8()..];
        } else {
            code.extend(gone.chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
            rest = after;
        }
        before = first;
    }
    code
}

/// The product's part: everything before the tests at the end of the file.
pub(super) fn product(source: &str) -> &str {
    let mut at = 0;
    let mut marked = None;
    for line in source.split_inclusive('\n') {
        let text = line.trim_end();
        if let Some(start) = marked
            && text.starts_with("mod ")
            && text.ends_with('{')
        {
            return &source[..start];
        }
        marked = if text == "#[cfg(test)]" { Some(at) } else { marked.filter(|_| text.starts_with("#[")) };
        at += line.len();
    }
    source
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn block_comment(rest: &str) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while at < rest.len() {
        match &rest.as_bytes()[at..] {
            [b'/', b'*', ..] => (depth, at) = (depth + 1, at + 2),
            [b'*', b'/', ..] if depth == 1 => return at + 2,
            [b'*', b'/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
    }
    rest.len()
}

fn string(rest: &str) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

/// A lifetime is no literal: nothing is skipped.
fn character(rest: &str) -> usize {
    let mut chars = rest.char_indices().skip(1);
    match (chars.next(), chars.next()) {
        (Some((_, '\\')), Some(_)) => chars.find(|(_, c)| *c == '\'').map_or(0, |(at, _)| at + 1),
        (Some(_), Some((at, '\''))) => at + 1,
        _ => 0,
    }
}

fn raw_string(rest: &str) -> usize {
    let hashes = rest[1..].bytes().take_while(|b| *b == b'#').count();
    if rest.as_bytes().get(1 + hashes) != Some(&b'"') {
        return 0;
    }
    let body = 2 + hashes;
    let end = format!("\"{}", "#".repeat(hashes));
    rest[body..].find(&end).map_or(rest.len(), |at| body + at + end.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_literals_are_blanked() {
        let table = [
            ("a // b\nc", "a\nc"),
            ("a /* b /* c */ d */ e", "a e"),
            (r#"f("a \" // b", 1)"#, "f( , 1)"),
            ("let c = '\"'; g::<'a>('\\'', 'x')", "let c = ; g::<'a>( , )"),
            ("r#\"a \" b\"# + c", " + c"),
            ("for\"x\" r#type", "for r#type"),
            ("\"one\ntwo\" x", "\n x"),
            ("\"never closed", ""),
            ("/* never closed", ""),
        ];
        let squeezed = |text: &str| {
            let words = |line: &str| {
                let mut line = line.trim_end().to_owned();
                while line.contains("  ") {
                    line = line.replace("  ", " ");
                }
                line
            };
            text.split('\n').map(words).collect::<Vec<_>>().join("\n")
        };
        for (source, expected) in table {
            let code = without_text(source);
            assert_eq!(squeezed(&code), expected, "{source}");
            assert_eq!(code.chars().count(), source.chars().count(), "{source}");
        }
    }

    #[test]
    fn tests_at_the_end_are_no_product() {
        let table = [
            ("a\n#[cfg(test)]\nmod tests {\nb\n}\n", "a\n"),
            ("a\n#[cfg(test)]\n#[path = \"x\"]\nmod tests {\nb", "a\n"),
            ("a\n#[cfg(test)]\nmod tests;\nb\n", "a\n#[cfg(test)]\nmod tests;\nb\n"),
            ("a\n", "a\n"),
        ];
        for (source, expected) in table {
            assert_eq!(product(source), expected, "{source}");
        }
    }
}
