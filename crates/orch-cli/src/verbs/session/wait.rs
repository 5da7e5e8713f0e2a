use std::time::Duration;

use clap::ValueEnum;
use orch_core::agents::Monitor;
use orch_core::base::{LaunchId, Millis};
use orch_core::heal::DefaultPolicy;
use orch_core::heal::Signal;
use orch_core::ports::{Executor, ExecutorEvent};
use orch_runtime::SystemClock;
use serde_json::json;

use super::Act;
use crate::failure::{Exit, Failure};
use crate::sessions::Sessions;
use crate::shell::{Shell, block_on, span};

/// Wait until something happens in a session
///
/// Ends with 0 when it did. Ends with 1 when the time is over first, or the session ended with an error.
#[derive(Debug, clap::Args)]
pub(crate) struct Wait {
    /// The session
    id: String,
    /// exit: it has ended; idle: its screen stands still; approval: it asks something; output: it prints something
    #[arg(long = "for", value_name = "WHAT", value_enum, default_value_t = What::Exit)]
    what: What,
    /// How long at most: `30s`, `5m`
    #[arg(long, value_name = "TIME", value_parser = span)]
    timeout: Option<Millis>,
}

/// What is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum What {
    Idle,
    Exit,
    Approval,
    Output,
}

/// Why a wait is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reason {
    Met(What),
    Exit,
    Timeout,
}

impl Reason {
    fn name(self) -> &'static str {
        match self {
            Self::Met(What::Idle) => "idle",
            Self::Met(What::Approval) => "approval",
            Self::Met(What::Output) => "output",
            Self::Met(What::Exit) | Self::Exit => "exit",
            Self::Timeout => "timeout",
        }
    }
}

impl Act for Wait {
    fn act(self, shell: &mut Shell) -> Result<Exit, Failure> {
        let (id, reason, code) = block_on(async {
            let sessions = Sessions::open().await?;
            let known = sessions.find(&self.id).await?;
            let reason = if known.live.is_some() { self.watch(&sessions, known.id).await? } else { Reason::Exit };
            let end = sessions.store.end(known.id)?;
            Ok((known.id, reason, end.and_then(|end| end.exit.code)))
        })?;
        if shell.json() {
            shell.document(&json!({"id": id.to_string(), "reason": reason.name(), "exitCode": code}))?;
        } else {
            let code = code.filter(|_| reason == Reason::Exit).map(|code| format!(" {code}")).unwrap_or_default();
            shell.text(&format!("{}{code}", reason.name()))?;
        }
        Ok(match (reason, code) {
            (Reason::Timeout, _) => Exit::Failed,
            (Reason::Exit, code) if code != Some(0) => Exit::Failed,
            _ => Exit::Done,
        })
    }
}

impl Wait {
    async fn watch(&self, sessions: &Sessions, id: LaunchId) -> Result<Reason, Failure> {
        let (executor, limits) = (&sessions.executor, &sessions.settings.limits);
        let clock = SystemClock::new();
        let begun = clock.now();
        let mut monitor = Monitor::new(orch_core::ports::SessionInput::default(), &begun);
        let mut listed = false;
        loop {
            if !listed {
                if sessions.settle().await?.iter().all(|session| session.launch != id) {
                    return Ok(Reason::Exit);
                }
                listed = true;
            }
            let now = clock.now();
            let looks = matches!(self.what, What::Idle | What::Approval);
            if looks
                && monitor.wants_look(limits, &now)
                && let Some(view) = executor.look(&[id]).await?.pop()
            {
                monitor.see(&view, &now);
            }
            if self.is_met(&mut monitor, sessions, &now) {
                return Ok(Reason::Met(self.what));
            }
            let left = self.timeout.map(|timeout| Millis(timeout.0.saturating_sub(now.awake.since(begun.awake).0)));
            if left == Some(Millis(0)) {
                return Ok(Reason::Timeout);
            }
            let beat =
                if looks { monitor.deadline(limits, &now).min(limits.screen_interval) } else { limits.heartbeat };
            let nap = left.map_or(beat, |left| left.min(beat)).max(Millis(1));
            let events = tokio::time::timeout(Duration::from_millis(nap.0), executor.events()).await;
            for event in events.unwrap_or_default() {
                match event {
                    ExecutorEvent::Output(of) if of == id && self.what == What::Output => {
                        return Ok(Reason::Met(What::Output));
                    }
                    ExecutorEvent::Output(of) if of == id => monitor.printed(),
                    ExecutorEvent::Output(_) => {}
                    ExecutorEvent::Exited(_) | ExecutorEvent::Lost => listed = false,
                }
            }
        }
    }

    fn is_met(&self, monitor: &mut Monitor, sessions: &Sessions, now: &orch_core::base::Now) -> bool {
        let limits = &sessions.settings.limits;
        match self.what {
            What::Idle => monitor.silent_for(now) >= limits.ready_after,
            What::Approval => monitor
                .judge(&DefaultPolicy, limits, now)
                .is_some_and(|found| matches!(found.signal, Signal::Prompt | Signal::Dialog)),
            What::Exit | What::Output => false,
        }
    }
}
