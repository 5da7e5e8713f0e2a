//! One file a verb.

mod cleanup;
mod completions;
mod doctor;
mod events;
mod graph;
mod init;
mod logs;
mod man;
mod replay;
mod report;
mod schema;
mod session;
mod status;
mod steering;
mod validate;
mod why;

use crate::failure::{Exit, Failure};
use crate::shell::Shell;
use crate::{demo, run, steer};

/// Does what a verb's arguments say.
pub(crate) trait Act {
    /// # Errors
    /// [`Failure`] says how the command ends.
    fn act(self, shell: &mut Shell) -> Result<Exit, Failure>;
}

macro_rules! verbs {
    ($($name:ident: $arguments:ty),+ $(,)?) => {
        /// What can be done.
        #[derive(Debug, clap::Subcommand)]
        pub(crate) enum Verb { $($name($arguments)),+ }

        impl Act for Verb {
            fn act(self, shell: &mut Shell) -> Result<Exit, Failure> {
                match self { $(Self::$name(verb) => verb.act(shell)),+ }
            }
        }
    };
}

verbs! {
    Init: init::Init,
    Validate: validate::Validate,
    Graph: graph::Graph,
    Schema: schema::Schema,
    Run: run::Run,
    Stop: steer::Stop,
    Tick: run::Tick,
    Status: status::Status,
    Why: why::Why,
    Events: events::Events,
    Logs: logs::Logs,
    Report: report::Report,
    Send: steer::Send,
    Attach: steer::Attach,
    Kill: steer::Kill,
    Retry: steer::Retry,
    Pause: steer::Pause,
    Resume: steer::Resume,
    Skip: steer::Skip,
    Add: steer::Add,
    Session: session::Session,
    Pr: steer::Pr,
    Sync: steer::Sync,
    Cleanup: cleanup::Cleanup,
    Replay: replay::Replay,
    Demo: demo::Demo,
    Doctor: doctor::Doctor,
    Completions: completions::Completions,
    Man: man::Man,
}
