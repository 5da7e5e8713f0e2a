/// Puts values in place of `{name}` in one argument, in one pass: what a value contains is never read
/// as a placeholder again, and names that `value_of` does not know stay as they are. A value that
/// begins the argument cannot make an option of it.
pub(crate) fn fill<'v>(template: &str, value_of: impl Fn(&str) -> Option<&'v str>) -> String {
    let mut filled = String::with_capacity(template.len());
    let mut rest = template;
    while let Some(open) = rest.find('{') {
        filled.push_str(&rest[..open]);
        let after = &rest[open + 1..];
        let known = after.find('}').and_then(|close| Some((value_of(&after[..close])?, close)));
        if let Some((value, close)) = known {
            filled.push_str(value);
            rest = &after[close + 1..];
        } else {
            filled.push('{');
            rest = after;
        }
    }
    filled.push_str(rest);
    if filled.starts_with('-') && !template.starts_with('-') {
        filled.insert(0, ' ');
    }
    filled
}

/// The names in braces of one argument that look like placeholders: letters and `_` only.
pub(crate) fn placeholders(template: &str) -> impl Iterator<Item = &str> {
    let is_name = |name: &&str| !name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
    template.split('{').skip(1).filter_map(|part| part.split_once('}').map(|(name, _)| name)).filter(is_name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_replace_placeholders_once_and_literally() {
        let value = |name: &str| match name {
            "title" => Some("{text}; $(rm) --x"),
            "text" => Some("-u critical"),
            _ => None,
        };
        let table = [
            ("plain", "plain"),
            ("{title}", "{text}; $(rm) --x"),
            ("a {text} b {text}", "a -u critical b -u critical"),
            ("{text}", " -u critical"),
            ("-m{text}", "-m-u critical"),
            ("{unknown} {", "{unknown} {"),
            ("{{text}}", "{-u critical}"),
            ("{a{text}", "{a-u critical"),
            ("", ""),
        ];
        for (template, expected) in table {
            assert_eq!(fill(template, value), expected, "{template}");
        }
    }

    #[test]
    fn placeholders_are_words_in_braces() {
        let names: Vec<&str> = placeholders("{prompt} x{task_id}{} {a b} {\"k\":1} {open").collect();
        assert_eq!(names, ["prompt", "task_id"]);
    }
}
