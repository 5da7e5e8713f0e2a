use std::collections::BTreeMap;

use orch_core::agents::AgentProfile;
use orch_core::base::TaskId;
use orch_core::plan::{Manifest, Parsed, Plan};
use orch_runtime::{Settings, Workdir, parent_environment, user_settings_path};

use crate::error::FleetError;

/// What people wrote: settings and manifest, checked.
pub(crate) struct Given {
    pub(crate) settings: Settings,
    pub(crate) manifest: Manifest,
    pub(crate) text: Vec<u8>,
}

impl Given {
    /// Reads both; every agent that the plan wants has a profile, in settings or in `own`.
    pub(crate) fn read(
        workdir: &Workdir,
        settings: Option<&Settings>,
        own: &BTreeMap<String, AgentProfile>,
    ) -> Result<Self, FleetError> {
        let settings = settings.map_or_else(|| settings_of(workdir), |settings| Ok(settings.clone()))?;
        let (manifest, text) = read_manifest(workdir)?;
        agents(manifest.plan(), &settings, own)?;
        Ok(Self { settings, manifest, text })
    }
}

/// The user's settings with a workdir's own over them.
pub(crate) fn settings_of(workdir: &Workdir) -> Result<Settings, FleetError> {
    let user = user_settings_path(&parent_environment());
    Ok(Settings::load(user.as_deref(), Some(&workdir.settings()))?)
}

/// Reads a workdir's manifest and its bytes; all its problems at once.
///
/// # Errors
/// [`FleetError::NoManifest`], [`FleetError::Manifest`].
pub fn read_manifest(workdir: &Workdir) -> Result<(Manifest, Vec<u8>), FleetError> {
    let path = workdir.manifest();
    let text = std::fs::read(&path).map_err(|source| FleetError::NoManifest { path: path.clone(), source })?;
    match Manifest::parse(&text) {
        Ok(Parsed { manifest, .. }) => Ok((manifest, text)),
        Err(problems) => Err(FleetError::Manifest { path, problems }),
    }
}

/// The profiles that the plan needs; every one that is missing is said at once.
pub(crate) fn agents(
    plan: &Plan,
    settings: &Settings,
    own: &BTreeMap<String, AgentProfile>,
) -> Result<BTreeMap<String, AgentProfile>, FleetError> {
    let mut agents = BTreeMap::new();
    let mut missing: BTreeMap<String, Vec<TaskId>> = BTreeMap::new();
    for task in &plan.tasks {
        let name = plan.agent_of(task);
        if let Some(profile) = own.get(name) {
            agents.insert(name.to_owned(), profile.clone());
            continue;
        }
        let built_in = (name == "shell").then(AgentProfile::shell);
        let agent = || name.to_owned();
        match settings.profile(name, built_in) {
            Some(profile) if profile.resumes_unknown() => {
                return Err(FleetError::ResumesUnknown { agent: agent() });
            }
            Some(_) if settings.agents.get(name).is_some_and(|said| !said.answers.is_empty()) => {
                return Err(FleetError::Answers { agent: agent() });
            }
            Some(profile) => {
                agents.insert(agent(), profile);
            }
            None => missing.entry(agent()).or_default().push(task.id.clone()),
        }
    }
    if missing.is_empty() { Ok(agents) } else { Err(FleetError::NoProfile { missing }) }
}
