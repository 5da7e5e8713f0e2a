//! `orch run` and `orch tick`.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::process::Stdio;

use orch_core::{Entry, Orchestrator, Record, Status, TaskId};
use orch_runtime::{Answer, Ending, Mode, Observer, Request, Workdir, ask, holder};

use crate::failure::{Exit, Failure};
use crate::world::{Fleet, Wishes};

/// Drive the tasks until the goal is reached or nothing can happen without a person
///
/// Agents go on when this is interrupted; the next `run` or `tick` takes over where it was.
#[derive(Debug, clap::Args)]
pub(crate) struct Run {
    /// Follow tasks up to this status [default: merged with "merge": "auto", else pr_open]
    #[arg(long, value_parser = parse_goal)]
    until: Option<Status>,
    /// How many tasks hold a slot at once, instead of the manifest's maxParallel
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    max_parallel: Option<u32>,
    /// Go on in the background; `orch stop` ends it, `orch status` shows it
    #[arg(long)]
    detach: bool,
}

/// Do one heartbeat and end, for cron; beside a running orchestrator only wake it
#[derive(Debug, clap::Args)]
pub(crate) struct Tick {
    /// Follow tasks up to this status [default: merged with "merge": "auto", else pr_open]
    #[arg(long, value_parser = parse_goal)]
    until: Option<Status>,
    /// How many tasks hold a slot at once, instead of the manifest's maxParallel
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    max_parallel: Option<u32>,
}

fn parse_goal(text: &str) -> Result<Status, String> {
    let goals = [Status::Complete, Status::PrOpen, Status::Merged];
    goals.into_iter().find(|goal| goal.as_str() == text).ok_or_else(|| "complete, pr_open or merged".to_owned())
}

impl Run {
    pub(crate) async fn run(self, workdir: Workdir, quiet: bool) -> Result<Exit, Failure> {
        if self.detach {
            return self.detach(&workdir).await;
        }
        let wishes = Wishes { until: self.until, max_parallel: self.max_parallel };
        let fleet = Fleet::open(workdir, wishes).await?;
        let mut progress = Progress::new(quiet);
        let (ending, _) = fleet.drive(Mode::Run, Vec::new(), &mut progress, interrupted()).await?;
        Ok(progress.end(ending))
    }

    /// Starts the same run in a session of its own, its words in `logs/orchestrator.log`.
    async fn detach(self, workdir: &Workdir) -> Result<Exit, Failure> {
        let program = std::env::current_exe().map_err(|e| Failure::other(format!("cannot find this program: {e}")))?;
        workdir.make_rooms()?;
        let path = workdir.root().join("logs/orchestrator.log");
        let open = || std::fs::OpenOptions::new().create(true).append(true).open(&path);
        let log = open().and_then(|log| Ok((log.try_clone()?, log)));
        let (out, err) = log.map_err(|e| Failure::other(format!("cannot write {path}: {e}")))?;
        let mut command = tokio::process::Command::new(program);
        command.args(["--workdir", workdir.root().as_str(), "run"]);
        if let Some(until) = self.until {
            command.args(["--until", until.as_str()]);
        }
        if let Some(n) = self.max_parallel {
            command.args(["--max-parallel", &n.to_string()]);
        }
        command.stdin(Stdio::null()).stdout(out).stderr(err).process_group(0);
        let mut child = command.spawn().map_err(|e| Failure::other(format!("cannot start in the background: {e}")))?;
        let pid = child.id().unwrap_or_default();
        let mut beat = tokio::time::interval(std::time::Duration::from_millis(20));
        loop {
            beat.tick().await;
            if let Ok(Some(status)) = child.try_wait() {
                return match status.code() {
                    Some(0) => Ok(Exit::Done),
                    code => Err(Failure::other(format!("it ended at once with {code:?}; {path} says why"))),
                };
            }
            if holder(workdir)?.is_some_and(|owner| owner.process.pid == pid) {
                eprintln!("orch runs in the background as process {pid}; `orch status` shows it, `orch stop` ends it");
                return Ok(Exit::Done);
            }
        }
    }
}

impl Tick {
    pub(crate) async fn run(self, workdir: Workdir, quiet: bool) -> Result<Exit, Failure> {
        if let Some(control) = holder(&workdir)?.and_then(|owner| owner.control) {
            let answer: Answer = ask(&control, &Request::Wake, crate::steer::PATIENCE).await?;
            return crate::steer::told(&answer, false);
        }
        let wishes = Wishes { until: self.until, max_parallel: self.max_parallel };
        let fleet = Fleet::open(workdir, wishes).await?;
        let mut progress = Progress::new(quiet);
        let (ending, _) = fleet.drive(Mode::Pass, Vec::new(), &mut progress, interrupted()).await?;
        Ok(progress.end(ending))
    }
}

/// Ends when a person or the system wants this process to end.
pub(crate) async fn interrupted() {
    use tokio::signal::unix::{SignalKind, signal};
    let wait = |kind: SignalKind| async move {
        match signal(kind) {
            Ok(mut signal) => {
                signal.recv().await;
            }
            // Without a handler the signal ends the process by itself, which agents survive as well.
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        () = wait(SignalKind::interrupt()) => {}
        () = wait(SignalKind::terminate()) => {}
        () = wait(SignalKind::hangup()) => {}
    }
}

/// Shows what happens on the terminal: a line for each change, and a line that counts at the end.
pub(crate) struct Progress {
    quiet: bool,
    colour: bool,
    statuses: BTreeMap<TaskId, (Status, bool, Option<String>)>,
}

impl Progress {
    pub(crate) fn new(quiet: bool) -> Self {
        Self { quiet, colour: std::io::stderr().is_terminal(), statuses: BTreeMap::new() }
    }

    fn paint(&self, status: Status, text: &str) -> String {
        let code = match status {
            Status::Merged | Status::Complete | Status::PrOpen => "32",
            Status::Stuck => "33",
            Status::Error => "31",
            Status::Running => "36",
            Status::Pending | Status::Blocked => "2",
        };
        if self.colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    pub(crate) fn end(&self, ending: Ending) -> Exit {
        let mut counts: BTreeMap<Status, usize> = BTreeMap::new();
        for (status, _, _) in self.statuses.values() {
            *counts.entry(*status).or_default() += 1;
        }
        let counts: Vec<String> = counts.into_iter().map(|(status, n)| format!("{n} {status}")).collect();
        let (exit, said) = match ending {
            Ending::Goal => (Exit::Done, "done"),
            Ending::NeedsPerson => (Exit::NeedsPerson, "stopped: a person is needed"),
            Ending::Pass => (Exit::Done, "work remains"),
            Ending::Interrupted => (Exit::Interrupted, "interrupted; agents go on, and `orch run` takes over again"),
        };
        if !self.quiet {
            eprintln!("{said}: {}", counts.join(", "));
        }
        for (task, (_, needs_human, reason)) in &self.statuses {
            if *needs_human {
                let reason = orch_core::escape_line(reason.as_deref().unwrap_or_default());
                eprintln!("  {task} needs a person: {reason} (`orch why {task}` tells all)");
            }
        }
        exit
    }
}

impl Observer for Progress {
    fn recorded(&mut self, engine: &Orchestrator, entries: &[Entry]) {
        for entry in entries {
            let at = entry.timestamp.to_string();
            let at = at.get(11..19).unwrap_or_default();
            let Some(task) = &entry.task else { continue };
            let line = match &entry.record {
                Record::Status(change) => {
                    let attempt = change.attempt.map_or(String::new(), |n| format!(" (attempt {n})"));
                    let reason =
                        change.reason.as_ref().map_or(String::new(), |r| format!(": {}", orch_core::escape_line(r)));
                    format!("{}{attempt}{reason}", self.paint(change.to, change.to.as_str()))
                }
                Record::Remedy { decision, .. }
                    if decision.remedy.name() != "accept" && decision.remedy.name() != "verify" =>
                {
                    format!("  {}: {}", decision.remedy.name(), orch_core::escape_line(&decision.reason))
                }
                _ => continue,
            };
            if !self.quiet {
                eprintln!("{at} {task:<12} {line}");
            }
        }
        for (id, task) in &engine.state().tasks {
            self.statuses.insert(id.clone(), (task.status, task.needs_human, task.reason.clone()));
        }
    }

    fn said(&mut self, message: &str) {
        eprintln!("note: {}", orch_core::escape_line(message));
    }
}
