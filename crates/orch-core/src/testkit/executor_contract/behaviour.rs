//! The agents that the executor suite launches.

use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};

/// How an agent of the executor suite behaves. [`Behaviour::posix_argv`] is each as a program for `/bin/sh`.
///
/// "Says `ready`" means that the word stands on its screen once it is in the state described.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Behaviour {
    /// Exits at once with this code.
    ExitWith(i32),
    /// Ends itself by this signal.
    DieBySignal(i32),
    /// Prints exactly this text and exits with 0.
    PrintAndExit(String),
    /// Prints exactly this text and waits until it is ended.
    PrintAndSleep(String),
    /// Says `ready` and waits until it is ended.
    Sleep,
    /// As [`Behaviour::Sleep`], deaf to SIGHUP, SIGINT and SIGTERM.
    IgnoreHangup,
    /// Appends a line to the file, says `ready` and waits until it is ended.
    CountStarts(Utf8PathBuf),
    /// Appends a line to the file and exits with 0.
    CountStartsAndExit(Utf8PathBuf),
    /// Says `ready`, then answers each line typed with `got LINE` on its screen.
    EchoLines,
    /// Asks `Continue? [y/n] `, reads a line, clears the screen, shows `answer LINE` and waits.
    AskYesNo,
    /// Puts the terminal in raw mode, says `ready` and appends every byte typed to the file.
    RecordInput {
        /// Where the bytes go.
        file: Utf8PathBuf,
        /// Whether it asks the terminal for bracketed paste first.
        bracketed: bool,
    },
    /// Writes its arguments to the file, each followed by a NUL, and exits with 0.
    WriteArguments {
        /// Where they go.
        file: Utf8PathBuf,
        /// The arguments.
        arguments: Vec<String>,
    },
    /// Writes the value of an environment variable to the file, without a newline, and exits with 0.
    WriteVariable {
        /// The variable.
        name: String,
        /// Where the value goes.
        file: Utf8PathBuf,
    },
    /// Prints its environment, `NAME=VALUE` a line, and exits with 0.
    PrintEnvironment,
    /// Writes its working directory to the file, with a newline, and exits with 0.
    WriteDirectory(Utf8PathBuf),
    /// Copies standard input to the file up to its end and exits with 0.
    CopyStdin(Utf8PathBuf),
    /// Prints the terminal's size as `ROWS COLUMNS` and exits with 0.
    PrintSize,
    /// Sets the terminal title, says `ready` and waits until it is ended.
    SetTitle(String),
    /// Says `ready`, and `redrawn` whenever the terminal's size changes.
    CountRedraws,
    /// Starts a child in a session of its own that is deaf to SIGHUP and SIGTERM, and writes the
    /// child's pid with a newline to the file. Then exits with 0, or says `ready` and waits.
    LeaveChild {
        /// Where the pid goes; complete once it exists.
        pid_file: Utf8PathBuf,
        /// Whether it exits and leaves the child behind.
        exit: bool,
        /// Whether the child keeps the terminal open.
        holds_terminal: bool,
    },
}

const LEAVE_CHILD: &str = r#"
if command -v setsid >/dev/null; then own=setsid; else own=; fi
child='trap "" HUP TERM; echo $$ >"$1.new"; mv "$1.new" "$1"; exec sleep 600'
if [ "$2" = holds ]; then $own sh -c "$child" sh "$1" &
else $own sh -c "$child" sh "$1" </dev/null >/dev/null 2>&1 & fi
while [ ! -e "$1" ]; do sleep 0.02; done
if [ "$3" = exit ]; then exit 0; fi
echo ready; exec sleep 600"#;

impl Behaviour {
    /// The behaviour as an argv for a POSIX system; needs `PATH` for `cat`, `sleep`, `stty` and, where
    /// there is one, `setsid`.
    pub fn posix_argv(&self) -> Vec<String> {
        match self {
            Self::ExitWith(code) => sh("exit \"$1\"", &[&code.to_string()]),
            Self::DieBySignal(signal) => sh("kill -\"$1\" $$; exec sleep 600", &[&signal.to_string()]),
            Self::PrintAndExit(text) => sh("printf %s \"$1\"", &[text]),
            Self::PrintAndSleep(text) => sh("printf %s \"$1\"; exec sleep 600", &[text]),
            Self::Sleep => sh("echo ready; exec sleep 600", &[]),
            Self::IgnoreHangup => sh("trap '' HUP INT TERM; echo ready; exec sleep 600", &[]),
            Self::CountStarts(file) => sh("echo x >>\"$1\"; echo ready; exec sleep 600", &[file.as_str()]),
            Self::CountStartsAndExit(file) => sh("echo x >>\"$1\"", &[file.as_str()]),
            Self::EchoLines => sh("echo ready; while read -r l; do printf 'got %s\\n' \"$l\"; done", &[]),
            Self::AskYesNo => sh(
                "printf 'Continue? [y/n] '; read -r a; printf '\\033[2J\\033[Hanswer %s\\n' \"$a\"; exec sleep 600",
                &[],
            ),
            Self::RecordInput { file, bracketed } => {
                let ask = if *bracketed { "\\033[?2004h" } else { "" };
                sh("stty raw -echo; printf \"$2\"; printf 'ready\\r\\n'; exec cat >>\"$1\"", &[file.as_str(), ask])
            }
            Self::WriteArguments { file, arguments } => {
                let mut argv = sh("f=$1; shift; for a do printf '%s\\0' \"$a\"; done >\"$f\"", &[file.as_str()]);
                argv.extend(arguments.iter().cloned());
                argv
            }
            Self::WriteVariable { name, file } => sh(&format!("printf %s \"${{{name}}}\" >\"$1\""), &[file.as_str()]),
            Self::PrintEnvironment => vec!["/usr/bin/env".to_owned()],
            Self::WriteDirectory(file) => sh("pwd -P >\"$1\"", &[file.as_str()]),
            Self::CopyStdin(file) => sh("exec cat >\"$1\"", &[file.as_str()]),
            Self::PrintSize => sh("stty size", &[]),
            Self::SetTitle(title) => sh("printf '\\033]2;%s\\007ready\\n' \"$1\"; exec sleep 600", &[title]),
            Self::CountRedraws => sh("trap 'echo redrawn' WINCH; echo ready; while :; do sleep 0.02; done", &[]),
            Self::LeaveChild { pid_file, exit, holds_terminal } => {
                let held = if *holds_terminal { "holds" } else { "free" };
                sh(LEAVE_CHILD, &[pid_file.as_str(), held, if *exit { "exit" } else { "stay" }])
            }
        }
    }

    /// The behaviour as data: an argv for agents that are interpreted in memory.
    pub fn as_data(&self) -> Vec<String> {
        let data = serde_json::to_string(self).unwrap_or_default();
        vec!["behaviour".to_owned(), data]
    }

    /// Reads [`Behaviour::as_data`] back.
    pub fn from_data(argv: &[String]) -> Option<Self> {
        match argv {
            [program, data] if program == "behaviour" => serde_json::from_str(data).ok(),
            _ => None,
        }
    }
}

fn sh(script: &str, arguments: &[&str]) -> Vec<String> {
    ["/bin/sh", "-c", script, Utf8Path::new("/bin/sh").as_str()]
        .into_iter()
        .chain(arguments.iter().copied())
        .map(str::to_owned)
        .collect()
}
