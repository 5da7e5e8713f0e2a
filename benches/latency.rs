//! From the end of an agent to the start of its dependent's agent, whole life of a task: real git,
//! real tmux, the journal, the local forge, beside a bare `git worktree add` and
//! `tmux new-session` in the same run. A chain of tasks, each waiting for the one before.

#![expect(clippy::print_stdout, reason = "a bench reports by printing")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const LENGTH: usize = 30;

fn main() {
    let place = tempfile::tempdir().expect("a temporary directory");
    let root = place.path();
    make(root);
    let ours = chain(root);
    let bare = anchors(root);
    report("agent's end to dependent's start", &ours);
    report("bare worktree add + new-session", &bare);
    println!("ratio of medians: {:.2} (goal: at most 1.5)", median(&ours) / median(&bare));
}

fn report(what: &str, times: &[f64]) {
    let (least, most) = times.iter().fold((f64::MAX, 0.0_f64), |(a, b), t| (a.min(*t), b.max(*t)));
    println!("{what}: median {:.1} ms [{least:.1}..{most:.1}], n={}", median(times), times.len());
}

fn median(times: &[f64]) -> f64 {
    let mut sorted = times.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

fn run(dir: &Path, program: &str, args: &[&str]) {
    let done = Command::new(program).args(args).current_dir(dir).stdout(Stdio::null()).stderr(Stdio::null()).status();
    assert!(done.expect("it starts").success(), "{program} {args:?}");
}

fn make(root: &Path) {
    let seed = root.join("seed");
    fs::create_dir(&seed).expect("a directory");
    for n in 0..100 {
        fs::write(seed.join(format!("file{n}.txt")), "content\n".repeat(100)).expect("a file");
    }
    run(&seed, "git", &["init", "-q", "-b", "main"]);
    run(&seed, "git", &["add", "-A"]);
    run(&seed, "git", &["-c", "user.name=b", "-c", "user.email=b@localhost", "commit", "-qm", "begin"]);
    run(root, "git", &["clone", "-q", "--bare", "seed", "origin.git"]);
    let work = root.join("w");
    fs::create_dir(&work).expect("a directory");
    fs::set_permissions(&work, fs::Permissions::from_mode(0o700)).expect("private");
    let tasks: Vec<String> = (0..LENGTH)
        .map(|n| {
            if n == 0 { r#"{"id":"t0"}"#.to_owned() } else { format!(r#"{{"id":"t{n}","dependsOn":["t{}"]}}"#, n - 1) }
        })
        .collect();
    let manifest = format!(
        r#"{{"project":"chain","repo":"{}","agent":"bench","push":"complete","phases":[{{"name":"p","tasks":[{}]}}]}}"#,
        root.join("origin.git").display(),
        tasks.join(",")
    );
    fs::write(work.join("manifest.json"), manifest).expect("a manifest");
    let agent = root.join("agent.sh");
    let script = format!(
        "#!/bin/sh\necho \"start $(date +%s.%N)\" >>{0}/stamps\necho x >$ORCH_TASK_ID.txt\ngit add -A\ngit -c user.name=b -c user.email=b@localhost commit -qm work\necho \"end $(date +%s.%N)\" >>{0}/stamps\n",
        root.display()
    );
    fs::write(&agent, script).expect("an agent");
    fs::set_permissions(&agent, fs::Permissions::from_mode(0o755)).expect("executable");
    fs::write(work.join("orch.toml"), format!("[agents.bench]\ncommand = [\"{}\"]\n", agent.display()))
        .expect("settings");
}

/// Milliseconds from each agent's end to the next one's start.
fn chain(root: &Path) -> Vec<f64> {
    let mut orch = Command::new(env!("CARGO_BIN_EXE_orch"))
        .args(["--workdir", "w", "run", "--until", "complete"])
        .current_dir(root)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("orch starts");
    let begun = Instant::now();
    while orch.try_wait().expect("it is ours").is_none() {
        assert!(begun.elapsed() < Duration::from_secs(120), "the chain does not end");
        std::thread::sleep(Duration::from_millis(20));
    }
    let text = fs::read_to_string(root.join("stamps")).expect("stamps");
    let stamps: Vec<(&str, f64)> = text
        .lines()
        .filter_map(|line| line.split_once(' '))
        .map(|(what, at)| (what, at.parse().expect("a time")))
        .collect();
    let _ = Command::new("tmux").args(["-S", "w/orchestrator.sock", "kill-server"]).current_dir(root).status();
    assert_eq!(stamps.len(), 2 * LENGTH, "every agent ran once");
    stamps.windows(2).filter(|pair| pair[0].0 == "end").map(|pair| (pair[1].1 - pair[0].1) * 1000.0).collect()
}

/// Milliseconds of a bare `git worktree add` and `tmux new-session`.
fn anchors(root: &Path) -> Vec<f64> {
    run(root, "git", &["clone", "-q", "origin.git", "bare"]);
    let repo = root.join("bare");
    let socket = root.join("bare.sock");
    let socket = socket.to_str().expect("UTF-8");
    run(root, "tmux", &["-S", socket, "-f", "/dev/null", "new-session", "-d", "-s", "keeper", "cat"]);
    let times = (0..LENGTH)
        .map(|n| {
            let begun = Instant::now();
            let (branch, path) = (format!("b{n}"), root.join(format!("bare-{n}")));
            let path = path.to_str().expect("UTF-8");
            run(&repo, "git", &["worktree", "add", "-q", "-b", &branch, path, "origin/main"]);
            run(root, "tmux", &["-S", socket, "new-session", "-d", "-s", &branch, "-c", path, "cat"]);
            begun.elapsed().as_secs_f64() * 1000.0
        })
        .collect();
    run(root, "tmux", &["-S", socket, "kill-server"]);
    times
}
