use std::collections::BTreeMap;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use camino::Utf8PathBuf;
use orch_core::journal::Notice;
use rustix::process::{Pid, Signal, kill_process_group};
use serde::Serialize;
use tokio::io::AsyncWriteExt;
use tokio::process::{Child, Command};

use crate::template::fill;

/// How long the command may run.
const BOUND: Duration = Duration::from_secs(30);

/// Tells people: runs the command of `[notify]`.
#[derive(Debug, Clone)]
pub struct Notifier {
    argv: Vec<String>,
    env: BTreeMap<String, String>,
    cwd: Utf8PathBuf,
    bound: Duration,
}

/// Why people were not told.
#[derive(Debug, thiserror::Error)]
pub enum NotifyError {
    /// The program could not be started.
    #[error("cannot run the notify command {program:?}: {source}")]
    Start {
        /// The program.
        program: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// It did not end in time and was killed with its process group.
    #[error("the notify command {program:?} did not end within {} s", bound.as_secs())]
    TooSlow {
        /// The program.
        program: String,
        /// The time that it had.
        bound: Duration,
    },
    /// It said no.
    #[error("the notify command {program:?} failed ({status})")]
    Failed {
        /// The program.
        program: String,
        /// How it ended.
        status: ExitStatus,
    },
    /// The event is no JSON.
    #[error("cannot write the event as JSON: {0}")]
    Event(#[from] serde_json::Error),
}

impl Notifier {
    /// A notifier that runs `argv` (empty: nobody is told) in `cwd` with exactly the environment given.
    pub fn new(argv: Vec<String>, env: BTreeMap<String, String>, cwd: Utf8PathBuf) -> Self {
        Self { argv, env, cwd, bound: BOUND }
    }

    /// Runs the command once, for at most 30 seconds, its output discarded: `{title}` (cut to 200
    /// characters) and `{text}` (cut to 2,000) filled in, each on one line and without control
    /// characters; the event as JSON on its standard input. Spawn it: whoever drives the fleet does not
    /// wait for it. Dropped before its end, the command is killed with its process group.
    ///
    /// # Errors
    /// [`NotifyError`]; none of them is worth stopping for.
    pub async fn tell<E: Serialize + Sync>(&self, notice: &Notice, event: &E) -> Result<(), NotifyError> {
        let (title, text) = (one_line(&notice.title, 200), one_line(&notice.text, 2000));
        let values = |name: &str| match name {
            "title" => Some(title.as_str()),
            "text" => Some(text.as_str()),
            _ => None,
        };
        let argv: Vec<String> = self.argv.iter().map(|arg| fill(arg, values)).collect();
        let Some((program, args)) = argv.split_first() else { return Ok(()) };
        let event = serde_json::to_vec(event)?;
        let mut command = Command::new(program);
        command.args(args).env_clear().envs(&self.env).current_dir(&self.cwd);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0).kill_on_drop(true);
        let start_error = |source| NotifyError::Start { program: program.clone(), source };
        let mut child = command.spawn().map_err(start_error)?;
        let mut group = Group(child.id());
        match tokio::time::timeout(self.bound, feed(&mut child, &event)).await {
            Ok(Ok(status)) => {
                group.0 = None;
                if status.success() { Ok(()) } else { Err(NotifyError::Failed { program: program.clone(), status }) }
            }
            Ok(Err(source)) => Err(start_error(source)),
            Err(_) => Err(NotifyError::TooSlow { program: program.clone(), bound: self.bound }),
        }
    }
}

/// A command's process group, killed when nobody waits for the command any more.
///
/// The child is not yet reaped, so its pid still names its group; once it is, there is nothing in here.
struct Group(Option<u32>);

impl Drop for Group {
    /// A group that is gone is what is wanted.
    fn drop(&mut self) {
        if let Some(pid) = self.0.and_then(|pid| Pid::from_raw(i32::try_from(pid).ok()?)) {
            let _ = kill_process_group(pid, Signal::KILL);
        }
    }
}

/// A command that does not read its input is not at fault, so errors of writing do not count.
async fn feed(child: &mut Child, event: &[u8]) -> std::io::Result<ExitStatus> {
    if let Some(mut stdin) = child.stdin.take() {
        let _ = stdin.write_all(event).await;
    }
    child.wait().await
}

fn one_line(text: &str, limit: usize) -> String {
    text.chars().take(limit).map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use orch_core::journal::NoticeKind;
    use serde_json::json;

    use super::*;
    use crate::testdir::TestDir;

    fn notice(title: &str, text: &str) -> Notice {
        Notice { event: NoticeKind::Escalation, title: title.into(), text: text.into(), occasion: None }
    }

    fn notifier(dir: &TestDir, script: &str, args: &[&str]) -> Notifier {
        let head = ["/bin/sh", "-c", script, "sh"].into_iter().chain(args.iter().copied());
        let env = [("PATH", "/usr/bin:/bin"), ("A", "1")].map(|(k, v)| (k.to_owned(), v.to_owned())).into();
        Notifier::new(head.map(str::to_owned).collect(), env, dir.path().to_owned())
    }

    #[tokio::test]
    async fn the_command_gets_words_as_arguments_and_the_event_on_stdin() {
        let dir = TestDir::new();
        let script = r#"for a; do echo "[$a]"; done > args; cat > stdin; env | grep -v '^\(PWD\|SHLVL\|_\|OLDPWD\)=' | sort > env; echo noise"#;
        let notifier = notifier(&dir, script, &["{title}", "{text}", "x {title}"]);
        notifier.tell(&notice("t1 $(id) `x`", "line\n\u{1b}[31m; {title}\0"), &json!({"seq": 7})).await.expect("told");
        let read = |name: &str| std::fs::read_to_string(dir.path().join(name)).expect("written");
        insta::assert_snapshot!(read("args"), @r"
        [t1 $(id) `x`]
        [line  [31m; {title} ]
        [x t1 $(id) `x`]
        ");
        assert_eq!(read("stdin"), r#"{"seq":7}"#);
        assert_eq!(read("env"), "A=1\nPATH=/usr/bin:/bin\n");
    }

    #[tokio::test]
    async fn nobody_is_told_without_a_command_and_failures_are_named() {
        let dir = TestDir::new();
        let none = Notifier::new(Vec::new(), BTreeMap::new(), dir.path().to_owned());
        none.tell(&notice("a", "b"), &()).await.expect("nothing to do");
        let error = notifier(&dir, "exit 3", &[]).tell(&notice("a", "b"), &()).await.expect_err("it says no");
        insta::assert_snapshot!(error, @r#"the notify command "/bin/sh" failed (exit status: 3)"#);
        let absent = Notifier::new(vec!["/no/such".into()], BTreeMap::new(), dir.path().to_owned());
        assert!(matches!(absent.tell(&notice("a", "b"), &()).await, Err(NotifyError::Start { .. })));
        let big = json!("x".repeat(1 << 20));
        notifier(&dir, "exit 0", &[]).tell(&notice("a", "b"), &big).await.expect("unread input is no failure");
    }

    #[tokio::test]
    async fn a_slow_command_is_killed_with_its_children() {
        let dir = TestDir::new();
        let fifo = dir.path().join("alive");
        assert!(std::process::Command::new("mkfifo").arg(&fifo).status().expect("run").success());
        let mut notifier = notifier(&dir, "sleep 1000 > alive & wait", &[]);
        notifier.bound = Duration::from_millis(200);
        // The read ends when the last writer, the grandchild, is gone.
        let gone = tokio::task::spawn_blocking(move || std::fs::read(fifo));
        let error = notifier.tell(&notice("a", "b"), &()).await.expect_err("too slow");
        assert!(matches!(error, NotifyError::TooSlow { .. }), "{error}");
        let ended = tokio::time::timeout(Duration::from_secs(20), gone).await.expect("the grandchild is gone");
        assert_eq!(ended.expect("joined").expect("read"), b"");
    }
}
