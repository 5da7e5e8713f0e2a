use std::time::Duration;

use orch_core::base::LaunchId;
use orch_core::ports::ExecutorError;
use orch_pty::{Attachment, Display};
use tokio::time::timeout;

use crate::world::{LIMIT, World, exit_of, ready, screen, shows, until};

/// Reads until the text was shown.
async fn shown(display: &mut Display, text: &str) -> String {
    let mut seen = Vec::new();
    let wait = async {
        while !String::from_utf8_lossy(&seen).contains(text) {
            seen.extend(display.output().await.expect("more"));
        }
    };
    timeout(LIMIT, wait).await.unwrap_or_else(|_| panic!("{text:?} never came"));
    String::from_utf8_lossy(&seen).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attached_terminal_shows_what_is_there_and_types() {
    let world = World::new();
    let pty = world.connect().await;
    let script = "printf '\\033[31mred\\033[0m ready\\r\\n'; while read -r l; do echo \"got $l $(stty size)\"; done";
    ready(&world, &pty, 1, script).await;
    let Attachment { mut display, mut keyboard } = pty.attach(LaunchId(1), (90, 20)).await.expect("attached");
    let first = shown(&mut display, "ready").await;
    assert!(first.contains("\x1b[0;31mred\x1b[0m"), "{first:?}");
    keyboard.type_bytes(b"one\r").await.expect("typed");
    shown(&mut display, "got one 20 90").await;
    keyboard.resize((70, 25)).await.expect("resized");
    keyboard.type_bytes(b"two\r").await.expect("typed");
    shown(&mut display, "got two 25 70").await;
    // A second one sees the same screen.
    let mut second = pty.attach(LaunchId(1), (70, 25)).await.expect("attached");
    shown(&mut second.display, "got two 25 70").await;
    drop((display, keyboard, second));
    until("the launch's size", || async {
        let session = pty.sessions().await.expect("listed").remove(0);
        (session.size == (100, 30)).then_some(())
    })
    .await;
    assert!(screen(&pty, 1).await.expect("seen").text.contains("got two 25 70"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attachment_ends_with_its_session_and_one_that_has_ended_still_shows() {
    let world = World::new();
    let pty = world.connect().await;
    ready(&world, &pty, 1, "echo ready; read -r l; echo bye; exit 3").await;
    let mut attachment = pty.attach(LaunchId(1), (80, 24)).await.expect("attached");
    attachment.keyboard.type_bytes(b"\r").await.expect("typed");
    shown(&mut attachment.display, "bye").await;
    let end = timeout(LIMIT, async { while attachment.display.output().await.is_some() {} }).await;
    end.expect("it ends");
    assert_eq!(exit_of(&pty, 1).await.code, Some(3));
    let mut late = pty.attach(LaunchId(1), (80, 24)).await.expect("attached");
    shown(&mut late.display, "bye").await;
    assert!(matches!(pty.attach(LaunchId(2), (80, 24)).await, Err(ExecutorError::NotFound { .. })));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_terminal_that_does_not_read_holds_nobody_up() {
    let world = World::new();
    let pty = world.connect().await;
    ready(
        &world,
        &pty,
        1,
        "echo ready; read -r l; head -c 30000000 /dev/zero | tr '\\0' x; echo; echo done; read -r l",
    )
    .await;
    let mut attachment = pty.attach(LaunchId(1), (100, 30)).await.expect("attached");
    attachment.keyboard.type_bytes(b"\r").await.expect("typed");
    shows(&pty, 1, "done").await;
    // What was left out is made up for by the screen as it is.
    let mut seen = 0;
    let mut last = String::new();
    let wait = async {
        while !last.contains("done") {
            let bytes = attachment.display.output().await.expect("more");
            seen += bytes.len();
            last = String::from_utf8_lossy(&bytes).into_owned();
        }
    };
    timeout(LIMIT, wait).await.expect("the screen comes");
    assert!(seen < 15_000_000, "{seen} bytes were kept for a terminal that did not read");
    assert!(timeout(Duration::from_secs(1), attachment.display.output()).await.is_err(), "nothing follows");
}
