//! The terminal that programs see, compared with tmux's for the same bytes.

use std::process::Command;
use std::time::Duration;

use orch_core::base::LaunchId;
use orch_core::ports::{Executor, Key, SessionInput};
use orch_pty::PtyExecutor;

use crate::world::{World, screen, shows, until};

/// Draws a file of bytes as they are.
const DRAW: &str = "stty raw -echo; cat \"$1\"; printf '\\033]2;drawn\\007'; exec sleep 600";

/// Everything that screens are drawn with: tabs, margins, scrolling regions, insertion, deletion,
/// erasing, saved cursors, wide characters and marks, wrapping, origin mode, repetition.
const TORTURE: &[&str] = &[
    "\x1b[2J\x1b[Htabs\tat\teight\r\n\x1b[3g\x1b[10G\x1bHx\rown\ttab\r\n",
    "wide 漢字 e\u{301} 👩 end\r\n",
    "\x1b[5;10r\x1b[5;1Hregion 5\r\nregion 6\r\n7\r\n8\r\n9\r\n10\r\nscrolled once\r\nscrolled twice",
    "\x1b[6;1H\x1bM\x1b[5;1H\x1bMreverse\x1b[r",
    "\x1b[12;1Habcdefgh\x1b[12;3H\x1b[2@XY\x1b[12;8H\x1b[2P",
    "\x1b[13;1Hone\x1b[14;1Htwo\x1b[15;1Hthree\x1b[14;1H\x1b[L\x1b[16;1H\x1b[M",
    "\x1b[17;1Heraseme\x1b[17;3H\x1b[1K\x1b[17;6H\x1b[K",
    "\x1b[18;70Hwraps at the end of the row",
    "\x1b[20;1H\x1b7saved\x1b[1;60Hmoved\x1b8restored",
    "\x1b[21;1H\x1b[4minserted\x1b[24m\x1b[21;1H\x1b[4hIN\x1b[4l",
    "\x1b[22;1H\x1b[5X\x1b[22;3Habc\x1b[22;3H\x1b[2Xd",
    "\x1b[23;1Hb\x08c\x1b[3Cd\x1b[2De\x1b[23;20H\x1b[1;31mred\x1b[0m\x1b[?25l",
    "\x1b[24;1Hlast\x1b[24;78H789",
];

#[expect(clippy::print_stderr, reason = "a test that shows less than it could says so")]
fn is_there(program: &str) -> bool {
    let dirs = ["/usr/bin", "/bin", "/usr/local/bin"];
    let found = dirs.iter().any(|dir| std::path::Path::new(dir).join(program).exists());
    let forbidden = std::env::var_os("ORCH_FORBID_SKIP").is_some_and(|value| value == "1");
    assert!(found || !forbidden, "{program} is not installed");
    if !found {
        eprintln!("skipped: {program} is not installed");
    }
    found
}

/// What tmux shows for the bytes in a file.
async fn by_tmux(world: &World, file: &str) -> String {
    let tmux = |args: &[&str]| {
        let socket = world.path("oracle");
        let ours = ["-u", "-f", "/dev/null", "-S", socket.as_str()];
        let done = Command::new("tmux").args(ours).args(args).output().expect("tmux");
        String::from_utf8_lossy(&done.stdout).into_owned()
    };
    tmux(&["new-session", "-d", "-x", "80", "-y", "24", "sh", "-c", DRAW, "sh", file]);
    until("tmux", || async { (tmux(&["display-message", "-p", "#{pane_title}"]).trim() == "drawn").then_some(()) })
        .await;
    let shown = tmux(&["capture-pane", "-p"]);
    tmux(&["kill-server"]);
    trimmed(&shown)
}

fn trimmed(text: &str) -> String {
    let rows: Vec<&str> = text.lines().map(str::trim_end).collect();
    rows.join("\n").trim_end().to_owned()
}

/// Draws bytes here and in tmux, and compares what both show.
async fn is_as_in_tmux(world: &World, pty: &PtyExecutor, launch: u64, bytes: &[u8]) {
    let file = world.path(&format!("bytes-{launch}"));
    std::fs::write(&file, bytes).expect("written");
    let mut spec = world.spec(launch, &["sh", "-c", DRAW, "sh", file.as_str()]);
    spec.size = (80, 24);
    pty.launch(&spec).await.expect("launched");
    let view = until("the drawing", || async { screen(pty, launch).await.filter(|view| view.title == "drawn") }).await;
    let ours: Vec<&str> = view.text.lines().collect();
    let ours = trimmed(&ours[ours.len().saturating_sub(24)..].join("\n"));
    let theirs = by_tmux(world, file.as_str()).await;
    assert_eq!(ours, theirs, "ours, then tmux's:\n{ours}\n----\n{theirs}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_torture_is_drawn_as_tmux_draws_it() {
    if !is_there("tmux") {
        return;
    }
    let world = World::new();
    let pty = world.connect().await;
    is_as_in_tmux(&world, &pty, 1, TORTURE.concat().as_bytes()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn full_screen_programs_are_drawn_as_tmux_draws_them() {
    let world = World::new();
    let pty = world.connect().await;
    let text: String = (1..200).map(|line| format!("line {line} of a text, with\ttabs and 漢字\n")).collect();
    std::fs::write(world.path("text"), text).expect("written");
    let programs: [(&[&str], &str, &[Key]); 3] = [
        (&["vim", "-u", "NONE", "-N", "text"], "line 20", &[Key::Ctrl('f'), Key::Char('d'), Key::Char('d')]),
        (&["less", "text"], "line 20", &[Key::Char(' '), Key::Char('/'), Key::Char('1'), Key::Char('5'), Key::Enter]),
        (&["top", "-d", "60"], "PID", &[Key::Char('1')]),
    ];
    for (launch, (argv, begins, keys)) in (1..).zip(programs) {
        if !is_there(argv[0]) || !is_there("tmux") {
            continue;
        }
        let mut spec = world.spec(launch, argv);
        spec.size = (80, 24);
        spec.env.insert("LC_ALL".to_owned(), "C.UTF-8".to_owned());
        pty.launch(&spec).await.expect("launched");
        shows(&pty, launch, begins).await;
        pty.input(LaunchId(launch), &SessionInput { text: None, keys: keys.to_vec() }, None).await.expect("typed");
        // What it draws for the keys; how much of that has come is of no importance.
        tokio::time::sleep(Duration::from_millis(300)).await;
        let bytes = world.read(&format!("{launch}.log"));
        assert!(bytes.len() > 500, "{argv:?} drew {} bytes", bytes.len());
        is_as_in_tmux(&world, &pty, launch + 10, &bytes).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_agents_ask_their_terminal_is_answered() {
    let cases = [
        ("\\033[3;5H\\033[6n", "\x1b[3;5R"),
        ("\\033[c", "\x1b[?6c"),
        ("\\033[>c", "\x1b[>0;"),
        ("\\033[5n", "\x1b[0n"),
        ("\\033[?u", "\x1b[?0u"),
        ("\\033[?2026$p", "\x1b[?2026;2$y"),
        ("\\033[?2004h\\033[?2004$p", "\x1b[?2004;1$y"),
        ("\\033]10;?\\007", "\x1b]10;rgb:e5e5/e5e5/e5e5\x07"),
        ("\\033]11;?\\033\\\\", "\x1b]11;rgb:0000/0000/0000\x1b\\"),
        ("\\033]4;1;?\\007", "\x1b]4;1;rgb:cdcd/0000/0000\x07"),
        ("\\033[18t", "\x1b[8;30;100t"),
    ];
    let world = World::new();
    let pty = world.connect().await;
    for (launch, (question, _)) in (1..).zip(cases) {
        let script = format!("stty raw -echo; printf '{question}'; exec cat >answer{launch}");
        pty.launch(&world.script(launch, &script)).await.expect("launched");
    }
    for (launch, (question, answer)) in (1..).zip(cases) {
        let name = format!("answer{launch}");
        until("an answer", || async { (world.read(&name).len() >= answer.len()).then_some(()) }).await;
        let found = String::from_utf8_lossy(&world.read(&name)).into_owned();
        assert!(found.starts_with(answer), "{question}: {found:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_output_is_drawn_within_bounds() {
    let world = World::new();
    let pty = world.connect().await;
    let script = "printf '\\033]2;'; head -c 5000000 /dev/zero | tr '\\0' x; printf '\\007'; \
        printf 'e'; i=0; while [ $i -lt 2000 ]; do printf '\\314\\201\\314\\201\\314\\201\\314\\201'; i=$((i+1)); done; \
        head -c 300000 /dev/urandom; printf '\\030\\033c\\033]2;\\007ready'; exec sleep 600";
    pty.launch(&world.script(1, script)).await.expect("launched");
    shows(&pty, 1, "ready").await;
    let status = std::fs::read_to_string(format!("/proc/{}/status", world.host().pid)).expect("its status");
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a size");
    let kilobytes: u64 = resident.trim().trim_end_matches(" kB").parse().expect("a number");
    assert!(kilobytes < 60_000, "the host takes {kilobytes} kB");
}
