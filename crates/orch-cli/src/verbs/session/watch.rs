use std::collections::BTreeMap;
use std::pin::pin;
use std::time::Duration;

use orch_core::agents::{Finding, Monitor};
use orch_core::base::{LaunchId, Now, Timestamp, escape_line};
use orch_core::heal::{DefaultPolicy, Remedy};
use orch_core::ports::{Executor, ExecutorError, ExecutorEvent, ExitStatus, SessionInput};
use orch_runtime::SystemClock;
use serde_json::json;

use super::Act;
use crate::failure::{Exit, Failure};
use crate::sessions::{Known, Sessions};
use crate::shell::{Shell, block_on};

/// Watch sessions until they have ended: what they ask, when they fall silent, loop or fail
///
/// The same rules as for tasks: output and a changing screen are life; a question is answered by the profile's
/// rules; silence is suspected, poked, and then ended and resumed. Without `--heal` it only says what it would do.
#[derive(Debug, clap::Args)]
pub(crate) struct Watch {
    /// The sessions [default: all that run]
    ids: Vec<String>,
    /// Do it, too
    #[arg(long)]
    heal: bool,
}

/// Sessions under watch.
struct Rounds<'a> {
    sessions: &'a Sessions,
    shell: &'a mut Shell,
    heal: bool,
    clock: SystemClock,
    watched: BTreeMap<LaunchId, Monitor>,
    /// Sessions that have ended and go on at a time.
    later: BTreeMap<LaunchId, (Timestamp, Monitor)>,
    needs_person: bool,
}

impl Act for Watch {
    fn act(self, shell: &mut Shell) -> Result<Exit, Failure> {
        block_on(async {
            let sessions = Sessions::open().await?;
            let mut meant = Vec::new();
            for id in &self.ids {
                let known = sessions.find(id).await?;
                Sessions::require_running(&known)?;
                meant.push(known);
            }
            if meant.is_empty() {
                meant = sessions.list(false).await?;
            }
            let clock = SystemClock::new();
            let now = clock.now();
            let watched = meant.iter().map(|known| (known.id, Monitor::new(sessions.poke_of(known), &now))).collect();
            let mut rounds = Rounds {
                sessions: &sessions,
                shell,
                heal: self.heal,
                clock,
                watched,
                later: BTreeMap::new(),
                needs_person: false,
            };
            let mut interrupt = pin!(crate::run::interrupted());
            while !rounds.watched.is_empty() || !rounds.later.is_empty() {
                let wait = rounds.round().await?;
                tokio::select! {
                    () = &mut interrupt => return Ok(Exit::Interrupted),
                    events = tokio::time::timeout(wait, sessions.executor.events()) => {
                        rounds.hear(&events.unwrap_or_default());
                    }
                }
            }
            Ok(if rounds.needs_person { Exit::NeedsPerson } else { Exit::Done })
        })
    }
}

impl Rounds<'_> {
    fn hear(&mut self, events: &[ExecutorEvent]) {
        for event in events {
            if let ExecutorEvent::Output(launch) = event
                && let Some(monitor) = self.watched.get_mut(launch)
            {
                monitor.printed();
            }
        }
    }

    /// Looks at everything once; how long nothing is due after that.
    async fn round(&mut self) -> Result<Duration, Failure> {
        let limits = &self.sessions.settings.limits;
        let running = self.sessions.settle().await?;
        let gone: Vec<LaunchId> =
            self.watched.keys().copied().filter(|id| running.iter().all(|session| session.launch != *id)).collect();
        for id in gone {
            self.ended(id).await?;
        }
        let now = self.clock.now();
        let due = self.watched.iter().filter(|(_, monitor)| monitor.wants_look(limits, &now)).map(|(id, _)| *id);
        let due: Vec<LaunchId> = due.collect();
        for view in self.sessions.executor.look(&due).await? {
            if let Some(monitor) = self.watched.get_mut(&view.launch) {
                monitor.see(&view, &now);
            }
        }
        for id in self.watched.keys().copied().collect::<Vec<_>>() {
            self.judge(id, &now).await?;
        }
        let now = self.clock.now();
        let due: Vec<LaunchId> = self.later.iter().filter(|(_, (at, _))| *at <= now.wall).map(|(id, _)| *id).collect();
        for id in due {
            if let Some((_, monitor)) = self.later.remove(&id) {
                self.go_on(id, monitor).await?;
            }
        }
        let limits = &self.sessions.settings.limits;
        let later = self.later.values().map(|(at, _)| at.since(now.wall));
        let soonest = self.watched.values().map(|monitor| monitor.deadline(limits, &now)).chain(later).min();
        // What is due this very moment waits for the next one, so that nothing spins.
        Ok(soonest.map_or(Duration::ZERO, |due| Duration::from_millis(due.0.max(20))))
    }

    async fn judge(&mut self, id: LaunchId, now: &Now) -> Result<(), Failure> {
        let limits = &self.sessions.settings.limits;
        let Some(monitor) = self.watched.get_mut(&id) else { return Ok(()) };
        let Some(found) = monitor.judge(&DefaultPolicy, limits, now) else { return Ok(()) };
        self.tell(id, &found)?;
        match &found.decision.remedy {
            Remedy::Answer { input } | Remedy::Poke { input } if self.heal => self.type_in(id, input, &found).await,
            remedy @ (Remedy::Resume { .. } | Remedy::Restart { .. }) if self.heal => {
                let known = self.sessions.find(&id.to_string()).await?;
                self.sessions.kill(&known).await?;
                self.resume(id, remedy).await
            }
            Remedy::Escalate => {
                self.needs_person = true;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    async fn type_in(&self, id: LaunchId, input: &SessionInput, found: &Finding) -> Result<(), Failure> {
        match self.sessions.executor.input(id, input, found.screen).await {
            // It went on or ended by itself: it is judged anew.
            Err(ExecutorError::Stale { .. } | ExecutorError::NotFound { .. }) => Ok(()),
            done => Ok(done?),
        }
    }

    /// A session has ended: it is told how, and one that was lost goes on.
    async fn ended(&mut self, id: LaunchId) -> Result<(), Failure> {
        let Some(monitor) = self.watched.get(&id) else { return Ok(()) };
        let end = self.sessions.store.end(id)?;
        let exit = end.as_ref().filter(|end| !end.lost).map(|end| end.exit);
        let limits = &self.sessions.settings.limits;
        let tail: Vec<String> = end.iter().flat_map(|end| end.screen.lines()).map(str::to_owned).collect();
        let found = monitor.ended(exit, &tail, &DefaultPolicy, limits, &self.clock.now());
        self.tell_end(id, exit)?;
        let Some(found) = found else {
            self.watched.remove(&id);
            return Ok(());
        };
        self.tell(id, &found)?;
        match &found.decision.remedy {
            remedy @ Remedy::Resume { .. } if self.heal => return self.resume(id, remedy).await,
            _ => self.needs_person = true,
        }
        self.watched.remove(&id);
        Ok(())
    }

    /// Goes on with a session that has ended, at its time.
    async fn resume(&mut self, id: LaunchId, remedy: &Remedy) -> Result<(), Failure> {
        let Some(monitor) = self.watched.remove(&id) else { return Ok(()) };
        let now = self.clock.now();
        let monitor = monitor.resumed(remedy);
        match remedy {
            Remedy::Resume { at, .. } if *at > now.wall => {
                self.later.insert(id, (*at, monitor));
                Ok(())
            }
            _ => self.go_on(id, monitor).await,
        }
    }

    /// Goes on with a session, and watches the new one instead.
    async fn go_on(&mut self, id: LaunchId, monitor: Monitor) -> Result<(), Failure> {
        let known: Known = self.sessions.find(&id.to_string()).await?;
        let next = super::start::resume(self.sessions, &known, None, self.shell).await?.id;
        self.watched.insert(next, monitor.started(&self.clock.now()));
        if self.shell.json() {
            return self.shell.json_line(&json!({"id": id.to_string(), "resumedAs": next.to_string()}));
        }
        self.shell.text(&format!("{id}  goes on as session {next}"))
    }

    fn tell_end(&mut self, id: LaunchId, exit: Option<ExitStatus>) -> Result<(), Failure> {
        if self.shell.json() {
            let (code, signal) = (exit.and_then(|exit| exit.code), exit.and_then(|exit| exit.signal));
            return self
                .shell
                .json_line(&json!({"id": id.to_string(), "ended": true, "exitCode": code, "signal": signal}));
        }
        let how = exit.map_or("lost: its host died".to_owned(), |exit| exit.to_string());
        self.shell.text(&format!("{id}  ended: {how}"))
    }

    fn tell(&mut self, id: LaunchId, found: &Finding) -> Result<(), Failure> {
        let Finding { signal, rule, detail, decision, .. } = found;
        let remedy = decision.remedy.name();
        if self.shell.json() {
            return self.shell.json_line(&json!({
                "id": id.to_string(), "signal": signal, "rule": rule, "evidence": detail,
                "remedy": remedy, "reason": decision.reason, "threshold": decision.threshold, "done": self.heal,
            }));
        }
        let would = if self.heal { "" } else { "would " };
        self.shell.text(&format!("{id}  {signal} -> {would}{remedy}: {}", escape_line(&decision.reason)))
    }
}
