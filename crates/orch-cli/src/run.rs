//! `orch run` and `orch tick`.

mod detach;

use std::collections::{BTreeMap, BTreeSet};
use std::io::IsTerminal;

use orch_core::base::{TaskId, Timestamp, escape_line};
use orch_core::engine::{Orchestrator, Wait, WaitKind};
use orch_core::heal::Remedy;
use orch_core::journal::{Entry, Record};
use orch_core::plan::{ExecutorKind, Status};
use orch_core::views::LiveView;
use orch_fleet::{Answer, Ending, Fleet, FleetBuilder, Observer, PATIENCE, Request, Workdir};
use orch_runtime::{ask, holder};

use crate::failure::{Exit, Failure};

/// Drive the tasks until the goal is reached or nothing can happen without a person
///
/// Agents go on when this is interrupted; the next `run` or `tick` takes over where it was.
#[derive(Debug, clap::Args)]
pub(crate) struct Run {
    /// Follow tasks up to this status [default: merged with "merge": "auto", else `pr_open`]
    #[arg(long, value_parser = parse_goal)]
    until: Option<Status>,
    /// How many tasks hold a slot at once, instead of the manifest's maxParallel
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    max_parallel: Option<u32>,
    /// Where agents run, instead of what the manifest says
    #[arg(long, value_name = "tmux|pty", value_parser = crate::shell::executor)]
    executor: Option<ExecutorKind>,
    /// Go on in the background; `orch stop` ends it, `orch status` shows it
    #[arg(long)]
    detach: bool,
}

/// Do one heartbeat and end, for cron; beside a running orchestrator only wake it
#[derive(Debug, clap::Args)]
pub(crate) struct Tick {
    /// Follow tasks up to this status [default: merged with "merge": "auto", else `pr_open`]
    #[arg(long, value_parser = parse_goal)]
    until: Option<Status>,
    /// How many tasks hold a slot at once, instead of the manifest's maxParallel
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    max_parallel: Option<u32>,
    /// Where agents run, instead of what the manifest says
    #[arg(long, value_name = "tmux|pty", value_parser = crate::shell::executor)]
    executor: Option<ExecutorKind>,
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
        let fleet = wanted(workdir, self.until, self.max_parallel, self.executor).open().await?;
        let mut progress = Progress::new(quiet);
        let ending = fleet.run(&mut progress, interrupted()).await?;
        Ok(progress.end(ending))
    }
}

/// A fleet as the command line wants it.
fn wanted(
    workdir: Workdir,
    until: Option<Status>,
    max_parallel: Option<u32>,
    executor: Option<ExecutorKind>,
) -> FleetBuilder {
    let mut fleet = Fleet::builder(workdir);
    if let Some(goal) = until {
        fleet = fleet.until(goal);
    }
    if let Some(tasks) = max_parallel {
        fleet = fleet.max_parallel(tasks);
    }
    match executor {
        Some(kind) => fleet.executor(kind),
        None => fleet,
    }
}

impl Tick {
    pub(crate) async fn run(self, workdir: Workdir, quiet: bool) -> Result<Exit, Failure> {
        if let Some(control) = holder(&workdir)?.and_then(|owner| owner.control) {
            let answer: Answer = ask(&control, &Request::Wake, PATIENCE).await?;
            return crate::steer::told(&answer, false);
        }
        let fleet = wanted(workdir, self.until, self.max_parallel, self.executor).open().await?;
        let mut progress = Progress::new(quiet);
        let ending = fleet.tick(&mut progress, interrupted()).await?;
        Ok(progress.end(ending))
    }
}

/// Ends when a person or the system wants this process to end, from this call on.
pub(crate) fn interrupted() -> impl Future<Output = ()> {
    use tokio::signal::unix::{SignalKind, signal};
    let wait = |kind: SignalKind| {
        let told = signal(kind);
        async move {
            match told {
                Ok(mut signal) => {
                    signal.recv().await;
                }
                // Without a handler the signal ends the process by itself, which agents survive as well.
                Err(_) => std::future::pending().await,
            }
        }
    };
    let waits = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()].map(wait);
    async move {
        let [interrupt, terminate, hangup] = waits;
        tokio::select! {
            () = interrupt => {}
            () = terminate => {}
            () = hangup => {}
        }
    }
}

/// Shows what happens: a line for each change, and on a terminal a live view of what is open below them.
pub(crate) struct Progress {
    quiet: bool,
    terminal: bool,
    statuses: BTreeMap<TaskId, Shown>,
    /// What each task waits for, as last shown.
    waits: BTreeMap<TaskId, Vec<Wait>>,
    /// What agents' screens say last.
    live: BTreeMap<TaskId, String>,
    /// Lines of the live view that are on the screen.
    drawn: usize,
}

/// What is shown of a task.
struct Shown {
    status: Status,
    attempt: u32,
    since: Timestamp,
}

/// How many open tasks the live view lists.
const LISTED: usize = 8;
/// How much of what an agent's screen says last the live view shows, so that a line stays one.
const SAID: usize = 30;

impl Progress {
    pub(crate) fn new(quiet: bool) -> Self {
        Self {
            quiet,
            terminal: std::io::stderr().is_terminal(),
            statuses: BTreeMap::new(),
            waits: BTreeMap::new(),
            live: BTreeMap::new(),
            drawn: 0,
        }
    }

    fn paint(&self, status: Status) -> String {
        let code = match status {
            Status::Merged | Status::Complete | Status::PrOpen => "32",
            Status::Stuck => "33",
            Status::Error => "31",
            Status::Running => "36",
            Status::Pending | Status::Blocked => "2",
        };
        if self.terminal { format!("\x1b[{code}m{status}\x1b[0m") } else { status.to_string() }
    }

    fn counts(&self) -> String {
        let mut counts: BTreeMap<Status, usize> = BTreeMap::new();
        for shown in self.statuses.values() {
            *counts.entry(shown.status).or_default() += 1;
        }
        counts.into_iter().map(|(status, n)| format!("{n} {status}")).collect::<Vec<_>>().join(", ")
    }

    /// How it ended, and who is needed.
    pub(crate) fn end(&mut self, ending: Ending) -> Exit {
        let (exit, said) = match ending {
            Ending::Goal => (Exit::Done, "done"),
            Ending::NeedsPerson => (Exit::NeedsPerson, "stopped: a person is needed"),
            Ending::Pass => (Exit::Done, "work remains"),
            Ending::Interrupted => (Exit::Interrupted, "interrupted; agents go on, and `orch run` takes over again"),
        };
        let mut lines = Vec::new();
        if !self.quiet {
            lines.push(format!("{said}: {}", self.counts()));
        }
        let waits = self.waits.iter().flat_map(|(task, waits)| waits.iter().map(move |wait| (task, wait)));
        let shown = |wait: &Wait| ending == Ending::NeedsPerson || wait.kind == WaitKind::Person;
        for line in waits.filter(|(_, wait)| shown(wait)).map(|(task, wait)| held(task, wait)) {
            // Everything is paused once.
            if lines.last() != Some(&line) {
                lines.push(line);
            }
        }
        self.print(&lines, false);
        exit
    }

    /// Prints lines above the live view, which is drawn anew.
    fn print(&mut self, lines: &[String], live: bool) {
        let mut text = String::new();
        if self.drawn > 0 {
            text.push_str(&format!("\x1b[{}A\x1b[J", self.drawn));
            self.drawn = 0;
        }
        for line in lines {
            text.push_str(line);
            text.push('\n');
        }
        if live && self.terminal && !self.quiet {
            let view = self.view();
            self.drawn = view.len();
            text.push_str(&view.iter().map(|line| format!("{line}\n")).collect::<String>());
        }
        crate::output::notice(&text);
    }

    fn view(&self) -> Vec<String> {
        let open: Vec<_> = self.statuses.iter().filter(|(_, shown)| shown.status.is_open()).collect();
        let mut lines = vec![format!("\x1b[2m── {} ──\x1b[0m", self.counts())];
        for (task, shown) in open.iter().take(LISTED) {
            let since = shown.since.to_string();
            let since = since.get(11..19).unwrap_or_default();
            let said = self.live.get(*task).map_or(String::new(), |line| format!("  \x1b[2m{line}\x1b[0m"));
            lines.push(format!(
                "   {task:<12} {} since {since}, attempt {}{said}",
                self.paint(shown.status),
                shown.attempt
            ));
        }
        if open.len() > LISTED {
            lines.push(format!("   and {} more", open.len() - LISTED));
        }
        lines
    }

    /// What a task waits for now and did not before, where no record says so.
    fn awaited(&self, task: &TaskId, waits: &[Wait], at: Timestamp) -> Vec<String> {
        let before = self.waits.get(task).map_or(&[][..], Vec::as_slice);
        let is_new = |wait: &&Wait| !before.iter().any(|old| (old.kind, &old.what) == (wait.kind, &wait.what));
        let told = waits.iter().filter(|wait| wait.kind.is_of_pull()).filter(is_new);
        let at = at.to_string();
        let at = at.get(11..19).unwrap_or_default();
        let text = |wait: &Wait| format!("{}, until {}", escape_line(&wait.what), escape_line(&wait.ends));
        told.map(|wait| format!("{at} {task:<12} waits for {}", text(wait))).collect()
    }

    fn line(&self, entry: &Entry) -> Option<String> {
        let task = entry.task.as_ref()?;
        let said = match &entry.record {
            Record::Status(change) => {
                let attempt = change.attempt.map_or(String::new(), |n| format!(" (attempt {n})"));
                let reason = change.reason.as_ref().map_or(String::new(), |r| format!(": {}", escape_line(r)));
                format!("{}{attempt}{reason}", self.paint(change.to))
            }
            Record::Remedy { decision, .. } if !matches!(decision.remedy, Remedy::Accept | Remedy::Verify) => {
                format!("  {}: {}", decision.remedy.name(), escape_line(&decision.reason))
            }
            _ => return None,
        };
        let at = entry.timestamp.to_string();
        Some(format!("{} {task:<12} {said}", at.get(11..19).unwrap_or_default()))
    }
}

/// What holds a task when a run stops, and how to let it go.
fn held(task: &TaskId, wait: &Wait) -> String {
    match wait.kind {
        WaitKind::Person => {
            let reason = escape_line(wait.what.trim_start_matches("a person: "));
            format!("  {task} needs a person: {reason} (`orch why {task}` tells all)")
        }
        WaitKind::Paused if wait.ends == "`orch resume`" => "  everything is paused (`orch resume` goes on)".to_owned(),
        WaitKind::Paused => format!("  {task} is paused ({} goes on)", wait.ends),
        _ => format!("  {task} waits for {wait}"),
    }
}

impl Observer for Progress {
    fn recorded(&mut self, engine: &Orchestrator, entries: &[Entry]) {
        let all = self.statuses.is_empty();
        let touched: BTreeSet<&TaskId> = entries.iter().filter_map(|entry| entry.task.as_ref()).collect();
        for (id, task) in engine.state().tasks.iter().filter(|(id, _)| all || touched.contains(id)) {
            let since = entries.last().map_or(Timestamp::from_millis(0), |entry| entry.timestamp);
            let since =
                self.statuses.get(id).filter(|shown| shown.status == task.status).map_or(since, |shown| shown.since);
            self.statuses.insert(id.clone(), Shown { status: task.status, attempt: task.attempt.number.0, since });
        }
        let mut lines: Vec<String> =
            entries.iter().filter(|_| !self.quiet).filter_map(|entry| self.line(entry)).collect();
        let leaves = entries.iter().any(|entry| matches!(&entry.record, Record::Driver(driver) if !driver.start));
        for id in engine.state().tasks.keys().filter(|id| all || leaves || touched.contains(id)) {
            let waits = engine.waits(id);
            if !self.quiet
                && let Some(at) = entries.last().map(|entry| entry.timestamp)
            {
                lines.extend(self.awaited(id, &waits, at));
            }
            self.waits.insert(id.clone(), waits);
        }
        if !lines.is_empty() {
            self.print(&lines, true);
        }
    }

    fn seen(&mut self, live: &[LiveView]) {
        let said = |view: &LiveView| {
            let line: String = orch_core::base::escape_line(view.line.as_deref()?.trim()).chars().take(SAID).collect();
            Some((view.task.clone(), line))
        };
        self.live = live.iter().filter_map(said).collect();
        if self.terminal && !self.quiet && self.drawn > 0 {
            self.print(&[], true);
        }
    }

    fn tell(&mut self, message: &str) {
        self.print(&[format!("note: {}", escape_line(message))], true);
    }
}
