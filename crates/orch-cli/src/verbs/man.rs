use clap::CommandFactory;
use clap_mangen::Man as Page;

use super::Act;
use crate::args::Cli;
use crate::failure::{Exit, Failure};
use crate::shell::Shell;

/// Print the manual page of orch or of a verb, as roff
///
/// To read it: `orch man run | man -l -`.
#[derive(Debug, clap::Args)]
pub(crate) struct Man {
    /// The verb
    verb: Option<String>,
}

impl Act for Man {
    fn act(self, shell: &mut Shell) -> Result<Exit, Failure> {
        let mut whole = Cli::command();
        whole.build();
        let command = match &self.verb {
            None => whole,
            Some(name) => (whole.find_subcommand(name).cloned())
                .ok_or_else(|| Failure::input(format!("there is no verb {name:?}")).help("`orch help` lists them"))?,
        };
        let mut page = Vec::new();
        Page::new(command).render(&mut page).map_err(Failure::other)?;
        shell.bytes(&page)?;
        Ok(Exit::Done)
    }
}
