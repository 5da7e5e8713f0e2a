use camino::Utf8PathBuf;
use clap::ValueEnum;
use orch_core::plan::TaskGraph;

use super::Act;
use super::validate::named_or_own;
use crate::failure::{Exit, Failure};
use crate::reading::manifest;
use crate::shell::Shell;

/// Draw the plan: order with its reasons, gates, rounds, critical path, peak of parallel tasks
#[derive(Debug, clap::Args)]
pub(crate) struct Graph {
    /// The manifest, `-` for standard input [default: the workdir's manifest.json]
    file: Option<Utf8PathBuf>,
    /// The form
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
enum Format {
    /// For people
    #[default]
    Text,
    /// For Graphviz
    Dot,
    /// A Mermaid flowchart
    Mermaid,
    /// As with --json
    Json,
}

impl Act for Graph {
    fn act(self, shell: &mut Shell) -> Result<Exit, Failure> {
        let (path, bytes) = named_or_own(shell, self.file)?;
        let parsed = manifest(&path, &bytes)?;
        let graph: &TaskGraph = parsed.manifest.graph();
        let format = if shell.json() { Format::Json } else { self.format };
        match format {
            Format::Text => shell.text(&graph.to_text())?,
            Format::Dot => shell.text(&graph.to_dot())?,
            Format::Mermaid => shell.text(&graph.to_mermaid())?,
            Format::Json => shell.document(&graph.view())?,
        }
        Ok(Exit::Done)
    }
}
