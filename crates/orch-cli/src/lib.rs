//! The command line of `orch`.
mod failure;
mod output;
mod run;
mod steer;
mod world;
use clap::Parser;
use std::process::ExitCode;
#[derive(Parser)]
struct Cli {
    #[arg(short, long)]
    workdir: Option<camino::Utf8PathBuf>,
    #[arg(long)]
    json: bool,
    #[command(subcommand)]
    verb: Verb,
}
#[derive(clap::Subcommand)]
enum Verb {
    Run(run::Run),
    Tick(run::Tick),
    Kill { task: String },
    Retry { task: String },
    Skip { task: String },
}
/// Runs.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let rt = tokio::runtime::Runtime::new().unwrap();
    let r = rt.block_on(async {
        let cwd = camino::Utf8PathBuf::from_path_buf(std::env::current_dir().unwrap()).unwrap();
        let var = std::env::var("ORCH_WORKDIR").ok();
        let w =
            orch_runtime::Search { flag: cli.workdir.as_deref(), variable: var.as_deref(), cwd: &cwd }.find()?.workdir;
        let id = |t: &str| orch_core::TaskId::parse(t).map_err(failure::Failure::input);
        match cli.verb {
            Verb::Run(r) => r.run(w, false).await,
            Verb::Tick(r) => r.run(w, false).await,
            Verb::Kill { task } => steer::say(w, Some(id(&task)?), orch_core::UserVerb::Kill, cli.json).await,
            Verb::Retry { task } => steer::say(w, Some(id(&task)?), orch_core::UserVerb::Retry, cli.json).await,
            Verb::Skip { task } => steer::say(w, Some(id(&task)?), orch_core::UserVerb::Skip, cli.json).await,
        }
    });
    match r {
        Ok(e) => ExitCode::from(e as u8),
        Err(f) => {
            eprintln!("{}", f.message);
            ExitCode::from(f.exit as u8)
        }
    }
}
