//! Printing.
use serde::Serialize;
pub(crate) fn json(value: &impl Serialize) {
    println!("{}", serde_json::to_string_pretty(value).unwrap_or_default());
}
pub(crate) fn lines(lines: &[String]) {
    for line in lines {
        println!("{line}");
    }
}
