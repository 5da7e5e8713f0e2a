use orch_core::base::LaunchId;
use orch_core::ports::{Executor, ExecutorEvent, Fingerprint, SessionState};

use crate::world::{World, event, ready, screen, session, shows, type_line, until};

#[tokio::test(flavor = "multi_thread")]
async fn screens_are_text_with_history_title_and_cursor() {
    let world = World::new();
    let pty = world.connect().await;
    let script = "printf '\\033]2;⠋ it;s #{x} | busy\\007'; i=0; while [ $i -lt 100 ]; do echo \"row $i   \"; i=$((i+1)); \
        done; printf '\\033[31mred\\033[0m > '; exec sleep 600";
    pty.launch(&world.script(1, script)).await.expect("launched");
    shows(&pty, 1, "red").await;
    let sleeps = || async { screen(&pty, 1).await.filter(|view| view.process == "sleep") };
    let view = until("the foreground process's name", sleeps).await;
    assert_eq!((view.title.as_str(), view.process.as_str()), ("⠋ it;s #{x} | busy", "sleep"));
    let rows: Vec<&str> = view.text.lines().collect();
    assert_eq!((rows[0], rows.len()), ("row 21", 80), "50 rows of history above 30 on the screen");
    assert_eq!(rows[view.cursor_row.expect("known") as usize], "red >");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_alternate_screen_has_no_history() {
    let world = World::new();
    let pty = world.connect().await;
    let script = "i=0; while [ $i -lt 100 ]; do echo \"old $i\"; i=$((i+1)); done; printf '\\033[?1049h\\033[Hfull\\r\\nready'; \
        exec sleep 600";
    pty.launch(&world.script(1, script)).await.expect("launched");
    let view = shows(&pty, 1, "ready").await;
    assert_eq!((view.text.as_str(), view.cursor_row), ("full\nready", Some(1)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_screens_come_in_one_look() {
    let world = World::new();
    let pty = world.connect().await;
    for launch in 1..=100 {
        let spec = world.spec(launch, &["sh", "-c", "echo \"I am $1.\"; exec sleep 600", "sh", &launch.to_string()]);
        pty.launch(&spec).await.expect("launched");
    }
    let launches: Vec<LaunchId> = (0..=101).map(LaunchId).collect();
    let views = until("all screens", || async {
        let views = pty.look(&launches).await.expect("looked");
        views
            .iter()
            .all(|view| {
                view.text == format!("I am {}.\n", view.launch) || view.text == format!("I am {}.", view.launch)
            })
            .then_some(views)
    })
    .await;
    assert_eq!(views.len(), 100);
    assert_eq!(pty.list().await.expect("listed").len(), 100);
}

#[tokio::test(flavor = "multi_thread")]
async fn activity_tells_of_output_across_executors() {
    let world = World::new();
    let pty = world.connect().await;
    ready(&world, &pty, 1, "echo ready; while read -r line; do echo \"got $line\"; done").await;
    let before = until("a quiet log", || async {
        let seen = session(&pty, 1).await?.activity;
        (seen == "ready\r\n".len() as u64).then_some(seen)
    })
    .await;
    let again = world.connect().await;
    assert_eq!(session(&again, 1).await.expect("listed").activity, before);
    type_line(&pty, 1, "x").await;
    until("activity", || async { (session(&again, 1).await?.activity != before).then_some(()) }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_executor_finds_and_watches_what_is_there() {
    let world = World::new();
    let first = world.connect().await;
    let launched = ready(&world, &first, 1, "echo ready; read -r line; echo \"bye $line\"; exit 5").await;
    drop(first);
    let pty = world.connect().await;
    let found = session(&pty, 1).await.expect("listed");
    assert_eq!(
        (found.state, &found.process, &found.session),
        (SessionState::Running, &launched.process, &launched.session)
    );
    let view = screen(&pty, 1).await.expect("seen");
    assert_eq!(Fingerprint::of(&view.text), Fingerprint::of("ready"));
    type_line(&pty, 1, "now").await;
    event(&pty, ExecutorEvent::Exited(LaunchId(1))).await;
    let found = session(&pty, 1).await.expect("kept");
    assert_eq!(found.process, launched.process);
    assert!(matches!(found.state, SessionState::Exited(status) if status.code == Some(5)), "{found:?}");
}
