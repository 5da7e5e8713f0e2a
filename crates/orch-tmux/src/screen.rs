//! What sessions show.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use orch_core::base::LaunchId;
use orch_core::ports::{ExecutorError, ScreenView};

use crate::inner::Inner;
use crate::quote::Line;
use crate::record::{LOOK_FORMAT, Record};
use crate::server::unavailable;

/// How many rows of history are looked at above the screen.
const HISTORY: u32 = 50;
/// The first of those rows, as tmux counts.
const TOP: &str = "-50";
/// One list of all panes is cheaper than single questions for more than one in so many.
const MANY: usize = 4;

/// A launch and its pane.
type Target = (LaunchId, String);

/// The screens of the given sessions, in one round trip as long as none of them vanished.
pub(crate) async fn look(inner: &Arc<Inner>, launches: &[LaunchId]) -> Result<Vec<ScreenView>, ExecutorError> {
    if launches.is_empty() {
        return Ok(Vec::new());
    }
    let mut targets = known(inner, launches);
    if targets.len() < launches.len() {
        inner.records().await?;
        targets = known(inner, launches);
    }
    let wanted: Vec<Target> = targets.into_iter().collect();
    let mut views = Vec::new();
    if wanted.len() * MANY >= inner.registry(|registry| registry.len()) {
        views = look_at_many(inner, &wanted).await?;
    }
    // Behind a pane that vanished tmux stopped, and one that somebody took out of the keeper was not listed.
    let seen: BTreeSet<LaunchId> = views.iter().map(|view| view.launch).collect();
    let missing: Vec<Target> = wanted.into_iter().filter(|(launch, _)| !seen.contains(launch)).collect();
    let mut rest = missing.as_slice();
    while !rest.is_empty() {
        let (found, done) = look_at_few(inner, rest).await?;
        views.extend(found);
        rest = rest.get(done.max(1)..).unwrap_or_default();
    }
    Ok(views)
}

/// From one list of all panes and a capture each.
async fn look_at_many(inner: &Arc<Inner>, wanted: &[Target]) -> Result<Vec<ScreenView>, ExecutorError> {
    let Some(link) = inner.link(false).await? else { return Ok(Vec::new()) };
    let mut line = Line::new().command(["list-panes", "-s", "-t", &link.keeper, "-F", LOOK_FORMAT]);
    for (_, target) in wanted {
        capture(&mut line, target);
    }
    let Some(replies) = inner.ask(&line).await? else { return Ok(Vec::new()) };
    let Some((Ok(told), captures)) = replies.split_first() else { return Ok(Vec::new()) };
    let records = told.lines().filter_map(Record::parse).map(|record| (record.launch, record));
    let records: BTreeMap<LaunchId, Record> = records.collect();
    let views = captures.iter().zip(wanted).filter_map(|(rows, (launch, target))| {
        let record = records.get(launch).filter(|record| record.target() == *target)?;
        Some(view(record, rows.as_deref().ok()?))
    });
    Ok(views.collect())
}

/// From a question and a capture each, up to a pane that vanished; and how many targets are dealt with.
async fn look_at_few(inner: &Arc<Inner>, wanted: &[Target]) -> Result<(Vec<ScreenView>, usize), ExecutorError> {
    let Some(replies) = inner.ask(&questions(wanted)).await? else { return Ok((Vec::new(), wanted.len())) };
    let views = replies.chunks(2).zip(wanted).filter_map(|(replies, (launch, _))| match replies {
        [Ok(told), Ok(rows)] => {
            Record::parse(told).filter(|record| record.launch == *launch).map(|record| view(&record, rows))
        }
        _ => None,
    });
    Ok((views.collect(), replies.len().div_ceil(2)))
}

/// The screen of one pane that was just found.
pub(crate) async fn look_at(inner: &Arc<Inner>, record: &Record) -> Result<ScreenView, ExecutorError> {
    let launch = record.launch;
    let line = questions(&[(launch, record.target())]);
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
    let target = |launch: &LaunchId| -> Option<Target> {
        inner.registry(|registry| registry.record(*launch).map(|record| (*launch, record.target())))
    };
    launches.iter().filter_map(target).collect()
}

fn questions(targets: &[Target]) -> Line {
    let mut line = Line::new();
    for (_, target) in targets {
        line.push(["display-message", "-p", "-t", target, LOOK_FORMAT]);
        capture(&mut line, target);
    }
    line
}

fn capture(line: &mut Line, target: &str) {
    line.push(["capture-pane", "-p", "-t", target, "-S", TOP]);
}

fn view(record: &Record, captured: &str) -> ScreenView {
    let above = record.history.min(HISTORY);
    // The alternate screen stands below the history of the normal one, which is none of its own.
    let hidden = if record.alternate { above } else { 0 };
    let rows: Vec<&str> = captured.lines().skip(hidden as usize).map(str::trim_end).collect();
    let cursor = above - hidden + record.cursor.1;
    let filled = rows.iter().rposition(|row| !row.is_empty()).map_or(0, |last| last + 1);
    let shown = filled.max(cursor as usize + 1).min(rows.len());
    let mut view = ScreenView::new(record.launch, rows[..shown].join("\n"));
    (view.title, view.process, view.cursor_row) = (record.title.clone(), record.command.clone(), Some(cursor));
    view
}
