use std::collections::BTreeMap;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use orch_core::agents::{AgentProfile, Monitor, Placeholders, PromptVia};
use orch_core::base::{LaunchId, Millis, escape_line};
use orch_core::heal::{DefaultPolicy, Signal};
use orch_core::ports::{Executor, ExecutorError, ExitStatus, Key, LaunchSpec, SessionInput};
use orch_runtime::{SessionEnd, SessionFacts, SystemClock, environment, parent_environment, replace_file};
use serde_json::json;

use super::Act;
use crate::failure::{Exit, Failure};
use crate::sessions::{self, Known, Sessions};
use crate::shell::{Shell, block_on, cwd};

/// The terminal of a session: dialogs of known agents wrap below this.
const TERMINAL: (u16, u16) = (120, 40);
/// How long an end that nobody announces may go unseen.
const BEAT: Millis = Millis(100);

/// Start a program on a terminal of its own, and print the session's id
#[derive(Debug, clap::Args)]
pub(crate) struct Start {
    /// The agent to start, by its profile in orch.toml
    #[arg(long, value_name = "AGENT", required_unless_present = "command", conflicts_with = "command")]
    agent: Option<String>,
    /// Where it starts [default: here]
    #[arg(long, value_name = "DIR")]
    cwd: Option<Utf8PathBuf>,
    /// A name to call it by
    #[arg(long, value_parser = name)]
    name: Option<String>,
    /// What it is told: as its profile says, or typed into a plain command once that stands still
    #[arg(long, value_name = "TEXT")]
    prompt: Option<String>,
    /// A variable of this shell to hand through, besides PATH, HOME and the like
    #[arg(long = "env", value_name = "NAME")]
    pass: Vec<String>,
    /// The program and its arguments
    #[arg(last = true, value_name = "CMD")]
    command: Vec<String>,
}

/// Go on with a session that has ended, in a new one, by the agent's own way to resume
#[derive(Debug, clap::Args)]
pub(crate) struct Resume {
    /// The session
    #[arg(value_name = "ID", required_unless_present = "last", conflicts_with = "last")]
    id: Option<String>,
    /// The one that was started last
    #[arg(long)]
    last: bool,
    /// What it is told
    #[arg(long, value_name = "TEXT")]
    prompt: Option<String>,
}

fn name(text: &str) -> Result<String, String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let sound = (1..=64).contains(&text.len()) && text.chars().all(plain) && text.chars().any(|c| !c.is_ascii_digit());
    if sound {
        Ok(text.to_owned())
    } else {
        Err("1 to 64 letters, digits, '-', '_' or '.', and not a number".to_owned())
    }
}

/// What is to be started.
struct Plan {
    facts: SessionFacts,
    profile: AgentProfile,
    resume: bool,
    prompt: Option<String>,
    pass: Vec<String>,
}

impl Act for Start {
    fn act(self, shell: &mut Shell) -> Result<Exit, Failure> {
        block_on(async {
            let sessions = Sessions::open().await?;
            let profile = match &self.agent {
                Some(agent) => sessions.profile(agent)?,
                None => typed_into(self.command.clone()),
            };
            let facts = SessionFacts {
                name: self.name,
                agent: self.agent,
                argv: self.command,
                cwd: place(self.cwd.as_deref())?,
                started_at: SystemClock::new().now().wall,
                head: None,
                resumes: None,
                conversation: None,
            };
            let plan = Plan { facts, profile, resume: false, prompt: self.prompt, pass: self.pass };
            let (id, paste) = begin(&sessions, plan, shell).await?;
            if shell.json() {
                shell.document(&sessions.find(&id.to_string()).await?.json())?;
            } else {
                shell.text(&id.to_string())?;
            }
            deliver(&sessions, id, paste, shell).await?;
            Ok(Exit::Done)
        })
    }
}

impl Act for Resume {
    fn act(self, shell: &mut Shell) -> Result<Exit, Failure> {
        block_on(async {
            let sessions = Sessions::open().await?;
            let before = match &self.id {
                Some(id) => sessions.find(id).await?,
                None => sessions.list(true).await?.pop().ok_or_else(|| {
                    Failure::input("there is no session to resume").help("`orch session start` begins one")
                })?,
            };
            let Resumed { id, same, paste } = resume(&sessions, &before, self.prompt, shell).await?;
            let from = before.id;
            if shell.json() {
                let mut document = sessions.find(&id.to_string()).await?.json();
                document["resumes"] = json!(from.to_string());
                document["sameConversation"] = json!(same);
                shell.document(&document)?;
            } else {
                shell.text(&id.to_string())?;
            }
            deliver(&sessions, id, paste, shell).await?;
            Ok(Exit::Done)
        })
    }
}

/// A program that its prompt is typed into.
fn typed_into(command: Vec<String>) -> AgentProfile {
    let mut profile = AgentProfile::of_command("command", command);
    profile.prompt = PromptVia::Paste;
    profile
}

/// A session that goes on with another one.
pub(super) struct Resumed {
    pub(super) id: LaunchId,
    /// Whether its conversation is the same.
    same: bool,
    /// A prompt that is still to be pasted, and whether that is to a resumed conversation.
    paste: Option<(String, bool)>,
}

/// Goes on with a session in a new one.
pub(super) async fn resume(
    sessions: &Sessions,
    before: &Known,
    prompt: Option<String>,
    shell: &Shell,
) -> Result<Resumed, Failure> {
    let from = before.id;
    if before.live.is_some() {
        return Err(Failure::input(format!("session {from} still runs"))
            .help(format!("`orch session submit {from} TEXT` speaks to it, `orch session kill {from}` ends it")));
    }
    let profile = match &before.facts.agent {
        Some(agent) => sessions.profile(agent)?,
        None => typed_into(before.facts.argv.clone()),
    };
    let by_id = profile.resume.iter().flatten().any(|part| part.contains("{session_id}"));
    let same = by_id && before.facts.conversation.is_some();
    let can = profile.resume.is_some() && (!by_id || same);
    let facts = SessionFacts {
        started_at: SystemClock::new().now().wall,
        head: None,
        resumes: Some(from),
        conversation: before.facts.conversation.clone().filter(|_| same),
        ..before.facts.clone()
    };
    let plan = Plan { facts, profile, resume: can, prompt, pass: Vec::new() };
    let (id, paste) = begin(sessions, plan, shell).await?;
    if !same {
        let why = if can {
            "its agent was told to resume, and nobody can tell that it goes on with the same conversation"
        } else {
            "its agent has no way to resume that conversation"
        };
        shell.note(&format!("session {id} is a fresh start: {why}"));
    }
    Ok(Resumed { id, same, paste })
}

/// Starts a session; gives the prompt that is still to be pasted, if it is one that is, and whether it resumes.
async fn begin(sessions: &Sessions, plan: Plan, shell: &Shell) -> Result<(LaunchId, Option<(String, bool)>), Failure> {
    let Plan { mut facts, profile, resume, prompt, pass } = plan;
    let (store, executor) = (&sessions.store, &sessions.executor);
    let id = store.create()?;
    facts.head = sessions::head(store, id, &facts.cwd).await.unwrap_or_else(|error| {
        shell.note(&format!("what it changes cannot be told, and is not saved when it is killed: {error}"));
        None
    });
    if profile.command.iter().any(|part| part.contains("{session_id}")) && facts.conversation.is_none() {
        facts.conversation = Some(conversation()?);
    }
    let text = prompt.clone().unwrap_or_default();
    let file = store.prompt(id);
    replace_file(&file, text.as_bytes(), 0o600)?;
    let values = BTreeMap::from([
        ("prompt", text.clone()),
        ("prompt_file", file.to_string()),
        ("model", String::new()),
        ("model_tier", String::new()),
        ("worktree", facts.cwd.to_string()),
        ("task_id", format!("session-{id}")),
        ("attempt", "1".to_owned()),
        ("session_id", facts.conversation.clone().unwrap_or_default()),
    ]);
    let mut profile = profile;
    if prompt.is_none() && profile.prompt == PromptVia::Argument {
        // An agent that is told nothing gets no empty argument.
        profile.prompt = PromptVia::File;
    }
    facts.argv = match &facts.agent {
        Some(_) => profile.argv(resume, &Placeholders { values }),
        None => facts.argv,
    };
    let mut env =
        environment(&[pass, sessions.settings.env_pass.clone()].concat(), &profile.env, &parent_environment());
    env.insert("ORCH_LAUNCH".to_owned(), id.to_string());
    env.insert("ORCH_PROMPT_FILE".to_owned(), file.to_string());
    // By which processes that leave the session's group are known.
    env.insert("ORCH_WORKTREE".to_owned(), store.root().join(id.to_string()).to_string());
    store.put_facts(id, &facts)?;
    let spec = LaunchSpec {
        launch: id,
        name: facts.name.clone().unwrap_or_else(|| format!("session-{id}")),
        argv: facts.argv.clone(),
        cwd: facts.cwd.clone(),
        env,
        stdin: (profile.prompt == PromptVia::Stdin && prompt.is_some()).then_some(file),
        log: store.log(id),
        size: TERMINAL,
    };
    if let Err(error) = executor.launch(&spec).await {
        // Its number is taken: whoever lists it sees that it never ran.
        let (lost, exit) = (false, ExitStatus::default());
        let end = SessionEnd { lost, exit, last_output_at: None, screen: error.to_string(), saved: None };
        store.put_end(id, &end)?;
        return Err(error.into());
    }
    Ok((id, prompt.filter(|_| profile.pastes(resume)).map(|text| (text, resume))))
}

/// Tells a session its prompt, as tasks' agents are told theirs. A program that asks something is not answered by it.
async fn deliver(
    sessions: &Sessions,
    id: LaunchId,
    prompt: Option<(String, bool)>,
    shell: &Shell,
) -> Result<(), Failure> {
    let Some((text, resume)) = prompt else { return Ok(()) };
    let (executor, limits) = (&sessions.executor, &sessions.settings.limits);
    let clock = SystemClock::new();
    let mut monitor = Monitor::new(SessionInput::default(), &clock.now()).with_prompt(text, resume);
    while monitor.is_to_be_told() {
        let now = clock.now();
        if monitor.wants_look(limits, &now)
            && let Some(view) = executor.look(&[id]).await?.pop()
        {
            monitor.see(&view, &now);
        }
        let found = monitor.judge(&DefaultPolicy, limits, &now);
        match found.as_ref().map(|found| (found.signal, escape_line(&found.detail))) {
            Some((Signal::Prompt | Signal::Dialog, asks)) => {
                shell.note(&format!(
                    "session {id} asks: {asks}; it was not told its prompt: answer it, then `orch session submit {id} TEXT`"
                ));
                return Ok(());
            }
            Some((Signal::Undelivered, why)) => {
                shell.note(&format!("session {id} was not told its prompt: {why}"));
                return Ok(());
            }
            _ => {}
        }
        if let Some((input, expected)) = monitor.types(limits, &now) {
            let done = match executor.input(id, &input, expected).await {
                Ok(()) => true,
                Err(ExecutorError::Stale { .. } | ExecutorError::NotFound { .. }) => false,
                Err(error) => return Err(error.into()),
            };
            monitor.typed(&input, done, &clock.now());
        }
        let nap = monitor.deadline(limits, &clock.now()).min(BEAT).max(Millis(1));
        let events = tokio::time::timeout(Duration::from_millis(nap.0), executor.events()).await.unwrap_or_default();
        if !events.is_empty() {
            monitor.printed();
        }
        if monitor.is_to_be_told() && sessions.settle().await?.iter().all(|session| session.launch != id) {
            shell.note(&format!("session {id} ended before it could be told anything"));
            return Ok(());
        }
    }
    Ok(())
}

/// Types a text, gives the program time to take it in, and presses Enter.
pub(super) async fn submit(sessions: &Sessions, id: LaunchId, text: String) -> Result<(), Failure> {
    let executor = &sessions.executor;
    if !text.is_empty() {
        executor.input(id, &SessionInput { text: Some(text), keys: Vec::new() }, None).await?;
        tokio::time::sleep(Duration::from_millis(sessions.settings.limits.enter_after.0)).await;
    }
    executor.input(id, &SessionInput { text: None, keys: vec![Key::Enter] }, None).await?;
    Ok(())
}

fn place(asked: Option<&Utf8Path>) -> Result<Utf8PathBuf, Failure> {
    let here = cwd()?;
    let Some(asked) = asked else { return Ok(here) };
    let place = here.join(asked);
    place
        .canonicalize_utf8()
        .ok()
        .filter(|place| place.is_dir())
        .ok_or_else(|| Failure::input(format!("{} is no directory", escape_line(place.as_str()))))
}

/// A new conversation's id, as a random UUID (RFC 9562, version 4).
fn conversation() -> Result<String, Failure> {
    use std::io::Read;
    let mut bytes = [0; 16];
    std::fs::File::open("/dev/urandom")
        .and_then(|mut random| random.read_exact(&mut bytes))
        .map_err(|error| Failure::other(format!("/dev/urandom: {error}")))?;
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]))
}
