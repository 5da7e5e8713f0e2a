use super::Finding;
use super::code::{product, without_text};
use super::tree::File;

/// The rooms of the crate that decides, ground floor first: a room uses only rooms before it.
const FLOORS: [&str; 11] =
    ["base", "ports", "plan", "heal", "journal", "state", "agents", "engine", "cleanup", "views", "testkit"];

const CRATE: &str = "crates/orch-core/src/";

/// Checks that a file of the crate that decides stands in a room and looks only downwards.
pub(super) fn check(file: &File) -> Vec<Finding> {
    let Some(inside) = file.path.strip_prefix(CRATE) else { return Vec::new() };
    if inside == "lib.rs" || inside.contains("/tests/") || inside.ends_with("/tests.rs") {
        return Vec::new();
    }
    let finding = |line, message| Finding { path: file.path.clone(), line, message };
    let room = inside.split(['/', '.']).next().unwrap_or_default();
    let Some(floor) = FLOORS.iter().position(|name| *name == room) else {
        return vec![finding(0, format!("`{room}` is no room: say in xtask on which floor it lies"))];
    };
    let mut findings = Vec::new();
    for (text, line) in without_text(product(&file.text)).lines().zip(1..) {
        for path in text.split("crate::").skip(1) {
            let used = path.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default();
            match FLOORS.iter().position(|name| *name == used) {
                Some(other) if other <= floor => {}
                Some(_) => findings.push(finding(line, format!("`{room}` may not use `{used}`, which lies above it"))),
                None if room == "testkit" => {}
                None => findings.push(finding(line, format!("name the room of `{used}`, not the crate's root"))),
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rooms_look_down() {
        let table = [
            ("state/task.rs", "use crate::journal::Entry;", ""),
            ("state/task.rs", "use crate::state::Session;", ""),
            ("state/task.rs", "use crate::engine::Input;", "above"),
            ("state/tests.rs", "use crate::engine::Input;", ""),
            ("plan/graph/tests/more.rs", "use crate::engine::Input;", ""),
            ("state.rs", "#[cfg(test)]\nmod tests {\nuse crate::engine::Input;\n}", ""),
            ("state.rs", "// crate::engine", ""),
            ("base.rs", "use crate::Plan;", "root"),
            ("attic.rs", "", "no room"),
            ("lib.rs", "pub use crate::engine::Input;", ""),
        ];
        for (path, text, expected) in table {
            let found = check(&File { path: format!("{CRATE}{path}"), text: text.to_owned() });
            let fits = match expected {
                "" => found.is_empty(),
                part => found.len() == 1 && found[0].message.contains(part),
            };
            assert!(fits, "{path}: {text}\n{found:?}");
        }
    }
}
