//! What belongs to a launch, and what is left of one whose host died.

use orch_core::base::Millis;
use orch_core::ports::{EndMode, EndSpec, ExecutorError};
use orch_process::{Mark, Target};

use crate::protocol::refused;
use crate::session::PtySession;

/// How long the proof that survivors are gone is waited for.
const SURVIVORS: Millis = Millis(5000);

/// What belongs to a launch, from what was recorded and from what is known of its session.
pub(crate) fn target(spec: &EndSpec, session: Option<&PtySession>) -> Target {
    let process = spec.process.clone().or_else(|| session.and_then(|session| session.process.clone()));
    let worktree = session.and_then(|session| session.worktree.clone());
    let marks = worktree.map(|worktree| Mark::Is("ORCH_WORKTREE".to_owned(), worktree)).into_iter().collect();
    Target { process, launch: spec.launch, marks }
}

/// Ends what survived of an earlier start of a launch, so that it does not run twice at once.
///
/// # Errors
/// [`ExecutorError::Refused`] when it is not proved gone in time.
pub(crate) async fn end_survivors(lost: &PtySession) -> Result<(), ExecutorError> {
    let spec = EndSpec { launch: lost.launch, process: None, mode: EndMode::Kill, patience: SURVIVORS };
    if target(&spec, Some(lost)).kill(spec.patience).await {
        return Ok(());
    }
    let what = format!("launch {}", lost.launch);
    Err(refused(what, "what an earlier start of it left running could not be ended"))
}
