//! The host as a process: who starts it, what it is, when it leaves, and what becomes of its table.

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use orch_core::base::LaunchId;
use orch_core::ports::{Executor, ExecutorError, ExecutorEvent, ExitStatus, ProcessId, SessionState};
use orch_process::{Signal, alive, identify, signal};
use orch_pty::{PtyExecutor, PtySettings, PtyState};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixListener;

use crate::world::{World, event, exit_of, kill, ready, session, shows, type_line, until};

const DEAF: &str = "trap '' HUP INT TERM; echo ready; while :; do sleep 1; done";

async fn host_is_gone(host: &ProcessId) {
    until("the host's end", || async { (!alive(host)).then_some(()) }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_host_is_nobodys_child_and_private() {
    let world = World::new();
    let pty = world.connect().await;
    assert!(!world.path("sessions").exists(), "connecting starts nothing");
    ready(&world, &pty, 1, "echo ready; exec sleep 600").await;
    let host = world.host();
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", host.pid)).expect("its state");
    let fields: Vec<&str> = stat.rsplit(')').next().expect("fields").split_whitespace().collect();
    assert_ne!(fields[1], std::process::id().to_string(), "its parent is not its starter");
    let own = std::fs::read_to_string("/proc/self/stat").expect("our state");
    assert_ne!(Some(fields[3]), own.rsplit(')').next().and_then(|rest| rest.split_whitespace().nth(3)), "its session");
    assert_eq!(fields[4], "0", "it has no controlling terminal");
    assert_eq!(std::fs::read_link(format!("/proc/{}/cwd", host.pid)).expect("its directory").to_str(), Some("/"));
    for fd in 0..3 {
        let target = std::fs::read_link(format!("/proc/{}/fd/{fd}", host.pid)).expect("a descriptor");
        assert_eq!(target.to_str(), Some("/dev/null"), "descriptor {fd}");
    }
    let environment = std::fs::read(format!("/proc/{}/environ", host.pid)).expect("its environment");
    let names: Vec<String> = String::from_utf8_lossy(&environment)
        .split_terminator('\0')
        .filter_map(|var| Some(var.split_once('=')?.0.to_owned()))
        .collect();
    assert_eq!(names, ["ORCH_PTY_HOST"]);
    for (path, mode) in
        [("sessions", 0o700), ("sessions/host.sock", 0o600), ("sessions/host.jsonl", 0o600), ("1.log", 0o600)]
    {
        let found = std::fs::metadata(world.path(path)).expect("it exists").permissions().mode() & 0o777;
        assert_eq!(found, mode, "{path}");
    }
    for deaf_to in [Signal::HUP, Signal::INT, Signal::QUIT] {
        assert!(signal(&host, deaf_to));
    }
    type_line(&pty, 1, "x").await;
    assert!(alive(&host));
    let limit = world.script(2, "trap - HUP; kill -HUP $$; echo survived");
    pty.launch(&limit).await.expect("launched");
    assert_eq!(exit_of(&pty, 2).await, ExitStatus { code: None, signal: Some(1) }, "agents hear signals as usual");
}

#[tokio::test(flavor = "multi_thread")]
async fn agents_get_exactly_their_environment_and_the_usual_limits() {
    let world = World::new();
    let pty = world.connect().await;
    let mut spec = world.spec(1, &["/usr/bin/env"]);
    spec.env.insert("TERM".to_owned(), "dumb".to_owned());
    spec.env.insert("HOSTILE".to_owned(), "$HOME `x` \"q\" ; é".to_owned());
    pty.launch(&spec).await.expect("launched");
    exit_of(&pty, 1).await;
    let mut found: Vec<String> = world.log(1).lines().map(|line| line.trim_end().to_owned()).collect();
    found.sort();
    spec.env.insert("TERM".to_owned(), "xterm-256color".to_owned());
    let wanted: Vec<String> = spec.env.iter().map(|(name, value)| format!("{name}={value}")).collect();
    assert_eq!(found, wanted);
    pty.launch(&world.script(2, "sleep 0.2; ulimit -Sn; ps -o sid= -o pid= -o tty= -p $$")).await.expect("launched");
    exit_of(&pty, 2).await;
    let log = world.log(2);
    let mut lines = log.lines();
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    assert_eq!(
        lines.next().map(str::trim),
        Some(limit.map_or("unlimited".to_owned(), |limit| limit.to_string()).as_str())
    );
    let words: Vec<&str> = lines.next().expect("a line").split_whitespace().collect();
    assert!(words[0] == words[1] && words[2].starts_with("pts/"), "{words:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn standard_input_from_a_file_keeps_the_terminal() {
    let world = World::new();
    let pty = world.connect().await;
    std::fs::write(world.path("in"), "from the file").expect("written");
    let mut spec = world.script(1, "cat; read -r line </dev/tty; echo \" and $line\"");
    spec.stdin = Some(world.path("in"));
    pty.launch(&spec).await.expect("launched");
    shows(&pty, 1, "from the file").await;
    type_line(&pty, 1, "the terminal").await;
    shows(&pty, 1, "and the terminal").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn starters_race_to_one_host() {
    let world = World::new();
    let mut starters = Vec::new();
    for launch in 1..=8 {
        let (pty, spec) = (world.connect().await, world.script(launch, "echo ready; exec sleep 600"));
        starters.push(tokio::spawn(async move { pty.launch(&spec).await }));
    }
    for starter in starters {
        starter.await.expect("no panic").expect("launched");
    }
    world.host();
    assert_eq!(world.connect().await.list().await.expect("listed").len(), 8);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_leaves_when_nothing_keeps_it() {
    let world = World::new();
    let pty = world.connect().await;
    pty.launch(&world.script(1, "exit 5")).await.expect("launched");
    exit_of(&pty, 1).await;
    let host = world.host();
    drop(pty);
    tokio::time::sleep(Duration::from_millis(900)).await;
    assert!(alive(&host), "an exit that nobody took in keeps it");
    let pty = world.connect().await;
    assert_eq!(exit_of(&pty, 1).await.code, Some(5));
    pty.forget(LaunchId(1)).await.expect("forgotten");
    tokio::time::sleep(Duration::from_millis(900)).await;
    assert!(alive(&host), "a client keeps it");
    drop(pty);
    host_is_gone(&host).await;
    assert!(!world.path("sessions/host.sock").exists());
    let pty = world.connect().await;
    assert_eq!(pty.list().await.expect("listed"), []);
    ready(&world, &pty, 2, "echo ready; exec sleep 600").await;
    assert_ne!(world.host(), host);
}

#[tokio::test(flavor = "multi_thread")]
async fn exits_outlive_their_host_and_are_forgotten_without_one() {
    let world = World::new();
    let pty = world.connect().await;
    pty.launch(&world.script(1, "exit 7")).await.expect("launched");
    ready(&world, &pty, 2, DEAF).await;
    assert_eq!(exit_of(&pty, 1).await.code, Some(7));
    let survivor = session(&pty, 2).await.expect("listed").process.expect("identified");
    signal(&world.host(), Signal::KILL);
    event(&pty, ExecutorEvent::Lost).await;
    assert_eq!(exit_of(&pty, 1).await.code, Some(7), "the table keeps it");
    assert_eq!(session(&pty, 2).await, None, "a lost session is not listed as running");
    let states: Vec<PtyState> = pty.sessions().await.expect("read").into_iter().map(|session| session.state).collect();
    assert_eq!(states, [PtyState::Exited(ExitStatus { code: Some(7), signal: None }), PtyState::Lost]);
    assert!(alive(&survivor), "nothing is ended before its work could be saved");
    pty.forget(LaunchId(1)).await.expect("forgotten");
    assert!(pty.end(&kill(2, None)).await.expect("ended"), "by its mark in the table");
    assert!(!alive(&survivor));
    pty.forget(LaunchId(2)).await.expect("forgotten");
    assert_eq!(pty.sessions().await.expect("read"), []);
    assert_eq!(world.hosts(), [], "none was needed");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_dies_first_the_truth_is_kept() {
    let world = World::new();
    let pty = world.connect().await;
    let agent = ready(&world, &pty, 1, "echo ready; exec sleep 600").await.process.expect("identified");
    let other = ready(&world, &pty, 2, "echo ready; exec sleep 600").await.process.expect("identified");
    signal(&agent, Signal::KILL);
    event(&pty, ExecutorEvent::Exited(LaunchId(1))).await;
    let waiting = tokio::spawn({
        let pty = pty.clone();
        async move { pty.wait(LaunchId(2)).await }
    });
    signal(&world.host(), Signal::KILL);
    let lost = waiting.await.expect("no panic").expect("known");
    assert_eq!(lost.state, PtyState::Lost, "whoever waits learns of the loss");
    assert_eq!(exit_of(&pty, 1).await.signal, Some(9), "announced, so on disk");
    until("the hang-up's effect", || async { (!alive(&other)).then_some(()) }).await;
    assert_eq!(pty.wait(LaunchId(2)).await.expect("known").state, PtyState::Lost, "no exit is made up");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_host_takes_the_table_over() {
    let world = World::new();
    let pty = world.connect().await;
    pty.launch(&world.script(1, "exit 7")).await.expect("launched");
    exit_of(&pty, 1).await;
    ready(&world, &pty, 2, DEAF).await;
    let survivor = session(&pty, 2).await.expect("listed").process.expect("identified");
    signal(&world.host(), Signal::KILL);
    event(&pty, ExecutorEvent::Lost).await;
    ready(&world, &pty, 3, "echo ready; exec sleep 600").await;
    assert_eq!(exit_of(&pty, 1).await.code, Some(7));
    assert_eq!(pty.wait(LaunchId(2)).await.expect("known").state, PtyState::Lost);
    assert!(alive(&survivor), "another launch ends nobody");
    let again = ready(&world, &pty, 2, "echo ready; exec sleep 600").await;
    assert!(!alive(&survivor), "two would run at once");
    assert_ne!(again.process, Some(survivor));
    assert_eq!(session(&pty, 3).await.map(|info| info.state), Some(SessionState::Running));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recycled_pid_of_the_table_is_not_touched() {
    let world = World::new();
    let pty = world.connect().await;
    ready(&world, &pty, 1, "echo ready; exec sleep 600").await;
    signal(&world.host(), Signal::KILL);
    event(&pty, ExecutorEvent::Lost).await;
    let bystander = std::process::Command::new("sleep").arg("600").spawn().expect("sleep");
    let theirs = identify(bystander.id()).expect("it lives");
    let table = String::from_utf8(world.read("sessions/host.jsonl")).expect("text");
    for (started, boot) in [(theirs.started - 1, theirs.boot.0.as_str()), (theirs.started, "another-boot")] {
        let entry = format!(
            "{{\"started\":{{\"launch\":1,\"process\":{{\"pid\":{},\"started\":{started},\"boot\":\"{boot}\"}}}}}}\n",
            theirs.pid
        );
        std::fs::write(world.path("sessions/host.jsonl"), format!("{table}{entry}{{\"exit")).expect("written");
        let lost = pty.sessions().await.expect("read").remove(0);
        assert_eq!(lost.process.map(|process| process.pid), Some(theirs.pid), "the line is read");
        ready(&world, &pty, 1, "echo ready; exec sleep 600").await;
        assert!(alive(&theirs), "nothing foreign is signalled");
        signal(&world.host(), Signal::KILL);
        event(&pty, ExecutorEvent::Lost).await;
    }
    assert!(signal(&theirs, Signal::KILL));
    let mut bystander = bystander;
    bystander.wait().expect("reaped");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_that_was_cut_off_before_its_pid_was_noted_is_found_by_its_mark() {
    let world = World::new();
    let pty = world.connect().await;
    ready(&world, &pty, 1, DEAF).await;
    let survivor = session(&pty, 1).await.expect("listed").process.expect("identified");
    signal(&world.host(), Signal::KILL);
    event(&pty, ExecutorEvent::Lost).await;
    let table = String::from_utf8(world.read("sessions/host.jsonl")).expect("text");
    let starting: Vec<&str> = table.lines().filter(|line| line.starts_with("{\"starting\"")).collect();
    assert_eq!(starting.len(), 1, "{table}");
    std::fs::write(world.path("sessions/host.jsonl"), format!("{}\n", starting[0])).expect("written");
    ready(&world, &pty, 1, "echo ready; exec sleep 600").await;
    assert!(!alive(&survivor), "two would run at once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_client_changes_nothing() {
    let world = World::new();
    let first = world.connect().await;
    let launched = ready(&world, &first, 1, "echo ready; read -r l; exit 4").await;
    // As SIGKILL would: the socket closes without a word.
    drop(first);
    let pty = world.connect().await;
    assert_eq!(session(&pty, 1).await.expect("listed").process, launched.process);
    type_line(&pty, 1, "x").await;
    event(&pty, ExecutorEvent::Exited(LaunchId(1))).await;
    assert_eq!(
        pty.wait(LaunchId(1)).await.expect("known").state,
        PtyState::Exited(ExitStatus { code: Some(4), signal: None })
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_file_without_a_host_is_in_nobodys_way() {
    let world = World::new();
    let pty = world.connect().await;
    ready(&world, &pty, 1, "echo ready; exec sleep 600").await;
    signal(&world.host(), Signal::KILL);
    event(&pty, ExecutorEvent::Lost).await;
    assert!(world.path("sessions/host.sock").exists());
    assert_eq!(pty.list().await.expect("an empty list, not an error"), []);
    ready(&world, &pty, 2, "echo ready; exec sleep 600").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_that_was_swept_away_is_brought_back() {
    let world = World::new();
    let first = world.connect().await;
    ready(&world, &first, 1, "echo ready; exec sleep 600").await;
    drop(first);
    std::fs::remove_file(world.path("sessions/host.sock")).expect("removed");
    let pty = world.connect().await;
    assert_eq!(session(&pty, 1).await.map(|info| info.state), Some(SessionState::Running));
}

#[tokio::test(flavor = "multi_thread")]
async fn directories_that_are_not_private_are_refused() {
    let world = World::new();
    let dir = world.path("sessions");
    std::fs::create_dir(&dir).expect("made");
    std::fs::set_permissions(&dir, std::fs::Permissions::from_mode(0o755)).expect("mode");
    let open = PtyExecutor::connect(world.settings()).await.expect_err("refused");
    assert!(open.to_string().contains("0700"), "{open}");
    std::fs::remove_dir(&dir).expect("removed");
    std::os::unix::fs::symlink("/tmp", &dir).expect("a link");
    assert!(PtyExecutor::connect(world.settings()).await.is_err());
    std::fs::remove_file(&dir).expect("removed");
    let relative = PtyExecutor::connect(PtySettings::new("sessions")).await;
    assert!(matches!(relative, Err(ExecutorError::Refused { .. })), "{relative:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_cannot_be_a_host_is_named() {
    let world = World::new();
    let cases =
        [(vec!["/bin/true".into()], "host_entry"), (vec!["/no/such".into()], "/no/such"), (Vec::new(), "host_command")];
    for (host_command, part) in cases {
        let pty = PtyExecutor::connect(PtySettings { host_command, ..world.settings() }).await.expect("connected");
        let failed = pty.launch(&world.script(1, "exit 0")).await.expect_err("no host");
        assert!(failed.to_string().contains(part), "{failed}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_of_another_protocol_is_neither_used_nor_killed() {
    let world = World::new();
    let dir = world.path("sessions");
    std::fs::create_dir(&dir).expect("made");
    std::fs::set_permissions(&dir, std::fs::Permissions::from_mode(0o700)).expect("mode");
    let listener = UnixListener::bind(dir.join("host.sock")).expect("bound");
    let old = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("accepted");
        let mut head = [0; 5];
        stream.read_exact(&mut head).await.expect("a frame");
        let text =
            "{\"protocol\":0,\"version\":\"0.0.9\",\"host\":{\"pid\":2,\"started\":1,\"boot\":\"b\"},\"sessions\":3}";
        let mut frame = vec![0];
        frame.extend(u32::try_from(text.len()).expect("short").to_be_bytes());
        frame.extend(text.bytes());
        stream.write_all(&frame).await.expect("answered");
        stream.read_to_end(&mut Vec::new()).await.expect("the client leaves");
    });
    let refused = PtyExecutor::connect(world.settings()).await.expect_err("refused");
    for part in ["0.0.9", "protocol 0", "3 sessions"] {
        assert!(refused.to_string().contains(part), "{refused}");
    }
    old.await.expect("no panic");
}
