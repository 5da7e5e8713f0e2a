use orch_core::base::LaunchId;
use orch_core::ports::{Executor, ExecutorError, Fingerprint, Key, SessionInput};
use orch_pty::PtyExecutor;

use crate::world::{World, exit_of, ready, screen, shows, until};

fn text(text: &str) -> SessionInput {
    SessionInput { text: Some(text.to_owned()), keys: Vec::new() }
}

fn keys(keys: &[Key]) -> SessionInput {
    SessionInput { text: None, keys: keys.to_vec() }
}

/// A program in raw mode that writes whatever is typed to the file `typed`.
async fn recorder(world: &World, pty: &PtyExecutor, launch: u64, bracketed: bool) {
    let ask = if bracketed { "\\033[?2004h" } else { "" };
    ready(world, pty, launch, &format!("stty raw -echo; printf '{ask}ready'; exec cat >typed{launch}")).await;
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
    let pty = world.connect().await;
    recorder(&world, &pty, 1, false).await;
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
        pty.input(LaunchId(1), &text(piece), None).await.expect("typed");
        want.push_str(piece);
    }
    typed(&world, 1, want.as_bytes()).await;
    assert!(!world.path("pwned").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn text_is_a_bracketed_paste_when_asked_for_and_keys_follow() {
    let world = World::new();
    let pty = world.connect().await;
    recorder(&world, &pty, 1, true).await;
    let input = SessionInput {
        text: Some("a\nb".to_owned()),
        keys: vec![Key::Enter, Key::Ctrl('c'), Key::Char(';'), Key::Char('é'), Key::Char('-'), Key::Tab, Key::Up],
    };
    pty.input(LaunchId(1), &input, None).await.expect("typed");
    pty.input(LaunchId(1), &keys(&[Key::Escape, Key::Backspace]), None).await.expect("typed");
    typed(&world, 1, "\x1b[200~a\nb\x1b[201~\r\x03;é-\t\x1b[A\x1b\x7f".as_bytes()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_screen_that_changed_refuses_the_answer() {
    let world = World::new();
    let pty = world.connect().await;
    let script = "printf 'ready? [y/n] '; read -r a; printf '\\033[2J\\033[Hanswer %s\\n' \"$a\"; exec sleep 600";
    let one = LaunchId(1);
    ready(&world, &pty, 1, script).await;
    let answer = keys(&[Key::Char('y'), Key::Enter]);
    let wrong = pty.input(one, &answer, Some(Fingerprint(1))).await;
    assert_eq!(wrong, Err(ExecutorError::Stale { launch: one }));
    let seen = Fingerprint::of(&screen(&pty, 1).await.expect("seen").text);
    pty.input(one, &answer, Some(seen)).await.expect("typed");
    shows(&pty, 1, "answer y").await;
    assert_eq!(pty.input(one, &answer, Some(seen)).await, Err(ExecutorError::Stale { launch: one }));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redraw_is_a_resize_there_and_back() {
    let world = World::new();
    let pty = world.connect().await;
    ready(&world, &pty, 1, "trap 'stty size >>sizes' WINCH; echo ready; while :; do sleep 0.02; done").await;
    pty.input(LaunchId(1), &keys(&[Key::Redraw]), None).await.expect("redrawn");
    // A shell may take both signals for one.
    until("the old size again", || async { world.read("sizes").ends_with(b"30 100\n").then_some(()) }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_typed_to_but_the_one_meant() {
    let world = World::new();
    let pty = world.connect().await;
    recorder(&world, &pty, 10, false).await;
    let one = LaunchId(1);
    assert_eq!(pty.input(one, &text("x"), None).await, Err(ExecutorError::NotFound { launch: one }));
    pty.launch(&world.script(1, "exit 0")).await.expect("launched");
    exit_of(&pty, 1).await;
    assert!(matches!(pty.input(one, &text("x"), None).await, Err(ExecutorError::Refused { .. })));
    let odd = pty.input(LaunchId(10), &keys(&[Key::Char('a'), Key::Ctrl('\n')]), None).await;
    assert!(matches!(odd, Err(ExecutorError::Refused { .. })), "{odd:?}");
    pty.input(LaunchId(10), &text("end"), None).await.expect("typed");
    typed(&world, 10, b"end").await;
}
