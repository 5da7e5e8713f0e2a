//! What sessions show.

use std::collections::BTreeMap;
use std::sync::Arc;

use orch_core::{ExecutorError, LaunchId, ScreenView};

use crate::executor::Inner;
use crate::quote::Line;
use crate::record::{FORMAT, Record};
use crate::server::unavailable;

/// How many rows of history are looked at above the screen.
const HISTORY: u32 = 50;

/// The screens of the given sessions, in one round trip as long as none of them vanished.
pub(crate) async fn look(inner: &Arc<Inner>, launches: &[LaunchId]) -> Result<Vec<ScreenView>, ExecutorError> {
    if launches.is_empty() {
        return Ok(Vec::new());
    }
    let mut targets = known(inner, launches);
    if targets.len() < launches.len() {
        inner.records(None).await?;
        targets = known(inner, launches);
    }
    let wanted: Vec<(LaunchId, String)> = targets.into_iter().collect();
    let mut views = Vec::new();
    let mut rest = wanted.as_slice();
    while !rest.is_empty() {
        let Some(replies) = inner.ask(&captures(rest)).await? else { break };
        let done = replies.len().div_ceil(2).max(1);
        for (replies, (launch, _)) in replies.chunks(2).zip(rest) {
            if let [Ok(told), Ok(rows)] = replies
                && let Some(record) = Record::parse(told).filter(|record| record.launch == *launch)
            {
                views.push(view(&record, rows));
            }
        }
        // A pane that vanished ended the line: go on behind it.
        rest = rest.get(done..).unwrap_or_default();
    }
    Ok(views)
}

/// The screen of one pane that was just found.
pub(crate) async fn look_at(inner: &Arc<Inner>, record: &Record) -> Result<ScreenView, ExecutorError> {
    let launch = record.launch;
    let line = captures(&[(launch, record.target())]);
    let replies = inner.ask(&line).await?.ok_or_else(|| unavailable("the server is gone"))?;
    let [Ok(told), Ok(rows)] = replies.as_slice() else { return Err(ExecutorError::NotFound { launch }) };
    let record = Record::parse(told).filter(|record| record.launch == launch);
    record.map(|record| view(&record, rows)).ok_or(ExecutorError::NotFound { launch })
}

/// A value that changes when the session prints: the size of its log, which outlives every process of
/// orch; without a log what tmux knows of the screen.
pub(crate) fn activity(record: &Record) -> u64 {
    let log = record.log.as_ref().and_then(|log| std::fs::metadata(log).ok());
    log.map_or_else(
        || u64::from(record.history) << 32 | u64::from(record.cursor.1) << 16 | u64::from(record.cursor.0),
        |log| log.len(),
    )
}

fn known(inner: &Inner, launches: &[LaunchId]) -> BTreeMap<LaunchId, String> {
    let target = |launch: &LaunchId| {
        inner.registry(|registry| registry.record(*launch).map(|record| (*launch, record.target())))
    };
    launches.iter().filter_map(target).collect()
}

fn captures(targets: &[(LaunchId, String)]) -> Line {
    let top = format!("-{HISTORY}");
    let mut line = Line::new();
    for (_, target) in targets {
        line.push(["display-message", "-p", "-t", target, FORMAT]);
        line.push(["capture-pane", "-p", "-t", target, "-S", &top]);
    }
    line
}

fn view(record: &Record, captured: &str) -> ScreenView {
    let above = record.history.min(HISTORY);
    // The alternate screen stands below the history of the normal one, which is none of its own.
    let hidden = if record.alternate { above } else { 0 };
    let rows: Vec<&str> = captured.lines().skip(hidden as usize).map(str::trim_end).collect();
    let cursor = above - hidden + record.cursor.1;
    let filled = rows.iter().rposition(|row| !row.is_empty()).map_or(0, |last| last + 1);
    let shown = filled.max(cursor as usize + 1).min(rows.len());
    ScreenView {
        launch: record.launch,
        text: rows[..shown].join("\n"),
        title: record.title.clone(),
        process: record.command.clone(),
        cursor_row: Some(cursor),
    }
}
