use orch_core::{Entry, TaskId, describe};
use orch_runtime::{Cursor, JournalError, Records, tail_journal};

use super::Act;
use crate::failure::{Exit, Failure};
use crate::shell::{Shell, follow, task_id};

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
        let path = shell.workdir()?.journal();
        let mut cursor = Cursor::default();
        let mut more = |shell: &mut Shell| -> Result<(), Failure> {
            let found = match tail_journal::<Entry>(&path, cursor) {
                // A write that failed was undone; what is left was shown already.
                Err(JournalError::Changed { .. }) if self.follow => return Ok(()),
                found => found?,
            };
            let Records { records, cursor: reached } = found;
            cursor = reached;
            self.show(shell, &records)
        };
        more(shell)?;
        if self.follow { follow(|| more(shell)) } else { Ok(Exit::Done) }
    }
}

impl Events {
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
