//! The verbs that steer: through the running orchestrator when there is one, else by one pass of its own.

use std::io::Read;

use camino::Utf8PathBuf;
use orch_core::base::TaskId;
use orch_core::journal::UserVerb;
use orch_core::plan::Status;
use orch_fleet::{Answer, Fleet, Request, Workdir, ask_running, read_manifest};

use crate::failure::{Exit, Failure};
use crate::run::{Progress, interrupted};

/// End a task's agent, its work saved; the task then needs a person until `retry`
#[derive(Debug, clap::Args)]
pub(crate) struct Kill {
    /// The task
    #[arg(required_unless_present = "all", value_parser = TaskId::parse)]
    task: Option<TaskId>,
    /// Every agent
    #[arg(long, conflicts_with = "task")]
    all: bool,
}

/// Try a task again from a clean count; a fix that you committed in its worktree is verified first
#[derive(Debug, clap::Args)]
pub(crate) struct Retry {
    /// The task
    #[arg(value_parser = TaskId::parse)]
    task: TaskId,
}

/// Let others pass a task; its agent is ended, its work saved
#[derive(Debug, clap::Args)]
pub(crate) struct Skip {
    /// The task
    #[arg(value_parser = TaskId::parse)]
    task: TaskId,
}

/// Do nothing for a task, or for all, but look
#[derive(Debug, clap::Args)]
pub(crate) struct Pause {
    /// The task [default: all]
    #[arg(value_parser = TaskId::parse)]
    task: Option<TaskId>,
}

/// Go on after `pause`; silence is measured afresh
#[derive(Debug, clap::Args)]
pub(crate) struct Resume {
    /// The task [default: all]
    #[arg(value_parser = TaskId::parse)]
    task: Option<TaskId>,
}

/// Type a line into a task's session; for a minute no remedy fires
#[derive(Debug, clap::Args)]
pub(crate) struct Send {
    /// The task
    #[arg(value_parser = TaskId::parse)]
    task: TaskId,
    /// The text; Enter follows
    text: String,
}

/// Open a task's session in this terminal; detach with Ctrl-b d
#[derive(Debug, clap::Args)]
pub(crate) struct Attach {
    /// The task
    #[arg(value_parser = TaskId::parse)]
    task: TaskId,
}

/// Add tasks to the plan
#[derive(Debug, clap::Args)]
pub(crate) struct Add {
    /// A JSON file with a task, or a list of tasks, shaped as in the manifest; `-` for standard input
    #[arg(required_unless_present = "title", conflicts_with_all = ["title", "id", "body", "file", "depends_on", "issue"])]
    source: Option<Utf8PathBuf>,
    /// One task with this title
    #[arg(long)]
    title: Option<String>,
    /// Its id [default: the next free t<N>]
    #[arg(long)]
    id: Option<String>,
    /// Its description
    #[arg(long)]
    body: Option<String>,
    /// Its issue
    #[arg(long)]
    issue: Option<u64>,
    /// A path, directory or glob that it may touch; repeatable
    #[arg(long = "file", value_name = "PATH")]
    file: Vec<String>,
    /// A task that comes before it; repeatable
    #[arg(long, value_name = "TASK")]
    depends_on: Vec<String>,
    /// The phase, from 0 [default: the last one]
    #[arg(long)]
    phase: Option<usize>,
}

/// End the running orchestrator; agents go on
#[derive(Debug, clap::Args)]
pub(crate) struct Stop {}

/// Publish what is verified: push, find or open pull requests
#[derive(Debug, clap::Args)]
pub(crate) struct Pr {
    /// Say so when this task has no pull request afterwards
    #[arg(value_parser = TaskId::parse)]
    task: Option<TaskId>,
}

/// Look at all pull requests now, and take in what was merged, closed or asked for
#[derive(Debug, clap::Args)]
pub(crate) struct Sync {
    /// Take the repository's configuration, hooks and attributes as they are now for right: after you looked at what
    /// `orch doctor` shows of them
    #[arg(long)]
    accept_config: bool,
}

impl Kill {
    pub(crate) async fn run(self, workdir: Workdir, json: bool) -> Result<Exit, Failure> {
        say(workdir, self.task, UserVerb::Kill, json).await
    }
}

impl Retry {
    pub(crate) async fn run(self, workdir: Workdir, json: bool) -> Result<Exit, Failure> {
        say(workdir, Some(self.task), UserVerb::Retry, json).await
    }
}

impl Skip {
    pub(crate) async fn run(self, workdir: Workdir, json: bool) -> Result<Exit, Failure> {
        say(workdir, Some(self.task), UserVerb::Skip, json).await
    }
}

impl Pause {
    pub(crate) async fn run(self, workdir: Workdir, json: bool) -> Result<Exit, Failure> {
        say(workdir, self.task, UserVerb::Pause, json).await
    }
}

impl Resume {
    pub(crate) async fn run(self, workdir: Workdir, json: bool) -> Result<Exit, Failure> {
        say(workdir, self.task, UserVerb::Resume, json).await
    }
}

impl Send {
    pub(crate) async fn run(self, workdir: Workdir, json: bool) -> Result<Exit, Failure> {
        say(workdir, Some(self.task), UserVerb::Send { text: self.text }, json).await
    }
}

impl Attach {
    /// Tells the engine that a person is at the keyboard, then connects them.
    pub(crate) async fn run(self, workdir: Workdir) -> Result<Exit, Failure> {
        let task = &self.task;
        crate::terminal::require(&format!(
            "run it in one; without, `orch logs -f {task}` shows what the agent prints, `orch send {task} TEXT` types into it"
        ))?;
        let request = Request::User { task: Some(self.task.clone()), verb: UserVerb::Attach };
        if let Some(Answer::Refused(why)) = ask_running(&workdir, &request).await? {
            return Err(Failure::input(orch_core::base::escape_line(&why)));
        }
        let (place, launch) = orch_fleet::session_of(&workdir, &self.task).await?;
        match place.attach(launch).await? {
            orch_fleet::Attach::Program(argv) => crate::terminal::become_program(&argv)?,
            orch_fleet::Attach::Terminal(executor) => crate::terminal::attach(&executor, launch).await.map(drop)?,
            orch_fleet::Attach::Nothing => {
                return Err(Failure::input("the executor of this session has no terminals for people"));
            }
        }
        Ok(Exit::Done)
    }
}

impl Add {
    pub(crate) async fn run(self, workdir: Workdir, json: bool) -> Result<Exit, Failure> {
        let phase = self.phase;
        let tasks = self.tasks(&workdir)?;
        told(&orch_fleet::add(&workdir, phase, tasks).await?, json)
    }

    fn tasks(self, workdir: &Workdir) -> Result<Vec<serde_json::Value>, Failure> {
        if let Some(source) = self.source {
            let text = if source == "-" {
                let mut text = String::new();
                std::io::stdin().read_to_string(&mut text).map(|_| text)
            } else {
                std::fs::read_to_string(&source)
            };
            let text = text.map_err(|e| Failure::input(format!("cannot read {source}: {e}")))?;
            let value: serde_json::Value =
                serde_json::from_str(&text).map_err(|e| Failure::input(format!("{source}: {e}")))?;
            return Ok(match value {
                serde_json::Value::Array(tasks) => tasks,
                task => vec![task],
            });
        }
        let (manifest, _) = read_manifest(workdir)?;
        let taken = |id: &str| manifest.plan().tasks.iter().any(|task| task.id.as_str().eq_ignore_ascii_case(id));
        let free = || {
            let count = manifest.plan().tasks.len();
            (1..=count + 1).map(|n| format!("t{n}")).find(|id| !taken(id)).unwrap_or_else(|| format!("t{}", count + 1))
        };
        let mut task = serde_json::Map::new();
        task.insert("id".into(), self.id.unwrap_or_else(free).into());
        task.insert("title".into(), self.title.into());
        task.insert("files".into(), self.file.into());
        task.insert("dependsOn".into(), self.depends_on.into());
        if let Some(issue) = self.issue {
            task.insert("issue".into(), issue.into());
        }
        if let Some(body) = self.body {
            task.insert("body".into(), body.into());
        }
        Ok(vec![task.into()])
    }
}

impl Stop {
    pub(crate) async fn run(self, workdir: Workdir, json: bool) -> Result<Exit, Failure> {
        match ask_running(&workdir, &Request::Stop).await? {
            Some(answer) => told(&answer, json),
            None => told(&Answer::Done("no orchestrator runs here".to_owned()), json),
        }
    }
}

impl Pr {
    pub(crate) async fn run(self, workdir: Workdir, json: bool) -> Result<Exit, Failure> {
        let fleet = Fleet::builder(workdir.clone()).until(Status::PrOpen);
        fleet.publish(&mut Progress::new(true), interrupted()).await?;
        let Some(task) = self.task else { return told(&Answer::Done("published what is verified".to_owned()), json) };
        let (manifest, _) = read_manifest(&workdir)?;
        let state = manifest.imported().iter().find(|state| state.id == task);
        match state.and_then(|state| Some((state.state.pr_number?, state.state.status))) {
            Some((number, status)) => told(&Answer::Done(format!("{task} is {status}, pull request {number}")), json),
            None => Err(Failure::input(format!("{task} has no pull request: it is not verified; `orch why {task}`"))),
        }
    }
}

impl Sync {
    pub(crate) async fn run(self, workdir: Workdir, json: bool) -> Result<Exit, Failure> {
        if self.accept_config {
            accept_configuration(&workdir, json).await?;
        }
        Fleet::builder(workdir).publish(&mut Progress::new(true), interrupted()).await?;
        told(&Answer::Done("looked at every pull request".to_owned()), json)
    }
}

/// Records how the repository is configured now, and says what of it is new.
async fn accept_configuration(workdir: &Workdir, json: bool) -> Result<(), Failure> {
    let vcs = orch_fleet::existing_repository(workdir).await?;
    let changes = vcs.configuration_changes().await?;
    vcs.baseline().await?;
    if !json {
        for change in &changes {
            eprintln!("accepted: {}", orch_core::base::escape_line(&change.to_string()));
        }
    }
    Ok(())
}

/// Says something to the engine.
async fn say(workdir: Workdir, task: Option<TaskId>, verb: UserVerb, json: bool) -> Result<Exit, Failure> {
    match Fleet::builder(workdir).say(task, verb, &mut Progress::new(true), interrupted()).await? {
        Some(answer) => told(&answer, json),
        None => Ok(Exit::Done),
    }
}

/// Shows an answer.
pub(crate) fn told(answer: &Answer, json: bool) -> Result<Exit, Failure> {
    match answer {
        Answer::Done(text) if json => {
            crate::output::json(&serde_json::json!({"ok": true, "message": text}));
            Ok(Exit::Done)
        }
        Answer::Done(text) => {
            eprintln!("{}", orch_core::base::escape_line(text));
            Ok(Exit::Done)
        }
        Answer::Refused(text) => Err(Failure::input(orch_core::base::escape_block(text))),
        Answer::Leaving => Err(Failure::other("the orchestrator leaves just now; try again")),
    }
}
