use camino::Utf8PathBuf;
use clap::{Parser, ValueEnum};

use crate::verbs::Verb;

/// Runs a fleet of coding agents over one repository until the work is merged
///
/// Exit codes: 0 goal reached or nothing to do, 1 failed, 2 bad usage or bad input (nothing changed), 3 stopped
/// because a person is needed, 4 another orchestrator holds the workdir, 130 interrupted.
#[derive(Debug, Parser)]
#[command(name = "orch", version, propagate_version = true, subcommand_required = true, arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

/// What every verb takes.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Everywhere")]
pub(crate) struct Global {
    /// The workdir [default: `ORCH_WORKDIR`, else the current directory or the nearest `.orch/` upward]
    #[arg(short, long, global = true, value_name = "DIR")]
    pub(crate) workdir: Option<Utf8PathBuf>,
    /// Print one JSON document, or JSON Lines where a verb streams
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Say more on stderr
    #[arg(short, long, global = true)]
    pub(crate) verbose: bool,
    /// Say nothing on stderr but errors
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub(crate) quiet: bool,
    /// When to colour; auto means on a terminal, unless `NO_COLOR` is set
    #[arg(
        long,
        global = true,
        value_name = "auto|always|never",
        value_enum,
        default_value_t,
        hide_possible_values = true
    )]
    pub(crate) color: When,
}

/// When to colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum When {
    #[default]
    Auto,
    Always,
    Never,
}
