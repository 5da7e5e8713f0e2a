//! Fields of one type each; null and absence are `None`.

use crate::base::id::BranchName;
use crate::base::text::clean;
use crate::base::time::Timestamp;

use super::super::fields::Shape;
use super::super::json::{Kind, Value};
use super::super::problem::{At, ProblemKind, quoted};
use super::{Members, Reader};

/// How many words of a command written as one string the help repeats.
const SHOWN_WORDS: usize = 20;

impl Reader<'_> {
    pub(super) fn text(&mut self, at: &At<'_>, members: &Members<'_>, name: &str) -> Option<String> {
        let value = members.get(name)?;
        self.text_of(&At::Key(at, name), value).map(|(text, _)| text)
    }

    /// A text that is handed to programs: not blank, no NUL.
    pub(super) fn argument(&mut self, at: &At<'_>, members: &Members<'_>, name: &str) -> Option<String> {
        let value = members.get(name)?;
        let at = At::Key(at, name);
        let (text, _) = self.text_of(&at, value)?;
        if text.trim().is_empty() {
            let message = format!("{name} is blank");
            self.problems.add(ProblemKind::Value, &at, value.start(), message, "give it a name, or leave it out");
            return None;
        }
        self.without_nul(&at, value, text)
    }

    pub(super) fn without_nul(&mut self, at: &At<'_>, value: Value<'_>, text: String) -> Option<String> {
        if text.contains('\0') {
            let message = "a NUL character cannot be handed to a program".to_owned();
            self.problems.add(ProblemKind::Nul, at, value.start(), message, "remove the \\u0000");
            return None;
        }
        Some(text)
    }

    /// An argv; its program may not be blank.
    pub(super) fn argv(&mut self, at: &At<'_>, members: &Members<'_>, name: &str) -> Option<Vec<String>> {
        let value = members.get(name)?;
        let at = At::Key(at, name);
        if let Some(text) = value.text() {
            let message = "this is a string and should be an array of arguments".to_owned();
            let words: Vec<String> = text.split_whitespace().take(SHOWN_WORDS).map(quoted).collect();
            let help = format!("write [{}]; there is no shell", words.join(", "));
            self.problems.add(ProblemKind::Type, &at, value.start(), message, help);
            return None;
        }
        let words = self.texts(&at, value)?;
        let mut argv = Vec::with_capacity(words.len());
        for (index, (word, item)) in words.into_iter().enumerate() {
            let at = At::Item(&at, index);
            if index == 0 && word.trim().is_empty() {
                let message = "the program's name is blank".to_owned();
                self.problems.add(ProblemKind::Value, &at, item.start(), message, "name the program to run");
            }
            argv.extend(self.without_nul(&at, item, word));
        }
        Some(argv)
    }

    /// The texts of an array, with their places; others are noted and left out.
    pub(super) fn texts<'d>(&mut self, at: &At<'_>, value: Value<'d>) -> Option<Vec<(String, Value<'d>)>> {
        if !self.is(at, value, Kind::Array) {
            return None;
        }
        let texts = value.items().enumerate().filter_map(|(index, item)| self.text_of(&At::Item(at, index), item));
        Some(texts.collect())
    }

    pub(super) fn text_of<'d>(&mut self, at: &At<'_>, value: Value<'d>) -> Option<(String, Value<'d>)> {
        let text = value.text().map(std::borrow::Cow::into_owned);
        if text.is_none() {
            self.wrong_type(at, value, "a string");
        }
        text.map(|text| (text, value))
    }

    pub(super) fn flag(&mut self, at: &At<'_>, members: &Members<'_>, name: &str) -> bool {
        let Some(value) = members.get(name) else { return false };
        match value.kind() {
            Kind::True => true,
            Kind::False => false,
            _ => {
                self.wrong_type(&At::Key(at, name), value, "true or false");
                false
            }
        }
    }

    pub(super) fn one_of<T>(
        &mut self,
        at: &At<'_>,
        members: &Members<'_>,
        name: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Option<T> {
        let value = members.get(name)?;
        let at = At::Key(at, name);
        let (text, _) = self.text_of(&at, value)?;
        let parsed = parse(&text);
        if parsed.is_none() {
            let names = match members.field(name).map(|field| field.shape) {
                Some(Shape::OneOf(names)) => names.join(", "),
                _ => String::new(),
            };
            let message = format!("{} is no {name}", quoted(&text));
            self.problems.add(ProblemKind::Value, &at, value.start(), message, format!("write one of {names}"));
        }
        parsed
    }

    pub(super) fn time(&mut self, at: &At<'_>, members: &Members<'_>, name: &str) -> Option<Timestamp> {
        let value = members.get(name)?;
        let at = At::Key(at, name);
        let (text, _) = self.text_of(&at, value)?;
        let time = Timestamp::parse(&text);
        if time.is_none() {
            let message = format!("{} is no time", quoted(&text));
            let help = "write RFC 3339, as in 2026-01-17T00:00:00Z";
            self.problems.add(ProblemKind::Time, &at, value.start(), message, help);
        }
        time
    }

    pub(super) fn branch(&mut self, at: &At<'_>, members: &Members<'_>, name: &str) -> Option<BranchName> {
        let value = members.get(name)?;
        let at = At::Key(at, name);
        let (text, _) = self.text_of(&at, value)?;
        match BranchName::parse(&text) {
            Ok(branch) => Some(branch),
            Err(error) => {
                let message = format!("{} is no branch name", quoted(&text));
                self.problems.add(ProblemKind::Branch, &at, value.start(), message, error.why);
                None
            }
        }
    }

    /// A whole number that is at least what its field asks for.
    pub(super) fn count<T: TryFrom<u64>>(&mut self, at: &At<'_>, members: &Members<'_>, name: &str) -> Option<T> {
        let value = members.get(name)?;
        let least = match members.field(name).map(|field| field.shape) {
            Some(Shape::Whole { least }) => least,
            _ => 0,
        };
        let number = value.whole().filter(|number| *number >= least).and_then(|number| T::try_from(number).ok());
        if number.is_none() {
            self.no_number(&At::Key(at, name), value, &format!("a whole number from {least}"));
        }
        number
    }

    pub(super) fn minutes(&mut self, at: &At<'_>, members: &Members<'_>, name: &str) -> Option<f64> {
        let value = members.get(name)?;
        let number = value.number().filter(|number| *number >= 0.0);
        if number.is_none() {
            self.no_number(&At::Key(at, name), value, "a number of minutes from 0");
        }
        number
    }

    /// The mark in the journal: `{"seq", "offset"}`.
    pub(super) fn mark(&mut self, at: &At<'_>, members: &Members<'_>) -> Option<(u64, u64)> {
        let value = members.get("journal")?;
        let at = At::Key(at, "journal");
        if !self.is(&at, value, Kind::Object) {
            return None;
        }
        let part = |name: &str| value.member(name).and_then(Value::whole);
        let mark = part("seq").zip(part("offset"));
        if mark.is_none() {
            self.no_number(&at, value, "{\"seq\": N, \"offset\": N}");
        }
        mark
    }

    fn no_number(&mut self, at: &At<'_>, value: Value<'_>, wanted: &str) {
        if value.kind() == Kind::Number || value.kind() == Kind::Object {
            let message = format!(
                "{} is out of range",
                if value.kind() == Kind::Number { clean(value.raw(), 40) } else { "this".to_owned() }
            );
            self.problems.add(ProblemKind::Number, at, value.start(), message, format!("write {wanted}"));
        } else {
            self.wrong_type(at, value, wanted);
        }
    }
}
