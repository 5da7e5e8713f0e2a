use camino::{Utf8Path, Utf8PathBuf};
use orch_core::heal::{DefaultPolicy, HealPolicy};
use orch_core::journal::Entry;
use orch_core::views::{DifferenceKind, OtherLimits, Replay as Outcome, replay};
use orch_runtime::{Settings, read_journal};
use serde_json::json;

use super::Act;
use crate::failure::{Exit, Failure};
use crate::shell::Shell;

/// Decide again from the evidence in a journal
///
/// Under the policy and the thresholds of the journal nothing may differ: ends with 1 at what does. With --policy,
/// lists which decisions would have been others, and ends with 0.
#[derive(Debug, clap::Args)]
pub(crate) struct Replay {
    /// The journal
    events: Utf8PathBuf,
    /// Settings whose [heal] decides instead
    #[arg(long, value_name = "FILE")]
    policy: Option<Utf8PathBuf>,
}

impl Act for Replay {
    fn act(self, shell: &mut Shell) -> Result<Exit, Failure> {
        for path in [Some(&self.events), self.policy.as_ref()].into_iter().flatten() {
            std::fs::metadata(path).map_err(|error| Failure::input(format!("cannot read {path}: {error}")))?;
        }
        let entries = read_journal::<Entry>(&self.events)?.records;
        let policy = self.policy.as_deref().map(other).transpose()?;
        let policy: &dyn HealPolicy = policy.as_ref().map_or(&DefaultPolicy, |other| other);
        let outcome = replay(&entries, policy);
        if shell.json() {
            let Outcome { decisions, moves, differences, .. } = &outcome;
            let name = policy.name();
            shell.document(
                &json!({"policy": name, "decisions": decisions, "moves": moves, "differences": differences}),
            )?;
        } else {
            shell.text(&rendered(&outcome))?;
        }
        let wrong = |kind: &DifferenceKind| self.policy.is_none() || !matches!(kind, DifferenceKind::Decision { .. });
        let failed = outcome.differences.iter().any(|difference| wrong(&difference.kind));
        Ok(if failed { Exit::Failed } else { Exit::Done })
    }
}

fn other(path: &Utf8Path) -> Result<OtherLimits, Failure> {
    let limits = Settings::load(None, Some(path))?.limits;
    Ok(OtherLimits { limits, name: format!("default with {path}") })
}

fn rendered(outcome: &Outcome) -> String {
    let mut text: String = outcome.differences.iter().map(|difference| format!("{difference}\n")).collect();
    let Outcome { decisions, moves, differences, .. } = outcome;
    text.push_str(&format!("{decisions} decisions and {moves} moves replayed, {} differ\n", differences.len()));
    text
}
