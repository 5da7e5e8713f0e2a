use orch_core::ports::{Executor, Key, SessionInput};
use serde_json::json;

use super::Act;
use crate::failure::{Exit, Failure};
use crate::sessions::Sessions;
use crate::shell::{Shell, block_on};

/// Type a text into a session, and press Enter
#[derive(Debug, clap::Args)]
pub(crate) struct Submit {
    /// The session
    id: String,
    /// The text; an empty one is just Enter
    #[arg(allow_hyphen_values = true)]
    text: String,
}

/// Press keys in a session
#[derive(Debug, clap::Args)]
#[command(name = "key")]
pub(crate) struct Press {
    /// The session
    id: String,
    /// enter, escape, tab, backspace, up, down, left, right, ctrl-c (any letter), or one character
    #[arg(required = true, value_parser = key, allow_hyphen_values = true)]
    keys: Vec<Key>,
}

/// Connect this terminal to a session; Ctrl-\ detaches
#[derive(Debug, clap::Args)]
pub(crate) struct Attach {
    /// The session
    id: String,
}

/// End a session, its uncommitted work saved first; comes back when its processes are gone
#[derive(Debug, clap::Args)]
pub(crate) struct Kill {
    /// The session
    id: String,
}

fn key(text: &str) -> Result<Key, String> {
    let named = match text.to_ascii_lowercase().as_str() {
        "enter" | "return" => Some(Key::Enter),
        "escape" | "esc" => Some(Key::Escape),
        "tab" => Some(Key::Tab),
        "backspace" => Some(Key::Backspace),
        "up" => Some(Key::Up),
        "down" => Some(Key::Down),
        "left" => Some(Key::Left),
        "right" => Some(Key::Right),
        lower => lower.strip_prefix("ctrl-").and_then(one).filter(char::is_ascii_lowercase).map(Key::Ctrl),
    };
    let typed = || one(text).filter(|letter| !letter.is_control()).map(Key::Char);
    let unknown = "enter, escape, tab, backspace, up, down, left, right, ctrl-LETTER, or one character";
    named.or_else(typed).ok_or_else(|| unknown.to_owned())
}

fn one(text: &str) -> Option<char> {
    let mut letters = text.chars();
    letters.next().filter(|_| letters.next().is_none())
}

impl Act for Submit {
    fn act(self, shell: &mut Shell) -> Result<Exit, Failure> {
        if self.text.contains('\0') {
            return Err(Failure::input("a terminal takes no NUL"));
        }
        block_on(async {
            let sessions = Sessions::open().await?;
            let known = sessions.find(&self.id).await?;
            Sessions::require_running(&known)?;
            super::start::submit(&sessions, known.id, self.text).await?;
            done(shell, &json!({"id": known.id.to_string(), "ok": true}))
        })
    }
}

impl Act for Press {
    fn act(self, shell: &mut Shell) -> Result<Exit, Failure> {
        block_on(async {
            let sessions = Sessions::open().await?;
            let known = sessions.find(&self.id).await?;
            Sessions::require_running(&known)?;
            sessions.executor.input(known.id, &SessionInput { text: None, keys: self.keys }, None).await?;
            done(shell, &json!({"id": known.id.to_string(), "ok": true}))
        })
    }
}

impl Act for Attach {
    fn act(self, _: &mut Shell) -> Result<Exit, Failure> {
        let id = orch_core::base::escape_line(&self.id);
        crate::terminal::require(&format!(
            "`orch session screen {id}` shows it, `orch session submit {id}` types into it"
        ))?;
        block_on(async {
            let sessions = Sessions::open().await?;
            let known = sessions.find(&self.id).await?;
            Sessions::require_running(&known)?;
            crate::terminal::attach(&sessions.executor, known.id).await?;
            sessions.settle().await?;
            Ok(Exit::Done)
        })
    }
}

impl Act for Kill {
    fn act(self, shell: &mut Shell) -> Result<Exit, Failure> {
        block_on(async {
            let sessions = Sessions::open().await?;
            let known = sessions.find(&self.id).await?;
            let end = match known.end {
                Some(end) => end,
                None => sessions.kill(&known).await?,
            };
            if shell.json() {
                let (code, signal) = (end.exit.code, end.exit.signal);
                return done(
                    shell,
                    &json!({"id": known.id.to_string(), "exitCode": code, "signal": signal, "saved": end.saved}),
                );
            }
            let saved = end.saved.map(|saved| format!("; what was not committed is in {saved}")).unwrap_or_default();
            shell.text(&format!("session {} has ended: {}{saved}", known.id, end.exit))?;
            Ok(Exit::Done)
        })
    }
}

fn done(shell: &mut Shell, document: &serde_json::Value) -> Result<Exit, Failure> {
    if shell.json() {
        shell.document(document)?;
    }
    Ok(Exit::Done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_have_names() {
        let cases = [
            ("Enter", Key::Enter),
            ("esc", Key::Escape),
            ("ctrl-c", Key::Ctrl('c')),
            ("Ctrl-Z", Key::Ctrl('z')),
            ("y", Key::Char('y')),
            ("Y", Key::Char('Y')),
            ("-", Key::Char('-')),
            ("é", Key::Char('é')),
        ];
        for (text, expected) in cases {
            assert_eq!(key(text), Ok(expected), "{text}");
        }
        for text in ["", "yes", "ctrl-", "ctrl-1", "\u{1b}", "f1"] {
            assert!(key(text).is_err(), "{text:?}");
        }
    }
}
