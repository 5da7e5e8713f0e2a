use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};
use tokio::io::AsyncReadExt;

use super::*;
use crate::lock::WorkdirLock;
use crate::testdir::TestDir;
use crate::workdir::Workdir;

/// Longer than any of these tests should take.
const LONG: Duration = Duration::from_secs(30);

struct Place {
    _dir: TestDir,
    lock: WorkdirLock,
    path: Utf8PathBuf,
}

async fn place() -> Place {
    let dir = TestDir::new();
    let workdir = Workdir::create(&dir.path().join("w")).expect("made");
    let lock = WorkdirLock::acquire(&workdir, None).await.expect("free");
    Place { path: workdir.root().join("control.sock"), _dir: dir, lock }
}

fn listen(place: &Place) -> (ControlServer, Requests<Value, Value>) {
    ControlServer::listen(&place.path, &place.lock).expect("listening")
}

/// Answers every request with itself and its number.
fn echo(mut requests: Requests<Value, Value>) {
    tokio::spawn(async move {
        let mut count = 0;
        while let Some((request, back)) = requests.recv().await {
            count += 1;
            let _ = back.send(json!({"n": count, "request": request}));
        }
    });
}

#[tokio::test]
async fn requests_are_answered_each_to_its_sender() {
    let place = place().await;
    let (server, requests) = listen(&place);
    echo(requests);
    let mode = |path: &Utf8Path| std::fs::metadata(path).expect("there").permissions().mode() & 0o777;
    assert_eq!((mode(server.path()), mode(server.path().parent().expect("a directory"))), (0o600, 0o700));
    for n in 1..=3 {
        let request = json!({"verb": "send", "task": "t1", "text": "line\n\u{1b}ü"});
        let answer: Value = ask(&place.path, &request, LONG).await.expect("answered");
        assert_eq!(answer, json!({"n": n, "request": request}));
    }
    let many = (0..40).map(|n| {
        let path = place.path.clone();
        tokio::spawn(async move {
            ask::<_, Value>(&path, &json!({"verb": n}), LONG).await.expect("answered")["request"]["verb"] == n
        })
    });
    for one in many.collect::<Vec<_>>() {
        assert!(one.await.expect("joined"), "everyone gets the answer to his own request");
    }
}

#[tokio::test]
async fn what_is_no_request_is_refused_and_the_server_goes_on() {
    #[derive(Debug, Serialize, Deserialize)]
    #[serde(tag = "verb", rename_all = "camelCase")]
    enum Verb {
        Pause { task: String },
    }
    let place = place().await;
    let (_server, mut requests) = ControlServer::listen::<Verb, u32>(&place.path, &place.lock).expect("listening");
    tokio::spawn(async move {
        while let Some((Verb::Pause { task }, back)) = requests.recv().await {
            let _ = back.send(u32::try_from(task.len()).unwrap_or(0));
        }
    });
    for bad in [json!({"verb": "dance"}), json!({"verb": "pause"}), json!([]), json!("x")] {
        let error = ask::<_, u32>(&place.path, &bad, LONG).await.expect_err("refused");
        assert!(matches!(error, ControlError::Refused(ControlRefusal::Malformed { .. })), "{bad}: {error}");
    }
    let deep = b"[".repeat(200_000);
    for raw in [&b"\xff\xfe\0\n"[..], b"\n", b"{\n", &deep] {
        let mut stream = UnixStream::connect(&place.path).await.expect("connected");
        stream.write_all(raw).await.expect("sent");
        if !raw.ends_with(b"\n") {
            stream.write_all(b"\n").await.expect("sent");
        }
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("read");
        assert!(answer.starts_with(r#"{"refused":{"kind":"malformed""#), "{answer}");
    }
    let answer: u32 = ask(&place.path, &Verb::Pause { task: "t12".into() }, LONG).await.expect("answered");
    assert_eq!(answer, 3);
}

#[tokio::test]
async fn length_is_bounded_on_both_sides() {
    let place = place().await;
    let (_server, requests) = listen(&place);
    echo(requests);
    let error = ask::<_, Value>(&place.path, &json!("x".repeat(LONGEST)), LONG).await.expect_err("too long");
    assert!(matches!(error, ControlError::Unsendable { .. }), "{error}");
    let error = exchange::<Value>(&place.path, &vec![b'x'; LONGEST + 20_000]).await.expect_err("too long");
    assert!(matches!(error, ControlError::Refused(ControlRefusal::TooLong) | ControlError::NoAnswer { .. }), "{error}");
    let fits = json!("x".repeat(LONGEST - 100));
    assert_eq!(ask::<_, Value>(&place.path, &fits, LONG).await.expect("answered")["request"], fits);
}

#[tokio::test]
async fn silent_clients_are_bounded_and_do_not_keep_others_waiting() {
    let place = place().await;
    let (_server, requests) = listen(&place);
    echo(requests);
    let mut silent = Vec::new();
    for _ in 0..64 {
        silent.push(UnixStream::connect(&place.path).await.expect("connected"));
    }
    let error = ask::<_, Value>(&place.path, &json!(1), LONG).await.expect_err("no seat is left");
    assert!(matches!(error, ControlError::Refused(ControlRefusal::Busy)), "{error}");
    drop(silent);
    // The server notices the closed connections in its own time.
    let deadline = tokio::time::Instant::now() + LONG;
    while let Err(error) = ask::<_, Value>(&place.path, &json!(1), LONG).await {
        assert!(tokio::time::Instant::now() < deadline, "{error}");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_client_learns_whether_its_request_may_have_been_heard() {
    let place = place().await;
    let error = ask::<_, Value>(&place.path, &json!(1), LONG).await.expect_err("nobody");
    assert!(matches!(error, ControlError::NotRunning { .. }), "{error}");

    let (server, mut requests) = listen(&place);
    let error = ask::<_, Value>(&place.path, &json!(1), Duration::from_millis(50)).await.expect_err("no answer");
    assert!(matches!(error, ControlError::Timeout { .. }), "{error}");
    requests.recv().await.expect("it was heard nevertheless");

    let request = json!(2);
    let (asked, ()) = tokio::join!(ask::<_, Value>(&place.path, &request, LONG), async {
        drop(requests.recv().await.expect("heard"));
    });
    assert!(matches!(asked, Err(ControlError::NoAnswer { .. })), "{asked:?}");

    drop(requests);
    let error = ask::<_, Value>(&place.path, &json!(3), LONG).await.expect_err("about to end");
    assert!(matches!(error, ControlError::Refused(ControlRefusal::Ending)), "{error}");
    drop(server);
    assert!(!place.path.exists());
}

#[tokio::test]
async fn an_answer_given_just_before_the_end_arrives() {
    let place = place().await;
    let (server, mut requests) = listen(&place);
    let request = json!("stop");
    let (asked, ()) = tokio::join!(ask::<_, Value>(&place.path, &request, LONG), async {
        let (_, back) = requests.recv().await.expect("heard");
        back.send(json!("stopping")).expect("taken");
        drop(requests);
        server.close().await;
    });
    assert_eq!(asked.expect("answered"), json!("stopping"));
    assert!(!place.path.exists());
}

#[tokio::test]
async fn a_dead_ones_socket_is_replaced_and_nothing_else_is() {
    let place = place().await;
    drop(std::os::unix::net::UnixListener::bind(&place.path).expect("bound"));
    assert!(place.path.exists());
    let error = ask::<_, Value>(&place.path, &json!(1), LONG).await.expect_err("nobody");
    assert!(matches!(error, ControlError::NotRunning { .. }), "{error}");
    let (server, requests) = listen(&place);
    echo(requests);
    ask::<_, Value>(&place.path, &json!(1), LONG).await.expect("answered");
    drop(server);

    std::fs::write(&place.path, "precious").expect("written");
    let error = ControlServer::listen::<Value, Value>(&place.path, &place.lock).expect_err("in the way");
    assert!(matches!(error, ControlError::File(_)), "{error}");
    assert_eq!(std::fs::read_to_string(&place.path).expect("there"), "precious");

    let open = place.path.parent().expect("a directory").to_owned();
    std::fs::set_permissions(&open, std::fs::Permissions::from_mode(0o755)).expect("changed");
    let error = ControlServer::listen::<Value, Value>(&place.path, &place.lock).expect_err("not private");
    assert!(matches!(error, ControlError::NotPrivate { .. }), "{error}");
}
