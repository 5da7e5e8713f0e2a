//! `launch`: exactly this argv, environment, directory and log, once.

use std::collections::BTreeMap;

use camino::Utf8PathBuf;

use super::bench::{ONE, exit_of, file, holds, ready, run_out, spec, wait_quietly};
use super::{Behaviour, ExecutorHarness};
use crate::base::id::LaunchId;
use crate::ports::{Executor, ExecutorError, LaunchSpec};
use crate::testkit::contract::{CaseResult, HOLDS, Why, ensure, ensure_eq, ensure_matches, join, lines};

/// Arguments and values that a shell, tmux's parser or a C string would change.
fn nasty() -> Vec<String> {
    ["plain", "", " ", "it's", "\"two\"", "$(touch x)", "`id`", "$HOME", "a;b", "end;", ";", "-t", "--", "#{pane_id}"]
        .into_iter()
        .chain([
            "back\\slash",
            "tail\\",
            "two\nlines",
            "tab\there",
            "\u{1b}[31m",
            "%1",
            "~",
            "*",
            "é漢😀",
            "{a,b}",
            "!!",
        ])
        .map(str::to_owned)
        .chain([long(100_000)])
        .collect()
}

fn long(bytes: usize) -> String {
    "0123456789 $'\"\\;\n".chars().cycle().take(bytes).collect()
}

pub(super) async fn launch_runs_the_argv_exactly<H: ExecutorHarness>(h: &H) -> CaseResult {
    let executor = h.fresh().await;
    let file = h.scratch().join("arguments");
    let behaviour = Behaviour::WriteArguments { file: file.clone(), arguments: nasty() };
    let status = run_out(h, &executor, &spec(h, ONE, &behaviour)).await?;
    ensure_eq!(status.code, Some(0), "exit code");
    let written = h.read(&file).unwrap_or_default();
    let found: Vec<String> = String::from_utf8_lossy(&written).split_terminator('\0').map(str::to_owned).collect();
    ensure_eq!(found.len(), nasty().len(), "number of arguments");
    for (found, expected) in found.iter().zip(nasty()) {
        ensure_eq!(*found, expected, "an argument");
    }
    HOLDS
}

pub(super) async fn launch_gives_exactly_the_environment<H: ExecutorHarness>(h: &H) -> CaseResult {
    let executor = h.fresh().await;
    let mut spec = spec(h, ONE, &Behaviour::PrintEnvironment);
    spec.env = BTreeMap::from([("ORCH_LAUNCH", "1"), ("LANG", "C"), ("ODD", "a b;\"c\" $HOME")].map(owned));
    run_out(h, &executor, &spec).await?;
    let expected: Vec<String> = spec.env.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let mut found = Vec::new();
    for _ in 0..h.patience() {
        let log = h.read(&spec.log).unwrap_or_default();
        found = String::from_utf8_lossy(&log)
            .lines()
            .map(str::to_owned)
            .filter(|line| !line.starts_with("TERM="))
            .collect();
        found.sort();
        if found == expected {
            break;
        }
        h.settle().await;
    }
    ensure_eq!(found, expected, "environment without TERM");
    HOLDS
}

fn owned((name, value): (&str, &str)) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

pub(super) async fn launch_keeps_values_of_variables_exact<H: ExecutorHarness>(h: &H) -> CaseResult {
    let executor = h.fresh().await;
    for (index, value) in (1..).zip(nasty()) {
        let file = h.scratch().join(format!("value-{index}"));
        let behaviour = Behaviour::WriteVariable { name: "VALUE".to_owned(), file: file.clone() };
        let mut spec = spec(h, LaunchId(index), &behaviour);
        spec.env.insert("VALUE".to_owned(), value.clone());
        run_out(h, &executor, &spec).await?;
        ensure_eq!(String::from_utf8_lossy(&h.read(&file).unwrap_or_default()), value, "a variable's value");
        executor.forget(spec.launch).await?;
    }
    HOLDS
}

pub(super) async fn launch_sets_the_working_directory<H: ExecutorHarness>(h: &H) -> CaseResult {
    let executor = h.fresh().await;
    let file = h.scratch().join("directory");
    let mut spec = spec(h, ONE, &Behaviour::WriteDirectory(file.clone()));
    spec.cwd = h.scratch().join("it's a $(dir); #{x} é");
    h.make_dir(&spec.cwd);
    run_out(h, &executor, &spec).await?;
    holds(h, &file, format!("{}\n", spec.cwd).as_bytes()).await?;
    HOLDS
}

pub(super) async fn launch_sets_the_terminal_size<H: ExecutorHarness>(h: &H) -> CaseResult {
    let executor = h.fresh().await;
    let spec = LaunchSpec { size: (133, 31), ..spec(h, ONE, &Behaviour::PrintSize) };
    run_out(h, &executor, &spec).await?;
    holds(h, &spec.log, b"31 133\r\n").await?;
    HOLDS
}

pub(super) async fn launch_reads_stdin_from_a_file<H: ExecutorHarness>(h: &H) -> CaseResult {
    let executor = h.fresh().await;
    let (from, to) = (h.scratch().join("it's $in"), h.scratch().join("out"));
    let content = format!("{}\0\u{4}no newline at the end", long(50_000));
    h.write(&from, content.as_bytes());
    let spec = LaunchSpec { stdin: Some(from), ..spec(h, ONE, &Behaviour::CopyStdin(to.clone())) };
    let status = run_out(h, &executor, &spec).await?;
    ensure_eq!(status.code, Some(0), "exit code");
    holds(h, &to, content.as_bytes()).await?;
    HOLDS
}

pub(super) async fn launch_of_a_missing_program_is_refused<H: ExecutorHarness>(h: &H) -> CaseResult {
    let executor = h.fresh().await;
    let argv = vec![h.scratch().join("no-such-program").into_string()];
    let spec = LaunchSpec { argv, ..spec(h, ONE, &Behaviour::Sleep) };
    ensure_matches!(executor.launch(&spec).await, Err(ExecutorError::Refused { .. }), "launch");
    ensure_eq!(executor.list().await?, [], "sessions after it");
    HOLDS
}

pub(super) async fn launch_twice_starts_one_process<H: ExecutorHarness>(h: &H) -> CaseResult {
    let executor = h.fresh().await;
    let starts = h.scratch().join("starts");
    let behaviour = Behaviour::CountStarts(starts.clone());
    let first = ready(h, &executor, ONE, &behaviour).await?;
    let again = executor.launch(&spec(h, ONE, &behaviour)).await?;
    ensure_eq!(again, first, "what the second launch told");
    wait_quietly(h).await;
    ensure_eq!(starts_in(h, &starts).await?, 1, "processes started");
    ensure_eq!(executor.list().await?.len(), 1, "sessions listed");
    HOLDS
}

pub(super) async fn launch_side_by_side_starts_one_process<H: ExecutorHarness>(h: &H) -> CaseResult {
    let executor = h.fresh().await;
    let starts = h.scratch().join("starts");
    let spec = spec(h, ONE, &Behaviour::CountStarts(starts.clone()));
    let (first, second) = join(executor.launch(&spec), executor.launch(&spec)).await;
    ensure_eq!(first?.session, second?.session, "the session");
    file(h, &starts).await?;
    wait_quietly(h).await;
    ensure_eq!(starts_in(h, &starts).await?, 1, "processes started");
    HOLDS
}

pub(super) async fn launch_again_after_a_restart_starts_nothing<H: ExecutorHarness>(h: &H) -> CaseResult {
    let executor = h.fresh().await;
    let starts = h.scratch().join("starts");
    let behaviour = Behaviour::CountStarts(starts.clone());
    let first = ready(h, &executor, ONE, &behaviour).await?;
    let executor = h.restart(executor).await;
    let again = executor.launch(&spec(h, ONE, &behaviour)).await?;
    ensure_eq!(again, first, "what the second launch told");
    wait_quietly(h).await;
    ensure_eq!(starts_in(h, &starts).await?, 1, "processes started");
    HOLDS
}

pub(super) async fn launch_again_after_the_exit_starts_nothing<H: ExecutorHarness>(h: &H) -> CaseResult {
    let executor = h.fresh().await;
    let starts = h.scratch().join("starts");
    let spec = spec(h, ONE, &Behaviour::CountStartsAndExit(starts.clone()));
    run_out(h, &executor, &spec).await?;
    executor.launch(&spec).await?;
    let executor = h.restart(executor).await;
    executor.launch(&spec).await?;
    wait_quietly(h).await;
    ensure_eq!(starts_in(h, &starts).await?, 1, "processes started");
    ensure_eq!(exit_of(h, &executor, ONE).await?.code, Some(0), "exit code");
    HOLDS
}

async fn starts_in<H: ExecutorHarness>(h: &H, path: &Utf8PathBuf) -> Result<usize, Why> {
    Ok(String::from_utf8_lossy(&file(h, path).await?).lines().count())
}

pub(super) async fn names_may_repeat<H: ExecutorHarness>(h: &H) -> CaseResult {
    let executor = h.fresh().await;
    let name = "task-same";
    let ended = LaunchSpec { name: name.to_owned(), ..spec(h, ONE, &Behaviour::ExitWith(3)) };
    run_out(h, &executor, &ended).await?;
    for launch in [LaunchId(2), LaunchId(3)] {
        executor.launch(&LaunchSpec { name: name.to_owned(), ..spec(h, launch, &Behaviour::Sleep) }).await?;
    }
    let mut launches: Vec<LaunchId> = executor.list().await?.iter().map(|info| info.launch).collect();
    launches.sort();
    ensure_eq!(launches, [ONE, LaunchId(2), LaunchId(3)], "sessions of the one name");
    ensure_eq!(exit_of(h, &executor, ONE).await?.code, Some(3), "exit code of the first");
    HOLDS
}

pub(super) async fn log_is_complete_from_the_first_byte<H: ExecutorHarness>(h: &H) -> CaseResult {
    let executor = h.fresh().await;
    let text = lines(3_000, |line| format!("line {line} é\r\n"));
    for launch in 1..=5 {
        let spec = spec(h, LaunchId(launch), &Behaviour::PrintAndExit(text.replace("\r\n", "\n")));
        run_out(h, &executor, &spec).await?;
        holds(h, &spec.log, text.as_bytes()).await?;
    }
    HOLDS
}

pub(super) async fn log_is_appended_to_and_private<H: ExecutorHarness>(h: &H) -> CaseResult {
    let executor = h.fresh().await;
    let log = h.scratch().join("it's a log; $(x)");
    for (launch, text) in [(LaunchId(1), "first\n"), (LaunchId(2), "second\n")] {
        let behaviour = Behaviour::PrintAndExit(text.to_owned());
        run_out(h, &executor, &LaunchSpec { log: log.clone(), ..spec(h, launch, &behaviour) }).await?;
        let expected = if launch == ONE { "first\r\n" } else { "first\r\nsecond\r\n" };
        holds(h, &log, expected.as_bytes()).await?;
    }
    ensure!(
        h.mode(&log).is_none_or(|mode| mode & 0o777 == 0o600),
        "the log's mode is {:?}, expected 0600",
        h.mode(&log)
    );
    HOLDS
}
