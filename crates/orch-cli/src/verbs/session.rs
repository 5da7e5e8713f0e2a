//! `orch session`: single agent sessions without a manifest.

mod look;
mod report;
mod start;
mod steer;
mod wait;
mod watch;

use super::Act;
use crate::failure::{Exit, Failure};
use crate::shell::Shell;

/// Start, read, answer and end single agent sessions, without a manifest or a workdir
///
/// A session is a program on a terminal of its own that goes on when this command, its shell and its terminal
/// are gone. ID is the number that `start` prints, or the name given with `--name`.
#[derive(Debug, clap::Args)]
pub(crate) struct Session {
    #[command(subcommand)]
    verb: Verb,
}

macro_rules! verbs {
    ($($name:ident: $arguments:ty),+ $(,)?) => {
        #[derive(Debug, clap::Subcommand)]
        enum Verb { $($name($arguments)),+ }

        impl Act for Session {
            fn act(self, shell: &mut Shell) -> Result<Exit, Failure> {
                match self.verb { $(Verb::$name(verb) => verb.act(shell)),+ }
            }
        }
    };
}

verbs! {
    Start: start::Start,
    List: look::List,
    Log: look::Log,
    Screen: look::Screen,
    Submit: steer::Submit,
    Key: steer::Press,
    Attach: steer::Attach,
    Wait: wait::Wait,
    Watch: watch::Watch,
    Kill: steer::Kill,
    Resume: start::Resume,
    Report: report::Report,
}
