//! The sessions and processes of a simulated machine.

use std::collections::BTreeMap;

use camino::Utf8Path;

use super::terminal::Terminal;
use crate::base::id::LaunchId;
use crate::base::time::{AwakeMs, Millis};
use crate::ports::{
    EndMode, EndSpec, ExecutorError, ExecutorEvent, ExitStatus, Fingerprint, Key, LaunchSpec, Launched, ProcessId,
    ScreenView, SessionInfo, SessionInput, SessionState,
};
use crate::testkit::script::{Script, Step};
use crate::testkit::world::State;

#[derive(Default)]
pub(in crate::testkit) struct Sessions {
    by_launch: BTreeMap<LaunchId, Session>,
    processes: BTreeMap<u32, Process>,
    lost_exits: Vec<LaunchId>,
    pub(in crate::testkit) foreign: Vec<String>,
    pub(in crate::testkit) loss_due: Option<AwakeMs>,
    /// Pairs of launches of one task of which the second was started while the first was alive.
    pub(in crate::testkit) doubles: Vec<(LaunchId, LaunchId)>,
    next_pid: u32,
}

struct Session {
    spec: LaunchSpec,
    process: ProcessId,
    state: SessionState,
    script: Script,
    due: Option<AwakeMs>,
    terminal: Terminal,
    printed: u64,
    typed: String,
    unread: String,
    echo: bool,
    redraws: Option<String>,
}

struct Process {
    id: ProcessId,
    launch: LaunchId,
    /// The task whose agent it is, as its environment says.
    task: Option<String>,
    deaf: bool,
    leader: bool,
}

/// How long an agent takes to read what was typed.
const REACTION: Millis = Millis(1);
const SIGKILL: i32 = 9;
const SIGTERM: i32 = 15;

impl Sessions {
    pub(in crate::testkit) fn list(&self) -> Vec<SessionInfo> {
        let info = |(launch, session): (&LaunchId, &Session)| SessionInfo {
            launch: *launch,
            session: session.spec.name.clone(),
            process: Some(session.process.clone()),
            state: session.state,
            activity: session.printed,
        };
        self.by_launch.iter().map(info).collect()
    }

    pub(in crate::testkit) fn look(&self, launch: LaunchId) -> Option<ScreenView> {
        let session = self.by_launch.get(&launch)?;
        Some(ScreenView {
            launch,
            text: session.terminal.rows(),
            title: session.terminal.title.clone(),
            process: session.spec.argv.first().cloned().unwrap_or_default(),
            cursor_row: Some(session.terminal.cursor_row()),
        })
    }

    pub(in crate::testkit) fn forget(&mut self, launch: LaunchId) {
        if self.by_launch.get(&launch).is_some_and(|session| session.state != SessionState::Running) {
            self.by_launch.remove(&launch);
        }
    }

    pub(in crate::testkit) fn running(&self) -> Vec<LaunchId> {
        self.processes.values().filter(|process| process.leader).map(|process| process.launch).collect()
    }

    /// How many processes were ever started.
    pub(in crate::testkit) fn started(&self) -> u32 {
        self.next_pid
    }

    pub(in crate::testkit) fn alive(&self, pid: u32) -> bool {
        self.processes.contains_key(&pid)
    }

    pub(in crate::testkit) fn typed(&self, launch: LaunchId) -> String {
        self.by_launch.get(&launch).map(|session| session.typed.clone()).unwrap_or_default()
    }

    pub(in crate::testkit) fn spec(&self, launch: LaunchId) -> Option<LaunchSpec> {
        self.by_launch.get(&launch).map(|session| session.spec.clone())
    }

    pub(in crate::testkit) fn lose_exit_status(&mut self, launch: LaunchId) {
        self.lost_exits.push(launch);
        if let Some(session) = self.by_launch.get_mut(&launch)
            && session.state != SessionState::Running
        {
            session.state = SessionState::Exited(ExitStatus::default());
        }
    }

    pub(in crate::testkit) fn next_due(&self) -> Option<AwakeMs> {
        self.by_launch.values().filter_map(|session| session.due).chain(self.loss_due).min()
    }

    /// Takes the next step of the first session that is due.
    pub(in crate::testkit) fn take_step(&mut self, now: AwakeMs) -> Option<(LaunchId, Step)> {
        let due = |session: &Session| session.due.filter(|due| *due <= now);
        let (launch, _) = self
            .by_launch
            .iter()
            .filter_map(|(launch, session)| due(session).map(|due| (*launch, due)))
            .min_by_key(|(launch, due)| (*due, *launch))?;
        let session = self.by_launch.get_mut(&launch)?;
        Some((launch, session.script.steps.pop_front().unwrap_or(Step::Exit(0))))
    }

    fn note_doubles(&mut self, launch: LaunchId, task: Option<&String>) {
        let same = |process: &&Process| process.leader && task.is_some() && process.task.as_ref() == task;
        self.doubles.extend(self.processes.values().filter(same).map(|process| (process.launch, launch)));
    }

    fn start(&mut self, launch: LaunchId, boot: &crate::base::time::BootId, now: AwakeMs, leader: bool) -> ProcessId {
        self.next_pid += 1;
        let pid = 1000 + self.next_pid;
        let id = ProcessId { pid, started: now.0 / 10 + u64::from(self.next_pid), boot: boot.clone() };
        self.processes.insert(pid, Process { id: id.clone(), launch, task: None, deaf: !leader, leader });
        id
    }
}

impl State {
    pub(in crate::testkit) fn launch(&mut self, spec: &LaunchSpec, script: Script) -> Result<Launched, ExecutorError> {
        if let Some(session) = self.sessions.by_launch.get(&spec.launch) {
            return Ok(Launched { session: session.spec.name.clone(), process: Some(session.process.clone()) });
        }
        let refused =
            |why: &str| ExecutorError::Refused { what: format!("launch {}", spec.launch), why: why.to_owned() };
        match spec.argv.first() {
            None => return Err(refused("no program")),
            Some(program) if program.starts_with('/') && !self.files.contains_key(Utf8Path::new(program)) => {
                return Err(refused("no such program"));
            }
            Some(_) => {}
        }
        let now = self.clock.now();
        let task = spec.env.get("ORCH_TASK_ID");
        self.sessions.note_doubles(spec.launch, task);
        let process = self.sessions.start(spec.launch, &now.boot, now.awake, true);
        if let Some(process) = self.sessions.processes.get_mut(&process.pid) {
            process.task = task.cloned();
        }
        let session = Session {
            spec: spec.clone(),
            process: process.clone(),
            state: SessionState::Running,
            script,
            due: Some(now.awake),
            terminal: Terminal::default(),
            printed: 0,
            typed: String::new(),
            unread: String::new(),
            echo: false,
            redraws: None,
        };
        self.append(&spec.log, b"");
        self.sessions.by_launch.insert(spec.launch, session);
        Ok(Launched { session: spec.name.clone(), process: Some(process) })
    }

    pub(in crate::testkit) fn input(
        &mut self,
        launch: LaunchId,
        input: &SessionInput,
        expected: Option<Fingerprint>,
    ) -> Result<(), ExecutorError> {
        let now = self.clock.now().awake;
        let live = |session: &&mut Session| session.state == SessionState::Running;
        let Some(session) = self.sessions.by_launch.get_mut(&launch).filter(live) else {
            return Err(ExecutorError::NotFound { launch });
        };
        if expected.is_some_and(|expected| expected != Fingerprint::of(&session.terminal.rows())) {
            return Err(ExecutorError::Stale { launch });
        }
        let typed = session.terminal.encode(input);
        session.typed.push_str(&typed);
        session.unread.push_str(&typed);
        if matches!(session.script.steps.front(), Some(Step::Listen(_))) {
            session.due = Some(now + REACTION);
        }
        let mut shown = if session.echo { typed.replace('\r', "\n") } else { String::new() };
        if input.keys.contains(&Key::Redraw) {
            shown.push_str(session.redraws.as_deref().unwrap_or_default());
        }
        if !shown.is_empty() {
            self.print(launch, &shown);
        }
        Ok(())
    }

    pub(in crate::testkit) fn end(&mut self, spec: &EndSpec) -> bool {
        let ours = |process: &Process| {
            process.launch == spec.launch && (process.leader || spec.mode == EndMode::Kill)
                || spec.process.as_ref() == Some(&process.id)
        };
        let (mut ended, mut left) = (Vec::new(), false);
        for (pid, process) in self.sessions.processes.iter().filter(|(_, process)| ours(process)) {
            if process.deaf && spec.mode == EndMode::Ask {
                left = true;
            } else {
                ended.push(*pid);
            }
        }
        let signal = if spec.mode == EndMode::Ask { SIGTERM } else { SIGKILL };
        for pid in ended {
            self.kill(pid, ExitStatus { code: None, signal: Some(signal) });
        }
        !left
    }

    pub(in crate::testkit) fn lose_executor(&mut self) {
        self.sessions.loss_due = None;
        self.sessions.by_launch.clear();
        self.sessions.foreign.clear();
        self.sessions.processes.retain(|_, process| process.deaf);
        self.tell(ExecutorEvent::Lost);
    }

    /// Plays a step of a live session.
    pub(in crate::testkit) fn play(&mut self, launch: LaunchId, step: Step) {
        let now = self.clock.now();
        let Some(session) = self.sessions.by_launch.get_mut(&launch) else { return };
        match step {
            Step::Print(text) => self.print(launch, &text),
            Step::Screen(text) => {
                session.terminal.replace("");
                self.print(launch, &text);
            }
            Step::Title(title) => session.terminal.title = title,
            Step::Wait(span) => session.due = Some(now.awake + span),
            Step::Listen(answer) => {
                if let Some(steps) =
                    Some(&session.unread).filter(|typed| !typed.is_empty()).and_then(|typed| answer(typed))
                {
                    session.unread.clear();
                    steps.into_iter().rev().for_each(|step| session.script.steps.push_front(step));
                } else {
                    session.script.steps.push_front(Step::Listen(answer));
                    session.due = None;
                }
            }
            Step::EchoTyping => session.echo = true,
            Step::BracketedPaste => session.terminal.bracketed = true,
            Step::Redraws(text) => session.redraws = Some(text),
            Step::Deaf => {
                let pid = session.process.pid;
                if let Some(process) = self.sessions.processes.get_mut(&pid) {
                    process.deaf = true;
                }
            }
            Step::LeaveChild(path) => {
                let child = self.sessions.start(launch, &now.boot, now.awake, false);
                self.append(&path, format!("{}\n", child.pid).as_bytes());
            }
            Step::Exit(code) => self.exit(launch, ExitStatus { code: Some(code), signal: None }),
            Step::Die(signal) => self.exit(launch, ExitStatus { code: None, signal: Some(signal) }),
            Step::Hang => session.due = None,
            Step::Do(_) => {}
        }
    }

    fn print(&mut self, launch: LaunchId, text: &str) {
        let Some(session) = self.sessions.by_launch.get_mut(&launch) else { return };
        session.terminal.print(text);
        session.printed += 1;
        let log = session.spec.log.clone();
        self.append(&log, text.replace('\n', "\r\n").as_bytes());
        self.tell(ExecutorEvent::Output(launch));
    }

    pub(in crate::testkit) fn fail_process(&mut self, launch: LaunchId) {
        self.exit(launch, ExitStatus { code: Some(1), signal: None });
    }

    fn exit(&mut self, launch: LaunchId, status: ExitStatus) {
        if let Some(session) = self.sessions.by_launch.get(&launch) {
            let pid = session.process.pid;
            self.kill(pid, status);
        }
    }

    fn kill(&mut self, pid: u32, status: ExitStatus) {
        let Some(process) = self.sessions.processes.remove(&pid) else { return };
        if !process.leader {
            return;
        }
        let lost = self.sessions.lost_exits.contains(&process.launch);
        if let Some(session) = self.sessions.by_launch.get_mut(&process.launch) {
            session.state = SessionState::Exited(if lost { ExitStatus::default() } else { status });
            session.due = None;
            self.tell(ExecutorEvent::Exited(process.launch));
        }
    }
}
