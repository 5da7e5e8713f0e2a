//! A fleet of silent sessions: what looking at it and hearing of an exit cost, each beside the bare
//! probe that limits it, taken in turns in one run.
//!
//! `cargo bench -p orch-tmux --bench fleet -- 500` sets the number of sessions (100 by default).
#![expect(clippy::print_stdout, reason = "a bench prints its figures")]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use camino::{Utf8Path, Utf8PathBuf};
use orch_core::base::LaunchId;
use orch_core::ports::{Executor, ExecutorEvent, LaunchSpec, ProcessId};
use orch_process::{Exit, Signal, identify, signal};
use orch_tmux::{TmuxConfig, TmuxExecutor};
use tempfile::TempDir;

const ROUNDS: usize = 15;
const EXITS: usize = 40;

struct Fleet {
    dir: TempDir,
    tmux: TmuxExecutor,
    processes: Vec<ProcessId>,
}

impl Drop for Fleet {
    fn drop(&mut self) {
        drop(self.cli().arg("kill-server").output());
    }
}

#[tokio::main]
async fn main() {
    let count = std::env::args().find_map(|word| word.parse().ok()).unwrap_or(100);
    let fleet = Fleet::launch(count).await;
    println!("{count} sessions of 100x30, 60 lines each; median of {ROUNDS}, milliseconds");
    fleet.sweep().await;
    fleet.heartbeat().await;
    fleet.exits().await;
}

impl Fleet {
    async fn launch(count: usize) -> Self {
        let dir = TempDir::with_prefix_in("orch-bench-", "/tmp").expect("a directory");
        let path = |name: &str| Utf8PathBuf::from_path_buf(dir.path().join(name)).expect("utf-8");
        let config =
            TmuxConfig { socket: path("sock"), conf_dir: path("tmux"), marker: "bench".to_owned(), stdin_guard: None };
        let tmux = TmuxExecutor::connect(config).await.expect("connected");
        let mut fleet = Self { dir, tmux, processes: Vec::new() };
        for launch in (1..).take(count) {
            let spec = fleet.spec(launch);
            let launched = fleet.tmux.launch(&spec).await.expect("launched");
            fleet.processes.push(launched.process.expect("identified"));
        }
        fleet
    }

    fn dir(&self) -> &Utf8Path {
        Utf8Path::from_path(self.dir.path()).expect("utf-8")
    }

    fn spec(&self, launch: u64) -> LaunchSpec {
        let script =
            "i=0; while [ $i -lt 60 ]; do echo \"line $i of a quiet agent\"; i=$((i+1)); done; exec sleep 3600";
        LaunchSpec {
            launch: LaunchId(launch),
            name: "bench".to_owned(),
            argv: ["sh", "-c", script].map(str::to_owned).to_vec(),
            cwd: self.dir().to_owned(),
            env: BTreeMap::from([("PATH".to_owned(), "/usr/bin:/bin".to_owned())]),
            stdin: None,
            log: self.dir().join(format!("{launch}.log")),
            size: (100, 30),
        }
    }

    fn cli(&self) -> Command {
        let mut command = Command::new("tmux");
        command.args(["-u", "-S", self.dir().join("sock").as_str()]);
        command
    }

    fn panes(&self) -> Vec<String> {
        let listed = self.cli().args(["list-panes", "-a", "-f", "#{@orch_launch}", "-F", "#{pane_id}"]).output();
        let text = String::from_utf8(listed.expect("listed").stdout).expect("utf-8");
        let mut panes: Vec<String> = text.lines().map(str::to_owned).collect();
        panes.sort();
        panes.dedup();
        panes
    }

    /// One look at every screen, against one `source-file -` batch and one CLI call a session.
    async fn sweep(&self) {
        let launches: Vec<LaunchId> = (1..).take(self.processes.len()).map(LaunchId).collect();
        let captures: String = captures(&self.panes()).concat();
        let (mut ours, mut batch) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            let begun = Instant::now();
            let views = self.tmux.look(&launches).await.expect("looked");
            ours.push(begun.elapsed());
            assert_eq!(views.len(), launches.len());
            batch.push(self.source_file(&captures));
        }
        let one = self.processes.len().min(50);
        let begun = Instant::now();
        for pane in self.panes().iter().take(one) {
            drop(self.cli().args(["capture-pane", "-p", "-S", "-50", "-t", pane]).output());
        }
        let naive =
            begun.elapsed() / u32::try_from(one).unwrap_or(1) * u32::try_from(self.processes.len()).unwrap_or(1);
        let ours = median(ours);
        report("sweep of all screens", ours, "one `source-file -` batch", median(batch));
        report("sweep of all screens", ours, "one CLI call a session (extrapolated)", naive);
    }

    /// A list and the screens of a tenth, against the same from a bare control client.
    async fn heartbeat(&self) {
        let changed: Vec<LaunchId> = (1..).take(self.processes.len().div_ceil(10)).map(LaunchId).collect();
        let panes = self.panes();
        let mut client = Bare::attach(self);
        let (mut ours, mut bare) = (Vec::new(), Vec::new());
        let fields = "#{pane_id} #{pane_dead} #{window_activity} #{history_size} #{cursor_y}";
        let mut lines = vec![format!("list-panes -a -F '{fields}'\n")];
        lines.extend(captures(&panes[..changed.len()]));
        for _ in 0..ROUNDS {
            let begun = Instant::now();
            let listed = self.tmux.list().await.expect("listed");
            let views = self.tmux.look(&changed).await.expect("looked");
            ours.push(begun.elapsed());
            assert_eq!((listed.len(), views.len()), (self.processes.len(), changed.len()));
            bare.push(client.run(&lines));
        }
        report("heartbeat, 10 % changed", median(ours), "list-panes and those captures, bare client", median(bare));
    }

    /// From a process's death to the event, against a bare pidfd.
    async fn exits(&self) {
        let (mut ours, mut listed, mut bare) = (Vec::new(), Vec::new(), Vec::new());
        for (launch, process) in (1..).map(LaunchId).zip(&self.processes).take(EXITS) {
            while tokio::time::timeout(Duration::from_millis(20), self.tmux.events()).await.is_ok() {}
            let begun = Instant::now();
            signal(process, Signal::KILL);
            while !self.tmux.events().await.contains(&ExecutorEvent::Exited(launch)) {}
            ours.push(begun.elapsed());
            self.tmux.list().await.expect("listed");
            listed.push(begun.elapsed());
            bare.push(bare_exit().await);
        }
        let bare = median(bare);
        report("exit, killed to announced", median(ours), "bare pidfd", bare);
        report("exit, killed to listed", median(listed), "bare pidfd", bare);
    }

    fn source_file(&self, commands: &str) -> Duration {
        let begun = Instant::now();
        let mut child =
            self.cli().args(["source-file", "-"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("tmux");
        child.stdin.take().expect("piped").write_all(commands.as_bytes()).expect("written");
        let out = child.wait_with_output().expect("ended");
        let took = begun.elapsed();
        assert!(!out.stdout.is_empty());
        took
    }
}

/// A control client without anything around it.
struct Bare {
    child: Child,
    stdin: ChildStdin,
    lines: BufReader<ChildStdout>,
}

impl Drop for Bare {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Bare {
    fn attach(fleet: &Fleet) -> Self {
        let mut command = fleet.cli();
        command.args(["-C", "attach-session", "-f", "no-output", "-t", "=orch-keeper:"]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("tmux");
        let (stdin, stdout) = (child.stdin.take().expect("piped"), child.stdout.take().expect("piped"));
        let mut bare = Self { child, stdin, lines: BufReader::new(stdout) };
        bare.until(|line| line.starts_with("%session-changed"), 1);
        bare
    }

    fn run(&mut self, lines: &[String]) -> Duration {
        let begun = Instant::now();
        self.stdin.write_all(lines.concat().as_bytes()).expect("written");
        self.until(|line| line.starts_with("%end") || line.starts_with("%error"), lines.len());
        begun.elapsed()
    }

    fn until(&mut self, wanted: impl Fn(&str) -> bool, mut count: usize) {
        let mut line = String::new();
        while count > 0 {
            line.clear();
            assert!(self.lines.read_line(&mut line).expect("read") > 0, "the client ended");
            count -= usize::from(wanted(&line));
        }
    }
}

async fn bare_exit() -> Duration {
    let mut child = Command::new("sleep").arg("600").spawn().expect("sleep");
    let process = identify(child.id()).expect("it lives");
    let exit = Exit::watch(&process).expect("it lives");
    let begun = Instant::now();
    signal(&process, Signal::KILL);
    exit.wait().await;
    let took = begun.elapsed();
    child.wait().expect("reaped");
    took
}

fn captures(panes: &[String]) -> Vec<String> {
    panes.iter().map(|pane| format!("capture-pane -p -S -50 -t {pane}\n")).collect()
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

fn report(what: &str, ours: Duration, anchor: &str, theirs: Duration) {
    let ms = |time: Duration| time.as_secs_f64() * 1000.0;
    let ratio = ms(ours) / ms(theirs);
    println!("{what:<28} {:>9.2}   {anchor:<44} {:>9.2}   ratio {ratio:.2}", ms(ours), ms(theirs));
}
