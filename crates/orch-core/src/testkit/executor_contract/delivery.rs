//! `input`: every byte, once, to the session meant, and only onto the screen that was judged.

use camino::Utf8PathBuf;

use super::bench::{ONE, end_spec, holds, ready, run_out, shows, spec, state, wait_quietly};
use super::{Behaviour, ExecutorHarness};
use crate::base::id::LaunchId;
use crate::ports::{EndMode, Executor, ExecutorError, Fingerprint, Key, SessionInput, SessionState};
use crate::testkit::contract::{CaseResult, HOLDS, ensure, ensure_eq, ensure_matches, lines};

/// Texts that a shell, tmux's parser, a line discipline or a short write would change.
fn nasty() -> Vec<String> {
    ["plain", " blanks ", "it's \"two\"", "$(touch x) `id` $HOME", "end;", ";", ";;", "a\\;", "-t x", "--", "-"]
        .into_iter()
        .chain(["Enter", "C-c", "#{pane_id} #[fg=red]", "back\\slash\\", "two\nlines\n", "\n", "tab\there", "é漢😀"])
        .chain(["100% %s %1", "~", "!!", "{a,b} *", "\u{7f}"])
        .map(str::to_owned)
        .chain([long()])
        .collect()
}

/// Ten kilobytes in lines, more than a terminal's queue holds.
fn long() -> String {
    lines(500, |line| format!("{line:04} it's $x `y`;\n"))
}

fn text(text: &str) -> SessionInput {
    SessionInput { text: Some(text.to_owned()), keys: Vec::new() }
}

fn line(text: &str) -> SessionInput {
    SessionInput { text: Some(text.to_owned()), keys: vec![Key::Enter] }
}

fn recorder<H: ExecutorHarness>(h: &H, bracketed: bool) -> (Utf8PathBuf, Behaviour) {
    let file = h.scratch().join("typed");
    (file.clone(), Behaviour::RecordInput { file, bracketed })
}

pub(super) async fn text_arrives_byte_for_byte<H: ExecutorHarness>(h: &H) -> CaseResult {
    let executor = h.fresh().await;
    let (file, behaviour) = recorder(h, false);
    ready(h, &executor, ONE, &behaviour).await?;
    let mut expected = String::new();
    for piece in nasty() {
        executor.input(ONE, &text(&piece), None).await?;
        expected.push_str(&piece);
        holds(h, &file, expected.as_bytes()).await?;
    }
    HOLDS
}

pub(super) async fn text_is_a_bracketed_paste_when_asked_for<H: ExecutorHarness>(h: &H) -> CaseResult {
    let executor = h.fresh().await;
    let (file, behaviour) = recorder(h, true);
    ready(h, &executor, ONE, &behaviour).await?;
    executor.input(ONE, &line("two\nlines;"), None).await?;
    holds(h, &file, b"\x1b[200~two\nlines;\x1b[201~\r").await?;
    HOLDS
}

pub(super) async fn keys_follow_the_text<H: ExecutorHarness>(h: &H) -> CaseResult {
    let executor = h.fresh().await;
    let (file, behaviour) = recorder(h, false);
    ready(h, &executor, ONE, &behaviour).await?;
    let mut expected = b"text".to_vec();
    executor
        .input(ONE, &SessionInput { text: Some("text".to_owned()), keys: KEYS.map(|(key, _)| key).to_vec() }, None)
        .await?;
    for (_, bytes) in KEYS {
        expected.extend_from_slice(bytes);
    }
    holds(h, &file, &expected).await?;
    HOLDS
}

const KEYS: [(Key, &[u8]); 16] = [
    (Key::Enter, b"\r"),
    (Key::Tab, b"\t"),
    (Key::Backspace, b"\x7f"),
    (Key::Up, b"\x1b[A"),
    (Key::Down, b"\x1b[B"),
    (Key::Right, b"\x1b[C"),
    (Key::Left, b"\x1b[D"),
    (Key::Ctrl('c'), b"\x03"),
    (Key::Ctrl('d'), b"\x04"),
    (Key::Char('y'), b"y"),
    (Key::Char(';'), b";"),
    (Key::Char('-'), b"-"),
    (Key::Char(' '), b" "),
    (Key::Char('é'), "é".as_bytes()),
    (Key::Escape, b"\x1b"),
    (Key::Enter, b"\r"),
];

pub(super) async fn redraw_types_nothing<H: ExecutorHarness>(h: &H) -> CaseResult {
    let executor = h.fresh().await;
    let redraw = SessionInput { text: None, keys: vec![Key::Redraw] };
    ready(h, &executor, LaunchId(2), &Behaviour::CountRedraws).await?;
    executor.input(LaunchId(2), &redraw, None).await?;
    shows(h, &executor, LaunchId(2), "redrawn").await?;
    let (file, behaviour) = recorder(h, false);
    ready(h, &executor, ONE, &behaviour).await?;
    executor.input(ONE, &redraw, None).await?;
    executor.input(ONE, &text("ok"), None).await?;
    holds(h, &file, b"ok").await?;
    HOLDS
}

pub(super) async fn input_of_a_line_arrives_once<H: ExecutorHarness>(h: &H) -> CaseResult {
    let executor = h.fresh().await;
    ready(h, &executor, ONE, &Behaviour::EchoLines).await?;
    executor.input(ONE, &line("hello there"), None).await?;
    shows(h, &executor, ONE, "got hello there").await?;
    wait_quietly(h).await;
    let view = shows(h, &executor, ONE, "got hello there").await?;
    ensure_eq!(view.text.matches("got").count(), 1, "answers to one line, on {:?}", view.text);
    HOLDS
}

pub(super) async fn input_with_the_right_fingerprint_is_typed<H: ExecutorHarness>(h: &H) -> CaseResult {
    let executor = h.fresh().await;
    executor.launch(&spec(h, ONE, &Behaviour::AskYesNo)).await?;
    let asked = Fingerprint::of(&shows(h, &executor, ONE, "Continue?").await?.text);
    let yes = SessionInput { text: None, keys: vec![Key::Char('y'), Key::Enter] };
    executor.input(ONE, &yes, Some(asked)).await?;
    shows(h, &executor, ONE, "answer y").await?;
    let again = executor.input(ONE, &yes, Some(asked)).await;
    ensure_matches!(again, Err(ExecutorError::Stale { launch: ONE }), "the same answer on the next screen");
    HOLDS
}

pub(super) async fn input_with_a_stale_fingerprint_types_nothing<H: ExecutorHarness>(h: &H) -> CaseResult {
    let executor = h.fresh().await;
    let (file, behaviour) = recorder(h, false);
    ready(h, &executor, ONE, &behaviour).await?;
    let other = Fingerprint::of("a screen that is not there");
    let refused = executor.input(ONE, &line("dangerous"), Some(other)).await;
    ensure_matches!(refused, Err(ExecutorError::Stale { launch: ONE }), "input for another screen");
    let shown = Fingerprint::of(&shows(h, &executor, ONE, "ready").await?.text);
    executor.input(ONE, &text("ok"), Some(shown)).await?;
    holds(h, &file, b"ok").await?;
    HOLDS
}

pub(super) async fn input_to_unknown_sessions_is_not_found<H: ExecutorHarness>(h: &H) -> CaseResult {
    let executor = h.fresh().await;
    let found = executor.input(LaunchId(5), &line("x"), None).await;
    ensure_matches!(found, Err(ExecutorError::NotFound { launch: LaunchId(5) }), "input to no session");
    run_out(h, &executor, &spec(h, ONE, &Behaviour::ExitWith(0))).await?;
    executor.forget(ONE).await?;
    let found = executor.input(ONE, &line("x"), None).await;
    ensure_matches!(found, Err(ExecutorError::NotFound { launch: ONE }), "input to a forgotten session");
    HOLDS
}

pub(super) async fn input_to_ended_sessions_is_an_error<H: ExecutorHarness>(h: &H) -> CaseResult {
    let executor = h.fresh().await;
    run_out(h, &executor, &spec(h, ONE, &Behaviour::ExitWith(0))).await?;
    ensure!(executor.input(ONE, &line("x"), None).await.is_err(), "input to an ended session seems delivered");
    HOLDS
}

pub(super) async fn ids_and_names_match_whole<H: ExecutorHarness>(h: &H) -> CaseResult {
    let executor = h.fresh().await;
    let (file, behaviour) = recorder(h, false);
    let ten = LaunchId(10);
    ready(h, &executor, ten, &behaviour).await?;
    let found = executor.input(ONE, &text("for t1"), None).await;
    ensure_matches!(found, Err(ExecutorError::NotFound { launch: ONE }), "input to t1 where only t10 is");
    ensure_eq!(executor.look(&[ONE]).await?, [], "screens of t1 where only t10 is");
    executor.end(&end_spec(ONE, None, EndMode::Kill)).await?;
    executor.forget(ONE).await?;
    wait_quietly(h).await;
    ensure_eq!(state(&executor, ten).await?, Some(SessionState::Running), "t10 after t1 was ended");
    ready(h, &executor, ONE, &Behaviour::Sleep).await?;
    executor.input(ten, &text("for t10"), None).await?;
    holds(h, &file, b"for t10").await?;
    HOLDS
}
