//! A fleet on terminals: what starting, ending, listing, printing and keeping it cost, each beside the
//! bare probe that limits it, taken in turns in one run.
//!
//! `cargo bench -p orch-pty --bench fleet -- 1000` sets the number of sessions (200 by default).
#![expect(clippy::print_stdout, reason = "a bench prints its figures")]
#![expect(clippy::cast_precision_loss, reason = "figures are shown with two digits")]

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::process::Command as Program;
use std::time::{Duration, Instant};

use camino::{Utf8Path, Utf8PathBuf};
use orch_core::base::{LaunchId, Millis};
use orch_core::ports::{Executor, ExecutorEvent, LaunchSpec, SessionInput};
use orch_process::{Exit, Signal, identify, signal};
use orch_pty::{PtyExecutor, PtySettings};
use pty_process::{Command, Size};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinSet;

const ROUNDS: usize = 5;
const EXITS: usize = 40;
const ECHOES: usize = 200;
/// How many run at once in the wide fleet.
const SLOTS: usize = 8;
/// How much is printed to measure throughput, in bytes.
const FLOOD: u64 = 50_000_000;
/// The memory of a bare grid of 120 by 50 characters, in kB.
const GRID: f64 = 193.0;

struct Fleet {
    dir: TempDir,
    pty: PtyExecutor,
    host: u32,
}

impl Drop for Fleet {
    fn drop(&mut self) {
        // The kernel hangs up on everything in it.
        identify(self.host).map(|host| signal(&host, Signal::KILL));
    }
}

#[tokio::main]
async fn main() {
    let count = std::env::args().find_map(|word| word.parse().ok()).unwrap_or(200);
    println!("milliseconds unless said otherwise; medians");
    wide(count).await;
    let fleet = Fleet::begin().await;
    fleet.echoes().await;
    fleet.flood().await;
    let before = resident(fleet.host);
    fleet.fill(count).await;
    let each = (resident(fleet.host) - before) / count as f64;
    report(&format!("memory per idle session of {count}, kB"), each, "a bare grid", GRID);
    fleet.lists(count).await;
    fleet.exits().await;
    fleet.idle().await;
}

impl Fleet {
    async fn begin() -> Self {
        let dir = TempDir::with_prefix_in("orch-bench-", "/tmp").expect("a directory");
        let sessions = Utf8PathBuf::from_path_buf(dir.path().join("sessions")).expect("utf-8");
        let host_command = vec![env!("CARGO_BIN_EXE_orch-pty-host").into()];
        let settings = PtySettings { host_command, linger: Millis(100), ..PtySettings::new(sessions) };
        let pty = PtyExecutor::connect(settings).await.expect("connected");
        let mut fleet = Self { dir, pty, host: 0 };
        // The parent of what it starts.
        let mut first = fleet.spec(1, &["sh", "-c", "echo $PPID >host; exec cat"]);
        first.size = (120, 50);
        fleet.pty.launch(&first).await.expect("launched");
        while fleet.host == 0 {
            let told = std::fs::read_to_string(fleet.dir().join("host")).unwrap_or_default();
            fleet.host = told.trim().parse().unwrap_or(0);
        }
        fleet
    }

    fn dir(&self) -> &Utf8Path {
        Utf8Path::from_path(self.dir.path()).expect("utf-8")
    }

    fn spec(&self, launch: u64, argv: &[&str]) -> LaunchSpec {
        LaunchSpec {
            launch: LaunchId(launch),
            name: "bench".to_owned(),
            argv: argv.iter().map(|word| (*word).to_owned()).collect(),
            cwd: self.dir().to_owned(),
            env: BTreeMap::from([("PATH".to_owned(), "/usr/bin:/bin".to_owned())]),
            stdin: None,
            log: self.dir().join("log"),
            size: (120, 50),
        }
    }

    /// From a typed character to a screen that shows it, against a bare terminal's echo.
    async fn echoes(&self) {
        let (mut told, mut seen, mut bare) = (Vec::new(), Vec::new(), Vec::new());
        let (mut pty, pts) = pty_process::open().expect("a terminal");
        let mut cat = Command::new("cat").spawn(pts).expect("cat");
        let typed = SessionInput { text: Some("x".to_owned()), keys: Vec::new() };
        for _ in 0..ECHOES {
            tokio::time::sleep(Duration::from_millis(6)).await;
            while tokio::time::timeout(Duration::from_millis(1), self.pty.events()).await.is_ok() {}
            let begun = Instant::now();
            self.pty.input(LaunchId(1), &typed, None).await.expect("typed");
            while !self.pty.events().await.contains(&ExecutorEvent::Output(LaunchId(1))) {}
            told.push(begun.elapsed());
            self.pty.look(&[LaunchId(1)]).await.expect("looked");
            seen.push(begun.elapsed());
            let begun = Instant::now();
            pty.write_all(b"x").await.expect("typed");
            pty.read_exact(&mut [0]).await.expect("echoed");
            bare.push(begun.elapsed());
        }
        cat.kill().await.expect("ended");
        let bare = median(bare);
        report("typed to announced", median(told), "bare echo", bare);
        report("typed to seen on the screen", median(seen), "bare echo", bare);
    }

    /// How fast output is read, logged and drawn, against a bare terminal that is read.
    async fn flood(&self) {
        let script = format!("yes 'a line of what a talkative program prints' | head -c {FLOOD}");
        let (mut ours, mut bare) = (Vec::new(), Vec::new());
        for launch in (2..).take(3) {
            let begun = Instant::now();
            self.pty.launch(&self.spec(launch, &["sh", "-c", &script])).await.expect("launched");
            self.pty.wait(LaunchId(launch)).await.expect("known");
            ours.push(begun.elapsed().as_secs_f64());
            self.pty.forget(LaunchId(launch)).await.expect("forgotten");
            let begun = Instant::now();
            let (mut pty, pts) = pty_process::open().expect("a terminal");
            let mut child = Command::new("sh").args(["-c", &script]).spawn(pts).expect("sh");
            let mut buffer = vec![0; 64 * 1024];
            while pty.read(&mut buffer).await.is_ok_and(|count| count > 0) {}
            child.wait().await.expect("ended");
            bare.push(begun.elapsed().as_secs_f64());
        }
        let rate = |mut times: Vec<f64>| {
            times.sort_by(f64::total_cmp);
            FLOOD as f64 / 1e6 / times[times.len() / 2]
        };
        report("read, logged and drawn, MB/s", rate(ours), "bare terminal, read", rate(bare));
    }

    async fn fill(&self, count: usize) {
        let begun = Instant::now();
        let mut launches = JoinSet::new();
        for launch in (100..).take(count) {
            let (pty, spec) = (self.pty.clone(), self.spec(launch, &["sleep", "3600"]));
            launches.spawn(async move { pty.launch(&spec).await });
        }
        for launched in launches.join_all().await {
            launched.expect("launched");
        }
        println!("{:<44} {:>9.2}", format!("{count} sessions started at once"), ms(begun.elapsed()));
    }

    async fn lists(&self, count: usize) {
        let (mut list, mut look) = (Vec::new(), Vec::new());
        let launches: Vec<LaunchId> = (100..).take(count).map(LaunchId).collect();
        for _ in 0..ROUNDS * 3 {
            let begun = Instant::now();
            assert_eq!(self.pty.list().await.expect("listed").len(), count + 1);
            list.push(ms(begun.elapsed()));
            let begun = Instant::now();
            assert_eq!(self.pty.look(&launches).await.expect("looked").len(), count);
            look.push(ms(begun.elapsed()));
        }
        println!("{:<44} {:>9.2}", format!("list of {count}"), middle(list));
        println!("{:<44} {:>9.2}", format!("look at {count}"), middle(look));
    }

    /// From a process's death to the event, against a bare pidfd and a flushed line.
    async fn exits(&self) {
        let (mut ours, mut listed, mut bare) = (Vec::new(), Vec::new(), Vec::new());
        let sessions = self.pty.sessions().await.expect("listed");
        for session in sessions.iter().skip(1).take(EXITS) {
            while tokio::time::timeout(Duration::from_millis(20), self.pty.events()).await.is_ok() {}
            let process = session.process.as_ref().expect("identified");
            let begun = Instant::now();
            signal(process, Signal::KILL);
            while !self.pty.events().await.contains(&ExecutorEvent::Exited(session.launch)) {}
            ours.push(begun.elapsed());
            self.pty.list().await.expect("listed");
            listed.push(begun.elapsed());
            bare.push(bare_exit(&self.dir().join("bare")).await);
        }
        let bare = median(bare);
        report("exit, killed to announced and on disk", median(ours), "bare pidfd and fdatasync", bare);
        report("exit, killed to listed", median(listed), "bare pidfd and fdatasync", bare);
    }

    /// What the host does while nothing happens.
    async fn idle(&self) {
        let used = || {
            let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.host)).expect("its state");
            let fields: Vec<u64> = stat.split_whitespace().filter_map(|field| field.parse().ok()).collect();
            fields.get(10..12).map_or(0, |ticks| ticks.iter().sum())
        };
        let switches = || {
            let status = std::fs::read_to_string(format!("/proc/{}/status", self.host)).expect("its status");
            let line = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
            line.and_then(|count| count.trim().parse::<u64>().ok()).unwrap_or(0)
        };
        let (ticks, woken) = (used(), switches());
        tokio::time::sleep(Duration::from_secs(5)).await;
        println!("{:<44} {:>9.2}", "host's wake-ups a second while all is quiet", (switches() - woken) as f64 / 5.0);
        println!("{:<44} {:>9}", "its ticks of 10 ms of a processor in 5 s", used() - ticks);
    }
}

/// So many programs that do nothing, some at once, against bare terminals.
async fn wide(count: usize) {
    let (mut ours, mut bare) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let fleet = Fleet::begin().await;
        let begun = Instant::now();
        fleet.run(count).await;
        ours.push(begun.elapsed());
        let begun = Instant::now();
        bare_run(count).await;
        bare.push(begun.elapsed());
    }
    report(&format!("{count} no-ops, {SLOTS} at once, exits on disk"), median(ours), "bare terminals", median(bare));
}

impl Fleet {
    async fn run(&self, count: usize) {
        let mut waiting: Vec<u64> = (100..).take(count).collect();
        let (mut running, mut launches) = (BTreeSet::new(), JoinSet::new());
        while !waiting.is_empty() || !running.is_empty() {
            while running.len() < SLOTS
                && let Some(launch) = waiting.pop()
            {
                running.insert(LaunchId(launch));
                let (pty, spec) = (self.pty.clone(), self.spec(launch, &["/bin/true"]));
                launches.spawn(async move { pty.launch(&spec).await.expect("launched") });
            }
            for event in self.pty.events().await {
                if let ExecutorEvent::Exited(launch) = event
                    && running.remove(&launch)
                {
                    let pty = self.pty.clone();
                    launches.spawn(async move {
                        pty.forget(launch).await.expect("forgotten");
                        orch_core::ports::Launched::new("", None)
                    });
                }
            }
        }
        launches.join_all().await;
    }
}

async fn bare_run(count: usize) {
    let mut running = JoinSet::new();
    for _ in 0..count {
        if running.len() == SLOTS {
            running.join_next().await;
        }
        let (pty, pts) = pty_process::open().expect("a terminal");
        pty.resize(Size::new(50, 120)).expect("resized");
        let mut child = Command::new("/bin/true").env_clear().spawn(pts).expect("true");
        running.spawn(async move {
            child.wait().await.expect("ended");
            drop(pty);
        });
    }
    running.join_all().await;
}

async fn bare_exit(journal: &Utf8Path) -> Duration {
    let mut journal = std::fs::File::options().create(true).append(true).open(journal).expect("a file");
    let mut child = Program::new("sleep").arg("600").spawn().expect("sleep");
    let process = identify(child.id()).expect("it lives");
    let exit = Exit::watch(&process).expect("it lives");
    let begun = Instant::now();
    signal(&process, Signal::KILL);
    exit.wait().await;
    journal.write_all(&[b'x'; 60]).expect("written");
    journal.sync_data().expect("flushed");
    let took = begun.elapsed();
    child.wait().expect("reaped");
    took
}

/// Resident memory of a process, in kB.
fn resident(pid: u32) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("its status");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a size");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

fn median(mut times: Vec<Duration>) -> f64 {
    times.sort();
    ms(times[times.len() / 2])
}

fn middle(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

fn report(what: &str, ours: f64, anchor: &str, theirs: f64) {
    println!("{what:<44} {ours:>9.2}   {anchor:<24} {theirs:>9.2}   ratio {:.2}", ours / theirs);
}
