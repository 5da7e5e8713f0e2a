use orch_core::base::{Millis, escape_line};
use orch_core::views::{ReportView, TaskReport};

use super::Act;
use crate::failure::{Exit, Failure};
use crate::output::{Paint, table};
use crate::reading::Reading;
use crate::shell::Shell;

/// Sum up what was done: attempts, times, commits, files, remedies
#[derive(Debug, clap::Args)]
pub(crate) struct Report {}

impl Act for Report {
    fn act(self, shell: &mut Shell) -> Result<Exit, Failure> {
        let report = ReportView::new(&Reading::open(shell)?.state);
        if shell.json() {
            shell.document(&report)?;
        } else {
            shell.text(&rendered(&report, shell.paint()))?;
        }
        Ok(Exit::Done)
    }
}

fn rendered(report: &ReportView, paint: Paint) -> String {
    let time = |at: Option<orch_core::base::Timestamp>| at.map_or_else(|| "-".to_owned(), |at| at.to_string());
    let mut text = format!("{}\n", paint.bold(&escape_line(&report.project)));
    text.push_str(&format!("began    {}\nfinished {}\n", time(report.started_at), time(report.finished_at)));
    text.push_str(&format!("at most {} at once\n\n", report.parallel_peak));
    let head = ["TASK", "STATUS", "ATTEMPTS", "TIME", "PR", "COMMITS", "FILES"].map(str::to_owned).to_vec();
    let rows: Vec<Vec<String>> =
        std::iter::once(head).chain(report.tasks.iter().map(|task| row(task, paint))).collect();
    text.push_str(&table(&rows));
    for task in report.tasks.iter().filter(|task| !task.remedies.is_empty() || task.reason.is_some()) {
        text.push_str(&format!("\n{}\n", paint.bold(task.id.as_str())));
        for taken in &task.remedies {
            text.push_str(&format!(
                "  {}  {} => {}: {}\n",
                taken.at,
                taken.signal,
                taken.remedy,
                escape_line(&taken.reason)
            ));
        }
        if let Some(reason) = &task.reason {
            let who = if task.needs_human { "needs a person: " } else { "" };
            text.push_str(&format!("  now: {who}{}\n", escape_line(reason)));
        }
    }
    text
}

fn row(task: &TaskReport, paint: Paint) -> Vec<String> {
    vec![
        task.id.to_string(),
        paint.status(task.status, 0),
        task.attempts.to_string(),
        task.duration_seconds.map_or_else(|| "-".to_owned(), seconds),
        task.pr_number.map_or_else(|| "-".to_owned(), |number| format!("#{number}")),
        task.commits.len().to_string(),
        task.files.len().to_string(),
    ]
}

fn seconds(count: u64) -> String {
    if count == 0 { "under 1s".to_owned() } else { Millis::from_secs(count).to_string() }
}
