use toml::{Table, Value};

use super::Finding;
use super::tree::File;

/// Which crates of the workspace a crate may build on: the arrow points down only, and backends know
/// neither each other nor who drives them.
const BELOW: &[(&str, &[&str])] = &[
    ("orch", &["orch-cli", "orch-core", "orch-fleet"]),
    ("orch-cli", &["orch-core", "orch-fleet", "orch-git", "orch-pty", "orch-runtime"]),
    ("orch-core", &[]),
    ("orch-fleet", &["orch-core", "orch-git", "orch-pty", "orch-runtime", "orch-tmux"]),
    ("orch-git", &["orch-core", "orch-process"]),
    ("orch-process", &["orch-core"]),
    ("orch-pty", &["orch-core", "orch-process"]),
    ("orch-runtime", &["orch-core", "orch-process"]),
    ("orch-tmux", &["orch-core", "orch-process"]),
    ("xtask", &["orch-core"]),
];

/// What would bring a machine into the crate that decides.
const IMPURE: &[&str] = &[
    "async-std",
    "chrono",
    "futures-timer",
    "getrandom",
    "git2",
    "libc",
    "mio",
    "nix",
    "octocrab",
    "rand",
    "reqwest",
    "rustix",
    "smol",
    "tempfile",
    "tmux_interface",
    "tokio",
];

/// Checks the manifest of one crate.
pub(super) fn check(file: &File) -> Vec<Finding> {
    let finding = |message: String| Finding { path: file.path.clone(), line: 0, message };
    let table: Table = match file.text.parse() {
        Ok(table) => table,
        Err(error) => return vec![finding(format!("it is no TOML: {error}"))],
    };
    let Some(name) = table.get("package").and_then(|package| package.get("name")).and_then(Value::as_str) else {
        return Vec::new();
    };
    let mut findings = Vec::new();
    let inherits = table.get("lints").and_then(|lints| lints.get("workspace")).and_then(Value::as_bool);
    if inherits != Some(true) {
        findings.push(finding("the workspace's lints hold for every crate: [lints] workspace = true".to_owned()));
    }
    let Some((_, below)) = BELOW.iter().find(|(known, _)| *known == name) else {
        findings.push(finding(format!("say in xtask what {name} may build on")));
        return findings;
    };
    for dependency in dependencies(&table) {
        let is_ours = BELOW.iter().any(|(known, _)| *known == dependency);
        if is_ours && !below.contains(&dependency) {
            findings.push(finding(format!("{name} may not build on {dependency}")));
        }
        if name == "orch-core" && IMPURE.contains(&dependency) {
            findings.push(finding(format!("{name} decides and does not act: no {dependency}")));
        }
    }
    findings
}

/// What a crate is built on, whatever the target; tests may use anything.
fn dependencies(table: &Table) -> Vec<&str> {
    let targets = table.get("target").and_then(Value::as_table).into_iter().flat_map(Table::values);
    let tables = std::iter::once(table).chain(targets.filter_map(Value::as_table));
    let kinds = tables.flat_map(|table| ["dependencies", "build-dependencies"].map(|kind| table.get(kind)));
    kinds.flatten().filter_map(Value::as_table).flat_map(Table::keys).map(String::as_str).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_of_crates() {
        let lints = "[lints]\nworkspace = true\n";
        let table = [
            ("[package]\nname = \"orch-git\"\n[dependencies]\norch-core.workspace = true\n", true, ""),
            ("[package]\nname = \"orch-git\"\n[dependencies]\norch-core.workspace = true\n", false, "lints"),
            ("[package]\nname = \"orch-git\"\n[dependencies]\norch-tmux.workspace = true\n", true, "orch-tmux"),
            ("[package]\nname = \"orch-git\"\n[dev-dependencies]\norch-tmux.workspace = true\n", true, ""),
            ("[package]\nname = \"orch-core\"\n[target.'cfg(unix)'.dependencies]\ntokio = \"1\"\n", true, "tokio"),
            ("[package]\nname = \"orch-tmux\"\n[dependencies]\ntokio = \"1\"\n", true, ""),
            ("[package]\nname = \"orch-new\"\n", true, "say in xtask"),
            ("[workspace]\nmembers = []\n", false, ""),
            ("[package\n", false, "no TOML"),
        ];
        for (text, inherits, expected) in table {
            let text = format!("{text}{}", if inherits { lints } else { "" });
            let found = check(&File { path: "Cargo.toml".to_owned(), text: text.clone() });
            let fits = match expected {
                "" => found.is_empty(),
                part => found.len() == 1 && found[0].message.contains(part),
            };
            assert!(fits, "{text}\n{found:?}");
        }
    }
}
