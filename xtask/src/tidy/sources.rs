use super::Finding;
use super::code::{product, without_text};
use super::tree::File;

/// What a file may do that others may not, and why.
struct Exception {
    path: &'static str,
    reason: &'static str,
}

const fn except(path: &'static str, reason: &'static str) -> Exception {
    Exception { path, reason }
}

/// A product file longer than this mixes things that belong apart; aim at 250, look again at 400.
const MOST_LINES: usize = 500;

const LONG: &[Exception] = &[
    except("crates/orch-core/src/engine/watch.rs", "what of a session's life is noticed, signal by signal"),
    except(
        "crates/orch-core/src/testkit/sim/stage.rs",
        "the one queue of a story: what comes after what is read in one place",
    ),
    except("crates/orch-core/src/state.rs", "the only writer of state: what each record changes is read in one place"),
];

const STARTS_PROCESSES: &[Exception] = &[
    except("crates/orch-cli/src/run/detach.rs", "`run --detach` starts the orchestrator anew"),
    except("crates/orch-cli/src/terminal.rs", "`attach` becomes the tmux client"),
    except("crates/orch-cli/src/verbs/doctor.rs", "asks programs for their versions"),
    except("crates/orch-git/src/git/command.rs", "the one place that starts git"),
    except("crates/orch-process/src/table_ps.rs", "`ps`, where there is no /proc"),
    except("crates/orch-pty/src/entry.rs", "the one place that starts session hosts"),
    except("crates/orch-pty/src/host/launch.rs", "the one place that starts agents on terminals"),
    except("crates/orch-runtime/src/notify.rs", "the user's notify command"),
    except("crates/orch-runtime/src/workdir/discover.rs", "asks git whether it tracks a workdir"),
    except("crates/orch-tmux/src/server.rs", "the one place that starts tmux"),
    except("xtask/src/ci.rs", "starts the script that says what must hold"),
    except("xtask/src/sim.rs", "plays stories in a build that is made for it"),
];

const SLEEPS: &[Exception] = &[
    except("crates/orch-cli/src/verbs/session/start.rs", "Enter follows a paste after the time that programs need"),
    except("crates/orch-fleet/src/steer.rs", "an orchestrator that leaves is waited for"),
    except("crates/orch-process/src/exit.rs", "where no pidfd tells of an exit"),
    except("crates/orch-pty/src/host.rs", "after a failed accept, and for a lock that a reader holds for an instant"),
    except("crates/orch-pty/src/host/session.rs", "a terminal that nobody has open announces nothing"),
    except("crates/orch-pty/src/inner.rs", "that a host begins to listen announces nothing"),
    except("crates/orch-runtime/src/control/server.rs", "after a failed accept, so that it is no busy loop"),
    except("crates/orch-runtime/src/driver.rs", "the runtime's timer"),
    except("crates/orch-runtime/src/lock.rs", "a lock that a reader holds for an instant announces nothing"),
    except("crates/orch-runtime/src/lock/effects.rs", "the end of a predecessor's children announces nothing"),
    except("crates/orch-tmux/src/inner.rs", "the proof that a process is gone is polled within a bound"),
    except("crates/orch-tmux/src/server.rs", "tmux makes its socket anew some time after the signal"),
];

/// Code that stands in some places only.
struct Limited {
    code: &'static str,
    message: &'static str,
    exceptions: &'static [Exception],
}

const LIMITED: &[Limited] = &[
    Limited {
        code: "Command::new(",
        message: "processes are started in the one place of each backend",
        exceptions: STARTS_PROCESSES,
    },
    Limited {
        code: "sleep(",
        message: "waiting is a deadline of the engine or an event, not a sleep",
        exceptions: SLEEPS,
    },
];

/// Code that stands nowhere, tests included.
const FORBIDDEN: &[(&str, &str)] = &[
    ("todo!(", "finish it, or leave it out and say so in the README"),
    ("unimplemented!(", "finish it, or leave it out and say so in the README"),
    ("dbg!(", "left over"),
    ("#[ignore", "a test that does not run proves nothing"),
    ("#[allow(", "write #[expect(lint, reason = \"…\")]"),
    ("#![allow(", "write #![expect(lint, reason = \"…\")]"),
];

/// Places outside of the project, in any file. Written in halves: this file is read too.
const OUTSIDE: &[&str] = &[concat!("../", "shared"), concat!("/work", "/shared"), concat!(".lib", "rary/")];

/// Checks one file.
pub(super) fn check(file: &File) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut found = |line, message: String| findings.push(Finding { path: file.path.clone(), line, message });
    for outside in OUTSIDE {
        for line in lines_with(&file.text, outside) {
            found(line, format!("{outside:?} is outside of the project"));
        }
    }
    if file.ending() != Some("rs") {
        return findings;
    }
    if file.is_named("mod.rs") {
        found(0, "write foo.rs beside foo/".to_owned());
    }
    let code = without_text(&file.text);
    for (forbidden, message) in FORBIDDEN {
        for line in lines_with(&code, forbidden) {
            found(line, format!("`{forbidden}`: {message}"));
        }
    }
    if is_test(&file.path) {
        return findings;
    }
    let own = product(&file.text);
    let length = own.lines().count();
    if length > MOST_LINES && !is_excepted(&file.path, LONG) {
        found(0, format!("{length} lines: split it, or say in xtask why it is one thing (at most {MOST_LINES})"));
    }
    let own = without_text(own);
    for limited in LIMITED.iter().filter(|limited| !is_excepted(&file.path, limited.exceptions)) {
        for line in lines_with(&own, limited.code) {
            found(line, format!("`{}`: {}", limited.code, limited.message));
        }
    }
    findings
}

/// Exceptions that nothing needs: the file is gone, or does not do what it may.
pub(super) fn stale_exceptions(files: &[File]) -> Vec<Finding> {
    let text_of = |path: &str| files.iter().find(|file| file.path == path).map(|file| without_text(&file.text));
    let is_gone = |exception: &&Exception| text_of(exception.path).is_none();
    let long = LONG.iter().filter(is_gone);
    let limited = LIMITED.iter().flat_map(|limited| {
        limited.exceptions.iter().filter(|e| text_of(e.path).is_none_or(|text| !text.contains(limited.code)))
    });
    long.chain(limited)
        .map(|Exception { path, reason }| Finding {
            path: (*path).to_owned(),
            line: 0,
            message: format!("xtask excepts it without need ({reason})"),
        })
        .collect()
}

fn is_excepted(path: &str, exceptions: &[Exception]) -> bool {
    exceptions.iter().any(|exception| exception.path == path)
}

/// Tests, benches and examples may wait and start what they like.
fn is_test(path: &str) -> bool {
    let is_test_dir = |part: &str| matches!(part, "tests" | "benches" | "examples");
    path.split('/').any(is_test_dir) || path.ends_with("/tests.rs")
}

fn lines_with<'a>(text: &'a str, wanted: &'a str) -> impl Iterator<Item = usize> + 'a {
    text.lines().enumerate().filter(move |(_, line)| line.contains(wanted)).map(|(at, _)| at + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, text: &str) -> Vec<String> {
        let file = File { path: path.to_owned(), text: text.to_owned() };
        check(&file).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn rules_find_their_breach_and_nothing_else() {
        let table = [
            ("src/a.rs", "fn a() {}\n", None),
            ("src/a.rs", "\ntodo!()\n", Some("src/a.rs:2: `todo!(`")),
            ("src/a.rs", "// todo!()\nlet a = \"todo!()\";\n", None),
            ("tests/a.rs", "#[ignore]\n", Some("tests/a.rs:1: `#[ignore`")),
            ("src/a.rs", "#[allow(dead_code)]\n", Some("src/a.rs:1: `#[allow(`")),
            ("src/a.rs", "#[expect(dead_code, reason = \"\")]\n", None),
            ("src/a/mod.rs", "", Some("src/a/mod.rs: write foo.rs")),
            ("src/a.rs", "std::process::Command::new(\"a\")\n", Some("src/a.rs:1: `Command::new(`")),
            ("crates/orch-git/src/git/command.rs", "Command::new(\"git\")\n", None),
            ("src/a.rs", "a();\n#[cfg(test)]\nmod tests {\nsleep(1)\n}\n", None),
            ("src/a.rs", "sleep(1)\n", Some("src/a.rs:1: `sleep(`")),
            ("tests/it/a.rs", "sleep(1)\n", None),
            ("src/a/tests.rs", "Command::new(\"a\")\n", None),
        ];
        for (path, text, expected) in table {
            let found = found(path, text);
            let fits = match expected {
                None => found.is_empty(),
                Some(start) => found.len() == 1 && found[0].starts_with(start),
            };
            assert!(fits, "{path}: {text}\n{found:?}");
        }
    }

    #[test]
    fn exceptions_without_need_are_found() {
        let file = |path: &str, text: &str| File { path: path.to_owned(), text: text.to_owned() };
        let code: String = LIMITED.iter().map(|limited| limited.code).collect();
        let paths = || [LONG, STARTS_PROCESSES, SLEEPS].into_iter().flatten().map(|exception| exception.path);
        let needed: Vec<File> = paths().map(|path| file(path, &code)).collect();
        assert_eq!(stale_exceptions(&needed), []);
        assert_eq!(stale_exceptions(&[]).len(), paths().count());
        let commented: Vec<File> = paths().map(|path| file(path, &format!("// {code}"))).collect();
        assert_eq!(stale_exceptions(&commented).len(), paths().count() - LONG.len());
    }

    #[test]
    fn places_outside_of_the_project_are_found_in_any_file() {
        for outside in OUTSIDE {
            assert_eq!(found("README.md", &format!("see\n{outside}x")).len(), 1, "{outside}");
        }
    }

    #[test]
    fn long_files_are_found_without_their_tests() {
        let long = "a();\n".repeat(MOST_LINES);
        assert_eq!(found("src/a.rs", &long), [""; 0]);
        assert_eq!(found("src/a.rs", &format!("{long}#[cfg(test)]\nmod tests {{\nb();\n}}\n")), [""; 0]);
        assert_eq!(found("src/a.rs", &format!("{long}b();\n")).len(), 1);
        assert_eq!(found("crates/orch-core/src/state.rs", &format!("{long}b();\n")), [""; 0]);
    }
}
