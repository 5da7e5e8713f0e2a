use orch_core::base::LaunchId;
use orch_core::ports::{Executor, ExecutorError, Fingerprint, Key, SessionInput};
use orch_tmux::TmuxExecutor;

use crate::world::{World, exit_of, ready, screen, shows, until};

fn text(text: &str) -> SessionInput {
    SessionInput { text: Some(text.to_owned()), keys: Vec::new() }
}

fn keys(keys: &[Key]) -> SessionInput {
    SessionInput { text: None, keys: keys.to_vec() }
}

/// A program in raw mode that writes whatever is typed to the file `typed`.
async fn recorder(world: &World, tmux: &TmuxExecutor, launch: u64, bracketed: bool) {
    let ask = if bracketed { "\\033[?2004h" } else { "" };
    ready(world, tmux, launch, &format!("stty raw -echo; printf '{ask}ready'; exec cat >typed{launch}")).await;
}

async fn typed(world: &World, launch: u64, want: &[u8]) {
    until("what was typed", || async { (world.read(&format!("typed{launch}")).len() >= want.len()).then_some(()) })
        .await;
    let found = world.read(&format!("typed{launch}"));
    assert_eq!(String::from_utf8_lossy(&found), String::from_utf8_lossy(want));
}

#[tokio::test(flavor = "multi_thread")]
async fn text_arrives_byte_for_byte() {
    let world = World::new();
    let tmux = world.connect().await;
    recorder(&world, &tmux, 1, false).await;
    let mut want = String::new();
    for piece in [
        "quotes ' \" and \\ back\\\\slash",
        "$(touch pwned) `touch pwned` $HOME",
        "end;",
        ";",
        "-dash",
        "--",
        "Enter",
        "C-c",
        "two\nlines\n",
        "\ttab",
        "#{pid} #(touch pwned) %H ~",
        "漢字 é 👩‍💻",
        &"0123456789 prompt ;\n".repeat(512),
    ] {
        tmux.input(LaunchId(1), &text(piece), None).await.expect("typed");
        want.push_str(piece);
    }
    typed(&world, 1, want.as_bytes()).await;
    assert!(!world.path("pwned").exists());
    let left: Vec<_> =
        std::fs::read_dir(world.path("tmux")).expect("read").filter_map(Result::ok).map(|e| e.file_name()).collect();
    assert!(!left.iter().any(|name| name.to_string_lossy().contains("paste")), "{left:?}");
    assert_eq!(world.ask_tmux(&["list-buffers"]), "");
}

#[tokio::test(flavor = "multi_thread")]
async fn text_is_a_bracketed_paste_when_asked_for_and_keys_follow() {
    let world = World::new();
    let tmux = world.connect().await;
    recorder(&world, &tmux, 1, true).await;
    let input = SessionInput {
        text: Some("a\nb".to_owned()),
        keys: vec![Key::Enter, Key::Ctrl('c'), Key::Char(';'), Key::Char('é'), Key::Char('-'), Key::Tab, Key::Up],
    };
    tmux.input(LaunchId(1), &input, None).await.expect("typed");
    tmux.input(LaunchId(1), &keys(&[Key::Escape, Key::Backspace]), None).await.expect("typed");
    typed(&world, 1, "\x1b[200~a\nb\x1b[201~\r\x03;é-\t\x1b[A\x1b\x7f".as_bytes()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_screen_that_changed_refuses_the_answer() {
    let world = World::new();
    let tmux = world.connect().await;
    let script = "printf 'ready? [y/n] '; read -r a; printf '\\033[2J\\033[Hanswer %s\\n' \"$a\"; exec sleep 600";
    let one = LaunchId(1);
    ready(&world, &tmux, 1, script).await;
    let answer = keys(&[Key::Char('y'), Key::Enter]);
    let wrong = tmux.input(one, &answer, Some(Fingerprint(1))).await;
    assert_eq!(wrong, Err(ExecutorError::Stale { launch: one }));
    let seen = Fingerprint::of(&screen(&tmux, 1).await.expect("seen").text);
    tmux.input(one, &answer, Some(seen)).await.expect("typed");
    shows(&tmux, 1, "answer y").await;
    assert_eq!(tmux.input(one, &answer, Some(seen)).await, Err(ExecutorError::Stale { launch: one }));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redraw_is_a_resize_there_and_back() {
    let world = World::new();
    let tmux = world.connect().await;
    ready(&world, &tmux, 1, "trap 'stty size >>sizes' WINCH; echo ready; while :; do sleep 0.02; done").await;
    tmux.input(LaunchId(1), &keys(&[Key::Redraw]), None).await.expect("redrawn");
    // A shell may take both signals for one.
    until("the old size again", || async { world.read("sizes").ends_with(b"30 100\n").then_some(()) }).await;
    assert_eq!(world.ask_tmux(&["show-options", "-wv", "-t", "=task-t1-1:", "window-size"]), "");
}

#[tokio::test(flavor = "multi_thread")]
async fn typing_leaves_copy_mode_first() {
    let world = World::new();
    let tmux = world.connect().await;
    recorder(&world, &tmux, 1, false).await;
    world.tmux(&["copy-mode", "-t", "=task-t1-1:"]);
    tmux.input(LaunchId(1), &SessionInput { text: Some("q".to_owned()), keys: vec![Key::Enter] }, None)
        .await
        .expect("typed");
    typed(&world, 1, b"q\r").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_typed_to_but_the_one_meant() {
    let world = World::new();
    let tmux = world.connect().await;
    recorder(&world, &tmux, 10, false).await;
    let one = LaunchId(1);
    assert_eq!(tmux.input(one, &text("x"), None).await, Err(ExecutorError::NotFound { launch: one }));
    tmux.launch(&world.script(1, "exit 0")).await.expect("launched");
    exit_of(&tmux, 1).await;
    assert!(matches!(tmux.input(one, &text("x"), None).await, Err(ExecutorError::Refused { .. })));
    let odd = tmux.input(LaunchId(10), &keys(&[Key::Char('a'), Key::Ctrl('\n')]), None).await;
    assert!(matches!(odd, Err(ExecutorError::Refused { .. })), "{odd:?}");
    tmux.input(LaunchId(10), &text("end"), None).await.expect("typed");
    typed(&world, 10, b"end").await;
}
