use orch_core::base::TaskId;
use orch_core::views::Why as Story;

use super::Act;
use crate::failure::{Exit, Failure};
use crate::reading::Reading;
use crate::shell::{Shell, settings, task_id};

/// Say why a task stands where it stands: evidence, rules, remedies, thresholds and where those were set
#[derive(Debug, clap::Args)]
pub(crate) struct Why {
    /// The task
    #[arg(value_parser = task_id)]
    task: TaskId,
}

impl Act for Why {
    fn act(self, shell: &mut Shell) -> Result<Exit, Failure> {
        let reading = Reading::open(shell)?;
        reading.require(&self.task)?;
        let settings = settings(Some(&reading.workdir));
        if let Err(failure) = &settings {
            shell.note(&format!("where thresholds are set is not known: {failure}"));
        }
        let source_of = |name: &str| match &settings {
            Ok(settings) => settings.provenance(&format!("heal.{name}")).to_string(),
            Err(_) => "not known".to_owned(),
        };
        let Reading { entries, state, graph, .. } = &reading;
        let story = Story::new(entries, state, graph, &reading.layout(), &self.task, source_of);
        let Some(story) = story else { return reading.require(&self.task).map(|()| Exit::Done) };
        if shell.json() {
            shell.document(&story)?;
        } else {
            shell.text(&story.to_string())?;
        }
        Ok(Exit::Done)
    }
}
