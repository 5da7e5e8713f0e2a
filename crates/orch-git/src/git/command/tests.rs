use super::*;

/// A call that runs a shell, which none of ours does.
fn shell(kind: Kind, script: &str) -> Call {
    Call::new(kind, Utf8Path::new("/"), Vec::new(), ["run"], None).config(format!("alias.run=!{script}"))
}

#[tokio::test]
async fn a_call_that_takes_too_long_ends_with_everything_that_it_started() {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("pid");
    for (kind, is_remote) in [(Kind::Read, false), (Kind::Write, false), (Kind::Ask, true), (Kind::Network, true)] {
        let mut call = shell(kind, &format!("sleep 1000 & echo $! > '{}'; wait", file.display()));
        call.time = Duration::from_secs(1);
        let error = call.run().await.expect_err("it is ended");
        assert_eq!(matches!(error, VcsError::Unreachable { .. }), is_remote, "{error}");
        let pid = std::fs::read_to_string(&file).expect("it began");
        let stat = format!("/proc/{}/stat", pid.trim());
        let lives = || std::fs::read_to_string(&stat).is_ok_and(|stat| !stat.contains(") Z "));
        while lives() {
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test]
async fn an_effect_runs_to_its_end_though_nobody_waits_any_more() {
    let dir = tempfile::tempdir().expect("a directory");
    let (begun, go, done) = (dir.path().join("begun"), dir.path().join("go"), dir.path().join("done"));
    for path in [&begun, &go] {
        rustix::fs::mknodat(rustix::fs::CWD, path, rustix::fs::FileType::Fifo, 0o600.into(), 0).expect("a pipe");
    }
    let (b, g, d) = (begun.display(), go.display(), done.display());
    let call = shell(Kind::Write, &format!("echo > '{b}'; cat '{g}'; mv '{g}' '{d}'"));
    let run = tokio::spawn(call.run());
    tokio::fs::read(&begun).await.expect("it began");
    run.abort();
    assert!(run.await.is_err_and(|error| error.is_cancelled()));
    tokio::fs::write(&go, "x").await.expect("it still reads");
    while !done.exists() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn what_is_printed_without_end_is_bounded() {
    let (kept, cut) = read_bounded(Some(tokio::io::repeat(b'x').take(1000)), 10).await.expect("bytes");
    assert_eq!((kept.len(), cut), (10, true));
    let output = shell(Kind::Read, "echo out; echo err >&2; exit 7").run().await.expect("it runs");
    assert_eq!((output.status, output.text().as_str(), output.stderr.as_str()), (7, "out", "err"));
}
