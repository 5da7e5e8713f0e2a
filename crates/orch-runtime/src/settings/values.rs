use std::ops::RangeInclusive;

use orch_core::agents::PromptVia;
use orch_core::base::Millis;
use toml::Spanned;
use toml::de::DeValue;

use super::duration;
use super::problem::nearest;
use crate::template::placeholders;

const PROMPTS: [(&str, PromptVia); 4] = [
    ("argument", PromptVia::Argument),
    ("file", PromptVia::File),
    ("stdin", PromptVia::Stdin),
    ("paste", PromptVia::Paste),
];

/// A value that does not fit its key: what is wrong and what to do.
pub(super) struct Misfit(pub(super) String, pub(super) Option<String>);

pub(super) type Fit<T> = Result<T, Misfit>;

pub(super) fn misfit<T>(message: &str) -> Fit<T> {
    Err(Misfit(message.to_owned(), None))
}

pub(super) fn wrong_type<T>(value: &Spanned<DeValue<'_>>, wanted: &str, help: &str) -> Fit<T> {
    let found = value.get_ref().type_str();
    let article = if found.starts_with(['a', 'e', 'i', 'o']) { "an" } else { "a" };
    Err(Misfit(format!("it must be {wanted}, not {article} {found}"), Some(help.to_owned())))
}

pub(super) fn span(value: &Spanned<DeValue<'_>>, range: &RangeInclusive<u64>) -> Fit<Millis> {
    let help = "write a duration such as \"250ms\", \"90s\", \"5m\" or \"1h30m\"";
    let Some(text) = value.get_ref().as_str() else { return wrong_type(value, "a duration in quotes", help) };
    match duration::parse(text) {
        Err(why) => Err(Misfit(format!("{text:?}: {why}"), Some(help.to_owned()))),
        Ok(span) if span.0 < *range.start() => {
            misfit(&format!("{text:?} is too short; the least is {}", Millis(*range.start())))
        }
        Ok(span) => Ok(span),
    }
}

pub(super) fn count(value: &Spanned<DeValue<'_>>, range: &RangeInclusive<u32>) -> Fit<u32> {
    let help = format!("write a whole number from {} to {}", range.start(), range.end());
    let Some(integer) = value.get_ref().as_integer() else { return wrong_type(value, "a number", &help) };
    let number = u32::from_str_radix(integer.as_str(), integer.radix()).ok().filter(|n| range.contains(n));
    number.ok_or_else(|| Misfit(format!("{} is out of range", integer.as_str()), Some(help)))
}

pub(super) fn switch(value: &Spanned<DeValue<'_>>) -> Fit<bool> {
    value.get_ref().as_bool().map_or_else(|| wrong_type(value, "true or false", "write it without quotes"), Ok)
}

pub(super) fn text(value: &Spanned<DeValue<'_>>) -> Fit<String> {
    match value.get_ref().as_str() {
        None => wrong_type(value, "a text", "put it in quotes"),
        Some(text) if text.contains('\0') => misfit("NUL may not occur"),
        Some(text) => Ok(text.to_owned()),
    }
}

fn texts(value: &Spanned<DeValue<'_>>, help: &str) -> Fit<Vec<String>> {
    let Some(items) = value.get_ref().as_array() else { return wrong_type(value, "a list of texts", help) };
    items.iter().map(text).collect()
}

pub(super) fn prompt(value: &Spanned<DeValue<'_>>) -> Fit<PromptVia> {
    let help = "write \"argument\", \"file\", \"stdin\" or \"paste\"";
    let Some(text) = value.get_ref().as_str() else { return wrong_type(value, "a text", help) };
    let known = PROMPTS.iter().find(|(name, _)| *name == text).map(|(_, delivery)| *delivery);
    known.ok_or_else(|| Misfit(format!("{text:?} is no way to give a prompt"), Some(help.to_owned())))
}

pub(super) fn names(value: &Spanned<DeValue<'_>>) -> Fit<Vec<String>> {
    let names = texts(value, "write `[\"NAME\", …]`")?;
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    let is_name = |name: &&String| !name.is_empty() && name.bytes().all(plain) && !name.as_bytes()[0].is_ascii_digit();
    match names.iter().find(|name| !is_name(name)) {
        Some(bad) => {
            Err(Misfit(format!("{bad:?} is no variable's name"), Some("give names without values".to_owned())))
        }
        None => Ok(names),
    }
}

/// Other words in braces are left to the program, unless they look like a known one misspelt.
pub(super) fn argv(value: &Spanned<DeValue<'_>>, known: &[&str]) -> Fit<Vec<String>> {
    let argv = texts(value, "write a list, one text an argument: `[\"program\", \"--flag\"]`; no shell reads it")?;
    if argv.first().is_some_and(String::is_empty) {
        return misfit("the program's name is empty");
    }
    for name in argv.iter().flat_map(|arg| placeholders(arg)).filter(|name| !known.contains(name)) {
        if let Some(meant) = nearest(name, known.iter().copied()) {
            return Err(Misfit(format!("{{{name}}} is no placeholder"), Some(format!("was `{{{meant}}}` meant?"))));
        }
    }
    Ok(argv)
}
