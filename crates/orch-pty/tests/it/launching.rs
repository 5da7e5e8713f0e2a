use orch_core::base::LaunchId;
use orch_core::ports::{Executor, ExecutorError, LaunchSpec, SessionState};

use crate::world::{World, exit_of, kill, ready, session, shows, until};

/// Writes its arguments to a file, each followed by a NUL.
const WRITE_ARGUMENTS: &str = r#"f=$1; shift; for a do printf '%s\0' "$a"; done >"$f.new"; mv "$f.new" "$f""#;

async fn arguments_arrive(
    world: &World,
    pty: &orch_pty::PtyExecutor,
    launch: u64,
    arguments: &[String],
) -> Vec<String> {
    let file = world.path(&format!("{launch}.args"));
    let mut spec = world.spec(launch, &["/bin/sh", "-c", WRITE_ARGUMENTS, "sh", file.as_str()]);
    spec.argv.extend_from_slice(arguments);
    pty.launch(&spec).await.expect("launched");
    let bytes = until("the arguments", || async { std::fs::read(&file).ok() }).await;
    let text = String::from_utf8(bytes).expect("utf-8");
    text.split_terminator('\0').map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn arguments_arrive_byte_for_byte() {
    let (world, long) = (World::new(), "é'\"$\\ ".repeat(12_000));
    assert!(long.len() > 80_000 && long.len() <= 100 * 1024);
    let pty = world.connect().await;
    let hostile = [
        "",
        " ",
        "-",
        "--",
        "-dash",
        ";",
        "end;",
        "\\;",
        "a ; kill-server",
        "$(touch pwned)",
        "`touch pwned`",
        "$HOME",
        "~",
        "~root",
        "\"'",
        "\\",
        "\\n",
        "line\nbreak\n",
        "tab\tcr\r",
        "#{pid}",
        "#(touch pwned)",
        "%H",
        "%if",
        "{x}",
        "a=b",
        "\u{1b}[31m",
        "\u{7f}\u{1}",
        "漢字 👩‍💻",
        "!x",
        "*?[a]",
        &long,
    ]
    .map(str::to_owned);
    assert_eq!(arguments_arrive(&world, &pty, 1, &hostile).await, hostile);
    assert!(!world.path("pwned").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_single_word_meets_no_shell() {
    let world = World::new();
    let pty = world.connect().await;
    let program = world.path("a $(touch pwned) b=c; d");
    std::fs::write(&program, "#!/bin/sh\necho \"ready $0\"; exec sleep 600\n").expect("written");
    std::fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("mode");
    pty.launch(&world.spec(1, &[program.as_str()])).await.expect("launched");
    assert!(shows(&pty, 1, "ready").await.text.contains("a $(touch pwned) b=c; d"));
    assert!(!world.path("pwned").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_work_is_refused_before_a_host_starts() {
    let world = World::new();
    let pty = world.connect().await;
    let good = world.spec(1, &["true"]);
    let edit = |edit: fn(&mut LaunchSpec)| {
        let mut spec = good.clone();
        edit(&mut spec);
        spec
    };
    let cases = [
        ("no program", edit(|spec| spec.argv.clear())),
        ("missing program", edit(|spec| spec.argv = vec!["orch-no-such-program".to_owned()])),
        ("missing path", edit(|spec| spec.argv = vec!["./nothing".to_owned()])),
        ("program off its PATH", edit(|spec| drop(spec.env.insert("PATH".to_owned(), "/nowhere".to_owned())))),
        ("NUL", edit(|spec| spec.argv.push("a\0b".to_owned()))),
        ("long argument", edit(|spec| spec.argv.push("x".repeat(100 * 1024 + 1)))),
        ("too much", edit(|spec| spec.argv.extend(vec!["x".repeat(100 * 1024); 10]))),
        ("variable", edit(|spec| drop(spec.env.insert("A=B".to_owned(), String::new())))),
        ("directory", edit(|spec| spec.cwd.push("missing"))),
        ("stdin", edit(|spec| spec.stdin = Some("/no/such/file".into()))),
    ];
    for (what, spec) in cases {
        let result = pty.launch(&spec).await;
        assert!(matches!(result, Err(ExecutorError::Refused { .. })), "{what}: {result:?}");
    }
    let long = pty.launch(&edit(|spec| spec.argv.push("x".repeat(200_000)))).await;
    assert!(long.expect_err("refused").to_string().contains("prompt = \"file\""));

    assert_eq!(pty.list().await.expect("listed"), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_launch_is_one_process_however_often_it_is_asked_for() {
    let world = World::new();
    let pty = world.connect().await;
    let spec = world.script(7, "echo x >>starts; echo ready; exec sleep 600");
    let (one, two) = tokio::join!(pty.launch(&spec), pty.launch(&spec));
    let first = one.expect("launched");
    assert_eq!(first, two.expect("the same"));
    assert_eq!(first.session, "task-t7-7");
    shows(&pty, 7, "ready").await;
    let second = world.connect().await;
    assert_eq!(second.launch(&spec).await.expect("adopted"), first);
    assert!(pty.end(&kill(7, None)).await.expect("ended"));
    assert_eq!(pty.launch(&spec).await.expect("the ended one"), first);
    assert_eq!(world.read("starts"), b"x\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn names_are_never_matched_by_their_beginning() {
    let world = World::new();
    let pty = world.connect().await;
    for launch in [10, 1, 100] {
        ready(&world, &pty, launch, "echo ready; exec sleep 600").await;
    }
    assert!(pty.end(&kill(1, None)).await.expect("ended"));
    pty.forget(LaunchId(1)).await.expect("forgotten");
    pty.forget(LaunchId(1)).await.expect("again is no error");
    let left: Vec<_> = pty.list().await.expect("listed").into_iter().map(|s| (s.launch, s.state)).collect();
    assert_eq!(left, [(LaunchId(10), SessionState::Running), (LaunchId(100), SessionState::Running)]);
    assert!(matches!(pty.forget(LaunchId(10)).await, Err(ExecutorError::Refused { .. })), "it runs");
}

#[tokio::test(flavor = "multi_thread")]
async fn logs_have_every_byte_in_hostile_places_too() {
    let world = World::new();
    let pty = world.connect().await;
    let dir = world.path("a'b %H #{pid} #(touch pwned) $(touch pwned) \"c\" ;d");
    std::fs::create_dir(&dir).expect("made");
    let mut spec = world.script(1, "i=0; while [ $i -lt 5000 ]; do echo \"line $i\"; i=$((i+1)); done; sleep 0.3");
    (spec.log, spec.cwd) = (dir.join("log"), dir.clone());
    pty.launch(&spec).await.expect("launched");
    exit_of(&pty, 1).await;
    let want = (0..5000).map(|i| format!("line {i}\r\n")).collect::<Vec<_>>().concat();
    until("the whole log", || async { (std::fs::read(&spec.log).ok()? == want.as_bytes()).then_some(()) }).await;
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&spec.log).expect("it exists").permissions());
    assert_eq!(mode & 0o777, 0o600);
    assert!(!dir.join("pwned").exists() && !world.path("pwned").exists());
    let info = session(&pty, 1).await.expect("listed");
    assert_eq!(info.activity, want.len() as u64, "the log's size is what tells of output");
}

#[tokio::test(flavor = "multi_thread")]
async fn standard_input_can_be_a_file() {
    let world = World::new();
    let pty = world.connect().await;
    let file = world.path("the 'prompt' $(x)");
    std::fs::write(&file, "first\nlast; no newline").expect("written");
    let mut spec = world.spec(1, &["sh", "-c", "cat; echo; echo \"[$1]\"; tty", "sh", "$(x) y"]);
    spec.stdin = Some(file);
    pty.launch(&spec).await.expect("launched");
    assert_eq!(exit_of(&pty, 1).await.code, Some(1), "tty says that it is none");
    until("the log", || async {
        (world.log(1) == "first\r\nlast; no newline\r\n[$(x) y]\r\nnot a tty\r\n").then_some(())
    })
    .await;
}
