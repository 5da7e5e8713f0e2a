//! A fleet in a directory of its own: origin, workdir, settings, scripted agents, and the program on it.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use camino::{Utf8Path, Utf8PathBuf};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::journal::Journal;

/// No verb of these tests takes longer; one that does hangs.
const PATIENCE: Duration = Duration::from_secs(60);

/// Thresholds that let a test see in seconds what a fleet does in hours.
const SETTINGS: &str = r#"
[heal]
backoff = "50ms"
settle = "60ms"
screen_interval = "50ms"
heartbeat = "500ms"
pull_interval = "100ms"
ask_grace = "300ms"
"#;

/// What makes a process a session host.
const HOST: &str = "--orch-pty-host";

/// Where agents run.
pub(crate) const EXECUTORS: [&str; 2] = ["tmux", "pty"];

/// A fleet in a directory of its own.
pub(crate) struct Fleet {
    dir: TempDir,
    /// The directory of everything.
    pub(crate) root: Utf8PathBuf,
}

/// One process of the program.
pub(crate) struct Run {
    child: Option<Child>,
    pid: i32,
    log: Utf8PathBuf,
    about: Utf8PathBuf,
}

/// How a process of the program ended.
pub(crate) struct Ended {
    /// Its status.
    pub(crate) status: ExitStatus,
    /// What it printed on both streams.
    pub(crate) said: String,
}

impl Fleet {
    /// A fleet whose manifest is `manifest` over defaults that suit tests, with one commit in the origin.
    pub(crate) fn new(manifest: &Value) -> Self {
        let fleet = Self::bare();
        let mut whole = json!({"project": "test", "repo": fleet.root.join("origin.git"), "agent": "bot",
            "executor": "tmux", "forge": "local"});
        let fields = whole.as_object_mut().expect("an object");
        fields.extend(manifest.as_object().expect("an object").clone());
        fleet.write("w/manifest.json", &serde_json::to_vec_pretty(&whole).expect("JSON"));
        fleet
    }

    /// A fleet without a manifest.
    pub(crate) fn bare() -> Self {
        let dir = tempfile::Builder::new().prefix("orch-it-").tempdir().expect("a temporary directory");
        let root = Utf8PathBuf::from_path_buf(dir.path().canonicalize().expect("a path")).expect("UTF-8");
        let fleet = Self { dir, root };
        for name in ["w", "out", "plans", "home", "seed"] {
            fs::create_dir(fleet.root.join(name)).expect("a directory");
        }
        fs::set_permissions(fleet.workdir(), fs::Permissions::from_mode(0o700)).expect("a private workdir");
        fleet.write("agent.sh", include_bytes!("agents/agent.sh"));
        fleet.write("plans/default", b"work \"$task.txt\"\n");
        fleet.settings("");
        fleet.seed();
        fleet
    }

    fn seed(&self) {
        self.git("seed", &["init", "-q", "-b", "main"]);
        self.write("seed/README", b"a repository\n");
        self.write("seed/check.sh", b"test ! -e broken\n");
        self.git("seed", &["add", "."]);
        self.git("seed", &["commit", "-q", "-m", "seed"]);
        self.git(".", &["clone", "-q", "--bare", "seed", "origin.git"]);
    }

    /// The workdir.
    pub(crate) fn workdir(&self) -> Utf8PathBuf {
        self.root.join("w")
    }

    /// Writes a file below the root.
    pub(crate) fn write(&self, path: &str, text: &[u8]) {
        fs::write(self.root.join(path), text).unwrap_or_else(|e| panic!("{path}: {e}"));
    }

    /// Reads a file below the root; an absent one is empty.
    pub(crate) fn read(&self, path: &str) -> String {
        fs::read(self.root.join(path))
            .map_or_else(|_| String::new(), |text| String::from_utf8_lossy(&text).into_owned())
    }

    /// Says what the agent of a task (`t1`) or of one attempt (`t1-2`) does.
    pub(crate) fn plan(&self, task: &str, script: &str) {
        self.write(&format!("plans/{task}"), script.as_bytes());
    }

    /// Lets agents pass `hold NAME`.
    pub(crate) fn go(&self, name: &str) {
        self.write(&format!("out/go-{name}"), b"");
    }

    /// Adds settings; those of `[heal]` replace the defaults of tests.
    pub(crate) fn settings(&self, more: &str) {
        let heal = if more.contains("[heal]") { "" } else { SETTINGS };
        let root = &self.root;
        let bot = format!("[agents.bot]\ncommand = [\"sh\", \"{root}/agent.sh\", \"{root}\"]\n");
        self.write("w/orch.toml", format!("{bot}{heal}{more}").as_bytes());
    }

    /// Runs git in a directory below the root and returns what it printed.
    pub(crate) fn git(&self, dir: &str, args: &[&str]) -> String {
        let mut git = Command::new("git");
        self.surround(&mut git).current_dir(self.root.join(dir)).args(["-c", "user.name=test", "-c", "user.email=t@t"]);
        let done = git.args(args).output().expect("git runs");
        let said = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "git {args:?}: {said}");
        String::from_utf8_lossy(&done.stdout).trim_end().to_owned()
    }

    /// Gives a command the environment of this fleet: a home of its own, nothing of git, tmux or orch.
    pub(crate) fn surround<'c>(&self, command: &'c mut Command) -> &'c mut Command {
        for (name, _) in std::env::vars_os() {
            let shown = name.to_string_lossy();
            if ["GIT_", "ORCH_", "XDG_", "TMUX"].iter().any(|prefix| shown.starts_with(prefix)) {
                command.env_remove(&name);
            }
        }
        command.env("HOME", self.root.join("home"))
    }

    /// Starts the program on this workdir.
    pub(crate) fn start(&self, args: &[&str]) -> Run {
        self.start_with(args, &[])
    }

    /// Starts the program on this workdir with more variables.
    pub(crate) fn start_with(&self, args: &[&str], env: &[(&str, &str)]) -> Run {
        let log = (0..10_000).map(|n| self.root.join(format!("out/run-{n}.log"))).find(|log| !log.exists());
        let log = log.expect("no test runs the program so often");
        let file = fs::File::create(&log).expect("a log");
        let mut orch = Command::new(env!("CARGO_BIN_EXE_orch"));
        self.surround(&mut orch).current_dir(&self.root).args(["--workdir", self.workdir().as_str()]).args(args);
        orch.envs(env.iter().copied()).stdin(Stdio::null());
        orch.stdout(file.try_clone().expect("a handle")).stderr(file);
        let child = orch.spawn().expect("the program starts");
        let pid = i32::try_from(child.id()).expect("a process id");
        Run { child: Some(child), pid, log, about: self.workdir() }
    }

    /// Runs the program on this workdir until it ends.
    pub(crate) fn orch(&self, args: &[&str]) -> Ended {
        self.start(args).end()
    }

    /// Runs the program until it ends, and fails unless it ends with `code`.
    pub(crate) fn orch_exits(&self, args: &[&str], code: i32) -> Ended {
        let ended = self.orch(args);
        ended.assert_code(code, &self.workdir());
        ended
    }

    /// Runs a verb with `--json` on this workdir and returns the document that it printed.
    pub(crate) fn json(&self, args: &[&str]) -> Value {
        let mut orch = Command::new(env!("CARGO_BIN_EXE_orch"));
        self.surround(&mut orch).current_dir(&self.root).args(["--json", "--workdir", self.workdir().as_str()]);
        let done = orch.args(args).stdin(Stdio::null()).output().expect("the program starts");
        let text = String::from_utf8_lossy(&done.stdout);
        serde_json::from_str(&text).unwrap_or_else(|e| panic!("{args:?}: {e}: {text:?}, {done:?}"))
    }

    /// What `status` says of one task.
    pub(crate) fn task(&self, id: &str) -> Value {
        let status = self.json(&["status"]);
        let tasks = status["tasks"].as_array().expect("tasks");
        tasks.iter().find(|task| task["id"] == id).unwrap_or_else(|| panic!("no {id} in {status}")).clone()
    }

    /// Waits until `status` says this of a task.
    pub(crate) fn wait_status(&self, id: &str, status: &str) {
        self.wait(&format!("{id} is {status}"), |fleet| fleet.task(id)["status"] == status);
    }

    /// Waits until something holds.
    pub(crate) fn wait(&self, what: &str, mut holds: impl FnMut(&Self) -> bool) {
        let began = Instant::now();
        while !holds(self) {
            assert!(began.elapsed() < PATIENCE, "waited in vain until {what}\n{}", tail(&self.workdir()));
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Waits until the agent of a task began its n-th launch.
    pub(crate) fn wait_started(&self, task: &str, times: usize) {
        self.wait(&format!("{task} starts"), |fleet| {
            fleet.stamps().iter().filter(|s| s.what == "start" && s.task == task).count() >= times
        });
    }

    /// Waits until a run holds the workdir and took over.
    pub(crate) fn wait_driving(&self, run: &Run) {
        let driver = format!("\"pid\":{},", run.pid());
        self.wait("it drives", |fleet| {
            fleet
                .read("w/events.jsonl")
                .lines()
                .any(|line| line.contains("\"type\":\"driver\"") && line.contains(&driver))
        });
    }

    /// What agents noted, in order.
    pub(crate) fn stamps(&self) -> Vec<Stamp> {
        let text = self.read("out/stamps");
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        whole.lines().map(Stamp::parse).collect()
    }

    /// The journal as it is.
    pub(crate) fn journal(&self) -> Journal {
        Journal::read(&self.workdir().join("events.jsonl"))
    }

    /// The manifest as it is.
    pub(crate) fn manifest(&self) -> Value {
        serde_json::from_str(&self.read("w/manifest.json")).expect("the manifest is valid at every instant")
    }

    /// The pull requests of the local forge.
    pub(crate) fn pulls(&self) -> Vec<Value> {
        let text = self.read("w/pulls.json");
        let file: Value = serde_json::from_str(&text).unwrap_or_else(|e| panic!("pulls.json: {e}: {text}"));
        file["pulls"].as_array().expect("pulls").clone()
    }

    /// The tasks that were merged into the base, in the order of its first-parent history.
    pub(crate) fn merged(&self) -> Vec<String> {
        let log = self.git("origin.git", &["log", "--first-parent", "--merges", "--reverse", "--format=%P", "main"]);
        let second = |parents: &str| parents.split(' ').nth(1).map(str::to_owned);
        let heads: Vec<String> = log.lines().filter_map(second).collect();
        let journal = self.journal();
        let task_of = |sha: &String| {
            let pulled = |task: &orch::core::state::TaskState| {
                task.work.verified.as_ref().is_some_and(|verified| verified.as_str() == sha)
            };
            let found = journal.state.tasks.iter().find(|(_, task)| pulled(task));
            found.map_or_else(|| format!("nobody's {sha}"), |(id, _)| id.to_string())
        };
        heads.iter().map(task_of).collect()
    }

    /// What holds after every run: the journal is whole and replays, no agent ran twice at once, no head
    /// has two pull requests, and no text was run.
    pub(crate) fn audit(&self) -> Journal {
        let journal = self.journal();
        journal.assert_replays();
        assert_eq!(self.read("out/twice"), "", "agents ran twice at once");
        if self.workdir().join("pulls.json").exists() {
            let pulls = self.pulls();
            let heads: BTreeSet<&str> = pulls.iter().filter_map(|pull| pull["head"].as_str()).collect();
            assert_eq!(heads.len(), pulls.len(), "two pull requests of one head: {pulls:?}");
        }
        journal
    }

    /// The tmux server's socket.
    pub(crate) fn socket(&self) -> Utf8PathBuf {
        let manifest: Value = serde_json::from_str(&self.read("w/manifest.json")).unwrap_or_default();
        manifest["socket"].as_str().map_or_else(|| self.workdir().join("orchestrator.sock"), Utf8PathBuf::from)
    }

    /// The session hosts of this fleet, whose directory is in their environment.
    pub(crate) fn hosts(&self) -> Vec<i32> {
        let pids = fs::read_dir("/proc").into_iter().flatten().flatten();
        let pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
        let has = |pid: &i32, file: &str, text: &str| {
            let told = fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
            String::from_utf8_lossy(&told).contains(text)
        };
        pids.filter(|pid| has(pid, "cmdline", HOST) && has(pid, "environ", self.root.as_str())).collect()
    }

    /// Kills the tmux server or the session host, as nobody should.
    pub(crate) fn kill_executor(&self, executor: &str) {
        let pids = match executor {
            "pty" => self.hosts(),
            _ => self.tmux(&["display-message", "-p", "#{pid}"]).iter().flat_map(|pid| pid.parse()).collect(),
        };
        assert_eq!(pids.len(), 1, "one server or host: {pids:?}");
        send(pids[0], Signal::KILL);
    }

    /// Runs tmux on this fleet's server; what it printed, or `None` when it failed.
    pub(crate) fn tmux(&self, args: &[&str]) -> Option<String> {
        let mut tmux = Command::new("tmux");
        let done = self.surround(&mut tmux).args(["-S", self.socket().as_str()]).args(args).output().ok()?;
        done.status.success().then(|| String::from_utf8_lossy(&done.stdout).trim_end().to_owned())
    }

    /// Whether a process is alive and an agent of this fleet.
    pub(crate) fn is_agent(&self, pid: i32) -> bool {
        let asked = Command::new("ps").args(["-o", "stat=,args=", "-p", &pid.to_string()]).output();
        let told = asked.map_or_else(|_| String::new(), |done| String::from_utf8_lossy(&done.stdout).into_owned());
        told.contains(self.root.join("agent.sh").as_str()) && !told.starts_with('Z')
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        self.tmux(&["kill-server"]);
        for pid in self.hosts() {
            send(pid, Signal::KILL);
        }
        let pids: BTreeSet<i32> = self.stamps().iter().map(|stamp| stamp.pid).collect();
        for pid in pids.into_iter().filter(|pid| self.is_agent(*pid)) {
            send(pid, Signal::KILL);
        }
        // `ORCH_IT_KEEP=1 cargo test` leaves the directory of a failed test to look at.
        self.dir.disable_cleanup(std::thread::panicking() && std::env::var_os("ORCH_IT_KEEP").is_some());
    }
}

/// One line of what agents noted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stamp {
    /// `start` or `end`.
    pub(crate) what: String,
    /// The task.
    pub(crate) task: String,
    /// The attempt.
    pub(crate) attempt: u32,
    /// The launch.
    pub(crate) launch: u64,
    /// The agent's process.
    pub(crate) pid: i32,
}

impl Stamp {
    fn parse(line: &str) -> Self {
        let mut words = line.split(' ');
        let mut word = || words.next().unwrap_or_else(|| panic!("a stamp: {line:?}")).to_owned();
        let (what, task) = (word(), word());
        let mut number = || word().parse::<u64>().unwrap_or_else(|e| panic!("a stamp: {line:?}: {e}"));
        let narrow = "a process id";
        Self {
            what,
            task,
            attempt: u32::try_from(number()).expect("an attempt"),
            launch: number(),
            pid: i32::try_from(number()).expect(narrow),
        }
    }
}

/// Sends a signal to a process; one that is gone is no matter.
pub(crate) fn send(pid: i32, signal: Signal) {
    if let Some(pid) = Pid::from_raw(pid) {
        let _ = kill_process(pid, signal);
    }
}

impl Run {
    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        send(self.pid, signal);
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> i32 {
        self.pid
    }

    /// What it printed so far.
    pub(crate) fn said(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Waits for its end and returns the most memory that it was seen to take, in megabytes.
    pub(crate) fn peak_memory(&self) -> u64 {
        let (began, pid) = (Instant::now(), self.pid.to_string());
        let mut peak = 0;
        while began.elapsed() < PATIENCE {
            let asked = Command::new("ps").args(["-o", "rss=,stat=", "-p", &pid]).output().expect("ps runs");
            let told = String::from_utf8_lossy(&asked.stdout).into_owned();
            let mut words = told.split_whitespace();
            let kilobytes: u64 = words.next().and_then(|word| word.parse().ok()).unwrap_or(0);
            peak = peak.max(kilobytes / 1024);
            if words.next().is_none_or(|stat| stat.starts_with('Z')) {
                break;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        peak
    }

    /// Waits for its end; a process that takes too long is killed, and the test told why it might hang.
    pub(crate) fn end(mut self) -> Ended {
        let (pid, log, about) = (self.pid, self.log.clone(), self.about.clone());
        let (outbox, inbox) = mpsc::channel();
        let mut child = self.child.take().expect("only this takes it");
        std::thread::spawn(move || outbox.send(child.wait()));
        let waited = inbox.recv_timeout(PATIENCE);
        let said = fs::read_to_string(&log).unwrap_or_default();
        if let Ok(status) = waited {
            return Ended { status: status.expect("a child can be waited for"), said };
        }
        send(pid, Signal::KILL);
        panic!("it did not end within {PATIENCE:?}\n{said}\n{}", tail(&about));
    }

    /// Kills it.
    pub(crate) fn kill(self) -> Ended {
        self.signal(Signal::KILL);
        self.end()
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            // It may have ended by itself meanwhile.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Ended {
    /// Fails unless it exited with `code`.
    pub(crate) fn assert_code(&self, code: i32, workdir: &Utf8Path) {
        assert_eq!(self.status.code(), Some(code), "{:?}\n{}\n{}", self.status, self.said, tail(workdir));
    }

    /// Whether a SIGKILL ended it.
    pub(crate) fn was_killed(&self) -> bool {
        self.status.signal() == Some(Signal::KILL.as_raw())
    }
}

/// The end of a workdir's journal, for the message of a failed test.
pub(crate) fn tail(workdir: &Utf8Path) -> String {
    let text = fs::read_to_string(workdir.join("events.jsonl")).unwrap_or_default();
    let lines: Vec<String> = text.lines().map(|line| line.chars().take(300).collect()).collect();
    format!("the journal's end:\n{}", lines[lines.len().saturating_sub(25)..].join("\n"))
}
