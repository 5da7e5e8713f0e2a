//! The command line of `orch`: arguments to settings to runtime, and the only crate that prints.
//!
//! A verb is one file: a struct of arguments whose doc comment is its help, and a `run` that returns how the
//! command ends. Verbs hold no logic that a TUI or a server would need again; that lives in `orch-core`,
//! `orch-fleet` and `orch-runtime`.

#![expect(clippy::print_stderr, reason = "this is the crate that prints")]

mod args;
mod demo;
mod failure;
mod output;
mod reading;
mod run;
mod sessions;
mod shell;
mod steer;
mod tail;
mod terminal;
#[cfg(test)]
mod tests;
mod verbs;

use std::process::ExitCode;

use clap::Parser;

use args::Cli;
use failure::Exit;
use shell::Shell;
use verbs::Act;

/// Runs the command line of this process and returns its exit code.
pub fn main() -> ExitCode {
    orch_pty::host_entry();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and usage go to a terminal that may be gone.
            let _ = error.print();
            return if error.use_stderr() { Exit::Input.into() } else { Exit::Done.into() };
        }
    };
    let mut shell = Shell::new(cli.global);
    match cli.verb.act(&mut shell) {
        Ok(exit) => exit.into(),
        Err(failure) => shell.fail(&failure).into(),
    }
}
