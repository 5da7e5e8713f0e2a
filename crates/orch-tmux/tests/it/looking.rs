use orch_core::base::LaunchId;
use orch_core::ports::{Executor, ExecutorEvent, Fingerprint, SessionState};

use crate::world::{World, event, kill, ready, screen, session, shows, until};

#[tokio::test(flavor = "multi_thread")]
async fn screens_are_text_with_history_title_and_cursor() {
    let world = World::new();
    let tmux = world.connect().await;
    let script = "printf '\\033]2;⠋ it;s #{x} | busy\\007'; i=0; while [ $i -lt 100 ]; do echo \"row $i   \"; i=$((i+1)); \
        done; printf '\\033[31mred\\033[0m > '; exec sleep 600";
    tmux.launch(&world.script(1, script)).await.expect("launched");
    shows(&tmux, 1, "red").await;
    let sleeps = || async { screen(&tmux, 1).await.filter(|view| view.process == "sleep") };
    let view = until("the foreground process's name", sleeps).await;
    assert_eq!((view.title.as_str(), view.process.as_str()), ("⠋ it;s #{x} | busy", "sleep"));
    let rows: Vec<&str> = view.text.lines().collect();
    assert_eq!((rows[0], rows.len()), ("row 21", 80), "50 rows of history above 30 on the screen");
    assert_eq!(rows[view.cursor_row.expect("known") as usize], "red >");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_alternate_screen_has_no_history() {
    let world = World::new();
    let tmux = world.connect().await;
    let script = "i=0; while [ $i -lt 100 ]; do echo \"old $i\"; i=$((i+1)); done; printf '\\033[?1049h\\033[Hfull\\r\\nready'; \
        exec sleep 600";
    tmux.launch(&world.script(1, script)).await.expect("launched");
    let view = shows(&tmux, 1, "ready").await;
    assert_eq!((view.text.as_str(), view.cursor_row), ("full\nready", Some(1)));
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_look_like_control_mode_are_rows() {
    let world = World::new();
    let tmux = world.connect().await;
    let script =
        "printf '%%end 1 2 1\\n%%error 1 2 1\\n%%begin 1 3 1\\n%%exit\\n%%output %%1 x\\nready'; exec sleep 600";
    tmux.launch(&world.script(1, script)).await.expect("launched");
    let view = shows(&tmux, 1, "ready").await;
    assert_eq!(view.text, "%end 1 2 1\n%error 1 2 1\n%begin 1 3 1\n%exit\n%output %1 x\nready");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_screens_come_in_one_look() {
    let world = World::new();
    let tmux = world.connect().await;
    for launch in 1..=100 {
        let spec = world.spec(launch, &["sh", "-c", "echo \"I am $1.\"; exec sleep 600", "sh", &launch.to_string()]);
        tmux.launch(&spec).await.expect("launched");
    }
    let launches: Vec<LaunchId> = (0..=101).map(LaunchId).collect();
    let views = until("all screens", || async {
        let views = tmux.look(&launches).await.expect("looked");
        views
            .iter()
            .all(|view| {
                view.text == format!("I am {}.\n", view.launch) || view.text == format!("I am {}.", view.launch)
            })
            .then_some(views)
    })
    .await;
    assert_eq!(views.len(), 100);
    // One that somebody takes out of the keeper is seen all the same.
    let window = world.ask_tmux(&["display-message", "-p", "-t", "=task-t7-7:", "#{window_id}"]);
    assert!(world.tmux(&["unlink-window", "-t", &format!("=orch-keeper:{window}")]).status.success());
    assert_eq!(tmux.look(&launches).await.expect("looked").len(), 100);
    assert_eq!(tmux.list().await.expect("listed").len(), 100);
    // One that vanishes behind our back takes only itself away.
    world.tmux(&["kill-session", "-t", "=task-t50-50"]);
    let pane =
        world.ask_tmux(&["list-windows", "-t", "=orch-keeper", "-F", "#{window_id}", "-f", "#{==:#{@orch_launch},50}"]);
    world.tmux(&["kill-window", "-t", pane.lines().next().expect("the hub has it")]);
    assert_eq!(tmux.look(&launches).await.expect("looked").len(), 99);
    assert_eq!(tmux.list().await.expect("listed").len(), 99);
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_of_others_are_neither_listed_nor_touched() {
    let world = World::new();
    let tmux = world.connect().await;
    ready(&world, &tmux, 1, "echo ready; exec sleep 600").await;
    world.tmux(&["new-session", "-d", "-s", "foreign", "sleep", "600"]);
    assert_eq!(tmux.list().await.expect("listed").len(), 1);
    assert!(!tmux.shutdown().await.expect("asked"), "an agent runs");
    assert!(tmux.end(&kill(1, None)).await.expect("ended"));
    tmux.forget(LaunchId(1)).await.expect("forgotten");
    assert!(world.tmux(&["has-session", "-t", "=foreign"]).status.success());
    assert_eq!(tmux.list().await.expect("listed"), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn activity_tells_of_output_across_executors() {
    let world = World::new();
    let tmux = world.connect().await;
    ready(&world, &tmux, 1, "echo ready; while read -r line; do echo \"got $line\"; done").await;
    let before = until("a quiet log", || async {
        let seen = session(&tmux, 1).await?.activity;
        (seen == "ready\r\n".len() as u64).then_some(seen)
    })
    .await;
    let again = world.connect().await;
    assert_eq!(session(&again, 1).await.expect("listed").activity, before);
    world.tmux(&["send-keys", "-t", "=task-t1-1:", "x", "Enter"]);
    until("activity", || async { (session(&again, 1).await?.activity != before).then_some(()) }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_executor_finds_and_watches_what_is_there() {
    let world = World::new();
    let first = world.connect().await;
    let launched = ready(&world, &first, 1, "echo ready; read -r line; echo \"bye $line\"; exit 5").await;
    drop(first);
    let tmux = world.connect().await;
    let found = session(&tmux, 1).await.expect("listed");
    assert_eq!(
        (found.state, &found.process, &found.session),
        (SessionState::Running, &launched.process, &launched.session)
    );
    let view = screen(&tmux, 1).await.expect("seen");
    assert_eq!(Fingerprint::of(&view.text), Fingerprint::of("ready"));
    world.tmux(&["send-keys", "-t", "=task-t1-1:", "now", "Enter"]);
    event(&tmux, ExecutorEvent::Exited(LaunchId(1))).await;
    let found = session(&tmux, 1).await.expect("kept");
    assert_eq!(found.process, launched.process);
    assert!(matches!(found.state, SessionState::Exited(status) if status.code == Some(5)), "{found:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn people_can_attach() {
    let world = World::new();
    let tmux = world.connect().await;
    ready(&world, &tmux, 1, "echo ready; exec sleep 600").await;
    let argv = tmux.attach_argv(LaunchId(1)).await.expect("an argv");
    let id = world.ask_tmux(&["display-message", "-p", "-t", "=task-t1-1:", "#{session_id}"]);
    assert_eq!(argv, ["tmux", "-u", "-S", world.path("orchestrator.sock").as_str(), "attach-session", "-t", &id]);
    assert!(tmux.attach_argv(LaunchId(2)).await.is_err());
}
