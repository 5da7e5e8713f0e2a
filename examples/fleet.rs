//! A whole fleet in a program of one's own: a real repository, real terminals, git, pull requests, and a policy that
//! asks for nobody. Works offline in a temporary directory and leaves nothing behind.
//!
//! `cargo run --example fleet`

#![expect(clippy::print_stdout, reason = "an example shows its result by printing")]

use std::error::Error;
use std::fs;

use camino::Utf8PathBuf;
use orch::core::Vcs;
use orch::core::agents::AgentProfile;
use orch::core::base::Timestamp;
use orch::core::heal::{Case, Decision, DefaultPolicy, HealPolicy, Limits, Remedy, Signal};
use orch::core::plan::{ExecutorKind, Status};
use orch::fleet::{Fleet, Settings, TakeDown, Workdir};

/// Starts a failed agent anew at once, without the default policy's pause.
struct Eager;

impl HealPolicy for Eager {
    fn name(&self) -> &'static str {
        "eager"
    }

    fn decide(&self, case: &Case, limits: &Limits, now: Timestamp) -> Decision {
        if case.signal == Signal::Failed && case.failures < limits.max_attempts {
            return Decision::new(Remedy::Restart { at: now }, format!("{}; again", case.detail));
        }
        DefaultPolicy.decide(case, limits, now)
    }
}

/// What stands in for a coding agent: it fails once, then does its task and commits.
const AGENT: &str = r#"[ "$ORCH_TASK_ID $ORCH_ATTEMPT" = "t1 1" ] && exit 1
echo hello > greeting.txt; date +%N > "$ORCH_TASK_ID"; git add . && git commit --quiet --message "$ORCH_TASK_ID""#;
const MANIFEST: &str = r#"{"project": "example", "repo": "../origin.git", "agent": "writer", "merge": "auto",
    "phases": [{"name": "one", "tasks": [{"id": "t1"}, {"id": "t2", "dependsOn": ["t1"]}]}]}"#;

fn main() -> Result<(), Box<dyn Error>> {
    // Before anything else: terminals are kept by a host process, which is this same program.
    orch::host_entry();
    tokio::runtime::Runtime::new()?.block_on(drive())
}

async fn drive() -> Result<(), Box<dyn Error>> {
    let dir = tempfile::tempdir()?;
    let root = Utf8PathBuf::try_from(dir.path().to_owned())?;
    fs::create_dir(root.join("seed"))?;
    fs::write(root.join("seed/README"), "A repository.")?;
    orch_git::create_origin(&root.join("seed"), &root.join("origin.git")).await?;
    let workdir = Workdir::create(&root.join("work"))?;
    fs::write(workdir.manifest(), MANIFEST)?;

    let writer = ["/bin/sh", "-c", AGENT].map(str::to_owned).into();
    let fleet = Fleet::builder(workdir)
        .settings(Settings::default()) // not what this machine's user has set
        .executor(ExecutorKind::Pty)
        .agent("writer", AgentProfile::of_command("writer", writer))
        .policy(Eager)
        .until(Status::Merged);
    let ending = fleet.clone().open().await?.run(&mut (), std::future::pending()).await?;

    let fleet = fleet.open().await?;
    let attempts: u32 = fleet.engine().state().tasks.values().map(|task| task.attempt.number.0).sum();
    let base = fleet.vcs().base_tip(&fleet.engine().config().base).await?;
    let down = fleet.take_down(TakeDown::default()).await?;
    println!("{ending:?} at {base}, {attempts} attempts; idle: {}", down.idle);
    Ok(())
}
