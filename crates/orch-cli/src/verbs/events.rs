use std::pin::pin;

use orch_core::base::TaskId;
use orch_core::journal::Entry;
use orch_core::views::describe;
use orch_runtime::{Cursor, Followed, JournalError, Records, Workdir, holder, tail_journal};
use tokio::time::MissedTickBehavior;

use super::Act;
use crate::failure::{Exit, Failure};
use crate::shell::{BEAT, Shell, block_on, task_id};

/// Show the journal, one record a line
#[derive(Debug, clap::Args)]
pub(crate) struct Events {
    /// Go on with what is written from now on
    #[arg(short, long)]
    follow: bool,
    /// Records about this task only
    #[arg(long, value_name = "TASK", value_parser = task_id)]
    task: Option<TaskId>,
}

impl Act for Events {
    fn act(self, shell: &mut Shell) -> Result<Exit, Failure> {
        let workdir = shell.workdir()?;
        let path = workdir.journal();
        let Records { records, mut cursor } = tail_journal::<Entry>(&path, Cursor::default())?;
        self.show(shell, &records)?;
        if !self.follow {
            return Ok(Exit::Done);
        }
        block_on(async {
            let mut interrupt = pin!(tokio::signal::ctrl_c());
            let mut beat = tokio::time::interval(BEAT);
            beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
            let mut shown = cursor.seq;
            loop {
                tokio::select! {
                    biased;
                    _ = &mut interrupt => return Ok(Exit::Interrupted),
                    told = self.stream(shell, &workdir, &mut shown) => told?,
                }
                // Nobody runs, or not one that can be followed: the journal itself tells of the next.
                tokio::select! {
                    biased;
                    _ = &mut interrupt => return Ok(Exit::Interrupted),
                    _ = beat.tick() => {}
                }
                let found = match tail_journal::<Entry>(&path, cursor) {
                    // A write that failed was undone; what is left was shown already.
                    Err(JournalError::Changed { .. }) => {
                        cursor = Cursor::default();
                        continue;
                    }
                    found => found?,
                };
                cursor = found.cursor;
                let new: Vec<Entry> = found.records.into_iter().filter(|entry| entry.seq.0 > shown).collect();
                shown = shown.max(cursor.seq);
                self.show(shell, &new)?;
            }
        })
    }
}

impl Events {
    /// Shows what the running orchestrator tells, as it happens, until it leaves.
    async fn stream(&self, shell: &mut Shell, workdir: &Workdir, shown: &mut u64) -> Result<(), Failure> {
        let Some(control) = holder(workdir)?.and_then(|owner| owner.control) else { return Ok(()) };
        let Ok(mut following) = orch_runtime::follow(&control, *shown).await else { return Ok(()) };
        while let Ok(Some(followed)) = following.next().await {
            if let Followed::Record(entry) = followed {
                *shown = entry.seq.0;
                self.show(shell, std::slice::from_ref(&*entry))?;
            }
        }
        Ok(())
    }

    fn show(&self, shell: &mut Shell, records: &[Entry]) -> Result<(), Failure> {
        let wanted = |entry: &&Entry| self.task.is_none() || entry.task == self.task;
        if shell.json() {
            return records.iter().filter(wanted).try_for_each(|entry| shell.json_line(entry));
        }
        let text: String = records.iter().filter(wanted).map(line).collect();
        shell.text(&text)
    }
}

fn line(entry: &Entry) -> String {
    let task = entry.task.as_ref().map_or("-", TaskId::as_str);
    format!("{:>5}  {}  {task:<8}  {}\n", entry.seq.0, entry.timestamp, describe(entry))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_one_line() {
        let user = r#"{"seq":3,"timestamp":"2026-01-01T00:00:00Z","awake":1,"task":"t1","type":"user","verb":{"verb":"send","text":"a\nb"}}"#;
        let gap =
            r#"{"seq":4,"timestamp":"2026-01-01T00:00:00Z","awake":1,"type":"gap","what":"suspend","lasted":90000}"#;
        let lines: String = [user, gap].map(|text| line(&serde_json::from_str(text).expect("a record"))).concat();
        insta::assert_snapshot!(lines, @r"
        3  2026-01-01T00:00:00.000Z  t1        a person says send: a\nb
        4  2026-01-01T00:00:00.000Z  -         nothing could be seen for 1m 30s (suspend)
        ");
    }
}
