use orch_core::base::{Millis, TaskId, Timestamp, clean, escape_line};
use orch_core::engine::{Wait, WaitKind};
use orch_core::views::{FleetView, TaskView};
use orch_runtime::SystemClock;

use super::Act;
use crate::failure::{Exit, Failure};
use crate::output::{Paint, table};
use crate::reading::Reading;
use crate::shell::{Shell, task_id};

/// How much of a title a row shows.
const TITLE: usize = 40;

/// Show where every task stands
#[derive(Debug, clap::Args)]
pub(crate) struct Status {
    /// One task only
    #[arg(value_parser = task_id)]
    task: Option<TaskId>,
}

impl Act for Status {
    fn act(self, shell: &mut Shell) -> Result<Exit, Failure> {
        let reading = Reading::open(shell)?;
        let mut fleet = reading.fleet()?;
        if let Some(task) = &self.task {
            reading.require(task)?;
            fleet = fleet.only(task);
        }
        if let Some(note) = reading.pending_edit() {
            shell.note(&note);
        }
        if shell.json() {
            shell.document(&fleet)?;
        } else {
            let (now, paint) = (SystemClock::new().now().wall, shell.paint());
            let text = match (&self.task, fleet.tasks.as_slice()) {
                (Some(_), [task]) => one(task, now, paint),
                _ => whole(&fleet, now, paint),
            };
            shell.text(&text)?;
        }
        Ok(Exit::Done)
    }
}

fn whole(fleet: &FleetView, now: Timestamp, paint: Paint) -> String {
    let mut text = paint.bold(&escape_line(&fleet.project));
    if let Some(phase) = &fleet.phase {
        text.push_str(&format!(": phase {} \"{}\"", phase.index, escape_line(&phase.name)));
    }
    let counts = fleet.counts.iter().filter(|(_, count)| **count > 0);
    let counts: Vec<String> = counts.map(|(status, count)| format!("{count} {status}")).collect();
    let counts = if counts.is_empty() { "no tasks".to_owned() } else { counts.join(", ") };
    let driver = match fleet.orchestrator.pid {
        Some(pid) => format!("orchestrator runs as process {pid}"),
        None => "no orchestrator runs".to_owned(),
    };
    text.push_str(&format!("\n{counts}; {driver}\n"));
    if fleet.tasks.is_empty() {
        return text;
    }
    let head = ["TASK", "STATUS", "TRY", "AGENT", "PR", "SEEN", "TITLE", "NOTE"].map(str::to_owned).to_vec();
    let rows: Vec<Vec<String>> =
        std::iter::once(head).chain(fleet.tasks.iter().map(|task| row(task, now, paint))).collect();
    text.push('\n');
    text.push_str(&table(&rows));
    let waiting: Vec<&TaskView> = fleet.tasks.iter().filter(|task| task.needs_human).collect();
    if !waiting.is_empty() {
        text.push('\n');
    }
    for task in waiting {
        let said = format!("{} needs a person: {}", task.id, reason(task));
        text.push_str(&format!("{}\n", paint.alarm(&said)));
        let wait = task.waits.iter().find(|wait| wait.kind == WaitKind::Person);
        let since = wait.and_then(|wait| wait.since).map(|at| format!("since {}, ", ago(Some(at), now)));
        let ends = wait.map(|wait| format!("{}until {}", since.unwrap_or_default(), escape_line(&wait.ends)));
        text.push_str(&ends.map(|ends| format!("  {ends}\n")).unwrap_or_default());
        text.push_str(&format!("  help: `orch why {}` tells all\n", task.id));
    }
    text
}

fn row(task: &TaskView, now: Timestamp, paint: Paint) -> Vec<String> {
    vec![
        task.id.to_string(),
        paint.status(task.status, 0),
        if task.attempt.0 == 0 { "-".to_owned() } else { task.attempt.to_string() },
        escape_line(&task.agent),
        task.pr_number.map_or_else(|| "-".to_owned(), |number| format!("#{number}")),
        ago(task.last_progress, now),
        escape_line(&clean(&task.title, TITLE)),
        note(task, now),
    ]
}

/// What there is to know of a task beside its status: all that it waits for, else why it stands there.
fn note(task: &TaskView, now: Timestamp) -> String {
    let flags = [(task.needs_human, "needs a person"), (task.skipped, "skipped"), (task.paused, "paused")];
    let mut parts: Vec<String> = flags.iter().filter(|(set, _)| *set).map(|(_, name)| (*name).to_owned()).collect();
    let said = |kind: WaitKind| matches!(kind, WaitKind::Person | WaitKind::Paused);
    let waits = task.waits.iter().filter(|wait| !said(wait.kind));
    parts.extend(waits.map(|wait| format!("waits for {}", waited(wait, now))));
    if parts.is_empty() && task.reason.is_some() {
        parts.push(reason(task));
    }
    parts.join("; ")
}

/// A wait in words that follow "waits for", its times as a person at the terminal sees them.
fn waited(wait: &Wait, now: Timestamp) -> String {
    let mut text = escape_line(&clean(&wait.what, 300));
    if let Some(since) = wait.since {
        text.push_str(&format!(", since {}", ago(Some(since), now)));
    }
    if let Some(again) = wait.again {
        text.push_str(&format!(", again in {}", Millis::from_secs(again.since(now).0.div_ceil(1000))));
    }
    format!("{text}, until {}", escape_line(&wait.ends))
}

fn reason(task: &TaskView) -> String {
    escape_line(&clean(task.reason.as_deref().unwrap_or("no reason given"), 200))
}

fn ago(at: Option<Timestamp>, now: Timestamp) -> String {
    let Some(at) = at else { return "-".to_owned() };
    let secs = now.since(at).0 / 1000;
    if secs == 0 {
        return "now".to_owned();
    }
    let coarse = if secs >= 3600 { secs / 60 * 60 } else { secs };
    format!("{} ago", Millis::from_secs(coarse))
}

fn one(task: &TaskView, now: Timestamp, paint: Paint) -> String {
    let or = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    let time = |at: Option<Timestamp>| at.map(|time| format!("{time} ({})", ago(at, now)));
    let row = |name: &str, value: String| vec![name.to_owned(), value];
    let mut rows = vec![
        row("title", escape_line(&task.title)),
        row("status", paint.status(task.status, 0)),
        row("phase", task.phase.to_string()),
        row("attempt", task.attempt.to_string()),
        row("agent", escape_line(&task.agent)),
        row("session", or(task.session.as_deref().map(escape_line))),
        row("branch", escape_line(task.branch.as_str())),
        row("worktree", or(task.worktree.as_ref().map(|path| escape_line(path.as_str())))),
        row("pull request", or(task.pr_number.map(|number| format!("#{number}")))),
        row("started", or(time(task.started_at))),
        row("progress", or(time(task.last_progress))),
        row("completed", or(time(task.completed_at))),
    ];
    let said = note(task, now);
    if !said.is_empty() {
        rows.push(row("note", said));
    }
    if task.needs_human {
        rows.push(row("reason", paint.alarm(&reason(task))));
    }
    let held = task.waits.iter().filter(|wait| matches!(wait.kind, WaitKind::Person | WaitKind::Paused));
    rows.extend(held.map(|wait| row("ends", format!("until {}", escape_line(&wait.ends)))));
    format!("{}\n{}", paint.bold(task.id.as_str()), table(&rows))
}

#[cfg(test)]
mod tests {
    use orch_core::base::Layout;
    use orch_core::plan::Manifest;
    use orch_core::state::State;

    use super::*;

    const MANIFEST: &str = r#"{"project":"de\u001bmo","phases":[
      {"name":"One","tasks":[
        {"id":"t1","title":"First \u001b[31mred\u202e","files":["a.js"],"status":"stuck","needsHuman":true,"reason":"log\nin",
         "attempts":2,"lastProgress":"2026-01-01T00:00:00Z","prNumber":7},
        {"id":"t2","title":"A title that is much longer than there is any room for in one row","files":["a.js"]},
        {"id":"t3","dependsOn":["t2"],"agent":"claude"}]},
      {"name":"Two","tasks":[{"id":"t4","title":"Fourth","skipped":true}]}]}"#;

    fn fleet() -> FleetView {
        let manifest = Manifest::parse(MANIFEST.as_bytes()).expect("a manifest").manifest;
        let state = State::from_manifest(&manifest);
        FleetView::new(&state, manifest.graph(), &Layout::new("/w"), Some(42)).with_imported(manifest.imported())
    }

    fn now() -> Timestamp {
        Timestamp::parse("2026-01-01T02:03:04Z").expect("a time")
    }

    #[test]
    fn the_fleet_fits_a_table() {
        insta::assert_snapshot!(whole(&fleet(), now(), Paint(false)), @r#"
        de\u{1b}mo: phase 0 "One"
        3 pending, 1 stuck; orchestrator runs as process 42

        TASK  STATUS   TRY  AGENT   PR  SEEN       TITLE                                     NOTE
        t1    stuck    2    codex   #7  2h 3m ago  First red                                 needs a person
        t2    pending  -    codex   -   -          A title that is much longer than there …  waits for t1 (both touch a.js), until it is complete, or skipped by `orch skip`
        t3    pending  -    claude  -   -                                                    waits for t2 (dependsOn), until it is complete, or skipped by `orch skip`
        t4    pending  -    codex   -   -          Fourth                                    skipped

        t1 needs a person: log\nin
          until `orch retry t1`; `orch skip t1` lets others pass
          help: `orch why t1` tells all
        "#);
    }

    #[test]
    fn one_task_is_told_in_full() {
        insta::assert_snapshot!(one(&fleet().tasks[0], now(), Paint(false)), @r"
        t1
        title         First \u{1b}[31mred\u{202e}
        status        stuck
        phase         0
        attempt       2
        agent         codex
        session       -
        branch        task/t1
        worktree      -
        pull request  #7
        started       -
        progress      2026-01-01T00:00:00.000Z (2h 3m ago)
        completed     -
        note          needs a person
        reason        log\nin
        ends          until `orch retry t1`; `orch skip t1` lets others pass
        ");
    }

    #[test]
    fn colours_come_only_when_wanted() {
        assert!(!whole(&fleet(), now(), Paint(false)).contains('\x1b'));
        assert!(whole(&fleet(), now(), Paint(true)).contains("\x1b[33mstuck\x1b[0m"));
    }
}
