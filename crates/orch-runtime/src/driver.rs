//! The loop: what happened goes into the engine, records come out and are made durable, then effects
//! are performed and things looked at.

mod alarm;
mod checkpoint;
mod live;
mod notices;
mod requests;
mod telling;

use std::collections::BTreeSet;
use std::future::Future;
use std::time::{Duration, Instant};

use camino::Utf8PathBuf;
use orch_core::engine::{Input, Job, Orchestrator, Outlook, Refusal, Seen, Step};
use orch_core::heal::Signal;
use orch_core::journal::{Effect, Entry, Look, Outcome, Record};
use orch_core::plan::{ExecutorKind, Manifest};
use orch_core::ports::{ExecutorEvent, Failure, FailureKind};
use orch_core::state::TakenEdit;
use orch_core::views::LiveView;
use tokio::sync::{mpsc, oneshot};

use crate::caught::caught;
use crate::clock::SystemClock;
use crate::control::{Publisher, Requests};
use crate::edits::{AddError, edit_input};
use crate::journal::{Journal, JournalError};
use crate::perform::Surroundings;
use crate::workdir::Workdir;

pub use requests::{Answer, Request, answer_of};

use alarm::Alarm;
use checkpoint::{Checkpoint, Edit};
use live::Live;
use notices::Notices;
use requests::{next_request, turn_away};
use telling::events;

/// How many inputs are taken in before the records of all of them are made durable at once.
const BATCH: usize = 256;
/// How long an executor whose events panicked is left alone; lists are asked for all the same.
const DEAF: Duration = Duration::from_secs(5);

/// How long to drive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Until the goal is reached or nothing can happen without a person.
    Run,
    /// One heartbeat: until nothing is under way, and nothing that was begun goes on within seconds.
    Pass,
    /// What a person said: until it is done.
    Word,
}

/// How a drive ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// Every task reached the goal.
    Goal,
    /// Nothing can happen without a person.
    NeedsPerson,
    /// A pass is over and work remains.
    Pass,
    /// A person interrupted it; agents go on.
    Interrupted,
}

/// Why a drive could not go on.
#[derive(Debug, thiserror::Error)]
pub enum DriveError {
    /// Records could not be made durable; no effect of theirs was begun.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The manifest could not be written.
    #[error(transparent)]
    File(#[from] crate::file_error::FileError),
}

/// Told of what happens while a drive goes on.
pub trait Observer: Send {
    /// Records were made durable.
    fn recorded(&mut self, engine: &Orchestrator, entries: &[Entry]);

    /// Something to tell the person at the terminal.
    fn tell(&mut self, message: &str);

    /// What is seen of live sessions changed; told at most once a second.
    fn seen(&mut self, _live: &[LiveView]) {}
}

/// Nobody watches.
impl Observer for () {
    fn recorded(&mut self, _engine: &Orchestrator, _entries: &[Entry]) {}

    fn tell(&mut self, _message: &str) {}
}

/// The manifest as it was read, and how its state fields are written.
pub struct ManifestFile {
    /// The manifest.
    pub manifest: Manifest,
    /// The bytes that it was read from.
    pub text: Vec<u8>,
    /// Which executor's names are shown.
    pub executor: ExecutorKind,
    /// Where the tmux server listens.
    pub socket: Option<String>,
}

/// The loop and what it holds.
pub struct Driver<'a> {
    engine: Orchestrator,
    journal: Journal<Entry>,
    surroundings: Surroundings,
    workdir: Workdir,
    checkpoint: Checkpoint,
    clock: SystemClock,
    alarm: Alarm,
    live: Live,
    publisher: Option<Publisher>,
    /// The executor's events panicked: they are not listened to before then.
    deaf_until: Option<Instant>,
    observer: &'a mut dyn Observer,
    inbox: mpsc::UnboundedReceiver<Vec<Input>>,
    outbox: mpsc::UnboundedSender<Vec<Input>>,
    in_flight: usize,
    /// Of those in flight, the ones that tell people.
    notices: Notices,
    /// Looks that were asked for and not begun.
    wanted: BTreeSet<Look>,
    looked: bool,
    failure: Option<DriveError>,
}

impl<'a> Driver<'a> {
    /// A driver of an engine whose state is the fold of the journal, in a workdir whose lock the caller holds.
    pub fn new(
        engine: Orchestrator,
        journal: Journal<Entry>,
        surroundings: Surroundings,
        workdir: Workdir,
        plan: ManifestFile,
        observer: &'a mut dyn Observer,
    ) -> Self {
        let (outbox, inbox) = mpsc::unbounded_channel();
        let mut checkpoint = Checkpoint::new(&workdir, plan);
        checkpoint.note_open(&engine);
        let clock = SystemClock::new();
        Self {
            engine,
            journal,
            surroundings,
            workdir,
            checkpoint,
            clock,
            alarm: Alarm::default(),
            live: Live::default(),
            publisher: None,
            deaf_until: None,
            observer,
            inbox,
            outbox,
            in_flight: 0,
            notices: Notices::default(),
            wanted: BTreeSet::new(),
            looked: false,
            failure: None,
        }
    }

    /// Has it tell followers what is new.
    #[must_use]
    pub fn with_followers(mut self, publisher: Publisher) -> Self {
        self.publisher = Some(publisher);
        self
    }

    /// Drives until the mode's end, an interrupt, or an error.
    ///
    /// # Errors
    /// [`DriveError`]; agents go on, and the next drive takes over where this one was.
    pub async fn drive(
        mut self,
        mode: Mode,
        first: Vec<Input>,
        mut requests: Option<Requests<Request, Answer>>,
        interrupt: impl Future<Output = ()>,
    ) -> Result<(Ending, Vec<Option<Result<String, Refusal>>>), DriveError> {
        let mut interrupt = std::pin::pin!(interrupt);
        let step = self.engine.start(&self.clock.now());
        self.commit(vec![step])?;
        let answers = self.take(first.into_iter().chain([Input::Tick]).collect())?;
        let ending = loop {
            if let Some(ending) = self.ending(mode)? {
                break ending;
            }
            let due = self.due();
            let ready = tokio::select! {
                biased;
                () = &mut interrupt => break Ending::Interrupted,
                // What is overdue goes before all else, or a fleet that talks without end would never see its kills.
                () = after(due) => Ready::Time,
                // Among the others chance decides, so that none of them starves another.
                ready = async { tokio::select! {
                    inputs = self.inbox.recv() => Ready::Inputs(inputs.unwrap_or_default()),
                    request = next_request(&mut requests) => Ready::Request(request),
                    events = events(self.surroundings.ports.executor.as_ref(), self.deaf_until) => Ready::Events(events),
                } } => ready,
            };
            match ready {
                Ready::Time => {
                    self.take(vec![Input::Tick])?;
                    self.alarm.rang(Instant::now());
                }
                Ready::Inputs(mut inputs) => {
                    self.in_flight -= 1;
                    self.drain(&mut inputs);
                    self.take(inputs)?;
                }
                Ready::Request(request) => {
                    if self.on_request(request)? {
                        break Ending::Interrupted;
                    }
                }
                Ready::Events(Ok(events)) => {
                    self.take(events.into_iter().map(Input::from).collect())?;
                }
                Ready::Events(Err(panic)) => {
                    self.observer.tell(&format!("the executor's events: {panic}"));
                    self.deaf_until = Some(Instant::now() + DEAF);
                    self.take(vec![Input::Seen(Seen::Stirred)])?;
                }
            }
            self.tell_live();
            self.check_edits()?;
            self.checkpoint.write_if_due(&self.engine, &self.journal)?;
        };
        // What an interrupt cuts short the next drive tells.
        if ending != Ending::Interrupted {
            self.give_up_notices()?;
        }
        let step = self.engine.stop(&self.clock.now());
        self.commit(vec![step])?;
        self.check_edits()?;
        self.checkpoint.write(&self.engine, &self.journal)?;
        turn_away(requests);
        Ok((ending, answers))
    }

    /// How long nothing has to be done if nothing happens.
    fn due(&mut self) -> Duration {
        let deadline = self.engine.next_deadline(&self.clock.now());
        let engine = deadline.map(|deadline| Duration::from_millis(deadline.after.0));
        let now = Instant::now();
        self.alarm.due(now, [engine, Some(self.checkpoint.due()), self.notices.due(now), self.live.due(now)])
    }

    /// Tells what is seen of live sessions, where that changed.
    fn tell_live(&mut self) {
        let Some(live) = self.live.news(&self.engine, Instant::now()) else { return };
        self.observer.seen(live);
        if let Some(publisher) = &self.publisher {
            publisher.seen(live);
        }
    }

    /// Whether the drive is over.
    fn ending(&mut self, mode: Mode) -> Result<Option<Ending>, DriveError> {
        if let Some(failure) = self.failure.take() {
            return Err(failure);
        }
        let busy = self.in_flight > self.notices.count();
        let now = self.clock.now();
        let due = self.engine.next_deadline(&now).is_some_and(|deadline| deadline.after.0 == 0);
        let stays = due || mode != Mode::Run && self.engine.lingers(&now, mode == Mode::Pass);
        let ending = match (self.engine.outlook(), mode) {
            _ if busy => None,
            (Outlook::Goal, _) => Some(Ending::Goal),
            (Outlook::NeedsPerson, _) => Some(Ending::NeedsPerson),
            (Outlook::Working, Mode::Pass | Mode::Word) if !stays => Some(Ending::Pass),
            (Outlook::Working, _) => None,
        };
        if ending.is_none() {
            self.notices.go_on();
        }
        Ok(ending.filter(|_| self.notices.may_leave(Instant::now())))
    }

    /// Closes the notices that hang, so that the next drive does not begin them again.
    fn give_up_notices(&mut self) -> Result<(), DriveError> {
        let why = "the notify command did not end before the run did, and was ended";
        let given_up = |effect| {
            let failure = Failure::new(FailureKind::Unavailable, why);
            Input::Done { effect, outcome: Outcome::Failed(failure) }
        };
        let inputs = self.notices.give_up().into_iter().map(given_up).collect();
        self.take(inputs).map(|_| ())
    }

    /// Takes what is ready besides, up to a batch.
    fn drain(&mut self, inputs: &mut Vec<Input>) {
        while inputs.len() < BATCH {
            let Ok(more) = self.inbox.try_recv() else { break };
            self.in_flight -= 1;
            inputs.extend(more);
        }
    }

    /// Handles inputs, makes all their records durable at once, then acts on them.
    fn take(&mut self, inputs: Vec<Input>) -> Result<Vec<Option<Result<String, Refusal>>>, DriveError> {
        self.live.note(&inputs);
        let now = self.clock.now();
        let mut steps: Vec<Step> = inputs.into_iter().map(|input| self.engine.handle(input, &now)).collect();
        let answers = steps.iter_mut().map(|step| step.answer.take()).collect();
        self.commit(steps)?;
        Ok(answers)
    }

    /// Makes records durable, then performs the effects that they start and looks.
    fn commit(&mut self, steps: Vec<Step>) -> Result<(), DriveError> {
        let mut step = Step::joined(steps);
        let records = std::mem::take(&mut step.records);
        self.journal.append(&records)?;
        for entry in &records {
            let Record::Done { effect, outcome } = &entry.record else { continue };
            let name = self.checkpoint.effect_name(*effect);
            self.surroundings.faults.at(&format!("{name}.recorded"));
            if let (Outcome::Failed(failure), true) = (outcome, self.notices.end(*effect)) {
                self.observer.tell(&failure.message);
            }
        }
        self.checkpoint.note(&records);
        self.keep_last_words(&records);
        self.observer.recorded(&self.engine, &records);
        if let (Some(publisher), Some(last)) = (&self.publisher, records.last()) {
            publisher.recorded(last.seq.0);
        }
        step.looks = self.looks_due(step.looks);
        for job in step.jobs(&self.engine) {
            self.begin(job);
        }
        Ok(())
    }

    fn begin(&mut self, job: Job) {
        let (surroundings, outbox) = (self.surroundings.clone(), self.outbox.clone());
        self.in_flight += 1;
        if let Job::Effect(job) = &job
            && matches!(job.effect, Effect::Notify(_))
        {
            self.notices.begin(job.id);
        }
        tokio::spawn(async move {
            let done = caught(surroundings.carry_out(job.clone())).await;
            // The driver is gone only when it left; the next one performs what is open again.
            let _ = outbox.send(done.unwrap_or_else(|why| job.failed(&why)));
        });
    }

    /// The looks that are carried out now, of those that are wanted.
    fn looks_due(&mut self, looks: BTreeSet<Look>) -> BTreeSet<Look> {
        self.wanted.extend(looks);
        // Looks that take longer than their interval would follow each other for ever; where nothing is
        // left to do, those under way are the last.
        if self.looked && self.engine.outlook() != Outlook::Working {
            return BTreeSet::new();
        }
        let looks = std::mem::take(&mut self.wanted);
        self.looked |= !looks.is_empty();
        looks
    }

    /// Keeps what a failed attempt printed last where people look for it.
    fn keep_last_words(&mut self, records: &[Entry]) {
        for entry in records {
            let (Record::Verdict(verdict), Some(task)) = (&entry.record, &entry.task) else { continue };
            if !matches!(verdict.case.signal, Signal::Failed | Signal::VerifyFailed | Signal::VerifyTimedOut) {
                continue;
            }
            let path: Utf8PathBuf = self.engine.config().layout.error_log(task, verdict.case.attempt);
            let text = format!("{}\n{}\n", verdict.case.detail, verdict.evidence.tail.join("\n"));
            if let Err(e) = crate::atomic::replace_file(&path, text.as_bytes(), 0o600) {
                self.failure = Some(e.into());
            }
        }
    }

    fn on_request(&mut self, request: Option<(Request, oneshot::Sender<Answer>)>) -> Result<bool, DriveError> {
        let Some((request, reply)) = request else { return Ok(false) };
        let (answer, stop) = match request {
            Request::Wake => {
                self.take(vec![Input::Tick])?;
                (Answer::Done("woken".to_owned()), false)
            }
            Request::Stop => (Answer::Done("stopping; agents go on".to_owned()), true),
            Request::User { task, verb } => {
                let said = self.take(vec![Input::User { task, verb }])?.pop().flatten();
                (answer_of(said), false)
            }
            Request::Add { phase, tasks } => (self.add(phase, &tasks)?, false),
        };
        // A client that went away learns what was done from `status`.
        let _ = reply.send(answer);
        Ok(stop)
    }

    fn add(&mut self, phase: Option<usize>, tasks: &[serde_json::Value]) -> Result<Answer, DriveError> {
        // What was edited before is taken in before.
        self.check_edits()?;
        match self.checkpoint.add(&self.engine, &self.journal, phase, tasks) {
            Err(AddError::File(error)) => Err(error.into()),
            Err(error) => Ok(Answer::Refused(error.to_string())),
            Ok(added) => {
                self.take_plan(&added)?;
                Ok(Answer::Done(added.change.unwrap_or_default()))
            }
        }
    }

    /// Tells the engine of an edit, and the person what it has against it.
    fn take_plan(&mut self, edit: &TakenEdit) -> Result<(), DriveError> {
        let said = self.take(edit_input(edit, false).into_iter().collect())?;
        for refusal in said.into_iter().flatten().filter_map(Result::err) {
            self.observer.tell(&refusal.to_string());
        }
        Ok(())
    }

    /// Takes in what a person changed in the manifest, or keeps it beside when it cannot be taken.
    fn check_edits(&mut self) -> Result<(), DriveError> {
        match self.checkpoint.edited(&self.engine, &self.journal, &self.workdir)? {
            Edit::None => {}
            Edit::Taken(mut taken) => {
                taken.change = taken.change.take().map(|what| format!("edited by hand: {what}"));
                self.take_plan(&taken)?;
            }
            Edit::Rejected(message) => {
                self.observer.tell(&message);
                self.checkpoint.write(&self.engine, &self.journal)?;
            }
        }
        Ok(())
    }
}

/// Waits; not at all for nothing, which a timer would still take a turn for.
async fn after(due: Duration) {
    if !due.is_zero() {
        tokio::time::sleep(due).await;
    }
}

/// What there is to act on.
enum Ready {
    Time,
    Inputs(Vec<Input>),
    Request(Option<(Request, oneshot::Sender<Answer>)>),
    Events(Result<Vec<ExecutorEvent>, String>),
}

#[cfg(test)]
mod tests;
