//! The manifest that `init` writes.

use serde_json::{Value, json};

use crate::base::id::BranchName;
use crate::base::time::Timestamp;
use crate::plan::spec::{ExecutorKind, ForgeKind};

use super::Manifest;

/// What a new manifest says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Starter {
    /// The project's name.
    pub project: String,
    /// `OWNER/REPO`, a URL or a path.
    pub repo: Option<String>,
    /// The branch that work is for.
    pub base: Option<BranchName>,
    /// The agent profile.
    pub agent: String,
    /// Where agents run; left out when `None`.
    pub executor: Option<ExecutorKind>,
    /// Where pull requests live; left out when `None`.
    pub forge: Option<ForgeKind>,
    /// The directory that the manifest is for.
    pub workdir: String,
    /// The present.
    pub created: Timestamp,
}

impl Manifest {
    /// The text of a manifest without phases.
    pub fn starter(starter: &Starter) -> String {
        let mut document = json!({
            "project": starter.project,
            "repo": starter.repo,
            "workdir": starter.workdir,
            "socket": null,
            "created": starter.created.to_string(),
            "model": null,
            "modelTier": null,
            "base": starter.base,
            "agent": starter.agent,
        });
        let kinds = [
            ("executor", starter.executor.map(|kind| json!(kind))),
            ("forge", starter.forge.map(|kind| json!(kind))),
            ("phases", Some(Value::Array(Vec::new()))),
        ];
        for (name, value) in kinds {
            if let Some(value) = value {
                document[name] = value;
            }
        }
        format!("{document:#}\n")
    }
}
