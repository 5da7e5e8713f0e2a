use std::io::Read;

use camino::{Utf8Path, Utf8PathBuf};
use orch_core::plan::{Manifest, Parsed, Problem};
use orch_runtime::WorkdirError;
use serde_json::json;

use super::Act;
use crate::failure::{Exit, Failure, problem_text};
use crate::reading::read_file;
use crate::shell::{Shell, block_on};

/// Check a manifest: every problem at once, each with its place and what to do
///
/// Ends with 0 when the manifest can be used, warnings or not, else with 2. Nothing is changed.
#[derive(Debug, clap::Args)]
pub(crate) struct Validate {
    /// The manifest, `-` for standard input [default: the workdir's manifest.json]
    file: Option<Utf8PathBuf>,
}

impl Act for Validate {
    fn act(self, shell: &mut Shell) -> Result<Exit, Failure> {
        let own = self.file.is_none();
        let (path, bytes) = named_or_own(shell, self.file)?;
        if own {
            say_what_is_empty(shell);
        }
        let (parsed, errors) = match Manifest::parse(&bytes) {
            Ok(parsed) => (Some(parsed), Vec::new()),
            Err(errors) => (None, errors),
        };
        if shell.json() {
            let warnings = parsed.as_ref().map_or(&[][..], |parsed| &parsed.warnings);
            shell.document(&json!({"ok": errors.is_empty(), "errors": errors, "warnings": warnings}))?;
        } else {
            shell.text(&rendered(&path, parsed.as_ref(), &errors))?;
        }
        Ok(if errors.is_empty() { Exit::Done } else { Exit::Input })
    }
}

/// The manifest that was named, else the workdir's, else one that lies in the current directory.
pub(super) fn named_or_own(shell: &Shell, file: Option<Utf8PathBuf>) -> Result<(Utf8PathBuf, Vec<u8>), Failure> {
    let path = match file {
        Some(stdin) if stdin == "-" => {
            let mut bytes = Vec::new();
            let read = std::io::stdin().lock().read_to_end(&mut bytes);
            read.map_err(|error| Failure::input(format!("cannot read standard input: {error}")))?;
            return Ok(("stdin".into(), bytes));
        }
        Some(path) => path,
        None => match shell.workdir() {
            Ok(workdir) => workdir.manifest(),
            Err(Failure::Workdir(WorkdirError::NotFound { .. })) if Utf8Path::new("manifest.json").is_file() => {
                "manifest.json".into()
            }
            Err(failure) => return Err(failure),
        },
    };
    let bytes = read_file(&path)?;
    Ok((path, bytes))
}

/// Says which submodules the agents of this workdir will find empty.
fn say_what_is_empty(shell: &Shell) {
    let Ok(workdir) = shell.workdir() else { return };
    // What is wrong with the repository is not the manifest's; `doctor` and `run` say it.
    let survey = block_on(async {
        let vcs = orch_fleet::existing_repository(&workdir).await?;
        Ok(vcs.survey().await?)
    });
    if let Some(empty) = survey.ok().map(|survey| survey.empty_submodules).filter(|empty| !empty.is_empty()) {
        let empty = empty.iter().map(|path| orch_core::base::escape_line(path)).collect::<Vec<_>>().join(", ");
        shell.note(&format!("submodules that agents will have empty: {empty}; `orch doctor` says how to fill them"));
    }
}

fn rendered(path: &Utf8Path, parsed: Option<&Parsed>, errors: &[Problem]) -> String {
    let warnings = parsed.map_or(&[][..], |parsed| &parsed.warnings);
    let mut text = problem_text(path, errors);
    text.push_str(&problem_text(path, warnings));
    if !text.is_empty() {
        text.push('\n');
    }
    text.push_str(&match parsed {
        Some(Parsed { manifest, .. }) => {
            let plan = manifest.plan();
            let counts = [(plan.tasks.len(), "task"), (plan.phases.len(), "phase"), (warnings.len(), "warning")];
            format!("{path} is good: {}\n", counts.map(counted).join(", "))
        }
        None => format!("{path} cannot be used: {}\n", counted((errors.len(), "error"))),
    });
    text
}

fn counted((count, noun): (usize, &str)) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(manifest: &str) -> String {
        let path = Utf8Path::new("manifest.json");
        match Manifest::parse(manifest.as_bytes()) {
            Ok(parsed) => rendered(path, Some(&parsed), &[]),
            Err(errors) => rendered(path, None, &errors),
        }
    }

    #[test]
    fn every_problem_is_shown_with_its_place_and_its_cure() {
        insta::assert_snapshot!(text("{\"project\":\"p\",\n \"phases\":[{\"name\":\"One\",\"tasks\":[{\"id\":\"t\\u001b1\"},{\"id\":\"t2\",\"dependsOn\":[\"t9\"]}]}]}"), @r#"
        manifest.json:2:41: $.phases[0].tasks[0].id: "t\u{1b}1" is no task id
          help: only letters, digits, '.', '_' and '-' may occur
        manifest.json:2:77: $.phases[0].tasks[1].dependsOn[0]: there is no task "t9"
          help: name a task of this manifest, or remove it
        manifest.json cannot be used: 2 errors
        "#);
        insta::assert_snapshot!(text(r#"{"project":"p","phases":[{"name":"One","tasks":[{"id":"t1"}]}]}"#), @r#"
        manifest.json:1:49: warning: $.phases[0].tasks[0]: "t1" names no files, so it is taken to overlap nothing
          help: list the paths, directories or globs that it may touch
        manifest.json is good: 1 task, 1 phase, 1 warning
        "#);
        insta::assert_snapshot!(text(r#"{"project":"p","phases":[]}"#), @"manifest.json is good: 0 tasks, 0 phases, 0 warnings");
    }
}
