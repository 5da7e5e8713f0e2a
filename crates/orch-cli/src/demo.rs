//! `orch demo`: the whole thing on a small real repository, offline.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use camino::{Utf8Path, Utf8PathBuf};
use orch_core::base::TaskId;
use orch_core::journal::Entry;
use orch_core::plan::{ExecutorKind, Status};
use orch_core::state::State;
use orch_core::views::beside;
use orch_fleet::{Ending, Fleet, Workdir};
use orch_runtime::replace_file;

use crate::failure::{Exit, Failure};
use crate::run::{Progress, interrupted};

/// See it work: eight tasks, agents that fail in every way, all of it healed and merged; offline
///
/// Makes a small repository with a bare origin in a temporary directory, a manifest, scripted agents
/// and an orch.toml, then does what `orch run --until merged` does. Leaves nothing behind.
#[derive(Debug, clap::Args)]
pub(crate) struct Demo {
    /// Keep the directory, to look around in it
    #[arg(long)]
    keep: bool,
    /// Where agents run [default: tmux where there is one, else pty]
    #[arg(long, value_name = "tmux|pty", value_parser = crate::shell::executor)]
    executor: Option<ExecutorKind>,
}

const MANIFEST: &str = include_str!("demo/manifest.json");
const SETTINGS: &str = include_str!("demo/orch.toml");
const AGENT: &str = include_str!("demo/agent.sh");
const CHECK: &str = include_str!("demo/check.sh");
/// The files that the eight tasks are about.
const FILES: [&str; 5] =
    ["ceo_root_manager.js", "workspace_validator.js", "kill_switch.js", "container_executor.js", "egress_proxy.js"];

impl Demo {
    pub(crate) async fn run(self, quiet: bool, json: bool) -> Result<Exit, Failure> {
        let place = tempfile::Builder::new().prefix("orch-demo-").tempdir().map_err(Failure::other)?;
        let root = Utf8PathBuf::from_path_buf(place.path().to_owned())
            .map_err(|path| Failure::other(format!("{} is not UTF-8", path.display())))?;
        let workdir = set_up(&root).await?;
        if !quiet && !json {
            eprintln!("A repository, a manifest with eight tasks and scripted agents are in {root}.");
            eprintln!("One agent asks, one fails, one falls silent, one commits nothing, one lies, one crashes.\n");
        }
        let done = Box::pin(drive(workdir.clone(), self.executor, quiet || json)).await;
        let shown = done.and_then(|(exit, ending)| {
            show(&workdir, ending, json)?;
            Ok(exit)
        });
        if self.keep {
            let kept = place.keep();
            eprintln!("\nkept: {} (look around with `orch --workdir {} status`)", kept.display(), workdir.root());
        }
        shown
    }
}

async fn drive(workdir: Workdir, executor: Option<ExecutorKind>, quiet: bool) -> Result<(Exit, Ending), Failure> {
    let fleet = Fleet::builder(workdir).until(Status::Merged);
    let fleet = if let Some(kind) = executor { fleet.executor(kind) } else { fleet }.open().await?;
    let place = fleet.place().clone();
    let mut progress = Progress::new(quiet);
    let driven = fleet.run(&mut progress, interrupted()).await;
    // Interrupted or not, no agent of a demo outlives it.
    place.end_everything().await?;
    let ending = driven?;
    Ok((progress.end(ending), ending))
}

async fn set_up(root: &Utf8Path) -> Result<Workdir, Failure> {
    let write = |path: &Utf8Path, text: &str, mode: u32| -> Result<(), Failure> {
        fs::write(path, text)
            .and_then(|()| fs::set_permissions(path, fs::Permissions::from_mode(mode)))
            .map_err(Failure::other)
    };
    let (origin, seed, work) = (root.join("origin.git"), root.join("seed"), root.join("work"));
    fs::create_dir(&seed).map_err(Failure::other)?;
    for file in FILES {
        write(&seed.join(file), &format!("// {file}\n"), 0o644)?;
    }
    write(&seed.join("check.sh"), CHECK, 0o755)?;
    orch_git::create_origin(&seed, &origin).await?;
    write(&root.join("agent.sh"), AGENT, 0o755)?;
    fs::create_dir(root.join("memory")).map_err(Failure::other)?;
    let workdir = Workdir::create(&work)?;
    let manifest = MANIFEST.replace("ORIGIN", origin.as_str());
    replace_file(&workdir.manifest(), manifest.as_bytes(), 0o600)?;
    replace_file(&workdir.settings(), SETTINGS.replace("ROOT", root.as_str()).as_bytes(), 0o600)?;
    Ok(workdir)
}

/// The report: what ran beside what, what went wrong, what was done about it and why.
fn show(workdir: &Workdir, ending: Ending, json: bool) -> Result<(), Failure> {
    let records = orch_runtime::read_journal::<Entry>(&workdir.journal())?.records;
    let state = State::fold(&records);
    if json {
        crate::output::json(&orch_core::views::ReportView::new(&state));
        return Ok(());
    }
    let mut lines = vec![String::new(), "What ran beside what".to_owned()];
    let list = |tasks: &std::collections::BTreeSet<TaskId>| {
        let names: Vec<&str> = tasks.iter().map(TaskId::as_str).collect();
        if names.is_empty() { "nothing".to_owned() } else { names.join(" ") }
    };
    lines.extend(beside(&records).iter().map(|(task, others)| format!("  {task} beside {}", list(others))));
    lines.push(String::new());
    lines.push("What went wrong, and what was done".to_owned());
    for (id, task) in &state.tasks {
        let healed = task.healing.remedies.iter().filter(|taken| !matches!(taken.remedy, "verify" | "accept"));
        lines.extend(healed.map(|taken| {
            format!("  {id}  {} -> {}: {}", taken.signal, taken.remedy, orch_core::base::escape_line(&taken.reason))
        }));
    }
    lines.push(String::new());
    let merged = state.tasks.values().filter(|task| task.status == Status::Merged).count();
    let attempts: u32 = state.tasks.values().map(|task| task.attempt.number.0).sum();
    lines.push(format!(
        "{merged} of {} tasks merged, {attempts} attempts, at most {} at once{}",
        state.tasks.len(),
        state.parallel_peak,
        if ending == Ending::Goal { "." } else { "; it did not get to the end." },
    ));
    crate::output::lines(&lines);
    Ok(())
}
