use clap::CommandFactory;
use clap_complete::Shell as Dialect;

use super::Act;
use crate::args::Cli;
use crate::failure::{Exit, Failure};
use crate::shell::Shell;

/// Print completions for a shell
///
/// For bash: `orch completions bash > ~/.local/share/bash-completion/completions/orch`.
#[derive(Debug, clap::Args)]
pub(crate) struct Completions {
    /// The shell
    #[arg(value_enum, value_name = "SHELL")]
    dialect: Dialect,
}

impl Act for Completions {
    fn act(self, shell: &mut Shell) -> Result<Exit, Failure> {
        let mut script = Vec::new();
        clap_complete::generate(self.dialect, &mut Cli::command(), "orch", &mut script);
        shell.bytes(&script)?;
        Ok(Exit::Done)
    }
}
