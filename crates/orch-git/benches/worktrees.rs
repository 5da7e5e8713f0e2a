//! Cold worktrees, against bare `git worktree add` run as many at once as there are processors.
//!
//! `cargo bench -p orch-git --bench worktrees [-- TREES FILES ROUNDS]`; by default 50 worktrees of 5000 files, 3
//! rounds in turns, in the temporary directory (a tmpfs there measures git and not the disk).

use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use camino::{Utf8Path, Utf8PathBuf};
use orch_core::base::{BranchName, TaskId};
use orch_core::ports::{PrepareSpec, Vcs};
use orch_git::{GitConfig, GitVcs, Remote};

type Failure = Box<dyn std::error::Error + Send + Sync>;

fn main() -> Result<(), Failure> {
    let numbers: Vec<usize> = std::env::args().filter_map(|arg| arg.parse().ok()).collect();
    let at = |index: usize, default| numbers.get(index).copied().unwrap_or(default);
    let (trees, files, rounds) = (at(0, 50), at(1, 5000), at(2, 3));
    let cpus = thread::available_parallelism()?.get();
    let (mut ours, mut bare, mut sequential) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rounds {
        bare.push(measure(files, |repo, out| bare_git(repo, out, trees, cpus))?);
        ours.push(measure(files, |repo, out| prepared(repo, out, trees))?);
        sequential.push(measure(files, |repo, out| bare_git(repo, out, trees, 1))?);
    }
    let (ours, bare, sequential) = (median(ours), median(bare), median(sequential));
    let mut out = std::io::stdout().lock();
    writeln!(out, "{trees} worktrees of {files} files, median of {rounds} rounds, {cpus} processors")?;
    writeln!(out, "GitVcs::prepare        {:.2} s", ours.as_secs_f64())?;
    for (name, anchor, goal) in [("git, one a processor", bare, 1.1), ("git, one at a time", sequential, 0.6)] {
        let ratio = ours.as_secs_f64() / anchor.as_secs_f64();
        writeln!(out, "{name:<22} {:.2} s   ours is {ratio:.2}x, goal {goal}x", anchor.as_secs_f64())?;
    }
    Ok(())
}

/// Times `work` on a fresh repository and an empty directory.
fn measure(files: usize, work: impl FnOnce(&Utf8Path, &Utf8Path) -> Result<(), Failure>) -> Result<Duration, Failure> {
    let dir = tempfile::tempdir()?;
    let root = Utf8PathBuf::try_from(dir.path().to_owned())?;
    let repo = root.join("repo");
    git(&root, &["init", "--quiet", "--initial-branch=main", "repo"])?;
    for n in 0..files {
        let place = repo.join(format!("src/{}", n / 100));
        std::fs::create_dir_all(&place)?;
        std::fs::write(place.join(format!("{n}.rs")), format!("// {n}\n").repeat(700))?;
    }
    git(&repo, &["add", "--all"])?;
    git(&repo, &["-c", "user.name=b", "-c", "user.email=b@example.org", "commit", "--quiet", "-m", "seed"])?;
    git(&repo, &["gc", "--quiet"])?;
    let begun = Instant::now();
    work(&repo, &root)?;
    Ok(begun.elapsed())
}

fn prepared(repo: &Utf8Path, out: &Utf8Path, trees: usize) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let config = GitConfig {
            repo: repo.to_owned(),
            remote: Remote::Itself,
            effects_lock: Some(out.join("effects.lock")),
            identity_default: ("orch".to_owned(), "orch@localhost".to_owned()),
            baseline: out.join("baseline.json"),
            new_baseline: true,
            hooks: false,
            owner: None,
        };
        let vcs = Arc::new(GitVcs::open(config).await?);
        let mut tasks = tokio::task::JoinSet::new();
        for n in 0..trees {
            let spec = PrepareSpec {
                task: TaskId::parse(&format!("t{n}"))?,
                branch: BranchName::parse(&format!("task/t{n}"))?,
                worktree: out.join(format!("task-t{n}")),
                base: BranchName::parse("main")?,
                predecessors: Vec::new(),
            };
            let vcs = vcs.clone();
            tasks.spawn(async move { vcs.prepare(&spec).await });
        }
        while let Some(made) = tasks.join_next().await {
            made??;
        }
        Ok(())
    })
}

fn bare_git(repo: &Utf8Path, out: &Utf8Path, trees: usize, at_once: usize) -> Result<(), Failure> {
    let next = AtomicUsize::new(0);
    let work = || -> Result<(), Failure> {
        loop {
            let n = next.fetch_add(1, Ordering::Relaxed);
            if n >= trees {
                return Ok(());
            }
            let (branch, place) = (format!("task/t{n}"), out.join(format!("task-t{n}")));
            git(repo, &["worktree", "add", "--quiet", "-b", &branch, place.as_str(), "main"])?;
        }
    };
    thread::scope(|scope| {
        let workers: Vec<_> = (0..at_once).map(|_| scope.spawn(work)).collect();
        workers.into_iter().try_for_each(|worker| worker.join().map_err(|_| "a worker panicked")?)
    })
}

fn git(dir: &Utf8Path, args: &[&str]) -> Result<(), Failure> {
    let status = Command::new("git").args(args).current_dir(dir).stdin(Stdio::null()).stderr(Stdio::null()).status()?;
    if status.success() { Ok(()) } else { Err(format!("git {args:?} ended with {status}").into()) }
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}
