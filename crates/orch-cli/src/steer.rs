//! The verbs that steer: through the running orchestrator when there is one, else by one pass of its own.

use std::time::Duration;

use orch_core::{Input, TaskId, UserVerb};
use orch_runtime::{Answer, Mode, Request, Workdir, ask, holder};

use crate::failure::{Exit, Failure};
use crate::run::{Progress, interrupted};
use crate::world::{Fleet, Wishes};

/// How long the running orchestrator may take to answer.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Says something to the engine.
pub(crate) async fn say(workdir: Workdir, task: Option<TaskId>, verb: UserVerb, json: bool) -> Result<Exit, Failure> {
    if let Some(control) = holder(&workdir)?.and_then(|owner| owner.control) {
        let answer: Answer = ask(&control, &Request::User { task, verb }, PATIENCE).await?;
        return told(&answer, json);
    }
    let fleet = Fleet::open(workdir, Wishes::default()).await?;
    let said = vec![Input::User { task, verb }];
    let (_, answers) = fleet.drive(Mode::Pass, said, &mut Progress::new(true), interrupted()).await?;
    match answers.first() {
        Some(answer) => told(answer, json),
        None => Ok(Exit::Done),
    }
}

/// Shows an answer.
pub(crate) fn told(answer: &Answer, json: bool) -> Result<Exit, Failure> {
    match answer {
        Answer::Done(text) if json => {
            crate::output::json(&serde_json::json!({"ok": true, "message": text}));
            Ok(Exit::Done)
        }
        Answer::Done(text) => {
            eprintln!("{}", orch_core::escape_line(text));
            Ok(Exit::Done)
        }
        Answer::Refused(text) => Err(Failure::input(orch_core::escape_block(text))),
    }
}
