use super::Act;
use crate::failure::{Exit, Failure};
use crate::shell::Shell;

/// Print the JSON Schema of the manifest
#[derive(Debug, clap::Args)]
pub(crate) struct Schema {}

impl Act for Schema {
    fn act(self, shell: &mut Shell) -> Result<Exit, Failure> {
        shell.text(&orch_core::plan::schema())?;
        Ok(Exit::Done)
    }
}
