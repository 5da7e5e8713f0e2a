use std::collections::BTreeMap;

use orch_core::ports::Executor;

use crate::world::{World, exit_of, ready, until};

#[tokio::test(flavor = "multi_thread")]
async fn agents_get_exactly_their_environment() {
    let world = World::new();
    let tmux = world.connect().await;
    let mut spec = world.spec(1, &["/usr/bin/env"]);
    for (name, value) in [
        ("SHELL", "/bin/their shell"),
        ("PWD", "/as given"),
        ("TERM", "dumb"),
        ("TMUX", "/their/own,1,1"),
        ("with.dots-and-dashes", "x"),
        ("HOSTILE", "$HOME `x` \"q\" 'q' \\ ; #{pid} %H ~ é;"),
        ("EMPTY", ""),
    ] {
        spec.env.insert(name.to_owned(), value.to_owned());
    }
    tmux.launch(&spec).await.expect("launched");
    assert_eq!(exit_of(&tmux, 1).await.code, Some(0));
    let mut found = printed(&world, 1, spec.env.len()).await;
    let terminal = found.insert("TERM".to_owned(), "dumb".to_owned()).expect("the terminal's");
    assert!(terminal.starts_with("tmux") || terminal.starts_with("screen"), "{terminal:?}");
    assert_eq!(found, spec.env);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_the_orchestrators_environment_leaks() {
    // The variable that cargo sets for this very process stands for any secret.
    assert!(std::env::var("CARGO_MANIFEST_DIR").is_ok());
    let world = World::new();
    let tmux = world.connect().await;
    let mut bare = world.spec(1, &["/usr/bin/env"]);
    bare.env = BTreeMap::from([("ONLY".to_owned(), "this".to_owned())]);
    tmux.launch(&bare).await.expect("launched");
    exit_of(&tmux, 1).await;
    let found = printed(&world, 1, 2).await;
    let names: Vec<&str> = found.keys().map(String::as_str).collect();
    assert_eq!(names, ["ONLY", "TERM"]);
    // Not through the server either: a window that a person opens sees none of it.
    ready(&world, &tmux, 2, "echo ready; exec sleep 600").await;
    assert_eq!(world.ask_tmux(&["show-environment", "-g"]), "");
    let server = std::fs::read(format!("/proc/{}/environ", world.server_pid())).expect("the server's environment");
    let server = String::from_utf8_lossy(&server).into_owned();
    assert!(!server.contains("CARGO_"), "{server}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_lock_is_not_kept_by_what_stays() {
    let world = World::new();
    let tmux = world.connect().await;
    world.lock.lock_shared().expect("locked");
    ready(&world, &tmux, 1, "echo ready; exec sleep 600").await;
    let command = std::fs::read_to_string(format!("/proc/{}/cmdline", world.server_pid())).expect("its command line");
    assert!(!command.contains("sleep"), "nothing of an agent's is on tmux's command line");
    world.lock.unlock().expect("unlocked");
    let other = std::fs::File::open(world.path("effects.lock")).expect("opened");
    assert!(other.try_lock().is_ok(), "neither server nor agent holds the lock");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_lies_around_is_private() {
    let world = World::new();
    let tmux = world.connect().await;
    ready(&world, &tmux, 1, "echo ready; exec sleep 600").await;
    assert_eq!(world.mode("tmux"), 0o700);
    assert_eq!(world.mode("tmux/tmux.conf"), 0o600);
    assert_eq!(world.mode("1.log"), 0o600);
    assert_eq!(world.mode("orchestrator.sock") & 0o077, 0);
}

async fn printed(world: &World, launch: u64, at_least: usize) -> BTreeMap<String, String> {
    until("the environment", || async {
        let log = world.log(launch);
        let found: BTreeMap<_, _> = log
            .lines()
            .filter_map(|line| line.split_once('='))
            .map(|(name, value)| (name.to_owned(), value.trim_end_matches('\r').to_owned()))
            .collect();
        (found.len() >= at_least).then_some(found)
    })
    .await
}
